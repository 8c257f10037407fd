"""Firing statistics of spike trains: rate, CV2, LV and Fano factor.

A train is the spike times of one trial. Intervals between spikes are taken within trials only, since the time
between trials was not recorded or not kept.

  CV2 = mean over neighbouring intervals of 2 |I' - I| / (I' + I)
  LV  = mean over neighbouring intervals of 3 ((I' - I) / (I' + I))^2

Both compare only neighbours and so ignore slow changes of rate; a Poisson train gives 1 for each, a clock 0.
Cutting a train into windows leaves both unbiased for Poisson trains (the ratio of two neighbouring intervals
does not depend on their sum) and nearly so for others.

References: Holt et al. 1996 (CV2), doi 10.1152/jn.1996.75.5.1806; Shinomoto et al. 2003 (LV),
doi 10.1162/089976603322518759.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.errors import InputError


def compute_rate(counts: ArrayLike, *, window: float) -> NDArray:
    """Mean rate in Hz of spike counts (trial, ...) taken in windows of `window` seconds; NaN is left out."""
    if not window > 0:
        raise InputError(f"window must be a duration above 0 s, got {window}.")
    return np.nanmean(np.asarray(counts, dtype=float), axis=0) / window


def compute_fano(counts: ArrayLike) -> NDArray:
    """Variance of spike counts (trial, ...) over trials divided by their mean.

    Returns
    -------
    NDArray
        The remaining dimensions; NaN where there are fewer than two trials or no spike. Slow drift over a
        session and differences between trial types raise it above that of the spiking itself.
    """
    counts = np.asarray(counts, dtype=float)
    if counts.shape[0] < 2:
        return np.full(counts.shape[1:], np.nan)
    mean = np.nanmean(counts, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, np.nanvar(counts, axis=0, ddof=1) / mean, np.nan)


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
    found = []
    for times in trains:
        intervals = np.diff(np.asarray(times, dtype=float))
        if (intervals < 0).any():
            raise InputError("spike times of a trial must be sorted; sort each train first.")
        before, after = intervals[:-1], intervals[1:]
        both = before + after
        found.append((after - before)[both > 0] / both[both > 0])
    return np.concatenate(found) if found else np.empty(0)
