"""Estimated cost of a run: it grows with everything that multiplies work, and refuses what cannot fit."""

import shutil

import pytest
import torch

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.clock import USUAL, Timing
from pfc_da.errors import InputError
from pfc_da.jobs.cost import (
    REPLAY,
    TRAIN,
    Cost,
    combine,
    count_replay_bins,
    count_training_bins,
    estimate_replay,
    estimate_training,
    format_bytes,
)
from pfc_da.jobs.progress import format_time
from pfc_da.replay import arrange_time
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN, TIMINGS, Condition
from pfc_da.train import CLAMPED_SHARE, shorten
from pfc_da.train import arrange_time as arrange_training

EXPERIMENT = paradigms.load("monkey_juice")


def estimate(
    *sets, stages=("train", "replay", "compare", "report"), workers=1, experiment=EXPERIMENT, **options
):
    settings = experiment.settings(sets=sets, **{"quick": True, "animals": 2} | options)
    return experiment.estimate(settings, stages, workers)


def ratio(*sets, of, stage="train", **options):
    """Ratio of estimates with and without `sets`, less the part that does not depend on work."""
    nothing = combine(2, 1e-9, 1)
    more, base = (getattr(estimate(*s, stages=(stage,), **options), of) for s in (sets, ()))
    return (more - getattr(nothing, of)) / (base - getattr(nothing, of))


def test_training_takes_time_in_proportion_to_what_multiplies_it():
    whole = ("train.first_trials=0",)
    assert ratio("train.updates=400", of="cpu_s") == pytest.approx(10)
    per_session = [8.5e-9 * n + 70e-12 * n**2 for n in (1024, 128)]
    expected = (20e-6 + 3200 * per_session[1]) / (20e-6 + 32 * per_session[1])  # some is per bin
    assert ratio("train.sessions=3200", of="cpu_s") == pytest.approx(expected)
    expected = (20e-6 + 32 * per_session[0]) / (20e-6 + 32 * per_session[1])
    assert ratio("network.n_units=1024", of="cpu_s") == pytest.approx(expected, rel=0.01)
    twice = ratio("task.n_trials=200", *whole, of="cpu_s") / ratio("task.n_trials=100", *whole, of="cpu_s")
    assert twice == pytest.approx(2)
    assert ratio("train.slowest=20", of="cpu_s") > 1.2 > 1 > ratio("train.slowest=1", of="cpu_s")
    assert ratio("train.longest_bin=.1", of="cpu_s") > 1.2  # finer bins


@pytest.mark.parametrize("name", paradigms.names())
def test_bins_of_training_are_those_of_its_clock(name):
    """Within a tenth: the cuts of a phase follow its longest duration, which no session need reach.

    The first number of the stream is the place of the common pace.
    """
    experiment = paradigms.load(name)
    settings = experiment.settings()
    task = experiment.build_task(settings)
    network = build_agent(settings, task).network
    for done in (0.0, 0.3, 0.74, 0.76, 1.0):
        own = shorten(task, settings, done)
        for update in range(3):
            bins = len(arrange_training(network, own, settings, done, torch_stream(0, update)).ticks)
            common = torch.rand(1, generator=torch_stream(0, update)).item()
            assert count_training_bins(settings, task, done, common) == pytest.approx(bins, rel=0.1)
    lstm = experiment.settings(network="lstm")
    assert count_training_bins(lstm, task, 1.0, 0.5) == task.n_steps


def test_the_bins_of_an_update_are_averaged_over_its_paces():
    settings = EXPERIMENT.settings()
    task = EXPERIMENT.build_task(settings)
    places, means = torch.linspace(0, 1, 200).tolist(), []
    for done in (0.125, 0.375, 0.625, 0.875, CLAMPED_SHARE / 2):
        counts = [count_training_bins(settings, task, done, common) for common in places]
        means.append(sum(counts) / len(counts))
    bins = sum(means[:4]) / 4 + CLAMPED_SHARE * means[4]
    cost = TRAIN["rate"].measure(settings.network.n_units, settings.train.sessions)
    assert estimate_training(settings, task) == pytest.approx(settings.train.updates * bins * cost, rel=0.05)


@pytest.mark.parametrize("timing", [USUAL, *(condition.timing for condition in TIMINGS)])
def test_bins_of_a_replay_are_those_of_its_clock(timing):
    settings = EXPERIMENT.settings(sets=["replay.bin=.1"])
    task = EXPERIMENT.build_task(settings, test=True)
    bins = len(arrange_time(settings, task, Condition(timing=timing), 0, 1).ticks)
    assert count_replay_bins(settings, task, timing) == pytest.approx(bins, rel=0.03)


