r"""Dopamine: the reward-prediction error, and what an experimenter can do to it.

    delta(t) = r(t) + gamma V(t+1) - V(t) + injected(t)                      in rewards

`Block` and `Stimulate` stand for stimulation of the lateral habenula and of the ventral tegmental area at
chosen moments; they are objects given to a `DopamineSystem`, never switches inside it.

What reaches synapses is delta itself, delta with errors of the two signs weighed unequally and with noise
(`UnequalErrors`), or what can be read of it in the firing of dopamine cells (`DopamineCells`):

    rate(t) = f(delta(t)) + s(delta(t)) noise,    dopamine(t) = f^-1(rate(t))

f, the mean rate of 100 cells, bends at its baseline and has a floor at 0 Hz, s is its s.d. from trial to trial; both were
measured in the spiking circuit of `pfc_da.circuits.midbrain` and are kept in `data/dopamine_calibration.csv`.

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
from typing import ClassVar, Protocol, Self

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


class DopamineChannel(Protocol):
    """What stands between the prediction error and the synapses."""

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Everything random, drawn before the sessions start, step first."""

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """Dopamine in rewards for errors and what is injected, all of one shape that ends in (session,)."""


@dataclasses.dataclass(frozen=True)
class UnequalErrors:
    """Errors above and below 0 weighed unequally, and noise.

        dopamine(t) = (1 + a sign(delta(t))) delta(t) + s n(t),    n(t) standard normal, anew every step and session

    Weighing makes a critic learn an expectile instead of the mean (Dabney et al. 2020, doi 10.1038/s41586-019-1924-6).

    Attributes
    ----------
    asymmetry
        a, between -1 (errors below 0 alone) and 1 (those above 0 alone).
    noise
        s, in rewards.
    """

    asymmetry: float = 0.0
    noise: float = 0.0

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Standard normal, (step, session)."""
        return torch.randn(n_steps, sessions, generator=rng)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """The weighed error with its noise."""
        error = rpe + injected
        return (1 + self.asymmetry * torch.sign(error)) * error + self.noise * noise


@dataclasses.dataclass(frozen=True, eq=False)
class DopamineCells:
    """Prediction errors as the firing of a population of dopamine cells, and read from it again.

    The surrogate of the spiking circuit: a table with linear interpolation, held at its ends, and normal noise. Its
    accuracy is tested against the circuit.

    Attributes
    ----------
    rpe
        Errors of the table, ascending, dimension (row,), in units of `scale`.
    rate_hz, sd_hz
        Mean of the population's rate at each, which nowhere falls, and its s.d. from trial to trial.
    scale
        The prediction error in rewards that counts as 1 for the cells: dopamine cells adapt to the range of rewards at
        hand (Tobler et al. 2005, doi 10.1126/science.1105370).
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
        """The cells of the spiking circuit with its default parameters."""
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
        """Rate in Hz on one trial, `noise` being standard normal."""
        sd = _interpolate(rpe / self.scale, self.rpe, self.sd_hz)
        return (self.rate(rpe) + sd * noise).clamp(min=0)

    def decode(self, rate_hz: Tensor) -> Tensor:
        """Error in rewards at which the mean rate is `rate_hz`; the ends of the table beyond it."""
        return _interpolate(rate_hz, self.rate_hz, self.rpe) * self.scale

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Standard normal, (step, session)."""
        return torch.randn(n_steps, sessions, generator=rng)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """What a reader of the cells takes the error to be."""
        return self.decode(self.encode(rpe + injected, noise))


def _interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Linear between the rows of a table, constant beyond its ends."""
    after = torch.searchsorted(at, x.contiguous()).clamp(1, len(at) - 1)
    step = (at[after] - at[after - 1]).clamp(min=1e-9)
    share = ((x - at[after - 1]) / step).clamp(0, 1)
    return values[after - 1] + share * (values[after] - values[after - 1])


@dataclasses.dataclass(frozen=True)
class DopamineSystem:
    """Computes the reward-prediction error of every step.

    Attributes
    ----------
    discount
        gamma per network step.
    manipulations
        What is done to dopamine, applied in order.
    channel
        What stands between the error and the synapses; nothing if None.
    """

    discount: float
    manipulations: tuple[Manipulation, ...] = ()
    channel: DopamineChannel | None = None

    def injected(self, labels: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Sum of all manipulations at a step with these labels, shaped as `like` (session,)."""
        total = torch.zeros_like(like)
        for manipulation in self.manipulations:
            total = total + manipulation.injected(labels)
        return total

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor | None:
        """What the channel needs to be random, step first; None without a channel."""
        return None if self.channel is None else self.channel.draw_noise(rng, n_steps, sessions)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor | None) -> Tensor:
        """Dopamine at the synapses, in rewards; all arguments of one shape."""
        if self.channel is None or noise is None:
            return rpe + injected
        return self.channel.deliver(rpe, injected, noise)

    def rpe(self, reward: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
        """Reward-prediction error without manipulation; all arguments of one shape, in rewards."""
        return reward + self.discount * next_value - value
