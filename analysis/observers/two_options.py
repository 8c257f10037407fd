"""Beliefs about two options that pay with r and 1 - r, where r changes: every outcome is evidence about both.

The outcome is y = 1 if the first option paid or the second did not, 0 the other way round.
"""

import abc
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.observers.base import CHUNK
from pfc_da.errors import InputError

TIE = 1e-6  # beliefs that differ by rounding alone


class PairBelief(abc.ABC):
    """Beliefs about the probability that the first option pays, and about volatility."""

    @abc.abstractmethod
    def expect(self) -> tuple[NDArray, NDArray]:
        """Chance that the first option pays, and volatility in the observer's own measure, each (session,)."""

    @abc.abstractmethod
    def see(self, outcome: NDArray) -> None:
        """Learn from the outcome (session,), 1 or 0, -1 for none, and go on to the next trial."""

    def choose(self, rng: np.random.Generator) -> NDArray:
        """The option more likely to pay, ties at random."""
        p_first = self.expect()[0]
        tie = np.abs(p_first - 0.5) < TIE
        return (rng.random(len(p_first)) >= np.where(tie, 0.5, p_first > 0.5)).astype(np.int8)

    def update(self, choice: NDArray, reward: NDArray) -> None:
        """Learn from a choice and its reward.

        Parameters
        ----------
        choice : (session,) int
        reward : (session,)
            0 or 1.
        """
        self.see(encode_outcome(choice, reward))


class PairObserver(Protocol):
    """An observer with such beliefs."""

    def start(self, schedule: NDArray) -> PairBelief:
        """Prior belief in as many sessions as `schedule` (session, trial, option) has."""
        ...


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """Expectations of an observer on every trial, before its outcome; both (session, trial)."""

    p_first: NDArray
    volatility: NDArray


def filter_outcomes(observer: PairObserver, outcome: NDArray) -> Beliefs:
    """Beliefs of an observer that watches given outcomes.

    Parameters
    ----------
    observer : PairObserver
    outcome : (session, trial)
        1 if the first option paid or the second did not, 0 if the other way round, -1 or NaN where nothing was seen;
        see `encode_outcome`.

    Returns
    -------
    Beliefs

    Raises
    ------
    InputError
        If `outcome` holds other values.
    """
    outcome = _check_outcome(outcome)
    p_first, volatility = np.empty((2, *outcome.shape))
    unknown = np.full((*outcome.shape, 2), np.nan)  # whoever only watches is given no schedule
    for start in range(0, len(outcome), CHUNK):
        own = slice(start, start + CHUNK)
        belief = observer.start(unknown[own])
        for trial in range(outcome.shape[1]):
            p_first[own, trial], volatility[own, trial] = belief.expect()
            belief.see(outcome[own, trial])
    return Beliefs(p_first=p_first, volatility=volatility)


def encode_outcome(choice: NDArray, reward: NDArray) -> NDArray:
    """Outcome as evidence about the first option: 1 if it paid or the second did not, else 0; -1 without a choice.

    Parameters
    ----------
    choice : (...) int
        0 or 1; -1 where missing.
    reward : (...)
        0 or 1.

    Returns
    -------
    (...)

    Examples
    --------
    >>> encode_outcome(np.array([0, 1, -1]), np.array([1, 1, 0])).tolist()
    [1, 0, -1]
    """
    return np.where(choice < 0, -1, np.where(choice == 0, reward, 1 - reward))


def _check_outcome(outcome: NDArray) -> NDArray:
    known = np.where(np.isnan(outcome), -1, outcome)
    if known.ndim != 2 or not np.isin(known, (-1, 0, 1)).all():
        raise InputError(
            f"outcome must be (session, trial) of 0 and 1, -1 where missing; got the shape {known.shape} and values "
            f"{np.unique(known)[:5].tolist()}."
        )
    return known
