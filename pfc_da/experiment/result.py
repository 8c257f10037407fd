"""What a run found: its tables as they are written, and all of it read back."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from pfc_da.analysis.comparison.published import QUICK
from pfc_da.analysis.interval import format_interval
from pfc_da.analysis.statistic import Statistic
from pfc_da.recording import read_recording
from pfc_da.settings import RunSettings, name_kind
from pfc_da.storage.tables import COMPARISON, STATISTIC, read_table


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run found."""

    settings: RunSettings
    recording: xr.Dataset
    statistics: pd.DataFrame
    comparison: pd.DataFrame

    def table(self) -> str:
        """Simulated numbers with published, recorded and derived ones, as text."""
        shown = self.comparison.dropna(subset="simulated")
        lines = [f"No verdicts: {QUICK}."] if self.settings.quick else []
        for row in shown.itertuples():
            simulated = format_interval(row.simulated, row.sim_low, row.sim_high)
            reference = format_interval(row.reference, row.ref_low, row.ref_high)
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
    made_with = {
        "paradigm": settings.paradigm,
        "network": name_kind(settings.network.kind),
        "rule": name_kind(settings.rule.kind),
    }
    rows = [{name: getattr(each, name) for name in STATISTIC} for each in statistics]
    return pd.DataFrame(rows).assign(**made_with)[["key", *made_with, *STATISTIC[1:]]]


def select_headline(statistics: pd.DataFrame, headline: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """The rows of headline.csv: reward, then the statistics named, each with its title.

    Parameters
    ----------
    statistics : DataFrame
        Of `tabulate_statistics`.
    headline : mapping of (str, str) to str
        Title by key and condition.
    """
    rows = statistics[statistics["key"] == "reward_per_trial"].head(1)
    found = [rows.assign(title="Reward per trial, weights frozen")]
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
