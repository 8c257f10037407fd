"""The folder a run is kept in: one writer at a time, every file whole, and a manifest of what is in it.

A run goes through the stages of `STAGES`. The manifest records which are done, under the hash of the
configuration they were done with, so an interrupted run continues where it stopped and a finished one is left
alone. Files are written aside and renamed, so a kill or a full disk leaves the previous file whole. Nothing
here imports torch.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pfc_da import signals, workers
from pfc_da.errors import DiskFull, InputError, damaged

SCHEMA_VERSION = 1
STAGES = ("train", "replay", "compare", "report")
_OUTPUT = {"replay": "recording.nc", "compare": "comparison.csv", "report": "report.html"}
_MADE_FROM = {
    "recording.nc": ("comparison_recorded.csv", "exports"),
    "recording_spiking.nc": (
        "statistics_spiking.csv",
        "comparison_spiking.csv",
        "comparison_recorded.csv",
        "exports_spiking",
        "figures/neurons_*",
    ),
    "recording_circuit.nc": ("statistics_circuit.csv", "comparison_circuit.csv"),
}
"""What is made on demand from a recording, by no stage, and so must go when that recording is made anew; may hold a *."""
_ON_DEMAND = {*_MADE_FROM, *itertools.chain(*_MADE_FROM.values())} - {"recording.nc"}
_OURS = (
    "animals",
    "figures",
    "recording.nc",
    "statistics.csv",
    "statistics_by_animal.csv",
    "comparison.csv",
    "report.html",
    *_ON_DEMAND,
    "error.txt",
    "manifest.json",  # last: while it stands, the folder is known to be a run folder
)
LOCKS = (".lock", workers.LOCK)
_ASIDE = ".writing-"
_PACKAGES = ("pfc_da", "torch", "numpy", "scipy", "pandas", "xarray", "h5netcdf", "safetensors", "pydantic")


class Manifest(BaseModel):
    """What a run folder holds: its configuration, where it came from, how far it got, what it cost.

    `status` is ``running`` while a stage is under way (or was killed there), ``waiting`` when a command
    ended well with stages still to do, and ``finished`` when every stage is done.
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


