"""Dopamine-dependent spike-timing plasticity: a circuit that learns which of two actions is correct for a stimulus.

    100 inputs  --w-->  2 pools of 20 neurons with mutual inhibition; the pool with more spikes determines the action
    reward, value of the stimulus  -->  midbrain circuit  -->  spikes of dopamine cells  -->  every w

Each synapse keeps a trace of its recent pairs of spikes, its eligibility c, and changes only while dopamine differs from
its baseline:

    x -> x + 1, c -> c - a y                            at a presynaptic spike
    y -> y + 1, c -> c + x                              at a postsynaptic spike
    dx/dt = -x / tau_x,  dy/dt = -y / tau_y,  dc/dt = -c / tau_c
    dw/dt = eta c (D - D_0),  0 <= w <= w_max

x and y are traces of the last spikes of the pre- and the postsynaptic neuron (STDP). D is the mean rate in Hz of the 100
dopamine cells of `pfc_da.circuits.midbrain`, counted every `TICK_S`. D_0 is the rate of these cells at rest, measured before
the first trial. The outcome follows the choice; c stores the pairs until then. The midbrain circuit receives the reward and
the value of the stimulus. This value is one number per stimulus, without neurons, and learns from the same cells,

    V -> V + eta_v (D - D_0)                            at the end of a trial

so that mean dopamine returns to its baseline, whatever the asymmetry of bursts and pauses.

A trial lasts 500 ms: stimulus 200 ms, in which the midbrain recovers from the last event, then outcome 300 ms.

References
----------
STDP, eligibility and dopamine: Izhikevich 2007, doi 10.1093/cercor/bhl152. Three-factor rules, and why dopamine must be
relative to expectation: Fremaux & Gerstner 2016, doi 10.3389/fncir.2015.00085.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pfc_da.circuits.codegen import compiling, prepare_brian2
from pfc_da.circuits.midbrain import EVENT_S, REST_S, WINDOW_S, MidbrainCircuit
from pfc_da.circuits.midbrain_parameters import POPULATIONS, MidbrainParameters
from pfc_da.errors import InputError
from pfc_da.rng import derive_seed, numpy_stream

DT_S, TICK_S = 0.001, 0.010
STIMULUS_S, TRIAL_S = REST_S, EVENT_S + REST_S
CHOICE_TICK, N_TICKS = round(STIMULUS_S / TICK_S), round(TRIAL_S / TICK_S)
COUNT_TICK = round((STIMULUS_S + WINDOW_S[0]) / TICK_S)
"""From this tick to the end of the trial dopamine is counted for learning of value."""
BASELINE_S = 5.0
"""Duration of the measurement of D_0: with 16 copies of 100 Poisson cells the standard error is .03 Hz."""

INPUTS = "rate : Hz"
NEURONS = """
dv/dt = -v / tau_m + sigma * sqrt(2 / tau_m) * xi : 1 (unless refractory)
dopamine : Hz
n_spikes : integer
"""
SYNAPSES = """
w : 1
c : 1
dx/dt = -x / tau_x : 1 (event-driven)
dy/dt = -y / tau_y : 1 (event-driven)
"""
AT_INPUT = """
v_post += w
x += 1
c -= acausal * y
"""
AT_SPIKE = """
y += 1
c += x
"""
AT_TICK = """
w = clip(w + eta * c * dopamine_post, 0, w_max)
c *= keep
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlasticityParameters:
    """Every parameter of the learning circuit but the midbrain's; all are ours, chosen for the task to be learned."""

    n_inputs: int = 100
    """inputs, half of them for each stimulus"""
    n_pool: int = 20
    """neurons for each of two actions"""
    rate_on: float = 30.0
    """Hz, Poisson rate of the inputs of the stimulus that is shown"""
    rate_off: float = 1.0
    """Hz, of all others"""
    tau_m: float = 20.0
    """ms, membrane; a neuron fires at 1 and is set back to 0, for 2 ms"""
    sigma: float = 0.2
    """thresholds, s.d. of a free membrane"""
    w_start: float = 0.03
    """thresholds, mean weight before learning; uniform within a fifth of it"""
    w_max: float = 0.08
    """thresholds, largest weight"""
    w_inhibition: float = 0.06
    """thresholds, taken from every neuron of the other pool at a spike"""
    tau_x: float = 20.0
    """ms, what a presynaptic spike leaves"""
    tau_y: float = 20.0
    """ms, what a postsynaptic spike leaves"""
    acausal: float = 0.25
    """weight of pairs in which the postsynaptic spike was first"""
    tau_c: float = 500.0
    """ms, eligibility"""
    eta: float = 0.001
    """thresholds / (Hz s) for an eligibility of 1"""
    eta_value: float = 0.02
    """rewards / Hz, learning of the value of a stimulus"""
    value_start: float = 0.5
    """rewards, value of a stimulus before learning: what chance earns"""
    p_reward: float = 0.9
    """probability of a reward of 1 for the right action; 1 minus this for the wrong one"""


