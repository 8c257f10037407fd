"""Spiking version of a trained rate network: the same weights, leaky integrate-and-fire cells, in closed loop with a task.

Unit i of the rate network (`pfc_da.network.rate`) becomes k neurons. Rest is 0, threshold 1, both without units:

    tau_m dv/dt   = max(I_i(t), E_inh) - v + sigma sqrt(2 tau_m) xi(t)
    I_i(t)        = sum_j W_ji s_j(t - d) + sum_c Win_ci x_c(t) + b_i
    tau_j ds_j/dt = -s_j + (spikes of the k neurons of unit j, as a rate) / (k 10 Hz)

s_j is 1 at 10 Hz, and every spike increases it by 1 / (k 10 Hz tau_j). No gain is fitted: the f-I curve of the rate network
is that of these neurons. The step of 100 ms becomes continuous time: inputs x are constant during a step; policy and value
are read from s at its end. Two properties preserve the function of a network that was trained in steps
(docs/spiking-pfc.md reports the loss without them):

* During a step the rate network uses s from the start of the step, on average half a step earlier. The synapses therefore
  have a delay d of this size.
* A rate follows its drive at once; a membrane starts from its present potential. Current therefore cannot move the membrane
  below the reversal potential of inhibition E_inh, where the neuron is silent in any case.

Computation. All spikes of unit j reach all its targets with one time course, given by tau_j, so a target would need a
synaptic variable for each of its sources. Synapses are linear, so the current into all neurons is one matrix product s W,
computed every `TICK_S` by a `NetworkOperation` for all copies (`pfc_da.circuits.slow_synapses`). A summed synaptic variable
of Brian takes 1.0 ns per synapse and tick, the product .03: 9 s against .2 for 128 copies of 128 units and 20 s of
simulated time, in which the membranes take 12. Membranes are integrated every `DT_S`, exactly for the current of the tick.
Two corrections are for dt alone: the threshold is lowered by .5826 sigma sqrt(1 - exp(-2 dt / tau_m)) for crossings between
two steps, and dt is added to the refractory time, because Brian dates a spike earlier by dt. The f-I curve is then that of
Siegert to 1 % (measured by a test).

References
----------
Conversion of rate networks into spiking ones, with a fitted gain: Kim, Li & Sejnowski 2019,
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
"""Membrane traces: number of neurons of the first copy, and duration."""

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
    """Spikes of the recorded copies, one per row, sorted by copy, unit, neuron and time, and some membrane potentials."""

    copy: NDArray
    unit: NDArray
    neuron: NDArray  # of the k of its unit
    time: NDArray  # s since the sessions began
    membrane: NDArray  # (traced, sample) of the first copy, thresholds; a sample every `DT_S`
    traced_unit: NDArray  # (traced,) their first neurons are traced


def require_spiking(network: PFCNetwork) -> RateNetwork:
    """Return the network if it has a spiking version.

    Raises
    ------
    InputError
        For a network without the f-I curve of the neurons.
    """
    if not isinstance(network, RateNetwork):
        raise InputError(
            f"network {type(network).__name__} has no spiking counterpart: its units have no firing rate. "
            "Train with --network rate."
        )
    if network.settings.curve != "lif":
        raise InputError(
            f"network.curve {network.settings.curve!r} is not the f-I curve of spiking neurons. "
            "Train with network.curve=lif."
        )
    return network


class SpikingPFC:
    """Neurons for `copies` sessions at the same time, for any weights of one network; one compiled object.

    Parameters
    ----------
    network : PFCNetwork
        The rate network; see `require_spiking`.
    copies : int
        Largest number of sessions simulated at the same time.
    neurons_per_unit : int
        k above. The weights of a unit are divided among its neurons.
    recorded : int
        Number of copies whose spikes are kept, the first ones.

    Raises
    ------
    InputError
        For a number below 1, or a network without a spiking version.

    Notes
    -----
    Brian2 draws noise from one generator per process, which `run` seeds; the same call gives the same spikes on the
    same target
    (`codegen`).
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
        """Neurons of one copy; those of a unit have consecutive indices."""
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
        loop : ClosedLoop
            `pfc_da.rollout.close_loop` of at most `copies` sessions of `n_steps` steps.
        effective : Weights
            `network.effective(weights)`.
        n_steps : int
        seed : int
            Seed of the initial potentials and of the noise.
        injected : ndarray (step, neuron), optional
            Current into each neuron during each step, in thresholds, the same in all sessions.
        record : bool
            Keep spikes and membrane potentials.

        Returns
        -------
        Rollout
            As of the rate network, but `drive` is the rate counted in each step, in Hz, mean of the neurons of a unit.
        Spikes
            None unless `record`.

        Raises
        ------
        ValueError
            If the sessions of `loop` are longer than `n_steps`.
        """
        self._loop, self._effective, self._injected = loop, effective, injected
        began = self._monitored() if record else None
        self._spike_monitor.active = self._membrane_monitor.active = record
        with torch.inference_mode():
            self._prepare(seed)
            self._brian.run(n_steps * STEP_S * self._b2.second)
            self._advance()
        if self._rollout is None:
            raise ValueError(f"the loop goes on after {n_steps} steps.")
        return self._rollout, None if began is None else self._get_spikes(*began)

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
        """Reset all variables and start the sessions."""
        state, x, _ = next(self._loop)
        self._sessions, self._tick, self._step, self._rollout = len(state), 0, 0, None
        self._counts = self._counts_before = torch.zeros_like(state)
        self._synapses.set_back(state)
        self._begin_step(state, x)
        self._b2.seed(derive_seed(seed, "prefrontal", "noise") % 2**32)
        self._neurons.v = numpy_stream(seed, "prefrontal", "start").random(len(self._neurons))
        self._neurons.current = 0
        self._neurons.n_spikes = 0
        self._neurons.variables["lastspike"].set_value(
            -1e4
        )  # no neuron is refractory; Brian2 has no public way

    def _on_tick(self) -> None:
        """Update of the synaptic current at the start of every tick."""
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
        """Add the spikes of the last tick to the synapses; at the end of a step, advance the task."""
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
            self._rollout = ended.value
        else:
            self._step += 1
            self._begin_step(state, x)

    def _begin_step(self, state: Tensor, x: Tensor) -> None:
        """Set the input of the step; the state may have been reset."""
        self._input = torch.addmm(self._effective["b"], x, self._effective["w_in"])
        if state is not self._synapses.state:
            self._synapses.set_back(state)

    def _monitored(self) -> tuple[float, int, int]:
        """Current time, number of spikes and number of samples."""
        return float(self._brian.t_), int(self._spike_monitor.num_spikes), len(self._membrane_monitor.t)

    def _get_spikes(self, began: float, n_spikes: int, n_samples: int) -> Spikes:
        """Spikes and membrane potentials since the given time."""
        copy, cell = np.divmod(np.array(self._spike_monitor.i[n_spikes:]), self.n_neurons)
        unit, neuron = np.divmod(cell, self.neurons_per_unit)
        time = np.array(self._spike_monitor.t_[n_spikes:]) - began
        order = np.lexsort((time, neuron, unit, copy))
        membrane = np.array(self._membrane_monitor.v[:, n_samples:])
        copy, unit, neuron, time = (array[order] for array in (copy, unit, neuron, time))
        return Spikes(copy, unit, neuron, time, membrane, self._traced)
