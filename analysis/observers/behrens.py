r"""Observers of two options that change places, and the one that learns how fast they do.

The options pay with r and 1 - r, so every outcome tells of both: y = 1 if the first paid or the second did not. An
observer here is what it believes before an outcome, and how the outcome and the passing of a trial change that.

`VolatilityLearner` is that of Behrens et al.: r wanders, the width of its steps wanders too, and that happens at a fixed
but unknown speed. With I the log precision of a step (volatility v = -I), beliefs are a probability on a grid,

    p(r', I', k | y) ~ y r' + (1 - y)(1 - r')  x  sum_r p(r' | r, I') sum_I p(I' | I, k) p(r, I, k)
    p(r' | r, I) = Beta(1 + e^I r, 1 + e^I (1 - r)),  whose mode is r,        p(I' | I, k) = Normal(I, e^k)

from flat priors over r in (0, 1), I in [log 2, log 10000] and k in [log .0005, log 20]. It knows nothing of the schedule
it is put to: neither 75 nor 80 %, nor that there are two phases, nor how long they last. `schedule_observer` has one that
does. The hierarchy r, v, k is that of the paper; the beta density and the ranges are those of a public re-implementation
said to follow its authors' code (mwaskom/optlearner); the number of grid points is ours, and finer grids choose alike.

References: Behrens, Woolrich, Walton & Rushworth 2007, doi 10.1038/nn1954.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pfc_da.errors import InputError

CHUNK = 50  # sessions at once: their beliefs stay in a processor's cache


class Belief(Protocol):
    """What an observer holds in each of several sessions."""

    def expect(self) -> tuple[NDArray, NDArray]:
        """Chance that the first option pays, and volatility in the observer's own measure, each (session,)."""
        ...

    def update(self, outcome: NDArray) -> None:
        """See the outcome (session,), 1 or 0, -1 for none; then let the world move on to the next trial."""
        ...


class Observer(Protocol):
    """Something that can begin sessions."""

    def start(self, n_sessions: int) -> Belief:
        """What is believed before anything was seen."""
        ...


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """What an observer expects on every trial, before its outcome; both (session, trial)."""

    p_first: NDArray
    volatility: NDArray


def filter_outcomes(observer: Observer, outcome: NDArray) -> Beliefs:
    """Beliefs of an observer that watches given outcomes.

    Parameters
    ----------
    outcome : (session, trial)
        1 if the first option paid or the second did not, 0 if the other way round, -1 or NaN where nothing was seen;
        see `encode_outcome`.
    """
    outcome = _check_outcome(outcome)
    p_first, volatility = np.empty((2, *outcome.shape))
    for start in range(0, len(outcome), CHUNK):
        own = slice(start, start + CHUNK)
        belief = observer.start(len(outcome[own]))
        for trial in range(outcome.shape[1]):
            p_first[own, trial], volatility[own, trial] = belief.expect()
            belief.update(outcome[own, trial])
    return Beliefs(p_first=p_first, volatility=volatility)


def encode_outcome(choice: NDArray, reward: NDArray) -> NDArray:
    """What choices (session, trial) and their rewards, 0 or 1, told of the first option; -1 without a choice."""
    return np.where(choice < 0, -1, np.where(choice == 0, reward, 1 - reward))


def play_volatile(
    observer: Observer,
    p_reward: NDArray,
    *,
    inverse_temperature: float = np.inf,
    rng: np.random.Generator,
) -> tuple[NDArray, NDArray]:
    """Let an observer choose by what it believes.

    Parameters
    ----------
    p_reward : (session, trial, action)
        Reward probability of two options; the observer takes it that they add up to 1.
    inverse_temperature : float
        P(first) = logistic of this times r - (1 - r), r its belief; infinite for the larger one, ties at random.
    rng : numpy.random.Generator
        Draws choices and rewards.

    Returns
    -------
    choice : (session, trial) int8
    reward : (session, trial) float32
    """
    if np.ndim(p_reward) != 3 or p_reward.shape[-1] != 2:
        raise InputError(f"p_reward must be (session, trial, 2 options), got the shape {np.shape(p_reward)}.")
    if not inverse_temperature >= 0:
        raise InputError(f"inverse_temperature must be at least 0, got {inverse_temperature}.")
    choice = np.empty(p_reward.shape[:2], np.int8)
    reward = np.empty(p_reward.shape[:2], np.float32)
    for start in range(0, len(p_reward), CHUNK):
        own = slice(start, start + CHUNK)
        belief = observer.start(len(p_reward[own]))
        for trial in range(p_reward.shape[1]):
            chosen = _choose(belief.expect()[0], inverse_temperature, rng)
            p = np.where(chosen == 0, p_reward[own, trial, 0], p_reward[own, trial, 1])
            choice[own, trial], reward[own, trial] = chosen, rng.random(len(p)) < p
            belief.update(encode_outcome(chosen, reward[own, trial]))
    return choice, reward


