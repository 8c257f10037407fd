"""Dopamine in time: planted bursts, pauses and shifts are found, whatever surrounds them."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from pfc_da.analysis.dopamine.analyse import analyse_dopamine
from pfc_da.analysis.dopamine.shift import (
    compute_responses,
    follow_responses,
    summarise_responses,
    tabulate_responses,
)
from pfc_da.analysis.dopamine.trace import compute_changes, list_stimuli, summarise_changes, tabulate_traces

BIN_S = 0.05
PHASES = ("fixation", "go", "feedback", "interval")
ANIMALS, SESSIONS, TRIALS = 3, 4, 12
UPDATES = 100
BURST, PAUSE, CUE, TONIC = 0.5, -0.3, 0.2, 0.01
"""Planted, in rewards; the tonic error is of every bin."""
ANIMAL = np.array([-0.1, 0.0, 0.1])
"""Added to the burst of each animal."""


def build(rng, bin_s=BIN_S):
    """Sessions with durations of their own; a burst of two bins at rewards, a pause of four at omissions."""
    seconds = np.tile(np.array([0.5, 0.4, 0.3, 0.6]), TRIALS) + 0.1 * rng.integers(0, 3, 4 * TRIALS)
    onset = seconds.cumsum() - seconds
    n_bins = round(seconds.sum() / bin_s)
    reward = np.zeros((ANIMALS, 1, SESSIONS, 4 * TRIALS))
    reward[..., 1::4] = rng.random((ANIMALS, 1, SESSIONS, TRIALS)) < 0.5
    trace = np.full((ANIMALS, SESSIONS, n_bins), TONIC * bin_s / BIN_S)
    for trial in range(TRIALS):
        first, outcome = (round(onset[4 * trial + place] / bin_s) for place in (0, 2))
        rewarded = reward[:, 0, :, 4 * trial + 1] > 0
        trace[..., first] += CUE
        burst = np.broadcast_to(BURST + ANIMAL[:, None], rewarded.shape)
        trace[..., outcome : outcome + 2] += np.where(rewarded, burst / 2, 0)[..., None]
        trace[..., outcome : outcome + 4] += np.where(rewarded, 0, PAUSE / 4)[..., None]
    steps, kept = ("animal", "condition", "episode", "step"), ("animal", "recorded_episode", "bin")
    return xr.Dataset(
        {
            "reward": (steps, reward),
            "onset": (steps, np.broadcast_to(onset, reward.shape)),
            "duration": (steps, np.broadcast_to(seconds, reward.shape)),
            "dopamine_trace": (kept, trace, {"units": "rewards"}),
        },
        coords={
            "condition": ["frozen"],
            "recorded_episode": np.arange(SESSIONS),
            "trial": ("step", np.repeat(np.arange(TRIALS), 4)),
            "phase": ("step", list(PHASES) * TRIALS),
            "time": ("bin", np.arange(n_bins) * bin_s),
        },
        attrs={"choice_phase": "go"},
    )


@pytest.fixture(scope="module")
def recording():
    return build(np.random.default_rng(0))


def find(statistics, key, condition=""):
    (one,) = [each for each in statistics if (each.key, each.condition) == (key, condition)]
    return one


@pytest.mark.parametrize("bin_s", [BIN_S, 0.1, 0.02])
def test_planted_bursts_and_pauses_are_found_at_any_bin(bin_s):
    statistics = summarise_changes(build(np.random.default_rng(1), bin_s))
    reward, pause = (find(statistics, f"dopamine_{name}") for name in ("burst_reward", "pause_omission"))
    assert reward.by_animal == pytest.approx(BURST + ANIMAL)
    assert reward.low < BURST < reward.high and reward.n == ANIMALS and reward.units == "rewards"
    # a burst of four bins of .1 s ends after the .3 s that count
    share = min(1, 0.3 / (4 * bin_s))
    assert pause.estimate == pytest.approx(PAUSE * (0.75 if share < 1 else 1))
    assert find(statistics, "dopamine_burst_cue", "fixation").estimate == pytest.approx(CUE)
    assert find(statistics, "dopamine_burst_cue", "go").estimate == pytest.approx(0, abs=1e-6)


def test_an_error_of_the_bin_before_is_not_of_the_event(recording):
    """A bin to either side decides whether an error counts for or against a burst."""
    plain, moved = compute_changes(recording, "outcome"), recording.copy(deep=True)
    moved["dopamine_trace"].values[..., :-1] = recording["dopamine_trace"].values[..., 1:]
    apart = compute_changes(moved, "outcome") - plain
    rewarded = recording["reward"].values[:, 0, :, 1::4] > 0
    burst = np.broadcast_to(BURST + ANIMAL[:, None, None], rewarded.shape)
    # the first of the two bins of the burst, or of the four of the pause, goes from after the event to before it
    expected = np.where(rewarded, -burst, 2 * -PAUSE / 4)
    inside = np.isfinite(plain)
    np.testing.assert_allclose(apart[inside], expected[inside], atol=1e-6)


def test_changes_by_brute_force(recording):
    found = compute_changes(recording, "outcome")
    onset = recording["onset"].values[0, 0, 0, 2::4]
    for trial, second in enumerate(onset):
        first = round(second / BIN_S)
        trace = recording["dopamine_trace"].values[1, 2]
        expected = sum(trace[first + k] - trace[first - 1 - k] for k in range(6))
        assert found[1, 2, trial] == pytest.approx(expected, abs=1e-6)


def test_a_window_that_leaves_the_session_does_not_count(recording):
    changes = compute_changes(recording, "fixation")
    assert np.isnan(changes[..., 0]).all() and np.isfinite(changes[..., 1:]).all()


def test_phases_too_short_for_the_window_do_not_lend_their_neighbours_errors():
    """A go phase of .1 s in half of the trials: what the outcome brings is no burst at go."""
    recording = build(np.random.default_rng(2))
    onset = recording["onset"].values.copy()
    onset[..., 1::8] += 0.3  # the fixation before lasts longer, go less
    short = recording.assign(onset=(recording["onset"].dims, onset))
    plain = compute_changes(short, "go")
    assert abs(np.nanmean(plain[..., ::2])) > 0.02 and np.nanmean(plain[..., 1::2]) == pytest.approx(0)
    statistics = summarise_changes(short)
    assert find(statistics, "dopamine_burst_cue", "go").estimate == pytest.approx(0, abs=1e-6)
    assert find(statistics, "dopamine_burst_reward").by_animal == pytest.approx(BURST + ANIMAL)


def test_animals_without_omissions_have_no_pause(recording):
    lucky = recording.copy(deep=True)
    lucky["reward"].values[0, ..., 1::4] = 1
    pause = find(summarise_changes(lucky), "dopamine_pause_omission")
    assert np.isnan(pause.by_animal[0]) and pause.n == ANIMALS - 1


def test_mean_traces_are_those_planted(recording):
    table = tabulate_traces(recording)
    assert set(table["event"]) == {"fixation", "go", "outcome"}
    rewarded = table[(table["event"] == "outcome") & (table["trials"] == "rewarded")].set_index("time")
    assert rewarded["mean"][0.025] == pytest.approx(BURST / 2 + TONIC)
    assert rewarded["mean"][0.075] == pytest.approx(BURST / 2 + TONIC)
    assert rewarded["mean"][[-0.025, 0.125, 0.275]].to_numpy() == pytest.approx(TONIC)
    assert (rewarded["n"] == ANIMALS).all() and rewarded["low"][0.025] < rewarded["high"][0.025]
    omitted = table[(table["event"] == "outcome") & (table["trials"] == "not rewarded")].set_index("time")
    assert omitted["mean"][[0.025, 0.175]].to_numpy() == pytest.approx(PAUSE / 4 + TONIC)


def test_stimuli_are_the_first_phase_and_those_with_options(recording):
    assert list_stimuli(recording) == ["fixation", "go"]
    at_once = recording.assign_coords(phase=("step", ["cue", "choice", "juice", "interval"] * TRIALS))
    assert list_stimuli(at_once) == ["cue"]


AT = {"untrained": (0.0, 1.0, -0.1), "after_50": (0.2, 0.7, -0.4), "frozen": (0.5, 0.4, -0.6)}
"""Condition -> planted error at the fixation light, at reward, at omission."""


@pytest.fixture(scope="module")
def training(recording):
    """Errors of every step under three conditions."""
    rng, shape = np.random.default_rng(2), recording["reward"].shape
    rewarded = recording["reward"].values > 0
    rpe = np.full((ANIMALS, len(AT), *shape[2:]), 0.03)
    for place, (cue, reward, omission) in enumerate(AT.values()):
        own = rpe[:, place]
        own[..., 1::4] = np.where(rewarded[:, 0, :, 1::4], reward, omission)
        own[..., 3::4] = cue + 0.1 * ANIMAL[:, None, None]
        own[..., -1] = -99  # of the end of the session
    names = [list(AT).index(name) for name in ("frozen", "untrained", "after_50")]  # in the order of a replay
    many = recording.isel(condition=[0, 0, 0]).assign_coords(condition=["frozen", "untrained", "after_50"])
    noise = 1e-4 * rng.standard_normal(rpe.shape)
    return many.assign(rpe=(("animal", "condition", "episode", "step"), rpe[:, names] + noise))


def test_planted_responses_are_found_by_snapshot_and_shift(training):
    statistics = summarise_responses(follow_responses(training, UPDATES))
    for name, (cue, reward, omission) in AT.items():
        after = {"untrained": "after_0", "after_50": "after_50", "frozen": ""}[name]
        at_cue = find(statistics, "rpe_at_cue", f"fixation_{after}".rstrip("_"))
        assert at_cue.by_animal == pytest.approx(cue + 0.1 * ANIMAL, abs=1e-3)
        assert find(statistics, "rpe_at_reward", after).estimate == pytest.approx(reward, abs=1e-3)
        assert find(statistics, "rpe_at_omission", after).estimate == pytest.approx(omission, abs=1e-3)
    assert find(statistics, "rpe_at_cue", "go").estimate == pytest.approx(0.03, abs=1e-3)
    assert find(statistics, "rpe_shift").estimate == pytest.approx(0.5 + 0.6, abs=1e-3)


def test_nothing_shifts_without_a_snapshot(training):
    statistics = summarise_responses(follow_responses(training.sel(condition=["frozen"]), UPDATES))
    assert "rpe_shift" not in {each.key for each in statistics}


def test_the_step_before_a_stimulus_is_of_the_phase_before_it(training):
    """By hand: rpe is r + gamma V' - V, with V' at the end of the phase that the stimulus begins."""
    responses = compute_responses(training, "frozen")
    own = training["rpe"].sel(condition="frozen").values
    np.testing.assert_allclose(responses["go"], own[..., 0::4].mean(-1))
    np.testing.assert_allclose(responses["fixation"], own[..., 3::4][..., :-1].mean(-1))


def test_the_table_of_training_has_a_row_a_response_and_moment(training):
    table = tabulate_responses(summarise_responses(follow_responses(training, UPDATES)), UPDATES)
    rows = table.set_index(["response", "update"])["estimate"]
    assert sorted({update for _, update in rows.index}) == [0, 50, 100]
    assert rows["fixation", 50] == pytest.approx(0.2, abs=1e-2) and rows["reward", 100] == pytest.approx(
        0.4, abs=1e-2
    )
    assert len(rows) == 3 * 4


def test_panels_draw_what_their_tables_hold(training):
    findings = analyse_dopamine(training, UPDATES)
    assert [panel.name for panel in findings.figures] == ["dopamine_trace", "dopamine_shift"]
    drawn = {}
    for panel in findings.figures:
        for plot in panel.plots:
            ax = plot(panel.table, Figure().subplots())
            drawn[ax.get_xlabel()] = {
                line.get_label(): line for line in ax.get_lines() if line.get_label()[0] != "_"
            }
    at_outcome = drawn["time from the outcome (s)"]
    assert set(at_outcome) == {"rewarded", "not rewarded"}
    assert max(at_outcome["rewarded"].get_ydata()) == pytest.approx(BURST / 2 + TONIC)
    assert set(drawn["time from the stimulus (s)"]) == {"fixation", "go"}
    reward = drawn["updates of training"]["reward"]
    assert reward.get_xdata().tolist() == [0, 50, 100]
    assert reward.get_ydata() == pytest.approx([1.0, 0.7, 0.4], abs=1e-2)
