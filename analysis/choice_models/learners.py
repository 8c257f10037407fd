"""Update the value of an option from its outcomes, with the derivatives that a fit needs.

A learner follows one option: its outcomes r, and whether it was chosen. `models` turns values into choices.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

START = 0.5  # value of an option at the start of a session

Value = float | NDArray  # of a parameter: one for all, or one an agent and session
State = tuple[NDArray, ...]
Partials = tuple[tuple[NDArray | None, ...], ...]  # None where a derivative is 0 throughout


class Learner(ABC):
    """One option's value and whatever sets its rate; options do not see each other.

    Attributes
    ----------
    parameters : tuple of str
        What `update` takes, in its order.
    start : tuple of float
        State at the start of a session; the first is the value, as its distance from START.
    """

    parameters: ClassVar[tuple[str, ...]]
    start: ClassVar[tuple[float, ...]]

    @abstractmethod
    def update(
        self, state: State, target: NDArray, chosen: NDArray, *parameters: Value
    ) -> tuple[State, Partials, Partials]:
        """State after a trial, and its derivatives.

        Parameters
        ----------
        state : tuple of (option, agent, session)
            Before the trial; the first is the value, less START.
        target : (option, agent, session)
            Outcome, less START.
        chosen : (option, agent, session)
            1 where the option learns from the outcome, else 0.
        *parameters : float or (agent, session)
            In the order of `parameters`.

        Returns
        -------
        state : tuple of (option, agent, session)
        by_state : tuple of tuples
            Derivative of each new part of the state by each old one; None where it is 0 throughout.
        by_parameter : tuple of tuples
            Derivative of each new part of the state by each parameter.
        """


@dataclass(frozen=True)
class RescorlaWagner(Learner):
    """V += learning_rate (r - V) for the chosen option.

    Rescorla & Wagner 1972, in Classical Conditioning II; as fitted by Behrens et al. 2007, doi 10.1038/nn1954.
    """

    parameters = ("learning_rate",)
    start = (0.0,)

    def update(
        self, state: State, target: NDArray, chosen: NDArray, *parameters: Value
    ) -> tuple[State, Partials, Partials]:
        """As `Learner.update` says."""
        (value,), (rate,) = state, parameters
        error = chosen * (target - value)
        return (value + rate * error,), ((1 - rate * chosen,),), ((error,),)


@dataclass(frozen=True)
class PearceHall(Learner):
    """V += learning_rate A (r - V), then A += associability_rate (|r - V| - A), for the chosen option.

    Both use the error before the update. The associability A starts at 1, our choice: everything is new.
    Pearce & Hall 1980, doi 10.1037/0033-295X.87.6.532, in the form of Li et al. 2011, doi 10.1038/nn.2904.
    """

    parameters = ("learning_rate", "associability_rate")
    start = (0.0, 1.0)

    def update(
        self, state: State, target: NDArray, chosen: NDArray, *parameters: Value
    ) -> tuple[State, Partials, Partials]:
        """As `Learner.update` says."""
        (value, associability), (rate, forgetting) = state, parameters
        error = target - value
        surprise = chosen * (np.abs(error) - associability)
        learnt = chosen * associability * error
        by_state = (
            (1 - rate * chosen * associability, rate * chosen * error),
            (-forgetting * chosen * np.sign(error), 1 - forgetting * chosen),
        )
        return (
            (value + rate * learnt, associability + forgetting * surprise),
            by_state,
            ((learnt, None), (None, surprise)),
        )


@dataclass(frozen=True)
class Kalman(Learner):
    """V += G (r - V) for the chosen option, G = S / (S + 1); then S falls to G for it; then S += q for both.

    S is the variance of what is believed of the option, in units of the variance of its outcomes: 1/2 at the start,
    which makes the first gain 1/3, as for a coin with a uniform prior. The drift q is written as the gain that it
    leads to in an option chosen for ever, q = learning_rate^2 / (1 - learning_rate). Daw et al. 2006, doi
    10.1038/nature04766, without their return of values to a mean.
    """

    parameters = ("learning_rate",)
    start = (0.0, 0.5)

    def update(
        self, state: State, target: NDArray, chosen: NDArray, *parameters: Value
    ) -> tuple[State, Partials, Partials]:
        """As `Learner.update` says."""
        (value, variance), (rate,) = state, parameters
        gain = chosen * variance / (1 + variance)
        error = target - value
        kept = 1 / (1 + variance)
        slope = kept * kept  # of the gain by the variance
        drift = rate * rate / (1 - rate)
        by_state = ((1 - gain, chosen * error * slope), (None, 1 - chosen * (1 - slope)))
        by_drift = np.broadcast_to(rate * (2 - rate) / (1 - rate) ** 2, value.shape)
        return (
            (value + gain * error, variance - variance * gain + drift),
            by_state,
            ((None,), (by_drift,)),
        )
