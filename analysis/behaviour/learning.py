"""Learning curves: across training (weights change), and across trials of a frozen session (they do not).

The claim of meta-reinforcement learning is about the second: with every weight frozen, choices still improve
from trial to trial of a session, from chance at the first (Wang et al. 2018, doi 10.1038/s41593-018-0147-8).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.interval import compute_crossed_interval, compute_mean_interval, mean_of_finite
from pfc_da.errors import InputError

REWARD = "reward_per_trial"


def summarise_training(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean over animals of reward in their learning curves, with a 95 % interval over animals.

    Parameters
    ----------
    curves : sequence of DataFrame
        One an animal, as in ``learning_curve.csv``: a row an update, with the columns `update` and `reward_per_trial`.

    Returns
    -------
    DataFrame
        Columns update, mean, low, high, n (animals). Animals need not have logged the same updates: `n` says
        how many did; where one did, low and high are NaN.
    """
    for curve in curves:
        _check_columns(curve)
    table = pd.concat([curve.set_index("update")[REWARD] for curve in curves], axis=1).sort_index()
    values = table.to_numpy(dtype=float).T  # (animal, update)
    low, high = compute_mean_interval(values)
    return pd.DataFrame(
        {
            "update": table.index,
            "mean": table.mean(axis=1).to_numpy(),
            "low": low,
            "high": high,
            "n": np.isfinite(values).sum(axis=0),
        }
    )


def compute_updates_to_criterion(curve: pd.DataFrame, criterion: float, *, window: int = 1) -> float:
    """First update at which the mean of the last `window` rows of a learning curve reaches a criterion.

    Parameters
    ----------
    curve : DataFrame
        Learning curve of one animal, in the order of its updates.
    criterion : float
        Reward per trial; reached from below.
    window : int
        Rows averaged, all of which must exist. A single noisy row passes a criterion long before the mean
        does: with one row this is the time of the luckiest batch.

    Returns
    -------
    float
        NaN if the curve never reaches it. Count these: a mean over the animals that did is not a mean over
        animals.
    """
    _check_columns(curve)
    if window < 1:
        raise InputError(f"window must be at least 1 row, got {window}.")
    smooth = curve[REWARD].rolling(window).mean().to_numpy()
    reached = np.flatnonzero(smooth >= criterion)
    return float(curve["update"].iloc[reached[0]]) if reached.size else np.nan


def summarise_session(values: NDArray) -> pd.DataFrame:
    """Mean by trial of a session, with a 95 % interval.

    Parameters
    ----------
    values : (animal, session, trial) or (session, trial)
        E.g. reward, or whether the better arm was chosen; NaN where missing. With animals, sessions are
        averaged first, and the interval is over animals and the sessions that they shared; on trials that some
        session lacks, over animals alone. Without, it is over sessions.

    Returns
    -------
    DataFrame
        Columns trial (from 0), mean, low, high, n (animals or sessions with a value on that trial).
    """
    if values.ndim not in (2, 3):
        raise InputError(f"values must be ([animal,] session, trial), got {values.ndim} dimension(s).")
    samples = values if values.ndim == 2 else mean_of_finite(values, axis=1)
    low, high = compute_mean_interval(samples)
    if values.ndim == 3 and values.shape[1] > 1:
        whole = np.isfinite(values).all(axis=(0, 1))
        low[whole], high[whole] = compute_crossed_interval(samples[:, whole], values[:, :, whole])
    return pd.DataFrame(
        {
            "trial": np.arange(samples.shape[1]),
            "mean": mean_of_finite(samples),
            "low": low,
            "high": high,
            "n": np.isfinite(samples).sum(axis=0),
        }
    )


def _check_columns(curve: pd.DataFrame) -> None:
    missing = {"update", REWARD} - set(curve)
    if missing:
        raise InputError(f"learning curve lacks {sorted(missing)}; it has {', '.join(map(str, curve))}.")
