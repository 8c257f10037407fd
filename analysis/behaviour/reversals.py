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
LEVEL_TRIALS = 5
"""Trials at either end of a curve whose mean is the level there."""
SMALLEST_RISE = 0.2
"""Choices that change by less around a reversal do not follow it, or few were met; a declared choice."""


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
    return _find_first(curve, np.full(len(curve), CRITERION))


def compute_trials_to_half(curve: NDArray) -> NDArray:
    """Trials after a reversal until choices are half way from their level before it to that after it, (agent,).

    Needs no criterion, so that agents whose choices differ in how far they go can be compared in how fast they go.

    Parameters
    ----------
    curve : (agent, lag)
        Of `compute_reversal_curve`. Levels are means over the first and the last `LEVEL_TRIALS` trials; three trials are
        averaged in between, and the middle one is given.

    Returns
    -------
    (agent,)
        NaN where choices rise by less than `SMALLEST_RISE`.
    """
    before, after = curve[:, :LEVEL_TRIALS].mean(axis=1), curve[:, -LEVEL_TRIALS:].mean(axis=1)
    return np.where(after - before < SMALLEST_RISE, np.nan, _find_first(curve, (before + after) / 2))


def _find_first(curve: NDArray, level: NDArray) -> NDArray:
    """First trial after the reversal at which a mean of three trials reaches a level (agent,), NaN if never."""
    after = curve[:, BEFORE:]
    smooth = (after[:, :-2] + after[:, 1:-1] + after[:, 2:]) / 3
    reached = smooth >= level[:, None]
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
