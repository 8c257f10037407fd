"""Spiking recordings: planted firing and planted losses come out."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.cells.conversion import (
    PAUSE_S,
    Span,
    compute_expected_reward,
    compute_shares,
    cut_windows,
    get_trains,
    leave_out_pauses,
    summarise_by_area,
    summarise_conversion,
    summarise_neurons,
    tabulate_conversion,
    tabulate_neurons,
)

N_TRIALS, N_EPISODES, STEP_S = 50, 6, 0.1
SESSION_S = N_TRIALS * 2 * STEP_S


def make_trains(rng):
    """By animal, unit, neuron, episode: units of Poisson neurons of 5 and 20 Hz, clocks of 10 Hz, silent ones."""

    def poisson(rate):
        return np.sort(rng.uniform(0, SESSION_S, rng.poisson(rate * SESSION_S)))

    clock = np.arange(0.05, SESSION_S, 0.1)
    return [
        [[[each() for _ in range(N_EPISODES)] for _ in range(2)] for each in kinds]
        for kinds in [[lambda: poisson(5), lambda: poisson(20), lambda: clock, lambda: np.empty(0)]] * 2
    ]


@pytest.fixture(scope="module")
def trains():
    return make_trains(np.random.default_rng(0))


@pytest.fixture(scope="module")
def recording(trains):
    rows = [
        (animal, episode, unit, neuron, time)
        for animal, units in enumerate(trains)
        for unit, neurons in enumerate(units)
        for neuron, episodes in enumerate(neurons)
        for episode, times in enumerate(episodes)
        for time in times
    ]
    rows = np.random.default_rng(1).permutation(np.array(rows))  # no order is asked for
    names = ("spike_animal", "spike_episode", "spike_unit", "spike_neuron", "spike_time")
    spikes = {name: ("spike", column) for name, column in zip(names, rows.T, strict=True)}
    return xr.Dataset(
        {
            name: (dim, values.astype(int) if name != "spike_time" else values)
            for name, (dim, values) in spikes.items()
        },
        coords={
            "animal": [0, 1],
            "unit": np.arange(4),
            "is_excitatory": ("unit", [True, True, True, False]),
            "recorded_episode": np.arange(N_EPISODES),
            "trial": ("step", np.repeat(np.arange(N_TRIALS), 2)),
            "time_in_trial": ("step", np.tile([STEP_S, 2 * STEP_S], N_TRIALS)),
        },
        attrs={"neurons_per_unit": 2},
    )


def test_trains_are_those_that_were_laid_down(recording, trains):
    for animal in range(2):
        found = get_trains(recording, animal)
        expected = [episodes for neurons in trains[animal] for episodes in neurons]
        assert len(found) == 8 and len(found[0]) == N_EPISODES
        for own, laid in zip(found, expected, strict=True):
            for one, other in zip(own, laid, strict=True):
                np.testing.assert_array_equal(one, other)


def test_planted_firing_is_found(recording):
    table = tabulate_neurons(recording, 0)
    assert list(table["unit"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    by_unit = table.groupby("unit").mean()
    np.testing.assert_allclose(by_unit["firing_rate"], [5, 20, 10, 0], rtol=0.1)
    np.testing.assert_allclose(by_unit["cv"][:3], [1, 1, 0], atol=0.12)
    np.testing.assert_allclose(by_unit["cv2"][:3], [1, 1, 0], atol=0.12)
    np.testing.assert_allclose(by_unit["lv"][:3], [1, 1, 0], atol=0.15)
    np.testing.assert_allclose(by_unit["fano"][:3], [1, 1, 0], atol=0.15)
    assert by_unit.loc[3, ["cv", "cv2", "lv", "fano"]].isna().all()


def test_summary_is_of_excitatory_neurons_but_for_the_largest_rate(recording):
    found = {each.key: each for each in summarise_neurons(recording)}
    assert found["firing_rate_mean"].estimate == pytest.approx(35 / 3, rel=0.05)
    assert found["firing_rate"].estimate == pytest.approx(10, rel=0.05)
    assert found["firing_rate_max"].estimate == pytest.approx(20, rel=0.1)
    assert found["fano"].n == 2 and found["fano"].units == "1" and found["firing_rate"].units == "Hz"


def test_pauses_are_left_out_and_windows_cut():
    train = np.array([0.1, 0.5, 1.9, 2.1, 2.1 + PAUSE_S + 0.1, 5.9])
    assert [list(part) for part in leave_out_pauses(train)] == [list(train[:4]), list(train[4:])]
    assert [list(part) for part in cut_windows(train)] == [list(train[:3]), [2.1], list(train[4:])]
    for cut in (leave_out_pauses, cut_windows):
        assert [len(part) for part in cut(np.empty(0))] == [0]


def test_each_area_is_met_in_its_own_way():
    """Poisson in bursts of 1 s at 10 Hz with pauses of 4 s: the pauses raise CV unless they are left out."""
    rng = np.random.default_rng(0)
    bursts = [np.sort(start + rng.random(rng.poisson(10))) for start in np.arange(0, 500, 5)]
    train = np.concatenate(bursts)
    spikes = {"spike_time": train}
    spikes |= {f"spike_{name}": np.zeros(len(train), int) for name in ("animal", "episode", "unit", "neuron")}
    recording = xr.Dataset(
        {name: ("spike", values) for name, values in spikes.items()},
        coords={
            "animal": [0],
            "unit": [0],
            "is_excitatory": ("unit", [True]),
            "recorded_episode": [0],
            "trial": ("step", np.arange(1000)),
            "time_in_trial": ("step", np.full(1000, 0.5)),
        },
        attrs={"neurons_per_unit": 1},
    )
    whole = tabulate_neurons(recording, 0)["cv"][0]
    found = {(each.key, each.condition): each for each in summarise_by_area(recording)}
    assert whole > 2
    assert found["cv", "DLPFC"].estimate == found["cv", "ACC"].estimate == pytest.approx(1, abs=0.1)
    assert found["cv2", "OFC"].estimate == pytest.approx(1, abs=0.1)
    assert found["firing_rate", "OFC"].estimate == pytest.approx(len(train) / 500)
    assert ("fano", "DLPFC") not in found  # no stretch without an event is long enough


def test_shares_by_regret_fall_as_it_rises():
    dims = ("animal", "condition", "held_out_episode")
    recording = xr.Dataset({"held_out_regret": (dims, [[[2.0, 8.0]]])}, coords={"condition": ["frozen"]})
    shares = compute_shares(recording, Span("regret", chance=10.0, optimum=2.0))
    np.testing.assert_allclose(shares.values.ravel(), [1, 0.25])


def make_shares(lost, rng):
    """Shares (condition, animal, episode): sessions differ, neurons lose `lost` (animal,) of the optimum in each."""
    rate = 0.8 + 0.2 * rng.standard_normal((len(lost), 100))
    neurons = rate - np.array(lost)[:, None] + 0.02 * rng.standard_normal(rate.shape)
    conditions = ["frozen", "rate_frozen", "recurrence_cut"]
    return xr.DataArray(
        [neurons, rate, 0.1 * rate],
        dims=("condition", "animal", "episode"),
        coords={"condition": conditions, "animal": range(len(lost))},
    )


def test_the_loss_of_reward_is_summarised_by_animal_and_over_all():
    rng = np.random.default_rng(0)
    shares = make_shares([0.0, 0.02, 0.2], rng)
    table = tabulate_conversion(shares)
    np.testing.assert_allclose(table["lost"], [0, 0.02, 0.2], atol=0.006)
    assert list(table["converts"]) == [True, True, False]
    assert ((table["lost_low"] < table["lost"]) & (table["lost"] < table["lost_high"])).all()
    assert (table["lost_high"] - table["lost_low"]).max() < 0.012  # paired: not that of sessions, .08
    np.testing.assert_allclose(table["recurrence_cut"], 0.1 * table["rate"])
    found = {(each.key, each.condition): each for each in summarise_conversion(shares)}
    assert found["share_lost", ""].estimate == pytest.approx(0.22 / 3, abs=0.005)
    assert found["share_of_optimum", "rate_frozen"].estimate == pytest.approx(0.8, abs=0.05)


def make_choices(p, dims, choice):
    step = ("animal", "condition", "episode", "step")
    n_trials = choice.shape[-1]
    return xr.Dataset(
        {
            "p_reward": (dims, p),
            "choice": (step, np.stack([choice, choice * 0 - 1], -1).reshape(*choice.shape[:3], -1)),
        },
        coords={
            "condition": ["frozen"],
            "trial": ("step", np.repeat(np.arange(n_trials), 2)),
            "phase": ("step", ["choice", "outcome"] * n_trials),
        },
        attrs={"choice_phase": "choice"},
    )


def test_expected_reward_is_that_of_the_chosen_options():
    choice = np.array([[0, 0, 1, 1], [1, 1, 1, 0]])[None, None]  # two sessions of four trials
    recording = make_choices([[0.2, 0.6], [0.9, 0.1]], ("episode", "action"), choice)
    expected = compute_expected_reward(recording).transpose("animal", "condition", "episode")
    np.testing.assert_allclose(expected, [[[0.4, 0.3]]])
    shares = compute_shares(recording, Span("reward", 0.2, 0.6))
    np.testing.assert_allclose(shares.values.ravel(), [0.5, 0.25])


def test_expected_reward_follows_probabilities_that_change():
    choice = np.array([[0, 1]])[None, None]
    p = np.zeros((1, 4, 2))
    p[0, 0], p[0, 2] = [0.3, 0.0], [0.0, 0.7]  # at the choice steps
    recording = make_choices(p, ("episode", "step", "action"), choice)
    np.testing.assert_allclose(compute_expected_reward(recording).values.ravel(), [0.5])


def test_reward_itself_counts_where_no_probability_is_recorded():
    dims = ("animal", "condition", "held_out_episode")
    recording = xr.Dataset({"held_out_reward": (dims, [[[0.4, 0.6]]])}, coords={"condition": ["frozen"]})
    np.testing.assert_allclose(
        compute_shares(recording, Span("reward", 0.0, 0.8)).values.ravel(), [0.5, 0.75]
    )
