"""Coding in sliding windows: planted value, choice and reward are found at their time, and nothing in silence."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.units import time_course
from pfc_da.analysis.units.regressors import compute_object_value
from pfc_da.analysis.units.summary import HALF_LIFE, LEVEL

BIN_S, PHASES = 0.05, ("fixation", "cue", "go", "juice", "interval")
LOW, HIGH = np.array([10, 6, 3, 6, 10]), np.array([20, 16, 8, 6, 40])  # of each phase, in bins
N_EPISODES, N_TRIALS = 10, 60
RATE = 10.0


def behave(rng):
    """Choices and rewards (episode, trial) that are independent, and durations (trial, phase) in bins."""
    choice = rng.integers(2, size=(N_EPISODES, N_TRIALS))
    reward = (rng.random(choice.shape) < np.array([0.7, 0.2])[choice]).astype(float)
    return choice, reward, rng.integers(LOW, HIGH + 1, size=(N_TRIALS, len(PHASES)))


def lay_out(rates, n_bins):
    """Recording of one animal with rates (episode, trial, phase, unit) in Hz."""
    seconds = np.broadcast_to(n_bins.ravel() * BIN_S, (1, 1, N_EPISODES, n_bins.size))
    by_step = rates.reshape(N_EPISODES, -1, rates.shape[-1])
    activity = np.repeat(by_step, n_bins.ravel(), axis=1)[None]
    return xr.Dataset(
        {
            "onset": (("animal", "condition", "episode", "step"), seconds.cumsum(-1) - seconds),
            "activity": (("animal", "recorded_episode", "bin", "unit"), activity, {"units": "Hz"}),
        },
        coords={
            "animal": [0],
            "condition": ["frozen"],
            "recorded_episode": np.arange(N_EPISODES),
            "trial": ("step", np.repeat(np.arange(N_TRIALS), len(PHASES))),
            "phase": ("step", list(PHASES) * N_TRIALS),
            "time": ("bin", np.arange(activity.shape[2]) * BIN_S),
        },
        attrs={"choice_phase": "go"},
    )


def plant(seed, n_units=12):
    """Units 0-2 code the first object's value in fixation and cue, 2-4 the choice in cue and go, 5 the reward in juice."""
    rng = np.random.default_rng(seed)
    choice, reward, n_bins = behave(rng)
    value = np.nan_to_num(compute_object_value(choice, reward, HALF_LIFE)[..., 0])
    rates = np.full((*choice.shape, len(PHASES), n_units), RATE)
    rates[:, :, :2, :3] += 40 * value[..., None, None]
    rates[:, :, 1:3, 2:5] += 20 * choice[..., None, None]
    rates[:, :, 3, 5] += 20 * reward
    return lay_out(rates, n_bins), choice, reward


@pytest.fixture(scope="module")
def planted():
    recording, choice, reward = plant(0)
    found = time_course.compute_time_course(recording, 0, choice, reward, rng=np.random.default_rng(1))
    return recording, found


def at(recording, event, first, last):
    """Windows whose middle lies between two times in s."""
    times = time_course.find_window_times(recording, event)
    return (times >= first - 1e-9) & (times <= last + 1e-9)


def test_what_was_planted_is_found_at_its_time_and_reward_not_before_it(planted):
    recording, found = planted
    of_choice, of_cue = found.p["choice"], found.p["cue"]
    before, juice = at(recording, "choice", -0.2, -0.1), at(recording, "choice", 0.1, 0.2)
    assert (of_choice["choice"][before][:, 2:5] < LEVEL).mean() > 0.8
    assert (of_choice["reward"][juice][:, 5] < LEVEL).all()
    assert (of_cue["object_value"][at(recording, "cue", -0.3, 0.1)][:, :3] < LEVEL).mean() > 0.8
    assert (of_choice["reward"][at(recording, "choice", -0.9, -0.1)] < LEVEL).mean() < 0.12
    assert (of_cue["choice"][at(recording, "cue", -0.4, -0.1)] < LEVEL).mean() < 0.12
    late = at(recording, "choice", 0.5, 0.9)
    assert (of_choice["choice"][late] < LEVEL).mean() < 0.12


