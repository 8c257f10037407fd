"""What a run found: its tables as they are written, and all of it read back."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from pfc_da.analysis.figures.panel import draw_panel
from pfc_da.analysis.interval import format_interval
from pfc_da.analysis.statistic import Statistic
from pfc_da.analysis.units.align import WINDOW_S
from pfc_da.analysis.units.psth import psth
from pfc_da.errors import InputError, plural, show
from pfc_da.experiment.stages import require_before
from pfc_da.recording import open_recording
from pfc_da.recording_schema import CLAMPED, RECURRENCE_CUT
from pfc_da.report.html import tag, text
from pfc_da.report.page import write_report
from pfc_da.report.summary import describe_verdicts, warn_of_run
from pfc_da.settings import RunSettings, name_kind
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_files import RECORDING, STAGE_REPLAY, STAGES, list_replays, name_folder
from pfc_da.storage.run_folder import RunFolder
from pfc_da.storage.tables import COMPARISON, STATISTIC, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pfc_da.experiment.experiment import Experiment


REWARDS = {
    "reward_per_trial": "Reward per trial, weights frozen",
    f"reward_{RECURRENCE_CUT}": "Reward per trial, recurrence cut",
    f"reward_{CLAMPED}": "Reward per trial, trained without dopamine",
}
"""Statistics that every headline begins with, and their titles."""


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a run found, read from its folder when it is asked for.

    Every file is first compared with its SHA-256. What needs a stage that is not done raises an `InputError`; so does a
    damaged file, with the command that makes it again.

    Attributes
    ----------
    path : Path
        The run folder.
    settings : RunSettings
        What the run was made with.
    find_experiment : callable
        Returns the experiment.
    """

    path: Path
    settings: RunSettings
    find_experiment: Callable[[], "Experiment"]

    @functools.cached_property
    def recording(self) -> xr.Dataset:
        """The replay of the rate network; arrays are read from the file when they are used."""
        return self._open_recording(STAGE_REPLAY)

    @functools.cached_property
    def statistics(self) -> pd.DataFrame:
        """All statistics of the run, with intervals and n."""
        return self._read_table("statistics.csv", STATISTIC)

    @functools.cached_property
    def headline(self) -> pd.DataFrame:
        """The statistics that the report shows first, with their titles."""
        return self._read_table("headline.csv", [*STATISTIC, "title"])

    @functools.cached_property
    def comparison(self) -> pd.DataFrame:
        """Simulated numbers with published, recorded and derived ones."""
        return self._read_table("comparison.csv", COMPARISON)

    @property
    def report(self) -> Path:
        """The report of the run, one HTML file, which `write_report` writes."""
        if not self._look().is_done("report"):
            raise InputError(
                f"{self.path} has no report yet; write_report() or 'pfc-da report {self.path}' writes it."
            )
        return self.path / "report.html"

    def write_report(self) -> Path:
        """Write the report, one HTML file that opens offline, and return its path."""
        folder = RunFolder.existing(self.path)
        try:
            require_before("report", folder)
            with folder, folder.doing("report"):
                return write_report(self.path)
        finally:
            folder.close()

    def weights(self, animal: int, after: int | None = None) -> xr.Dataset:
        """Weights of an animal, signed (`w`...) and as they are stored and trained (`w_raw`...).

        Parameters
        ----------
        animal : int
            From 0.
        after : int, optional
            Updates of training after which they were kept: 0 for the initial ones, otherwise one of
            ``settings.train.snapshot_updates``. The trained weights if not given.

        Returns
        -------
        xarray.Dataset
            As `pfc_da.experiment.weights.label_weights` describes.

        Raises
        ------
        InputError
            If there is no such animal, it is not trained yet, or no weights were kept after so many updates.
        """
        from pfc_da.experiment.weights import label_weights, select_weights
        from pfc_da.trained import WEIGHTS, load_trained

        folder = self._look()
        if animal not in range(self.settings.animals):
            raise InputError(f"animal must be 0 to {self.settings.animals - 1} in this run, got {animal!r}.")
        if not (folder.animal(animal) / WEIGHTS).exists():
            raise InputError(f"{self.path}: animal {animal} is not trained yet ({folder.kept()}).")
        task = self.find_experiment().build_task(self.settings)
        trained = load_trained(self.settings, task, animal, folder.animal(animal))
        return label_weights(select_weights(trained, after), self.settings, task)

    def plot(self, name: str, ax: "Axes | None" = None, replay: str = STAGE_REPLAY) -> "Axes":
        """Draw a panel of the report.

        Parameters
        ----------
        name : str
            As in ``figures/index.csv``, such as "learning_curve".
        ax : matplotlib Axes, optional
            Drawn on, the current axes if not given. A panel of several drawings divides it among its `child_axes`.
        replay : str
            "rate", or a replay made on demand, such as "spiking".

        Returns
        -------
        Axes

        Raises
        ------
        InputError
            If there is no such panel in this run; it lists those there are.
        """
        figures = PurePath(self._find_replay(replay), "figures")
        self._require("compare", "a panel").require_whole(f"{figures}/*")
        self.find_experiment()  # a paradigm may have drawings of its own, in its own file
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.gca()
        return draw_panel(self.path / figures, name, ax)

    def psth(
        self,
        event: str,
        by: str,
        window: tuple[float, float] = WINDOW_S,
        replay: str = STAGE_REPLAY,
    ) -> xr.DataArray:
        """Mean activity around an event of the trial, for each value of a variable of the trials.

        Parameters
        ----------
        event, by, window
            As for `pfc_da.analysis.units.psth.psth`.
        replay : str
            "rate", or a replay made on demand, such as "spiking".

        Returns
        -------
        xarray.DataArray (animal, `by`, time, unit)
            In Hz, with the number of trials.
        """
        if replay == STAGE_REPLAY:
            return psth(self.recording, event, by, window)
        with self._open_recording(replay) as recording:
            return psth(recording, event, by, window)

    def _repr_html_(self) -> str:
        head, table, foot = self._summarise()
        shown = "" if table.empty else table.to_html(index=False, border=0)
        before, after = ("".join(tag("p", text(line)) for line in lines) for lines in (head, foot))
        return before + shown + after

    def __repr__(self) -> str:
        head, table, foot = self._summarise()
        shown = [] if table.empty else [table.to_string(index=False)]
        return "\n".join([*head, *shown, *foot])

    def _summarise(self) -> tuple[list[str], pd.DataFrame, list[str]]:
        """What the run is, its headline, and how its statistics compare; without a headline, why there is none."""
        settings = self.settings
        head = (
            f"{self.path}: {settings.paradigm}, {name_kind(settings.network.kind)} network, "
            f"rule {name_kind(settings.rule.kind)}, {plural(settings.animals, 'animal')}, seed {settings.seed}"
        )
        try:
            verdicts = describe_verdicts(read_manifest(self.path), self.comparison)
            return [head, *warn_of_run(self.path)], _format_headline(self.headline), verdicts
        except InputError as error:
            return [head], pd.DataFrame(), [str(error)]

    def _look(self) -> RunFolder:
        """The folder as it is now, not locked."""
        return RunFolder(self.path, read_manifest(self.path), None)

    def _require(self, stage: str, what: str) -> RunFolder:
        """The folder, if the stage is done."""
        folder = self._look()
        require_before(STAGES[STAGES.index(stage) + 1], folder, what)
        return folder

    def _read_table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        self._require("compare", name)
        return read_table(self.path / name, columns)

    def _open_recording(self, replay: str) -> xr.Dataset:
        name = str(PurePath(self._find_replay(replay), RECORDING))
        self._require("replay" if replay == STAGE_REPLAY else "train", name).require_whole(name)
        return open_recording(self.path / name)

    def _find_replay(self, replay: str) -> str:
        """The folder of a replay in the run folder."""
        there = (STAGE_REPLAY, *list_replays(self.path))
        if replay not in there:
            raise InputError(
                f"{self.path} has no replay {show(replay)}. There are: {', '.join(there)}. "
                f"'pfc-da replay {self.path}' makes others, such as --spiking."
            )
        return name_folder(replay)


