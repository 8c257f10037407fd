"""Trained animals: files of weights, each with the SHA-256 of what is in it, so that a flipped bit is found."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pfc_da.agent import build_agent
from pfc_da.errors import InputError, damaged
from pfc_da.network import Weights
from pfc_da.recording_schema import CLAMPED
from pfc_da.rng import derive_seed, torch_stream
from pfc_da.settings import RunSettings
from pfc_da.storage.files import require_file, write_atomic
from pfc_da.storage.manifest import TESTING, hash_config
from pfc_da.task import Task

WEIGHTS = "weights.safetensors"
SNAPSHOT = "after_{:07d}.safetensors"
CLAMPED_WEIGHTS = "clamped.safetensors"


@dataclasses.dataclass(frozen=True)
class Trained:
    """Weights of one animal by the number of updates they had: 0 for the initial weights, None at the end of training, and
    `CLAMPED` for those of a training without dopamine."""

    after: Mapping[int | str | None, Weights]
    diverged: bool


def name_animal(settings: RunSettings, animal: int) -> str:
    """Identity of an animal: the settings that its training depends on, and its number in the run.

    Parameters
    ----------
    settings : RunSettings
    animal : int
        Index of the animal.
    """
    own = settings.model_dump(mode="json", exclude={"animals", *TESTING})
    return f"{hash_config(own)}/{animal}"


def animal_seed(settings: RunSettings, animal: int) -> int:
    """Seed of one animal of a run.

    Parameters
    ----------
    settings : RunSettings
    animal : int
        Index of the animal.
    """
    return derive_seed(settings.seed, "animal", animal)


def load_trained(settings: RunSettings, task: Task, animal: int, folder: Path) -> Trained:
    """Read the weights of a trained animal and those kept on the way.

    Parameters
    ----------
    settings : RunSettings
    task : Task
    animal : int
        Index of the animal.
    folder : Path
        Folder of the animal.

    Raises
    ------
    InputError
        If a file is damaged or belongs to another network; it is left as it is.
    """
    initial = build_agent(settings, task).network.init(torch_stream(animal_seed(settings, animal), "birth"))
    names: dict[int | str | None, str]
    names = {updates: SNAPSHOT.format(updates) for updates in settings.train.snapshot_updates}
    found: dict[int | str | None, Weights] = {0: initial}
    for updates, name in (names | {CLAMPED: CLAMPED_WEIGHTS, None: WEIGHTS}).items():
        found[updates], facts = read_tensors(folder / name)
        if get_shapes(found[updates]) != get_shapes(initial):
            raise damaged(folder / name, "its weights are not those of the configured network")
        require_own(folder / name, found[updates], facts, name_animal(settings, animal))
    return Trained(found, diverged=facts["diverged"])


def read_tensors(path: Path) -> tuple[Weights, dict[str, Any]]:
    """Tensors of a file, and the facts kept with them.

    Raises
    ------
    InputError
        If it cannot be read as safetensors.
    """
    try:
        require_file(path)
        with safe_open(path, "pt") as file:
            # copied, so that they lie in memory as new tensors do, and not where the file happens to put them
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, dict(json.loads((file.metadata() or {}).get("facts", "{}")))
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise damaged(path, f"it cannot be read as safetensors ({' '.join(str(error).split())})") from error


def require_own(path: Path, tensors: Weights, facts: dict[str, Any], animal: str) -> None:
    """Refuse tensors that are not those written, or not of this animal and its settings (SHA-256).

    Parameters
    ----------
    path : Path
        The file they were read from.
    tensors : Weights
    facts : dict
        What was stored with them.
    animal : str
        Of `name_animal`.

    Raises
    ------
    InputError
        If they are not.
    """
    unsealed = {name: fact for name, fact in facts.items() if name != "sha256"}
    if facts != _seal(tensors, animal, unsealed):
        raise damaged(path, "its bytes have changed, or it is of another animal or other settings (SHA-256)")


def save_tensors(
    tensors: Weights, path: Path, animal: str, facts: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write tensors of an animal, and a SHA-256 over them and `facts`.

    Parameters
    ----------
    tensors : Weights
    path : Path
    animal : str
        Of `name_animal`.
    facts : mapping
        Stored with the tensors, as JSON.
    """
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    sealed = json.dumps(_seal(tensors, animal, facts))
    # one key: several would be written in random order
    write_atomic(path, lambda aside: save_file(tensors, aside, {"facts": sealed}))


def _seal(tensors: Weights, animal: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts`, and the SHA-256 of these, the tensors and the name of the animal."""
    digest = hashlib.sha256(f"{animal} {json.dumps({**facts}, sort_keys=True)}".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return {**facts, "sha256": digest.hexdigest()}


def get_shapes(weights: Weights) -> dict[str, torch.Size]:
    """The shape of every tensor."""
    return {name: tensor.shape for name, tensor in weights.items()}
