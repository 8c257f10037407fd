"""Named random streams: one seed gives as many independent streams as there are names.

A stream is found by its name, not by the order of its use, so that adding a stream changes none of the others, and two
conditions that ask for the same name see the same random draws (common random numbers).
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Seed of the stream `names` of a run: the first 63 bits of a BLAKE2 hash of seed and names."""
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def torch_stream(seed: int, *names: str | int, device: str = "cpu") -> "torch.Generator":
    """Torch generator of the stream `names`."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator of the stream `names`."""
    return np.random.default_rng(derive_seed(seed, *names))
