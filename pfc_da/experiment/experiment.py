"""An experiment: a task, how animals are trained on it, what is recorded, and how that is analysed.

The stages are separate, each reads what the one before wrote into the run folder, and each can be run alone:
train -> replay (weights frozen) -> compare (statistics with references) -> report.
"""

import contextlib
import dataclasses
import functools
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from pfc_da.agent import build_agent
from pfc_da.analysis.behaviour.history import LAGS
from pfc_da.analysis.comparison.extracts import compute_recorded_statistics
from pfc_da.analysis.comparison.published import QUICK, compare
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.figures.panel import write_figures
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.statistic import Statistic, summarise_fraction
from pfc_da.analysis.units.nulls import MIN_SESSIONS
from pfc_da.discovery import is_file
from pfc_da.errors import InputError, nearest, show
from pfc_da.experiment.analyse import analyse_recording
from pfc_da.experiment.replays.rate import RateReplay
from pfc_da.experiment.result import (
    Result,
    select_headline,
    tabulate_by_animal,
    tabulate_statistics,
)
from pfc_da.experiment.stages import expect_stages, list_to_do, plan_stages, run_stages
from pfc_da.jobs.cost import Cost, estimate_run
from pfc_da.jobs.progress import Progress
from pfc_da.jobs.workers import work
from pfc_da.recording import open_recording
from pfc_da.rng import numpy_stream
from pfc_da.rollout import CONTROLS, FROZEN, TIMINGS, Condition
from pfc_da.settings import RunSettings, merge, resolve
from pfc_da.storage.files import hash_file
from pfc_da.storage.run_files import STAGES
from pfc_da.storage.run_folder import RunFolder
from pfc_da.storage.tables import COMPARISON, read_table
from pfc_da.task import Task
from pfc_da.train import CURVE, CURVE_COLUMNS, train_animal
from pfc_da.trained import animal_seed, load_trained

