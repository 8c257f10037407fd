"""Bayes-optimal agent for the two levers; the probability of the risky lever is unknown to it.

The safe lever pays 1, the risky one 4 with a probability that is one of a few values, equally likely, for the whole
session: .125 or .5 in test, others in training. After w wins and l losses of it a value p has the odds

    p^w (1 - p)^l,

and with t free presses left, m being the mean probability under these odds,

    V_t(w, l) = max(1 + V_{t-1}(w, l),  m (4 + V_{t-1}(w+1, l)) + (1 - m) V_{t-1}(w, l+1)).

A safe press gives no information, so an agent that stops pressing the risky lever never returns to it. Five forced presses
of it come first. Results are exact: summed over all w and l, without random draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

P_WIN = (0.125, 0.5)
"""Values of the sessions of test."""
P_WIN_TRAINING = (0.05, 0.2, 0.4, 0.6)
"""Values of the sessions of training."""
SAFE, RISKY = 1.0, 4.0


@dataclass(frozen=True)
class BayesOptimalPresser:
    """Presses for the largest expected reward of the session.

    Attributes
    ----------
    n_forced
        Forced presses of each lever.
    n_free
        Free presses after them.
    p_win
        Values of the probability that it takes to be equally likely.
    """

    n_forced: int = 5
    n_free: int = 30
    p_win: tuple[float, ...] = P_WIN

    @cached_property
    def presses_risky(self) -> NDArray:
        """True where the risky lever is best or both are equal, (free presses done, wins, losses)."""
        mean, n = self._mean_probability(), self.n_forced + self.n_free
        value, risky = np.zeros((n + 2, n + 2)), []
        for _ in range(self.n_free):
            safe = SAFE + value[:-1, :-1]
            take = mean * (RISKY + value[1:, :-1]) + (1 - mean) * value[:-1, 1:]
            risky.append(take >= safe)
            value = np.pad(np.maximum(safe, take), ((0, 1), (0, 1)))
        return np.stack(risky[::-1])

    def expect(self, p_win: float) -> tuple[float, float]:
        """Share of free presses that are risky, and reward a trial, forced ones included, where `p_win` is the truth."""
        n = self.n_forced + self.n_free + 1
        weight = np.zeros((n, n))  # chance of having had w wins and l losses
        weight[0, 0] = 1
        for _ in range(self.n_forced):
            weight = _press(weight, p_win)
        n_risky = 0.0
        for risky in self.presses_risky:
            n_risky += weight[risky].sum()
            weight = np.where(risky, 0, weight) + _press(np.where(risky, weight, 0), p_win)
        all_risky = n_risky + self.n_forced
        n_trials = 2 * self.n_forced + self.n_free
        reward = (all_risky * RISKY * p_win + (n_trials - all_risky) * SAFE) / n_trials
        return n_risky / self.n_free, reward

    def _mean_probability(self) -> NDArray:
        """Mean probability of a win, (wins, losses)."""
        count = np.arange(self.n_forced + self.n_free + 1)
        odds = np.stack([p ** count[:, None] * (1 - p) ** count for p in self.p_win], axis=-1)
        return odds @ self.p_win / odds.sum(-1)


def _press(weight: NDArray, p_win: float) -> NDArray:
    """Chances of wins and losses (w, l) one risky press later."""
    after = np.zeros_like(weight)
    after[1:] += p_win * weight[:-1]
    after[:, 1:] += (1 - p_win) * weight[:, :-1]
    return after
