r"""Excitatory-inhibitory rate network whose units have the f-I curve of a leaky integrate-and-fire neuron.

With synaptic gating s (1 = a presynaptic rate of 10 Hz), input x constant and rates r held over a bin of duration D:

    I_j   = sum_i W_ij s_i + sum_k Win_kj x_k + b_j - a_j
    r_j   = phi(I_j)                                                        in Hz
    s_j  <- k_j s_j + (1 - k_j) r_j / 10 Hz + n sqrt(r_j (1 - k_j^2) / (2 K tau_j)) / 10 Hz,    k_j = exp(-D / tau_j)
    a_j  <- q a_j + (1 - q) c r_j,                                                              q = exp(-D / .2 s)

With a memory gate (`network.gate_gain` m > 0), the input sets how fast the synapses of a unit forget: 1 / tau_j becomes
G_j / tau_j, with G_j = 2 / (1 + exp(-m (sum_k V_kj x_k + v_j))) between 0 and 2, initially 1. This is the single memory
gate of RECOLLECT, in continuous time and driven by the input alone.

W keeps Dale's law: W_ij = |w_ij| times the sign of presynaptic unit i, without autapses. Time constants tau_j are spread
logarithmically, those of a share of the units over longer ones. n is noise of unit variance: s then has the variance of
the filtered spikes of K Poisson neurons a unit at every D (exact Ornstein-Uhlenbeck process). a is spike-frequency
adaptation with strength c. phi is a softplus fit (error below .22 Hz from 0 to 60 Hz) to the Siegert f-I curve of a LIF
neuron with tau_m 20 ms, t_ref 2 ms, threshold 1, reset .5, white noise that gives its free membrane an s.d. of .35.

References
----------
Dale's law in trained networks: Song, Yang & Wang 2016, doi 10.1371/journal.pcbi.1004792.
f-I curve: Siegert 1951, doi 10.1103/PhysRev.81.617; balance at the start: Rajan & Abbott 2006,
doi 10.1103/PhysRevLett.97.188104. Exact simulation of the noise: Gillespie 1996, doi 10.1103/PhysRevE.54.2084. Memory
gate: van den Berg, Roelfsema & Bohte 2024, doi 10.1371/journal.pone.0316453.
"""

import functools
import logging
import math
import warnings
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

from pfc_da.clock import MAX_TICKS, TICK_S
from pfc_da.network import PFCNetwork, Trace, Weights
from pfc_da.settings import RateNetworkSettings

LOG = logging.getLogger(__name__)

RATE_SCALE_HZ = 10.0
"""Presynaptic rate at which s = 1."""
RESTING_RATE_HZ = 4.0
"""Rate at which a network starts, within the recorded range of prefrontal cells."""
FI_GAIN_HZ, FI_THRESHOLD, FI_WIDTH = 11.621, 0.4051, 0.1745
"""Softplus fit to the Siegert curve: r = gain * softplus((I - threshold) / width)."""
ADAPTATION_S = 0.2
"""Time constant of spike-frequency adaptation."""
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


@functools.cache
def _invert(curve: str, rate_hz: float) -> float:
    """Drive at which a curve is at `rate_hz`, by bisection."""
    rate, _ = CURVES[curve]
    low, high = -2.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(rate(torch.tensor(middle))) < rate_hz else (low, middle)
    return low


@functools.cache
def load_kernel() -> ModuleType | None:
    """Import the compiled functions, once a process; None, and one line in the log, if that fails."""
    try:
        with warnings.catch_warnings():  # numpy's limits of floats warn where subnormal numbers are off
            warnings.filterwarnings("ignore", "The value of the smallest subnormal", UserWarning)
            from pfc_da.network import kernel
    except Exception as error:  # numba's own errors share no class, and the plain functions always work
        reason = str(error).partition("\n")[0]
        LOG.warning("networks run uncompiled, several times slower: %s: %s", type(error).__name__, reason)
        return None
    return kernel


