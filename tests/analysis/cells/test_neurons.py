"""Firing of the neurons of a spiking recording: planted rates, regularity, variability and timescales come out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pfc_da.analysis.cells.conversion_tables import SHOWN_S, tabulate_raster
from pfc_da.analysis.cells.firing import compute_fano, compute_fano_within
from pfc_da.analysis.cells.neurons import (
    PAUSE_S,
    compute_foreperiod_timescales,
    cut_windows,
    find_times,
    get_trains,
    leave_out_pauses,
    summarise_by_area,
    summarise_neurons,
    tabulate_neurons,
)

N_TRIALS, N_EPISODES, BIN_S = 60, 5, 0.05
PHASES = ("fixation", "go", "outcome", "interval")


def draw_bins(rng, n_trials=N_TRIALS):
    """Bins of every phase, (trial, phase): fixation .5 to 1 s, go .2 to .5, outcome .3, interval .5 to 1."""
    return rng.integers([10, 4, 6, 10], [21, 11, 7, 21], (n_trials, len(PHASES)))


def make_recording(bins, trains, choice=None, reward=None, n_excitatory=None):
    """A recording of spikes by animal, unit, neuron and episode, in s; all sessions have the durations `bins`."""
    spikes = [
        (animal, episode, unit, neuron, time)
        for animal, units in enumerate(trains)
        for unit, neurons in enumerate(units)
        for neuron, episodes in enumerate(neurons)
        for episode, times in enumerate(episodes)
        for time in times
    ]
    n_animals, n_units, n_episodes = len(trains), len(trains[0]), len(trains[0][0][0])
    spikes = np.random.default_rng(1).permutation(np.array(spikes).reshape(-1, 5))  # no order is asked for
    names = ("spike_animal", "spike_episode", "spike_unit", "spike_neuron")
    n_trials, n_phases = bins.shape
    made = np.full((n_animals, 1, n_episodes, n_trials, n_phases), -1)
    paid = np.zeros(made.shape)
    made[..., 1] = 0 if choice is None else choice
    paid[..., 1] = 0 if reward is None else reward
    flat = (*made.shape[:3], -1)
    step = ("animal", "condition", "episode", "step")
    seconds = np.broadcast_to(BIN_S * bins.ravel(), (*made.shape[:3], bins.size))
    return xr.Dataset(
        {
            **{name: ("spike", column.astype(int)) for name, column in zip(names, spikes.T, strict=False)},
            "spike_time": ("spike", spikes[:, 4]),
            "choice": (step, made.reshape(flat)),
            "reward": (step, paid.reshape(flat)),
            "onset": (step, (seconds.cumsum(-1) - seconds).astype(np.float32)),
        },
        coords={
            "animal": range(n_animals),
            "condition": ["frozen"],
            "unit": np.arange(n_units),
            "is_excitatory": (
                "unit",
                np.arange(n_units) < (n_units if n_excitatory is None else n_excitatory),
            ),
            "recorded_episode": np.arange(n_episodes),
            "trial": ("step", np.repeat(np.arange(n_trials), n_phases)),
            "phase": ("step", list(PHASES[:n_phases]) * n_trials),
            "time": ("bin", BIN_S * np.arange(bins.sum())),
        },
        attrs={"neurons_per_unit": len(trains[0][0]), "choice_phase": "go"},
    )


BINS = draw_bins(np.random.default_rng(0))
SESSION_S = BIN_S * BINS.sum()


@pytest.fixture(scope="module")
def trains():
    """By animal, unit, neuron, episode: units of Poisson neurons of 5 and 20 Hz, clocks of 10 Hz, silent ones."""
    rng = np.random.default_rng(0)

    def poisson(rate):
        return np.sort(rng.uniform(0, SESSION_S, rng.poisson(rate * SESSION_S)).round(3))

    clock = np.arange(0.025, SESSION_S, 0.1)
    return [
        [[[each() for _ in range(N_EPISODES)] for _ in range(2)] for each in kinds]
        for kinds in [[lambda: poisson(5), lambda: poisson(20), lambda: clock, lambda: np.empty(0)]] * 2
    ]


@pytest.fixture(scope="module")
def recording(trains):
    rng = np.random.default_rng(2)
    choice, reward = rng.integers(2, size=(2, 2, 1, N_EPISODES, N_TRIALS))
    return make_recording(BINS, trains, choice, reward, n_excitatory=3)


def test_trains_are_those_that_were_laid_down(recording, trains):
    for animal in range(2):
        found = get_trains(recording, animal)
        expected = [episodes for neurons in trains[animal] for episodes in neurons]
        assert len(found) == 8 and len(found[0]) == N_EPISODES
        for own, laid in zip(found, expected, strict=True):
            for one, other in zip(own, laid, strict=True):
                np.testing.assert_array_equal(one, other)


def test_times_by_hand():
    bins = np.array(
        [[10, 4, 6, 10], [20, 8, 6, 16], [9, 4, 6, 12]]
    )  # s: .5 .2 .3 .5, 1 .4 .3 .8, .45 .2 .3 .6
    choice = np.array([1, -1, 0])
    recording = make_recording(bins, [[[[[0.1]]]]], choice, [1, 0, 1])
    (times,) = find_times(recording, 0)
    np.testing.assert_allclose(times.steps, [0, 0.5, 0.7, 1, 1.5, 2.5, 2.9, 3.2, 4, 4.45, 4.65, 4.95, 5.55])
    assert times.phase.tolist() == [0, 1, 2, 3] * 3
    assert times.foreperiods.tolist() == [0.0, 1.5]  # the last one is shorter than .5 s
    # choices at .7, 2.9 and 4.65 s; the shortest trial before one lasts .65 s, after one .8 s
    np.testing.assert_allclose(times.windows, [[0.05, 1.5], [4.0, 5.45]])
    assert times.outcomes.tolist() == [1, 0]


def test_planted_firing_is_found(recording):
    table = tabulate_neurons(recording, 0)
    assert list(table["unit"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    by_unit = table.groupby("unit").mean()
    np.testing.assert_allclose(by_unit["firing_rate"], [5, 20, 10, 0], rtol=0.1)
    np.testing.assert_allclose(by_unit["lowest_rate"], [5, 20, 10, 0], rtol=0.1)
    np.testing.assert_allclose(by_unit["cv"][:3], [1, 1, 0], atol=0.12)
    np.testing.assert_allclose(by_unit["cv2"][:3], [1, 1, 0], atol=0.12)
    np.testing.assert_allclose(by_unit["lv"][:3], [1, 1, 0], atol=0.15)
    np.testing.assert_allclose(by_unit["fano"][:3], [1, 1, 0], atol=0.15)
    np.testing.assert_allclose(by_unit["fano_trial"][:3], [1, 1, 0], atol=0.15)
    assert by_unit.loc[3, ["cv", "cv2", "lv", "fano", "fano_trial"]].isna().all()


def test_counts_are_those_of_a_brute_force(recording, trains):
    edges = np.concatenate([[0], BIN_S * np.cumsum(BINS)]).round(6)
    begins, lasts = edges[:-1].reshape(-1, 4), np.diff(edges).reshape(-1, 4)
    choices = begins[:, 2]
    before, after = (choices - begins[:, 0]).min(), (np.append(begins[1:, 0], edges[-1]) - choices).min()

    def count(train, begin, end):
        return np.array([((train >= a) & (train < b)).sum() for a, b in zip(begin, end, strict=True)])

    own = recording.isel(animal=1, condition=0)
    choice, reward = (
        own[name].values.reshape(N_EPISODES, N_TRIALS, 4)[..., 1] for name in ("choice", "reward")
    )
    row = tabulate_neurons(recording, 1).iloc[2]
    sessions = trains[1][1][0]
    fanos = [compute_fano(count(train, begins[:, 0], (begins[:, 0] + 0.5).round(6))) for train in sessions]
    assert row["fano"] == pytest.approx(np.mean(fanos))
    counts = [count(train, (choices - before).round(6), (choices + after).round(6)) for train in sessions]
    within = [
        compute_fano_within(each, 2 * choice[place] + reward[place].astype(int))
        for place, each in enumerate(counts)
    ]
    assert row["fano_trial"] == pytest.approx(np.mean(within))
    rates = [
        sum(count(train, begins[:, phase], (begins + lasts)[:, phase].round(6)).sum() for train in sessions)
        / (N_EPISODES * lasts[:, phase].sum())
        for phase in range(4)
    ]
    assert row["lowest_rate"] == pytest.approx(min(rates))


def test_a_neuron_that_falls_silent_in_one_phase_is_counted(trains):
    """Neurons of 5 Hz but for the outcome, in which one fires once in 10 s and the other at 1 Hz."""
    begins = (BIN_S * np.cumsum(np.append(0, BINS))[:-1]).reshape(-1, 4)[:, 2]
    rng = np.random.default_rng(5)

    def plant(rate):
        laid = [np.concatenate([neuron[place] for neuron in trains[0][0]]) for place in range(N_EPISODES)]
        quiet = [own[(own[:, None] < begins).sum(1) == (own[:, None] < begins + 0.3).sum(1)] for own in laid]
        more = [begins[rng.random(N_TRIALS) < 0.3 * rate] + 0.1 for _ in range(5)]
        return [[np.sort(np.concatenate(pair)) for pair in zip(quiet, more, strict=True)]]

    recording = make_recording(BINS, [[plant(0.1), plant(1.0)]] * 2)
    table = tabulate_neurons(recording, 0)
    np.testing.assert_allclose(table["lowest_rate"], [0.1, 1.0], rtol=0.5)
    assert (table["firing_rate"] > 5).all()
    found = {each.key: each for each in summarise_neurons(recording)}
    assert found["fraction_nearly_silent"].estimate == 0.5
    assert found["fraction_nearly_silent"].units == "fraction"


def wander(tau, rng, bins, n_neurons, n_episodes, rate=10.0):
    """Spikes of neurons with rates that wander with `tau` in s."""
    dt = 0.005
    n_steps = round(BIN_S / dt) * int(bins.sum())
    keep = np.exp(-dt / (2 * tau))
    x = rng.standard_normal((4, n_neurons, n_episodes))
    spikes = [[[] for _ in range(n_episodes)] for _ in range(n_neurons)]
    for t in range(n_steps):
        fires = rng.random((n_neurons, n_episodes)) < rate * (x**2).mean(0) * dt
        for neuron, episode in zip(*np.nonzero(fires), strict=True):
            spikes[neuron][episode].append(t * dt)
        x = keep * x + np.sqrt(1 - keep**2) * rng.standard_normal(x.shape)
    return [[[np.array(times) for times in own]] for own in spikes]


def test_the_population_timescale_of_the_foreperiod_comes_back():
    bins, rng = draw_bins(np.random.default_rng(3)), np.random.default_rng(4)
    recording = make_recording(bins, [wander(0.1, rng, bins, 30, 3)] * 2)
    found = compute_foreperiod_timescales(recording, 0)
    assert found.population == pytest.approx(0.1, rel=0.25)
    summary = {each.key: each for each in summarise_neurons(recording)}
    assert summary["timescale_population"].estimate == pytest.approx(found.population)
    assert summary["timescale_population"].units == "s"
    # Poisson counts of a mean rate over .5 s: 1 + 2 c m (tau/T) (1 - (1 - exp(-T/tau)) tau/T), c = 1/2, m = 5
    share = 0.1 / 0.5
    excess = 5 * 0.5 * 2 * share * (1 - share * (1 - np.exp(-1 / share)))
    assert summary["fano"].estimate == pytest.approx(1 + excess, rel=0.15)
    areas = {(each.key, each.condition): each for each in summarise_by_area(recording)}
    assert areas["fano", "DLPFC"].estimate == summary["fano"].estimate


def test_steady_neurons_have_no_timescale(trains):
    steady = make_recording(BINS, [[[trains[0][0][0]]] * 3])
    assert np.isnan(compute_foreperiod_timescales(steady, 0).population)
    assert ("timescale", "DLPFC") not in {(each.key, each.condition) for each in summarise_by_area(steady)}


def test_what_action_and_reward_do_to_a_trial_is_no_variability():
    rng = np.random.default_rng(6)
    choice, reward = rng.integers(2, size=(2, N_TRIALS))
    edges = BIN_S * np.concatenate([[0], np.cumsum(BINS.sum(1))])
    rate = 5 + 10 * choice + 20 * reward
    sessions = []
    for _ in range(N_EPISODES):
        parts = [
            rng.uniform(a, b, rng.poisson(r * (b - a)))
            for a, b, r in zip(edges, edges[1:], rate, strict=False)
        ]
        sessions.append(np.sort(np.concatenate(parts)))
    table = tabulate_neurons(make_recording(BINS, [[[sessions]]], choice, reward), 0)
    assert table["fano"][0] > 3
    assert table["fano_trial"][0] == pytest.approx(1, abs=0.2)


def test_summary_is_of_excitatory_neurons_but_for_the_largest_rate(recording):
    found = {each.key: each for each in summarise_neurons(recording)}
    assert found["firing_rate_mean"].estimate == pytest.approx(35 / 3, rel=0.05)
    assert found["firing_rate"].estimate == pytest.approx(10, rel=0.05)
    assert found["firing_rate_max"].estimate == pytest.approx(20, rel=0.1)
    assert found["fano"].n == 2 and found["fano"].units == "1" and found["firing_rate"].units == "Hz"
    assert found["fraction_nearly_silent"].estimate == 0  # the silent unit is inhibitory


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
    recording = make_recording(np.full((500, 2), 10), [[[[train]]]])
    whole = tabulate_neurons(recording, 0)["cv"][0]
    found = {(each.key, each.condition): each for each in summarise_by_area(recording)}
    assert whole > 2
    assert found["cv", "DLPFC"].estimate == found["cv", "ACC"].estimate == pytest.approx(1, abs=0.1)
    assert found["cv2", "OFC"].estimate == pytest.approx(1, abs=0.1)
    assert found["firing_rate", "OFC"].estimate == pytest.approx(len(train) / 500)


def test_a_raster_has_the_begins_of_its_trials(recording, trains):
    table = tabulate_raster(recording)
    edges = BIN_S * np.concatenate([[0], np.cumsum(BINS.sum(1))])
    assert set(table["trial_start"].round(6)) == set(edges[edges < SHOWN_S].round(6))
    last = edges[np.searchsorted(edges, table["time"], side="right") - 1]
    np.testing.assert_allclose(table["trial_start"], last)
    shown = sum((trains[0][unit][0][0] < SHOWN_S).sum() for unit in range(4))
    assert len(table) == shown and not table.loc[table["row"] > 2, "is_excitatory"].any()


def test_rows_of_a_raster_are_sorted_by_when_in_a_trial_neurons_fire():
    bins = draw_bins(np.random.default_rng(9))
    begins = BIN_S * np.concatenate([[0], np.cumsum(bins.sum(1))[:-1]])
    lasts = BIN_S * bins.sum(1)
    laid = [[[begins + share * lasts]] for share in (0.7, 0.98, 0.2, 0.02, 0.5)]
    table = tabulate_raster(make_recording(bins, [laid]))
    first = table.groupby("row")["time"].min()
    assert isinstance(first, pd.Series)
    np.testing.assert_allclose(first, [share * lasts[0] for share in (0.02, 0.2, 0.5, 0.7, 0.98)])
