"""Reference agents and the Bayesian observer of baited rewards.

The agents ignore the rewards: they know the base probabilities p0, or do not use them. Of those that do not, `Alternation`
earns most where both options have the same prior: after a wait of n trials an option pays f(n) = 1 - E(1 - p0)^(n + 1),
which is concave, and waits are at most 1 on average. `BaitedObserver` knows how p0 is drawn and when it may change, and
learns p0 from the rewards.

References
----------
Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04; Tsutsui et al. 2016, doi 10.1038/ncomms12554.
"""

import abc
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.observers.base import compute_baited_probability, pick_largest
from pfc_da.errors import InputError

GRID = 24
"""Values of p0 that `BaitedObserver` has beliefs about; with twice as many it earns the same to .001."""


class BaitedAgent(abc.ABC):
    """An agent that chooses by how many trials ago each option was chosen."""

    @abc.abstractmethod
    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """Option chosen in every session.

        Parameters
        ----------
        waited : (session, option) int
            Trials since the option was last chosen.
        p0 : (session, option)
            Base probability of each option on this trial.
        rng : numpy.random.Generator

        Returns
        -------
        (session,) int
        """

    def start(self, schedule: NDArray) -> "_Waiting":
        """Nothing has waited."""
        return _Waiting(self, schedule)


@dataclass(frozen=True)
class MomentaryMaximiser(BaitedAgent):
    """Take the option whose reward is more likely to be there now, ties at random; knows p0 of every trial."""

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BaitedAgent.choose` says."""
        return pick_largest(compute_baited_probability(p0, waited), rng)


@dataclass(frozen=True)
class Alternation(BaitedAgent):
    """Take the option that was not taken last, whatever came of it; the first at random."""

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BaitedAgent.choose` says."""
        return pick_largest(waited, rng)


@dataclass(frozen=True)
class FixedProbability(BaitedAgent):
    """Take option 0 with a fixed probability, one number or one a session, independently on every trial.

    0.5 is indifference; 1 where option 0 is richer and 0 elsewhere always takes the richer one;
    `compute_best_fixed_probability` gives the best of these agents, which comes out close to matching.
    """

    p_first: float | NDArray

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BaitedAgent.choose` says."""
        return (rng.random(len(p0)) >= self.p_first).astype(int)


@dataclass(frozen=True, kw_only=True)
class BaitedObserver:
    """Takes the option more likely to pay now under its exact beliefs about p0, ties at random.

    It knows the ranges of p0, the sum of both, the lengths of blocks and the baiting; not p0, nor when it changes. Its
    beliefs are joint in p0 and the trial on which the block began. It does not explore: it looks one trial ahead.

    Attributes
    ----------
    shares : tuple of (float, float)
        Ranges of p0 of option 0 as a share of the sum, equally likely; uniform within each.
    p0_sum : float
        Sum of both p0.
    block_trials : (int, int), optional
        Shortest and longest block, all lengths between equally likely; None if p0 stays.
    """

    shares: tuple[tuple[float, float], ...]
    p0_sum: float
    block_trials: tuple[int, int] | None

    def __post_init__(self) -> None:
        if self.block_trials is not None and not 1 <= self.block_trials[0] <= self.block_trials[1]:
            raise InputError(f"block_trials must be the shortest and the longest, got {self.block_trials}.")

    @property
    def p0(self) -> NDArray:
        """The values of p0 it considers, equally likely, (value, option)."""
        n = GRID // len(self.shares)
        cells = (np.arange(n) + 0.5) / n
        first = np.concatenate([low + (high - low) * cells for low, high in self.shares])
        return self.p0_sum * np.stack([first, 1 - first], axis=-1)

    def start(self, schedule: NDArray) -> "_BaitedBelief":
        """Every value equally likely."""
        return _BaitedBelief(self, *schedule.shape[:2])


