"""Reward-prediction error, the dopamine that reaches the synapses, and experimental manipulation of it.

    delta(t) = r(t) + gamma^D V(t+D) - V(t) + injected(t)                    in rewards, gamma per second

`Block` and `Stimulate` represent stimulation of the lateral habenula and of the ventral tegmental area at
chosen moments. They are objects that are passed to a `DopamineSystem`.

The synapses receive delta itself, or delta with unequal weights for the two signs and with noise (`UnequalErrors`), or the
value decoded from the firing of dopamine cells (`DopamineCells`):

    rate(t) = f(delta(t)) + s(delta(t)) noise,    dopamine(t) = f^-1(rate(t))

f is the mean rate of 100 cells. It changes slope at the baseline and cannot fall below 0 Hz. s is its s.d. from trial to
trial. Both were measured in the spiking circuit of `pfc_da.circuits.midbrain`; see `data/dopamine_calibration.csv`.

References
----------
Schultz, Dayan & Montague 1997, doi 10.1126/science.275.5306.1593; manipulation as a change of the error at
chosen outcomes: Stopper et al. 2014, doi 10.1016/j.neuron.2014.08.033, as modelled by Wang et al. 2018,
doi 10.1038/s41593-018-0147-8.
"""

import abc
import csv
import dataclasses
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

When = Callable[[Mapping[str, Tensor]], Tensor]
"""From the labels of a step to the sessions (session,) in which to act."""


@dataclasses.dataclass(frozen=True)
class Manipulation(abc.ABC):
    """Change of the error by `amount` (rewards, above 0) in every session in which `when(labels)` holds."""

    amount: float
    when: When

    direction: ClassVar[int]
    remedy: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.amount > 0:
            raise ValueError(f"amount must be above 0 rewards, got {self.amount}. ({self.remedy})")

    def injected(self, labels: Mapping[str, Tensor]) -> Tensor:
        """Change of the error at one step.

        Parameters
        ----------
        labels : mapping of str to Tensor (session, ...)
            Labels of the step, by name.

        Returns
        -------
        Tensor (session,)
            In rewards.
        """
        return self.direction * self.amount * self.when(labels).float()


class Stimulate(Manipulation):
    """Increase of the error by `amount` in every session in which `when(labels)` holds."""

    direction, remedy = 1, "To lower dopamine use Block."


class Block(Manipulation):
    """Decrease of the error by `amount` in every session in which `when(labels)` holds."""

    direction, remedy = -1, "To raise dopamine use Stimulate."


class DopamineChannel(Protocol):
    """Transformation of the prediction error into the dopamine that reaches the synapses."""

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Draw all random numbers before the sessions start.

        Parameters
        ----------
        rng : torch.Generator
        n_steps, sessions : int
            Steps of a session, and sessions that run together.

        Returns
        -------
        Tensor (step, session)
        """

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """Dopamine for given prediction errors.

        Parameters
        ----------
        rpe, injected : Tensor (..., session)
            Computed error, and what the experimenter adds to it, in rewards.
        noise : Tensor (..., session)
            The part of `draw_noise` for these steps.

        Returns
        -------
        Tensor (..., session)
            In rewards.
        """


@runtime_checkable
class ChannelInTime(DopamineChannel, Protocol):
    """A channel that computes the error itself, as time passes."""

    def receive(self, reward: Tensor, injected: Tensor) -> None:
        """Reward and injected dopamine at the end of a step, (session,) in rewards."""


@dataclasses.dataclass(frozen=True)
class UnequalErrors:
    """Unequal weights for errors above and below 0, and noise.

        dopamine(t) = (1 + a sign(delta(t))) delta(t) + s n(t),    n(t) standard normal, independent over steps and sessions

    With unequal weights a critic learns an expectile instead of the mean (Dabney et al. 2020, doi
    10.1038/s41586-019-1924-6).

    Attributes
    ----------
    asymmetry : float
        a, from -1 (only errors below 0) to 1 (only errors above 0).
    noise : float
        s, in rewards, at least 0.
    """

    asymmetry: float = 0.0
    noise: float = 0.0

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """As `DopamineChannel.draw_noise`: n, standard normal."""
        return torch.randn(n_steps, sessions, generator=rng)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """As `DopamineChannel.deliver`: weighted error plus noise.

        Examples
        --------
        >>> errors, none = torch.tensor([1.0, -1.0]), torch.zeros(2)
        >>> UnequalErrors(asymmetry=0.5).deliver(errors, none, none).tolist()
        [1.5, -0.5]
        """
        error = rpe + injected
        return (1 + self.asymmetry * torch.sign(error)) * error + self.noise * noise


@dataclasses.dataclass(frozen=True, eq=False)
class DopamineCells:
    """Prediction errors encoded in the firing of a population of dopamine cells and decoded from it.

    A fast replacement of the spiking circuit: a table with linear interpolation, constant beyond its ends, and normal noise.
    Tests compare it with the circuit.

    Attributes
    ----------
    rpe : Tensor (row,)
        Errors of the table, ascending, in units of `scale`.
    rate_hz, sd_hz : Tensor (row,)
        Mean rate of the population at each error, never decreasing, and its s.d. from trial to trial, in Hz.
    scale : float
        Prediction error in rewards that corresponds to an error of 1 in the table, above 0. Dopamine cells adapt to the
        range
        of available rewards (Tobler et al. 2005, doi 10.1126/science.1105370).

    Raises
    ------
    ValueError
        For a table that is not as described, or a scale that is not above 0.
    """

    rpe: Tensor
    rate_hz: Tensor
    sd_hz: Tensor
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.rpe) < 2 or (self.rpe.diff() <= 0).any() or (self.rate_hz.diff() < 0).any():
            raise ValueError("rpe must ascend and rate_hz must nowhere fall, over at least two rows.")
        if not self.scale > 0:
            raise ValueError(f"scale must be above 0 rewards, got {self.scale}.")

    @classmethod
    def calibrated(cls, scale: float = 1.0) -> Self:
        """Cells of the spiking circuit with its default parameters; `scale` in rewards."""
        with (files("pfc_da.data") / "dopamine_calibration.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        rpe, rate_hz, sd_hz = (
            torch.tensor([float(row[name]) for row in rows]) for name in ("rpe", "rate_hz", "sd_hz")
        )
        return cls(rpe, rate_hz, sd_hz, scale)

    def rate(self, rpe: Tensor) -> Tensor:
        """Mean rate in Hz at an error in rewards."""
        return _interpolate(rpe / self.scale, self.rpe, self.rate_hz)

    def encode(self, rpe: Tensor, noise: Tensor) -> Tensor:
        """Firing rate on one trial.

        Parameters
        ----------
        rpe : Tensor
            Errors in rewards.
        noise : Tensor
            Standard normal, of the same shape.

        Returns
        -------
        Tensor
            Rate in Hz, at least 0, of the same shape.
        """
        sd = _interpolate(rpe / self.scale, self.rpe, self.sd_hz)
        return (self.rate(rpe) + sd * noise).clamp(min=0)

    def decode(self, rate_hz: Tensor) -> Tensor:
        """Error in rewards at which the mean rate is `rate_hz`; beyond the table, the error at its end."""
        return _interpolate(rate_hz, self.rate_hz, self.rpe) * self.scale

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """As `DopamineChannel.draw_noise`: noise of the rate, standard normal."""
        return torch.randn(n_steps, sessions, generator=rng)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """As `DopamineChannel.deliver`: the error decoded from the rate of the cells."""
        return self.decode(self.encode(rpe + injected, noise))


def _interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Linear between the rows of a table, constant beyond its ends."""
    after = torch.searchsorted(at, x.contiguous()).clamp(1, len(at) - 1)
    step = (at[after] - at[after - 1]).clamp(min=1e-9)
    share = ((x - at[after - 1]) / step).clamp(0, 1)
    return values[after - 1] + share * (values[after] - values[after - 1])


