"""The folder a run is kept in: one writer at a time, every file whole, and a manifest of what is in it.

A run goes through the stages of `STAGES`. The manifest records which are done, under the hash of the settings they depend
on. So an interrupted run continues where it stopped, a finished one is left alone, and of a run that grows
(`pfc_da.storage.growth`) those stages are done again that depend on what has changed. The manifest also keeps the SHA-256 of
every file that a later command reads, and a file whose bytes have changed since is refused. Files are written aside and
renamed (`pfc_da.storage.files`), so a kill or a full disk leaves the previous file whole. Nothing here imports torch.
"""

import contextlib
import fnmatch
import itertools
import json
import logging
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Self

from pfc_da.errors import DiskFull, InputError
from pfc_da.jobs import signals
from pfc_da.storage.files import (
    ASIDE,
    hash_file,
    name_aside,
    remove,
    remove_stale,
    require_name,
    reserve,
    telling_full,
    write_atomic,
)
from pfc_da.storage.folder_lock import LOCKS, lock_folder
from pfc_da.storage.growth import SESSIONS, describe_growth, require_growth
from pfc_da.storage.manifest import (
    Manifest,
    format_manifest,
    hash_stage,
    new_manifest,
    read_manifest,
    require_whole,
)
from pfc_da.storage.request import flatten
from pfc_da.storage.run_files import CONFIG, ON_DEMAND, OURS, OUTPUTS, STAGES, list_made_from
from pfc_da.storage.yaml_file import format_yaml

