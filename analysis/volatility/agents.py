"""Reference agents in the sessions of the animals: learners fitted to each animal, and Bayesian observers.

Three learners are fitted to every animal and simulated with the fitted parameters: ``fixed_alpha`` (a Rescorla-Wagner
learner with one alpha), ``kalman`` and ``pearce_hall`` (`pfc_da.analysis.choice_models`). Two observers choose the likelier
option: ``behrens`` learns volatility from flat priors (`pfc_da.analysis.observers.behrens`), ``ideal`` knows the schedule
(`pfc_da.analysis.observers.volatility`). No fixed alpha can differ between phases; a learner of volatility must.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.choice_models.fit import fit_model
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.observers.base import Choices, simulate_choices
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.two_options import CHUNK, PairObserver
from pfc_da.analysis.statistic import Statistic, summarise
from pfc_da.analysis.volatility.rates import STARTS, RateFit, compute_bic_gain, summarise_ratio
from pfc_da.analysis.volatility.sessions import VolatileSessions

FITTED_AGENTS = {
    "fixed_alpha": "ab_coupled",
    "kalman": "kalman_coupled",
    "pearce_hall": "pearce_hall_coupled",
}
"""Learner -> the model of `choice_models` that is fitted and simulated."""
REPEATS = 4
"""Simulations of an observer in every session."""


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
    sessions: VolatileSessions, observer: PairObserver, *, rng: np.random.Generator
) -> dict[str, VolatileSessions]:
    """Choices of the ideal `observer` and of the learner of Behrens et al., each simulated `REPEATS` times (agents).

    Parameters
    ----------
    sessions : VolatileSessions
        Of the animals; their schedules are used.
    observer : PairObserver
        The ideal observer of the schedule.
    rng : numpy.random.Generator

    Returns
    -------
    mapping of str to VolatileSessions
        ``ideal`` and ``behrens``.
    """
    simulated = {}
    for name, agent in (("ideal", observer), ("behrens", VolatilityLearner())):
        repeated = np.tile(sessions.p_reward, (REPEATS, 1, 1))
        shape = (REPEATS, *sessions.volatile.shape)
        chunks = range(0, len(repeated), CHUNK)
        parts = [simulate_choices(agent, repeated[first : first + CHUNK], rng=rng) for first in chunks]
        choice, reward = (
            np.concatenate(each).reshape(shape) for each in zip(*map(_both, parts), strict=True)
        )
        simulated[name] = replace(sessions, choice=choice.astype(int), reward=reward.astype(float))
    return simulated


def _both(choices: Choices) -> tuple[NDArray, NDArray]:
    return choices.choice, choices.reward


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
        found += pair if name in FITTED_AGENTS else [_over_simulations(statistic) for statistic in pair]
    return found


def _over_simulations(statistic: Statistic) -> Statistic:
    interval = statistic.interval.replace("animals", "simulations")
    return replace(statistic, interval=interval, n_of="simulations", by_animal=())