class _BaitedBelief:
    """Beliefs (session, first trial of the block, value of p0), and trials since each option was last chosen."""

    def __init__(self, observer: BaitedObserver, n_sessions: int, n_trials: int) -> None:
        self.p0, self.trial = observer.p0, 0
        shortest, longest = observer.block_trials or (n_trials + 1, n_trials + 1)
        age = np.arange(1, n_trials + 1)  # trials of the block so far
        left = np.maximum(longest - age + 1, 1)
        self.hazard = np.where(age >= shortest, 1 / left, 0.0).astype(np.float32)
        self.longest = longest
        self.belief = np.zeros((n_sessions, n_trials + 1, len(self.p0)), np.float32)
        self.belief[:, 0] = 1 / len(self.p0)
        self.of_p0 = self.belief[:, 0].copy()  # (session, value)
        self.waited = np.zeros((n_sessions, 2), int)

    def choose(self, rng: np.random.Generator) -> NDArray:
        """The option more likely to pay now."""
        p = compute_baited_probability(self.p0.T, self.waited[..., None])  # (session, option, value)
        return pick_largest(np.einsum("sov,sv->so", p, self.of_p0), rng)

    def update(self, choice: NDArray, reward: NDArray) -> None:
        """Weigh by the outcome, then let blocks end."""
        rows = np.arange(len(choice))
        p = compute_baited_probability(self.p0.T[choice], self.waited[rows, choice][:, None])
        weight = np.where(reward[:, None] > 0, p, 1 - p)
        weight /= (weight * self.of_p0).sum(axis=1, keepdims=True)
        first = max(self.trial + 1 - self.longest, 0)
        own = self.belief[:, first : self.trial + 1]
        own *= weight[:, None].astype(np.float32)
        hazard = self.hazard[: self.trial - first + 1][::-1]  # of the oldest block first
        ended = own.sum(axis=2) @ hazard
        own *= 1 - hazard[:, None]
        self.trial += 1
        self.belief[:, self.trial] = ended[:, None] / len(self.p0)
        self.of_p0 = own.sum(axis=1) + self.belief[:, self.trial]
        self.waited += 1
        self.waited[rows, choice] = 0


class _Waiting:
    """Trials since each option was last chosen, (session, option)."""

    def __init__(self, agent: BaitedAgent, schedule: NDArray) -> None:
        self.agent, self.schedule, self.trial = agent, schedule, 0
        self.waited = np.zeros((len(schedule), schedule.shape[2]), dtype=int)

    def choose(self, rng: np.random.Generator) -> NDArray:
        """As the agent does."""
        return self.agent.choose(self.waited, self.schedule[:, self.trial], rng)

    def update(self, choice: NDArray, reward: NDArray) -> None:
        """Count on."""
        self.trial += 1
        self.waited += 1
        self.waited[np.arange(len(choice)), choice] = 0


def compute_best_fixed_probability(p0: NDArray, trials: int) -> NDArray:
    """Probability of choosing option 0 that earns most, for an independent draw on every trial.

    Parameters
    ----------
    p0 : (session, option)
        Base probabilities of the two options.
    trials : int
        Of a session.

    Returns
    -------
    p_first : (session,)
        To within 0.001.
    """
    q = np.linspace(0, 1, 1001)
    earned = _earn_at_random(p0[:, :1], q, trials) + _earn_at_random(p0[:, 1:], 1 - q, trials)
    return q[earned.argmax(axis=1)]


def _earn_at_random(p0: NDArray, q: NDArray, trials: int) -> NDArray:
    """Mean reward a trial from an option chosen with probability q on each: q (1 - mean over t of E_t).

    With b = 1 - p0, x = (1 - q) b and n_t geometric, cut at t: E_t = E[b^(n_t + 1)] = q b (1 - x^t)/(1 - x) +
    b x^t.
    """
    b = 1 - p0
    x = np.minimum((1 - q) * b, 1 - 1e-12)  # 1 only for q = 0, which earns nothing anyway
    still_waiting = (1 - x**trials) / (trials * (1 - x))  # mean of x^t over the session
    return q * (1 - q * b * (1 - still_waiting) / (1 - x) - b * still_waiting)
