"""Ideal observers and reference agents of bandits whose arms keep their probabilities, and regret.

Arm a pays 1 with probability p_a. An observer sees its own counts of rewards s_a and failures f_a. With two independent
uniform arms the best policy over a horizon T is

    V_t(s1, f1, s2, f2) = max_a  m_a (1 + V_{t+1}(s_a + 1)) + (1 - m_a) V_{t+1}(f_a + 1),    V_T = 0,

m_a = (s_a + 1)/(s_a + f_a + 2). With p_2 = 1 - p_1 a reward on one arm says what a failure on the other says,
both arms teach equally much, and greed on the pooled count (s1 + f2) - (f1 + s2) is optimal under any
symmetric prior.

References: Wang et al. 2016, arXiv 1611.05763 (bandits). Thompson 1933, doi 10.1093/biomet/25.3-4.285. Auer
et al. 2002, doi 10.1023/A:1013689704352 (UCB).
"""

import abc
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.observers.base import pick_largest
from pfc_da.errors import InputError

MAX_HORIZON = 200  # C(203, 4) = 68 million states, one byte each


class BanditObserver(abc.ABC):
    """An observer that chooses by its own counts of rewards and failures, and knows nothing else."""

    @abc.abstractmethod
    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every session.

        Parameters
        ----------
        rewards, failures : (session, option) int
            Counts so far.
        rng : numpy.random.Generator

        Returns
        -------
        (session,) int
        """

    def start(self, schedule: NDArray) -> "_Counts":
        """No counts yet."""
        return _Counts(self, len(schedule), schedule.shape[2])


class _Counts:
    """Rewards and failures of each arm, (session, option)."""

    def __init__(self, observer: BanditObserver, n_sessions: int, n_options: int) -> None:
        self.observer = observer
        self.rewards, self.failures = np.zeros((2, n_sessions, n_options), dtype=int)

    def choose(self, rng: np.random.Generator) -> NDArray:
        """As the observer does."""
        return self.observer.choose(self.rewards, self.failures, rng)

    def update(self, choice: NDArray, reward: NDArray) -> None:
        """Count the outcome."""
        session, paid = np.arange(len(choice)), reward > 0
        self.rewards[session, choice] += paid
        self.failures[session, choice] += ~paid


@dataclass(frozen=True)
class Thompson(BanditObserver):
    """Draw every arm's probability from its posterior under a uniform prior; take the largest."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BanditObserver.choose` says."""
        return rng.beta(rewards + 1, failures + 1).argmax(axis=1)


@dataclass(frozen=True)
class UpperConfidence(BanditObserver):
    """Every arm once, then the largest  mean + sqrt(chi ln t / n),  t trials so far, n of them on the arm."""

    chi: float

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BanditObserver.choose` says."""
        n = rewards + failures
        t = np.maximum(n.sum(axis=1, keepdims=True), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            index = rewards / n + np.sqrt(self.chi * np.log(t) / n)
        return pick_largest(np.where(n == 0, np.inf, index), rng)


@dataclass(frozen=True)
class GreedyMean(BanditObserver):
    """Take the arm of the largest posterior mean under uniform priors, ties at random."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BanditObserver.choose` says."""
        return pick_largest((rewards + 1) / (rewards + failures + 2), rng)


@dataclass(frozen=True)
class AntiCorrelatedOptimum(BanditObserver):
    """Optimal for two arms with p_2 = 1 - p_1: greed on the pooled evidence, ties at random."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BanditObserver.choose` says."""
        return pick_largest(rewards + failures[:, ::-1], rng)


@dataclass(frozen=True)
class BayesOptimal(BanditObserver):
    """Optimal over `horizon` trials for two independent arms with uniform priors; ties at random.

    The first use of a horizon solves the recursion (0.2 s and 4 MB for 100 trials); the process keeps the
    result.
    """

    horizon: int

    def __post_init__(self) -> None:
        if not 1 <= self.horizon <= MAX_HORIZON:
            raise InputError(f"the horizon must lie in 1..{MAX_HORIZON} trials, got {self.horizon}.")

    @property
    def expected_reward(self) -> float:
        """Expected reward of an episode over p_1, p_2 ~ U(0, 1); the regret is 2/3 horizon minus this."""
        return _solve_independent(self.horizon)[1]

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """As `BanditObserver.choose` says; InputError with other than two arms, or beyond the horizon."""
        n = rewards + failures
        t = int(n[0].sum())
        if rewards.shape[1] != 2 or t >= self.horizon:
            raise InputError(
                f"solved for 2 arms and {self.horizon} trials, got {rewards.shape[1]} arms, trial {t + 1}."
            )
        table, first = _solve_independent(self.horizon)[0][t]
        chosen = table[first[n[:, 0]] + rewards[:, 0] * (n[:, 1] + 1) + rewards[:, 1]]
        return np.where(chosen < 0, rng.integers(2, size=len(chosen)), chosen)


@lru_cache(maxsize=4)
def _solve_independent(horizon: int) -> tuple[list[tuple[NDArray, NDArray]], float]:
    """Policy of every trial (-1 a tie, else the arm) and the value of the start.

    A trial's table is flat, ordered by (n1, s1, s2) with n1 = s1 + f1; `first[n1]` is where the block of n1
    begins.
    """
    value = [
        np.zeros((n1 + 1, horizon - n1 + 1)) for n1 in range(horizon + 1)
    ]  # of trial t + 1: [n1][s1, s2]
    policy = []
    for t in reversed(range(horizon)):
        gains, blocks = [], []
        for n1 in range(t + 1):
            mean = np.arange(1, n1 + 2)[:, None] / (n1 + 2), np.arange(1, t - n1 + 2) / (t - n1 + 2)
            after = value[n1 + 1], value[n1]
            first_arm = mean[0] * (1 + after[0][1:]) + (1 - mean[0]) * after[0][:-1]
            second_arm = mean[1] * (1 + after[1][:, 1:]) + (1 - mean[1]) * after[1][:, :-1]
            gains.append(np.maximum(first_arm, second_arm))
            tie = np.abs(second_arm - first_arm) < 1e-9  # rounding, not preference
            blocks.append(np.where(tie, -1, second_arm > first_arm).astype(np.int8).ravel())
        value = gains
        policy.append((np.concatenate(blocks), np.cumsum([0] + [block.size for block in blocks[:-1]])))
    return policy[::-1], float(value[0][0, 0])


def compute_regret(choice: NDArray, p_reward: NDArray) -> NDArray:
    """Regret of every episode: sum over trials of the best arm's probability minus the chosen arm's.

    Parameters
    ----------
    choice : (episode, trial)
        Index of the arm; trials without a choice (-1) add nothing.
    p_reward : (episode, action), or (episode, trial, action) where the arms drift
        Reward probability times magnitude, in units of reward.

    Returns
    -------
    regret : (episode,)
        In units of reward; NaN for an episode without any choice.
    """
    p = p_reward[:, None, :] if p_reward.ndim == 2 else p_reward
    if len(p) != len(choice) or (choice >= p.shape[-1]).any():
        raise InputError(
            f"p_reward {p_reward.shape} does not fit choice {choice.shape} with arms up to {choice.max()}."
        )
    p = np.broadcast_to(p, (*choice.shape, p.shape[-1]))
    made = choice >= 0
    chosen = np.take_along_axis(p, np.where(made, choice, 0)[..., None], axis=-1)[..., 0]
    regret = np.where(made, p.max(axis=-1) - chosen, 0).sum(axis=1)
    return np.where(made.any(axis=1), regret, np.nan)
