"""An experiment: a task, how animals are trained on it, what is recorded, and how that is analysed.

The stages are separate, each reads what the one before wrote into the run folder, and each can be run alone:
train -> replay (weights frozen) -> compare (statistics beside references) -> report.
"""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from pfc_da.agent import build_agent
from pfc_da.analysis.behaviour.summary import LAGS
from pfc_da.analysis.comparison.extracts import compute_recorded_statistics
from pfc_da.analysis.comparison.published import compare
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.figures.panel import write_figures
from pfc_da.analysis.statistic import Statistic, summarise_fraction
from pfc_da.analysis.units.nulls import MIN_SESSIONS
from pfc_da.cost import Cost, estimate_run
from pfc_da.errors import InputError, nearest, show
from pfc_da.files import name_aside, remove
from pfc_da.progress import Progress
from pfc_da.recording import join_recordings, open_recording, read_recording
from pfc_da.replay import record_animal
from pfc_da.rng import numpy_stream
from pfc_da.rollout import CONTROLS, Condition
from pfc_da.run_folder import RunFolder
from pfc_da.settings import RunSettings, resolve
from pfc_da.tables import COMPARISON, STATISTIC, read_table
from pfc_da.task import Task
from pfc_da.train import CURVE, CURVE_COLUMNS, train_animal
from pfc_da.trained import load_trained
from pfc_da.workers import work

