"""Tables of the browser of units: every mean, error, group and spike by hand."""

import numpy as np
import pytest

from pfc_da.analysis.units import browser
from pfc_da.analysis.units.align import align, find_event_bins
from pfc_da.analysis.units.psth import psth
from pfc_da.trials import per_trial


@pytest.fixture(scope="module")
def recording(build_recording):
    """Two animals, eight sessions; what fires is noisy, and unit 4 of the first animal is the least active."""
    made = build_recording(shape=(2, 8, 30), n_units=5)
    noise = np.random.default_rng(3).gamma(4, 2, made["activity"].shape)
    activity = made["activity"].values + noise
    activity[0, ..., 4] *= 0.1
    return made.assign(activity=(made["activity"].dims, activity, {"units": "Hz"}))


@pytest.fixture(scope="module")
def behaviour(recording):
    found = (per_trial(recording, name).sel(condition="frozen") for name in ("choice", "reward"))
    return [each.transpose("animal", "episode", "trial").values for each in found]


@pytest.fixture(scope="module")
def tables(recording, behaviour):
    return browser.tabulate_browser(recording, browser.group_trials(*behaviour), rng=np.random.default_rng(0))


def test_groups_are_terciles_of_value_choices_and_rewards(behaviour):
    choice, reward = (each.copy() for each in behaviour)
    choice[0, 0, 5], reward[0, 0, 5] = -1, 0
    groups = browser.group_trials(choice, reward)
    assert {kind: list(members) for kind, members in groups.items()} == {
        "value": ["low", "middle", "high"],
        "choice": ["A", "B"],
        "reward": ["no", "yes"],
    }
    for members in groups.values():
        assert (sum(own.astype(int) for own in members.values()) <= 1).all()  # no trial is in two
    np.testing.assert_array_equal(groups["choice"]["B"], choice == 1)
    assert not groups["reward"]["no"][0, 0, 5] and not groups["choice"]["A"][0, 0, 5]
    sizes = [own[1].sum() for own in groups["value"].values()]
    assert min(sizes) > 0.25 * sum(sizes)


def test_curves_are_the_psth_with_the_standard_error_over_trials(recording, tables, behaviour):
    curve = tables["unit_activity"].query("animal == 1 and event == 'cue' and unit == 2 and group == 'B'")
    expected = psth(recording, "cue", "choice", browser.WINDOWS_S["cue"]).sel(animal=1, choice=1, unit=2)
    np.testing.assert_allclose(curve["mean_hz"], expected, atol=0.006)
    np.testing.assert_allclose(curve["time_s"], expected["time"])
    aligned = align(recording, "cue", browser.WINDOWS_S["cue"]).values[1, ..., 2]
    own = aligned[(behaviour[0][1] == 1) & np.isfinite(aligned[..., 0])]
    np.testing.assert_allclose(curve["sem_hz"], own.std(0, ddof=1) / np.sqrt(len(own)), atol=0.006)


def test_the_most_active_units_are_kept(recording, monkeypatch):
    monkeypatch.setattr(browser, "MOST_UNITS", 4)
    assert browser.find_most_active(recording)[0].tolist() == [0, 1, 2, 3]


def test_groups_without_trials_have_no_mean_and_one_trial_no_error():
    aligned = np.arange(12.0).reshape(3, 2, 2)
    aligned[2] = np.nan
    sums, n = browser.average_groups(aligned, np.array([[True, True, True], [False, False, True]]))
    assert n.tolist() == [2, 0]
    np.testing.assert_array_equal(sums[0, 0], aligned[0] + aligned[1])
    np.testing.assert_array_equal(sums[1, 0], aligned[0] ** 2 + aligned[1] ** 2)
    assert (sums[:, 1] == 0).all()


def test_trials_of_a_raster_have_their_groups_and_events(recording, tables, behaviour):
    trials = tables["unit_trials"].query("animal == 0")
    assert len(trials) == browser.RASTER_TRIALS and trials["trial"].tolist() == list(range(len(trials)))
    assert (trials["cue_s"] == 0).all()
    duration = per_trial(recording, "duration").values[0, 0, 0]
    assert set(trials["choice_s"].round(3)) <= set(duration.round(3))
    assert set(trials["choice"]) == {"A", "B"} and set(trials["reward"]) == {"no", "yes"}
    share = np.mean(behaviour[0][0] == 1)
    assert np.mean(trials["choice"] == "B") == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 40))


def test_a_raster_holds_the_windows_around_all_events(recording):
    begin, end = browser._find_raster_window(recording)
    choice = (find_event_bins(recording, "choice") - find_event_bins(recording, "cue")) * 0.05
    assert begin == pytest.approx(min(-0.5, choice.min() - 1.0))
    assert end == pytest.approx(max(1.0, choice.max() + 1.0))


def test_drawn_spikes_follow_the_rate_of_their_unit_and_trial(tables):
    spikes, trials = tables["unit_spikes"], tables["unit_trials"]
    times = spikes["spikes_ms"].str.split().map(lambda own: np.array(own, int))
    assert all(
        (np.diff(own) >= 0).all() and own.min() >= -1000 and own.max() < 2000 for own in times if len(own)
    )
    counts = spikes.assign(n=times.map(lambda own: ((own >= 0) & (own < 200)).sum()))
    counts = counts.merge(trials[["animal", "trial", "choice"]], on=["animal", "trial"])
    n = counts.query("unit == 0").groupby("choice")["n"].agg(["sum", "size"])
    for choice, rate in (("A", 48), ("B", 88)):  # 40 or 80 Hz and the mean of the noise
        expected = 0.2 * rate * n.loc[choice, "size"]
        assert n.loc[choice, "sum"] == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_activity_that_is_no_rate_has_curves_and_no_raster(recording, behaviour):
    own = recording.copy(deep=True)
    own["activity"].attrs["units"] = "1"
    found = browser.tabulate_browser(own, browser.group_trials(*behaviour), rng=np.random.default_rng(0))
    assert list(found) == ["unit_activity"]


def test_the_spikes_of_spiking_neurons_are_shown_as_they_are(recording, behaviour):
    spike = {
        "spike_time": [3.01, 3.02],
        "spike_unit": [1, 3],
        "spike_animal": [1, 1],
        "spike_episode": [2, 2],
    }
    own = recording.assign({name: ("spike", values) for name, values in spike.items()})
    found = browser.tabulate_browser(own, browser.group_trials(*behaviour), rng=np.random.default_rng(0))
    shown = found["unit_spikes"].query("spikes_ms != ''")
    assert len(shown) >= 2 and set(shown["unit"]) == {1, 3} and set(shown["animal"]) == {1}