LOG = logging.getLogger(__name__)
SPARE = 1 << 17
"""Bytes kept for the last manifest while a run is under way."""


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
        self.growth = ""
        """Work to be done for more animals or sessions than the run had, in one line; empty if there is none."""

    @classmethod
    def open(cls, path: str | Path, config: dict[str, Any], force: bool = False) -> Self:
        """Create the run folder `path` for `config`, or continue the run in it, which may grow.

        A run that is to grow (`growth`) gets the new configuration in its manifest when work on the folder begins; from
        then on only those stages are done that do not depend on what has changed.

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
                manifest = new_manifest(config)
            else:
                manifest = read_manifest(path)
                if force:
                    _remove_run(path)
                    manifest = new_manifest(config)
            folder = cls(path, manifest, lock)
            folder._grow(config)
            remove_stale(path)
        except BaseException:
            lock.close()
            raise
        return folder

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

    def _grow(self, config: dict[str, Any]) -> None:
        """Take another configuration with more animals or sessions of replay; refuse any other."""
        before = self.manifest.config
        if config == before:
            return
        begun = [number for number, folder in enumerate(self._animals, 1) if folder.exists()]
        held = {"animals": max(begun, default=0)}
        if self._has("replay"):
            held |= {name: value for name, value in flatten(before).items() if name in SESSIONS}
        require_growth(self.path, before, config, held)
        self.growth = describe_growth(self.path, before, config, held["animals"])
        new = {"config": config, "animals": config["animals"], "status": "waiting"}
        self.manifest = self.manifest.model_copy(update=new)

    def __enter__(self) -> Self:
        try:
            with telling_full(self.path):
                self._spare.touch()
                reserve(self._spare, SPARE)
            self._write_manifest(self.manifest.status)
            self._write_config()
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
                raise  # otherwise the first error is the one to report
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
        """True if every stage is done."""
        return all(self._has(stage) for stage in STAGES)

    def is_done(self, stage: str) -> bool:
        """True if `stage` was done with this configuration and its files are still there.

        Raises
        ------
        InputError
            If one of them is not what was written.
        """
        if not self._has(stage):
            return False
        self.require_whole(*OUTPUTS[stage])
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
            self.discard(*ON_DEMAND)
        after = itertools.chain(*(OUTPUTS[name] for name in STAGES if name not in (*earlier, stage)))
        try:
            with self.making(*OUTPUTS[stage], also=after):
                yield
        except InputError:
            self._change(stages=before.stages, files=before.files)
            self._write_manifest(before.status)
            raise
        self._change(stages=kept | {stage: hash_stage(stage, self.manifest.config)})

    @contextlib.contextmanager
    def making(self, *patterns: str, also: Iterable[str] = ()) -> Iterator[None]:
        """Make files inside, whose SHA-256 are recorded at the end; those of `also` are of no use any more."""
        gone = {*self._list(patterns), *self._list(also)}
        self._change(files={name: known for name, known in self.manifest.files.items() if name not in gone})
        yield
        there = [path.relative_to(self.path).as_posix() for each in patterns for path in self.path.glob(each)]
        made = {name: hash_file(self.path / name) for name in sorted(there)}
        self._whole |= made.keys()
        for name in made:
            LOG.info("wrote %s", self.path / name)
        self._change(files=self.manifest.files | made)

    def animal(self, index: int) -> Path:
        """Return the folder of animal `index`: its weights, training state and learning curve."""
        return self.path / "animals" / f"{index:03d}"

    def write_atomic(self, name: str, writer: Callable[[Path], object]) -> None:
        """Write a file of this folder as `pfc_da.storage.files.write_atomic`; files made from an earlier one are discarded.

        Parameters
        ----------
        name : str
        writer : callable
            Called with the temporary path.
        """
        self.discard(*list_made_from(name))
        write_atomic(self.path / name, writer)

    def count_trained(self) -> int:
        """Count the animals whose training has ended."""
        return sum((folder / "weights.safetensors").exists() for folder in self._animals)

    def kept(self) -> str:
        """Say in a few words what an interrupted run has kept."""
        part = sum(
            (folder / "state.safetensors").exists() and not (folder / "weights.safetensors").exists()
            for folder in self._animals
        )
        trained = f"{self.count_trained()} of {self.manifest.animals} animals trained"
        return trained + (f" and {part} part-way" if part else "")

    @property
    def _animals(self) -> list[Path]:
        """The folder of every animal, begun or not."""
        return [self.animal(index) for index in range(self.manifest.animals)]

    def discard(self, *names: str) -> None:
        """Remove files and folders, which need not be there."""
        for name in names:
            remove(self.path / name)
            known = self.manifest.files
            files = {key: known[key] for key in known if key != name and not key.startswith(f"{name}/")}
            self.manifest = self.manifest.model_copy(update={"files": files})

    def _change(self, **update: Any) -> None:
        self.manifest = self.manifest.model_copy(update=update)
        self._write_manifest("running")

    def _has(self, stage: str) -> bool:
        if self.manifest.stages.get(stage) != hash_stage(stage, self.manifest.config):
            return False
        return all((self.path / name).exists() for name in self._list(OUTPUTS[stage]))

    def _list(self, patterns: Iterable[str]) -> list[str]:
        """Recorded files that fit a pattern."""
        return [name for name in self.manifest.files if any(fnmatch.fnmatch(name, each) for each in patterns)]

    @property
    def _spare(self) -> Path:
        """File that reserves room for the last manifest while the run is under way."""
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

    def _write_config(self) -> None:
        """Write the settings of the manifest for ``--config``, unless they are there as they should be."""
        paradigm = self.manifest.config.get("paradigm_file") or self.manifest.paradigm
        text = (
            f"# Settings of this run. 'pfc-da run {paradigm} --config FILE --out FOLDER' uses them again;\n"
            "# change a copy, this file is written anew.\n" + format_yaml(self.manifest.config)
        ).encode()
        file = self.path / CONFIG
        if not file.is_file() or file.read_bytes() != text:
            self.write_atomic(CONFIG, lambda aside: aside.write_bytes(text))


def _is_new(path: Path) -> bool:
    """True if the folder holds nothing but the files that a start that was killed may have left."""
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


def _remove_run(path: Path) -> None:
    """Remove what a run writes, and nothing else that may lie in the folder."""
    for name in OURS:
        remove(path / name)


def _clock() -> tuple[float, float]:
    """Return wall and CPU time in s; CPU time counts worker processes, ended or at work."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(used.ru_utime + used.ru_stime for used in usage) + _workers_cpu_s()


def _workers_cpu_s() -> float:
    """CPU time in s of child processes still alive, as Linux reports it; 0 elsewhere."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for process in children.read_text().split():
            with contextlib.suppress(OSError):  # it has ended since
                after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, after_name[11:15]))  # utime, stime and those of its own children
    return ticks / os.sysconf("SC_CLK_TCK")
