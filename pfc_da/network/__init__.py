"""Prefrontal networks: observation, last action and feedback in; policy, value and next state out.

A network object holds settings only. Its weights are a plain dict of tensors, so that they can be saved, frozen, shared
by sessions and compared bit for bit; its state is a tensor with sessions along the first dimension.
"""

import abc
import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from pfc_da.settings import NetworkSettings

Weights = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Wiring:
    """Which connections there may be, 1 or 0, and which units belong to a critic of its own.

    Attributes
    ----------
    recurrent
        Dimensions (unit, unit), presynaptic first.
    inputs
        Dimensions (channel, unit).
    read_out
        Dimensions (unit, action + value).
    is_critic
        Dimension (unit,); all False where actor and critic share their units.
    """

    recurrent: Tensor
    inputs: Tensor
    read_out: Tensor
    is_critic: Tensor


def wire(n_inputs: int, n_actions: int, settings: NetworkSettings) -> Wiring:
    """Connections of one network, or of an actor and a critic that only share what they see (`settings.critic`).

    Every second unit is then the critic's. The last channels are feedback: a critic of its own is told the reward and never
    the error, the actor what `settings.feedback` says.
    """
    n = settings.n_units
    is_critic = torch.arange(n) % 2 == 1
    if settings.critic == "shared":
        is_critic = torch.zeros(n, dtype=torch.bool)
        return Wiring(torch.ones(n, n), torch.ones(n_inputs, n), torch.ones(n, n_actions + 1), is_critic)
    critic, actor = is_critic.float(), 1.0 - is_critic.float()
    inputs = torch.ones(n_inputs, n)
    reward = n_inputs - (2 if settings.feedback_channels == "both" else 1)
    inputs[reward] = critic + actor * (settings.feedback in ("reward", "both"))
    inputs[reward + 1 :] = actor
    read_out = torch.stack([actor] * n_actions + [critic], 1)
    return Wiring(torch.outer(critic, critic) + torch.outer(actor, actor), inputs, read_out, is_critic)


class PFCNetwork(abc.ABC):
    """Recurrent network with a policy and a value read-out."""

    name: ClassVar[str]
    activity_units: ClassVar[str] = "Hz"

    def __init__(self, n_inputs: int, n_actions: int, settings: NetworkSettings) -> None:
        self.n_inputs = n_inputs
        self.n_actions = n_actions
        self.n_units = settings.n_units
        self.wiring = wire(n_inputs, n_actions, settings)

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