REFERENCE_SETTINGS: Mapping[str, Any] = {
    "network": {"kind": "lstm", "n_units": 48, "input_gain": 1.0},
    "rule": {
        "kind": "bptt",
        "learning_rate": 5e-3,
        "final_learning_rate": 0.02,
        "value_weight": 0.25,
        "trace_decay": 1.0,
        "discount": 0.8,
        "entropy": 0.1,
        "entropy_until": 1.2,
    },
    "train": {"updates": 800, "sessions": 64, "whole_from": 0.5},
}
"""The LSTM and backpropagation of Wang et al. 2018; learning settings are ours."""
MOST_TRIALS = 100_000
"""Most trials of a session, and so the largest number that a setting of a task can be."""
QUICK_SETTINGS: Mapping[str, Any] = {
    "train": {"updates": 40, "sessions": 32, "checkpoint_every": 10},
    "replay": {"held_out_sessions": 100, "sessions": 60, "unit_sessions": 20},
}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What an analysis gives: statistics, and the tables of the figures by name."""

    statistics: list[Statistic]
    figures: dict[str, pd.DataFrame]


Analyse = Callable[[xr.Dataset, Sequence[pd.DataFrame], RunSettings, np.random.Generator], Findings]
"""(recording, learning curves, settings, rng) -> Findings."""

AnalyseChoices = Callable[[xr.Dataset, np.random.Generator], list[Statistic]]
"""(recording, rng) -> statistics of choices alone."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One animal experiment, replayed.

    Attributes
    ----------
    name
        As on the command line; also the key of its reference rows.
    task
        Class of the task; `settings.task` are its arguments in training, `settings.test_task` those that differ in test.
    defaults
        Settings that differ from those of `pfc_da.settings`.
    analyse
        From the recording to numbers.
    analyse_choices
        The part of it that needs neither units nor training, for whatever plays the task, neurons for one.
    conditions
        What is replayed; the first is the frozen animal. The snapshots of training come after these.
    spiking
        Names of those that spiking neurons play too, beside the frozen animal; of trained weights in the task of test.
    largest_reward
        What dopamine cells of a spiking circuit take for an error of 1, in rewards.
    """

    name: str
    task: type[Task]
    defaults: Mapping[str, Any]
    analyse: Analyse
    analyse_choices: AnalyseChoices
    conditions: tuple[Condition, ...] = CONTROLS
    spiking: tuple[str, ...] = ("hidden_reset",)
    largest_reward: float = 1.0

    def settings(
        self,
        *,
        config_file: Path | None = None,
        sets: Sequence[str] = (),
        quick: bool = False,
        network: str | None = None,
        rule: str | None = None,
        animals: int | None = None,
        seed: int | None = None,
    ) -> RunSettings:
        """Resolve settings from all their sources, and refuse here what a later stage could not do."""
        layers: list[Mapping[str, Any]] = [{"paradigm": self.name}, self.defaults]
        if network == "lstm" or rule == "bptt":
            own: Mapping[str, Any] = {"network": {}} if network == "rate" else {}
            layers.append({**REFERENCE_SETTINGS, **own})
        if quick:
            layers.append(QUICK_SETTINGS)
        asked = {"animals": animals, "seed": seed}
        options: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
        options |= {
            group: {"kind": kind}
            for group, kind in (("network", network), ("rule", rule))
            if kind is not None
        }
        settings = resolve(layers, config_file=config_file, options=options, sets=sets)
        if settings.paradigm != self.name:
            raise InputError(f"the settings are for paradigm {show(settings.paradigm)}, not {self.name!r}.")
        build_agent(settings, self.build_task(settings))
        tested = self.build_task(settings, test=True)
        _require("task.n_trials in test", tested.n_trials, LAGS + 1, f"history reaches {LAGS} trials back")
        _require(
            "replay.unit_sessions",
            settings.replay.unit_sessions,
            MIN_SESSIONS,
            "a unit is also paired with the behaviour of other sessions",
        )
        return settings

    def build_task(self, settings: RunSettings, *, test: bool = False) -> Task:
        """The task of training or of test."""
        arguments = settings.task | (settings.test_task if test else {})
        allowed = {field.name: field.type for field in dataclasses.fields(self.task)}
        group = "test_task" if test else "task"  # those of training are checked first
        for name, value in arguments.items():
            if name not in allowed:
                near = nearest(name, allowed)
                raise InputError(
                    f"no setting {show(f'{group}.{name}')}.{near} There are: {', '.join(allowed)}."
                )
            if type(value) is not allowed[name]:
                kind = getattr(allowed[name], "__name__", allowed[name])
                raise InputError(f"setting '{group}.{name}' must be of type {kind}, got {show(value)}.")
            if type(value) in (int, float) and not -MOST_TRIALS <= value <= MOST_TRIALS:  # nor is NaN
                raise InputError(
                    f"setting '{group}.{name}' must be {-MOST_TRIALS} to {MOST_TRIALS}, got {show(value)}."
                )
        _require(f"{group}.n_trials", arguments.get("n_trials", 1), 1, "trials a session")
        return self.task(**arguments)

    def estimate(self, settings: RunSettings, stages: Sequence[str], workers: int | None) -> Cost:
        """What the stages of a run will cost."""
        task, tested = self.build_task(settings), self.build_task(settings, test=True)
        return estimate_run(settings, task, tested, self.list_conditions(settings), stages, workers)

    def list_conditions(self, settings: RunSettings) -> tuple[Condition, ...]:
        """All conditions of a replay, the snapshots of training too."""
        snapshots = (Condition(name=f"after_{n}", after=n) for n in settings.train.snapshot_updates)
        return (*self.conditions, *snapshots)

    def train(
        self, settings: RunSettings, folder: RunFolder, progress: Progress, workers: int | None
    ) -> None:
        """Train every animal, several at once, each going on where it was stopped."""
        task = self.build_task(settings)
        jobs = []
        for animal in range(settings.animals):
            report = progress.task(f"train animal {animal}", settings.train.updates)
            arguments = (settings, task, animal, folder.animal(animal), report)
            jobs.append(functools.partial(train_animal, *arguments))
        work(jobs, workers, folder.path)

    def replay(
        self, settings: RunSettings, folder: RunFolder, progress: Progress, workers: int | None
    ) -> None:
        """Replay every animal under every condition with frozen weights; write the recording.

        Animals are written to files of their own, chunk by chunk, and these joined: never is all in memory.
        """
        task, jobs = self.build_task(settings, test=True), []
        parts = [name_aside(folder.animal(animal) / "recording.nc") for animal in range(settings.animals)]
        conditions = self.list_conditions(settings)
        total = len(conditions) * max(settings.replay.held_out_sessions, settings.replay.sessions)
        for animal, part in enumerate(parts):
            trained = load_trained(settings, task, animal, folder.animal(animal))
            report = progress.task(f"replay animal {animal}", total)
            arguments = (part, settings, task, trained, animal, conditions, report)
            jobs.append(functools.partial(record_animal, *arguments))
        try:
            work(jobs, workers, folder.path)
            folder.write_atomic(
                "recording.nc", lambda aside: join_recordings(parts, aside, task.session_labels)
            )
        finally:
            for part in parts:
                remove(part)

    @threadpool_limits.wrap(limits=1)
    def compare(self, settings: RunSettings, folder: RunFolder) -> None:
        """Analyse the recording and hold its statistics against references; write tables and figures.

        With one thread, as sums of several differ in their last digits with how many there are.
        """
        curves = [
            read_table(folder.animal(animal) / CURVE, CURVE_COLUMNS, CURVE_COLUMNS)
            for animal in range(settings.animals)
        ]
        with open_recording(folder.path / "recording.nc") as recording:
            findings = self.analyse(recording, curves, settings, numpy_stream(settings.seed, "analysis"))
        findings.statistics.append(self.count_diverged(settings, folder))
        comparisons = compare(
            findings.statistics, load_references(self.name), compute_recorded_statistics(self.name)
        )
        tables = {
            "statistics.csv": tabulate_statistics(findings.statistics, settings),
            "statistics_by_animal.csv": tabulate_by_animal(findings.statistics),
            "comparison.csv": pd.DataFrame([dataclasses.asdict(row) for row in comparisons]),
        }
        drawn = {name: table for name, table in findings.figures.items() if len(table)}
        write_figures(drawn, folder.path / "figures")
        for name, table in tables.items():
            folder.write_atomic(name, functools.partial(table.to_csv, index=False))

    def count_diverged(self, settings: RunSettings, folder: RunFolder) -> Statistic:
        """Fraction of animals whose training ended in non-finite updates; they stay in every other number."""
        task = self.build_task(settings)
        diverged = [
            load_trained(settings, task, animal, folder.animal(animal)).diverged
            for animal in range(settings.animals)
        ]
        return summarise_fraction(
            "fraction_diverged", diverged, n_of="animals", by_animal=[float(own) for own in diverged]
        )

    def run(self, *, out: str | Path | None = None, workers: int | None = None, **arguments: Any) -> "Result":
        """Train, freeze, replay and compare; `arguments` as for `settings`.

        Examples
        --------
        >>> from pfc_da import paradigms
        >>> result = paradigms.load("bandit").run(animals=4, quick=True)   # doctest: +SKIP
        >>> print(result.table())                                          # doctest: +SKIP
        """
        settings = self.settings(**arguments)
        with contextlib.ExitStack() as stack:
            path = Path(out) if out else Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder = stack.enter_context(RunFolder.open(path, settings.model_dump(mode="json")))
            progress = stack.enter_context(Progress())
            for stage in ("train", "replay", "compare"):
                if not folder.is_done(stage):
                    with folder.doing(stage):
                        arguments_of = () if stage == "compare" else (progress, workers)
                        getattr(self, stage)(settings, folder, *arguments_of)
            return read_result(path, settings)


def join_animals(animals: Sequence[xr.Dataset], task: Task) -> xr.Dataset:
    """Recordings of animals as one; the problems they met are shared."""
    own = [name for name in animals[0].data_vars if name not in task.session_labels]
    index = pd.Index(range(len(animals)), name="animal")
    recording = xr.concat(animals, index, own, "minimal", "override")
    recording["animal"].attrs |= {"units": "1", "long_name": "index of the animal"}
    return recording


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run found."""

    settings: RunSettings
    recording: xr.Dataset
    statistics: pd.DataFrame
    comparison: pd.DataFrame

    def table(self) -> str:
        """Simulated beside published, recorded and derived numbers, as text."""
        shown = self.comparison.dropna(subset="simulated")
        lines = []
        for row in shown.itertuples():
            simulated = f"{row.simulated:.3g} [{row.sim_low:.3g}, {row.sim_high:.3g}]"
            reference = f"{row.reference:.3g} [{row.ref_low:.3g}, {row.ref_high:.3g}]"
            name = f"{row.key} {row.condition}" if isinstance(row.condition, str) else row.key
            doi = row.doi if isinstance(row.doi, str) else ""
            lines.append(
                f"{name:42} {simulated:24} {reference:24} {row.kind:10} {row.verdict:15} {row.source} {doi}"
            )
        return "\n".join(lines)