def _format_headline(headline: pd.DataFrame) -> pd.DataFrame:
    """Numbers as text, for a reader."""
    rows = [
        (
            row.title,
            format_interval(row.estimate, row.low, row.high),
            "" if row.units == "1" else row.units,
            f"{row.n:.0f} {row.n_of}" if row.n == row.n else "",
        )
        for row in headline.itertuples()
    ]
    return pd.DataFrame(rows, columns=["statistic", "estimate", "units", "n"])


def tabulate_statistics(statistics: Sequence[Statistic], settings: RunSettings) -> pd.DataFrame:
    """The rows of statistics.csv."""
    made_with = {
        "paradigm": settings.paradigm,
        "network": name_kind(settings.network.kind),
        "rule": name_kind(settings.rule.kind),
    }
    rows = [{name: getattr(each, name) for name in STATISTIC} for each in statistics]
    return pd.DataFrame(rows).assign(**made_with)[["key", *made_with, *STATISTIC[1:]]]


def select_headline(statistics: pd.DataFrame, headline: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """The rows of headline.csv: reward, and without recurrence and dopamine; then the statistics named, each with its title.

    Parameters
    ----------
    statistics : DataFrame
        Of `tabulate_statistics`.
    headline : mapping of (str, str) to str
        Title by key and condition.
    """
    found = [
        statistics[statistics["key"] == key].head(1).assign(title=title) for key, title in REWARDS.items()
    ]
    for (key, condition), title in headline.items():
        rows = statistics[(statistics["key"] == key) & (statistics["condition"] == condition)]
        found.append(rows.assign(title=title))
    return pd.concat(found, ignore_index=True)


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
