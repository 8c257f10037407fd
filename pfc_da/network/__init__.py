"""Prefrontal networks: from observation, last action and feedback to policy, value and the next state.

A network object holds settings only. Its weights are a plain dict of tensors that can be saved, frozen, shared by sessions
and compared bit by bit. Its state is one tensor.
"""

import abc
import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from pfc_da.settings import NetworkSettings

Weights = dict[str, Tensor]
FEEDBACK_CHANNELS = {"reward": 1, "rpe": 1, "both": 2, "none": 0}
"""Kind of feedback -> its input channels, which come last, after those of the last action."""


class Trace(NamedTuple):
    """What a network did in consecutive bins.

    Attributes
    ----------
    gating : Tensor (bin, session, unit)
        After each bin, as read-outs and synapses receive it: synaptic gating, or output (LSTM).
    drive : Tensor (bin, session, unit)
        Input current during each bin, or output (LSTM).
    """

    gating: Tensor
    drive: Tensor


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
    receives the reward and never the error; the actor receives what `settings.feedback` names.

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
    has_time: ClassVar[bool] = True
    """False for a network without time constants, which advances once a phase."""
    weight_dims: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """Names of the dimensions of weights; those of a weight that is not listed are numbered."""

    def __init__(self, n_inputs: int, n_actions: int, settings: NetworkSettings) -> None:
        self.n_inputs = n_inputs
        self.n_actions = n_actions
        self.n_units = settings.n_units
        self.first_pulse = n_inputs - n_actions - FEEDBACK_CHANNELS[settings.feedback_channels]
        self.wiring = wire(n_inputs, n_actions, settings)

    @abc.abstractmethod
    def init(self, rng: torch.Generator) -> Weights:
        """Draw initial weights."""

    @abc.abstractmethod
    def effective(self, weights: Weights) -> Weights:
        """Weights as `advance` and `read_out` use them, with signs and masks applied; differentiable."""

    @abc.abstractmethod
    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """State before the first bin.

        Parameters
        ----------
        effective : Weights
        batch : int
            Number of sessions.

        Returns
        -------
        Tensor (..., session, unit)
            Its first part, ``state[0]``, is the gating.
        """

    @abc.abstractmethod
    def draw_noise(self, rng: torch.Generator, batch: int, n_bins: int) -> Tensor | None:
        """Draw the noise of the bins of a phase.

        Parameters
        ----------
        rng : torch.Generator
        batch, n_bins : int
            Sessions and bins.

        Returns
        -------
        Tensor (bin, session, unit) or None
            None for a network without noise.
        """

    @abc.abstractmethod
    def advance(
        self, effective: Weights, state: Tensor, x: Tensor, ticks: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Trace]:
        """Advance all sessions by the bins of a phase, during which the input is constant.

        Parameters
        ----------
        effective : Weights
        state : Tensor (..., session, unit)
        x : Tensor (session, channel)
            Input.
        ticks : Tensor (bin, session)
            Duration of each bin in `pfc_da.clock.TICK_S`; a bin of 0 changes nothing.
        noise : Tensor (bin, session, unit) or None

        Returns
        -------
        state : Tensor (..., session, unit)
            After the last bin.
        trace : Trace
        """

    @abc.abstractmethod
    def activity(self, drive: Tensor) -> Tensor:
        """Recorded activity for a drive, in `activity_units`; same shape as `drive`."""

    @abc.abstractmethod
    def read_out(self, effective: Weights, gating: Tensor) -> tuple[Tensor, Tensor]:
        """Read policy and value out of gatings.

        Parameters
        ----------
        effective : Weights
        gating : Tensor (..., unit)

        Returns
        -------
        logits : Tensor (..., action)
        value : Tensor (...)
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
