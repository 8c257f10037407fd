r"""The ideal observer of the volatility schedule: it knows the rules and computes exact beliefs about the draws.

It knows that one option pays with p_stable in the stable and p_volatile in the volatile phase and the other with one less
that; that either phase may come first, each half a session long; that the better option is drawn anew at the start of a
phase; and that in the volatile phase it changes after a number of trials uniform on `run_trials`, or with a constant hazard
of one in their mean. What it does not know
is a hidden Markov chain of three parts, the order of phases, the better option and the trials n since it became so, with

    P(change after n trials) = P(run = n) / P(run >= n)     in the volatile phase, 0 in the stable one,

filtered without approximation. Choosing the option more likely to pay is then optimal, because both options teach equally
much. No learner can earn more on the average; one that does not know the schedule, such as that of Behrens et al.
(`pfc_da.analysis.observers.behrens`), earns less. The schedule itself is that of doi 10.1038/nn1954, its remaining rules are
those of `pfc_da.paradigms.volatility`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.observers.two_options import PairBelief
from pfc_da.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ScheduleObserver:
    """Knows the schedule; its volatility is the probability of being in the volatile phase.

    Attributes
    ----------
    p_stable, p_volatile : float
        Reward probability of the better option.
    run_trials : (int, int)
        Fewest and most trials between two changes in the volatile phase.
    phase_trials : int
        Trials of the phase that comes first; the other lasts until the end.
    runs : {"uniform", "geometric"}
        Distribution of the trials between two changes.
    """

    p_stable: float
    p_volatile: float
    run_trials: tuple[int, int]
    phase_trials: int
    runs: str = "uniform"

    def __post_init__(self) -> None:
        fewest, most = self.run_trials
        if not 1 <= fewest <= most:
            raise InputError(f"run_trials must be the fewest and the most, got {self.run_trials}.")

    @property
    def hazard(self) -> NDArray:
        """Probability that a run ends after n trials if it has not before, (n,); one value where it does not depend on n."""
        fewest, most = self.run_trials
        if self.runs == "geometric":
            return np.array([2 / (fewest + most)])
        n = np.arange(most + 1)
        left = np.minimum(most - n + 1, most - fewest + 1)  # lengths a run of at least n trials may have
        return np.where(n >= fewest, 1 / left, 0.0)

    def start(self, schedule: NDArray) -> "_OnSchedule":
        """Every order and better option equally likely."""
        return _OnSchedule(self, len(schedule))


class _OnSchedule(PairBelief):
    """Beliefs (session, order, better, n): order 0 stable first, n trials since the better option became so."""

    def __init__(self, observer: ScheduleObserver, n_sessions: int):
        self.hazard = observer.hazard
        self.phase_trials, self.trial = observer.phase_trials, 0
        p = np.array([observer.p_stable, observer.p_volatile])
        self.p_first = np.stack([p, 1 - p], axis=-1)  # (phase, better)
        self.belief = np.zeros((n_sessions, 2, 2, len(self.hazard)))
        self.belief[..., 0] = 1 / 4

    def expect(self) -> tuple[NDArray, NDArray]:
        """Chance that the first option pays, probability of the volatile phase."""
        of_better = self.belief.sum(axis=-1)  # (session, order, better)
        p_first = (of_better * self.p_first[self._phase()]).sum(axis=(1, 2))
        return p_first, of_better.sum(axis=-1) @ self._phase()

    def see(self, outcome: NDArray) -> None:
        """Weigh by the outcome, then change phase, or count on and change the better option."""
        p_first = self.p_first[self._phase()]  # (order, better)
        y = outcome[:, None, None]
        self.belief *= np.where(y < 0, 1.0, y * p_first + (1 - y) * (1 - p_first))[..., None]
        self.belief /= self.belief.sum(axis=(1, 2, 3), keepdims=True)
        volatile = self._phase() == 1
        self.trial += 1
        if self.trial == self.phase_trials:
            anew = self.belief.sum(axis=(2, 3)) / 2
            self.belief[:] = 0
            self.belief[..., 0] = anew[..., None]
            return
        moved = np.roll(self.belief[:, volatile], 1, axis=-1)  # the last n is empty: runs end before it
        changed = moved * self.hazard
        moved -= changed
        moved[..., 0] += changed.sum(axis=-1)[..., ::-1]
        self.belief[:, volatile] = moved

    def _phase(self) -> NDArray:
        """Phase by order, (order,): 0 stable, 1 volatile."""
        return np.array([0, 1]) if self.trial < self.phase_trials else np.array([1, 0])
