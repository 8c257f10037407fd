r"""How fast choices learn where the better of two options stays and where it changes, and what that earns.

One fit tells the learning rate: a Rescorla-Wagner learner whose outcomes speak of both options,

    V <- V + alpha (y - V),    P(first) = sigmoid(beta (V - (1 - V))),    y = 1: the first paid or the second did not,

with one alpha in the stable and one in the volatile phase, one beta, all sessions of an animal together, V running on
from one phase into the next. An animal whose choices this predicts no better than a coin (by BIC) has no learning rate:
NaN, left out of means and counted out of n. The same fit with one alpha is held against it by BIC.

Beside the animals stand players of the same sessions, fitted alike. Three twins of every animal, simulated with the
parameters fitted to it: ``fixed_alpha`` (the learner above with one alpha), ``kalman`` and ``pearce_hall``
(`choice_models`). And two observers that choose the likelier option: ``behrens``, who learns volatility from flat priors
(`pfc_da.analysis.observers.behrens`), and ``ideal``, who knows the schedule (`pfc_da.analysis.observers.volatility`). No
fixed alpha can differ between phases; a learner of volatility must.

References: Behrens et al. 2007, doi 10.1038/nn1954; Wang et al. 2016, arXiv 1611.05763 (BIC for a rate per block, and
the fixed-alpha learner as its control).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.reversals import (
    compute_reversal_curve,
    compute_trials_to_criterion,
    count_since_switch,
    mean_where,
)
from pfc_da.analysis.choice_models.fit import fit_model, spread_over_sessions
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.observers.base import Choices, simulate_choices
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.two_options import CHUNK, PairObserver
from pfc_da.analysis.statistic import (
    POSITIVE,
    SHARE,
    Statistic,
    summarise,
    summarise_crossed,
    summarise_grouped,
)
from pfc_da.recording_schema import FROZEN
from pfc_da.trials import per_trial

PHASES = ("stable", "volatile")
CHANCE = 0.5
TWINS = {"fixed_alpha": "ab_coupled", "kalman": "kalman_coupled", "pearce_hall": "pearce_hall_coupled"}
PLAYS = 4  # of every session by an observer
STARTS = (
    1  # of a fit: over thousands of trials the likelihood has one peak, unless choices are next to random
)
SINCE = ((0, 5), (5, 10), (10, 15), (15, 20))
"""Trials since a reversal that share a learning rate."""
_MODEL = get_model("ab_coupled")


@dataclass(frozen=True, kw_only=True)
class VolatileSessions:
    """Choices of several agents in the same sessions.

    Attributes
    ----------
    choice, reward : (agent, session, trial)
    p_reward : (session, trial, action)
    volatile : (session, trial) int
        1 in the volatile phase, else 0.
    """

    choice: NDArray
    reward: NDArray
    p_reward: NDArray
    volatile: NDArray

    @property
    def stable_first(self) -> NDArray:
        """Sessions that begin with the stable phase, (session,) bool."""
        return self.volatile[:, 0] == 0

    @property
    def better(self) -> NDArray:
        """The option more likely to pay, (session, trial)."""
        return self.p_reward.argmax(axis=-1)

    @property
    def expected_reward(self) -> NDArray:
        """Chance of reward of every choice (agent, session, trial): reward without the noise of its draws."""
        p = np.where(self.choice == 0, self.p_reward[..., 0], self.p_reward[..., 1])
        return np.where(self.choice < 0, np.nan, p)

    def select(self, sessions: NDArray) -> "VolatileSessions":
        """Some of the sessions, of all agents."""
        return VolatileSessions(
            choice=self.choice[:, sessions],
            reward=self.reward[:, sessions],
            p_reward=self.p_reward[sessions],
            volatile=self.volatile[sessions],
        )


@dataclass(frozen=True, kw_only=True)
class RateFit:
    """Learning rates of agents by phase, NaN for an agent whose choices the model does not predict.

    Attributes
    ----------
    rate : (agent, phase)
        Stable, volatile.
    inverse_temperature, bic : (agent,)
    rate_by_session : (agent, session, phase)
        What each session says of the rates (`choice_fit.spread_over_sessions`).
    inverse_temperature_by_session : (agent, session)
    """

    rate: NDArray
    inverse_temperature: NDArray
    bic: NDArray
    rate_by_session: NDArray
    inverse_temperature_by_session: NDArray

    @property
    def ratio(self) -> NDArray:
        """Volatile over stable, (agent,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.rate[:, 1] / self.rate[:, 0]

    @property
    def ratio_by_session(self) -> NDArray:
        """What each session says of the ratio, to first order, (agent, session)."""
        off = self.rate_by_session - self.rate[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.ratio[:, None] + (off[..., 1] - self.ratio[:, None] * off[..., 0]) / self.rate[:, :1]


def get_sessions(recording: xr.Dataset, condition: str = FROZEN) -> VolatileSessions:
    """Choices and rewards of all animals under one condition, and the schedule they met."""
    own = recording.sel(condition=condition)
    choice, reward = (
        per_trial(own, name).transpose("animal", "episode", "trial").values for name in ("choice", "reward")
    )
    return VolatileSessions(
        choice=choice.astype(int),
        reward=reward.astype(float),
        p_reward=per_trial(recording, "p_reward")
        .transpose("episode", "trial", "action")
        .values.astype(float),
        volatile=per_trial(recording, "volatile").transpose("episode", "trial").values.astype(int),
    )


def fit_rates(sessions: VolatileSessions, *, rng: np.random.Generator) -> RateFit:
    """Fit one learning rate a phase to every agent."""
    return _fit(sessions, sessions.volatile, rng)


def compute_bic_gain(sessions: VolatileSessions, fit: RateFit, *, rng: np.random.Generator) -> NDArray:
    """BIC with one rate less BIC with one a phase (agent,): positive where two are worth their price."""
    return _fit(sessions, np.zeros_like(sessions.volatile), rng).bic - fit.bic


def summarise_rates(sessions: VolatileSessions, fit: RateFit, *, rng: np.random.Generator) -> list[Statistic]:
    """Learning rates, their difference, ratio (also by the order of the phases) and worth, over animals."""
    by_order = {"stable_first": sessions.stable_first, "volatile_first": ~sessions.stable_first}
    difference, difference_by_session = (
        rates[..., 1] - rates[..., 0] for rates in (fit.rate, fit.rate_by_session)
    )
    return [
        *summarise_phases(fit),
        summarise_grouped("learning_rate_difference", difference, difference_by_session, units="1"),
        summarise_ratio(fit),
        *(
            summarise_ratio(fit_rates(sessions.select(own), rng=rng), order)
            for order, own in by_order.items()
        ),
        summarise("bic_block_specific", compute_bic_gain(sessions, fit, rng=rng), units="BIC"),
        summarise_grouped(
            "inverse_temperature",
            fit.inverse_temperature,
            fit.inverse_temperature_by_session,
            units="1/reward",
            within=POSITIVE,
        ),
    ]


def summarise_phases(fit: RateFit, condition: str = "{}") -> list[Statistic]:
    """Learning rate by phase; `condition` has a place for its name."""
    return [
        summarise_grouped(
            "learning_rate",
            fit.rate[:, place],
            fit.rate_by_session[..., place],
            condition=condition.format(phase),
            units="1",
            within=SHARE,
        )
        for place, phase in enumerate(PHASES)
    ]


def summarise_ratio(fit: RateFit, condition: str = "") -> Statistic:
    """Volatile over stable."""
    return summarise_grouped(
        "learning_rate_ratio",
        fit.ratio,
        fit.ratio_by_session,
        condition=condition,
        units="1",
        within=POSITIVE,
    )


def simulate_fitted_agents(
    sessions: VolatileSessions, *, rng: np.random.Generator
) -> dict[str, VolatileSessions]:
    """Sessions played by a fixed-alpha, a Kalman and a Pearce-Hall learner fitted to each animal."""
    played = {}
    for name, model_name in TWINS.items():
        model = get_model(model_name)
        fitted = fit_model(model, sessions.choice, sessions.reward, rng=rng, n_starts=STARTS).parameters
        choice, reward = simulate_model(model, fitted, sessions.p_reward, rng=rng)
        played[name] = replace(sessions, choice=choice.astype(int), reward=reward)
    return played


def simulate_observers(
    sessions: VolatileSessions, observer: PairObserver, *, rng: np.random.Generator
) -> dict[str, VolatileSessions]:
    """Sessions played by the ideal `observer` and by the learner of Behrens et al., `PLAYS` times each as agents."""
    played = {}
    for name, player in (("ideal", observer), ("behrens", VolatilityLearner())):
        repeated = np.tile(sessions.p_reward, (PLAYS, 1, 1))
        shape = (PLAYS, *sessions.volatile.shape)
        chunks = range(0, len(repeated), CHUNK)
        parts = [simulate_choices(player, repeated[first : first + CHUNK], rng=rng) for first in chunks]
        choice, reward = (
            np.concatenate(each).reshape(shape) for each in zip(*map(_both, parts), strict=True)
        )
        played[name] = replace(sessions, choice=choice.astype(int), reward=reward.astype(float))
    return played


def _both(choices: Choices) -> tuple[NDArray, NDArray]:
    return choices.choice, choices.reward


def summarise_players(
    played: Mapping[str, VolatileSessions], fits: Mapping[str, RateFit], *, rng: np.random.Generator
) -> list[Statistic]:
    """Ratio of learning rates and worth of two of them for twins (n: animals) and observers (n: plays)."""
    found: list[Statistic] = []
    for name, fit in fits.items():
        gain = compute_bic_gain(played[name], fit, rng=rng)
        pair = (
            summarise_ratio(fit, name),
            summarise("bic_block_specific", gain, condition=name, units="BIC"),
        )
        found += pair if name in TWINS else [_over_plays(statistic) for statistic in pair]
    return found


def summarise_rewards(
    sessions: VolatileSessions, observers: Mapping[str, VolatileSessions]
) -> list[Statistic]:
    """Expected reward by phase, and the gain over chance as a share of that of each observer in the same sessions."""
    own = sessions.expected_reward
    found: list[Statistic] = []
    for phase, name in enumerate(PHASES):
        mean = mean_where(own, sessions.volatile == phase)  # (animal, session)
        found.append(summarise_crossed("expected_reward", mean, condition=name, units="reward"))
    for name, played in observers.items():
        share = _compute_share(own, played.expected_reward)
        by_group = [
            _compute_share(own[:, group], played.expected_reward[:, group])
            for group in split_sessions(own.shape[1])
        ]
        found.append(
            summarise_grouped("reward_share", share, np.stack(by_group, 1), condition=name, units="fraction")
        )
    return found


def _compute_share(own: NDArray, best: NDArray) -> NDArray:
    """Gain over chance of each animal as a share of the mean gain of the observer's plays, (animal,)."""
    return (np.nanmean(own, axis=(1, 2)) - CHANCE) / (np.nanmean(best) - CHANCE)


def fit_rates_since_switch(sessions: VolatileSessions, *, rng: np.random.Generator) -> RateFit | None:
    """Learning rate (agent, bin) in the bins `SINCE` of trials after a reversal, volatile phase.

    All other trials have rates of their own. None if a bin has no trial.
    """
    since, volatile = count_since_switch(sessions.better), sessions.volatile == 1
    window = np.where(volatile, len(SINCE), len(SINCE) + 1)
    for place, (first, end) in enumerate(SINCE):
        window[volatile & (since >= first) & (since < end)] = place
    met, window = np.unique(window, return_inverse=True)
    if not np.isin(np.arange(len(SINCE)), met).all():
        return None
    fit = _fit(sessions, window.reshape(sessions.volatile.shape), rng)
    bins = slice(len(SINCE))
    return replace(fit, rate=fit.rate[:, bins], rate_by_session=fit.rate_by_session[..., bins])


def summarise_since_switch(fit: RateFit | None) -> list[Statistic]:
    """Learning rate by bin over animals, `first_last` trial of the bin as the condition."""
    bins = [] if fit is None else [(fit.rate[:, k], fit.rate_by_session[..., k]) for k in range(len(SINCE))]
    return [
        summarise_grouped(
            "learning_rate_since_switch", *own, condition=f"{first}_{end - 1}", units="1", within=SHARE
        )
        for (first, end), own in zip(SINCE, bins, strict=bool(bins))
    ]


def summarise_reversals(sessions: VolatileSessions, condition: str = "") -> Statistic:
    """Trials to criterion after a reversal, over animals."""
    trials = compute_trials_to_criterion(compute_reversal_curve(sessions.choice, sessions.better))
    return summarise("trials_to_criterion", trials, condition=condition, units="trials", within=POSITIVE)


def _fit(sessions: VolatileSessions, window: NDArray, rng: np.random.Generator) -> RateFit:
    n_agents, n_sessions, _ = sessions.choice.shape
    if not n_sessions:
        nothing = np.full((n_agents, 0, 2), np.nan)
        none = nothing.sum(1) * np.nan
        return RateFit(
            rate=none,
            inverse_temperature=none[:, 0],
            bic=none[:, 0],
            rate_by_session=nothing,
            inverse_temperature_by_session=nothing[..., 0],
        )
    played = sessions.choice, sessions.reward
    fit = fit_model(_MODEL, *played, window=window, rng=rng, n_starts=STARTS)
    by_session = spread_over_sessions(fit, *played, window=window)
    predicted = fit.bic < 2 * np.log(2) * fit.n_trials  # the price of a coin, which has no parameters
    rate, beta = fit.parameters["learning_rate"], fit.parameters["inverse_temperature"]
    return RateFit(
        rate=np.where(predicted[:, None], rate.reshape(n_agents, -1), np.nan),
        inverse_temperature=np.where(predicted, beta, np.nan),
        bic=np.where(predicted, fit.bic, np.nan),
        rate_by_session=by_session["learning_rate"].reshape(n_agents, n_sessions, -1),
        inverse_temperature_by_session=by_session["inverse_temperature"],
    )


def _over_plays(statistic: Statistic) -> Statistic:
    interval = statistic.interval.replace("animals", "plays")
    return replace(statistic, interval=interval, n_of="plays", by_animal=())
