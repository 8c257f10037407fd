"""95 % intervals of a mean over few animals, of a fraction, and of what bootstrap draws show.

A mean over animals
    Student's t with n - 1 degrees of freedom. Over normal animals it covers the truth in 95 % of cases at every n from 2;
    the percentile bootstrap it replaces covers 80 % (n = 4) and 89 % (n = 8).

Animals that met the same sessions
    Another draw of problems would have been easier or harder for all animals at once. The mean then varies with the animals
    and with the sessions. Each part has an interval by Student's t of its own, one of the means of the animals and one of
    the means of the sessions, freed of what is noise in them; the squares of their half-widths add up (MOVER; Zou &
    Donner 2008). With y_ij = mu + animal_i + session_j + noise_ij, and MSA, MSB, MSE the mean squares of animals, sessions
    and the rest,

        half^2 = (t_I-1^2 MSA + t_J-1^2 max(MSB - MSE, 0)) / (I J).

    It covers 95 to 98 % (I = 4, 8) and 95 to 99 % (I = 2), most where animals and sessions weigh alike. Degrees of
    freedom by Satterthwaite (1946) are narrower there, but cover 90 % in the worst case (I = 2).

Bootstrap draws
    The distances from the estimate to the ends of the percentile interval, times t_n-1 sqrt(n / (n - 1)) / 1.96, which makes
    up for the narrowness of the bootstrap over n samples (Hesterberg 2015).

Tests measure these coverages (tests/analysis/test_interval.py).

References
----------
Zou & Donner 2008, Stat Med 27:1693, doi 10.1002/sim.3095. Satterthwaite 1946, Biometrics Bull 2:110, doi
10.2307/3002019. Hesterberg 2015, Am Stat 69:371, doi 10.1080/00031305.2015.1089789. Wilson 1927, J Am Stat Assoc 22:209,
doi 10.1080/01621459.1927.10502953.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from pfc_da.errors import InputError

LEVEL = 0.95
GROUPS = 10
"""Into how many groups sessions are dealt, where a statistic needs many sessions at once."""
Ends = tuple[NDArray, NDArray]


def compute_mean_interval(values: ArrayLike) -> Ends:
    """Ends of Student's t interval of a mean over the first dimension.

    Parameters
    ----------
    values : (sample, ...)
        NaN is left out.

    Returns
    -------
    low, high : arrays of the remaining dimensions
        NaN in columns with fewer than two finite values.
    """
    values = np.asarray(values, dtype=float)
    n = np.isfinite(values).sum(axis=0)
    mean = mean_of_finite(values)
    half = compute_reach(n) * np.sqrt(_variance(values) / np.maximum(n, 1))
    return mean - half, mean + half


def compute_crossed_interval(by_animal: ArrayLike, by_group: ArrayLike) -> Ends:
    """Ends of the interval of a mean over animals that all met the same sessions (module docstring).

    Parameters
    ----------
    by_animal : (animal, ...)
        The statistic of each animal, all its sessions together.
    by_group : (animal, group, ...)
        The same of each session, or of each group of sessions, all finite.

    Returns
    -------
    low, high : arrays of the remaining dimensions
        NaN with fewer than two animals or two groups.
    """
    by_animal, by_group = np.asarray(by_animal, dtype=float), np.asarray(by_group, dtype=float)
    n_animals, n_groups = by_group.shape[:2]
    mean = by_animal.mean(axis=0)
    if min(n_animals, n_groups) < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    of_animals = compute_reach(n_animals) ** 2 * _variance(by_animal) / n_animals
    of_sessions = compute_reach(n_groups) ** 2 * _variance_of_sessions(by_group) / n_groups
    half = np.sqrt(of_animals + of_sessions)
    return mean - half, mean + half


def _variance_of_sessions(by_group: NDArray) -> NDArray:
    """Variance between sessions (animal, session, ...) that all animals share: (MSB - MSE) / animals, 0 if negative."""
    n_animals, n_sessions = by_group.shape[:2]
    rest = by_group - by_group.mean(axis=1, keepdims=True)
    between = rest.mean(axis=0)  # (session, ...)
    noise = ((rest - between) ** 2).sum(axis=(0, 1)) / ((n_animals - 1) * (n_sessions - 1))
    return np.maximum((between**2).sum(axis=0) / (n_sessions - 1) - noise / n_animals, 0.0)


def split_sessions(n: int) -> list[NDArray]:
    """Indices of neighbouring sessions, in `GROUPS` groups of much the same size, or fewer; one empty group of none."""
    return np.array_split(np.arange(n), max(min(GROUPS, n), 1))


def compute_draws_interval(estimate: ArrayLike, draws: ArrayLike, n: int) -> Ends:
    """Ends of the interval that bootstrap draws over `n` samples give.

    Parameters
    ----------
    estimate : (...)
    draws : (draw, ...)
        NaN is left out.
    n : int
        Samples resampled; with one there is no interval.
    """
    estimate, draws = np.asarray(estimate, dtype=float), np.asarray(draws, dtype=float)
    none = ~np.isfinite(draws).any(axis=0)
    if n < 2 or none.all():
        return np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    filled = np.where(none, 0.0, draws)  # a column without a finite draw has no interval, and no warning
    low, high = np.nanquantile(filled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    widen = compute_reach(n) * np.sqrt(n / (n - 1)) / ndtri((1 + LEVEL) / 2)
    low, high = estimate + widen * (low - estimate), estimate + widen * (high - estimate)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def compute_wilson_interval(n_true: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a fraction.

    Parameters
    ----------
    n_true, n : int
        How many of how many.

    Returns
    -------
    low, high : float

    Raises
    ------
    InputError
        If `n` is 0, or `n_true` is not in 0..n.

    Examples
    --------
    >>> low, high = compute_wilson_interval(8, 10)
    >>> round(low, 2), round(high, 2)
    (0.49, 0.94)
    """
    if not 0 <= n_true <= n or n == 0:
        raise InputError(f"a fraction needs 0 <= n_true <= n and n > 0, got {n_true} of {n}.")
    z = ndtri((1 + LEVEL) / 2)
    centre = (n_true + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(n_true * (n - n_true) / n + z**2 / 4)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def compute_reach(n: ArrayLike) -> NDArray:
    """Standard errors from a mean over `n` samples to the end of its interval; NaN with fewer than two."""
    n = np.asarray(n)
    return np.where(n > 1, stdtrit(np.maximum(n - 1, 1), (1 + LEVEL) / 2), np.nan)


def format_interval(estimate: float, low: float, high: float) -> str:
    """Write an estimate and its interval as text, to three digits.

    Parameters
    ----------
    estimate, low, high : float
        NaN where there is none; a range in words has no estimate.

    Returns
    -------
    str

    Examples
    --------
    >>> format_interval(0.6412, 0.61, 0.66), format_interval(0.6412, math.nan, math.nan)
    ('0.641 [0.61, 0.66]', '0.641, no interval')
    >>> format_interval(math.nan, 0.5, 1), format_interval(math.nan, math.nan, math.nan)
    ('[0.5, 1]', '—')
    """
    middle, bottom, top = ("—" if math.isnan(each) else f"{each:.3g}" for each in (estimate, low, high))
    if bottom == top == "—":
        return middle if middle == "—" else f"{middle}, no interval"
    return f"[{bottom}, {top}]" if middle == "—" else f"{middle} [{bottom}, {top}]"


def mean_or_nan(values: NDArray) -> float:
    """Mean of all finite values of an array of any shape; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def mean_of_finite(values: NDArray, axis: int | tuple[int, ...] = 0) -> NDArray:
    """Mean of the finite values along an axis.

    Parameters
    ----------
    values : array
    axis : int or tuple of int

    Returns
    -------
    array
        NaN, without a warning, where no value is finite.
    """
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0.0).sum(axis=axis) / finite.sum(axis=axis)


def _variance(values: NDArray) -> NDArray:
    """Sample variance of what is finite along the first dimension; 0 where it is rounding alone."""
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    mean = mean_of_finite(values)
    squares = np.where(finite, values - mean, 0.0) ** 2
    variance = squares.sum(axis=0) / np.maximum(n - 1, 1)
    return np.where(variance <= (1e-12 * np.abs(mean)) ** 2, 0.0, variance)