@dataclasses.dataclass(frozen=True)
class DopamineSystem:
    """The reward-prediction error of every step, and the dopamine that follows from it.

    Attributes
    ----------
    discount : float
        gamma per second.
    manipulations : tuple of Manipulation
        Applied in this order.
    channel : DopamineChannel, optional
        Transformation of the error; if None, the synapses receive the error itself.
    clamped : bool
        Whether dopamine stays at its baseline, 0, whatever the error is.
    """

    discount: float
    manipulations: tuple[Manipulation, ...] = ()
    channel: DopamineChannel | None = None
    clamped: bool = False

    def injected(self, labels: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Sum of all manipulations at one step.

        Parameters
        ----------
        labels : mapping of str to Tensor (session, ...)
            Labels of the step.
        like : Tensor (session,)
            Gives shape and type of the result.

        Returns
        -------
        Tensor (session,)
            In rewards.
        """
        total = torch.zeros_like(like)
        for manipulation in self.manipulations:
            total = total + manipulation.injected(labels)
        return total

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor | None:
        """Draw the random numbers of the channel.

        Parameters
        ----------
        rng : torch.Generator
        n_steps, sessions : int

        Returns
        -------
        Tensor (step, session) or None
            None without a channel.
        """
        return None if self.channel is None else self.channel.draw_noise(rng, n_steps, sessions)

    def receive(self, reward: Tensor, injected: Tensor) -> None:
        """As `ChannelInTime.receive`; of no effect with other channels."""
        if self.channel is not None and isinstance(self.channel, ChannelInTime):
            self.channel.receive(reward, injected)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor | None) -> Tensor:
        """Dopamine at the synapses.

        Parameters
        ----------
        rpe, injected : Tensor (..., session)
            In rewards.
        noise : Tensor (..., session) or None
            From `draw_noise`.

        Returns
        -------
        Tensor (..., session)
            In rewards.
        """
        if self.clamped:
            return torch.zeros_like(rpe)
        if self.channel is None or noise is None:
            return rpe + injected
        return self.channel.deliver(rpe, injected, noise)

    def rpe(self, reward: Tensor, value: Tensor, next_value: Tensor, seconds: Tensor) -> Tensor:
        """Reward-prediction error r + gamma^D V' - V, without manipulation (Schultz et al. 1997, doi
        10.1126/science.275.5306.1593).

        Parameters
        ----------
        reward, value, next_value : Tensor
            r, V and V', in rewards; all of one shape.
        seconds : Tensor
            D, the time from V to V', in s; of the same shape.

        Returns
        -------
        Tensor
            In rewards, of the same shape.

        Examples
        --------
        >>> reward, value, next_value = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]), torch.tensor([0.0, 0.0])
        >>> DopamineSystem(discount=0.9).rpe(reward, value, next_value, torch.ones(2)).tolist()
        [0.5, -0.5]
        """
        return reward + self.discount**seconds * next_value - value
