"""Spiking circuit of midbrain dopamine: bursts and pauses from received and expected reward.

                      +                          received = reward and any increase of value
    LH / PPTg  ---------------->  dopamine       expected = any decrease of value
    VTA GABA   ----------------|  dopamine       delta    = received - expected
    LHb --> RMTg --------------|  dopamine

LH and PPTg cells fire in proportion to received reward, VTA GABA cells to expected reward; dopamine cells compute the
difference. LHb cells fire in proportion to the negative error and inhibit dopamine cells through RMTg. In time, with a
reward r counted as received for L = `EVENT_S` after its delivery and the value V(t) of a critic,

    received(t) = r + rise of V,   expected(t) = fall of V,   from V(t - L) to gamma^L V(t)

so that received - expected is the error of temporal differences over L (`split_error`). All are leaky integrate-and-fire
neurons

    tau_m dv/dt = E - v + drive + current + g_e - g_i - ahp + sigma sqrt(2 tau_m) xi(t)
    tau_x dg_x/dt = -g_x,  g_x += w at every presynaptic spike;  tau_a dahp/dt = -ahp,  ahp += step at every own spike

in `copies` independent circuits of one network: three compiled objects for any number of copies. Connections and signs are
those of the references. Sizes, weights and drives are our choice (`MidbrainParameters`), tuned by the rates of dopamine
cells.

References
----------
VTA GABA cells signal expectation: Cohen et al. 2012, doi 10.1038/nature10754; dopamine cells subtract it: Eshel et al. 2015,
doi 10.1038/nature14855. LHb signals the negative error: Matsumoto & Hikosaka 2007, doi 10.1038/nature05860; through RMTg:
Jhou et al. 2009, doi 10.1016/j.neuron.2009.02.001, Hong et al. 2011, doi 10.1523/JNEUROSCI.1384-11.2011. Lower limit of
pauses: Bayer & Glimcher 2005, doi 10.1016/j.neuron.2005.05.020. Stimulation at chosen outcomes: Stopper et al. 2014,
doi 10.1016/j.neuron.2014.08.033.
"""

import dataclasses
import gc
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.circuits.codegen import compiling, prepare_brian2
from pfc_da.circuits.midbrain_parameters import POPULATIONS, PORTS, MidbrainParameters
from pfc_da.clock import TICK_S
from pfc_da.errors import InputError, nearest
from pfc_da.rng import derive_seed, numpy_stream

EVENT_S, REST_S = 0.3, 0.2
"""A reward, and the current of a stimulation, last 300 ms; of events presented by `respond` the next begins 200 ms later."""
BIN_S = 0.05
"""Duration of the bins of `respond`."""
WINDOW_S = (0.05, 0.35)
"""Spikes of an event are counted from 50 to 350 ms after its onset."""
N_BINS = round((EVENT_S + REST_S) / BIN_S)
SETTLE_S = 0.5
Drive = Generator[NDArray, NDArray, Any]
"""Yields currents and receives spikes, bin by bin (`MidbrainCircuit.follow`)."""

EQUATIONS = """
dv/dt = (e_leak - v + drive + current + g_e - g_i - ahp) / tau_m + sigma * sqrt(2 / tau_m) * xi : volt (unless refractory)
dg_e/dt = -g_e / tau_e : volt
dg_i/dt = -g_i / tau_i : volt
dahp/dt = -ahp / tau_ahp : volt
drive : volt (constant)
sigma : volt (constant)
ahp_step : volt (constant)
current : volt
n_spikes : integer
"""
RESET = """
v = v_reset
ahp += ahp_step
n_spikes += 1
"""


@dataclasses.dataclass(frozen=True)
class Response:
    """Spikes counted in `WINDOW_S` after the onset of every event: `counts` (event, copy, cell)."""

    counts: NDArray
    parameters: MidbrainParameters

    def rate(self, population: str = "da") -> NDArray:
        """Mean rate of a population in Hz, (event, copy)."""
        counts = self.counts[..., self.parameters.cells(population)]
        return counts.mean(-1) / (WINDOW_S[1] - WINDOW_S[0])


