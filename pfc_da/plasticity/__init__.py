"""Plasticity rules: what a batch of sessions and its dopamine do to the weights.

A rule turns a rollout into a wanted change of every weight (`change`); a synaptic step (`pfc_da.plasticity.synaptic_step`)
turns wanted changes into new weights. Both carry their state explicitly, so a run can be resumed bit for bit.
"""

import abc
from typing import ClassVar

import torch

from pfc_da.dopamine import DopamineSystem
from pfc_da.network import PFCNetwork, Weights
from pfc_da.rollout import Rollout
from pfc_da.settings import RuleSettings


class PlasticityRule(abc.ABC):
    """Dopamine-driven change of the weights of one kind of network."""

    name: ClassVar[str]
    needs_autograd: ClassVar[bool] = False

    def __init__(self, settings: RuleSettings, steps_per_trial: int) -> None:
        self.settings = settings
        self.discount = settings.discount ** (1 / steps_per_trial)
        self.trace_decay = settings.trace_decay ** (1 / steps_per_trial)

    def init(self, network: PFCNetwork, rng: torch.Generator) -> Weights:
        """Fixed quantities of the rule itself (random feedback weights); empty for most."""
        return {}

    @abc.abstractmethod
    def change(
        self,
        network: PFCNetwork,
        weights: Weights,
        rule_state: Weights,
        rollout: Rollout,
        dopamine: DopamineSystem,
        entropy: float,
    ) -> Weights:
        """Wanted change (ascent direction) of every weight, by name, mean over sessions and steps."""
