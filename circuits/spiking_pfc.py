"""Spiking version of a trained rate network: the same weights, leaky integrate-and-fire cells, in closed loop with a task.

Unit i of the rate network (`pfc_da.network.rate`) becomes k neurons n. Rest is 0, threshold 1, reset .5, all without units:

    tau_m dv_n/dt = max(I_i(t) - a_n, E_inh) - v_n + sigma sqrt(2 tau_m) xi_n(t)
    I_i(t)        = sum_j W_ji s_j(t) + sum_c Win_ci x_c(t) + b_i
    tau_j ds_j/dt = -s_j + (spikes of the k neurons of unit j, as a rate) / (k 10 Hz)
    tau_a da_n/dt = -a_n + c (spikes of neuron n, as a rate)

s_j is 1 at 10 Hz, and every spike increases it by 1 / (k 10 Hz tau_j). Every spike of a neuron increases its own adaptation
a_n by c / tau_a; c is `network.settings.adaptation`. No gain is fitted: the f-I curve of the rate network is that of these
neurons. The input x is constant during a phase; policy and value are read from s at its end.

Computation. All spikes of unit j reach all its targets with one time course, given by tau_j, so a target would need a
synaptic variable for each of its sources. Synapses are linear, so the current into all neurons is one matrix product s W,
computed every `pfc_da.clock.TICK_S` by a `NetworkOperation` for all copies (`pfc_da.circuits.slow_synapses`). Membranes
and adaptation are integrated every `DT_S`, exactly for the current of the tick.

Noise is normal: 16 random bits select one of the normal quantiles of a table, since the normal numbers of Brian would take
three quarters of all time. Two corrections are for dt alone: the threshold is lowered by .5826 sigma sqrt(1 - exp(-2 dt /
tau_m)) for crossings between two steps, and dt is added to the refractory time, because Brian dates a spike earlier by dt.
The f-I curve is then that of Siegert within 2 % (measured by a test).

References
----------
Conversion of rate networks into spiking ones, with a fitted gain: Kim, Li & Sejnowski 2019,
doi 10.1073/pnas.1905926116. Lowered threshold: Broadie, Glasserman & Kou 1997, doi 10.1111/1467-9965.00035.
f-I curve: Siegert 1951, doi 10.1103/PhysRev.81.617. Adaptation: Benda & Herz 2003, doi 10.1162/089976603322385063.
"""

import math
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from pfc_da.circuits.codegen import compiling, prepare_brian2
from pfc_da.circuits.slow_synapses import SlowSynapses
from pfc_da.clock import TICK_S
from pfc_da.errors import InputError
from pfc_da.network import PFCNetwork, Trace, Weights
from pfc_da.network.rate import ADAPTATION_S, RateNetwork
from pfc_da.rng import numpy_stream, torch_stream
from pfc_da.rollout import ClosedLoop, Rollout

TAU_M_S, REFRACTORY_S, RESET, SIGMA = 0.020, 0.002, 0.5, 0.35
"""Of the neuron whose f-I curve the rate network has (`pfc_da.network.rate`)."""
INHIBITION = -0.5
"""Reversal potential of inhibition, E_inh: -72.5 mV with a threshold 15 mV above a rest of -65 mV. A choice of ours;
anything from -.5 to 0 does."""
DT_S = 0.001
"""Step of the membranes."""
LONGEST_S = 1e6
"""Longest session in s; a run ends when the task does."""
N_TRACED, TRACED_S = 6, 4.0
"""Membrane traces: number of neurons of the first copy, and duration."""

