"""Replays of trained animals: each animal by itself, resumed where a replay was interrupted, and joined.

Animals already replayed are kept in `animals/NNN/NAME.nc` until all are, each with a JSON file of the request (settings,
options, weights) and the SHA-256 of the recording; one of another request is made anew. The replay of the rate network is
a stage of every run. Others are made on demand, with a recording, statistics and figures of their own; the recording
carries the options as JSON under the name of the replay.
"""

import abc
import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from pfc_da.analysis.figures.panel import write_figures
from pfc_da.errors import damaged
from pfc_da.experiment.result import tabulate_statistics
from pfc_da.jobs.cost import Cost
from pfc_da.jobs.progress import Progress
from pfc_da.jobs.workers import work
from pfc_da.recording import open_recording, read_recording, set_provenance, write_recording
from pfc_da.replay import ReplayOptions
from pfc_da.rollout import Condition
from pfc_da.settings import RunSettings
from pfc_da.storage.files import hash_file, remove, require_file, write_atomic
from pfc_da.storage.request import require_same_request
from pfc_da.storage.run_files import OF_REPLAY, name_folder
from pfc_da.storage.run_folder import RunFolder
from pfc_da.task import Task
from pfc_da.trained import WEIGHTS, Trained, load_trained

if TYPE_CHECKING:
    from pfc_da.analysis.findings import Findings
    from pfc_da.experiment.experiment import Experiment

Report = Callable[[int, str], None]


@dataclasses.dataclass(frozen=True)
class Replay(abc.ABC):
    """One way to replay the trained animals of a run."""

    experiment: "Experiment"
    settings: RunSettings

    name: ClassVar[str]
    """Names its files."""

    @property
    @abc.abstractmethod
    def conditions(self) -> Sequence[Condition]:
        """Conditions of the replay."""

    @abc.abstractmethod
    def count_sessions(self) -> int:
        """Sessions of one animal over all conditions."""

    @abc.abstractmethod
    def record_animal(self, path: Path, trained: Trained, animal: int, report: Report) -> None:
        """Write the recording of one animal.

        Parameters
        ----------
        path : Path
        trained : Trained
        animal : int
            Index of the animal.
        report : callable
            Called with the number of finished sessions and the name of the condition.
        """

    @abc.abstractmethod
    def write(self, folder: RunFolder, parts: Sequence[Path]) -> str:
        """Write the results of the recordings of all animals.

        Parameters
        ----------
        folder : RunFolder
        parts : sequence of Path
            Recordings of the animals.

        Returns
        -------
        str
            Results in short, to be printed.
        """

    @property
    def task(self) -> Task:
        """The task of test."""
        return self.experiment.build_task(self.settings, test=True)

    @property
    def config(self) -> dict[str, Any]:
        """Settings that the recording carries."""
        return self.settings.model_dump(mode="json")

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {}

    def run(self, folder: RunFolder, progress: Progress, workers: int | None) -> str:
        """Replay every animal, several at once, and write the results.

        Parameters
        ----------
        folder : RunFolder
        progress : Progress
        workers : int, optional
            Processes.

        Returns
        -------
        str
            What it shows, in short.
        """
        parts = [folder.animal(animal) / f"{self.name}.nc" for animal in range(self.settings.animals)]
        jobs = []
        for animal, part in enumerate(parts):
            trained = load_trained(self.settings, self.task, animal, folder.animal(animal))
            report = progress.task(f"animal {animal}", self.count_sessions())
            jobs.append(functools.partial(self.replay_part, trained, animal, report, part))
        work(jobs, workers, folder.path)
        for part in parts:
            self.require_part(part)
        text = self.write(folder, parts)
        for part in parts:
            remove(part)
            remove(_name_request(part))
        return text

    def replay_part(self, trained: Trained, animal: int, report: Report, part: Path) -> None:
        """Replay one animal into a file of its own, unless that was done before.

        Parameters
        ----------
        trained : Trained
        animal : int
            Index of the animal.
        report : callable
            Called with the number of finished sessions and a note.
        part : Path
            Recording of this animal.
        """
        if self.holds(part):
            return report(self.count_sessions(), "replayed before")
        report(0, "")
        remove(_name_request(part))
        self.record_animal(part, trained, animal, report)
        text = json.dumps({**self._request(part), "sha256": hash_file(part)}) + "\n"
        write_atomic(_name_request(part), lambda aside: aside.write_text(text, encoding="utf-8"))

    def holds(self, part: Path) -> bool:
        """True if the file of an animal is of this very request, and as it was written."""
        try:
            require_file(_name_request(part))
            kept = json.loads(_name_request(part).read_text(encoding="utf-8"))
            return bool(kept == {**self._request(part), "sha256": hash_file(part)})
        except (OSError, ValueError):  # not there, or damaged
            return False

    def require_part(self, part: Path) -> None:
        """Refuse an animal's own file that is of another request."""
        if not self.holds(part):
            raise damaged(part, "it is not of this replay")

    def _request(self, part: Path) -> dict[str, Any]:
        """Inputs that the recording of one animal depends on."""
        weights = hash_file(part.parent / WEIGHTS)
        return {"config": self.config, "attributes": self.attributes, "weights_sha256": weights}


