r"""Dopamine: the reward-prediction error, and what an experimenter can do to it.

    delta(t) = r(t) + gamma V(t+1) - V(t) + injected(t)                      in rewards

`Block` and `Stimulate` stand for stimulation of the lateral habenula and of the ventral tegmental area at
chosen moments; they are objects given to a `DopamineSystem`, never switches inside it.

References
----------
Schultz, Dayan & Montague 1997, doi 10.1126/science.275.5306.1593; manipulation as a change of the error at
chosen outcomes: Stopper et al. 2014, doi 10.1016/j.neuron.2014.08.033, as modelled by Wang et al. 2018,
doi 10.1038/s41593-018-0147-8.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

When = Callable[[Mapping[str, Tensor]], Tensor]
"""From the labels of a step to the sessions (session,) in which to act."""


@dataclasses.dataclass(frozen=True)
class Manipulation(abc.ABC):
    """Change the error of every session in which `when(labels)` holds, by `amount` (rewards, above 0)."""

    amount: float
    when: When

    direction: ClassVar[int]
    remedy: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.amount > 0:
            raise ValueError(f"amount must be above 0 rewards, got {self.amount}. ({self.remedy})")

    def injected(self, labels: Mapping[str, Tensor]) -> Tensor:
        """What is added to the error, dimension (session,), in rewards."""
        return self.direction * self.amount * self.when(labels).float()


class Stimulate(Manipulation):
    """Add `amount` to the error of every session in which `when(labels)` holds."""

    direction, remedy = 1, "To lower dopamine use Block."


class Block(Manipulation):
    """Take `amount` from the error of every session in which `when(labels)` holds."""

    direction, remedy = -1, "To raise dopamine use Stimulate."


@dataclasses.dataclass(frozen=True)
class DopamineSystem:
    """Computes the reward-prediction error of every step.

    Attributes
    ----------
    discount
        gamma per network step.
    manipulations
        What is done to dopamine, applied in order.
    """

    discount: float
    manipulations: tuple[Manipulation, ...] = ()

    def injected(self, labels: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Sum of all manipulations at a step with these labels, shaped as `like` (session,)."""
        total = torch.zeros_like(like)
        for manipulation in self.manipulations:
            total = total + manipulation.injected(labels)
        return total

    def rpe(self, reward: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        """Reward-prediction error without manipulation; all arguments of one shape, in rewards."""
        return reward + self.discount * next_value - value
