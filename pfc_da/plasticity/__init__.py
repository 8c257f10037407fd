"""Plasticity rules: what a batch of sessions and its dopamine do to the weights.

A rule turns a rollout into a wanted change of every weight (`change`); a synaptic step
(`pfc_da.plasticity.synaptic_step`) turns wanted changes into new weights. Neither keeps anything of its own, so a
run can be resumed bit for bit.
"""

import abc
from typing import ClassVar

from torch import Tensor

from pfc_da.network import PFCNetwork, Weights
from pfc_da.rollout import Rollout
from pfc_da.settings import RuleSettings


class PlasticityRule(abc.ABC):
    """Dopamine-driven change of the weights of one kind of network; `discount` and `trace_decay` are per step."""

    name: ClassVar[str]
    needs_autograd: ClassVar[bool] = False

    def __init__(self, settings: RuleSettings, steps_per_trial: int, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.discount = settings.discount ** (1 / steps_per_trial)
        self.trace_decay = settings.trace_decay ** (1 / steps_per_trial)

    @abc.abstractmethod
    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """Wanted change (ascent direction) of every weight, by name: mean over steps and sessions.

        Parameters
        ----------
        rollout
            Made with `network.effective(weights)`; with gradients enabled if the rule `needs_autograd`.
        entropy
            Weight of policy entropy now.
        """


def discounted_sum(delta: Tensor, decay: float) -> Tensor:
    """sum_k decay^k delta(t+k), along the first dimension (step)."""
    total = delta.clone()
    for t in range(len(total) - 2, -1, -1):
        total[t].add_(total[t + 1], alpha=decay)
    return total