@dataclass(frozen=True)
class VolatilityLearner:
    """The learner of Behrens et al.; its volatility is the mean of v, larger where more change is expected."""

    n_r: int = 24
    n_v: int = 16
    n_k: int = 10

    @property
    def r(self) -> NDArray:
        """Chance that the first option pays, (r,): the middle of equal cells."""
        return (np.arange(self.n_r) + 0.5) / self.n_r

    @property
    def v(self) -> NDArray:
        """Volatility, less the log precision of a step of r, (v,)."""
        return -np.linspace(np.log(2), np.log(10_000), self.n_v)

    @property
    def k(self) -> NDArray:
        """Log standard deviation of a step of v, (k,)."""
        return np.linspace(np.log(5e-4), np.log(20), self.n_k)

    @cached_property
    def steps_of_r(self) -> NDArray:
        """p(r' | r, v), (v, r, r')."""
        precision, r = np.exp(-self.v)[:, None, None], self.r
        a, b = 1 + precision * r[:, None], 1 + precision * (1 - r[:, None])
        return special.softmax((a - 1) * np.log(r) + (b - 1) * np.log1p(-r), axis=-1).astype(np.float32)

    @cached_property
    def steps_of_v(self) -> NDArray:
        """p(v' | v, k), (k, v', v)."""
        apart = (self.v[:, None] - self.v) / np.exp(self.k)[:, None, None]
        return special.softmax(-(apart**2) / 2, axis=1).astype(np.float32)

    def start(self, n_sessions: int) -> "_OnGrid":
        """Flat beliefs."""
        return _OnGrid(self, n_sessions)


class _OnGrid:
    """Beliefs of a `VolatilityLearner`, (k, v, session, r)."""

    def __init__(self, learner: VolatilityLearner, n_sessions: int):
        self.learner, self.r = learner, learner.r.astype(np.float32)
        shape = (learner.n_k, learner.n_v, n_sessions, learner.n_r)
        self.belief = np.full(shape, 1 / (learner.n_k * learner.n_v * learner.n_r), np.float32)
        self.spare = np.empty_like(self.belief)

    def expect(self) -> tuple[NDArray, NDArray]:
        """Mean of r and of v."""
        of_v = self.belief.sum(axis=0)  # (v, session, r)
        return of_v.sum(axis=0) @ self.r, self.learner.v @ of_v.sum(axis=-1)

    def update(self, outcome: NDArray) -> None:
        """Weigh by the outcome, then let v, then r take its step."""
        y = outcome[:, None].astype(np.float32)
        self.belief *= np.where(y >= 0, y * self.r + (1 - y) * (1 - self.r), np.float32(1))
        self.belief /= self.belief.sum(axis=(0, 1, 3), keepdims=True)[..., :1]
        flat = (*self.belief.shape[:2], -1)
        np.matmul(self.learner.steps_of_v, self.belief.reshape(flat), out=self.spare.reshape(flat))
        np.matmul(self.spare, self.learner.steps_of_r, out=self.belief)


def _choose(p_first: NDArray, inverse_temperature: float, rng: np.random.Generator) -> NDArray:
    """Option (session,) by softmax; beliefs that differ by rounding alone are a tie."""
    difference = np.where(np.abs(p_first - 0.5) < 1e-6, 0.0, 2 * p_first - 1)
    with np.errstate(invalid="ignore"):  # infinity times a tie
        drive = np.where(difference == 0, 0.0, inverse_temperature * difference)
    return (rng.random(len(drive)) >= special.expit(drive)).astype(np.int8)


def _check_outcome(outcome: NDArray) -> NDArray:
    known = np.where(np.isnan(outcome), -1, outcome)
    if known.ndim != 2 or not np.isin(known, (-1, 0, 1)).all():
        raise InputError(
            f"outcome must be (session, trial) of 0 and 1, -1 where missing; got the shape {known.shape} and values "
            f"{np.unique(known)[:5].tolist()}."
        )
    return known