def read_result(path: str | Path, settings: RunSettings) -> Result:
    """Read the recording and the tables of a run folder into memory."""
    path = Path(path)
    columns = {"statistics": STATISTIC, "comparison": COMPARISON}
    tables = (read_table(path / f"{name}.csv", needed) for name, needed in columns.items())
    return Result(settings, read_recording(path / "recording.nc"), *tables)


def tabulate_statistics(statistics: Sequence[Statistic], settings: RunSettings) -> pd.DataFrame:
    """The rows of statistics.csv."""
    told = {"paradigm": settings.paradigm, "network": settings.network.kind, "rule": settings.rule.kind}
    rows = [dataclasses.asdict(statistic) | told for statistic in statistics]
    columns = ["key", "paradigm", "network", "rule", "condition", "estimate", "low", "high"]
    return pd.DataFrame(rows)[[*columns, "interval", "n", "n_of", "units"]]


def tabulate_by_animal(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """The rows of statistics_by_animal.csv."""
    rows = [
        (animal, statistic.key, statistic.condition, value)
        for statistic in statistics
        for animal, value in enumerate(statistic.by_animal)
    ]
    return pd.DataFrame(rows, columns=["animal", "key", "condition", "estimate"]).sort_values(
        "animal", kind="stable"
    )


def _require(name: str, given: int, least: int, why: str) -> None:
    if given < least:
        raise InputError(f"setting {name} must be at least {least} ({why}), got {given}.")
