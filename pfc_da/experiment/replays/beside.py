"""Replays of a run in another way (as neurons, through a circuit), whose files stand beside the run's own.

Animals already played are kept in `animals/NNN/KIND.nc` until all are, so an interrupted replay goes on with the next. How
a replay was asked for is kept in the recording, as JSON under the name of its kind: the same is not done again, and another
one is not overwritten. An animal's own file also names the weights it played with; one of another request is made anew.
"""

import abc
import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from pfc_da.analysis.comparison.published import Comparison
from pfc_da.analysis.figures.panel import write_figures
from pfc_da.analysis.statistic import Statistic
from pfc_da.cost import Cost
from pfc_da.errors import InputError, damaged
from pfc_da.experiment.experiment import Experiment, tabulate_statistics
from pfc_da.files import hash_file, remove, write_atomic
from pfc_da.progress import Progress
from pfc_da.recording import open_recording, read_recording, set_provenance, write_recording
from pfc_da.run_folder import RunFolder
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import WEIGHTS, Trained, load_trained
from pfc_da.workers import work

Report = Callable[[int, str], None]
_OF_WEIGHTS = "weights_sha256"


class How(Protocol):
    """How a replay was asked for."""

    def limit(self, settings: RunSettings) -> RunSettings:
        """Settings of a run with as many sessions of replay as asked for."""

    def tell(self) -> str:
        """All of it as JSON of an object, for a recording to carry."""


class Found(NamedTuple):
    """What a replay gives: the recording of all animals, its statistics, and what to print.

    `comparisons` are of its statistics with references, `figures` the tables of its panels.
    """

    recording: xr.Dataset
    statistics: Sequence[Statistic]
    text: str
    comparisons: Sequence[Comparison] = ()
    figures: Mapping[str, pd.DataFrame] = {}


@dataclasses.dataclass(frozen=True)
class Beside(abc.ABC):
    """One replay of a run in another way."""

    experiment: Experiment
    settings: RunSettings
    how: Any  # a How of the subclass

    kind: ClassVar[str]
    """Names the files, and the attribute of the recording that says how it was asked for."""
    way: ClassVar[str]
    """In words, such as "as neurons"."""
    of: ClassVar[str]
    """What is at work, such as "neurons"."""

    @abc.abstractmethod
    def check(self) -> None:
        """Refuse with an `InputError` what cannot be replayed so."""

    @abc.abstractmethod
    def count_sessions(self) -> int:
        """Sessions that an animal plays in all."""

    @abc.abstractmethod
    def estimate(self, workers: int | None) -> Cost:
        """What the replay will cost."""

    @abc.abstractmethod
    def play_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal."""

    @abc.abstractmethod
    def find(self, parts: list[xr.Dataset]) -> Found:
        """What the recordings of all animals give."""

    def tell(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {self.kind: self.how.tell()}

    def tell_part(self, part: Path) -> dict[str, Any]:
        """Attributes of the file of one animal: the same, and which weights it played with."""
        return {**self.tell(), _OF_WEIGHTS: hash_file(part.parent / WEIGHTS)}

    def holds(self, part: Path) -> bool:
        """Whether an animal's own file is of this very request, and as it was written."""
        told = {"config": json.dumps(self.config), **self.tell_part(part)}
        try:
            if _checksum_of(part).read_text().split()[0] != hash_file(part):
                return False
            with open_recording(part) as recording:
                return all(recording.attrs[name] == value for name, value in told.items())
        except (OSError, IndexError, InputError, KeyError):  # half-written, or of another version
            return False

    def read_part(self, part: Path) -> xr.Dataset:
        """The recording of one animal; never that of another request."""
        if not self.holds(part):
            raise damaged(part, "it is not of this replay")
        recording = read_recording(part)
        del recording.attrs[_OF_WEIGHTS]  # of one animal; the recording is of all
        return recording

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the run, with as many sessions of replay as asked for."""
        return self.how.limit(self.settings).model_dump(mode="json")

    @property
    def task(self) -> Task:
        """The task of test."""
        return self.experiment.build_task(self.settings, test=True)

    @property
    def files(self) -> tuple[str, str, str]:
        """Names of the recording, its statistics and, if there are any, their comparisons in the run folder."""
        return f"recording_{self.kind}.nc", f"statistics_{self.kind}.csv", f"comparison_{self.kind}.csv"

    @property
    def figures(self) -> tuple[str, ...]:
        """Files of its panels in the run folder, as patterns."""
        return (f"figures/{self.of}_*",)

    def is_done(self, folder: RunFolder) -> bool:
        """Whether the folder holds this very replay.

        Raises
        ------
        InputError
            If it holds another one.
        """
        path, statistics, _ = (folder.path / name for name in self.files)
        if not path.exists():
            return False
        folder.require_whole(*self.files, *self.figures)
        with open_recording(path) as recording:
            before = json.loads(recording.attrs[self.kind])
        for key, value in json.loads(self.how.tell()).items():
            if before.get(key) != value:
                raise InputError(
                    f"{path} was replayed with {key} {before.get(key)}, and {value} was asked for. --force replaces it."
                )
        return statistics.exists()

    def replay(self, folder: RunFolder, progress: Progress, workers: int | None) -> str:
        """Replay every animal, several at once; write the recording and its statistics.

        Returns
        -------
        str
            What they show, in short.
        """
        parts = [folder.animal(animal) / f"{self.kind}.nc" for animal in range(self.settings.animals)]
        jobs = []
        for animal, part in enumerate(parts):
            trained = load_trained(self.settings, self.task, animal, folder.animal(animal))
            report = progress.task(f"{self.of} of animal {animal}", self.count_sessions())
            jobs.append(functools.partial(_replay_part, self, trained, animal, report, part))
        work(jobs, workers, folder.path)
        with threadpool_limits(limits=1):  # `Experiment.compare` says why
            found = self.find([self.read_part(part) for part in parts])
        tables = [tabulate_statistics(found.statistics, self.settings)]
        if found.comparisons:
            tables.append(pd.DataFrame([dataclasses.asdict(row) for row in found.comparisons]))
        with folder.making(*self.files, *self.figures):
            folder.write_atomic(self.files[0], functools.partial(write_recording, found.recording))
            write_figures(found.figures, folder.path / "figures")
            for name, table in zip(self.files[1:], tables, strict=False):
                folder.write_atomic(name, functools.partial(table.to_csv, index=False))
        for part in parts:
            remove(part)
            remove(_checksum_of(part))
        return found.text


def _replay_part(beside: Beside, trained: Trained, animal: int, report: Report, part: Path) -> None:
    """Replay one animal into a file of its own, unless that was done before."""
    if beside.holds(part):
        return report(beside.count_sessions(), "played before")
    recording = beside.play_animal(trained, animal, report)
    set_provenance(recording, config=beside.config, choice_phase=beside.task.choice_phase)
    recording.attrs.update(beside.tell_part(part))
    remove(_checksum_of(part))
    write_atomic(part, lambda aside: write_recording(recording, aside))
    digest = hash_file(part)
    write_atomic(_checksum_of(part), lambda aside: aside.write_text(f"{digest}  {part.name}\n"))


def _checksum_of(part: Path) -> Path:
    """The file that keeps the SHA-256 of a part, as `sha256sum` writes it."""
    return part.with_name(f"{part.name}.sha256")
