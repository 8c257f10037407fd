"""Firing statistics of spike trains: rate, CV, CV2, LV and Fano factor, also through time.

A train is the sorted spike times of one trial. Intervals between spikes are taken within trials only, since the time
between trials was not recorded or not kept.

  CV  = standard deviation of all intervals / their mean
  CV2 = mean over neighbouring intervals of 2 |I' - I| / (I' + I)
  LV  = mean over neighbouring intervals of 3 ((I' - I) / (I' + I))^2
  Fano factor = variance of the counts of a window over trials / their mean; also of trials with the same action and reward

A Poisson train gives 1 for each, a clock 0. CV2 and LV compare only neighbours and so ignore slow changes of rate, which
raise CV and Fano factor. Cutting a train into windows leaves CV2 and LV unbiased for Poisson trains (the ratio of two
neighbouring intervals does not depend on their sum) and nearly so for others; CV it lowers, since intervals longer than
the window are never seen whole: a Poisson train gives .98, .94 and .88 in windows that hold 10, 5 and 3 spikes on
average (a test measures them). Compare a CV only with one of windows with as many spikes.

References: Holt et al. 1996 (CV2), doi 10.1152/jn.1996.75.5.1806; Shinomoto et al. 2003 (LV),
doi 10.1162/089976603322518759; Nawrot et al. 2008 (windows), doi 10.1016/j.jneumeth.2007.10.013.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.errors import InputError


def compute_rate(counts: ArrayLike, *, window: float) -> NDArray:
    """Mean rate over trials.

    Parameters
    ----------
    counts : (trial, ...)
        Spikes in a window; NaN is left out.
    window : float
        Its length in s.

    Returns
    -------
    (...)
        In Hz.

    Raises
    ------
    InputError
        If the window is not longer than 0 s.

    Examples
    --------
    >>> float(compute_rate([4, 6], window=0.5))
    10.0
    """
    _require_duration("window", window)
    return np.nanmean(np.asarray(counts, dtype=float), axis=0) / window


def count_spikes(trains: Iterable[ArrayLike], starts: ArrayLike, width: float) -> NDArray:
    """Spikes of each train in windows of equal width, which may overlap.

    Parameters
    ----------
    trains : iterable of arrays
        Spike times of each trial, sorted.
    starts : (window,)
        Where the windows begin; a window holds its beginning and not its end. In the unit of the times.
    width : float
        Length of the windows, in the unit of the times.

    Returns
    -------
    NDArray of int, (trial, window)
    """
    _require_duration("width", width)
    times, trial, n_trials = _join(trains)
    # 3 * .05 is not .15: rounded, the edges are the numbers that were meant, and a spike on one is counted once.
    begins = np.round(np.atleast_1d(np.asarray(starts, dtype=float)), 9)
    ends = np.round(begins + width, 9)
    counted = [
        np.bincount(trial[(times >= begin) & (times < end)], minlength=n_trials)
        for begin, end in zip(begins, ends, strict=True)
    ]
    return np.stack(counted, axis=1)


def compute_fano(counts: ArrayLike) -> NDArray:
    """Variance of spike counts (trial, ...) over trials divided by their mean.

    Returns
    -------
    NDArray
        The remaining dimensions; NaN where there are fewer than two trials or no spike. Slow drift over a
        session and differences between trial types raise it above that of the spiking itself.

    Notes
    -----
    The variance is the unbiased one (n - 1); elephant divides by n. It grows with the width of the window where rates
    vary slowly, so compare it only with one of equal windows.
    """
    counts = np.asarray(counts, dtype=float)
    if counts.shape[0] < 2:
        return np.full(counts.shape[1:], np.nan)
    mean = np.nanmean(counts, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, np.nanvar(counts, axis=0, ddof=1) / mean, np.nan)


def compute_fano_within(counts: ArrayLike, group: ArrayLike) -> float:
    """Variance of spike counts within groups of trials, divided by the mean count, groups weighed alike in both.

    Parameters
    ----------
    counts : (trial,)
    group : (trial,) int
        Number of the group of each trial, such as that of its action and reward.

    Returns
    -------
    float
        1 for Poisson counts whatever the means of the groups; NaN without spikes, or where no group has two trials.

    Examples
    --------
    >>> compute_fano_within([1, 3, 10, 10], [0, 0, 1, 1])  # variances 2 and 0, means 2 and 10
    0.16666666666666666
    """
    counts, group = np.asarray(counts, dtype=float), np.asarray(group)
    size = np.bincount(group)
    means = np.bincount(group, counts) / np.maximum(size, 1)
    expected = (np.maximum(size - 1, 0) * means).sum()
    return float(((counts - means[group]) ** 2).sum() / expected) if expected > 0 else np.nan


def compute_cv(trains: Iterable[ArrayLike]) -> float:
    """CV of all intervals of the trains; NaN where there are fewer than two intervals."""
    intervals, _ = _intervals(trains)
    if len(intervals) < 2 or not intervals.mean() > 0:
        return np.nan
    return float(intervals.std() / intervals.mean())


def compute_cv2(trains: Iterable[ArrayLike]) -> float:
    """CV2 over all neighbouring intervals of the trains; NaN where no train has three spikes."""
    contrast = _contrasts(trains)
    return float(2 * np.abs(contrast).mean()) if contrast.size else np.nan


def compute_lv(trains: Iterable[ArrayLike]) -> float:
    """LV over all neighbouring intervals of the trains; NaN where no train has three spikes."""
    contrast = _contrasts(trains)
    return float(3 * (contrast**2).mean()) if contrast.size else np.nan


def _contrasts(trains: Iterable[ArrayLike]) -> NDArray:
    """(I' - I) / (I' + I) of all neighbouring intervals within trains; NaN-free: a sum of 0 is left out."""
    intervals, trial = _intervals(trains)
    neighbours = trial[1:] == trial[:-1]
    before, after = intervals[:-1][neighbours], intervals[1:][neighbours]
    both = before + after
    return (after - before)[both > 0] / both[both > 0]


def _intervals(trains: Iterable[ArrayLike]) -> tuple[NDArray, NDArray]:
    """Intervals within trains and the trial of each, (interval,)."""
    times, trial, _ = _join(trains)
    within = trial[1:] == trial[:-1]
    return np.diff(times)[within], trial[1:][within]


def _join(trains: Iterable[ArrayLike]) -> tuple[NDArray, NDArray, int]:
    """Spike times of all trains after one another, the trial of each, and the number of trials."""
    arrays = [np.asarray(times, dtype=float) for times in trains]
    times = np.concatenate([np.empty(0), *arrays])
    trial = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    if not np.isfinite(times).all():
        raise InputError("spike times must be numbers, got NaN or infinity; leave such spikes out.")
    if ((np.diff(times) < 0) & (trial[1:] == trial[:-1])).any():
        raise InputError("spike times of a trial must be sorted; sort each train first.")
    return times, trial, len(arrays)


def _require_duration(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(f"{name} must be a duration above 0 s, got {value}.")
