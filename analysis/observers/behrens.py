r"""The Bayesian learner of Behrens et al. 2007: two options pay with r and 1 - r, and it learns how fast r changes.

`VolatilityLearner` assumes that r follows a random walk, that the width of its steps does too, and that this second walk
has a fixed but unknown speed. With I the log precision of a step (volatility v = -I), beliefs are a probability on a grid,

    p(r', I', k | y) ~ y r' + (1 - y)(1 - r')  x  sum_r p(r' | r, I') sum_I p(I' | I, k) p(r, I, k)
    p(r' | r, I) = Beta(1 + e^I r, 1 + e^I (1 - r)),  whose mode is r,        p(I' | I, k) = Normal(I, e^k)

from flat priors over r in (0, 1), I in [log 2, log 10000] and k in [log .0005, log 20]. It does not know
the schedule: neither 75 nor 80 %, nor that there are two phases, nor how long they last. The observer of
`pfc_da.analysis.observers.volatility` does. The hierarchy r, v, k is that of the paper; the beta density and the ranges are
those of a public re-implementation said to follow its authors' code (mwaskom/optlearner); the number of grid points is ours,
and finer grids choose alike.

References: Behrens, Woolrich, Walton & Rushworth 2007, doi 10.1038/nn1954.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pfc_da.analysis.observers.two_options import PairBelief


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

    def start(self, schedule: NDArray) -> "_OnGrid":
        """Flat beliefs."""
        return _OnGrid(self, len(schedule))


class _OnGrid(PairBelief):
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

    def see(self, outcome: NDArray) -> None:
        """Weigh by the outcome, then let v, then r take its step."""
        y = outcome[:, None].astype(np.float32)
        self.belief *= np.where(y >= 0, y * self.r + (1 - y) * (1 - self.r), np.float32(1))
        self.belief /= self.belief.sum(axis=(0, 1, 3), keepdims=True)[..., :1]
        flat = (*self.belief.shape[:2], -1)
        np.matmul(self.learner.steps_of_v, self.belief.reshape(flat), out=self.spare.reshape(flat))
        np.matmul(self.spare, self.learner.steps_of_r, out=self.belief)
