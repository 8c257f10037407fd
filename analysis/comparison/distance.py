"""Distance of simulated animals from recorded ones: one number over named statistics.

    D = sqrt( mean_k ((s_k - r_k) / e_k)^2 ),    e_k^2 = se(r_k)^2 + median_c se(s_kc)^2

s_k is the simulated statistic, r_k the recorded one, se a standard error: half its 95 % interval, over Student's t for its
n. The median runs over some populations c that are simulated before any distance is looked at, so that e_k is the same for
all: an uncertain population is no nearer for it, and a single unusual one does not set the scale. Populations that are alike
are at a distance of about 1.

A name is a key of ``comparison_recorded.csv`` (all its conditions), or a key and a condition: ``history_reward lag_1``.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pfc_da.analysis.interval import compute_reach
from pfc_da.analysis.statistic import Statistic

OF_CHOICES = (
    "reward_per_trial",
    "fraction_better",
    "win_stay",
    "lose_shift",
    "history_choice",
    "history_reward",
    "learning_rate",
    "matching_slope",
)
OF_CELLS = (
    "firing_rate",
    "cv",
    "cv2",
    "lv",
    "fano",
    "timescale",
    "timescale_population",
    "fraction_selective",
)


def choose_statistics(rows: pd.DataFrame, asked: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those of the statistics asked for that may be compared, and why the others may not.

    Parameters
    ----------
    rows : DataFrame
        A comparison, with the columns of ``comparison_recorded.csv``.
    asked : sequence of str
        Names, as in the module docstring.
    """
    kept: list[str] = []
    left_out: dict[str, str] = {}
    table = _by_name(rows)
    for name in asked:
        found = table[(table.index == name) | (table["key"] == name)]
        if found.empty:
            left_out[name] = "the recordings hold no such number"
        for each, verdict, why in zip(found.index, found["verdict"], found["why"], strict=True):
            if verdict == "not comparable":
                left_out[each] = why
            elif each not in kept:
                kept.append(each)
    return kept, left_out


def compute_scale(populations: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.Series:
    """Scale e_k of each statistic (module docstring).

    Parameters
    ----------
    populations : sequence of DataFrame
        Comparisons of several simulated populations with the same recordings.
    names : sequence of str
        The statistics.

    Returns
    -------
    Series
        By name, in the units of the statistic.
    """
    tables = [_by_name(rows).loc[list(names)] for rows in populations]
    simulated = pd.concat([_compute_errors(table, "sim") for table in tables], axis=1)
    return np.hypot(_compute_errors(tables[0], "rec"), simulated.median(axis=1)).rename("scale")


def _compute_errors(table: pd.DataFrame, side: str) -> pd.Series:
    """Standard errors of the numbers of one side, ``sim`` or ``rec``, from their intervals."""
    return (table[f"{side}_high"] - table[f"{side}_low"]) / (2 * compute_reach(table[f"{side}_n"]))


def compute_distance(rows: pd.DataFrame, scale: pd.Series) -> float:
    """Distance D over the statistics of a scale (module docstring).

    Parameters
    ----------
    rows : DataFrame
        A comparison, with the columns of ``comparison_recorded.csv``.
    scale : Series
        Of `compute_scale`.

    Returns
    -------
    float
        Infinite where the simulated animals lack one of the statistics.
    """
    table = _by_name(rows).loc[scale.index]
    squares = ((table["simulated"] - table["recorded"]) / scale) ** 2
    return float(np.sqrt(squares.mean())) if squares.notna().all() else math.inf


def compute_distance_interval(distance: float, leave_one_out: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a distance: jackknife over animals, with Student's t.

    Parameters
    ----------
    distance : float
        Of all animals.
    leave_one_out : (animal,)
        The distance found without each animal in turn.

    Returns
    -------
    low, high : float
        NaN with fewer than two animals, or where a distance is infinite.

    Examples
    --------
    >>> low, high = compute_distance_interval(2.0, [1.9, 2.0, 2.1])
    >>> print(round(low, 2), round(high, 2))
    1.5 2.5
    """
    from scipy.special import stdtrit

    n, values = len(leave_one_out), np.asarray(leave_one_out, dtype=float)
    if n < 2 or not np.isfinite([distance, *values]).all():
        return math.nan, math.nan
    half = stdtrit(n - 1, 0.975) * math.sqrt((n - 1) * values.var())
    return max(0.0, distance - half), distance + half


def get_recorded(rows: pd.DataFrame) -> list[Statistic]:
    """The recorded statistics of choices in a comparison, so that they need not be computed again."""
    return [
        Statistic(
            key=row.key,
            labels={"condition": row.condition},
            estimate=row.recorded,
            low=row.rec_low,
            high=row.rec_high,
            interval="95 %",
            n=row.rec_n,
            n_of=row.rec_n_of,
            units=row.units,
        )
        for row in rows[rows["key"].isin(OF_CHOICES)].itertuples()
    ]


def get_names(rows: pd.DataFrame) -> pd.Series:
    """Key and condition of every row of a comparison."""
    return (rows["key"] + " " + rows["condition"]).str.strip()


def _by_name(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index(get_names(rows))