class RateNetwork(PFCNetwork):
    """The default prefrontal network; its state is s and a, dimensions (2, session, unit)."""

    settings_class = RateNetworkSettings
    weight_dims = {
        "w": ("presynaptic", "postsynaptic"),
        "w_in": ("channel", "postsynaptic"),
        "b": ("postsynaptic",),
        "w_read": ("presynaptic", "read_out"),
        "b_read": ("read_out",),
        "w_gate": ("channel", "postsynaptic"),
        "b_gate": ("postsynaptic",),
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
        self.tables = self._tabulate()
        self.arrays = {
            name: table.numpy() for name, table in self.tables.items()
        }  # as compiled code reads them

    @property
    def kernel(self) -> ModuleType | None:
        """`pfc_da.network.kernel`; None for a curve that it does not have, or where it cannot be compiled."""
        return load_kernel() if (self.rate, self.slope) == CURVES["lif"] else None

    def _tabulate(self) -> dict[str, Tensor]:
        """Numbers of the equations by the duration of a bin, from 0 to `MAX_TICKS` ticks.

        ``keep`` (tick, unit) is k, ``gain`` (tick, unit) is 1 - k per Hz, ``noise`` (tick, unit) the s.d. of the noise at
        1 Hz, ``adapt`` (tick,) is q.
        """
        bins = torch.arange(MAX_TICKS + 1, dtype=torch.float64)[:, None] * TICK_S
        tau, k = self.tau.double(), self.settings.neurons_per_unit
        keep = torch.exp(-bins / tau)
        spread = torch.sqrt((1 - keep**2) / (2 * max(k, 1) * tau)) / RATE_SCALE_HZ
        tables = {
            "keep": keep,
            "gain": -torch.expm1(-bins / tau) / RATE_SCALE_HZ,
            "noise": spread * (k > 0),
            "adapt": torch.exp(-bins[:, 0] / ADAPTATION_S),
        }
        return {name: table.float().contiguous() for name, table in tables.items()}

    @property
    def tau(self) -> Tensor:
        """Synaptic time constants in s, the same spread in the excitatory and the inhibitory population."""
        n_inhibitory = self.n_units - self.n_excitatory
        return torch.cat([self._spread_tau(n) for n in (self.n_excitatory, n_inhibitory)])

    def _spread_tau(self, n: int) -> Tensor:
        """Log-spread time constants of n units; the last are slow."""
        own = self.settings
        n_slow = round(own.fraction_slow * n)
        spread = [
            torch.logspace(math.log10(low), math.log10(high), max(count, 1))[:count]
            for low, high, count in (
                (own.tau_min, own.tau_max, n - n_slow),
                (own.tau_max, own.tau_slow, n_slow),
            )
        ]
        return torch.cat(spread)

    @property
    def is_excitatory(self) -> Tensor:
        """Excitatory units come first."""
        return self.sign > 0

    def drive_at(self, rate_hz: float) -> float:
        """Drive at which a unit fires at `rate_hz`."""
        return _invert(self.settings.curve, rate_hz)

    def init(self, rng: torch.Generator) -> Weights:
        """Balanced initial weights: inhibition cancels excitation of every unit, so there is no outlier eigenvalue."""
        n, n_e = self.n_units, self.n_excitatory
        magnitude = torch.empty(n, n).exponential_(generator=rng) * self.mask
        magnitude[n_e:] *= magnitude[:n_e].sum(0) / magnitude[n_e:].sum(0).clamp(min=1e-9)
        radius = (magnitude * self.sign[:, None]).var(dim=1).sum().sqrt()  # of a random matrix, rows balanced
        drive = self.drive_at(RESTING_RATE_HZ)
        slope = float(self.slope(torch.tensor(drive))) / RATE_SCALE_HZ
        read_out_gain = self.settings.read_out_gain / math.sqrt(n_e)
        w_in = torch.randn(self.n_inputs, n, generator=rng) * self.settings.input_gain
        w_in[self.first_pulse :] *= self.settings.pulse_gain
        gate = {"w_gate": torch.zeros(self.n_inputs, n), "b_gate": torch.zeros(n)}
        return {
            "w": magnitude * (self.settings.recurrent_gain / (slope * radius)),
            "w_in": w_in,
            "b": torch.full((n,), drive + RESTING_RATE_HZ * self.settings.adaptation),
            "w_read": torch.randn(n, self.n_actions + 1, generator=rng) * read_out_gain,
            "b_read": torch.zeros(self.n_actions + 1),
            **(gate if self.settings.gate_gain else {}),
        }

    def effective(self, weights: Weights) -> Weights:
        """Signed recurrent weights (Dale's law); read-out from excitatory units only."""
        masked = {
            "w": weights["w"].abs() * self.sign[:, None] * self.mask,
            "w_in": weights["w_in"] * self.wiring.inputs,
            "w_read": weights["w_read"] * self.read_mask,
        }
        if self.settings.gate_gain:
            masked["w_gate"] = weights["w_gate"] * self.wiring.inputs
        return {name: masked.get(name, tensor) for name, tensor in weights.items()}

    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """As `PFCNetwork.initial_state`: gating at the resting rate of every unit, adapted to it; (2, session, unit)."""
        state = torch.empty(2, batch, self.n_units)
        state[0] = RESTING_RATE_HZ / RATE_SCALE_HZ
        state[1] = RESTING_RATE_HZ * self.settings.adaptation
        return state

    def draw_noise(self, rng: torch.Generator, batch: int, n_bins: int) -> Tensor | None:
        """As `PFCNetwork.draw_noise`: random bytes; None if `neurons_per_unit` is 0.

        The numbers are uniform; the synapses filter them to a nearly normal distribution. Random bytes take a seventh of
        the time of normal numbers, which would otherwise be the slowest part of a bin.
        """
        if not self.settings.neurons_per_unit:
            return None
        n = n_bins * batch * self.n_units
        words = torch.empty(-(-n // 8), dtype=torch.int64).random_(-(2**63), None, generator=rng)
        return words.view(torch.int8)[:n].view(n_bins, batch, self.n_units)

    def advance(
        self, effective: Weights, state: Tensor, x: Tensor, ticks: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Trace]:
        """As `PFCNetwork.advance`, by the equations at the top of this module."""
        current, leak = torch.addmm(effective["b"], x, effective["w_in"]), self.leak(effective, x)
        compiled = None if torch.is_grad_enabled() else self.kernel
        if compiled is not None:
            return compiled.advance(self, effective["w"], state, current, ticks, noise, leak)
        return advance_plain(self, effective["w"], state, current, ticks, noise, leak)

    def leak(self, effective: Weights, x: Tensor) -> Tensor | None:
        """Memory gates G, by which the inverse time constants are multiplied.

        Parameters
        ----------
        effective : Weights
        x : Tensor (..., session, channel)
            Input.

        Returns
        -------
        Tensor (..., session, unit) or None
            From 0 to 2; None if `gate_gain` is 0.
        """
        if not self.settings.gate_gain:
            return None
        return 2 * torch.sigmoid(self.settings.gate_gain * (x @ effective["w_gate"] + effective["b_gate"]))

    def filter(self, ticks: Tensor, leak: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers of the equations in a bin: k, (1 - k) per Hz, and the s.d. of the noise at 1 Hz.

        Parameters
        ----------
        ticks : Tensor (session,)
            Duration of the bin.
        leak : Tensor (session, unit) or None
            Of `RateNetwork.leak`.

        Returns
        -------
        keep, gain, noise : Tensor (session, unit)
        """
        if leak is None:
            return self.tables["keep"][ticks], self.tables["gain"][ticks], self.tables["noise"][ticks]
        rate, k = leak / self.tau, self.settings.neurons_per_unit
        decay = ticks[:, None] * TICK_S * rate
        variance = -torch.expm1(-2 * decay) * rate * ((k > 0) / (2 * max(k, 1)))
        noise = variance.detach().sqrt() / RATE_SCALE_HZ
        return torch.exp(-decay), -torch.expm1(-decay) / RATE_SCALE_HZ, noise

    def activity(self, drive: Tensor) -> Tensor:
        """Firing rate in Hz."""
        return self.rate(drive)

    def read_out(self, effective: Weights, gating: Tensor) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.read_out`: linear in the gating of the excitatory units."""
        out = gating @ effective["w_read"] + effective["b_read"]
        return out[..., :-1], out[..., -1]


def advance_plain(
    network: RateNetwork,
    w: Tensor,
    state: Tensor,
    current: Tensor,
    ticks: Tensor,
    noise: Tensor | None,
    leak: Tensor | None = None,
) -> tuple[Tensor, Trace]:
    """Advance by the bins of a phase, one by one, in plain torch.

    Parameters
    ----------
    network : RateNetwork
    w : Tensor (presynaptic, postsynaptic)
        Effective recurrent weights.
    state : Tensor (2, session, unit)
        s and a.
    current : Tensor (session, unit)
        Input current and bias, constant during the phase.
    ticks : Tensor (bin, session)
        Durations of the bins.
    noise : Tensor (bin, session, unit) or None
        Random bytes.
    leak : Tensor (session, unit), optional
        Memory gates, constant during the phase; all 1 unless given.

    Returns
    -------
    state : Tensor (2, session, unit)
    trace : Trace
    """
    tables, strength = network.tables, network.settings.adaptation
    gating, adaptation = state
    gatings, drives = [], []
    for t, own in enumerate(ticks):
        drive = torch.addmm(current - adaptation, gating, w)
        rate = network.rate(drive)
        keep, gain, spread = network.filter(own, leak)
        gating = torch.addcmul(gating * keep, rate, gain)
        if noise is not None:
            unit_noise = (noise[t].float() + 0.5) / BYTE_SD
            gating = torch.addcmul(gating, unit_noise, spread * rate.detach().sqrt())
        adaptation = torch.lerp(strength * rate, adaptation, tables["adapt"][own][:, None])
        gatings.append(gating)
        drives.append(drive)
    return torch.stack([gating, adaptation]), Trace(torch.stack(gatings), torch.stack(drives))