EQUATIONS = """
dv/dt = leak * (clip(current - adaptation, e_inh, inf) - v) + kick * noise : 1 (unless refractory)
dadaptation/dt = -recovery * adaptation : 1
current : 1
noise : 1
n_spikes : integer
"""
ON_SPIKE = """
v = v_reset
adaptation += jump
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
        *,
        seed: int,
        injected: NDArray | None = None,
        record: bool = False,
    ) -> tuple[Rollout, Spikes | None]:
        """Run sessions to their end.

        Parameters
        ----------
        loop : ClosedLoop
            `pfc_da.rollout.close_loop` of at most `copies` sessions, all with the same durations.
        effective : Weights
            `network.effective(weights)`.
        seed : int
            Seed of the initial potentials and of the noise.
        injected : ndarray (step, neuron), optional
            Current into each neuron during each step, in thresholds, the same in all sessions.
        record : bool
            Keep spikes and membrane potentials.

        Returns
        -------
        Rollout
            As of the rate network, but `drive` is the rate counted in each bin, in Hz, mean of the neurons of a unit.
        Spikes
            None unless `record`.

        Raises
        ------
        ValueError
            If the sessions differ in the durations of their bins.
        """
        self._brian.restore()
        self._spike_monitor.active = record
        self._ticks = self._run_ticks(loop, effective, injected)
        self._noise = self._draw_noise(seed)
        self._neurons.v = RESET * numpy_stream(seed, "prefrontal", "start").random(len(self._neurons))
        self._rollout: Rollout | None = None
        with torch.inference_mode():
            for seconds, traced in ((TRACED_S, record), (LONGEST_S, False)):
                self._membrane_monitor.active = traced
                if self._rollout is None:
                    self._brian.run(seconds * self._b2.second)
        assert self._rollout is not None  # sessions end before `LONGEST_S`
        return self._rollout, self._get_spikes() if record else None

    def _build(self) -> Any:
        b2 = self._b2
        sd = SIGMA * math.sqrt(1 - math.exp(-2 * DT_S / TAU_M_S))  # what noise adds in dt
        clock = b2.Clock(DT_S * b2.second, name="prefrontal_clock")
        self._neurons = b2.NeuronGroup(
            self.copies * self.n_neurons,
            EQUATIONS,
            threshold="v > v_threshold",
            reset=ON_SPIKE,
            refractory=(REFRACTORY_S + DT_S) * b2.second,
            method="euler",  # exact through `leak`, `recovery` and `kick`
            clock=clock,
            namespace={
                "leak": (1 - math.exp(-DT_S / TAU_M_S)) / (DT_S * b2.second),
                "recovery": (1 - math.exp(-DT_S / ADAPTATION_S)) / (DT_S * b2.second),
                "kick": sd / (DT_S * b2.second),
                "v_threshold": 1 - 0.5826 * sd,
                "v_reset": RESET,
                "e_inh": INHIBITION,
                "jump": self.network.settings.adaptation / ADAPTATION_S,
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
        noise = b2.NetworkOperation(
            lambda: next(self._noise), clock=clock, when="start", name="prefrontal_noise"
        )
        network = b2.Network(self._neurons, self._spike_monitor, self._membrane_monitor, synapses, noise)
        with compiling("prefrontal"):
            network.run(0 * b2.second)
        self._neurons.variables["lastspike"].set_value(
            -1e4
        )  # no neuron is refractory; Brian2 has no public way
        network.store()
        return network

    def _draw_noise(self, seed: int) -> Iterator[None]:
        """Set the noise of every neuron, step by step."""
        rng, n = torch_stream(seed, "prefrontal", "noise"), len(self._neurons)
        steps = round(TICK_S / DT_S)
        quantiles = ndtri((np.arange(2**16) + 0.5) / 2**16)
        words = torch.empty(-(-steps * n // 4), dtype=torch.int64)
        drawn = words.numpy().view(np.uint16)[: steps * n].reshape(steps, n)
        noise = self._neurons.variables["noise"].get_value()
        while True:
            words.random_(-(2**63), None, generator=rng)
            for row in drawn:
                np.take(quantiles, row, out=noise, mode="clip")  # the other modes copy
                yield

    def _on_tick(self) -> None:
        """Begin a tick, or end the run."""
        try:
            next(self._ticks)
        except StopIteration as ended:
            self._rollout, self._end_s = ended.value, float(self._brian.t_)
            self._brian.stop()

    def _run_ticks(
        self, loop: ClosedLoop, effective: Weights, injected: NDArray | None
    ) -> Generator[None, None, Rollout]:
        """Yield once a tick, after its current is set, to the end of the sessions."""
        state, x, ticks, _ = next(loop)
        self._fired = torch.zeros_like(state[0])
        self._set_state(state)
        step = 0
        while True:
            constant = torch.addmm(effective["b"], x, effective["w_in"])
            if (leak := self.network.leak(effective, x)) is not None:
                self._synapses.set_leak(leak)
            stimulus = None if injected is None else injected[step]
            trace = yield from self._run_step(constant, effective["w"], ticks, stimulus)
            after = self._get_state()
            try:
                state, x, ticks, _ = loop.send((after, trace))
            except StopIteration as ended:
                return ended.value
            if state is not after:  # it was reset
                self._set_state(state)
            step += 1

    def _run_step(
        self, constant: Tensor, w: Tensor, ticks: Tensor, stimulus: NDArray | None
    ) -> Generator[None, None, Trace]:
        """Yield once a tick during the bins of one phase."""
        if (ticks != ticks[:, :1]).any():
            raise ValueError("sessions that run together as neurons must have the same durations.")
        gating, rates = [], []
        for n_ticks in ticks[:, 0].tolist():
            before = self._fired
            for _ in range(n_ticks):
                self._set_current(torch.addmm(constant, self._synapses.gating, w), stimulus)
                yield
                self._collect_spikes()
            seconds = self.neurons_per_unit * n_ticks * TICK_S
            gating.append(self._synapses.gating)
            rates.append((self._fired - before) / seconds)
        return Trace(torch.stack(gating), torch.stack(rates))

    def _set_current(self, current: Tensor, stimulus: NDArray | None) -> None:
        """Set the current (session, unit) into the neurons, and in addition `stimulus` (neuron,)."""
        by_neuron = current.repeat_interleave(self.neurons_per_unit, 1).numpy()
        if stimulus is not None:
            by_neuron = by_neuron + stimulus
        self._neurons.variables["current"].get_value()[: by_neuron.size] = by_neuron.ravel()

    def _collect_spikes(self) -> None:
        """Add the spikes of the last tick to the synapses."""
        fired = self._by_unit("n_spikes")[: len(self._fired)].sum(-1)
        counts = torch.from_numpy(fired).float()
        self._synapses.advance(counts - self._fired)
        self._fired = counts

    def _get_state(self) -> Tensor:
        """Gating and mean adaptation of the neurons of each unit, (2, session, unit)."""
        adaptation = self._by_unit("adaptation")[: len(self._fired)].mean(-1)
        return torch.stack([self._synapses.gating, torch.from_numpy(adaptation).float()])

    def _set_state(self, state: Tensor) -> None:
        """Set gating and adaptation of all neurons."""
        self._synapses.gating = state[0]
        self._by_unit("adaptation")[: state.shape[1]] = state[1, ..., None].numpy()

    def _by_unit(self, name: str) -> NDArray:
        """A variable of the neurons, (copy, unit, neuron of the unit); a view."""
        return self._neurons.variables[name].get_value().reshape(self.copies, self.network.n_units, -1)

    def _get_spikes(self) -> Spikes:
        """Spikes and membrane potentials of the last run, without the step in which Brian2 stopped."""
        end = self._end_s - DT_S / 2
        time = np.array(self._spike_monitor.t_)
        time = time[time < end]  # ascending
        copy, cell = np.divmod(np.array(self._spike_monitor.i)[: len(time)], self.n_neurons)
        unit, neuron = np.divmod(cell, self.neurons_per_unit)
        membrane = np.array(self._membrane_monitor.v)[:, np.array(self._membrane_monitor.t_) < end]
        order = np.lexsort((time, neuron, unit, copy))
        copy, unit, neuron, time = (array[order] for array in (copy, unit, neuron, time))
        return Spikes(copy, unit, neuron, time, membrane, self._traced)
