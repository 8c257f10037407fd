"""The benchmark measures what it says: times to a criterion, failures as such, a floor below what an update costs."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from pfc_da import bench, paradigms, train
from pfc_da.agent import build_agent
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.bench import Seed, forget_peak_memory, read_peak_memory, summarise_bench, write_json
from pfc_da.rng import torch_stream
from pfc_da.train import CURVE_COLUMNS, Training
from pfc_da.trained import animal_seed

SETS = ("network.n_units=16", "train.updates=6", "train.sessions=4", "task.n_trials=10")


def a_seed(agent, seed, first, last, **change):
    values = {"best_reward": 0.6, "trials_per_cpu_s": 1e4, "share_of_floor": 0.3, "peak_memory_mb": 300.0}
    cpu_s = dict(zip(map(str, bench.CRITERIA), (first, last), strict=True))
    return Seed(agent=agent, seed=seed, cpu_s=cpu_s, **(values | change))


@pytest.fixture
def tiny(monkeypatch):
    """Bench on a tiny bandit, whose rewards on held-out sessions are those planted: one an evaluation."""

    def plant(rewards, *sets):
        experiment = paradigms.load("bandit")
        own = type(experiment).settings

        def settings(self, **arguments):
            return own(self, sets=[*SETS, *sets], **arguments)

        monkeypatch.setattr(type(experiment), "settings", settings)
        monkeypatch.setattr(bench, "EVALUATE_EVERY", (2, 2))
        if rewards is not None:
            planted = iter(rewards)
            monkeypatch.setattr(bench, "measure_held_out", lambda *_: next(planted))

    return plant


@pytest.mark.parametrize("agent", bench.AGENTS)
def test_a_seed_is_timed_to_the_update_that_reached_the_criterion(agent, tiny, monkeypatch):
    tiny([0.5, 0.62, 0.61])
    curves, honest = [], bench.train_update

    def keep(*arguments):
        training = honest(*arguments)
        curves.append(training.curve)
        return training

    monkeypatch.setattr(bench, "train_update", keep)
    found = bench.measure_seed(agent, 3)
    curve = curves[5]  # those after it were only timed
    at = CURVE_COLUMNS.index("cpu_s")
    assert found.cpu_s == {"0.607": curve[3][at], "0.639": None}
    assert (found.agent, found.seed, found.best_reward) == (agent, 3, 0.62)
    assert found.trials_per_cpu_s == pytest.approx(6 * 4 * 10 / curve[5][at])
    assert 0 < found.share_of_floor < 1
    assert 50 < found.peak_memory_mb < 100_000


def test_training_ends_where_the_last_criterion_is_reached(tiny):
    tiny([0.65])  # a second evaluation would find nothing planted
    found = bench.measure_seed("rate + three-factor", 0)
    assert found.cpu_s["0.607"] == found.cpu_s["0.639"] > 0


def test_held_out_bandits_are_the_same_for_every_seed(tiny, monkeypatch):
    tiny(None)
    monkeypatch.setattr(bench, "HELD_OUT_SESSIONS", 500)
    experiment = paradigms.load("bandit")
    mute = {}
    for seed in (0, 1):
        settings = experiment.settings(seed=seed)
        task = dataclasses.replace(experiment.build_task(settings, test=True), n_trials=10)
        agent = build_agent(settings, task)
        weights = agent.network.init(torch_stream(animal_seed(settings, 0), "birth"))
        weights["w_read"].zero_()
        weights["b_read"][:2] = torch.tensor([30.0, 0.0])  # always the first arm
        mute[seed] = bench.measure_held_out(agent, settings, task, Training(weights, {}))
    assert mute[0] == mute[1] == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 + 1 / 60) / math.sqrt(500))


def test_a_failed_seed_counts_as_infinitely_slow():
    found = [a_seed("one", 0, 3.0, None), a_seed("one", 1, 5.0, 9.0), a_seed("one", 2, None, None)]
    found += [a_seed("other", 0, 1.0, 2.0, best_reward=0.7)]
    one, other = summarise_bench(found)
    assert (one["agent"], one["seeds"], other["agent"], other["seeds"]) == ("one", 3, "other", 1)
    assert (one["cpu_s to 0.607"], one["worst to 0.607"], one["failed 0.607"]) == (5.0, np.inf, 1)
    assert (one["cpu_s to 0.639"], one["failed 0.639"]) == (np.inf, 2)
    assert (other["cpu_s to 0.639"], other["worst to 0.639"], other["failed 0.639"]) == (2.0, 2.0, 0)
    assert (one["best_reward"], other["best_reward"]) == (0.6, 0.7)
    even = summarise_bench([a_seed("one", 0, 3.0, None), a_seed("one", 1, 5.0, None)])[0]
    assert even["cpu_s to 0.607"] == 4.0
    assert even["cpu_s to 0.639"] == np.inf


def test_json_holds_every_seed_and_is_json(tmp_path):
    found = [a_seed("one", 0, 3.0, None), a_seed("one", 1, 5.0, None)]
    write_json(found, tmp_path / "bench.json")

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    content = json.loads((tmp_path / "bench.json").read_text(), parse_constant=refuse)
    assert content["seeds"] == [dataclasses.asdict(seed) for seed in found]
    assert content["summary"][0]["cpu_s to 0.607"] == 4.0
    assert content["summary"][0]["cpu_s to 0.639"] is None
    assert content["machine"]["torch"] == torch.__version__


def test_peak_memory_is_of_what_came_since():
    forget_peak_memory()
    before = read_peak_memory()
    big = np.ones(20_000_000)  # 160 MB
    assert read_peak_memory() - before > 140
    del big
    assert read_peak_memory() - before > 140
    forget_peak_memory()
    assert read_peak_memory() - before < 40


def test_seeds_of_every_agent_are_run_and_reported(monkeypatch):
    monkeypatch.setattr(bench, "measure_seed", lambda agent, seed: a_seed(agent, seed, 1.0, 2.0))
    reports = []
    found = bench.run_bench(2, 1, lambda done, note: reports.append((done, note)))
    assert [(each.agent, each.seed) for each in found] == [
        (agent, seed) for agent in bench.AGENTS for seed in (0, 1)
    ]
    assert reports == [(i + 1, f"{each.agent} seed {each.seed}") for i, each in enumerate(found)]


def test_criteria_are_those_of_thompson_sampling():
    """Reward of two uniform arms is 2/3 a trial less the regret."""
    (row,) = [
        row
        for row in load_references("bandit")
        if (row.key, row.condition) == ("regret", "independent") and "Thompson" in row.source
    ]
    thompson = 2 / 3 - row.estimate / 100
    assert bench.CRITERIA == pytest.approx((0.95 * thompson, thompson), abs=1e-3)


def test_an_update_is_timed_on_sessions_as_long_as_the_floor_counts(monkeypatch):
    """Short sessions at the start of the curriculum would flatter the share of the floor."""
    seen = []

    def stand_in(agent, settings, task, training, seed):
        seen.append(train.shorten(task, settings, 0.0).n_trials)

    monkeypatch.setattr(bench, "train_update", stand_in)
    experiment = paradigms.load("bandit")
    settings = experiment.settings(animals=1)
    assert settings.train.first_trials > 0
    bench.measure_update(None, settings, experiment.build_task(settings), None, 0)
    assert set(seen) == {experiment.build_task(settings).n_trials}


@pytest.mark.parametrize("agent, per_bin", [("rate + three-factor", 1), ("lstm + bptt", 2)])
def test_the_floor_has_the_products_of_every_bin_of_the_update_that_is_timed(
    agent, per_bin, tiny, monkeypatch
):
    tiny(None)
    network, rule = bench.AGENTS[agent]
    experiment = paradigms.load("bandit")
    settings = experiment.settings(network=network, rule=rule, animals=1, seed=0)
    task = experiment.build_task(settings)
    built = build_agent(settings, task)
    training = Training(built.network.init(torch_stream(0, "birth")), {}, ((1.0,) * 8,) * 3)
    schedules, counts, mm = [], [], torch.mm
    honest = train.rollout
    monkeypatch.setattr(
        train, "rollout", lambda *a, **k: (schedules.append(k["schedule"]), honest(*a, **k))[1]
    )
    bench.measure_update(built, settings, task, training, 5)
    monkeypatch.setattr(bench.torch, "mm", lambda a, b: (counts.append(a.shape), mm(a, b))[1])
    monkeypatch.setattr(bench, "_median_time", lambda work: work())
    bench.measure_floor(built, settings, task, training, 5)
    bins, sessions = schedules[-1].ticks.shape
    assert len(counts) == per_bin * bins + task.n_steps + 4
    if network == "rate":
        assert bins > 2 * task.n_steps
        assert (
            counts.count((built.network.n_units, bins * sessions)) == 2
        )  # recurrence and read-out, backwards


def test_held_out_sessions_are_those_of_the_test_in_the_bins_of_a_replay(tiny, monkeypatch):
    tiny(None)
    seen = []

    def stand_in(network, effective, task, dopamine, **session):
        seen.append((task.n_trials, session["schedule"], session["kept"]))
        raise StopIteration

    monkeypatch.setattr(bench, "rollout", stand_in)
    with pytest.raises(StopIteration):
        bench.measure_seed("rate + three-factor", 0)
    (n_trials, schedule, kept), *_ = seen
    assert (n_trials, kept) == (100, 0)
    assert schedule.ticks.shape[1] == bench.HELD_OUT_SESSIONS
    assert (schedule.ticks == 5).all()  # 50 ms, all sessions alike
