"""The spiking prefrontal network: its neurons against Siegert and the rate curve, its synapses, its loop with a task."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erfcx

from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.slow_synapses import DELAY_S, TICK_S, SlowSynapses
from pfc_da.circuits.spiking_pfc import (
    INHIBITION,
    REFRACTORY_S,
    SIGMA,
    TAU_M_S,
    SpikingPFC,
    require_spiking,
)
from pfc_da.dopamine import Block, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.lever_stimulation import LeverStimulation
from pfc_da.rng import torch_stream
from pfc_da.rollout import Condition, close_loop, input_size, rollout
from pfc_da.settings import LSTMNetworkSettings, RateNetworkSettings
from pfc_da.task import STEP_S


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


def arrange(sessions, seed=0, **changed):
    streams = {f"{name}_rng": torch_stream(seed, name) for name in ("task", "choice", "noise")}
    return {"dopamine": DopamineSystem(0.8), "sessions": sessions, **streams, **changed}


def hold(network, effective, n_steps, x, sessions=1):
    """A loop without a task: the same input x (channel,) at every step; returns gating and rates, step first."""
    steps = []
    state = network.initial_state(effective, sessions)
    for _ in range(n_steps):
        state, rate = yield state, x.expand(sessions, -1), None
        steps.append((state, rate))
    return [torch.stack(each) for each in zip(*steps, strict=True)]


def siegert(drive):
    scale = SIGMA * np.sqrt(2)
    integral, _ = quad(lambda u: erfcx(-u), -drive / scale, (1 - drive) / scale)
    return 1 / (REFRACTORY_S + TAU_M_S * np.sqrt(np.pi) * integral)


def test_neurons_fire_as_siegert_says_and_as_the_rate_network_takes_them_to():
    task = Bandit()
    drives = torch.tensor([0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    network, effective = build(task, n_units=len(drives))
    alone = effective | {"w": torch.zeros_like(effective["w"]), "b": drives}
    neurons = SpikingPFC(network, 150, neurons_per_unit=2)
    n_steps = 50
    loop = hold(network, alone, n_steps, torch.zeros(network.n_inputs), 150)
    (_, rates), _ = neurons.run(loop, alone, n_steps, seed=1)
    rate, by_session = rates[5:].mean((0, 1)).numpy(), rates[5:].mean(0)
    error = 4 * (by_session.std(0) / 150**0.5).numpy()  # of the mean over 1500 neuron-seconds
    expected = np.array([siegert(drive) for drive in drives.tolist()])
    assert (np.abs(rate - expected) < 0.01 * expected + error).all(), (rate, expected)
    assert np.abs(rate - network.rate(drives).numpy()).max() < 0.5


def test_inhibition_brings_no_neuron_below_its_reversal_potential():
    """However strong the inhibition was, the neuron is back as soon as it ends."""
    task = Bandit()
    network, effective = build(task, n_units=8)
    alone = effective | {
        "w": 0 * effective["w"],
        "b": torch.full((8,), -20.0),
        "w_in": 21.0 + 0 * effective["w_in"],
    }
    neurons, n_steps = SpikingPFC(network, 100, recorded=1), 4

    def switch():
        state = network.initial_state(alone, 100)
        steps = []
        for step in range(n_steps):
            x = torch.zeros(100, network.n_inputs)
            x[:, 0] = float(step >= 2)
            steps.append((yield state, x, None)[1])
        return torch.stack(steps)

    rates, spikes = neurons.run(switch(), alone, n_steps, seed=0, record=True)
    assert (rates[1] == 0).all()
    quiet = spikes.membrane[:, 60:200]
    assert INHIBITION == pytest.approx(quiet.mean(), abs=0.2)
    assert rates[2].mean() > 0.6 * siegert(1.0)


def test_gating_is_rate_over_10_hz_decays_with_tau_and_arrives_late():
    tau = torch.tensor([0.1, 1.0, 8.0])
    synapses = SlowSynapses(tau, neurons_per_unit=3)
    synapses.set_back(torch.full((1, 3), 2.0))
    spikes = torch.ones(1, 3)  # a spike of one of three neurons in every tick
    for _ in range(round(80 / TICK_S)):
        synapses.advance(spikes)
    torch.testing.assert_close(synapses.state, torch.full((1, 3), 1 / (3 * TICK_S) / 10), rtol=1e-3, atol=0)
    begun = synapses.state
    n_ticks = round(DELAY_S / TICK_S)
    for tick in range(1, n_ticks + 1):
        synapses.advance(torch.zeros(1, 3))
        torch.testing.assert_close(synapses.state, begun * torch.exp(-tick * TICK_S / tau))
        torch.testing.assert_close(synapses.arriving, begun)
    synapses.advance(torch.zeros(1, 3))
    torch.testing.assert_close(synapses.arriving, begun * torch.exp(-TICK_S / tau))


def test_many_neurons_a_unit_follow_the_rate_network():
    """Constant input, connected units: the gating of 200 neurons a unit against that of the rate network."""
    task = Bandit()
    network, effective = build(task, n_units=10, tau_max=0.5)
    x, n_steps = torch.full((network.n_inputs,), 0.7), 30
    neurons = SpikingPFC(network, 1, neurons_per_unit=200)
    (states, _), _ = neurons.run(hold(network, effective, n_steps, x), effective, n_steps, seed=0)
    expected = network.initial_state(effective, 1)
    for _ in range(n_steps):
        expected, _ = network.step(effective, expected, x[None], None)
    alone = effective | {"w": torch.zeros_like(effective["w"])}
    unconnected = network.rate(alone["b"] + x @ alone["w_in"]) / 10
    late = states[-10:].mean(0)
    assert ((late - expected).abs() < 0.05 + 0.02 * expected).all()
    assert (expected - unconnected).abs().max() > 0.2  # the synapses matter


def run_bandit(sessions=5, copies=5, seed=0, task=None, **run):
    task = task or Bandit(n_trials=4)
    network, effective = build(task)
    neurons = SpikingPFC(network, copies, recorded=2, neurons_per_unit=2)
    loop = close_loop(network, effective, task, **arrange(sessions))
    return *neurons.run(loop, effective, task.n_steps, seed=seed, **run), network, effective, neurons


def test_sessions_are_those_of_the_rate_network():
    task = Bandit(n_trials=4)
    batch, _, network, effective, _ = run_bandit(task=task)
    rate = rollout(network, effective, task, **arrange(5))
    assert torch.equal(batch.problem["p_reward"], rate.problem["p_reward"])
    assert torch.equal(batch.x[0], rate.x[0]) and torch.equal(batch.state[0], rate.state[0])
    assert not torch.equal(batch.state[1], rate.state[1])
    logits, value = network.read_out(effective, batch.state[1:].flatten(0, 1))
    torch.testing.assert_close(batch.logits.flatten(0, 1), logits)
    torch.testing.assert_close(batch.value.flatten(0, 1), value)


def test_the_same_seed_gives_the_same_spikes_whatever_ran_before():
    batch, spikes, network, effective, neurons = run_bandit(record=True)
    task = Bandit(n_trials=4)
    again, spikes_again = neurons.run(
        close_loop(network, effective, task, **arrange(5)), effective, task.n_steps, seed=0, record=True
    )
    assert torch.equal(batch.state, again.state)
    np.testing.assert_allclose(spikes.time, spikes_again.time, atol=1e-9)
    other, none = neurons.run(
        close_loop(network, effective, task, **arrange(5)), effective, task.n_steps, seed=1
    )
    assert none is None and not torch.equal(batch.drive, other.drive)


def test_recorded_spikes_are_those_that_were_counted():
    batch, spikes, network, _, _ = run_bandit(sessions=3, copies=5, record=True)  # two copies stay idle
    assert set(spikes.copy) == {0, 1} and set(spikes.neuron) == {0, 1}
    counted = np.zeros((8, 2, network.n_units))
    np.add.at(counted, ((spikes.time / STEP_S + 1e-6).astype(int), spikes.copy, spikes.unit), 1)
    np.testing.assert_allclose(counted / (2 * STEP_S), batch.drive[:, :2].numpy(), rtol=1e-5)
    assert spikes.membrane.shape[1] == 800 and spikes.membrane.max() < 1
    assert (
        np.lexsort((spikes.time, spikes.neuron, spikes.unit, spikes.copy)) == np.arange(len(spikes.time))
    ).all()


def test_injected_current_excites_its_neurons_while_it_is_on():
    current = np.zeros((8, 20), np.float32)
    current[4:, :6] = 1.0  # three units, from the second half on
    base, _, network, effective, neurons = run_bandit()
    task = Bandit(n_trials=4)
    loop = close_loop(network, effective | {"w": 0 * effective["w"]}, task, **arrange(5))
    more, _ = neurons.run(loop, effective, task.n_steps, seed=0, injected=current)
    assert torch.equal(base.drive[:4], more.drive[:4])
    assert (more.drive[4:, :, :3].mean((0, 1)) > base.drive[4:, :, :3].mean((0, 1)) + 10).all()


def test_a_hidden_reset_takes_the_state_back_every_trial():
    task = Bandit(n_trials=3)
    network, effective = build(task)
    condition = Condition(name="hidden_reset", hidden_reset=True)
    loop = close_loop(network, effective, task, **arrange(4, condition=condition))
    seen = []

    def spy(inner):
        sent = None
        try:
            while True:
                state, x, noise = inner.send(sent)
                seen.append(state)
                sent = yield state, x, noise
        except StopIteration as ended:
            return ended.value

    neurons = SpikingPFC(network, 4)
    batch, _ = neurons.run(spy(loop), effective, task.n_steps, seed=0)
    start = network.initial_state(effective, 4)
    assert all(torch.equal(seen[step], start) for step in (0, 2, 4))
    assert not any(torch.equal(seen[step], start) for step in (1, 3, 5))
    assert (batch.state[3] - start).abs().max() < (batch.state[2] - start).abs().max() + 1


def test_a_separate_critic_feels_what_is_done_to_dopamine():
    task = LeverStimulation(n_trials=12)
    network, effective = build(task, critic="separate", feedback="rpe")
    block = Block(4.0, lambda labels: labels["outcome"] == 1)
    assert network.wiring.is_critic.any()
    plain, blocked = (
        SpikingPFC(network, 6).run(
            close_loop(
                network,
                effective,
                task,
                **arrange(6, feedback="both", dopamine=DopamineSystem(0.8, manipulations)),
            ),
            effective,
            task.n_steps,
            seed=0,
        )[0]
        for manipulations in ((), (block,))
    )
    assert (plain.injected == 0).all() and (blocked.injected < 0).any()
    first = int((blocked.injected < 0).any(1).nonzero()[0])
    assert torch.equal(plain.state[: first + 2], blocked.state[: first + 2])
    assert (plain.x[first + 2, ..., -1] - blocked.x[first + 2, ..., -1]).abs().max() == pytest.approx(
        4, abs=1e-4
    )
    assert not torch.equal(plain.state[first + 3], blocked.state[first + 3])


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


def test_a_loop_longer_than_announced_is_an_error():
    task = Bandit(n_trials=4)
    network, effective = build(task)
    loop = close_loop(network, effective, task, **arrange(2))
    with pytest.raises(ValueError, match="the loop goes on after 3 steps"):
        SpikingPFC(network, 2).run(loop, effective, 3, seed=0)
