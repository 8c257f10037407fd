"""Rollouts whose dopamine comes from spiking circuits."""

import numpy as np
import pytest
import torch

from pfc_da.circuits.channel import CircuitChannel
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.dopamine import Block, DopamineCells, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.rng import torch_stream
from pfc_da.rollout import input_size, rollout
from pfc_da.settings import RateNetworkSettings


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


def test_an_error_is_delivered_and_stimulation_moves_it_by_its_size(circuit):
    """Both through spikes: errors alone, a reward blocked, an omission made up for."""
    channel = CircuitChannel(circuit, DopamineCells.calibrated(scale=4.0))
    rpe = torch.tensor([[2.0], [-2.0], [2.0], [-2.0], [0.0]]).expand(5, 8)
    injected = torch.tensor([[0.0], [0.0], [-2.0], [4.0], [-1.0]]).expand(5, 8)
    delivered = channel.deliver(rpe, injected, channel.draw_noise(torch.Generator(), 5, 8)).mean(1)
    np.testing.assert_allclose(delivered, [2.0, -2.0, 0.0, 2.0, -1.0], atol=0.45)


def test_a_network_receives_the_dopamine_of_the_circuit(circuit):
    task, settings = Bandit(n_trials=3), RateNetworkSettings(n_units=8, input_gain=0.3, read_out_gain=2.0)
    network = RateNetwork(input_size(task, "rpe"), task.n_actions, settings)
    weights = network.effective(network.init(torch_stream(0, "birth")))
    block = Block(0.9, lambda labels: torch.arange(8) < 4)
    channel = CircuitChannel(circuit, DopamineCells.calibrated())

    def simulate(sessions):
        streams = {f"{name}_rng": torch_stream(0, name) for name in ("task", "choice", "noise")}
        system = DopamineSystem(0.8, (block,), channel)
        return rollout(network, weights, task, system, sessions=sessions, feedback="rpe", **streams)

    batch = simulate(8)
    delivered, due = batch.x[2:, :, -1], (batch.rpe + batch.injected)[:-2].clamp(-1.5, 1.5)
    assert (delivered - due).abs().max() > 1e-3  # spikes are not arithmetic
    assert (delivered - due)[due > -0.6].abs().mean() < 0.2
    assert (delivered[:, :4].mean() - delivered[:, 4:].mean()).item() < -0.3
    with pytest.raises(InputError, match="circuit of 8 copies serves as many sessions, got 5"):
        simulate(5)
