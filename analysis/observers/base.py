"""Observers that choose by stated knowledge: one protocol for all tasks, and one function that simulates their choices.

An `Observer` starts sessions; its `Belief` holds what it has seen in each of them, chooses, and is updated by the choice and
its reward. `simulate_choices` simulates its choices on any schedule of reward probabilities. Where rewards are baited, the
reward of an option is armed with probability p0 on every trial and waits until it is taken. With n trials since the option
was last chosen (0 right after choosing it, and on the first trial) it is there with

    p = 1 - (1 - p0)^(n + 1).

References
----------
Baiting: Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04; Tsutsui et al. 2016, doi 10.1038/ncomms12554.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pfc_da.errors import InputError

CHUNK = 50
"""Sessions at once: their beliefs stay in a processor's cache."""
REPEATS = 4
"""Simulations of an observer in every session."""


class Belief(Protocol):
    """State of an observer in several sessions that advance together."""

    def choose(self, rng: np.random.Generator) -> NDArray:
        """Option chosen in every session, (session,)."""
        ...

    def update(self, choice: NDArray, reward: NDArray) -> None:
        """Learn from a trial.

        Parameters
        ----------
        choice : (session,) int
        reward : (session,)
            0 or 1.
        """
        ...


class Observer(Protocol):
    """Something that can start sessions."""

    def start(self, schedule: NDArray) -> Belief:
        """Prior belief, before any trial.

        Parameters
        ----------
        schedule : (session, trial, option)
            Reward probabilities of the sessions. An observer uses what its docstring says that it knows of them.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Simulated choices.

    Attributes
    ----------
    choice : ([simulation,] session, trial) int8
    reward : ([simulation,] session, trial) float32
    p_option : ([simulation,] session, trial, option) float32
        Chance of reward of each option at that moment. Its value at the choice is the expected reward, whose mean measures
        an observer with less noise than `reward`.
    """

    choice: NDArray
    reward: NDArray
    p_option: NDArray

    @property
    def expected_reward(self) -> NDArray:
        """Chance of reward of the option chosen, as `choice`."""
        return np.take_along_axis(self.p_option, self.choice[..., None].astype(int), axis=-1)[..., 0]


def simulate_choices(
    observer: Observer, schedule: NDArray, *, baited: bool = False, rng: np.random.Generator
) -> Choices:
    """Let an observer choose on a schedule.

    Parameters
    ----------
    observer : Observer
    schedule : (session, trial, option)
        Reward probabilities; base probabilities p0 where rewards are baited.
    baited : bool
        Whether a reward waits until it is taken.
    rng : numpy.random.Generator
        Draws rewards, and choices where the observer draws.

    Returns
    -------
    Choices

    Raises
    ------
    InputError
        If `schedule` has other dimensions.

    Examples
    --------
    >>> from pfc_da.analysis.observers.bandit import Thompson
    >>> rng = np.random.default_rng(0)
    >>> schedule = np.tile([0.2, 0.8], (50, 100, 1))
    >>> round(float(simulate_choices(Thompson(), schedule, rng=rng).expected_reward.mean()), 1)
    0.8
    """
    schedule = np.asarray(schedule, dtype=float)
    if schedule.ndim != 3:
        raise InputError(f"schedule must be (session, trial, option), got the shape {schedule.shape}.")
    session, waited = np.arange(len(schedule)), np.zeros((len(schedule), schedule.shape[2]), dtype=int)
    choice, reward = np.empty(schedule.shape[:2], np.int8), np.empty(schedule.shape[:2], np.float32)
    p_option = np.empty(schedule.shape, np.float32)
    belief = observer.start(schedule)
    for trial in range(schedule.shape[1]):
        p = schedule[:, trial]
        if baited:
            p = compute_baited_probability(p, waited)
        chosen = belief.choose(rng)
        paid = rng.random(len(session)) < p[session, chosen]
        belief.update(chosen, paid)
        waited += 1
        waited[session, chosen] = 0
        choice[:, trial], reward[:, trial], p_option[:, trial] = chosen, paid, p
    return Choices(choice=choice, reward=reward, p_option=p_option)


def simulate_repeatedly(
    observer: Observer, schedule: NDArray, *, baited: bool = False, rng: np.random.Generator
) -> Choices:
    """Let an observer choose on a schedule `REPEATS` times, `CHUNK` sessions at once.

    Parameters
    ----------
    observer, schedule, baited, rng
        As for `simulate_choices`.

    Returns
    -------
    Choices
        With the dimension of simulations.
    """
    repeated = np.tile(schedule, (REPEATS, 1, 1))
    parts = [
        simulate_choices(observer, repeated[first : first + CHUNK], baited=baited, rng=rng)
        for first in range(0, len(repeated), CHUNK)
    ]
    names = ("choice", "reward", "p_option")
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Choices(**{name: values.reshape(REPEATS, -1, *values.shape[1:]) for name, values in whole.items()})


def compute_baited_probability(p0: NDArray, waited: NDArray) -> NDArray:
    """Probability that a baited reward is there, 1 - (1 - p0)^(waited + 1).

    Parameters
    ----------
    p0 : (...)
        Probability per trial that the reward is armed.
    waited : (...) int
        Trials since the option was last chosen.

    Returns
    -------
    (...)

    Examples
    --------
    >>> compute_baited_probability(np.array([0.5]), np.array([0, 1]))
    array([0.5 , 0.75])
    """
    return 1 - (1 - p0) ** (waited + 1)


def pick_largest(values: NDArray, rng: np.random.Generator) -> NDArray:
    """Index of the largest value in every session; ties are broken at random.

    Parameters
    ----------
    values : (session, option)
    rng : numpy.random.Generator

    Returns
    -------
    (session,) int
    """
    best = values >= values.max(axis=1, keepdims=True) - 1e-9
    return (best * rng.random(values.shape)).argmax(axis=1)
