"""Players that behaviour is measured against: bandit observers, and players of the baited-juice schedule.

Bandit. Arm a pays 1 with probability p_a. An observer sees its own counts of rewards s_a and failures f_a;
all episodes are played side by side. With two independent uniform arms the best play over a horizon T is

    V_t(s1, f1, s2, f2) = max_a  m_a (1 + V_{t+1}(s_a + 1)) + (1 - m_a) V_{t+1}(f_a + 1),    V_T = 0,

m_a = (s_a + 1)/(s_a + f_a + 2). With p_2 = 1 - p_1 a reward on one arm says what a failure on the other says,
both arms teach equally much, and greed on the pooled count (s1 + f2) - (f1 + s2) is optimal under any
symmetric prior.

Baited juice. The juice of an object is armed with probability p0 on every trial and waits until it is taken.
With n trials since the object was last chosen (0 right after choosing it, and on the first trial) it is there
with

    p = 1 - (1 - p0)^(n + 1).

References: Wang et al. 2016, arXiv 1611.05763 (bandits). Thompson 1933, doi 10.1093/biomet/25.3-4.285. Auer
et al. 2002, doi 10.1023/A:1013689704352 (UCB). Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04, and Tsutsui
et al. 2016, doi 10.1038/ncomms12554 (baiting).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pfc_da.errors import InputError

MAX_HORIZON = 200  # C(203, 4) = 68 million states, one byte each


class Observer(Protocol):
    """A bandit player that knows its own counts and nothing else."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every episode, (episode,), from the counts so far (episode, action)."""
        ...


@dataclass(frozen=True)
class Thompson:
    """Draw every arm's probability from its posterior under a uniform prior; take the largest."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every episode."""
        return rng.beta(rewards + 1, failures + 1).argmax(axis=1)


@dataclass(frozen=True)
class UpperConfidence:
    """Every arm once, then the largest  mean + sqrt(chi ln t / n),  t trials so far, n of them on the arm."""

    chi: float

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every episode."""
        n = rewards + failures
        t = np.maximum(n.sum(axis=1, keepdims=True), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            index = rewards / n + np.sqrt(self.chi * np.log(t) / n)
        return _argmax(np.where(n == 0, np.inf, index), rng)


@dataclass(frozen=True)
class GreedyMean:
    """Take the arm of the largest posterior mean under uniform priors, ties at random."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every episode."""
        return _argmax((rewards + 1) / (rewards + failures + 2), rng)


@dataclass(frozen=True)
class AntiCorrelatedOptimum:
    """Optimal for two arms with p_2 = 1 - p_1: greed on the pooled evidence, ties at random."""

    def choose(self, rewards: NDArray, failures: NDArray, rng: np.random.Generator) -> NDArray:
        """Arm chosen in every episode."""
        return _argmax(rewards + failures[:, ::-1], rng)


@dataclass(frozen=True)
class BayesOptimal:
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
        """Arm chosen in every episode."""
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