def test_a_replay_takes_what_its_sessions_and_conditions_take():
    settings, cost = EXPERIMENT.settings(), REPLAY["rate"].measure(128, 200)
    task = EXPERIMENT.build_task(settings, test=True)
    bins = count_replay_bins(settings, task)
    frozen = estimate_replay(settings, task, [FROZEN])
    assert settings.replay.held_out_sessions == 1000
    assert frozen == pytest.approx(5 * bins * cost)
    assert estimate_replay(settings, task, [FROZEN, FROZEN]) - frozen == pytest.approx(bins * cost)
    slow = Condition(timing=Timing(pace=4.0))
    assert estimate_replay(settings, task, [FROZEN, slow]) - frozen > 3 * bins * cost
    fine = settings.model_copy(update={"replay": settings.replay.model_copy(update={"bin": 0.01})})
    assert estimate_replay(fine, task, [FROZEN]) == pytest.approx(5 * frozen)
    assert ratio("replay.sessions=600", "replay.held_out_sessions=600", of="disk", stage="replay") > 1.2
    assert ratio("replay.unit_sessions=24", of="disk", stage="replay") > 2  # of 8
    assert ratio("replay.bin=.1", of="disk", stage="replay") < 0.7


def test_animals_share_the_processes():
    one, two = (estimate(animals=n, stages=("train",)) for n in (10, 100))
    assert two.wall_s > 9 * one.wall_s
    assert combine(8, 10.0, 1).wall_s == pytest.approx(83)
    many = combine(8, 10.0, 1024)
    assert many.wall_s < 83 and many.cpu_s > 83  # but each has to start
    assert many.memory == pytest.approx(9 * 380e6)
    assert estimate(animals=100).disk == pytest.approx(50 * estimate(animals=2).disk)


def test_animals_that_are_trained_are_not_counted_again():
    settings = EXPERIMENT.settings(quick=True, animals=8)

    def measure(trained, *stages):
        return EXPERIMENT.estimate(settings, stages, 1, trained)

    half = measure(4, "train")
    assert half == EXPERIMENT.estimate(settings.model_copy(update={"animals": 4}), ("train",), 1)
    assert measure(8, "train").cpu_s == 0
    assert measure(4, "replay") == measure(0, "replay")
    both = measure(4, "train", "replay")
    assert both.wall_s == half.wall_s + measure(0, "replay").wall_s


def test_stages_that_are_done_cost_nothing():
    assert estimate(stages=("compare",)).disk == 0
    assert estimate(stages=("compare",)).cpu_s < estimate().cpu_s


@pytest.mark.parametrize("name", paradigms.names())
def test_the_quick_run_of_every_paradigm_is_short_and_ten_thousand_animals_are_not(name):
    experiment = paradigms.load(name)
    assert 10 < estimate(experiment=experiment).wall_s < 90
    full = estimate(experiment=experiment, quick=False, animals=10_000, workers=2)
    assert full.wall_s > 86400 and full.disk > 50e9


def test_what_cannot_fit_is_refused_in_one_line(tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(100e9, 99e9, 1e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    Cost(1, 1, 1e6, 0.9e9).require_room(tmp_path / "not" / "yet")
    with pytest.raises(
        InputError, match=r"not/yet would take 1\.1 GB on the disk, which has 1\.0 GB free\. Ask"
    ):
        Cost(1, 1, 1e6, 1.1e9).require_room(tmp_path / "not" / "yet")
    with pytest.raises(
        InputError, match=r"this would take 9,000\.0 TB of memory, and there are .* fewer --workers"
    ):
        Cost(1, 1, 9e15, 0).require_room(tmp_path)


def test_amounts_are_given_in_the_unit_that_suits_them():
    assert [format_time(s) for s in (61, 600, 7200, 86400 * 30)] == ["61 s", "10 min", "2.0 h", "30.0 days"]
    assert [format_bytes(n) for n in (3e5, 3e8, 3e9, 4e15)] == ["0 MB", "300 MB", "3.0 GB", "4,000.0 TB"]
    assert Cost(1, 600, 2e9, 3e8).describe() == "about 10 min, 2.0 GB of memory and 300 MB on the disk"