def read_manifest(path: str | Path) -> Manifest:
    """Read ``manifest.json`` of the run folder `path`.

    Raises
    ------
    InputError
        If `path` is no run folder or its manifest is damaged; the file is left as it is.
    """
    file = Path(path) / "manifest.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path} is not a run folder: it has no manifest.json. "
            "Give the --out of an earlier run, or make one with 'pfc-da run PARADIGM --out FOLDER'."
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise damaged(file, f"it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise damaged(file, f"it holds a {type(content).__name__}, not an object")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{file} has schema_version {content.get('schema_version')!r}; this version of pfc_da reads "
            f"{SCHEMA_VERSION}. The file was left as it is; use the pfc_da that wrote it, or another --out."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def write_atomic(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` write a file aside, then put it in the place of `path` in one step.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made if missing.
    writer : callable
        Called with the path to write to, in the same folder and with the same suffix.

    Raises
    ------
    DiskFull
        If no space is left. As after any other error, `path` is what it was before.
    """
    with _aside(path) as aside:
        aside.touch()
        permissions = aside.stat().st_mode
        writer(aside)
        aside.chmod(permissions)  # safetensors writes files that only their owner may read
        _sync(aside)


def write_folder_atomic(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` make a folder aside, then put it at `path`, where nothing may be yet; else as `write_atomic`."""
    with _aside(path) as aside:
        writer(aside)
        for part in (*aside.rglob("*"), aside):
            _sync(part)


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Give a path beside `path`; what stands there at the end takes its place, and goes if anything fails."""
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
        _sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            remove(aside)
        if isinstance(error, Exception) and _is_disk_full(error):
            raise DiskFull(
                f"no space left on the disk while writing {path}; what was there before is whole. "
                "Free some space and give the same command again."
            ) from error
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(
                f"cannot write {path}: {error.strerror}. Make it writable or give another --out."
            ) from error
        raise


class RunFolder:
    """A run folder held by this process: its configuration, its files and the stages done.

    Get one from `open` (create or continue) or `existing` (a later stage of an earlier run); both take the
    folder's lock. As a context manager it writes the status, the wall and CPU time into the manifest on exit, and lets
    the lock go. The status is ``running`` once a stage has begun; what does no stage leaves it as it was. A pickled copy,
    as a worker process gets it, can write files but holds no lock.
    """

    def __init__(self, path: Path, manifest: Manifest, lock: IO[str] | None) -> None:
        self.path = path
        self.manifest = manifest
        self._lock = lock
        self._started = _clock()

    @classmethod
    def open(cls, path: str | Path, config: dict[str, Any], force: bool = False) -> Self:
        """Create the run folder `path` for `config`, or continue the run of the same configuration in it.

        Parameters
        ----------
        path : path
        config : dict
            Resolved settings, as JSON values, with ``paradigm``, ``seed`` and ``animals`` among them.
        force : bool
            Start over: remove what a run wrote here, whatever its configuration.
        """
        path, config = Path(path), json.loads(json.dumps(config))
        lock = lock_folder(path)
        try:
            if _is_new(path):
                manifest = _new_manifest(config)
            else:
                manifest = read_manifest(path)
                if force:
                    _remove_run(path)
                    manifest = _new_manifest(config)
                _require_same(path, manifest.config, config)
            remove_stale(path)
        except BaseException:
            lock.close()
            raise
        return cls(path, manifest, lock)

    @classmethod
    def existing(cls, path: str | Path) -> Self:
        """Open the run folder that an earlier command made, with the configuration it holds."""
        path = Path(path)
        read_manifest(path)  # so that no lock is left in a folder that is none of a run
        lock = lock_folder(path)
        try:
            manifest = read_manifest(path)  # as the last command left it
            remove_stale(path)
        except BaseException:
            lock.close()
            raise
        return cls(path, manifest, lock)

    def __enter__(self) -> Self:
        self._write_manifest(self.manifest.status)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        try:
            self._write_manifest(self._status_after(kind))
        except (DiskFull, InputError, OSError):
            if kind is None:
                raise  # otherwise the first error is the one to tell
        finally:
            self.close()

    def _status_after(self, error: type[BaseException] | None) -> str:
        if self.is_finished:
            return "finished"
        if error is None:
            return "waiting"
        if self.manifest.status != "running":  # no stage was begun
            return self.manifest.status
        return "interrupted" if signals.caused(error) else "failed"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": None}

    def close(self) -> None:
        """Let the folder's lock go."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_finished(self) -> bool:
        """Whether every stage is done."""
        return all(self.is_done(stage) for stage in STAGES)

    def is_done(self, stage: str) -> bool:
        """Whether `stage` was done with this configuration and its files are still there."""
        if self.manifest.stages.get(stage) != hash_config(self.manifest.config):
            return False
        return all(file.exists() for file in self._outputs(stage))

    @contextlib.contextmanager
    def doing(self, stage: str) -> Iterator[None]:
        """Do `stage` inside: recorded as done at the end, with the stages after it to be done again.

        Bad input met inside is refused before anything is replaced, and leaves all as it was.
        """
        earlier, before = STAGES[: STAGES.index(stage)], self.manifest
        kept = {name: done for name, done in self.manifest.stages.items() if name in earlier}
        self._set_stages(kept)
        if stage == "train":  # later stages replace what they made of the weights of before
            self._remove(_ON_DEMAND)
        try:
            yield
        except InputError:
            self.manifest = self.manifest.model_copy(update={"stages": before.stages})
            self._write_manifest(before.status)
            raise
        self._set_stages(kept | {stage: hash_config(self.manifest.config)})

    def animal(self, index: int) -> Path:
        """Return the folder of animal `index`: its weights, training state and learning curve."""
        return self.path / "animals" / f"{index:03d}"

    def write_atomic(self, name: str, writer: Callable[[Path], object]) -> None:
        """Let `writer` write the file `name` of this folder, less what was made from an earlier one; see `write_atomic`."""
        self._remove(_MADE_FROM.get(name, ()))
        write_atomic(self.path / name, writer)

    def kept(self) -> str:
        """Say in a few words what an interrupted run has kept."""
        folders = [self.animal(index) for index in range(self.manifest.animals)]
        training = [folder for folder in folders if not (folder / "weights.safetensors").exists()]
        trained = len(folders) - len(training)
        part = sum((folder / "state.safetensors").exists() for folder in training)
        return f"{trained} of {len(folders)} animals trained" + (f" and {part} part-way" if part else "")

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            for path in self.path.glob(name):
                remove(path)

    def _set_stages(self, stages: dict[str, str]) -> None:
        self.manifest = self.manifest.model_copy(update={"stages": stages})
        self._write_manifest("running")

    def _outputs(self, stage: str) -> Iterator[Path]:
        if stage == "train":
            return (self.animal(index) / "weights.safetensors" for index in range(self.manifest.animals))
        return iter([self.path / _OUTPUT[stage]])

    def _write_manifest(self, status: str) -> None:
        (wall, cpu), (wall_before, cpu_before) = _clock(), self._started
        self._started = wall, cpu
        self.manifest = self.manifest.model_copy(
            update={
                "status": status,
                "wall_s": round(self.manifest.wall_s + wall - wall_before, 3),
                "cpu_s": round(self.manifest.cpu_s + cpu - cpu_before, 3),
            }
        )
        text = json.dumps(self.manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        self.write_atomic("manifest.json", lambda file: file.write_text(text, encoding="utf-8"))


def _new_manifest(config: dict[str, Any]) -> Manifest:
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
    package = Path(__file__).resolve().parent

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


def lock_folder(path: Path) -> IO[str]:
    """Make the folder if needed and hold it for this process, until the returned file is closed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("a+", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path} is not a folder: a file is in the way. Give another --out.") from None
    except OSError as error:
        if _is_disk_full(error):
            raise DiskFull(
                f"no space left on the disk to make {path}. Free some space or give another --out."
            ) from error
        raise InputError(
            f"cannot write in {path}: {error.strerror}. Make it writable or give another --out."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise InputError(
            f"{path} is being written by another process{f' ({holder})' if holder else ''}. "
            "Wait for it to end, or give another --out."
        ) from None
    if not workers.wait_for_workers(path):
        lock.close()
        raise InputError(
            f"{path} is still being written by workers of a command that was killed. "
            "Wait for them to end, or give another --out."
        )
    lock.truncate(0)
    lock.write(f"process {os.getpid()}\n")
    lock.flush()
    return lock


def _is_new(path: Path) -> bool:
    """Whether nothing is in the folder yet but what a start that was killed may have left."""
    if (path / "manifest.json").exists():
        return False
    foreign = [
        file.name for file in path.iterdir() if file.name not in LOCKS and not file.name.startswith(_ASIDE)
    ]
    if foreign:
        raise InputError(
            f"{path} holds other files ({foreign[0]}) and no manifest.json, so it is no run folder. "
            "Give a new or empty folder."
        )
    return True


def _require_same(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = _flat(old), _flat(new)
    for key in [*after, *(before.keys() - after.keys())]:
        if before.get(key) != after.get(key):
            raise InputError(
                f"{path} holds a run with another configuration: {key} is {_told(before, key)} there and "
                f"{_told(after, key)} was asked for. Give another --out, or --force to start over."
            )


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested settings by their dotted path, as ``--set`` does."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _told(flat: dict[str, Any], key: str) -> str:
    return json.dumps(flat[key], ensure_ascii=False) if key in flat else "absent"


def _remove_run(path: Path) -> None:
    """Remove what a run writes, and nothing else that may lie in the folder."""
    for name in _OURS:
        remove(path / name)


def remove_stale(path: Path) -> None:
    """Remove what a killed process left half-written; the lock is ours, so nobody is still writing it."""
    for aside in [*path.rglob(f"{_ASIDE}*")]:
        remove(aside)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hash_config(config: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def _is_disk_full(error: Exception) -> bool:
    # HDF5 and safetensors raise errors of their own kind and keep the system's reason only in the text
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def _sync(path: Path) -> None:
    """Have the file or folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clock() -> tuple[float, float]:
    """Return wall and CPU time in s; CPU time counts worker processes, ended or at work."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(used.ru_utime + used.ru_stime for used in usage) + _workers_cpu_s()


def _workers_cpu_s() -> float:
    """CPU time in s of child processes still alive, as Linux tells it; 0 elsewhere."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for process in children.read_text().split():
            with contextlib.suppress(OSError):  # it has ended since
                after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, after_name[11:15]))  # utime, stime and those of its own children
    return ticks / os.sysconf("SC_CLK_TCK")
