"""The spiking prefrontal network: f-I curve, adaptation, synapses, equivalence with rates, and its loop with a task."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erfcx

from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.spiking_pfc import (
    DT_S,
    INHIBITION,
    REFRACTORY_S,
    RESET,
    SIGMA,
    TAU_M_S,
    SpikingPFC,
    require_spiking,
)
from pfc_da.clock import TICK_S, cut_evenly
from pfc_da.dopamine import Block, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network import Trace
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import ADAPTATION_S, RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.lever_stimulation import LeverStimulation
from pfc_da.rng import torch_stream
from pfc_da.rollout import Condition, close_loop, input_size, rollout
from pfc_da.settings import LSTMNetworkSettings, RateNetworkSettings

BIN_S = 0.05
DURATIONS = (0.1, 0.05, 0.1, 0.05, 0.05)
"""Of the phases of the test trials, in s."""


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


def build(task, seed=0, **settings):
    """A network without noise in training, and weights with inputs and read-outs large enough to matter."""
    settings = RateNetworkSettings(
        **{"n_units": 10, "input_gain": 0.3, "read_out_gain": 2.0, "neurons_per_unit": 0} | settings
    )
    network = RateNetwork(input_size(task, settings.feedback_channels), task.n_actions, settings)
    return network, network.effective(network.init(torch_stream(seed, "birth")))


def cut(effective, drive):
    """Weights with a constant drive and nothing else."""
    return effective | {"w": 0 * effective["w"], "w_in": 0 * effective["w_in"], "b": drive}


def arrange(task, sessions, seed=0, **changed):
    streams = {f"{name}_rng": torch_stream(seed, name) for name in ("task", "choice", "noise")}
    seconds = torch.tensor(DURATIONS[: len(task.phases)]).repeat(task.n_trials)[:, None]
    schedule = cut_evenly(seconds.expand(-1, sessions), BIN_S)
    return {"dopamine": DopamineSystem(0.8), "schedule": schedule, **streams, **changed}


def hold(network, effective, inputs, ticks, sessions=1):
    """A loop without a task: one row of `inputs` (step, channel) after the other, `ticks` (bin,) in each step."""
    traces, states = [], []
    state = network.initial_state(effective, sessions)
    for x in inputs:
        columns = torch.tensor(ticks)[:, None].expand(-1, sessions)
        state, trace = yield state, x.expand(sessions, -1), columns, None
        traces.append(trace)
        states.append(state)
    return torch.stack(states), Trace(*(torch.cat(each) for each in zip(*traces, strict=True)))


def silence(network, n_steps):
    """Zero input."""
    return torch.zeros(n_steps, network.n_inputs)


def siegert(drive):
    scale = SIGMA * np.sqrt(2)
    integral, _ = quad(lambda u: erfcx(-u), (RESET - drive) / scale, (1 - drive) / scale)
    return 1 / (REFRACTORY_S + TAU_M_S * np.sqrt(np.pi) * integral)


def measure_rates(drives, adaptation, seconds=4, sessions=150):
    """Mean rate (unit,) after the first second, and four standard errors of it."""
    network, effective = build(Bandit(), n_units=len(drives), adaptation=adaptation)
    alone = cut(effective, torch.tensor(drives))
    neurons = SpikingPFC(network, sessions, neurons_per_unit=2)
    loop = hold(network, alone, silence(network, seconds), [50, 50], sessions)
    (_, trace), _ = neurons.run(loop, alone, seed=1)
    by_session = trace.drive[2:].mean(0)
    return by_session.mean(0).numpy(), 4 * (by_session.std(0) / sessions**0.5).numpy(), network


def test_neurons_have_the_rates_of_siegert_and_of_the_rate_network():
    drives = [0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]
    rate, error, network = measure_rates(drives, adaptation=0.0)
    expected = np.array([siegert(drive) for drive in drives])
    assert (np.abs(rate - expected) < 0.02 * expected + error).all(), (rate, expected)
    of_network = network.rate(torch.tensor(drives)).numpy()
    assert (np.abs(rate - of_network) < 0.3 + 0.02 * of_network + error).all()


def test_adapted_rates_solve_the_equation_of_the_rate_network():
    """r = phi(I - c r), by bisection."""
    drives, c = [0.3, 0.6, 0.9, 1.2], 0.01
    rate, error, _ = measure_rates(drives, adaptation=c)
    low, high = np.zeros(4), np.full(4, 200.0)
    for _ in range(50):
        middle = (low + high) / 2
        above = middle > [siegert(drive - c * r) for drive, r in zip(drives, middle, strict=True)]
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    assert (np.abs(rate - low) < 0.03 * low + error).all(), (rate, low)
    assert (low < [0.9 * siegert(drive) for drive in drives]).all()  # it matters


def test_adaptation_is_the_filtered_spike_train_of_each_neuron():
    """Closed form from the recorded spikes: a decays with .2 s, and every spike adds c / .2 s."""
    c = 0.02
    network, effective = build(Bandit(), adaptation=c)
    alone = cut(effective, torch.linspace(0.3, 1.2, 10))
    neurons = SpikingPFC(network, 2, neurons_per_unit=3, recorded=2)
    inputs = silence(network, 3)
    (states, _), spikes = neurons.run(hold(network, alone, inputs, [10], 2), alone, seed=0, record=True)
    end, per_neuron = (
        0.3,
        np.full((2, 10, 3), 4.0 * c * np.exp(-0.3 / ADAPTATION_S)),
    )  # begins adapted to 4 Hz
    since = end - DT_S - spikes.time  # a spike counts at the end of its step
    kernel = c / ADAPTATION_S * np.exp(-since / ADAPTATION_S)
    np.add.at(per_neuron, (spikes.copy, spikes.unit, spikes.neuron), kernel)
    np.testing.assert_allclose(states[-1, 1].numpy(), per_neuron.mean(-1), rtol=1e-5)
    assert len(spikes.time) > 100


@pytest.mark.parametrize("gate_gain", [0.0, 3.0], ids=["no gate", "gate"])
def test_gating_is_the_filtered_spike_train_of_the_unit(gate_gain):
    """Closed form from the recorded spikes, with times within a tick unknown to the synapse."""
    network, effective = build(Bandit(), adaptation=0.0, gate_gain=gate_gain)
    alone = cut(effective, torch.linspace(0.3, 1.2, 10))
    if gate_gain:
        alone["b_gate"] = torch.linspace(-1, 0.1, 10)
    neurons = SpikingPFC(network, 1, neurons_per_unit=2)
    (_, trace), spikes = neurons.run(
        hold(network, alone, silence(network, 4), [3, 7]), alone, seed=0, record=True
    )
    opened = 2 / (1 + np.exp(-3 * np.linspace(-1, 0.1, 10))) if gate_gain else 1.0
    tau, ends = network.tau.numpy() / opened, np.cumsum([0.03, 0.07] * 4)
    for gating, end in zip(trace.gating[:, 0].numpy(), ends, strict=True):
        since = end - spikes.time
        kernel = np.exp(-since / tau[spikes.unit]) / (2 * 10 * tau[spikes.unit]) * (since > DT_S / 2)
        expected = 0.4 * np.exp(-end / tau) + np.bincount(spikes.unit, kernel, minlength=10)
        np.testing.assert_allclose(gating, expected, rtol=TICK_S / 0.1)


def test_inhibition_brings_no_neuron_below_its_reversal_potential():
    """However strong the inhibition was, the neuron is back as soon as it ends."""
    network, effective = build(Bandit(), n_units=8)
    alone = cut(effective, torch.full((8,), -20.0)) | {"w_in": 21.0 + 0 * effective["w_in"]}
    neurons = SpikingPFC(network, 100, recorded=1)
    inputs = silence(network, 4)
    inputs[2:, 0] = 1.0
    (_, trace), spikes = neurons.run(hold(network, alone, inputs, [10], 100), alone, seed=0, record=True)
    assert trace.drive[1].mean() < 0.1
    quiet = spikes.membrane[:, 60:200]
    assert quiet.mean() == pytest.approx(INHIBITION, abs=0.25)
    assert trace.drive[2].mean() > 0.6 * siegert(1.0)


def test_many_neurons_a_unit_follow_the_rate_network():
    """Connected units with adaptation after a change of input: 1000 neurons a unit and rates in short bins."""
    network, effective = build(Bandit(), tau_max=0.3, tau_slow=0.5)
    inputs = torch.full((3, network.n_inputs), 0.3)
    inputs[1:] = -0.3
    neurons, ticks = SpikingPFC(network, 1, neurons_per_unit=1000), [1] * 40
    (states, _), _ = neurons.run(hold(network, effective, inputs, ticks), effective, seed=0)

    def advance(effective):
        state = network.initial_state(effective, 1)
        for x in inputs:
            state, _ = network.advance(effective, state, x[None], torch.tensor(ticks)[:, None], None)
        return state

    expected = advance(effective)
    difference = (states[-1] - expected).abs()
    assert (difference[0] < 0.06 + 0.03 * expected[0]).all(), (states[-1, 0], expected[0])
    assert (difference[1] < 0.003 + 0.03 * expected[1]).all(), (states[-1, 1], expected[1])
    unconnected = advance(effective | {"w": 0 * effective["w"]})
    assert (expected - unconnected)[0].abs().max() > 0.2  # the synapses matter


def run_bandit(sessions=5, copies=5, seed=0, task=None, **run):
    task = task or Bandit(n_trials=3)
    network, effective = build(task)
    neurons = SpikingPFC(network, copies, recorded=2, neurons_per_unit=2)
    loop = close_loop(network, effective, task, **arrange(task, sessions))
    return *neurons.run(loop, effective, seed=seed, **run), network, effective, neurons


def test_sessions_are_those_of_the_rate_network():
    task = Bandit(n_trials=3)
    batch, _, network, effective, _ = run_bandit(task=task)
    rate = rollout(network, effective, task, **arrange(task, 5))
    assert torch.equal(batch.problem["p_reward"], rate.problem["p_reward"])
    assert torch.equal(batch.x[0], rate.x[0]) and torch.equal(batch.gating[0], rate.gating[0])
    assert batch.gating.shape == rate.gating.shape and batch.drive.shape == rate.drive.shape
    assert not torch.equal(batch.gating[1], rate.gating[1])
    logits, value = network.read_out(effective, batch.gating[1:][batch.schedule.last])
    torch.testing.assert_close(batch.logits, logits)
    torch.testing.assert_close(batch.value, value)


def test_the_same_seed_gives_the_same_spikes_whatever_ran_before():
    batch, spikes, network, effective, neurons = run_bandit(record=True)
    task = Bandit(n_trials=3)

    def run(seed, **more):
        loop = close_loop(network, effective, task, **arrange(task, 5))
        return neurons.run(loop, effective, seed=seed, **more)

    other, none = run(seed=1)
    assert none is None and not torch.equal(batch.drive, other.drive)
    again, spikes_again = run(seed=0, record=True)
    assert torch.equal(batch.gating, again.gating)
    assert all(map(np.array_equal, spikes, spikes_again))


def test_recorded_spikes_are_those_that_were_counted():
    batch, spikes, network, _, _ = run_bandit(sessions=3, copies=5, record=True)  # two copies stay idle
    assert set(spikes.copy) == {0, 1} and set(spikes.neuron) == {0, 1}
    counted = np.zeros_like(batch.drive[:, :2])
    bins = np.floor((spikes.time + DT_S / 2) / BIN_S).astype(int)
    np.add.at(counted, (bins, spikes.copy, spikes.unit), 1)
    np.testing.assert_allclose(counted / (2 * BIN_S), batch.drive[:, :2].numpy(), rtol=1e-5)
    assert spikes.membrane.shape[1] == round(len(batch.drive) * BIN_S / DT_S) and spikes.membrane.max() < 1
    order = np.lexsort((spikes.time, spikes.neuron, spikes.unit, spikes.copy))
    assert (order == np.arange(len(spikes.time))).all()


def test_spikes_of_a_neuron_are_at_least_a_refractory_time_apart():
    network, effective = build(Bandit())
    alone = cut(effective, torch.full((10,), 5.0))
    neurons = SpikingPFC(network, 1)
    _, spikes = neurons.run(hold(network, alone, silence(network, 1), [50]), alone, seed=0, record=True)
    intervals = np.concatenate([np.diff(spikes.time[spikes.unit == unit]) for unit in range(10)])
    assert intervals.min() > REFRACTORY_S and len(intervals) > 500


def test_injected_current_excites_its_neurons_while_it_is_on():
    base, _, network, effective, neurons = run_bandit()
    task = Bandit(n_trials=3)
    current = np.zeros((task.n_steps, 20), np.float32)
    current[7:, :6] = 1.0  # three units, from the second trial on
    loop = close_loop(network, effective, task, **arrange(task, 5))
    more, _ = neurons.run(loop, effective, seed=0, injected=current)
    on = base.schedule.first[7]
    assert torch.equal(base.drive[:on], more.drive[:on])
    assert (more.drive[on:, :, :3].mean((0, 1)) > base.drive[on:, :, :3].mean((0, 1)) + 5).all()


def test_a_hidden_reset_takes_gating_and_adaptation_back_every_trial():
    task = Bandit(n_trials=3)
    network, effective = build(task, tau_min=5.0, adaptation=0.5)
    effective["b"] += 4.0  # more than at rest
    seconds = 4 * torch.tensor(DURATIONS[: len(task.phases)]).repeat(task.n_trials)[:, None].expand(-1, 4)
    session = arrange(task, 4, condition=Condition(hidden_reset=True), schedule=cut_evenly(seconds, BIN_S))
    loop = close_loop(network, effective, task, **session)
    neurons = SpikingPFC(network, 4)
    adaptation = []

    def watch(inner):
        sent = None
        while True:
            try:
                state, *rest = inner.send(sent)
            except StopIteration as ended:
                return ended.value
            sent = yield state, *rest
            adaptation.append((state[1], sent[0][1]))

    batch, _ = neurons.run(watch(loop), effective, seed=0)
    start = network.initial_state(effective, 4)
    n_phases = len(task.phases)
    for step, (before, after) in enumerate(adaptation):
        assert torch.equal(before, start[1]) == (step % n_phases == 0)
        assert not torch.equal(after, start[1])
    first = torch.tensor(batch.schedule.first[:-1:n_phases])
    moved = (batch.gating[1:][first] - start[0]).abs().max()  # in one bin of .05 s; a trial has 24 or more
    assert moved < 0.08 < (batch.gating[first[1:]] - start[0]).abs().max()


def test_a_separate_critic_receives_what_is_done_to_dopamine():
    task = LeverStimulation(n_trials=8)
    network, effective = build(task, critic="separate", feedback="rpe")
    block = Block(4.0, lambda labels: labels["outcome"] == 1)
    assert network.wiring.is_critic.any()
    plain, blocked = (
        SpikingPFC(network, 6).run(
            close_loop(
                network,
                effective,
                task,
                **arrange(task, 6, feedback="both") | {"dopamine": DopamineSystem(0.8, manipulations)},
            ),
            effective,
            seed=0,
        )[0]
        for manipulations in ((), (block,))
    )
    assert (plain.injected == 0).all() and (blocked.injected < 0).any()
    differs = (plain.x != blocked.x).flatten(1).any(1).nonzero().flatten()
    first = int((blocked.injected < 0).any(1).nonzero()[0])
    shown = int(differs[0])
    assert shown > first
    begins = plain.schedule.first[shown] + 1
    assert torch.equal(plain.gating[:begins], blocked.gating[:begins])
    assert (plain.x[shown, ..., -1] - blocked.x[shown, ..., -1]).abs().max() == pytest.approx(4, abs=1e-4)
    assert not torch.equal(plain.gating[begins:], blocked.gating[begins:])


def test_sessions_of_different_durations_are_refused():
    task = Bandit(n_trials=1)
    network, effective = build(task)
    arranged = arrange(task, 2)
    seconds = torch.full((task.n_steps, 2), 0.1)
    seconds[0, 1] = 0.2
    loop = close_loop(network, effective, task, **arranged | {"schedule": cut_evenly(seconds, BIN_S)})
    with pytest.raises(ValueError, match="must have the same durations"):
        SpikingPFC(network, 2).run(loop, effective, seed=0)


def test_networks_without_the_curve_of_neurons_are_refused():
    task = Bandit()
    lstm = LSTMNetwork(input_size(task, "reward"), 2, LSTMNetworkSettings(n_units=8))
    with pytest.raises(InputError, match="network LSTMNetwork has no spiking counterpart"):
        require_spiking(lstm)
    network, _ = build(task, curve="rectified_tanh")
    with pytest.raises(InputError, match="'rectified_tanh' is not the f-I curve"):
        SpikingPFC(network, 2)


@pytest.mark.parametrize("name", ["copies", "neurons_per_unit", "recorded"])
def test_counts_must_be_positive(name):
    network, _ = build(Bandit())
    with pytest.raises(InputError, match=f"{name} must be 1 or more, got 0"):
        SpikingPFC(network, **{"copies": 2} | {name: 0})