LOG = logging.getLogger(__name__)
QUICK_SETTINGS: Mapping[str, Any] = {
    "quick": True,
    "train": {"updates": 40, "sessions": 32, "checkpoint_every": 10},
    "replay": {"held_out_sessions": 40, "sessions": 40, "unit_sessions": 8},
}


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
    chance
        Reward a trial of random choices.
    choice
        Variable of the recording that holds the chosen option: ``choice``, or a label of the task such as
        ``chosen_object``. Strategy is computed of it and, of two options, history kernels and coding of value; None for
        choices that these do not describe.
    probability
        Label of the task that holds the reward probability of each option, for drawing; None if there is none.
    codes_value
        Whether selectivity of units for choice, reward and value is analysed here; False if `analyse` does it.
    variant
        The setting of the task that names its variant, which is the condition of reward and regret in the tables.
    headline
        Titles of the statistics shown first in the report, after the reward, by key and condition.
    defaults
        Settings that differ from those of `pfc_da.settings`.
    analyse
        What is analysed in this experiment only, from the recording to numbers and figures.
    analyse_choices
        Of that, the statistics that need neither units nor training; computed for spiking neurons too.
    conditions
        What is replayed; the first is the frozen animal. The snapshots of training come after these.
    spiking
        Names of those in the spiking replay, in addition to the frozen animal; of trained weights in the task of test.
    largest_reward
        What dopamine cells of a spiking circuit take for an error of 1, in rewards.
    """

    name: str
    task: type[Task]
    chance: float
    choice: str | None = "choice"
    probability: str | None = None
    codes_value: bool = True
    variant: str | None = None
    headline: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    analyse: Analyse | None = None
    analyse_choices: AnalyseChoices | None = None
    conditions: tuple[Condition, ...] = (*CONTROLS, *TIMINGS)
    spiking: tuple[str, ...] = ("hidden_reset",)
    largest_reward: float = 1.0

    def __post_init__(self) -> None:
        if self.conditions[:1] != (FROZEN,):
            given = self.conditions[0].name if self.conditions else "none"
            raise InputError(
                f"the first condition of {self.name!r} must be pfc_da.rollout.FROZEN, got {given!r}."
            )

    @property
    def file(self) -> str:
        """File of a paradigm that is a module by itself, so that later commands find it; empty for one in a package."""
        module = sys.modules[self.task.__module__]
        path = getattr(module, "__file__", None)
        return "" if module.__package__ or path is None else str(Path(path).resolve())

    def settings(
        self,
        *,
        config_file: str | Path | None = None,
        sets: str | Sequence[str] = (),
        quick: bool = False,
        network: str | Mapping[str, Any] | None = None,
        rule: str | Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RunSettings:
        """Resolve settings from all their sources, and refuse here what a later stage could not do.

        Parameters
        ----------
        config_file : path, optional
            YAML file, merged after the defaults.
        sets : str or sequence of str
            Texts as of ``--set``, such as "train.updates=500", merged last.
        quick : bool
            A small run; all other settings given come after it.
        network, rule : str or mapping, optional
            The kind, or settings of the group: "lstm", or {"n_units": 256}.
        **more : int or mapping
            Other settings by name, merged after the file: ``animals=8``, ``train={"updates": 500}``.

        Raises
        ------
        InputError
            For a setting that is none, or a value that is not allowed.
        """
        named = {
            group: {"kind": given} if isinstance(given, str) else given
            for group, given in (("network", network), ("rule", rule))
        }
        options = {key: value for key, value in (named | more).items() if value is not None}
        settings = resolve(
            [{"paradigm": self.name}, self.defaults],
            config_file=None if config_file is None else Path(config_file),
            options=merge(QUICK_SETTINGS, options) if quick else options,
            sets=[sets] if isinstance(sets, str) else sets,
        )
        if settings.paradigm != self.name:
            raise InputError(f"the settings are for paradigm {show(settings.paradigm)}, not {self.name!r}.")
        own = (self.file, settings.network.kind, settings.rule.kind)
        files = {path: hash_file(Path(path)) for path in own if is_file(path)}
        settings = settings.model_copy(update={"paradigm_file": self.file, "files": files})
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
        try:
            return self.task(**arguments)
        except InputError as error:
            raise InputError(f"setting '{group}': {error}") from None

    def label_variant(self, settings: RunSettings) -> dict[str, str]:
        """The variant of the task of test as a label of statistics; empty if it has no variants."""
        if self.variant is None:
            return {}
        return {self.variant: str(getattr(self.build_task(settings, test=True), self.variant))}

    def estimate(
        self, settings: RunSettings, stages: Sequence[str], workers: int | None, trained: int = 0
    ) -> Cost:
        """What the stages of a run will cost if so many animals are trained already."""
        task, tested = self.build_task(settings), self.build_task(settings, test=True)
        return estimate_run(settings, task, tested, self.list_conditions(settings), stages, workers, trained)

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
            LOG.info("animal %d has seed %d", animal, animal_seed(settings, animal))
            report = progress.task(f"animal {animal}", settings.train.updates)
            arguments = (settings, task, animal, folder.animal(animal), report)
            jobs.append(functools.partial(train_animal, *arguments))
        work(jobs, workers, folder.path)

    def replay(
        self, settings: RunSettings, folder: RunFolder, progress: Progress, workers: int | None
    ) -> None:
        """Replay every animal under every condition with frozen weights; write the recording."""
        RateReplay(self, settings).run(folder, progress, workers)

    @threadpool_limits.wrap(limits=1)
    def compare(self, settings: RunSettings, folder: RunFolder) -> None:
        """Analyse the recording and compare its statistics with references; write tables and figures.

        With one thread, as sums of several differ in their last digits with how many there are.
        """
        curves = [
            read_table(folder.animal(animal) / CURVE, CURVE_COLUMNS, CURVE_COLUMNS)
            for animal in range(settings.animals)
        ]
        with open_recording(folder.path / "recording.nc") as recording:
            rng = numpy_stream(settings.seed, "analysis")
            findings = analyse_recording(self, recording, curves, settings, rng)
        findings.statistics.append(self.count_diverged(settings, folder))
        comparisons = compare(
            findings.statistics,
            load_references(self.name),
            compute_recorded_statistics(self.name),
            against=QUICK if settings.quick else "",
        )
        statistics = tabulate_statistics(findings.statistics, settings)
        tables = {
            "statistics.csv": statistics,
            "headline.csv": select_headline(statistics, self.headline),
            "statistics_by_animal.csv": tabulate_by_animal(findings.statistics),
            "comparison.csv": pd.DataFrame(
                [dataclasses.asdict(row) for row in comparisons], columns=COMPARISON
            ),
        }
        write_figures(findings.figures, folder.path / "figures", tables=findings.tables)
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

    def run(
        self,
        *,
        out: str | Path | None = None,
        workers: int | None = None,
        force: bool = False,
        **settings: Any,
    ) -> Result:
        """Train, freeze, replay and compare, or continue that, in a run folder that is kept.

        Parameters
        ----------
        out : path, optional
            The run folder; runs/NAME unless given. A run in it grows if more animals or sessions of replay are asked for.
        workers : int, optional
            Processes at once; one a CPU core unless given.
        force : bool
            Start over, whatever run the folder holds.
        **settings
            As for `settings`.

        Raises
        ------
        InputError
            For bad settings, a folder with another run or other files, or too little room for the run.

        Examples
        --------
        >>> import pfc_da
        >>> result = pfc_da.load_paradigm("bandit").run(animals=4, quick=True)  # doctest: +SKIP
        >>> print(result)                                                       # doctest: +SKIP
        """
        resolved = self.settings(**settings)
        path = Path("runs", self.name) if out is None else Path(out)
        stages = STAGES[: STAGES.index("report")]
        if force or not path.exists():  # refuse before anything is made or removed
            self.estimate(resolved, stages, workers).require_room(path)
        with contextlib.ExitStack() as stack:
            folder = RunFolder.open(path, resolved.model_dump(mode="json"), force)
            stack.callback(folder.close)
            to_do = list_to_do(folder, stages, force)
            trained = folder.count_trained()
            self.estimate(resolved, to_do, workers, trained).require_room(path)
            print(f"{path}: {', '.join(to_do) or 'finished already'}.", file=sys.stderr)
            if folder.growth:
                print(folder.growth, file=sys.stderr)
            if to_do or folder.growth:
                stack.enter_context(folder)
                expected = expect_stages(self, resolved, to_do, workers, trained)
                progress = stack.enter_context(Progress(expected))
                work = plan_stages(self, resolved, folder, progress, workers)
                run_stages(folder, work, to_do, progress)
        return Result(path, resolved, lambda: self)


def _require(name: str, given: int, least: int, why: str) -> None:
    if given < least:
        raise InputError(f"setting {name} must be at least {least} ({why}), got {given}.")
