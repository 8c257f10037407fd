"""Prefrontal networks: from observation, last action and feedback to policy, value and the next state.

A network object holds settings only. Its weights are a plain dict of tensors that can be saved, frozen, shared by sessions
and compared bit by bit. Its state is a tensor whose first dimension is the session.
"""

import abc
import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from pfc_da.settings import NetworkSettings

Weights = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Wiring:
    """Existing connections (1 or 0), and units of a separate critic.

    Attributes
    ----------
    recurrent : Tensor (unit, unit)
        Presynaptic unit first.
    inputs : Tensor (channel, unit)
    read_out : Tensor (unit, action + value)
    is_critic : Tensor (unit,)
        All False if actor and critic share their units.
    """

    recurrent: Tensor
    inputs: Tensor
    read_out: Tensor
    is_critic: Tensor


def wire(n_inputs: int, n_actions: int, settings: NetworkSettings) -> Wiring:
    """Connections of one network, or of an actor and a critic that share only their input (`settings.critic`).

    With a separate critic every second unit belongs to it. The last input channels are feedback: the critic always
    receives the
    reward and never the error; the actor receives what `settings.feedback` names.

    Parameters
    ----------
    n_inputs, n_actions : int
        Input channels and actions.
    settings : NetworkSettings

    Returns
    -------
    Wiring
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
    """Recurrent network with a read-out of policy and value."""

    settings_class: ClassVar[type[NetworkSettings]]
    """Its settings."""
    activity_units: ClassVar[str] = "Hz"
    weight_dims: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """Names of the dimensions of weights; those of a weight that is not listed are numbered."""

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
        """Weights as `step` and `read_out` use them, with signs and masks applied; differentiable."""

    @abc.abstractmethod
    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """State before the first step.

        Parameters
        ----------
        effective : Weights
        batch : int
            Number of sessions.

        Returns
        -------
        Tensor (session, ...)
        """

    @abc.abstractmethod
    def draw_noise(self, rng: torch.Generator, batch: int, n_steps: int) -> Tensor | None:
        """Draw the noise of a block of steps.

        Parameters
        ----------
        rng : torch.Generator
        batch, n_steps : int
            Sessions and steps.

        Returns
        -------
        Tensor (step, session, unit) or None
            None for a network without noise.
        """

    @abc.abstractmethod
    def step(
        self, effective: Weights, state: Tensor, x: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Advance all sessions by one step.

        Parameters
        ----------
        effective : Weights
        state : Tensor (session, ...)
        x : Tensor (session, channel)
            Input.
        noise : Tensor (session, unit) or None

        Returns
        -------
        state : Tensor (session, ...)
            After the step.
        drive : Tensor (session, unit)
        """

    @abc.abstractmethod
    def activity(self, drive: Tensor) -> Tensor:
        """Recorded activity for a drive, in `activity_units`; same shape as `drive`."""

    @abc.abstractmethod
    def read_out(self, effective: Weights, state: Tensor) -> tuple[Tensor, Tensor]:
        """Read policy and value out of a state.

        Parameters
        ----------
        effective : Weights
        state : Tensor (session, ...)

        Returns
        -------
        logits : Tensor (session, action)
        value : Tensor (session,)
            In rewards.
        """

    @property
    @abc.abstractmethod
    def tau(self) -> Tensor:
        """Synaptic time constant of each unit in s, dimension (unit,); nan where a network has none."""

    @property
    @abc.abstractmethod
    def is_excitatory(self) -> Tensor:
        """True for excitatory units, dimension (unit,)."""
