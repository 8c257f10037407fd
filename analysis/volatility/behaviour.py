"""Reward by phase, as a share of the reward of observers, and trials to criterion after a reversal."""

from collections.abc import Mapping

import numpy as np

from pfc_da.analysis.behaviour.reversals import (
    compute_reversal_curve,
    compute_trials_to_criterion,
    mean_where,
)
from pfc_da.analysis.behaviour.reward_share import summarise_reward_share
from pfc_da.analysis.statistic import NO_LABELS, POSITIVE, Labels, Statistic, summarise
from pfc_da.analysis.volatility.sessions import PHASES, VolatileSessions

CHANCE = 0.5
"""Expected reward of random choices."""


def summarise_rewards(
    sessions: VolatileSessions, observers: Mapping[str, VolatileSessions]
) -> list[Statistic]:
    """Expected reward by phase, and the gain over chance as a share of that of each observer in the same sessions.

    Parameters
    ----------
    sessions : VolatileSessions
        Of the animals.
    observers : mapping of str to VolatileSessions
        By name of the observer, in the same sessions.
    """
    own = sessions.expected_reward
    found: list[Statistic] = []
    for phase, name in enumerate(PHASES):
        mean = mean_where(own, sessions.volatile == phase)  # (animal, session)
        found.append(summarise("expected_reward", mean, labels={"phase": name}, units="reward"))
    chance = np.full((1, *own.shape[1:]), CHANCE)
    for name, simulated in observers.items():
        found.append(summarise_reward_share(own, chance, simulated.expected_reward, name))
    return found


def summarise_reversals(sessions: VolatileSessions, labels: Labels = NO_LABELS) -> Statistic:
    """Trials to criterion after a reversal, over animals.

    Parameters
    ----------
    sessions : VolatileSessions
    labels : mapping
    """
    trials = compute_trials_to_criterion(compute_reversal_curve(sessions.choice, sessions.better))
    return summarise("trials_to_criterion", trials, labels=labels, units="trials", within=POSITIVE)
