"""From planted recordings to statistics of units: what a unit was made to code is found, in its phase, and no more."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.units import summary as units
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors

PHASES = ["fixation", "cue", "saccade", "outcome"]
N_EPISODES, N_TRIALS = 30, 60


def rng():
    return np.random.default_rng(0)


def behave(seed):
    """Choices that follow rewards now and then, (episode, trial), so that no variable is another."""
    random = np.random.default_rng(seed)
    p = random.uniform(0.1, 0.6, size=(N_EPISODES, 2))
    choice = random.integers(2, size=(N_EPISODES, N_TRIALS))
    reward = (random.random(choice.shape) < np.take_along_axis(p, choice, 1)).astype(float)
    return choice, reward


def variables(choice, reward):
    """Variables that a unit may code, each (episode, trial) with s.d. 1."""
    found = dict(compute_regressors(choice, reward, compute_object_value(choice, reward, units.HALF_LIFE)))
    return {name: np.nan_to_num((x - np.nanmean(x)) / np.nanstd(x)) for name, x in found.items()}


def plant(seed, coded, n_units=6):
    """Behaviour and activity (episode, trial, phase, unit) of noise and what `coded` adds.

    `coded` maps (unit, phase) to a variable.
    """
    choice, reward = behave(seed)
    random = np.random.default_rng(seed + 100)
    activity = random.normal(5, 1, size=(*choice.shape, len(PHASES), n_units))
    activity += random.normal(0, 1, size=(N_EPISODES, 1, 1, n_units))  # sessions differ in level
    known = variables(choice, reward)
    for (unit, phase), name in coded.items():
        activity[:, :, PHASES.index(phase), unit] += known[name]
    return activity, choice, reward


CODED = {
    (0, "cue"): "last_choice",
    (1, "cue"): "last_reward",
    (2, "fixation"): "object_value_0",
    (2, "saccade"): "choice",
    (3, "cue"): "object_value_1",
    (4, "saccade"): "choice",
}


@pytest.fixture(scope="module")
def p():
    return units.regress_phases(*plant(0, CODED), rng=rng())


def test_what_was_planted_is_found_in_its_unit_and_phase(p):
    assert p.keys() == set(units.VARIABLES)
    for (unit, phase), name in CODED.items():
        name = "object_value" if name.startswith("object_value") else name
        assert p[name][PHASES.index(phase), unit] < 1e-4, (name, unit, phase)


def test_one_in_twenty_of_what_was_not_planted_is_found():
    passed = []
    for seed in range(4):
        found = units.regress_phases(*plant(seed, {}, n_units=20), rng=rng())
        assert all(values.shape == (4, 20) for values in found.values())
        passed += [np.mean(values < units.LEVEL) for values in found.values()]
    # 24 fractions of 80 each; a little below for object value, whose Bonferroni is over related values
    assert np.mean(passed) == pytest.approx(units.LEVEL, abs=4 * np.sqrt(0.05 * 0.95 / (24 * 80)))


def test_fractions_count_units_over_animals(p):
    one, other = p, {name: np.ones_like(values) for name, values in p.items()}
    cue = PHASES.index("cue")
    found = {each.condition: each for each in units.compute_selectivity([one, other], cue)}
    assert found.keys() == set(units.VARIABLES)
    for name, each in found.items():
        fraction = np.mean(p[name][cue] < units.LEVEL)
        assert each.by_animal == pytest.approx((fraction, 0))
        assert each.estimate == pytest.approx(fraction / 2)
    assert found["last_choice"].by_animal[0] >= 1 / 6
    (alone, *_) = units.compute_selectivity([one], cue)
    assert (alone.n, alone.n_of) == (6, "units")


def test_value_units_that_come_to_code_choice_before_the_outcome():
    shape = (4, 5)
    value, choice = np.ones(shape), np.ones(shape)
    value[0, :4] = 0.01  # four value units from fixation on ...
    choice[1, 0] = choice[2, 1] = 0.01  # ... two of which come to code choice
    choice[3, 2] = 0.01  # one only after the outcome
    choice[0, 3] = 0.01  # one codes both at once
    choice[2, 4] = 0.01  # and one without value codes choice
    found = units.compute_value_to_choice(
        [{"object_value": value, "choice": choice}], PHASES.index("outcome")
    )
    assert [(each.key, each.condition) for each in found] == [
        ("value_to_choice", ""),
        ("value_to_choice", "units_without_value"),
    ]
    assert [each.estimate for each in found] == [0.5, 1.0]


def test_planted_value_is_decoded_and_that_of_other_sessions_is_not():
    coded = {(unit, "fixation"): "object_value_0" for unit in range(3)}
    animals = [plant(seed, planted) for seed, planted in enumerate((coded, {}))]
    activity, choice, reward = (np.stack(each) for each in zip(*animals, strict=True))
    found, control = units.compute_value_decoding(activity[..., 0, :], choice, reward, rng=rng())
    assert found.by_animal[0] > 0.75
    assert found.by_animal[1] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(N_EPISODES * N_TRIALS / 4))
    assert control.condition == "wrong_sessions"
    assert control.by_animal == pytest.approx((0.5, 0.5), abs=0.04)
    late, _ = units.compute_value_decoding(activity[..., 3, :], choice, reward, rng=rng())
    assert late.by_animal[0] < 0.6  # it was planted at fixation only


BLIND = {"first": [0], "second": [1], "alternating": [0, 1]}


@pytest.mark.parametrize("how", BLIND)
def test_of_an_animal_that_always_does_the_same_nothing_is_said(how):
    """Variables that never change or determine one another have no coefficient; other animals keep theirs."""
    activity, choice, reward = plant(0, CODED)
    same = np.tile(np.resize(BLIND[how], N_TRIALS), (N_EPISODES, 1))
    blind, sound = (units.regress_phases(activity, each, reward, rng=rng()) for each in (same, choice))
    assert all(np.isnan(values).all() for values in blind.values())
    assert all(values.shape == (4, 6) for values in blind.values())
    for each in units.compute_selectivity([blind, sound], 1):
        assert np.isnan(each.by_animal[0])
        assert each.estimate == each.by_animal[1] == np.mean(sound[each.condition][1] < units.LEVEL)
        assert each.n == 1
    for each in units.compute_value_to_choice([blind, sound], 3):
        assert np.isnan(each.by_animal[0])
    (alone, *_) = units.compute_selectivity([blind], 1)
    assert np.isnan(alone.estimate)
    assert alone.n == 0


@pytest.mark.parametrize("n_tried", [0, 1, 2, 29])
def test_value_that_was_hardly_ever_other_than_nothing_is_not_decoded(n_tried):
    """The first object is tried, and paid, in a few sessions only: of two, a fold may leave none to learn from."""
    activity, choice, reward = plant(0, {})
    choice = np.ones_like(choice)
    choice[:n_tried, ::3] = 0
    reward = np.maximum(reward, choice == 0)
    found, control = units.compute_value_decoding(
        activity[None, :, :, 0], choice[None], reward[None], rng=rng()
    )
    assert np.isfinite([found.estimate, control.estimate]).all() == (n_tried == 29)


N_BINS = np.array([3, 1, 2, 4, 2, 2, 1, 5])  # of each phase of two trials


def a_recording(n_animals=2, n_units=5, unit="Hz"):
    """Activity that tells its own animal, episode, bin and unit."""
    shape = (n_animals, 3, N_BINS.sum(), n_units)
    activity = sum(10.0**-i * index for i, index in enumerate(np.indices(shape)))
    seconds = np.broadcast_to(N_BINS * 0.1, (n_animals, 1, 3, 8))
    return xr.Dataset(
        {
            "activity": (("animal", "recorded_episode", "bin", "unit"), activity, {"units": unit}),
            "onset": (("animal", "condition", "episode", "step"), seconds.cumsum(-1) - seconds),
        },
        coords={
            "condition": ["frozen"],
            "recorded_episode": np.arange(3),
            "trial": ("step", np.arange(8) // 4),
            "phase": ("step", PHASES * 2),
            "time": ("bin", np.arange(N_BINS.sum()) * 0.1),
            "is_excitatory": ("unit", np.arange(n_units) < 3),
            "tau": ("unit", np.arange(n_units) / 10),
        },
    )


def test_activity_of_a_phase_is_the_mean_over_its_bins():
    recording = a_recording()
    ends = N_BINS.cumsum()
    for order in (recording, recording.transpose("unit", "bin", "animal", "recorded_episode", ...)):
        found = units.get_activity(order)
        assert found.shape == (2, 3, 2, 4, 5)
        for step in range(8):
            own = recording["activity"].values[:, :, ends[step] - N_BINS[step] : ends[step]].mean(2)
            np.testing.assert_allclose(found[:, :, step // 4, step % 4], own)


@pytest.mark.parametrize("unit", ["Hz", "1"])
def test_rates_are_of_excitatory_units_and_the_largest_of_any(unit):
    recording = a_recording(unit=unit)
    planted = np.array([[4.0, 1, 2, 50, 8], [3, 3, 9, 0, 0]])  # (animal, unit), three excitatory
    recording["activity"][:] = planted[:, None, None, :]
    median, largest = units.compute_rates(recording)
    assert (median.key, largest.key) == ("firing_rate", "firing_rate_max")
    assert median.by_animal == (2, 3)
    assert largest.by_animal == (50, 9)
    assert median.units == largest.units == unit


def test_table_of_units_has_a_row_a_unit(p):
    recording = a_recording(n_animals=1, n_units=6)
    table = units.tabulate_unit_properties(recording, [p], PHASES.index("cue"))
    assert table["unit"].tolist() == list(range(6))
    assert table["is_excitatory"].tolist() == [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(table["tau"], np.arange(6) / 10)
    np.testing.assert_allclose(table["mean_rate_hz"], recording["activity"].values.mean((0, 1, 2)))
    assert "latency_choice_s" not in table
    latency = [{"choice": np.linspace(-1, 0, 6)}]
    more = units.tabulate_unit_properties(recording, [p], 1, latency=latency)
    np.testing.assert_array_equal(more["latency_choice_s"], latency[0]["choice"])
    for name in units.VARIABLES:
        np.testing.assert_array_equal(table[f"p_{name}"], p[name][1])


def test_fractions_are_drawn_with_their_references(p):
    statistics = units.compute_selectivity([p, p], 1)
    table = units.tabulate_selectivity(statistics, {"last_choice": (0.4, 0.3, 0.5)}).set_index("variable")
    assert list(table.index) == list(units.VARIABLES)
    assert table.loc["last_choice", ["reference", "ref_low", "ref_high"]].tolist() == [0.4, 0.3, 0.5]
    assert table.drop(index="last_choice")[["reference", "ref_low", "ref_high"]].isna().all(axis=None)
    assert table["fraction"].tolist() == [each.estimate for each in statistics]
