"""Reaction times planted in a policy."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.behaviour.reaction_times import (
    find_reaction_times,
    summarise_reaction_times,
    tabulate_reaction_times,
)

BIN_S = 0.05
PHASES = {"fixation": 4, "cue": 6, "go": 4, "interval": 6}  # name -> bins


def record(decided, choice, *, before=0.9):
    """Policy in favour of the choice from the given bin after the cue on; `before` is that of the fixation."""
    n_trials, per_trial = choice.shape[-1], sum(PHASES.values())
    policy = np.full((*choice.shape[:2], n_trials * per_trial, 2), 0.5, np.float32)
    for place in np.ndindex(choice.shape):
        begin = place[2] * per_trial
        cue = begin + PHASES["fixation"]
        taken = policy[place[:2]][:, choice[place]]
        taken[begin:cue] = before
        taken[cue : begin + 14] = np.where(np.arange(10) >= decided[place], 0.8, 0.6)
        policy[place[:2]][:, 1 - choice[place]] = 1 - taken
    n_bins = np.tile([*PHASES.values()], n_trials)
    onset = np.broadcast_to(
        (n_bins.cumsum() - n_bins) * BIN_S, (choice.shape[0], 1, choice.shape[1], 4 * n_trials)
    )
    by_step = ("animal", "condition", "episode", "step")
    chosen = np.full(onset.shape, -1)
    chosen[..., 2::4] = choice[:, None]
    return xr.Dataset(
        {
            "policy_trace": (("animal", "recorded_episode", "bin", "action"), policy),
            "choice": (by_step, chosen),
            "onset": (by_step, onset),
        },
        {
            "condition": ["frozen"],
            "recorded_episode": np.arange(choice.shape[1]),
            "time": ("bin", np.arange(policy.shape[2]) * BIN_S),
            "phase": ("step", [*PHASES] * n_trials),
            "trial": ("step", np.repeat(np.arange(n_trials), 4)),
        },
        {"choice_phase": "go"},
    )


def draw(seed=0, shape=(2, 3, 20)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 10, shape), rng.integers(2, size=shape)


@pytest.mark.parametrize("before", [0.1, 0.9])
def test_planted_times_are_found_whatever_the_policy_before_the_cue(before):
    decided, choice = draw()
    times = find_reaction_times(record(decided, choice, before=before), "cue")
    np.testing.assert_allclose(times, (decided + 1) * BIN_S)


def test_a_policy_that_never_settles_has_no_time():
    decided, choice = draw()
    decided[0] = 10
    times = find_reaction_times(record(decided, choice), "cue")
    assert np.isnan(times[0]).all() and np.isfinite(times[1]).all()
    median, fraction = summarise_reaction_times(times)
    assert median.key == "reaction_time" and fraction.estimate == 0.5


def test_a_change_of_mind_counts_from_the_last_crossing():
    decided, choice = draw(shape=(1, 1, 1))
    decided[:] = 2
    recording = record(decided, choice)
    recording["policy_trace"][0, 0, 4 + 5] = 0.5
    assert find_reaction_times(recording, "cue") == pytest.approx(7 * BIN_S)


@pytest.mark.parametrize("bin_s", [0.05, 0.02, 0.1, 0.01])
def test_the_distribution_is_that_of_all_trials_whatever_the_bin(bin_s):
    possible = bin_s * np.arange(1, round(1.4 / bin_s) + 1)  # one trial at each time there can be
    times = np.full((2, 1, 2 * len(possible)), np.nan)
    times[..., : len(possible)] = possible
    table = tabulate_reaction_times(times, bin_s)
    assert table["mean"].sum() == pytest.approx(0.5, abs=0.02)  # half of the trials have none
    assert np.ptp(table["mean"].iloc[:-1]) == pytest.approx(0, abs=1e-12)
    assert table["time"][0] == pytest.approx(np.mean(possible[: max(round(0.05 / bin_s), 1)]))
