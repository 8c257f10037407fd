"""Reward on the scale between an agent that does not use rewards and one that uses them as well as can be."""

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.statistic import Statistic, summarise


def summarise_reward_share(own: NDArray, floor: NDArray, best: NDArray, agent: str) -> Statistic:
    """Gain over a floor as a share of an observer's gain in the same sessions, over animals and sessions.

    Parameters
    ----------
    own : (animal, session, trial)
        Expected reward of the choices; NaN where there was none.
    floor, best : (simulation, session, trial)
        Expected reward of the agent that does not use rewards, and of the observer.
    agent : str
        Name of the observer.

    Returns
    -------
    Statistic
        0 is the floor, 1 the observer; an animal may lie outside.
    """
    groups = [
        _compute_share(own[:, group], floor[:, group], best[:, group])
        for group in split_sessions(own.shape[1])
    ]
    share = _compute_share(own, floor, best)
    return summarise("reward_share", share, np.stack(groups, 1), labels={"agent": agent}, units="fraction")


def _compute_share(own: NDArray, floor: NDArray, best: NDArray) -> NDArray:
    low = np.nanmean(floor)
    span = np.nanmean(best) - low
    return (np.nanmean(own, axis=(1, 2)) - low) / (span if span else np.nan)