class Learning(NamedTuple):
    """Results by trial."""

    stimulus: NDArray  # (trial, copy) 0 or 1
    choice: NDArray  # (trial, copy) 0 or 1
    is_correct: NDArray  # (trial, copy) bool
    reward: NDArray  # (trial, copy)
    value: NDArray  # (trial, copy) of the stimulus, before the outcome
    dopamine_hz: (
        NDArray  # (trial, copy) rate less its baseline, from 50 ms after the outcome to the end of the trial
    )
    pool_hz: NDArray  # (trial, copy, action) while the stimulus lasts
    weight: NDArray  # (trial, copy, stimulus, action) mean at the end of the trial


def make_synapses(
    b2: Any, inputs: Any, neurons: Any, p: PlasticityParameters, index: tuple[NDArray, NDArray]
) -> Any:
    """Plastic synapses; c and w are updated every `TICK_S`.

    Parameters
    ----------
    b2 : module
        brian2.
    inputs, neurons : brian2.NeuronGroup
        Presynaptic group; postsynaptic group, whose variable `dopamine` is D - D_0.
    p : PlasticityParameters
    index : tuple of ndarray (synapse,)
        Indices of the pre- and of the postsynaptic cell.

    Returns
    -------
    brian2.Synapses
    """
    synapses = b2.Synapses(
        inputs,
        neurons,
        model=SYNAPSES,
        on_pre=AT_INPUT,
        on_post=AT_SPIKE,
        clock=neurons.clock,
        namespace={
            "tau_x": p.tau_x * b2.ms,
            "tau_y": p.tau_y * b2.ms,
            "acausal": p.acausal,
            "eta": p.eta * TICK_S * b2.second,  # over the tick
            "w_max": p.w_max,
            "keep": math.exp(-TICK_S / (p.tau_c * 1e-3)),
        },
        name="plasticity_synapses",
    )
    synapses.connect(i=index[0], j=index[1])
    ticks = b2.Clock(TICK_S * b2.second, name="plasticity_synapses_ticks")
    synapses.run_regularly(AT_TICK, clock=ticks, when="start", order=1, name="plasticity_change")
    return synapses


