"""Estimated cost of a run: it grows with everything that multiplies work, and refuses what cannot fit."""

import shutil

import pytest

from pfc_da import paradigms
from pfc_da.errors import InputError
from pfc_da.jobs.cost import Cost, combine, format_bytes
from pfc_da.jobs.progress import format_time

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
    assert ratio("train.updates=400", of="cpu_s") == pytest.approx(10)
    assert ratio("train.sessions=3200", of="cpu_s") == pytest.approx(
        56, abs=10
    )  # less than 100: some is per batch
    assert ratio("network.n_units=1024", of="cpu_s") == pytest.approx(
        (130 + 32 * 62.05) / (130 + 32 * 4.89), rel=0.01
    )
    assert ratio("task.n_trials=200", "train.first_trials=0", of="cpu_s") == pytest.approx(200 / 68)
    assert ratio("train.first_trials=0", of="cpu_s") == pytest.approx(
        100 / 68
    )  # sessions grow from 20 trials


def test_a_replay_takes_what_its_sessions_and_conditions_take():
    assert ratio("replay.held_out_sessions=2000", of="cpu_s", stage="replay") > 15  # of 100
    assert ratio("train.snapshots=[.2,.4,.5,.6,.8]", of="cpu_s", stage="replay") == pytest.approx(
        2
    )  # compared with 5
    assert ratio("replay.sessions=600", "replay.held_out_sessions=600", of="disk", stage="replay") > 3
    assert ratio("replay.unit_sessions=60", of="disk", stage="replay") > 2  # of 20


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


def test_an_lstm_costs_more_and_stages_that_are_done_nothing():
    assert estimate(stages=("train",), network="lstm").cpu_s > estimate(stages=("train",)).cpu_s
    assert estimate(stages=("compare",)).disk == 0
    assert estimate(stages=("compare",)).cpu_s < estimate().cpu_s


@pytest.mark.parametrize("name", paradigms.names())
def test_the_quick_run_of_every_paradigm_is_short_and_ten_thousand_animals_are_not(name):
    experiment = paradigms.load(name)
    assert 10 < estimate(experiment=experiment).wall_s < 90  # measured: 19 to 45 CPU-s
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