@dataclasses.dataclass(frozen=True)
class ReplayOnDemand(Replay):
    """A replay that no stage of a run makes, with statistics of its own."""

    options: ReplayOptions

    used_in: ClassVar[tuple[str, ...]] = ()
    """Files outside its folder that are made of its recording."""

    @classmethod
    @abc.abstractmethod
    def parse(cls, *args: Any, **given: Any) -> ReplayOptions:
        """Options from those of the command line; a subclass names each of them as an argument."""

    @abc.abstractmethod
    def check(self) -> None:
        """Refuse with an `InputError` what cannot be replayed so."""

    @abc.abstractmethod
    def estimate(self, workers: int | None) -> Cost:
        """Estimated cost of the replay."""

    @abc.abstractmethod
    def simulate_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal.

        Parameters
        ----------
        trained, animal, report
            As for `record_animal`.
        """

    @abc.abstractmethod
    def join(self, parts: list[xr.Dataset]) -> xr.Dataset:
        """One recording of all animals."""

    @abc.abstractmethod
    def analyse(self, recording: xr.Dataset) -> "Findings":
        """Results of the recording."""

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the run, with as many sessions of replay as asked for."""
        return self.options.limit(self.settings).model_dump(mode="json")

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {self.name: self.options.format()}

    @property
    def files(self) -> tuple[str, ...]:
        """Its files in the run folder, as patterns: recording, statistics, comparisons if there are any, and figures."""
        return tuple(f"{name_folder(self.name)}/{name}" for name in OF_REPLAY)

    def is_done(self, folder: RunFolder) -> bool:
        """True if the folder holds this very replay.

        Raises
        ------
        InputError
            If it holds another one.
        """
        path, statistics = (folder.path / name for name in self.files[:2])
        if not path.exists():
            return False
        folder.require_whole(*self.files)
        with open_recording(path) as recording:
            options, config = (json.loads(recording.attrs[name]) for name in (self.name, "config"))
        before = {**options, "config": config}
        now = {**json.loads(self.options.format()), "config": self.config}
        require_same_request(f"{path} is another {self.name} replay", before, now, "--force replaces it.")
        return statistics.exists()

    def record_animal(self, path: Path, trained: Trained, animal: int, report: Report) -> None:
        """Write the recording of one animal."""
        recording = self.simulate_animal(trained, animal, report)
        set_provenance(recording, config=self.config, choice_phase=self.task.choice_phase)
        recording.attrs.update(self.attributes)
        write_atomic(path, functools.partial(write_recording, recording))

    def write(self, folder: RunFolder, parts: Sequence[Path]) -> str:
        """Write the recording of all animals, its statistics and its figures."""
        with threadpool_limits(limits=1):  # `Experiment.compare` says why
            recording = self.join([read_recording(part) for part in parts])
            findings = self.analyse(recording)
        tables = [tabulate_statistics(findings.statistics, self.settings)]
        if findings.comparisons:
            tables.append(pd.DataFrame([dataclasses.asdict(row) for row in findings.comparisons]))
        with folder.making(*self.files):
            folder.discard(*self.used_in)
            folder.write_atomic(self.files[0], functools.partial(write_recording, recording))
            write_figures(findings.figures, folder.path / name_folder(self.name) / "figures")
            for name, table in zip(self.files[1:3], tables, strict=False):
                folder.write_atomic(name, functools.partial(table.to_csv, index=False))
        return findings.text


def join_animals(animals: Sequence[xr.Dataset], task: Task) -> xr.Dataset:
    """Recordings of animals as one; they have the same problems.

    Parameters
    ----------
    animals : sequence of xarray.Dataset
        One each, without the dimension `animal`.
    task : Task
    """
    own = [name for name in animals[0].data_vars if name not in task.session_labels]
    index = pd.Index(range(len(animals)), name="animal")
    recording = xr.concat(animals, index, own, "minimal", "override")
    recording["animal"].attrs |= {"units": "1", "long_name": "index of the animal"}
    return recording


def _name_request(part: Path) -> Path:
    """The file that keeps the request of an animal's recording."""
    return part.with_name(f"{part.name}.json")
