"""Variants are tested as the script says."""

import torch

from benchmarks.without_slow_synapses import VARIANTS, hold_gate, measure, simulate
from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.rng import torch_stream

SMALL = ("network.n_units=12", "train.updates=2", "task.n_trials=6", "test_task.n_trials=6")


def test_every_variant_is_tested_at_every_pace_and_ablated():
    common = {"pace_1", "pace_2", "pace_4", "recurrence_cut"}
    for name, sets in VARIANTS.items():
        found = measure((*sets, *SMALL), animal=0, sessions=8)
        assert found.keys() == common | ({"gate_held"} if name == "memory gate" else set())
        assert all(0 <= mean <= 1 and 0 < error < 0.5 for mean, error in found.values())


def test_a_held_gate_has_the_mean_over_time_whatever_the_input():
    experiment = paradigms.load("bandit")
    settings = experiment.settings(sets=(*VARIANTS["memory gate"], *SMALL))
    task = experiment.build_task(settings)
    agent = build_agent(settings, task)
    effective = agent.network.effective(agent.network.init(torch_stream(0, "birth")))
    effective["w_gate"] = torch.randn(effective["w_gate"].shape, generator=torch_stream(0, "gate")) * 0.1
    batch = simulate(agent, settings, task, effective, 3)
    held = agent.network.leak(hold_gate(agent, effective, batch), batch.x)
    gates = agent.network.leak(effective, batch.x)
    seconds = batch.schedule.duration_ticks.float()[..., None]
    assert gates.std(0).min() > 0.01
    torch.testing.assert_close(held, ((gates * seconds).sum((0, 1)) / seconds.sum()).expand_as(held))
