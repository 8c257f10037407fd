"""Reference agents for baited rewards, which ignore the rewards: they know the base probabilities, or do not use them.

References
----------
Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04; Tsutsui et al. 2016, doi 10.1038/ncomms12554.
"""

import abc
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.observers.base import compute_baited_probability, pick_largest


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
