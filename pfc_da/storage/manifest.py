"""The manifest of a run folder, ``manifest.json``: its configuration, where it came from, how far it got, what it cost.

It keeps the SHA-256 of every file that a later command reads, and ends with the SHA-256 of itself. Nothing here imports
torch.
"""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pfc_da.errors import InputError, damaged
from pfc_da.storage.files import hash_file, require_file, require_name
from pfc_da.storage.run_files import describe_remedy

SCHEMA_VERSION = 3
TESTING = ("replay", "test_task")
"""Settings of how trained animals are tested; training does not depend on them."""
_PACKAGES = ("pfc_da", "torch", "numpy", "scipy", "pandas", "xarray", "h5netcdf", "safetensors", "pydantic")


class Manifest(BaseModel):
    """Description of a run folder: configuration, origin, progress and cost.

    `status` is ``running`` while a stage is under way (or was killed there), ``waiting`` when a command
    ended well with stages still to do, and ``finished`` when every stage is done. `files` are the SHA-256 of finished
    files by their path in the folder. The file itself ends with the SHA-256 of all this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int = SCHEMA_VERSION
    status: Literal["running", "waiting", "finished", "interrupted", "failed"]
    paradigm: str
    config: dict[str, JsonValue]
    seed: int
    animals: int = Field(ge=1)
    versions: dict[str, str]
    commit: str
    wall_s: float = Field(ge=0)
    cpu_s: float = Field(ge=0)
    stages: dict[str, str] = {}
    files: dict[str, str] = {}


def read_manifest(path: str | Path) -> Manifest:
    """Read ``manifest.json`` of the run folder `path`.

    Raises
    ------
    InputError
        If `path` is no run folder or its manifest is damaged; the file is left as it is.
    """
    require_name(path)
    file = Path(path) / "manifest.json"
    try:
        require_file(file)
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path} is not a run folder: it has no manifest.json. "
            "Give the --out of an earlier run, or make one with 'pfc-da run PARADIGM --out FOLDER'."
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}.") from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise damaged(file, f"it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise damaged(file, f"it holds a {type(content).__name__}, not an object")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{file} has schema_version {content.get('schema_version')!r}; this version of pfc_da reads "
            f"{SCHEMA_VERSION}. The file was left as it is; use the pfc_da that wrote it, or another --out."
        )
    checksum = content.pop("sha256", None)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if checksum != _hash(content):
        raise damaged(file, "its content is not what was written (SHA-256)")
    return manifest


def format_manifest(manifest: Manifest) -> str:
    """The text of ``manifest.json``."""
    content = manifest.model_dump(mode="json")
    return json.dumps({**content, "sha256": _hash(content)}, indent=2, ensure_ascii=False) + "\n"


def require_whole(run: Path, manifest: Manifest, name: str) -> None:
    """Refuse the file `name` of a run folder if its SHA-256 is recorded and is another one.

    Parameters
    ----------
    run : Path
        The run folder.
    manifest : Manifest
    name : str
        Path of the file within the run folder.

    Raises
    ------
    InputError
        With the file and how to mend it.
    """
    if name in manifest.files and hash_file(run / name) != manifest.files[name]:
        raise InputError(
            f"{run / name} is damaged: its bytes are not those that were written (SHA-256). It was left as it is. "
            f"{describe_remedy(name, str(run))}."
        )


def new_manifest(config: dict[str, Any]) -> Manifest:
    """The manifest of a run that begins."""
    return Manifest(
        status="running",
        paradigm=config["paradigm"],
        config=config,
        seed=config["seed"],
        animals=config["animals"],
        versions=_versions(),
        commit=_commit(),
        wall_s=0.0,
        cpu_s=0.0,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """Return the commit of the source tree this package runs from, ending in ``-dirty`` if changed since."""
    package = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(package), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        # an installed copy may lie inside some other project's repository, whose commit says nothing about it
        if Path(git("rev-parse", "--show-toplevel")) != package.parent:
            return "unknown"
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def hash_stage(stage: str, config: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for what a stage of a run depends on.

    Parameters
    ----------
    stage : str
    config : dict
        Settings of the run, as JSON has them.

    Returns
    -------
    str
    """
    ignored = TESTING if stage == "train" else ()
    return hash_config({name: value for name, value in config.items() if name not in ignored})


def hash_config(config: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for a configuration."""
    return _hash(config)[:16]


def _hash(content: Any) -> str:
    """SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