def play_bandit(
    observer: Observer, p_reward: NDArray, trials: int, *, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Let an observer play Bernoulli bandits whose arms keep their probabilities.

    Parameters
    ----------
    observer : Observer
    p_reward : (episode, action)
    trials : int
    rng : numpy.random.Generator
        Draws rewards, and choices where the observer draws.

    Returns
    -------
    choice : (episode, trial) int8
    reward : (episode, trial) float32
    """
    episode = np.arange(len(p_reward))
    rewards, failures = np.zeros((2, *p_reward.shape), dtype=int)
    choice = np.empty((len(p_reward), trials), dtype=np.int8)
    reward = np.empty((len(p_reward), trials), dtype=np.float32)
    for t in range(trials):
        chosen = observer.choose(rewards, failures, rng)
        paid = rng.random(len(episode)) < p_reward[episode, chosen]
        rewards[episode, chosen] += paid
        failures[episode, chosen] += ~paid
        choice[:, t], reward[:, t] = chosen, paid
    return choice, reward


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


class BaitedPlayer(Protocol):
    """A player of the baited schedule that knows p0, or does not care; none of these look at the rewards."""

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """Object chosen in every episode, (episode,), from trials waited and p0, both (episode, object)."""
        ...


@dataclass(frozen=True)
class MomentaryMaximiser:
    """Take the object whose juice is more likely to be there now, ties at random."""

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """Object chosen in every episode."""
        return _argmax(compute_baited_probability(p0, waited), rng)


@dataclass(frozen=True)
class Alternation:
    """Take the object not taken last, whatever came of it; the first at random."""

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """Object chosen in every episode."""
        return _argmax(waited, rng)


@dataclass(frozen=True)
class FixedProbability:
    """Take object 0 with a fixed probability, one number or one an episode, independently on every trial.

    0.5 is indifference; 1 where object 0 is richer and 0 elsewhere is "always the rich one";
    `compute_best_fixed_probability` gives the best of these players, which comes out close to matching.
    """

    p_first: float | NDArray

    def choose(self, waited: NDArray, p0: NDArray, rng: np.random.Generator) -> NDArray:
        """Object chosen in every episode."""
        return (rng.random(len(p0)) >= self.p_first).astype(int)


def compute_baited_probability(p0: NDArray, waited: NDArray) -> NDArray:
    """Chance that juice is there, 1 - (1 - p0)^(waited + 1), `waited` trials since the object was chosen."""
    return 1 - (1 - p0) ** (waited + 1)


def compute_best_fixed_probability(p0: NDArray, trials: int) -> NDArray:
    """Probability of choosing object 0 that earns most, for an independent draw on every trial.

    Parameters
    ----------
    p0 : (episode, object)
        Base probabilities of the two objects.
    trials : int

    Returns
    -------
    p_first : (episode,)
        To within 0.001.
    """
    q = np.linspace(0, 1, 1001)
    earned = _earn_at_random(p0[:, :1], q, trials) + _earn_at_random(p0[:, 1:], 1 - q, trials)
    return q[earned.argmax(axis=1)]


def _earn_at_random(p0: NDArray, q: NDArray, trials: int) -> NDArray:
    """Mean reward a trial from an object chosen with probability q on each: q (1 - mean over t of E_t).

    With b = 1 - p0, x = (1 - q) b and n_t geometric, cut at t: E_t = E[b^(n_t + 1)] = q b (1 - x^t)/(1 - x) +
    b x^t.
    """
    b = 1 - p0
    x = np.minimum((1 - q) * b, 1 - 1e-12)  # 1 only for q = 0, which earns nothing anyway
    still_waiting = (1 - x**trials) / (trials * (1 - x))  # mean of x^t over the session
    return q * (1 - q * b * (1 - still_waiting) / (1 - x) - b * still_waiting)


def play_baited(
    player: BaitedPlayer, p0: NDArray, trials: int, *, rng: np.random.Generator
) -> tuple[NDArray, NDArray, NDArray]:
    """Let a player choose between two baited objects for a session.

    Parameters
    ----------
    player : BaitedPlayer
    p0 : (episode, object)
        Base probabilities, constant over the session.
    trials : int
    rng : numpy.random.Generator
        Draws rewards, and choices where the player draws.

    Returns
    -------
    choice : (episode, trial) int8
    reward : (episode, trial) float32
    p_object : (episode, trial, object) float32
        Chance of juice on each object at that moment. Its value at the choice is the expected reward, whose
        mean measures a player with less noise than `reward`.
    """
    episode = np.arange(len(p0))
    waited = np.zeros(p0.shape, dtype=int)
    choice = np.empty((len(p0), trials), dtype=np.int8)
    reward = np.empty((len(p0), trials), dtype=np.float32)
    p_object = np.empty((len(p0), trials, 2), dtype=np.float32)
    for t in range(trials):
        p = compute_baited_probability(p0, waited)
        chosen = player.choose(waited, p0, rng)
        choice[:, t], p_object[:, t] = chosen, p
        reward[:, t] = rng.random(len(p0)) < p[episode, chosen]
        waited += 1
        waited[episode, chosen] = 0
    return choice, reward, p_object


def _argmax(values: NDArray, rng: np.random.Generator) -> NDArray:
    """Index of the largest value of every row, ties at random."""
    best = values >= values.max(axis=1, keepdims=True) - 1e-9
    return (best * rng.random(values.shape)).argmax(axis=1)
