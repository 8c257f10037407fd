r"""A trained rate network as spiking neurons: the same weights, leaky integrate-and-fire cells, in closed loop with a task.

Unit i of the rate network (`pfc_da.network.rate`) becomes k neurons. Rest is 0, threshold 1, both without units:

    tau_m dv/dt   = max(I_i(t), E_inh) - v + sigma sqrt(2 tau_m) xi(t)
    I_i(t)        = sum_j W_ji s_j(t - d) + sum_c Win_ci x_c(t) + b_i
    tau_j ds_j/dt = -s_j + (spikes of the k neurons of unit j, as a rate) / (k 10 Hz)

so that s_j is 1 at 10 Hz and every spike brings it up by 1 / (k 10 Hz tau_j). No gain is searched for: the f-I curve of the
rate network is the one these neurons have. Its step of 100 ms becomes continuous time: inputs x are held for a step, policy
and value are read from s at its end. Two things keep a network that was trained in steps what it was (docs/spiking-pfc.md
tells what it loses without them):

* Through a step the rate network sees s as it was when the step began, on average half a step ago; so synapses have a delay
  d of that size.
* A rate follows its drive at once, a membrane only from where it is. So no current brings it further below rest than the
  reversal potential of inhibition E_inh; below that the neuron is silent anyway.

How it is computed. All spikes of unit j reach all its targets with one time course, set by tau_j, so a target would need a
synaptic variable for each of its sources. Synapses are linear, so the current into all neurons is one matrix product s W,
taken every `TICK_S` by a `NetworkOperation` for all copies at once (`pfc_da.circuits.slow_synapses`). Brian's own way, a
summed synaptic variable, costs 1.0 ns a synapse and tick, the product .03: 9 s against .2 for 128 copies of 128 units and
20 s of their time, in which the membranes themselves take 12. These are advanced every `DT_S`, exactly for the current of
the tick; two corrections are for dt alone: the threshold is lowered by .5826 sigma sqrt(1 - exp(-2 dt / tau_m)) for
crossings between two moments, and dt is added to the refractory time, as Brian takes a spike for earlier by that. The f-I
curve is then that of Siegert to 1 % (a test measures it).

References
----------
Rate networks turned into spiking ones, there with a search for the gain: Kim, Li & Sejnowski 2019,
doi 10.1073/pnas.1905926116. Lowered threshold: Broadie, Glasserman & Kou 1997, doi 10.1111/1467-9965.00035.
f-I curve: Siegert 1951, doi 10.1103/PhysRev.81.617.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.circuits.codegen import compiling, prepare_brian2
from pfc_da.circuits.slow_synapses import TICK_S, SlowSynapses
from pfc_da.errors import InputError
from pfc_da.network import PFCNetwork, Weights
from pfc_da.network.rate import RateNetwork
from pfc_da.rng import derive_seed, numpy_stream
from pfc_da.rollout import ClosedLoop, Rollout
from pfc_da.task import STEP_S

TAU_M_S, REFRACTORY_S, SIGMA = 0.020, 0.002, 0.25
"""Of the neuron whose f-I curve the rate network has (`pfc_da.network.rate`)."""
INHIBITION = -0.5
"""Reversal potential of inhibition, E_inh: -72.5 mV with a threshold 15 mV above a rest of -65 mV. A choice of ours;
anything from -.5 to 0 does."""
DT_S = 0.001
"""Step of the membranes."""
TICKS_PER_STEP = round(STEP_S / TICK_S)
N_TRACED, TRACED_S = 6, 4.0
"""Membrane traces: how many neurons of the first copy, and for how long."""

EQUATIONS = """
dv/dt = leak * (current - v) + noise * xi : 1 (unless refractory)
current : 1
n_spikes : integer
"""
RESET = """
v = 0
n_spikes += 1
"""


class Spikes(NamedTuple):
    """Spikes of the recorded copies, one a row, sorted by copy, unit, neuron and time, and some membranes."""

    copy: NDArray
    unit: NDArray
    neuron: NDArray  # of the k of its unit
    time: NDArray  # s since the sessions began
    membrane: NDArray  # (traced, sample) of the first copy, thresholds; a sample every `DT_S`
    traced_unit: NDArray  # (traced,) their first neurons are traced


def require_spiking(network: PFCNetwork) -> RateNetwork:
    """The network, if it can be one of neurons.

    Raises
    ------
    InputError
        For a network without the f-I curve of the neurons.
    """
    if not isinstance(network, RateNetwork):
        raise InputError(
            f"network {network.name!r} has no spiking counterpart: its units have no firing rate. "
            "Train with --network rate."
        )
    if network.settings.curve != "lif":
        raise InputError(
            f"network.curve {network.settings.curve!r} is not the f-I curve of spiking neurons. "
            "Train with network.curve=lif."
        )
    return network


class SpikingPFC:
    """Neurons for `copies` sessions at once, for any weights of one network; one compiled object.

    Parameters
    ----------
    network
        The rate network; `require_spiking` says which.
    copies
        Sessions simulated side by side, at most.
    neurons_per_unit
        k above. Weights are those of the unit, divided among its neurons.
    recorded
        Keep the spikes of so many copies, the first ones.

    Notes
    -----
    Brian2 draws noise from one generator of the process, which `run` seeds; the same call gives the same spikes on the
    same target (`codegen`).
    """

    def __init__(
        self, network: PFCNetwork, copies: int, *, neurons_per_unit: int = 1, recorded: int = 1
    ) -> None:
        for name, given in (
            ("copies", copies),
            ("neurons_per_unit", neurons_per_unit),
            ("recorded", recorded),
        ):
            if given < 1:
                raise InputError(f"{name} must be 1 or more, got {given}.")
        self.network, self.copies = require_spiking(network), copies
        self.neurons_per_unit, self.recorded = neurons_per_unit, min(recorded, copies)
        self._synapses = SlowSynapses(self.network.tau, neurons_per_unit)
        self._b2 = prepare_brian2()
        self._brian = self._build()

    @property
    def n_neurons(self) -> int:
        """Neurons of one copy; those of a unit lie side by side."""
        return self.network.n_units * self.neurons_per_unit

    def run(
        self,
        loop: ClosedLoop,
        effective: Weights,
        n_steps: int,
        *,
        seed: int,
        injected: NDArray | None = None,
        record: bool = False,
    ) -> tuple[Rollout, Spikes | None]:
        """Run sessions to their end.

        Parameters
        ----------
        loop
            `pfc_da.rollout.close_loop` of at most `copies` sessions of `n_steps` steps.
        effective
            `network.effective(weights)`.
        seed
            Of the initial potentials and of the noise.
        injected
            Current into each neuron through each step (step, neuron), in thresholds, the same in all sessions.
        record
            Keep spikes and membranes.

        Returns
        -------
        Rollout
            As of the rate network, but `drive` is the rate counted in each step, in Hz, mean of a unit's neurons.
        Spikes
            None unless `record`.
        """
        self._loop, self._effective, self._injected = loop, effective, injected
        began = self._monitored() if record else None
        self._spike_monitor.active = self._membrane_monitor.active = record
        with torch.inference_mode():
            self._prepare(seed)
            self._brian.run(n_steps * STEP_S * self._b2.second)
            self._advance()
        if self._played is None:
            raise ValueError(f"the loop goes on after {n_steps} steps.")
        return self._played, None if began is None else self._get_spikes(*began)

    def _build(self) -> Any:
        b2 = self._b2
        sd = SIGMA * math.sqrt(1 - math.exp(-2 * DT_S / TAU_M_S))  # what noise brings in dt
        clock = b2.Clock(DT_S * b2.second, name="prefrontal_clock")
        self._neurons = b2.NeuronGroup(
            self.copies * self.n_neurons,
            EQUATIONS,
            threshold="v > v_threshold",
            reset=RESET,
            refractory=(REFRACTORY_S + DT_S) * b2.second,
            method="euler",  # exact through `leak` and `noise`
            clock=clock,
            namespace={
                "leak": (1 - math.exp(-DT_S / TAU_M_S)) / (DT_S * b2.second),
                "noise": sd / math.sqrt(DT_S) * b2.second**-0.5,
                "v_threshold": 1 - 0.5826 * sd,
            },
            name="prefrontal",
        )
        recorded = self._neurons[: self.recorded * self.n_neurons]
        self._spike_monitor = b2.SpikeMonitor(recorded, name="prefrontal_spikes")
        self._traced = np.unique(np.linspace(0, self.network.n_units - 1, N_TRACED).astype(int))
        self._membrane_monitor = b2.StateMonitor(
            self._neurons, "v", self._traced * self.neurons_per_unit, clock=clock, name="prefrontal_membranes"
        )
        ticks = b2.Clock(TICK_S * b2.second, name="prefrontal_ticks")
        synapses = b2.NetworkOperation(self._on_tick, clock=ticks, when="start", name="prefrontal_synapses")
        network = b2.Network(self._neurons, self._spike_monitor, self._membrane_monitor, synapses)
        with compiling("prefrontal"):
            network.run(0 * b2.second)
        return network

    def _prepare(self, seed: int) -> None:
        """Begin anew, whatever ran before."""
        state, x, _ = next(self._loop)
        self._sessions, self._tick, self._step, self._played = len(state), 0, 0, None
        self._counts = self._counts_before = torch.zeros_like(state)
        self._synapses.set_back(state)
        self._begin_step(state, x)
        self._b2.seed(derive_seed(seed, "prefrontal", "noise") % 2**32)
        self._neurons.v = numpy_stream(seed, "prefrontal", "start").random(len(self._neurons))
        self._neurons.current = 0
        self._neurons.n_spikes = 0
        self._neurons.variables["lastspike"].set_value(-1e4)  # nobody is refractory; no public way to say so

    def _on_tick(self) -> None:
        """What synapses do at the beginning of every tick."""
        if self._tick > 0:
            self._advance()
        self._tick += 1
        current = torch.addmm(self._input, self._synapses.arriving, self._effective["w"])
        by_neuron = current.repeat_interleave(self.neurons_per_unit, 1).numpy()
        if self._injected is not None:
            by_neuron = by_neuron + self._injected[self._step]
        by_neuron = by_neuron.clip(min=INHIBITION)
        self._neurons.variables["current"].get_value()[: by_neuron.size] = by_neuron.ravel()
        if self._tick * TICK_S > TRACED_S:
            self._membrane_monitor.active = False

    def _advance(self) -> None:
        """Let the spikes of the tick that ended reach the synapses; at the end of a step, ask the task what comes."""
        fired = self._neurons.variables["n_spikes"].get_value().reshape(self.copies, self.network.n_units, -1)
        counts = torch.from_numpy(fired[: self._sessions].sum(-1)).float()
        self._synapses.advance(counts - self._counts)
        self._counts = counts
        if self._tick % TICKS_PER_STEP:
            return
        rate = (counts - self._counts_before) / (self.neurons_per_unit * STEP_S)
        self._counts_before = counts
        try:
            state, x, _ = self._loop.send((self._synapses.state, rate))
        except StopIteration as ended:
            self._played = ended.value
        else:
            self._step += 1
            self._begin_step(state, x)

    def _begin_step(self, state: Tensor, x: Tensor) -> None:
        """Hold the input for a step; the state may have been set back."""
        self._input = torch.addmm(self._effective["b"], x, self._effective["w_in"])
        if state is not self._synapses.state:
            self._synapses.set_back(state)

    def _monitored(self) -> tuple[float, int, int]:
        """Time, spikes and samples so far."""
        return float(self._brian.t_), int(self._spike_monitor.num_spikes), len(self._membrane_monitor.t)

    def _get_spikes(self, began: float, n_spikes: int, n_samples: int) -> Spikes:
        """What was monitored since."""
        copy, cell = np.divmod(np.array(self._spike_monitor.i[n_spikes:]), self.n_neurons)
        unit, neuron = np.divmod(cell, self.neurons_per_unit)
        time = np.array(self._spike_monitor.t_[n_spikes:]) - began
        order = np.lexsort((time, neuron, unit, copy))
        membrane = np.array(self._membrane_monitor.v[:, n_samples:])
        copy, unit, neuron, time = (array[order] for array in (copy, unit, neuron, time))
        return Spikes(copy, unit, neuron, time, membrane, self._traced)
