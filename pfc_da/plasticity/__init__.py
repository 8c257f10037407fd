"""Plasticity rules: change of the weights by a batch of sessions and its dopamine.

A rule computes a proposed change of every weight from a rollout (`change`). A synaptic step
(`pfc_da.plasticity.synaptic_step`) applies the change to the weights. Neither has a state of its own, so a run can be
resumed with identical results.
"""

import abc
from typing import ClassVar

from torch import Tensor

from pfc_da.network import PFCNetwork, Weights
from pfc_da.rollout import Rollout
from pfc_da.settings import RuleSettings


class PlasticityRule(abc.ABC):
    """Dopamine-dependent change of the weights of one kind of network."""

    settings_class: ClassVar[type[RuleSettings]]
    """Its settings."""
    needs_autograd: ClassVar[bool] = False

    def __init__(self, settings: RuleSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed

    @abc.abstractmethod
    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """Proposed change (ascent direction) of every weight: means over time, choices and sessions.

        Parameters
        ----------
        network : PFCNetwork
        weights : Weights
        rollout : Rollout
            Made with `network.effective(weights)`; with gradients enabled if the rule `needs_autograd`.
        entropy : float
            Current weight of policy entropy.

        Returns
        -------
        Weights
            By the names of `weights`.
        """


def discounted_sum(delta: Tensor, decay: Tensor) -> Tensor:
    """A(t) = delta(t) + decay(t+1) A(t+1), along the first dimension.

    Parameters
    ----------
    delta : Tensor (time, ...)
    decay : Tensor (time, ...)
        Factor over the time from the element before to each, from 0 to 1; the first is not used.

    Returns
    -------
    Tensor (time, ...)

    Examples
    --------
    >>> import torch
    >>> discounted_sum(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.5, 0.5, 0.1])).tolist()
    [0.05000000074505806, 0.10000000149011612, 1.0]
    """
    total = delta.clone()
    rows = total.unbind()
    for own, later, kept in reversed(list(zip(rows, rows[1:], decay.unbind()[1:], strict=False))):
        own.addcmul_(later, kept)
    return total
