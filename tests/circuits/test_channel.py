"""Rollouts whose dopamine comes from spiking circuits, in time."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pfc_da.circuits.calibration import present_in_time
from pfc_da.circuits.channel import MV_PER_UNIT, CircuitChannel, rollout_through_circuit
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.midbrain import EVENT_S, WINDOW_S, MidbrainCircuit
from pfc_da.circuits.midbrain_parameters import POPULATIONS, MidbrainParameters
from pfc_da.clock import cut_evenly, draw_durations
from pfc_da.dopamine import Block, ChannelInTime, DopamineCells, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network.rate import ADAPTATION_S, RateNetwork
from pfc_da.paradigms.lever_stimulation import LeverStimulation
from pfc_da.rng import torch_stream
from pfc_da.rollout import input_size
from pfc_da.settings import RateNetworkSettings

BIN_S, LAG = 0.05, 6
P = MidbrainParameters()


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


def make_channel(circuit, discount=1.0, scale=1.0):
    return CircuitChannel(circuit, DopamineCells.calibrated(scale), discount, BIN_S)


class Currents:
    """In place of a circuit of two copies; the current is that of the real one."""

    copies, parameters = 2, P
    event_current = MidbrainCircuit.event_current


def test_value_is_compared_with_that_of_300_ms_ago():
    """By hand, in mV: a step of value drives LH (up) or GABA (down) for six bins, and LHb by the difference."""
    channel = make_channel(Currents(), scale=2.0)
    rise, fall = [0.0] * 3 + [1.0] * 9, [1.0] * 3 + [0.0] * 9
    found = []
    for values in zip(rise, fall, strict=True):
        found.append(channel.compute_current(np.array(values)))
        channel.count(np.zeros((2, P.n_cells)))
    lh, gaba, lhb, rmtg, da = np.moveaxis(np.array(found), 2, 0)
    on = np.array([0.0] * 6 + [1.0] * 3 + [0.0] * 3)[
        :, None
    ]  # a value younger than the lag is compared with itself
    np.testing.assert_allclose(lh, on * [[P.event_lh / 2, 0]])
    np.testing.assert_allclose(gaba, on * [[0, P.event_gaba / 2]])
    np.testing.assert_allclose(lhb, on * [[-P.event_lhb / 2, P.event_lhb / 2]])
    assert not rmtg.any() and not da.any()
    assert LAG == round(EVENT_S / BIN_S)


def test_the_value_now_is_discounted():
    channel = make_channel(Currents(), discount=0.5)
    for _ in range(LAG + 1):
        current = channel.compute_current(np.array([1.0, 2.0]))
        channel.count(np.zeros((2, P.n_cells)))
    np.testing.assert_allclose(
        current[:, POPULATIONS.index("gaba")], P.event_gaba * (1 - 0.5**0.3) * np.array([1, 2])
    )


def test_reward_and_stimulation_last_300_ms_and_add_up():
    channel, found = make_channel(Currents()), []
    assert isinstance(channel, ChannelInTime)
    for place in range(12):
        if place in (2, 4):
            channel.receive(torch.tensor([1.0, 0.0]), torch.tensor([-0.5, 0.25]))
        channel.receive(torch.zeros(2), torch.zeros(2))
        found.append(channel.compute_current(np.zeros(2)))
        channel.count(np.zeros((2, P.n_cells)))
    lh, _, lhb, _, da = np.moveaxis(np.array(found), 2, 0)
    n = np.array([0, 0, 1, 1, 2, 2, 2, 2, 1, 1, 0, 0])[:, None]
    np.testing.assert_allclose(lh, P.event_lh * n * [[1, 0]])
    np.testing.assert_allclose(lhb, n * [[-P.event_lhb + 0.5 * MV_PER_UNIT["lhb"], 0]])
    np.testing.assert_allclose(da, n * [[0, 0.25 * MV_PER_UNIT["vta"]]])


def test_windows_are_decoded_by_hand():
    """Spikes of 12 bins; the window is bins 1 to 6 after the outcome, as far as they are there."""
    cells = DopamineCells(*map(torch.tensor, ([-1.0, 0.0, 1.0], [0.0, 5.0, 15.0], [0.0, 0.0, 0.0])))
    channel, rng = CircuitChannel(Currents(), cells, 1.0, BIN_S), np.random.default_rng(0)
    spikes = rng.poisson(0.3, (12, 2, P.n_cells))
    np.testing.assert_allclose(channel.decode_last(), [0, 0])
    decoded = []
    for place, own in enumerate(spikes):
        if place == 3:
            channel.open_window(1)
        channel.count(own)
        decoded.append(channel.decode_last().numpy())
    rates = spikes[..., P.cells("da")].mean(-1) / BIN_S
    np.testing.assert_allclose(channel.rates, rates)

    def decode(first, last):
        return np.interp(rates[first:last].mean(0), [0.0, 5.0, 15.0], [-1.0, 0.0, 1.0])

    np.testing.assert_allclose(decoded[3], [0, 0])  # nothing yet: dopamine at its baseline
    np.testing.assert_allclose(decoded[4], decode(4, 5), atol=1e-6)
    np.testing.assert_allclose(decoded[9], decode(4, 10), atol=1e-6)
    np.testing.assert_allclose(decoded[11], decode(4, 10), atol=1e-6)
    rpe, injected = torch.ones(4, 2), torch.full((4, 2), 0.5)
    delivered = channel.deliver(rpe, injected, torch.zeros(4, 2))
    np.testing.assert_allclose(delivered[1], decode(4, 10), atol=1e-6)
    assert (delivered[[0, 2, 3]] == 1.5).all()
    assert channel.draw_noise(torch.Generator(), 4, 2).shape == (4, 2) and not len(channel.rates)


def follow(circuit, value, reward, injected=0.0):
    """Rates (bin, copy) of a session with these values and rewards, (bin,) each; the channel, too."""
    channel = make_channel(circuit)
    channel.draw_noise(torch.Generator(), 1, circuit.copies)

    def drive():
        for place, (now, earned) in enumerate(zip(value, reward, strict=True)):
            if earned:
                channel.receive(torch.full((8,), float(earned)), torch.full((8,), float(injected)))
                channel.open_window(place)
            channel.count((yield channel.compute_current(np.full(8, now))))

    circuit.follow(drive(), BIN_S, len(value))
    return channel


CUE, OUTCOME, N = 16, 36, 50
"""Bins: a cue .8 s after the begin, the outcome a second later, .7 s more."""
PREDICTED = np.where((np.arange(N) >= CUE) & (np.arange(N) < OUTCOME), 1.0, 0.0)
REWARD = np.where(np.arange(N) == OUTCOME, 1.0, 0.0)


@pytest.mark.parametrize(
    ("value", "reward", "at_cue", "at_outcome"),
    [
        (0 * PREDICTED, REWARD, (-1, 1), (8, 14)),  # Hz over baseline: before learning, a burst at the reward
        (PREDICTED, REWARD, (8, 14), (-1.2, 1)),  # after it, a burst at the cue, and none at the reward
        (PREDICTED, 0 * REWARD, (8, 14), (-7, -3.5)),  # a pause when the reward does not come
        (0 * PREDICTED, 0 * REWARD, (-1, 1), (-1, 1)),
    ],
    ids=["not predicted", "predicted", "omitted", "nothing"],
)
def test_bursts_move_from_reward_to_cue_and_omission_makes_a_pause(
    circuit, value, reward, at_cue, at_outcome
):
    """In time: the circuit receives reward and values alone, and its cells do the rest."""
    rate = present_in_time(circuit, value, reward).mean(1)
    window = slice(*(round(seconds / BIN_S) for seconds in WINDOW_S))
    baseline = rate[LAG:CUE].mean()
    assert 4.5 < baseline < 7
    for first, (low, high) in ((CUE, at_cue), (OUTCOME, at_outcome)):
        assert low < rate[first:][window].mean() - baseline < high
    assert abs(rate[CUE + 12 : OUTCOME].mean() - baseline) < 1  # back at the baseline while the value is held


@pytest.mark.parametrize(("value", "injected"), [(0.0, 0.0), (0.5, 0.0), (0.0, -1.0), (0.5, 0.5)])
def test_the_surrogate_is_the_circuit_in_time(circuit, value, injected):
    """Mean rate within .5 Hz of the table, and the error within .1 rewards, where value falls in one bin at the reward."""
    values = np.where(np.arange(20) < 8, value, 0.0)
    channel = follow(circuit, values, np.where(np.arange(20) == 8, 1.0, 0.0), injected)
    error = torch.tensor(1.0 - value + injected)
    rate = channel.rates[9:15].mean(0)
    tolerance = 0.5 if injected == 0 else 2.0  # the effect of a current is not quite proportional to it
    assert rate.mean() == pytest.approx(float(channel.cells.rate(error)), abs=tolerance)
    assert float(channel.decode_last().mean()) == pytest.approx(
        float(error), abs=0.1 if injected == 0 else 0.2
    )


def test_bins_longer_than_the_latency_are_refused(circuit):
    with pytest.raises(InputError, match=r"bins of a midbrain circuit must be at most 0\.05 s, got 0\.1"):
        CircuitChannel(circuit, DopamineCells.calibrated(), 0.9, 0.1)


N_TRIALS = 2
TASK = LeverStimulation(n_trials=N_TRIALS)
SETTINGS = RateNetworkSettings(
    n_units=8, critic="separate", feedback="rpe", input_gain=1.0, read_out_gain=2.0, neurons_per_unit=0
)
NETWORK = RateNetwork(input_size(TASK, "both"), TASK.n_actions, SETTINGS)
WEIGHTS = NETWORK.effective(NETWORK.init(torch_stream(0, "birth")))
BLOCK = Block(4.0, lambda labels: (labels["outcome"] > 0) & (torch.arange(len(labels["outcome"])) < 4))


def simulate(circuit, sessions=8, bin_s=BIN_S):
    """Two trials; dopamine is blocked at all outcomes of the first four sessions."""
    one = cut_evenly(draw_durations(TASK.phases, N_TRIALS, 1, torch_stream(0, "time")), bin_s)
    schedule = dataclasses.replace(one, ticks=one.ticks.expand(-1, sessions))
    streams = {f"{name}_rng": torch_stream(0, name) for name in ("task", "choice", "noise")}
    system = DopamineSystem(0.9, (BLOCK,), make_channel(circuit, 0.9, scale=4.0))
    session = {"schedule": schedule, "feedback": "both", **streams}
    with torch.inference_mode():
        return rollout_through_circuit(NETWORK, WEIGHTS, TASK, system, **session)


@pytest.fixture(scope="module")
def batch(circuit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        return simulate(circuit)


def test_a_network_receives_the_dopamine_of_the_circuit(batch):
    channel, at_choice = batch.system.channel, torch.nonzero(batch.is_choice)[:, 0]
    outcomes = torch.tensor(batch.schedule.first)[at_choice + 1]
    assert len(channel.rates) == len(batch.schedule.ticks) == len(batch.bin_value)
    assert not batch.x[at_choice + 1, :, -1].any()  # none during the outcome
    blocked = (batch.dopamine - batch.rpe)[at_choice]
    assert blocked[:, :4].mean() < blocked[:, 4:].mean() - 1.5
    np.testing.assert_allclose(batch.dopamine[at_choice], channel.decode_windows(outcomes.tolist()))
    elsewhere = ~batch.is_choice
    assert torch.equal(batch.dopamine[elsewhere], batch.rpe[elsewhere])


def test_dopamine_drives_the_actor_bin_by_bin(batch):
    """The drive of every bin, by the equations, with the error decoded up to the bin before."""
    channel, schedule = batch.system.channel, batch.schedule
    resting, keep = 4.0, np.exp(-BIN_S / ADAPTATION_S)
    adaptation = torch.full_like(batch.drive[0], resting * SETTINGS.adaptation)
    n_due = 0
    for place, step in enumerate(schedule.step_of_bin.tolist()):
        x = batch.x[step].clone()
        if TASK.phase(step).name == "dopamine":
            n_due += 1
            rate = channel.rates[schedule.first[step - 1] + 1 : place].mean(0)
            x[:, -1] = channel.cells.decode(torch.tensor(rate).float())
        drive = x @ WEIGHTS["w_in"] + WEIGHTS["b"] + batch.gating[place] @ WEIGHTS["w"] - adaptation
        np.testing.assert_allclose(batch.drive[place], drive, atol=1e-5)
        rate = NETWORK.rate(batch.drive[place])
        adaptation = keep * adaptation + (1 - keep) * SETTINGS.adaptation * rate
    assert n_due == 6 * N_TRIALS


def test_what_does_not_fit_the_circuit_is_refused(circuit):
    with pytest.raises(InputError, match="circuit of 8 copies serves as many sessions, got 5"):
        simulate(circuit, sessions=5)
    with pytest.raises(ValueError, match=r"all bins must last 0\.05 s"):
        simulate(circuit, bin_s=0.02)
    system = SimpleNamespace(channel=None)
    with pytest.raises(TypeError, match="dopamine must come from a CircuitChannel"):
        rollout_through_circuit(None, None, None, system, schedule=None)
