"""A number with its interval, over animals, over animals and their shared sessions, or over sessions of one animal.

The unit of replication is the animal. Sessions of one animal share its weights (or its brain), so an interval over sessions
says how well *this* animal was measured and nothing about the next animal. Simulated animals mostly had the same sessions:
the interval is then over both, and covers another draw of animals and of problems. `Statistic.interval`
says which it is; `interval` has the formulas and how often they cover the truth.

Where all animals have one value the interval has no width. That is no certainty, and `Statistic.interval` says so
(`NO_WIDTH`); no verdict is taken from it (`compare`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.interval import (
    compute_crossed_interval,
    compute_draws_interval,
    compute_mean_interval,
    compute_wilson_interval,
    mean_of_finite,
)
from pfc_da.errors import InputError

N_DRAWS = 500  # where each draw runs an analysis anew
OVER_ANIMALS, OVER_BOTH = "95 % t over animals", "95 % t over animals and sessions"
NO_WIDTH = "no width: all animals equal"
ANY, POSITIVE, SHARE = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)
"""What values a statistic can take: any, those of a rate or a time, those of a fraction. No interval goes beyond."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One number, its interval, and what was counted.

    Attributes
    ----------
    key, condition : str
        What was measured and under which condition; stable names, listed in the documentation.
    estimate, low, high : float
        The estimate and the ends of its interval, in `units`; NaN where there is none.
    interval : str
        What the interval is, e.g. "95 % t over animals".
    n : int
        How many of `n_of` ("animals", "sessions", "units", ...) carry the estimate.
    units : str
    by_animal : tuple of float
        The value of every animal in the recording's order, NaN where it has none.
    """

    key: str
    condition: str
    estimate: float
    low: float
    high: float
    interval: str
    n: int
    n_of: str
    units: str
    by_animal: tuple[float, ...] = ()


def summarise(
    key: str,
    values_by_animal: ArrayLike,
    *,
    condition: str = "",
    units: str,
    within: tuple[float, float] = ANY,
) -> Statistic:
    """Mean over animals with Student's t interval over animals.

    Parameters
    ----------
    key : str
    values_by_animal : (animal,)
        One number an animal. Animals with NaN (the statistic is undefined for them) count neither in the mean
        nor in n.
    condition, units : str
        As in `Statistic`.
    within : (lowest, highest)
        What values are possible; the interval is cut there.

    Returns
    -------
    Statistic

    Notes
    -----
    One animal has no interval over animals: low and high are NaN.

    Examples
    --------
    >>> found = summarise("win_stay", [0.8, 0.9, 0.7], units="fraction", within=SHARE)
    >>> round(found.estimate, 2), round(found.low, 2), found.high, found.n
    (0.8, 0.55, 1.0, 3)
    """
    values = _vector(key, values_by_animal)
    ends = compute_mean_interval(values)
    return _over_animals(key, values, ends, OVER_ANIMALS, condition, units, within)


def summarise_crossed(
    key: str,
    values: ArrayLike,
    *,
    condition: str = "",
    units: str,
    within: tuple[float, float] = ANY,
) -> Statistic:
    """Mean over animals that all met the same sessions, with the interval over animals and sessions.

    An interval over animals alone leaves out that another draw of problems would have been easier or harder for all of
    them at once; with every animal on the same sessions, that is often the larger part.

    Parameters
    ----------
    values : (animal, session)
        All finite.
    within : (lowest, highest)
        As for `summarise`.
    """
    values = np.asarray(values, dtype=float)
    return summarise_grouped(key, values.mean(1), values, condition=condition, units=units, within=within)


def summarise_grouped(
    key: str,
    by_animal: ArrayLike,
    by_group: ArrayLike,
    *,
    condition: str = "",
    units: str,
    within: tuple[float, float] = ANY,
) -> Statistic:
    """Mean over animals of a statistic that takes many sessions, all animals having met the same ones.

    The interval is that of `summarise_crossed`, with groups of sessions (`interval.split_sessions`) for sessions.

    Parameters
    ----------
    by_animal : (animal,)
        The statistic of all sessions of each animal; NaN as for `summarise`.
    by_group : (animal, group)
        The same of each group of sessions. Groups that lack an animal are left out; if fewer than two are left, the
        interval is over animals alone, and says so.
    within : (lowest, highest)
        As for `summarise`.
    """
    values, groups = _vector(key, by_animal), np.asarray(by_group, dtype=float)
    groups = groups[np.isfinite(values)]
    groups = groups[:, np.isfinite(groups).all(axis=0)]
    if min(groups.shape) < 2:
        return summarise(key, values, condition=condition, units=units, within=within)
    ends = compute_crossed_interval(values[np.isfinite(values)], groups)
    return _over_animals(key, values, ends, OVER_BOTH, condition, units, within)


def summarise_sessions(
    key: str,
    compute: Callable[..., float],
    sessions: Sequence[NDArray],
    *,
    condition: str = "",
    units: str,
    within: tuple[float, float] = ANY,
    rng: np.random.Generator,
) -> Statistic:
    """Any statistic of one animal's sessions with a bootstrap interval over its sessions, widened for their number.

    For a single animal, or a recording whose animals are not known. Whole sessions are resampled, so that
    dependence between the trials of a session stays inside it.

    Parameters
    ----------
    compute : callable
        Takes the arrays of `sessions`, in their order, and returns one number.
    sessions : sequence of arrays (session, ...)
        What `compute` takes; resampled together along the first dimension.
    within : (lowest, highest)
        As for `summarise`.
    rng : numpy.random.Generator
        Draws the resamples.

    Notes
    -----
    Draws on which `compute` gives NaN are left out of the interval. One session has no interval.

    Examples
    --------
    >>> reward = np.array([[1, 0, 1, 1.0], [0, 0, 1, np.nan], [1, 1, 0, 1]])
    >>> rng = np.random.default_rng(0)
    >>> summarise_sessions("reward_per_trial", np.nanmean, [reward], units="reward", rng=rng).n_of
    'sessions'
    """
    lengths = {len(array) for array in sessions}
    if len(lengths) != 1:
        raise InputError(f"{key}: arrays must have the same number of sessions, got {sorted(lengths)}.")
    n = lengths.pop()
    drawn = rng.integers(n, size=(N_DRAWS if n > 1 else 0, n))
    draws = [compute(*(array[index] for array in sessions)) for index in drawn]
    estimate = float(compute(*sessions))
    low, high = np.clip(compute_draws_interval(estimate, draws or [np.nan], n), *within)
    return Statistic(
        key=key,
        condition=condition,
        estimate=estimate,
        low=float(low),
        high=float(high),
        interval="95 % bootstrap over sessions",
        n=n,
        n_of="sessions",
        units=units,
    )


def summarise_fraction(
    key: str, is_true: ArrayLike, *, condition: str = "", n_of: str, by_animal: Sequence[float] = ()
) -> Statistic:
    """Share of samples that are true, with Wilson's interval over them.

    Parameters
    ----------
    is_true : (sample,) bool
    n_of : str
        What the samples are: "animals", "units".
    by_animal : sequence of float
        As in `Statistic`.
    """
    values = np.asarray(is_true, dtype=bool)
    low, high = compute_wilson_interval(int(values.sum()), values.size)
    return Statistic(
        key=key,
        condition=condition,
        estimate=float(values.mean()),
        low=low,
        high=high,
        interval=f"95 % Wilson over {n_of}",
        n=values.size,
        n_of=n_of,
        units="fraction",
        by_animal=tuple(by_animal),
    )


def _over_animals(
    key: str, values: NDArray, ends: Sequence[NDArray], interval: str, condition: str, units: str, within
) -> Statistic:
    low, high = (float(end) for end in np.clip(ends, *within))
    return Statistic(
        key=key,
        condition=condition,
        estimate=float(mean_of_finite(values)),
        low=low,
        high=high,
        interval=NO_WIDTH if low == high else interval,
        n=int(np.isfinite(values).sum()),
        n_of="animals",
        units=units,
        by_animal=tuple(values.tolist()),
    )


def _vector(key: str, values: ArrayLike) -> NDArray:
    vector = np.asarray(values, dtype=float)
    if vector.ndim != 1 or not vector.size:
        raise InputError(f"{key}: values_by_animal must be one number an animal, got shape {vector.shape}.")
    return vector
