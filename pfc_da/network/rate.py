r"""Excitatory-inhibitory rate network whose units have the f-I curve of a leaky integrate-and-fire neuron.

With synaptic gating s (1 = a presynaptic rate of 10 Hz), one step of dt = 100 ms is

    I_j(t) = sum_i W_ij s_i(t-1) + sum_k Win_kj x_k(t) + b_j
    r_j(t) = phi(I_j(t))                                                    in Hz
    s_j(t) = (1 - a_j) s_j(t-1) + a_j r_j(t) / 10 Hz + shot noise,          a_j = 1 - exp(-dt / tau_j)

W keeps Dale's law: W_ij = |w_ij| times the sign of presynaptic unit i, without autapses. tau_j is spread
logarithmically. Shot noise has the variance of the spikes of k Poisson neurons a unit counted in dt: its s.d. per step is
a_j sqrt(r_j / (k dt)) / 10. phi is the softplus fit (error below 0.32 Hz for -0.5 <= I <= 1.6) to the Siegert f-I curve of
a LIF neuron with tau_m 20 ms, t_ref 2 ms, threshold 1, reset 0, white noise that gives its free membrane an s.d. of 0.25.

References
----------
Dale's law in trained networks: Song, Yang & Wang 2016, doi 10.1371/journal.pcbi.1004792.
f-I curve: Siegert 1951, doi 10.1103/PhysRev.81.617; balance at the start: Rajan & Abbott 2006,
doi 10.1103/PhysRevLett.97.188104.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from pfc_da.network import PFCNetwork, Weights
from pfc_da.settings import RateNetworkSettings
from pfc_da.task import STEP_S

RATE_SCALE_HZ = 10.0
"""Presynaptic rate at which s = 1."""
RESTING_RATE_HZ = 4.0
"""Rate at which a network starts, within the recorded range of prefrontal cells."""
FI_GAIN_HZ, FI_THRESHOLD, FI_WIDTH = 4.7576, 0.4657, 0.1095
"""Softplus fit to the Siegert curve: r = gain * softplus((I - threshold) / width)."""
REFRACTORY_LIMIT_HZ = 500.0
"""1 / t_ref. Far above the rates of trained units; keeps the rates of an unstable network finite."""
TANH_MAX_HZ = 50.0
BYTE_SD = math.sqrt((256**2 - 1) / 12)
"""S.d. of a uniformly random byte."""


def lif_rate(drive: Tensor) -> Tensor:
    """Rate in Hz of a leaky integrate-and-fire neuron for `drive` (1: from rest to threshold); same shape as `drive`."""
    current = functional.softplus(drive - FI_THRESHOLD, beta=1 / FI_WIDTH)
    return (current * (FI_GAIN_HZ / FI_WIDTH)).clamp(max=REFRACTORY_LIMIT_HZ)


def lif_slope(drive: Tensor) -> Tensor:
    """Derivative of `lif_rate` in Hz per unit of drive."""
    return torch.sigmoid((drive - FI_THRESHOLD) / FI_WIDTH).mul_(FI_GAIN_HZ / FI_WIDTH)


def rectified_tanh_rate(drive: Tensor) -> Tensor:
    """50 Hz times tanh of the rectified drive: no firing below threshold, saturation at high drive."""
    return TANH_MAX_HZ * torch.tanh(torch.relu(drive))


def rectified_tanh_slope(drive: Tensor) -> Tensor:
    """Derivative of `rectified_tanh_rate` in Hz per unit of drive."""
    return TANH_MAX_HZ * (1 - torch.tanh(drive) ** 2) * (drive > 0)


CURVES = {"lif": (lif_rate, lif_slope), "rectified_tanh": (rectified_tanh_rate, rectified_tanh_slope)}


class RateNetwork(PFCNetwork):
    """The default prefrontal network; `state` is s, dimensions (session, unit)."""

    settings_class = RateNetworkSettings
    weight_dims = {
        "w": ("presynaptic", "postsynaptic"),
        "w_in": ("channel", "postsynaptic"),
        "b": ("postsynaptic",),
        "w_read": ("presynaptic", "read_out"),
        "b_read": ("read_out",),
    }

    def __init__(self, n_inputs: int, n_actions: int, settings: RateNetworkSettings) -> None:
        super().__init__(n_inputs, n_actions, settings)
        self.settings = settings
        self.n_excitatory = round(settings.fraction_excitatory * settings.n_units)
        self.rate, self.slope = CURVES[settings.curve]
        self.sign = torch.ones(settings.n_units)
        self.sign[self.n_excitatory :] = -1.0
        self.mask = self.wiring.recurrent * (1.0 - torch.eye(settings.n_units))
        self.read_mask = self.wiring.read_out * self.is_excitatory[:, None]
        self.a = 1.0 - torch.exp(-STEP_S / self.tau)
        self.keep, self.a_per_hz = 1.0 - self.a, self.a / RATE_SCALE_HZ
        k = settings.neurons_per_unit
        self.noise_sd = self.a / (RATE_SCALE_HZ * math.sqrt(k * STEP_S)) if k else None

    @property
    def tau(self) -> Tensor:
        """Synaptic time constants in s, log-spread, the same in the excitatory and the inhibitory population."""
        low, high = math.log(self.settings.tau_min), math.log(self.settings.tau_max)
        n_inhibitory = self.n_units - self.n_excitatory
        spread = [torch.linspace(low, high, max(n, 1))[:n] for n in (self.n_excitatory, n_inhibitory)]
        return torch.exp(torch.cat(spread))

    @property
    def is_excitatory(self) -> Tensor:
        """Excitatory units come first."""
        return self.sign > 0

    def drive_at(self, rate_hz: float) -> float:
        """Drive at which a unit fires at `rate_hz`, by bisection."""
        low, high = -2.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(self.rate(torch.tensor(middle))) < rate_hz else (low, middle)
        return low

    def init(self, rng: torch.Generator) -> Weights:
        """Balanced initial weights: inhibition cancels excitation of every unit, so there is no outlier eigenvalue."""
        n, n_e = self.n_units, self.n_excitatory
        magnitude = torch.empty(n, n).exponential_(generator=rng) * self.mask
        magnitude[n_e:] *= magnitude[:n_e].sum(0) / magnitude[n_e:].sum(0).clamp(min=1e-9)
        radius = (magnitude * self.sign[:, None]).var(dim=1).sum().sqrt()  # of a random matrix, rows balanced
        drive = self.drive_at(RESTING_RATE_HZ)
        slope = float(self.slope(torch.tensor(drive))) / RATE_SCALE_HZ
        read_out_gain = self.settings.read_out_gain / math.sqrt(n_e)
        return {
            "w": magnitude * (self.settings.recurrent_gain / (slope * radius)),
            "w_in": torch.randn(self.n_inputs, n, generator=rng) * self.settings.input_gain,
            "b": torch.full((n,), drive),
            "w_read": torch.randn(n, self.n_actions + 1, generator=rng) * read_out_gain,
            "b_read": torch.zeros(self.n_actions + 1),
        }

    def effective(self, weights: Weights) -> Weights:
        """Signed recurrent weights (Dale's law); read-out from excitatory units only."""
        return {
            "w": weights["w"].abs() * self.sign[:, None] * self.mask,
            "w_in": weights["w_in"] * self.wiring.inputs,
            "b": weights["b"],
            "w_read": weights["w_read"] * self.read_mask,
            "b_read": weights["b_read"],
        }

    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """As `PFCNetwork.initial_state`: gating at the resting rate of every unit, (session, unit)."""
        return torch.full((batch, self.n_units), RESTING_RATE_HZ / RATE_SCALE_HZ)

    def draw_noise(self, rng: torch.Generator, batch: int, n_steps: int) -> Tensor | None:
        """As `PFCNetwork.draw_noise`: zero mean, s.d. of shot noise at 1 Hz; None if `neurons_per_unit` is 0.

        The numbers are uniform; the synapses filter them to a nearly normal distribution. Random bytes take a seventh of
        the time of normal numbers, which would otherwise be the slowest part of a step.
        """
        if self.noise_sd is None:
            return None
        n = n_steps * batch * self.n_units
        words = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None, generator=rng)
        noise = words.view(torch.int8)[:n].view(n_steps, batch, self.n_units)
        return noise.float().add_(0.5).mul_(self.noise_sd / BYTE_SD)

    def step(
        self, effective: Weights, state: Tensor, x: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.step`: 100 ms, by the equations at the top of this module."""
        drive = torch.addmm(torch.addmm(effective["b"], x, effective["w_in"]), state, effective["w"])
        rate = self.rate(drive)
        state = torch.addcmul(state * self.keep, rate, self.a_per_hz)
        if noise is not None:
            state = torch.addcmul(state, noise, rate.detach().sqrt())
        return state, drive

    def activity(self, drive: Tensor) -> Tensor:
        """Firing rate in Hz."""
        return self.rate(drive)

    def read_out(self, effective: Weights, state: Tensor) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.read_out`: linear in the gating of the excitatory units."""
        out = torch.addmm(effective["b_read"], state, effective["w_read"])
        return out[:, :-1], out[:, -1]