class TwoChoiceCircuit:
    """`copies` agents, each with its inputs, pools, synapses and midbrain, in one Brian2 network.

    Parameters
    ----------
    copies : int
        Agents that learn in parallel. The correct action for a stimulus is drawn for each.
    seed : int
        Seed of weights, stimuli, rewards, potentials and noise.
    parameters : PlasticityParameters
        Of pools and synapses.
    midbrain : MidbrainParameters
        Of the midbrain circuit.

    Notes
    -----
    Learning continues from call to call. Brian2 draws noise from one generator per process, which `learn` seeds; the same
    calls give the same spikes on the same target.
    """

    def __init__(
        self,
        copies: int,
        *,
        seed: int = 0,
        parameters: PlasticityParameters = PlasticityParameters(),  # noqa: B008  frozen
        midbrain: MidbrainParameters = MidbrainParameters(),  # noqa: B008  frozen
    ) -> None:
        self.midbrain = MidbrainCircuit(copies, seed=seed, parameters=midbrain)
        self.copies, self.seed, self.parameters = copies, seed, parameters
        self.value = np.full((copies, 2), parameters.value_start)
        self._rng = numpy_stream(seed, "plasticity", "task")
        self.right_action = self._rng.permuted(np.tile([0, 1], (copies, 1)), axis=1)  # (copy, stimulus)
        self._b2 = prepare_brian2()
        self._calls = 0
        self.baseline_hz = self._measure_baseline()
        self._build()

    def learn(self, n_trials: int, *, with_outcomes: bool = True) -> Learning:
        """Run trials in all copies.

        Parameters
        ----------
        n_trials : int
            Trials of 500 ms, at least 1.
        with_outcomes : bool
            Whether the midbrain circuit receives the outcomes. If not, its dopamine cells stay at their baseline, with
            all their
            noise, and the synapses continue to depend on them.

        Returns
        -------
        Learning

        Raises
        ------
        InputError
            If `n_trials` is below 1.
        """
        if n_trials < 1:
            raise InputError(f"n_trials must be 1 or more, got {n_trials}.")
        self._with_outcomes, self._tick = with_outcomes, 0
        self._happened: list[tuple[NDArray, ...]] = []
        self._b2.seed(derive_seed(self.seed, "plasticity", "noise", self._calls) % 2**32)
        self._calls += 1
        self.midbrain.network.run(n_trials * TRIAL_S * self._b2.second)
        self._end_trial()
        return Learning(*(np.array(each) for each in zip(*self._happened, strict=True)))

    def mean_weight(self) -> NDArray:
        """Mean weight from the inputs of each stimulus to each pool, (copy, stimulus, action)."""
        p = self.parameters
        w = np.array(self.synapses.w).reshape(self.copies, 2, p.n_inputs // 2, 2, p.n_pool)
        return w.mean((2, 4))

    def _measure_baseline(self) -> float:
        """Mean rate of the dopamine cells of all copies without events."""
        nothing, before = np.zeros((round(BASELINE_S / TRIAL_S), self.copies)), self._count_dopamine()
        self.midbrain.respond(nothing, nothing)
        return float((self._count_dopamine() - before).mean() / BASELINE_S)

    def _build(self) -> None:
        p, b2 = self.parameters, self._b2
        clock = b2.Clock(DT_S * b2.second, name="plasticity_clock")
        ticks = b2.Clock(TICK_S * b2.second, name="plasticity_ticks")
        self._inputs = b2.NeuronGroup(
            self.copies * p.n_inputs,
            INPUTS,
            threshold="rand() < rate * dt",
            clock=clock,
            name="plasticity_inputs",
        )
        self.neurons = b2.NeuronGroup(
            self.copies * 2 * p.n_pool,
            NEURONS,
            threshold="v > 1",
            reset="v = 0\nn_spikes += 1",
            refractory=2 * b2.ms,
            method="euler",
            clock=clock,
            namespace={"tau_m": p.tau_m * b2.ms, "sigma": p.sigma},
            name="plasticity_pools",
        )
        self.synapses = make_synapses(b2, self._inputs, self.neurons, p, self._pairs(p.n_inputs))
        rng = numpy_stream(self.seed, "plasticity", "start")
        self.synapses.w = p.w_start * rng.uniform(0.8, 1.2, len(self.synapses))
        inhibition = b2.Synapses(
            self.neurons,
            on_pre="v_post -= w_inhibition",
            clock=clock,
            namespace={"w_inhibition": p.w_inhibition},
            name="plasticity_inhibition",
        )
        source, target = self._pairs(2 * p.n_pool)
        rivals = (source // p.n_pool) % 2 != (target // p.n_pool) % 2
        inhibition.connect(i=source[rivals], j=target[rivals])
        operation = b2.NetworkOperation(self._on_tick, clock=ticks, when="start", name="plasticity_task")
        self.midbrain.network.add(self._inputs, self.neurons, self.synapses, inhibition, operation)
        self._dopamine_count = self._count_dopamine()
        with compiling("plasticity"):
            self.midbrain.network.run(0 * b2.second)

    def _pairs(self, n_sources: int) -> tuple[NDArray, NDArray]:
        """Every source with every neuron of its own copy, ordered by copy, source, neuron."""
        n_neurons = 2 * self.parameters.n_pool
        copy, source, neuron = (
            axis.ravel() for axis in np.indices((self.copies, n_sources, n_neurons), dtype=np.int32)
        )
        return copy * n_sources + source, copy * n_neurons + neuron

    def _on_tick(self) -> None:
        """Every 10 ms: update dopamine at the synapses; present stimuli, read choices, give outcomes."""
        tick = self._tick % N_TICKS
        if tick == 0:
            if self._tick > 0:
                self._end_trial()
            self._begin_trial()
        elif tick == CHOICE_TICK:
            self._choose()
        elif tick == COUNT_TICK:
            self._dopamine_from = self._count_dopamine()
        self._tick += 1
        count = self._count_dopamine()
        since, self._dopamine_count = count - self._dopamine_count, count
        self.neurons.dopamine_ = np.repeat(since / TICK_S - self.baseline_hz, 2 * self.parameters.n_pool)

    def _begin_trial(self) -> None:
        """End the event of the last trial; present a stimulus."""
        p = self.parameters
        self._everyone = np.arange(self.copies)
        self._stimulus = self._rng.integers(2, size=self.copies)
        self.midbrain.set_current(np.zeros((self.copies, len(POPULATIONS))))
        is_shown = np.arange(2) == self._stimulus[:, None]  # (copy, stimulus)
        self._inputs.rate_ = np.repeat(np.where(is_shown, p.rate_on, p.rate_off), p.n_inputs // 2)
        self._pool_count = self._count_pools()

    def _choose(self) -> None:
        """Action of the pool with more spikes, at random in a tie; send the outcome to the midbrain."""
        p = self.parameters
        self._fired = self._count_pools() - self._pool_count
        self._choice = (self._fired + self._rng.uniform(0, 0.5, self._fired.shape)).argmax(1)
        self._is_correct = self._choice == self.right_action[self._everyone, self._stimulus]
        chance = np.where(self._is_correct, p.p_reward, 1 - p.p_reward)
        self._reward = (self._rng.random(self.copies) < chance).astype(float)
        self._inputs.rate_ = p.rate_off
        if self._with_outcomes:
            expected = self.value[self._everyone, self._stimulus]
            self.midbrain.set_current(self.midbrain.event_current(self._reward, expected))

    def _end_trial(self) -> None:
        """Update the value of the stimulus, and store the trial."""
        where, counted_s = (self._everyone, self._stimulus), (N_TICKS - COUNT_TICK) * TICK_S
        dopamine = (self._count_dopamine() - self._dopamine_from) / counted_s - self.baseline_hz
        before = self.value[where].copy()
        self.value[where] = np.clip(before + self.parameters.eta_value * dopamine, 0, 1)
        trial = (self._stimulus, self._choice, self._is_correct, self._reward, before, dopamine)
        self._happened.append((*trial, self._fired / STIMULUS_S / self.parameters.n_pool, self.mean_weight()))

    def _count_dopamine(self) -> NDArray:
        """Spikes of a dopamine cell since the circuit was made, mean over those of a copy, (copy,)."""
        return self.midbrain.count_spikes()[:, self.midbrain.parameters.cells("da")].mean(1)

    def _count_pools(self) -> NDArray:
        """Spikes since the circuit was made, (copy, action)."""
        return np.array(self.neurons.n_spikes[:]).reshape(self.copies, 2, -1).sum(-1)
