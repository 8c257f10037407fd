"""The folder a run is kept in: one writer at a time, every file whole, and a manifest of what is in it.

A run goes through the stages of `STAGES`. The manifest records which are done, under the hash of the
configuration they were done with, so an interrupted run continues where it stopped and a finished one is left
alone. It also keeps the SHA-256 of every file that a later command reads, and a file whose bytes have changed since
is refused. Files are written aside and renamed (`pfc_da.files`), so a kill or a full disk leaves the previous file
whole. Nothing here imports torch.
"""

import contextlib
import fcntl
import fnmatch
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pfc_da import signals, workers
from pfc_da.errors import DiskFull, InputError, damaged
from pfc_da.files import (
    ASIDE,
    hash_file,
    is_disk_full,
    name_aside,
    remove,
    remove_stale,
    require_file,
    require_name,
    reserve,
    telling_full,
    write_atomic,
)

SCHEMA_VERSION = 2
STAGES = ("train", "replay", "compare", "report")
_NEURONS = "figures/neurons_*"
_OUTPUTS = {
    "train": (
        "animals/*/weights.safetensors",
        "animals/*/after_*.safetensors",
        "animals/*/learning_curve.csv",
    ),
    "replay": ("recording.nc",),
    "compare": ("statistics.csv", "statistics_by_animal.csv", "comparison.csv", "figures/*"),
    "report": ("report.html",),
}
"""Files that each stage makes; of `figures`, those of neurons are made on demand."""
_REMEDIES = {
    **dict.fromkeys(
        _OUTPUTS["train"], "Remove it, and the command that made the run trains that animal again"
    ),
    "recording.nc": "'pfc-da replay {run} --force' makes it anew",
    "*_spiking.*": "'pfc-da replay {run} --spiking --force' makes it anew",
    _NEURONS: "'pfc-da replay {run} --spiking --force' makes it anew",
    "*_circuit.*": "'pfc-da replay {run} --circuit --force' makes it anew",
    "comparison_recorded.csv": "'pfc-da compare {run} --recorded ...' makes it anew",
    "report.html": "'pfc-da report {run} --force' makes it anew",
    "*": "'pfc-da compare {run} --force' makes it anew",
}
"""How a damaged file is mended; the first pattern that fits counts."""
_MADE_FROM = {
    "recording.nc": ("comparison_recorded.csv", "exports"),
    "recording_spiking.nc": (
        "statistics_spiking.csv",
        "comparison_spiking.csv",
        "comparison_recorded.csv",
        "exports_spiking",
        _NEURONS,
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
SPARE = 1 << 17
"""Bytes kept for the last manifest while a run is under way."""
_PACKAGES = ("pfc_da", "torch", "numpy", "scipy", "pandas", "xarray", "h5netcdf", "safetensors", "pydantic")


class Manifest(BaseModel):
    """What a run folder holds: its configuration, where it came from, how far it got, what it cost.

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
        self._whole: set[str] = set()

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
        require_name(path)
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
        try:
            with telling_full(self.path):
                self._spare.touch()
                reserve(self._spare, SPARE)
            self._write_manifest(self.manifest.status)
        except BaseException:
            self._spare.unlink(missing_ok=True)
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        try:
            self._spare.unlink(missing_ok=True)  # so that a full disk has room for the manifest
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
        return all(self._has(stage) for stage in STAGES)

    def is_done(self, stage: str) -> bool:
        """Whether `stage` was done with this configuration and its files are still there.

        Raises
        ------
        InputError
            If one of them is not what was written.
        """
        if not self._has(stage):
            return False
        self.require_whole(*_OUTPUTS[stage])
        return True

    def require_whole(self, *patterns: str) -> None:
        """Refuse recorded files that are not what was written; each is looked at once, none if it is not there.

        Raises
        ------
        InputError
            With the file and how to mend it.
        """
        for name in self._list(patterns):
            if name not in self._whole and os.path.lexists(self.path / name):
                require_whole(self.path, self.manifest, name)
                self._whole.add(name)

    @contextlib.contextmanager
    def doing(self, stage: str) -> Iterator[None]:
        """Do `stage` inside: recorded as done at the end, with the stages after it to be done again.

        Bad input met inside is refused before anything is replaced, and leaves all as it was.
        """
        earlier, before = STAGES[: STAGES.index(stage)], self.manifest
        kept = {name: done for name, done in self.manifest.stages.items() if name in earlier}
        self._change(stages=kept)
        if stage == "train":  # later stages replace what they made of the weights of before
            self._remove(_ON_DEMAND)
        after = itertools.chain(*(_OUTPUTS[name] for name in STAGES if name not in (*earlier, stage)))
        try:
            with self.making(*_OUTPUTS[stage], also=after):
                yield
        except InputError:
            self._change(stages=before.stages, files=before.files)
            self._write_manifest(before.status)
            raise
        self._change(stages=kept | {stage: hash_config(self.manifest.config)})

    @contextlib.contextmanager
    def making(self, *patterns: str, also: Iterable[str] = ()) -> Iterator[None]:
        """Make files inside, whose SHA-256 are recorded at the end; those of `also` are of no use any more."""
        gone = {*self._list(patterns), *self._list(also)}
        self._change(files={name: known for name, known in self.manifest.files.items() if name not in gone})
        yield
        there = [path.relative_to(self.path).as_posix() for each in patterns for path in self.path.glob(each)]
        found = sorted(name for name in there if any(_fits(name, pattern) for pattern in patterns))
        made = {name: hash_file(self.path / name) for name in found}
        self._whole |= made.keys()
        self._change(files=self.manifest.files | made)

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
                known = self.manifest.files
                files = {key: known[key] for key in known if key != path.relative_to(self.path).as_posix()}
                self.manifest = self.manifest.model_copy(update={"files": files})

    def _change(self, **update: Any) -> None:
        self.manifest = self.manifest.model_copy(update=update)
        self._write_manifest("running")

    def _has(self, stage: str) -> bool:
        if self.manifest.stages.get(stage) != hash_config(self.manifest.config):
            return False
        return all((self.path / name).exists() for name in self._list(_OUTPUTS[stage]))

    def _list(self, patterns: Iterable[str]) -> list[str]:
        """Recorded files that fit a pattern; those made on demand fit no pattern of a stage but their own."""
        return [name for name in self.manifest.files if any(_fits(name, pattern) for pattern in patterns)]

    @property
    def _spare(self) -> Path:
        """Where room for the last manifest is kept while the run is under way."""
        return name_aside(self.path / "spare")

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
        text = format_manifest(self.manifest)
        self.write_atomic("manifest.json", lambda file: file.write_text(text, encoding="utf-8"))


def format_manifest(manifest: Manifest) -> str:
    """The text of ``manifest.json``."""
    content = manifest.model_dump(mode="json")
    return json.dumps({**content, "sha256": _hash(content)}, indent=2, ensure_ascii=False) + "\n"


def require_whole(run: Path, manifest: Manifest, name: str) -> None:
    """Refuse the file `name` of a run folder if its SHA-256 is recorded and is another one.

    Raises
    ------
    InputError
        With the file and how to mend it.
    """
    if name in manifest.files and hash_file(run / name) != manifest.files[name]:
        remedy = next(told for pattern, told in _REMEDIES.items() if fnmatch.fnmatch(name, pattern))
        raise InputError(
            f"{run / name} is damaged: its bytes are not those that were written (SHA-256). It was left as it is. "
            f"{remedy.format(run=run)}."
        )


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) and (pattern != "figures/*" or not fnmatch.fnmatch(name, _NEURONS))


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
        if is_disk_full(error):
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
        file.name for file in path.iterdir() if file.name not in LOCKS and not file.name.startswith(ASIDE)
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


def hash_config(config: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for a configuration."""
    return _hash(config)[:16]


def _hash(content: Any) -> str:
    """SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
