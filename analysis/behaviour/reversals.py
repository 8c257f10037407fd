"""Choices about unsignalled reversals, where the better of two options becomes the worse.

A curve of choices of the newly better option by trial about the reversal, and the number of trials to a criterion: the speed
of learning within a session, as updates to a criterion measure that of training.
"""

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.interval import mean_of_finite

CRITERION = 0.7
"""Share of choices of the better option that counts as having learned; a declared choice."""
BEFORE, AFTER = 10, 20
"""Trials looked at before and after a reversal."""


def count_since_switch(better: NDArray) -> NDArray:
    """Trials since the better option (session, trial) last changed, 0 on the first with the new one; -1 before any."""
    trial = np.arange(better.shape[1])
    last = np.maximum.accumulate(np.where(_find_switches(better), trial, -1), axis=1)
    return np.where(last >= 0, trial - last, -1)


def compute_reversal_curve(choice: NDArray, better: NDArray) -> NDArray:
    """Share of choices of the option that is better after a reversal, by trial about it.

    Parameters
    ----------
    choice : (agent, session, trial) int
        -1 where missing.
    better : (session, trial)

    Returns
    -------
    (agent, lag)
        From `BEFORE` trials before to `AFTER` trials after, the first trial with the new option at place `BEFORE`;
        NaN where there is no such trial. Trials count towards the nearest reversal before and after them alone.
    """
    right = np.where(choice < 0, np.nan, choice == better)
    since = count_since_switch(better)
    until = count_since_switch(better[:, ::-1])[:, ::-1]  # 0 on the last trial with the old option
    before = [1 - mean_where(right, until == lag, (1, 2)) for lag in reversed(range(BEFORE))]
    after = [mean_where(right, since == lag, (1, 2)) for lag in range(AFTER)]
    return np.stack(before + after, axis=-1)


def compute_trials_to_criterion(curve: NDArray) -> NDArray:
    """Trials after a reversal until the new option is chosen on `CRITERION` of trials, (agent,), NaN if never.

    Parameters
    ----------
    curve : (agent, lag)
        Of `compute_reversal_curve`. Three trials are averaged; the middle one is given.
    """
    after = curve[:, BEFORE:]
    smooth = (after[:, :-2] + after[:, 1:-1] + after[:, 2:]) / 3
    reached = smooth >= CRITERION
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.nan)


def mean_where(values: NDArray, where: NDArray, axis: int | tuple[int, ...] = -1) -> NDArray:
    """Mean of known values on some trials.

    Parameters
    ----------
    values : (..., session, trial)
    where : (session, trial) bool
    axis : int or tuple of int
        To average over.

    Returns
    -------
    array
        NaN, without a warning, where no trial is left.
    """
    return mean_of_finite(np.where(where, values, np.nan), axis)


def _find_switches(better: NDArray) -> NDArray:
    switches = np.zeros(better.shape, bool)
    switches[:, 1:] = better[:, 1:] != better[:, :-1]
    return switches
