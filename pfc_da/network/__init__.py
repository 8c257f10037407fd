"""Prefrontal networks: observation, last action and feedback in; policy, value and next state out.

A network object holds settings only. Its weights are a plain dict of tensors, so that they can be saved, frozen, shared
by sessions and compared bit for bit; its state is a tensor with sessions along the first dimension.
"""

import abc
from typing import ClassVar

import torch
from torch import Tensor

Weights = dict[str, Tensor]


class PFCNetwork(abc.ABC):
    """Recurrent network with a policy and a value read-out."""

    name: ClassVar[str]
    activity_units: ClassVar[str] = "Hz"

    def __init__(self, n_inputs: int, n_actions: int, n_units: int) -> None:
        self.n_inputs = n_inputs
        self.n_actions = n_actions
        self.n_units = n_units

    @abc.abstractmethod
    def init(self, rng: torch.Generator) -> Weights:
        """Draw initial weights."""

    @abc.abstractmethod
    def effective(self, weights: Weights) -> Weights:
        """What `step` and `read_out` use, derived once from `weights` (signs, masks); differentiable."""

    @abc.abstractmethod
    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """State before the first step, first dimension session."""

    @abc.abstractmethod
    def draw_noise(self, rng: torch.Generator, batch: int, n_steps: int) -> Tensor | None:
        """Noise of a block of steps (step, session, unit), or None for a network without noise."""

    @abc.abstractmethod
    def step(
        self, effective: Weights, state: Tensor, x: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One step from input x (session, channel): next state, and drive (session, unit)."""

    @abc.abstractmethod
    def activity(self, drive: Tensor) -> Tensor:
        """What an electrode would see, in `activity_units`; same shape as `drive`."""

    @abc.abstractmethod
    def read_out(self, effective: Weights, state: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits (session, action) and value (session,)."""

    @property
    @abc.abstractmethod
    def tau(self) -> Tensor:
        """Synaptic time constant of each unit in s, dimension (unit,); nan where a network has none."""

    @property
    @abc.abstractmethod
    def is_excitatory(self) -> Tensor:
        """Which units are excitatory, dimension (unit,)."""
