"""Reference agents in the sessions of the animals: learners fitted to each animal, and Bayesian observers.

Three learners are fitted to every animal and simulated with the fitted parameters: ``fixed_alpha`` (a Rescorla-Wagner
learner with one alpha), ``kalman`` and ``pearce_hall`` (`pfc_da.analysis.choice_models`). Observers choose the likelier
option: ``behrens`` learns volatility from flat priors (`pfc_da.analysis.observers.behrens`), ``ideal`` knows the schedule of
these sessions, and ``ideal_of_training`` takes it for that of training (`pfc_da.analysis.observers.volatility`). No fixed
alpha can differ between phases; a learner of volatility must.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pfc_da.analysis.choice_models.fit import fit_model
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.observers.base import simulate_repeatedly
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.two_options import PairObserver
from pfc_da.analysis.statistic import Statistic, summarise
from pfc_da.analysis.volatility.rates import STARTS, RateFit, compute_bic_gain, summarise_ratio
from pfc_da.analysis.volatility.sessions import VolatileSessions

FITTED_AGENTS = {
    "fixed_alpha": "ab_coupled",
    "kalman": "kalman_coupled",
    "pearce_hall": "pearce_hall_coupled",
}
"""Learner -> the model of `choice_models` that is fitted and simulated."""


def simulate_fitted_agents(
    sessions: VolatileSessions, *, rng: np.random.Generator
) -> dict[str, VolatileSessions]:
    """Choices of a fixed-alpha, a Kalman and a Pearce-Hall learner fitted to each animal, in its sessions.

    Parameters
    ----------
    sessions : VolatileSessions
        Of the animals.
    rng : numpy.random.Generator

    Returns
    -------
    mapping of str to VolatileSessions
        By name of the learner.
    """
    simulated = {}
    for name, model_name in FITTED_AGENTS.items():
        model = get_model(model_name)
        fitted = fit_model(model, sessions.choice, sessions.reward, rng=rng, n_starts=STARTS).parameters
        choice, reward = simulate_model(model, fitted, sessions.p_reward, rng=rng)
        simulated[name] = replace(sessions, choice=choice.astype(int), reward=reward)
    return simulated


def simulate_observers(
    sessions: VolatileSessions, observers: Mapping[str, PairObserver], *, rng: np.random.Generator
) -> dict[str, VolatileSessions]:
    """Choices of observers, and of the learner of Behrens et al., several simulations (agents) of each.

    Parameters
    ----------
    sessions : VolatileSessions
        Of the animals; their schedules are used.
    observers : mapping of str to PairObserver
        By name.
    rng : numpy.random.Generator

    Returns
    -------
    mapping of str to VolatileSessions
        By name of the observer, ``behrens`` last.
    """
    simulated = {}
    for name, agent in {**observers, "behrens": VolatilityLearner()}.items():
        made = simulate_repeatedly(agent, sessions.p_reward, rng=rng)
        choice, reward = made.choice.astype(int), made.reward.astype(float)
        simulated[name] = replace(sessions, choice=choice, reward=reward)
    return simulated


def summarise_agents(
    simulated: Mapping[str, VolatileSessions], fits: Mapping[str, RateFit], *, rng: np.random.Generator
) -> list[Statistic]:
    """Ratio of learning rates and BIC gain of two rates, of fitted learners (n: animals) and observers (n: simulations).

    Parameters
    ----------
    simulated : mapping of str to VolatileSessions
        By name of the agent.
    fits : mapping of str to RateFit
        By name of the agent.
    rng : numpy.random.Generator
    """
    found: list[Statistic] = []
    for name, fit in fits.items():
        gain = compute_bic_gain(simulated[name], fit, rng=rng)
        labels = {"agent": name}
        pair = (
            summarise_ratio(fit, labels),
            summarise("bic_block_specific", gain, labels=labels, units="BIC"),
        )
        found += pair if name in FITTED_AGENTS else [count_simulations(statistic) for statistic in pair]
    return found


def count_simulations(statistic: Statistic) -> Statistic:
    """The statistic of an observer, whose agents are simulations and no animals."""
    interval = statistic.interval.replace("animals", "simulations")
    return replace(statistic, interval=interval, n_of="simulations", by_animal=())
