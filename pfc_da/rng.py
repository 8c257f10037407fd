"""Named random streams: one seed gives an independent stream for every name.

A stream depends on its name, not on the order of use. A new stream therefore changes none of the others, and two
conditions that use the same name have the same random draws (common random numbers).
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Seed of a stream: the first 63 bits of a BLAKE2 hash of the seed of the run and the names.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *names : str or int
        Name of the stream, in parts.

    Returns
    -------
    int

    Examples
    --------
    >>> derive_seed(0, "task", 1) == derive_seed(0, "task", 1), derive_seed(0, "task", 1) == derive_seed(0, "task", 2)
    (True, False)
    """
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def torch_stream(seed: int, *names: str | int, device: str = "cpu") -> "torch.Generator":
    """Torch generator of a stream.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *names : str or int
        Name of the stream, in parts.
    device : str
        Torch device of the generator.

    Returns
    -------
    torch.Generator
    """
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator of a stream.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *names : str or int
        Name of the stream, in parts.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(derive_seed(seed, *names))