def test_units_that_code_in_some_phase_are_counted_and_as_many_by_chance_as_in_other_sessions(planted):
    _, found = planted
    for name, coding in (("object_value", [0, 1, 2]), ("choice", [2, 3, 4]), ("reward", [5])):
        assert (found.p_phases[name].min(0)[coding] < LEVEL).all(), name
    assert found.p_phases["choice"][1:3, 3].max() < LEVEL < found.p_phases["choice"][0, 3]
    statistics = {(each.key, each.condition): each for each in time_course.summarise_time_course([found])}
    for name, p in (("choice", found.p_phases["choice"]), ("choice wrong_sessions", found.p_wrong["choice"])):
        any_phase = statistics["fraction_selective_any", name]
        assert any_phase.estimate == np.mean((p < LEVEL).any(0))
        assert (any_phase.n, any_phase.n_of) == (12, "units")
    keys = [name for key, name in statistics if key == "fraction_selective_any"]
    assert keys == [*time_course.VARIABLES, *(f"{name} wrong_sessions" for name in time_course.VARIABLES)]


def test_units_that_code_nothing_pass_as_often_as_stated(monkeypatch):
    """Sixty silent units in six sets of behaviour: one in twenty passes in a window or phase, 1 - .95^5 in one of five
    phases, and as many with the behaviour of other sessions."""
    monkeypatch.setattr(time_course, "EVERY", 1000)  # decoding is not looked at
    phases, any_phase, wrong, windows, latencies = [], [], [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        choice, reward, n_bins = behave(rng)
        level = RATE + rng.normal(0, 2, (N_EPISODES, 1, 1, 60))  # sessions differ in level
        recording = lay_out(np.broadcast_to(level, (N_EPISODES, N_TRIALS, 5, 60)), n_bins)
        found = time_course.compute_time_course(recording, 0, choice, reward, rng=rng)
        phases += [np.mean(p < LEVEL) for p in found.p_phases.values()]
        single = [
            name for name in found.p_phases if name != "object_value"
        ]  # either of two, corrected for it
        any_phase += [np.mean((found.p_phases[name] < LEVEL).any(0)) for name in single]
        wrong += [np.mean((found.p_wrong[name] < LEVEL).any(0)) for name in single]
        windows += [np.mean(p < LEVEL) for own in found.p.values() for p in own.values()]
        latencies += [np.isfinite(own).mean() for own in found.latency.values()]
    assert np.mean(phases) == pytest.approx(LEVEL, abs=0.02)
    assert np.mean(windows) == pytest.approx(LEVEL, abs=0.02)
    # 2,160 units and variables: 4 standard errors, and .02 for those of a few sets of behaviour
    stated = 1 - (1 - LEVEL) ** 5
    assert np.mean(any_phase) == pytest.approx(stated, abs=0.02 + 4 * np.sqrt(stated * (1 - stated) / 2160))
    assert np.mean(wrong) == pytest.approx(stated, abs=0.02 + 4 * np.sqrt(stated * (1 - stated) / 2160))
    assert np.mean(latencies) < LEVEL + 0.03


def test_value_comes_before_choice_in_a_unit_that_codes_both(planted):
    _, found = planted
    value, choice = found.latency["object_value"], found.latency["choice"]
    assert np.isfinite(value[:3]).all() and np.isfinite(choice[2:5]).all()
    assert value[2] < choice[2] <= 0
    assert np.isnan(choice[[0, 1]]).all() and np.isnan(value[[3, 4]]).all()
    medians = {
        each.condition: each for each in time_course.summarise_time_course([found]) if "lat" in each.key
    }
    assert medians["choice"].estimate == np.nanmedian(choice) and medians["choice"].units == "s"


def test_latencies_of_as_few_units_as_chance_gives_are_no_latency(planted):
    _, found = planted
    for n_coding, known in ((10, False), (11, True)):  # of 100
        latency = np.where(np.arange(100) < n_coding, -0.3, np.nan)
        one = dataclasses.replace(found, latency={"object_value": latency, "choice": latency})
        *_, statistic = time_course.summarise_time_course([one])
        assert np.isfinite(statistic.estimate) == known


def test_the_population_is_decoded_while_it_codes_and_wrong_sessions_are_not(planted):
    recording, found = planted
    accuracy, control = found.accuracy["choice"]["choice"], found.control["choice"]["choice"]
    known = np.isfinite(accuracy)
    assert known.sum() == -(-len(accuracy) // time_course.EVERY)
    assert np.nanmin(accuracy[at(recording, "choice", -0.2, -0.1)]) > 0.8
    assert np.nanmean(accuracy[at(recording, "choice", 0.5, 0.9)]) == pytest.approx(0.5, abs=0.05)
    assert np.nanmean(control) == pytest.approx(0.5, abs=0.03)
    value = found.accuracy["cue"]["object_value"]
    assert np.nanmin(value[at(recording, "cue", -0.4, 0.0)]) > 0.7


def test_counts_are_those_of_windows_and_phases_by_hand():
    recording, _, _ = plant(2, n_units=12)
    recording["activity"].attrs["units"] = "1"  # no rates: counted as they are
    counts = time_course.count_spikes(recording, np.random.default_rng(0))
    onset = np.rint(recording["onset"].values[0, 0, 3] / BIN_S).astype(int)
    session = recording["activity"].values[0, 3]
    trial, cue = 7, onset[7 * 5 + 1]
    np.testing.assert_allclose(counts.phases[3, trial, 1], session[cue : onset[7 * 5 + 2]].mean(0))
    times = time_course.find_window_times(recording, "cue")
    assert times[[0, 1, -1]].tolist() == [-0.4, -0.35, 0.9]
    for window, time in enumerate(times):
        first = cue + round((time - 0.1) / BIN_S)
        expected = session[first : first + 4].sum(0)
        np.testing.assert_allclose(counts.windows["cue"][3, trial, window], expected, rtol=1e-5)


def test_drawn_spikes_have_the_mean_and_the_variance_of_a_poisson_process():
    recording = lay_out(np.full((N_EPISODES, N_TRIALS, 5, 4), 12.0), np.full((N_TRIALS, 5), 10))
    spikes = np.stack([own for *_, own in time_course.iterate_spikes(recording, np.random.default_rng(0))])
    n = spikes.size
    assert spikes.mean() == pytest.approx(12 * BIN_S, abs=4 * np.sqrt(0.6 / n))
    assert spikes.var() / spikes.mean() == pytest.approx(1, abs=4 * np.sqrt(3 / n))


@pytest.mark.parametrize(("n_sessions", "n_trials", "n"), [(10, 100, 15), (8, 60, 19), (20, 6, 4)])
def test_trials_are_as_many_as_of_a_recorded_cell_and_none_at_the_ends(n_sessions, n_trials, n):
    chosen = time_course.choose_trials(n_sessions, n_trials)
    assert len(chosen) == len(set(chosen)) == n
    assert chosen[0] == 1 and chosen[-1] == n_trials - 2


def test_the_first_window_before_the_choice_that_passes_is_the_latency():
    ends = np.array([-0.2, -0.1, 0.0, 0.1])
    p = np.array([[0.03, 0.9, 0.001], [0.01, 0.9, 0.9], [0.001, 0.9, 0.9], [0.9, 0.001, 0.9]])
    np.testing.assert_array_equal(time_course.find_latency(p, ends), [-0.1, np.nan, -0.2])


def test_tables_hold_what_is_drawn_at_its_time(planted):
    recording, found = planted
    fractions = time_course.tabulate_selectivity_in_time(recording, [found, found])
    of_choice = fractions.query("event == 'choice' and variable == 'choice'").set_index("time_s")["fraction"]
    times = time_course.find_window_times(recording, "choice")
    expected = (found.p["choice"]["choice"] < LEVEL).mean(1)
    np.testing.assert_allclose(of_choice.loc[times.tolist()], expected)
    assert set(fractions["variable"]) == set(time_course.VARIABLES)
    lengths = np.rint(recording["onset"].values[0, 0, 0] / BIN_S)
    between = np.median(lengths[3::5] - lengths[1::5]) * BIN_S
    others = fractions.groupby("event")["other_event_s"].first()
    assert others["cue"] == pytest.approx(between) and others["choice"] == pytest.approx(-between)
    decoded = time_course.tabulate_decoding_in_time(recording, [found, found])
    assert set(decoded["variable"]) == {"object_value", "choice"} and decoded["accuracy"].notna().all()
    control = decoded.query("event == 'cue' and variable == 'choice'")["wrong_sessions"]
    np.testing.assert_allclose(control, np.nanmean(found.control["cue"]["choice"]))


def test_an_animal_that_always_chooses_the_same_has_no_time_course():
    recording, choice, reward = plant(0)
    same = np.zeros_like(choice)
    blind = time_course.compute_time_course(recording, 0, same, reward, rng=np.random.default_rng(1))
    assert all(np.isnan(p).all() for own in blind.p.values() for p in own.values())
    assert np.isnan(blind.latency["choice"]).all() and np.isnan(blind.accuracy["cue"]["choice"]).all()
    assert time_course.tabulate_selectivity_in_time(recording, [blind]).empty
    for each in time_course.summarise_time_course([blind]):
        assert np.isnan(each.estimate)