def split_error(reward: ArrayLike, value: ArrayLike, next_value: ArrayLike) -> tuple[NDArray, NDArray]:
    """Divide the error r + V' - V into received and expected reward; neither is negative.

    Only the change of value enters. A value that sums over many future trials would saturate the cells.

    Parameters
    ----------
    reward, value, next_value : array_like
        r, V and V' in rewards, of one shape. V' is discounted already: gamma^D V(t+D).

    Returns
    -------
    received, expected : ndarray
        In rewards.

    Examples
    --------
    >>> received, expected = split_error(reward=1.0, value=0.5, next_value=0.25)
    >>> float(received), float(expected)
    (1.0, 0.25)
    """
    reward, rise = np.asarray(reward, dtype=float), np.subtract(next_value, value, dtype=float)
    received = np.maximum(reward, 0) + np.maximum(rise, 0)
    return received, np.maximum(-reward, 0) + np.maximum(-rise, 0)


def _present(currents: NDArray, counts: NDArray) -> Drive:
    """Events one after another, (event, copy, population) in mV; spikes in `WINDOW_S` are added to `counts`."""
    first, last, end = (round(seconds / BIN_S) for seconds in (*WINDOW_S, EVENT_S))
    for event, current in enumerate(currents):
        for place in range(N_BINS):
            spikes = yield current if place < end else np.zeros_like(current)
            if first <= place < last:
                counts[event] += spikes


