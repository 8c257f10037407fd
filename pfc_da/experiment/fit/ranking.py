"""The tables of a fit: candidates by distance, and the nearest and the default with fresh seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pfc_da.analysis.comparison.difference import format_differences
from pfc_da.analysis.comparison.distance import (
    choose_statistics,
    compute_distance,
    compute_distance_interval,
    compute_scale,
    get_names,
)
from pfc_da.analysis.interval import format_interval
from pfc_da.errors import InputError
from pfc_da.experiment.fit.space import PILOTS, Space, Values

SHOWN = 10
"""Rows of the ranking that are printed."""


@dataclasses.dataclass(frozen=True)
class Population:
    """One simulated population, and its comparison with the recordings.

    Attributes
    ----------
    number
        Of the candidate, 0 for the default settings.
    values
        Those of the settings that were drawn.
    rows
        Of the comparison, with the columns of ``comparison_recorded.csv``.
    animals, failed
        How many there are, and how many of them learned nothing.
    leave_one_out
        Of populations with fresh seeds, the comparisons without each animal in turn.
    """

    number: int
    values: Values
    rows: pd.DataFrame
    animals: int
    failed: int
    leave_one_out: tuple[pd.DataFrame, ...] = ()


class DistanceMetric:
    """Statistics that make the distance, and their scales, from the default and the candidates drawn at random."""

    def __init__(self, space: Space, pilots: Sequence[Population]) -> None:
        rows = [pilot.rows for pilot in pilots[: PILOTS + 1]]
        self.fitted, fitted_not = choose_statistics(rows[0], space.fitted)
        self.held_out, held_out_not = choose_statistics(rows[0], space.held_out)
        self.left_out = fitted_not | held_out_not
        if not self.fitted:
            reasons = "; ".join(
                f"{', '.join(name for name in fitted_not if fitted_not[name] == why)}: {why}"
                for why in dict.fromkeys(fitted_not.values())
            )
            raise InputError(f"none of the fitted statistics can be compared ({reasons}).")
        self._scales = {"": compute_scale(rows, self.fitted), "held_out_": compute_scale(rows, self.held_out)}

    def measure(self, population: Population) -> float:
        """Distance over the fitted statistics."""
        return compute_distance(population.rows, self._scales[""])

    def measure_fresh(self, population: Population) -> dict[str, float]:
        """Distances with their intervals over animals, over fitted and over held-out statistics."""
        distances: dict[str, float] = {}
        for name, scale in self._scales.items():
            if len(scale):
                distance = compute_distance(population.rows, scale)
                leave_one_out = [compute_distance(rows, scale) for rows in population.leave_one_out]
                low, high = compute_distance_interval(distance, leave_one_out)
                distances |= {
                    f"fresh_{name}distance": distance,
                    f"fresh_{name}low": low,
                    f"fresh_{name}high": high,
                }
        return distances

    def recovery_rank(self, fresh: Population, found: Sequence[Population]) -> int:
        """Rank of the settings of `fresh` among all candidates if its animals were the recorded ones; 1 is the nearest.

        Parameters
        ----------
        fresh : Population
            With fresh seeds.
        found : sequence of Population
            By number, the default settings first.
        """
        truth = fresh.rows.set_index(get_names(fresh.rows))["simulated"]
        distances = [
            compute_distance(
                population.rows.assign(recorded=get_names(population.rows).map(truth)), self._scales[""]
            )
            for population in found
        ]
        return 1 + sum(distance < distances[fresh.number] for distance in distances)


def rank_candidates(
    metric: DistanceMetric, default: Mapping[str, Any], names: Sequence[str], found: Sequence[Population]
) -> pd.DataFrame:
    """The rows of ranking.csv, nearest first, indexed by number.

    Parameters
    ----------
    metric : DistanceMetric
    default : mapping
        Default settings by dotted name.
    names : sequence of str
        Settings that were drawn.
    found : sequence of Population
    """
    rows = []
    for population in found:
        simulated = population.rows.set_index(get_names(population.rows))["simulated"]
        rows.append(
            {
                "candidate": population.number or "default",
                "distance": metric.measure(population),
                "animals": population.animals,
                "animals_failed": population.failed,
                **{name: population.values.get(name, default[name]) for name in names},
                **{name: simulated[name] for name in metric.fitted},
            }
        )
    table = pd.DataFrame(rows).sort_values("distance", kind="stable")
    table.insert(0, "rank", range(1, len(table) + 1))
    return table


def add_fresh(
    ranking: pd.DataFrame, metric: DistanceMetric, found: Sequence[Population], fresh: Sequence[Population]
) -> pd.DataFrame:
    """The ranking with the distances of populations with fresh seeds.

    Parameters
    ----------
    ranking : DataFrame
        Of `rank_candidates`.
    metric : DistanceMetric
    found : sequence of Population
        All candidates.
    fresh : sequence of Population
        With fresh seeds.
    """
    table = ranking.copy()
    for population in fresh:
        columns = metric.measure_fresh(population) | {"fresh_place": metric.recovery_rank(population, found)}
        for name, value in columns.items():
            table.loc[population.number, name] = value
    return table


def tabulate_fresh(metric: DistanceMetric, fresh: Sequence[Population]) -> pd.DataFrame:
    """The rows of fresh.csv: comparisons of the nearest and of the default, and what part each statistic has.

    Parameters
    ----------
    metric : DistanceMetric
    fresh : sequence of Population
        With fresh seeds.
    """
    roles = dict.fromkeys(metric.fitted, "fitted") | dict.fromkeys(metric.held_out, "held out")
    roles |= dict.fromkeys(metric.left_out, "left out")
    tables = []
    for population in fresh:
        table = population.rows.drop(columns="source")
        table.insert(0, "role", get_names(table).map(roles).fillna("not asked for"))
        table.insert(0, "candidate", population.number or "default")
        tables.append(table)
    return pd.concat(tables)


def format_fit(metric: DistanceMetric, ranking: pd.DataFrame, fresh: pd.DataFrame) -> str:
    """The printed text: the nearest candidates, the default, and both with fresh seeds.

    Parameters
    ----------
    metric : DistanceMetric
    ranking : DataFrame
        Of `add_fresh`.
    fresh : DataFrame
        Of `tabulate_fresh`.
    """
    default = ranking[ranking["candidate"] == "default"]
    shown = pd.concat([ranking.head(SHOWN), default]).drop_duplicates("candidate")
    last = list(ranking.columns).index(metric.fitted[0])
    parts = [
        f"distance over {', '.join(metric.fitted)}",
        *(f"left out: {name}: {why}" for name, why in metric.left_out.items()),
        "",
        shown.iloc[:, :last].to_string(index=False, float_format="{:.3g}".format, na_rep="—"),
    ]
    for row in ranking[ranking["fresh_distance"].notna()].itertuples():
        line = f"candidate {row.candidate} with fresh seeds: distance {_interval(row, 'fresh_')}"
        if metric.held_out:
            line += f", over held-out statistics {_interval(row, 'fresh_held_out_')}"
        line += f"; as recordings they would find their own settings as number {row.fresh_place:.0f} of {len(ranking)}"
        held_out = fresh[(fresh["candidate"] == row.candidate) & (fresh["role"] == "held out")]
        parts += ["", line]
        if len(held_out):
            parts.append(format_differences(held_out.assign(source="held-out statistics")))
    candidates = ranking[ranking["candidate"] != "default"]
    some, whole = candidates["animals_failed"] > 0, candidates["animals_failed"] == candidates["animals"]
    parts += [
        "",
        f"{some.sum()} of {len(candidates)} candidates have animals that learned nothing (all animals: {whole.sum()}); "
        "they are ranked as they are.",
    ]
    return "\n".join(parts)


def _interval(row: Any, name: str) -> str:
    return format_interval(*(getattr(row, f"{name}{part}") for part in ("distance", "low", "high")))
