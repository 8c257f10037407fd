"""Simulated beside recorded data of one's own: the same functions, equally many trials, and the difference.

A difference simulated - recorded has an interval that comes from the two intervals (Zou & Donner 2008; for two
Wilson intervals it is Newcombe's): with estimates a, b and their ends l, u,

    low = a - b - sqrt((a - l_a)^2 + (u_b - b)^2),    high = a - b + sqrt((u_a - a)^2 + (b - l_b)^2).

verdict
different       the interval of the difference leaves out 0
not told apart  it holds 0: that n is not enough to see a difference, or that there is none
not comparable  `why` says what stands against it: too few trials, sessions, animals or cells, windows too
                short, another schedule

References: Zou & Donner 2008, Stat Med 27:1693, doi 10.1002/sim.3095. Newcombe 1998, Stat Med 17:873, doi
10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I. Peduzzi et al. 1996, J Clin Epidemiol
49:1373, doi 10.1016/S0895-4356(96)00236-3 (ten trials a weight).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pfc_da.analysis.choice_statistics import LAGS, compute_choice_numbers, cut_sessions
from pfc_da.analysis.choice_table import ChoiceSessions
from pfc_da.analysis.column_map import ColumnMap, read_column_map
from pfc_da.analysis.read_recorded import read_recorded
from pfc_da.analysis.simulated import get_choice_sessions, is_baited
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError
from pfc_da.recording import read_recording
from pfc_da.rng import numpy_stream

MIN_TRIALS = LAGS + 1  # of a session
MIN_PER_ANIMAL = 20  # trials of an animal for a fraction of them
PER_WEIGHT = 10  # trials for each weight of a regression (Peduzzi et al. 1996)
OF_SCHEDULE = ("reward_per_trial", "fraction_better")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One row of comparison_recorded.csv, its fields in the order of the columns; `matched` says how alike."""

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


def compare_recorded(
    run_folder: str | Path, paths: Sequence[str | Path], columns_file: str | Path | None = None
) -> pd.DataFrame:
    """Hold a replayed run against recordings; the rows of comparison_recorded.csv.

    Parameters
    ----------
    run_folder : path
        Holds ``recording.nc``.
    paths : sequence of paths
        Files and folders, read as one data set (`read_recorded`).
    columns_file : path, optional
        How their columns become ours (`column_map`).
    """
    columns = ColumnMap() if columns_file is None else read_column_map(columns_file)
    recorded = read_recorded(paths, columns)
    recording = read_recording(Path(run_folder) / "recording.nc")
    rows = compare_choices(
        get_choice_sessions(recording),
        recorded.choices,
        baited=columns.baited and is_baited(recording),
        same_schedule=columns.same_schedule,
        source=recorded.source,
        rng=numpy_stream(int(recording.attrs["seed"]), "recorded"),
    )
    return pd.DataFrame([asdict(row) for row in rows])


def format_differences(table: pd.DataFrame) -> str:
    """The rows as text, one a line."""
    lines = [f"{'':30} {'simulated':24} {'recorded':24} {'difference':24}"]
    for row in table.itertuples():
        numbers = (
            (row.simulated, row.sim_low, row.sim_high),
            (row.recorded, row.rec_low, row.rec_high),
            (row.difference, row.diff_low, row.diff_high),
        )
        shown = " ".join(f"{f'{middle:.3g} [{low:.3g}, {high:.3g}]':24}" for middle, low, high in numbers)
        lines.append(f"{f'{row.key} {row.condition}':30} {shown} {row.verdict}: {row.why}")
    return "\n".join(lines)


def compare_choices(
    simulated: ChoiceSessions,
    recorded: ChoiceSessions,
    *,
    baited: bool = False,
    same_schedule: bool = False,
    source: str = "",
    rng: np.random.Generator,
) -> list[Difference]:
    """Hold the choices of simulated animals against recorded ones, both cut to equally many trials.

    Parameters
    ----------
    simulated, recorded : ChoiceSessions
    baited : bool
        Whether reward waits until it is taken in both, so that matching says something.
    same_schedule : bool
        Whether rewards came alike, so that reward and better choices may be held against each other.
    source : str
        Where the recorded ones come from.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    n_trials, n_sessions = (min(pair) for pair in zip(count(simulated), count(recorded), strict=True))
    if n_trials < MIN_TRIALS:
        raise InputError(
            f"{source}: {_plural(n_trials, 'trial')} a session; a comparison needs at least {MIN_TRIALS}, and "
            f"simulated sessions have {count(simulated)[0]}."
        )
    pair = [cut_sessions(sessions, n_trials, n_sessions) for sessions in (simulated, recorded)]
    found = [compute_choice_numbers(sessions, baited=baited, rng=rng) for sessions in pair]
    against = {key: "" if same_schedule else "rewards may have come in another way" for key in OF_SCHEDULE}
    against |= _too_few(n_trials, n_sessions)
    matched = f"first {_plural(n_trials, 'trial')} of {_plural(n_sessions, 'session')} an animal"
    return pair_up(*found, against=against, matched=matched, source=source)


def count(sessions: ChoiceSessions) -> tuple[int, int]:
    """Trials of the median session and sessions of the median animal."""
    seen = np.isfinite(sessions.reward) | (sessions.choice >= 0)
    lengths = np.where(seen.any(1), seen.shape[1] - seen[:, ::-1].argmax(1), 0)
    per_animal = np.unique(sessions.animal, return_counts=True)[1]
    return int(np.median(lengths)), int(np.median(per_animal))


def pair_up(
    simulated: Sequence[Statistic],
    recorded: Sequence[Statistic],
    *,
    against: Mapping[str, str],
    matched: str,
    source: str,
) -> list[Difference]:
    """Differences of all statistics that both have; `against` tells by key what forbids a comparison."""
    by_name = {(one.key, one.condition): one for one in simulated}
    return [
        judge_difference(by_name[one.key, one.condition], one, against.get(one.key, ""), matched, source)
        for one in recorded
        if (one.key, one.condition) in by_name
    ]


def judge_difference(
    simulated: Statistic, recorded: Statistic, against: str, matched: str, source: str
) -> Difference:
    """One row; `against` is what forbids the comparison, "" if nothing does."""
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
    """`one` - `other` and the ends of its interval (module docstring); NaN where one has no interval."""
    difference = one.estimate - other.estimate
    low = difference - math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = difference + math.hypot(one.high - one.estimate, other.estimate - other.low)
    return difference, low, high


def _too_few(n_trials: int, n_sessions: int) -> dict[str, str]:
    """By key, what the number of trials does not allow."""
    found: dict[str, str] = {}
    n = n_trials * n_sessions
    if n < MIN_PER_ANIMAL:
        keys = (*OF_SCHEDULE, "win_stay", "lose_shift")
        found |= dict.fromkeys(keys, f"{n} trials an animal; a fraction needs {MIN_PER_ANIMAL}")
    n_predicted, needed = (n_trials - LAGS) * n_sessions, PER_WEIGHT * (2 * LAGS + 1)
    if n_predicted < needed:
        told = f"{n_predicted} trials an animal for {2 * LAGS + 1} weights; needs {needed}"
        found |= dict.fromkeys(("history_choice", "history_reward"), told)
    return found


def _without_interval(statistic: Statistic, which: str) -> str:
    if math.isfinite(statistic.low) and math.isfinite(statistic.high):
        return ""
    return f"the {which} number has no interval (n = {statistic.n} {statistic.n_of})"


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