class MidbrainCircuit:
    """`copies` independent circuits in one Brian2 network, each with its own connections.

    Parameters
    ----------
    copies : int
        Circuits simulated at the same time; one per session.
    seed : int
        Seed of connections, initial potentials and noise.
    parameters : MidbrainParameters
        The calibration was made with the defaults.
    record : bool
        Keep the times of all spikes (`spikes`). This needs memory and is meant for few copies and events.

    Raises
    ------
    InputError
        If `copies` is below 1, or brian2 is not installed.

    Examples
    --------
    >>> circuit = MidbrainCircuit(copies=2)                               # doctest: +SKIP
    >>> circuit.respond(received=[[1.0]], expected=[[0.5]]).rate("da")    # doctest: +SKIP

    Notes
    -----
    The state continues from event to event, as in an animal. Brian2 draws noise from one generator per process, which
    `respond`
    seeds; the same sequence of calls gives the same spikes on the same target.
    """

    def __init__(
        self,
        copies: int,
        *,
        seed: int = 0,
        parameters: MidbrainParameters = MidbrainParameters(),  # noqa: B008  frozen
        record: bool = False,
    ) -> None:
        if copies < 1:
            raise InputError(f"copies must be 1 or more, got {copies}.")
        self.copies, self.parameters, self.seed = copies, parameters, seed
        self._b2 = prepare_brian2()
        self._calls = 0
        self._monitor = None
        with compiling("midbrain"):
            self._build(record)
            self._run(SETTLE_S)

    def respond(
        self,
        received: ArrayLike,
        expected: ArrayLike,
        stimulation: Mapping[str, ArrayLike] | None = None,
    ) -> Response:
        """Present events one after another to all copies, and count spikes.

        Parameters
        ----------
        received, expected : (event, copy)
            In rewards, not negative (`split_error`); anything that broadcasts to all copies.
        stimulation
            Current in mV during the event, by the name of a port (`PORTS`), broadcast likewise.

        Raises
        ------
        InputError
            For shapes that do not fit, a negative or infinite input, or a port there is not.
        """
        terms = self._broadcast({"received": received, "expected": expected, **(stimulation or {})})
        currents = self.event_current(**terms)
        counts = np.zeros((len(currents), self.copies, self.parameters.n_cells), np.int32)
        self.follow(_present(currents, counts), BIN_S, len(currents) * N_BINS)
        return Response(counts, self.parameters)

    def follow(self, drive: Drive, bin_s: float, n_bins: int) -> Any:
        """Run in time under currents that may depend on the spikes so far.

        Parameters
        ----------
        drive : Drive
            Yields the current of every bin in mV, (copy, population), and receives the spikes of the bin, (copy, cell).
        bin_s : float
            Duration of a bin in s, a multiple of `pfc_da.clock.TICK_S`.
        n_bins : int
            After so many bins `drive` returns.

        Returns
        -------
        object
            What `drive` returns.
        """
        per_bin, tick, before = round(bin_s / TICK_S), 0, self.count_spikes()
        self.set_current(next(drive))

        def change_current() -> None:
            nonlocal tick, before
            if tick and tick % per_bin == 0:
                now = self.count_spikes()
                self.set_current(drive.send(now - before))
                before = now
            tick += 1

        clock = self._b2.Clock(TICK_S * self._b2.second, name="midbrain_ticks")
        operation = self._b2.NetworkOperation(
            change_current, clock=clock, name="midbrain_events", when="start"
        )
        self.network.add(operation)
        try:
            self._run(n_bins * bin_s)
        except StopIteration:
            raise ValueError(f"drive must return after {n_bins} bins") from None
        finally:
            self.network.remove(operation)
        self.set_current(np.zeros((self.copies, len(POPULATIONS))))
        try:
            drive.send(self.count_spikes() - before)
        except StopIteration as ended:
            return ended.value
        raise ValueError(f"drive must return after {n_bins} bins")

    def event_current(self, received: NDArray, expected: NDArray, **stimulation: NDArray) -> NDArray:
        """Current into each population during an event.

        Parameters
        ----------
        received, expected : ndarray
            In rewards, of one shape.
        **stimulation : ndarray
            Current in mV by the name of a port (`PORTS`), of the same shape.

        Returns
        -------
        ndarray (..., population)
            In mV, in the order of `POPULATIONS`.
        """
        p, current = self.parameters, np.zeros((*received.shape, len(POPULATIONS)))
        current[..., POPULATIONS.index("lh")] = p.event_lh * received
        current[..., POPULATIONS.index("gaba")] = p.event_gaba * expected
        current[..., POPULATIONS.index("lhb")] = p.event_lhb * (expected - received)
        for port, amount in stimulation.items():
            current[..., POPULATIONS.index(PORTS[port])] += amount
        return current

    def set_current(self, current: NDArray) -> None:
        """Switch on a current in mV, (copy, population), until the next call.

        `follow` calls it. It is public, like `count_spikes`, for callers that add cells and an operation of their own to
        `network` and control the time of events themselves.
        """
        by_cell = np.repeat(current, list(self.parameters.sizes.values()), axis=-1)
        self.neurons.current_ = by_cell.ravel() * 1e-3

    def count_spikes(self) -> NDArray:
        """Spikes since the circuit was made, (copy, cell)."""
        return np.array(self.neurons.n_spikes[:]).reshape(self.copies, -1)

    def spikes(self) -> tuple[NDArray, NDArray, NDArray]:
        """Spikes of all copies.

        Returns
        -------
        copy, cell : ndarray (spike,)
            Index of the copy, and of the cell in it.
        time : ndarray (spike,)
            In s, from the first event.

        Raises
        ------
        InputError
            If the circuit was made without `record`.
        """
        if self._monitor is None:
            raise InputError("spike times were not kept. Make the circuit with record=True.")
        copy, cell = np.divmod(np.array(self._monitor.i), self.parameters.n_cells)
        return copy, cell, np.array(self._monitor.t_) - SETTLE_S

    def _build(self, record: bool) -> None:
        p, b2 = self.parameters, self._b2
        rng = numpy_stream(self.seed, "midbrain", "wiring")
        self._clock = b2.Clock(p.dt * b2.ms, name="midbrain_clock")
        self.neurons = self._make_neurons(rng)
        self.excitation = self._connect(rng, "e", {"lh": "da", "lhb": "rmtg"}, p.tau_e)
        self.inhibition = self._connect(rng, "i", {"gaba": "da", "rmtg": "da"}, p.tau_i)
        self.network = b2.Network(self.neurons, self.excitation, self.inhibition)
        if record:
            self._monitor = b2.SpikeMonitor(self.neurons, name="midbrain_spikes")
            self.network.add(self._monitor)

    def _make_neurons(self, rng: np.random.Generator) -> Any:
        p, b2 = self.parameters, self._b2
        volts = ("e_leak", "v_threshold", "v_reset")
        seconds = ("tau_m", "tau_e", "tau_i", "tau_ahp")
        constants = {name: getattr(p, name) * b2.mV for name in volts}
        constants |= {name: getattr(p, name) * b2.ms for name in seconds}
        neurons = b2.NeuronGroup(
            self.copies * p.n_cells,
            EQUATIONS,
            threshold="v > v_threshold",
            reset=RESET,
            refractory=p.t_refractory * b2.ms,
            method="euler",
            clock=self._clock,
            namespace=constants,
            name="midbrain",
        )
        tonic = {name: getattr(p, f"drive_{name}") for name in POPULATIONS}
        noise = dict.fromkeys(POPULATIONS, p.sigma) | {"da": p.sigma_da}
        neurons.drive_ = np.tile(p.per_cell(tonic), self.copies) * 1e-3
        neurons.sigma_ = np.tile(p.per_cell(noise), self.copies) * 1e-3
        neurons.ahp_step_ = np.tile(p.per_cell({"da": p.ahp_da}), self.copies) * 1e-3
        neurons.v_ = rng.uniform(p.v_reset, p.v_threshold, len(neurons)) * 1e-3
        return neurons

    def _connect(self, rng: np.random.Generator, kind: str, pathways: Mapping[str, str], tau: float) -> Any:
        """All synapses of one sign. A spike brings w / (10 Hz x inputs x tau), whose mean effect at 10 Hz is w."""
        p = self.parameters
        parts = []
        for source, target in pathways.items():
            n_source, n_target = p.sizes[source], p.sizes[target]
            n_inputs = max(1, round(p.connected * n_source))
            order = rng.random((self.copies, n_target, n_source)).argsort(-1)[..., :n_inputs]
            first = np.arange(self.copies) * p.n_cells
            pre = first[:, None, None] + p.cells(source).start + order
            post = first[:, None, None] + p.cells(target).start + np.arange(n_target)[:, None]
            jump = getattr(p, f"w_{source}_{target}") / (10 * n_inputs * tau * 1e-3)
            parts.append((pre.ravel(), np.broadcast_to(post, pre.shape).ravel(), np.full(pre.size, jump)))
        pre, post, jump = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        synapses = self._b2.Synapses(
            self.neurons,
            model="w : volt (constant)",
            on_pre=f"g_{kind}_post += w",
            clock=self._clock,
            name=f"midbrain_{kind}",
        )
        synapses.connect(i=pre, j=post)
        synapses.w_ = jump * 1e-3
        return synapses

    def _broadcast(self, terms: Mapping[str, ArrayLike]) -> dict[str, NDArray]:
        """All inputs as (event, copy), checked."""
        arrays = {name: np.asarray(values, dtype=float) for name, values in terms.items()}
        for name, array in arrays.items():
            if name not in ("received", "expected", *PORTS):
                raise InputError(
                    f"no port {name!r} to stimulate.{nearest(name, PORTS)} There are: {', '.join(PORTS)}."
                )
            if not np.isfinite(array).all() or (name not in PORTS and (array < 0).any()):
                raise InputError(f"{name} must be finite{'' if name in PORTS else ' and not negative'}.")
        try:
            both = np.broadcast_shapes(*(array.shape for array in arrays.values()), (1, self.copies))
        except ValueError:
            both = ()
        if len(both) != 2 or both[1] != self.copies:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise InputError(f"inputs must be (event, copy) with {self.copies} copies, got {shapes}.")
        return {name: np.broadcast_to(array, both) for name, array in arrays.items()}

    def _run(self, seconds: float) -> None:
        self._b2.seed(derive_seed(self.seed, "midbrain", "noise", self._calls) % 2**32)
        self._calls += 1
        gc.freeze()  # Brian2 collects garbage at every run: a fifth of a second, half of an event of few copies
        try:
            self.network.run(seconds * self._b2.second)
        finally:
            gc.unfreeze()
