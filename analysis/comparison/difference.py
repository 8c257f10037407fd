"""Difference of a simulated and a recorded number, with its interval and a verdict.

A difference simulated - recorded has an interval that comes from the two intervals (Zou & Donner 2008; for two
Wilson intervals it is Newcombe's): with estimates a, b and their ends l, u,

    low = a - b - sqrt((a - l_a)^2 + (u_b - b)^2),    high = a - b + sqrt((u_a - a)^2 + (b - l_b)^2).

verdict
different       the interval of the difference leaves out 0
not told apart  it holds 0: there is no difference, or n is too small to see one
not comparable  `why` gives the reason: too few trials, sessions, animals or cells, windows too
                short, another schedule, an interval that is missing or has no width (values that happen to be
                alike, as of two sessions, do not make a number certain)

References: Zou & Donner 2008, Stat Med 27:1693, doi 10.1002/sim.3095. Newcombe 1998, Stat Med 17:873, doi
10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pfc_da.analysis.interval import format_interval
from pfc_da.analysis.statistic import Statistic, missing_statistic


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One row of comparison_recorded.csv, its fields in the order of the columns; `matched` says what was made equal."""

    key: str
    condition: str
    units: str
    simulated: float
    sim_low: float
    sim_high: float
    sim_n: int
    sim_n_of: str
    recorded: float
    rec_low: float
    rec_high: float
    rec_n: int
    rec_n_of: str
    difference: float
    diff_low: float
    diff_high: float
    verdict: str
    why: str
    matched: str
    source: str


def pair_up(
    simulated: Sequence[Statistic],
    recorded: Sequence[Statistic],
    *,
    against: Mapping[str, str],
    matched: str,
    source: str,
) -> list[Difference]:
    """A row for every recorded statistic, also where the run has none.

    Parameters
    ----------
    simulated, recorded : sequences of Statistic
    against : mapping of str
        By key, the reason why numbers may not be compared; "" or no entry if they may.
    matched : str
        What was made equal on both sides.
    source : str
        Where the recorded numbers come from.

    Returns
    -------
    list of Difference
    """
    by_name = {(one.key, one.condition): one for one in simulated}
    rows = []
    for one in recorded:
        absent = missing_statistic(one.key, one.labels, one.units)
        why = against.get(one.key, "")
        if (one.key, one.condition) not in by_name:
            why = why or "this run holds no such number"
        rows.append(
            judge_difference(by_name.get((one.key, one.condition), absent), one, why, matched, source)
        )
    return rows


def judge_difference(
    simulated: Statistic, recorded: Statistic, against: str, matched: str, source: str
) -> Difference:
    """Compare two numbers.

    Parameters
    ----------
    simulated, recorded : Statistic
        Of the same key and condition.
    against : str
        Why they may not be compared; "" if they may.
    matched, source : str
        As for `pair_up`.

    Returns
    -------
    Difference
    """
    difference, low, high = compute_difference(simulated, recorded)
    why = against or _without_interval(simulated, "simulated") or _without_interval(recorded, "recorded")
    if simulated.units != recorded.units:
        why = why or f"units differ: {simulated.units} simulated, {recorded.units} recorded"
    verdict = "not comparable" if why else "different" if low > 0 or high < 0 else "not told apart"
    samples = f"{simulated.n} {simulated.n_of} against {recorded.n} {recorded.n_of}"
    return Difference(
        key=simulated.key,
        condition=simulated.condition,
        units=recorded.units,
        simulated=simulated.estimate,
        sim_low=simulated.low,
        sim_high=simulated.high,
        sim_n=simulated.n,
        sim_n_of=simulated.n_of,
        recorded=recorded.estimate,
        rec_low=recorded.low,
        rec_high=recorded.high,
        rec_n=recorded.n,
        rec_n_of=recorded.n_of,
        difference=difference,
        diff_low=low,
        diff_high=high,
        verdict=verdict,
        why=why or samples,
        matched=matched,
        source=source,
    )


def compute_difference(one: Statistic, other: Statistic) -> tuple[float, float, float]:
    """Difference of two numbers, with the interval of the module docstring.

    Parameters
    ----------
    one, other : Statistic

    Returns
    -------
    difference, low, high : float
        `one` - `other`; the ends are NaN where one of them has no interval.
    """
    difference = one.estimate - other.estimate
    low = difference - math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = difference + math.hypot(one.high - one.estimate, other.estimate - other.low)
    return difference, low, high


def format_differences(table: pd.DataFrame) -> str:
    """The rows of a comparison as text, one a line; each data set under its source."""
    heads = f"{'':30} {'simulated':24} {'recorded':24} {'difference':24}"
    lines = []
    for source, rows in table.groupby("source", sort=False):
        lines += [f"{heads} {source}", *map(_format_row, rows.itertuples())]
    return "\n".join(lines)


def _format_row(row: Any) -> str:
    numbers = (
        (row.simulated, row.sim_low, row.sim_high),
        (row.recorded, row.rec_low, row.rec_high),
        (row.difference, row.diff_low, row.diff_high),
    )
    shown = " ".join(f"{format_interval(*number):24}" for number in numbers)
    return f"{f'{row.key} {row.condition}':30} {shown} {row.verdict}: {row.why}"


def _without_interval(statistic: Statistic, which: str) -> str:
    samples = f"n = {statistic.n} {statistic.n_of}"
    if not all(map(math.isfinite, (statistic.estimate, statistic.low, statistic.high))):
        return f"the {which} number has no interval ({samples})"
    if math.isclose(statistic.low, statistic.high, rel_tol=1e-9, abs_tol=1e-12):
        return f"the interval of the {which} number has no width ({samples})"
    return ""
