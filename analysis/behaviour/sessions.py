"""Statistics of choices, the same for simulated and recorded sessions: reward, strategy, history, matching.

Both are `ChoiceSessions`. Intervals run over animals if there are several, else over the sessions of the one. n is what
carries the statistic: animals with too few trials for it and sessions without any are counted out (`counts`).
`cut_sessions` gives two sets of sessions equally many trials.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.counts import count_used, get_blocks, select_sessions
from pfc_da.analysis.behaviour.history import (
    LAGS,
    HistoryKernels,
    compute_lose_shift,
    compute_win_stay,
    fit_history,
)
from pfc_da.analysis.behaviour.matching import count_choices, describe_left_out, fit_matching
from pfc_da.analysis.interval import mean_or_nan
from pfc_da.analysis.readers.choice_table import ChoiceSessions, get_animals
from pfc_da.analysis.statistic import ANY, SHARE, Statistic, summarise, summarise_sessions


def compute_choice_numbers(
    sessions: ChoiceSessions, *, baited: bool = False, rng: np.random.Generator
) -> list[Statistic]:
    """Reward, better choices, win-stay and lose-shift; of two options also history kernels and matching.

    Parameters
    ----------
    sessions : ChoiceSessions
    baited : bool
        Whether reward waits until it is taken, so that matching is meaningful.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    choice, reward, better = sessions.choice, sessions.reward, sessions.better
    rewarded = np.where(choice >= 0, reward, np.nan)
    chose_better = np.where((choice >= 0) & (better >= 0), choice == better, np.nan)
    plain: list[tuple[str, str, Callable[..., float], tuple[NDArray, ...]]] = [
        ("reward_per_trial", "reward", mean_or_nan, (rewarded,)),
        ("win_stay", "fraction", compute_win_stay, (choice, reward)),
        ("lose_shift", "fraction", compute_lose_shift, (choice, reward)),
    ]
    if np.isfinite(chose_better).any():
        plain.append(("fraction_better", "fraction", mean_or_nan, (chose_better,)))
    counts = count_used(sessions)
    animals = {key: select_sessions(sessions, key, count) for key, count in counts.items()}
    found = [
        _summarise(key, compute, arrays, animals[key], units, rng) for key, units, compute, arrays in plain
    ]
    if sessions.n_options == 2:
        found += _history(choice, reward, animals["history_reward"])
        if baited:
            found.append(_matching(sessions, animals["matching_slope"], counts["matching_slope"].total))
    return found


def cut_sessions(sessions: ChoiceSessions, n_trials: int, n_sessions: int) -> ChoiceSessions:
    """The first trials of the first sessions of every animal.

    Parameters
    ----------
    sessions : ChoiceSessions
    n_trials, n_sessions : int
        Trials of a session, sessions of an animal.

    Returns
    -------
    ChoiceSessions
    """
    rank = np.empty(len(sessions.animal), int)
    for own in get_animals(sessions):
        rank[own] = np.arange(own.sum())
    kept = rank < n_sessions
    grids: Iterable[str] = ("choice", "reward", "block", "better")
    cut = {name: getattr(sessions, name)[kept, :n_trials] for name in grids}
    return replace(sessions, **cut, animal=sessions.animal[kept], session=sessions.session[kept])


def _summarise(key, compute, arrays, animals, units, rng) -> Statistic:
    within = SHARE if units == "fraction" else ANY
    if len(animals) > 1:
        values = [compute(*(array[own] for array in arrays)) for own in animals]
        return summarise(key, values, units=units, within=within)
    (own,) = animals
    if own.any():
        own_arrays = [array[own] for array in arrays]
        return summarise_sessions(key, compute, own_arrays, units=units, within=within, rng=rng)
    return replace(summarise(key, [np.nan], units=units), n_of="sessions")


def _history(choice: NDArray, reward: NDArray, animals: list[NDArray]) -> list[Statistic]:
    """Kernels by lag: clustered by session for one animal, over the kernels of several."""
    fits = [fit_history(choice[own], reward[own], lags=LAGS) for own in animals]
    return [
        _one_lag(fits[0], name, lag)
        if len(fits) == 1
        else summarise(
            f"history_{name}",
            [getattr(fit, name)[lag] for fit in fits],
            labels={"lag": lag + 1},
            units="log odds",
        )
        for name in ("choice", "reward")
        for lag in range(LAGS)
    ]


def _one_lag(fit: HistoryKernels, name: str, lag: int) -> Statistic:
    return Statistic(
        key=f"history_{name}",
        labels={"lag": lag + 1},
        estimate=float(getattr(fit, name)[lag]),
        low=float(getattr(fit, f"{name}_low")[lag]),
        high=float(getattr(fit, f"{name}_high")[lag]),
        interval=fit.interval,
        n=fit.n_sessions,
        n_of="sessions",
        units="log odds",
    )


def _matching(sessions: ChoiceSessions, animals: list[NDArray], n_points: int) -> Statistic:
    """Slope of the generalised matching law over sessions, or over blocks where there are some."""
    key, blocks = "matching_slope", get_blocks(sessions)
    fits = [
        fit_matching(
            count_choices(sessions.choice[own], sessions.reward[own], None if blocks is None else blocks[own])
        )
        for own in animals
    ]
    left_out = describe_left_out(n_points - sum(fit.n_points for fit in fits), n_points)
    if len(fits) > 1:
        slope = summarise(key, [fit.slope for fit in fits], units="1")
        return replace(slope, interval=slope.interval + left_out)
    (fit,) = fits
    return Statistic(
        key=key,
        estimate=fit.slope,
        low=fit.slope_low,
        high=fit.slope_high,
        interval=fit.interval + left_out,
        n=fit.n_points if fit.n_sessions == 1 else fit.n_sessions,
        n_of="blocks" if fit.n_sessions == 1 and blocks is not None else "sessions",
        units="1",
    )
