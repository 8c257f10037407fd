"""Simulated beside recorded choices: a planted difference comes back with its interval, and n decides what is compared."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from statsmodels.stats.proportion import confint_proportions_2indep

from pfc_da.analysis.behaviour.history import compute_win_stay
from pfc_da.analysis.behaviour.sessions import compute_choice_numbers
from pfc_da.analysis.comparison.choices import compare_choices, count
from pfc_da.analysis.comparison.difference import compute_difference, format_differences
from pfc_da.analysis.comparison.simulated import get_choice_sessions
from pfc_da.analysis.interval import compute_wilson_interval
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.analysis.statistic import Statistic, summarise_sessions
from pfc_da.errors import InputError
from pfc_da.recording_schema import is_baited


def fraction(n_true, n):
    low, high = compute_wilson_interval(n_true, n)
    return Statistic(
        key="x",
        estimate=n_true / n,
        low=low,
        high=high,
        interval="",
        n=n,
        n_of="units",
        units="1",
    )


@pytest.mark.parametrize("counts", [(15, 40, 3, 28), (0, 10, 30, 200), (50, 50, 8, 9)])
def test_the_interval_of_two_fractions_is_newcombes(counts):
    a, n_a, b, n_b = counts
    difference, low, high = compute_difference(fraction(a, n_a), fraction(b, n_b))
    oracle = confint_proportions_2indep(a, n_a, b, n_b, method="newcomb", compare="diff")
    assert difference == pytest.approx(a / n_a - b / n_b)
    assert (low, high) == pytest.approx(oracle)


def play(rng, n_animals=1, n_sessions=30, n_trials=100, stay=(0.8, 0.5), first_bad=None):
    """Choices that stay after a win and after a loss with given probabilities; a reward on half of the trials.

    From trial `first_bad` on they always stay.
    """
    shape = n_animals * n_sessions, n_trials
    reward = (rng.random(shape) < 0.5).astype(float)
    draw = rng.random(shape)
    choice = np.zeros(shape, int)
    for trial in range(1, n_trials):
        p = np.where(reward[:, trial - 1] > 0, *stay) if first_bad is None or trial < first_bad else 1.0
        choice[:, trial] = np.where(draw[:, trial] < p, choice[:, trial - 1], 1 - choice[:, trial - 1])
    missing = np.full(shape, -1)
    return ChoiceSessions(
        choice=choice,
        reward=reward,
        block=missing,
        better=(np.arange(n_trials) < 50) * np.ones(shape, int),
        animal=np.repeat([f"animal {i}" for i in range(n_animals)], n_sessions),
        session=np.tile([str(i) for i in range(n_sessions)], n_animals),
    )


def by_name(rows):
    return {(row.key, row.condition): row for row in rows}


def test_planted_differences_come_back():
    rng = np.random.default_rng(0)
    simulated = play(rng, 6, stay=(0.9, 0.4))
    recorded = play(rng, 1, 60, 200, stay=(0.7, 0.4))
    rows = by_name(compare_choices(simulated, recorded, source="mice", rng=rng))
    stay, shift = rows["win_stay", ""], rows["lose_shift", ""]
    assert stay.verdict == "different" and stay.diff_low < 0.2 < stay.diff_high
    assert shift.verdict == "not told apart" and shift.diff_low < 0 < shift.diff_high
    # Log odds of staying after a win are choice_1 + reward_1, after a loss choice_1.
    lag = rows["history_reward", "lag_1"]
    assert lag.verdict == "different"
    assert lag.diff_low < np.log(0.9 / 0.1) - np.log(0.7 / 0.3) < lag.diff_high
    assert rows["history_choice", "lag_1"].verdict == "not told apart"
    assert (stay.sim_n, stay.sim_n_of, stay.rec_n, stay.rec_n_of) == (6, "animals", 30, "sessions")
    assert stay.why == "6 animals against 30 sessions"
    assert {row.matched.split("; ")[0] for row in rows.values()} == {
        "first 100 trials of 30 sessions an animal"
    }


def test_the_interval_of_a_difference_covers_it():
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pair = [play(rng, 1, 25, 40, stay=(p, 0.5)) for p in (0.8, 0.7)]
        found = [
            summarise_sessions("x", compute_win_stay, (own.choice, own.reward), units="fraction", rng=rng)
            for own in pair
        ]
        _, low, high = compute_difference(*found)
        covered.append(low <= 0.1 <= high)
    assert 0.9 <= np.mean(covered) < 1


def test_both_sides_are_cut_to_equally_many_trials():
    # What comes after the trials that both have does not count: neither trials of a session nor sessions.
    simulated = play(np.random.default_rng(1), 3, 20, 60)
    recorded = [play(np.random.default_rng(2), 2, 30, 90, first_bad=bad) for bad in (None, 60)]
    rows = [
        by_name(compare_choices(simulated, own, rng=np.random.default_rng(3)))["win_stay", ""]
        for own in recorded
    ]
    assert rows[0].recorded == rows[1].recorded
    assert rows[0].matched.startswith(
        "first 60 trials of 20 sessions an animal; choices right after a rewarded"
    )
    whole = by_name(compute_choice_numbers(recorded[1], rng=np.random.default_rng(3)))["win_stay", ""]
    assert whole.estimate > rows[1].recorded + 0.05


def test_the_length_of_a_session_is_where_its_last_trial_stands():
    sessions = play(np.random.default_rng(0), 1, 3, 30)
    choice, reward = sessions.choice.copy(), sessions.reward.copy()
    choice[0, 10:], reward[0, 10:] = -1, np.nan
    choice[1, 20:], reward[1, 20:] = -1, np.nan
    choice[1, 3], reward[1, 3] = -1, np.nan  # a missed trial is a trial
    assert count(dataclasses.replace(sessions, choice=choice, reward=reward)) == (20, 3)


def test_what_n_does_not_allow_is_said():
    rng = np.random.default_rng(0)
    simulated = play(rng, 4)
    rows = by_name(compare_choices(simulated, play(rng, 8, 1, 60), rng=rng))
    assert rows["history_reward", "lag_1"].verdict == "not comparable"
    assert rows["history_reward", "lag_1"].why == (
        "recorded choices with 5 known trials before them: 440, at most 55 an animal; a fit of 11 weights needs 110"
    )
    assert rows["win_stay", ""].verdict != "not comparable"
    few = by_name(compare_choices(simulated, play(rng, 8, 1, 12), rng=rng))
    assert re.fullmatch(
        r"recorded choices right after a rewarded one: \d+, at most \d+ an animal; a fraction needs 20",
        few["win_stay", ""].why,
    )
    alone = by_name(compare_choices(simulated, play(rng, 1, 1, 200), rng=rng))
    assert alone["win_stay", ""].why == "the recorded number has no interval (n = 1 sessions)"
    with pytest.raises(InputError, match="mice: 1 trial a session; a comparison needs at least 6"):
        compare_choices(simulated, play(rng, 8, 9, 1), source="mice", rng=rng)


def test_reward_is_compared_only_where_the_schedule_is_the_same():
    rng = np.random.default_rng(0)
    pair = play(rng, 4), play(rng, 4)
    apart = by_name(compare_choices(*pair, rng=rng))
    same = by_name(compare_choices(*pair, same_schedule=True, baited=True, rng=rng))
    for key in ("reward_per_trial", "fraction_better"):
        assert apart[key, ""].why == "rewards may have come in another way"
        assert same[key, ""].verdict == "not told apart"
    assert ("matching_slope", "") in same and ("matching_slope", "") not in apart


def test_of_three_options_there_are_no_kernels():
    sessions = play(np.random.default_rng(0), 4)
    third = dataclasses.replace(sessions, n_options=3)
    keys = {one.key for one in compute_choice_numbers(third, baited=True, rng=np.random.default_rng(0))}
    assert keys == {"reward_per_trial", "win_stay", "lose_shift", "fraction_better"}


def test_a_recording_becomes_sessions():
    steps = ("animal", "condition", "episode", "step")
    choice = np.array([[0, -1, 1, -1], [1, -1, 0, -1]])
    recording = xr.Dataset(
        {
            "choice": (steps, choice[None, None]),
            "reward": (steps, np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])[None, None]),
            "p_reward": (("episode", "action"), [[0.2, 0.8], [0.5, 0.5]]),
        },
        coords={
            "animal": [7],
            "condition": ["frozen"],
            "trial": ("step", [0, 0, 1, 1]),
            "phase": ("step", ["choice", "outcome"] * 2),
        },
        attrs={"choice_phase": "choice"},
    )
    sessions = get_choice_sessions(recording)
    np.testing.assert_array_equal(sessions.choice, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(sessions.reward, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(sessions.better, [[1, 1], [-1, -1]])  # of equal options none is better
    assert (sessions.block == -1).all() and sessions.animal.tolist() == ["7", "7"]
    assert not is_baited(recording)

    objects = recording.assign(
        chosen_object=(steps, np.array([[1, 9, 1, 9], [0, 9, 1, 9]])[None, None]),
        block=(steps, np.array([[0, 0, 0, 0], [0, 0, 1, 1]])[None, None]),
        p0=(
            (*steps, "object"),
            np.array([[[0.1, 0.4]] * 4, [[0.4, 0.1]] * 2 + [[0.1, 0.4]] * 2])[None, None],
        ),
        p_object=((*steps, "object"), np.zeros((1, 1, 2, 4, 2))),
    ).drop_vars("p_reward")
    sessions = get_choice_sessions(objects)
    np.testing.assert_array_equal(sessions.choice, [[1, 1], [0, 1]])
    np.testing.assert_array_equal(sessions.better, [[1, 1], [0, 1]])
    np.testing.assert_array_equal(sessions.block, [[0, 0], [0, 1]])
    assert is_baited(objects)


def test_the_table_is_shown_one_row_a_line():
    rng = np.random.default_rng(0)
    rows = compare_choices(play(rng, 4), play(rng, 4), rng=rng)
    text = format_differences(pd.DataFrame([dataclasses.asdict(row) for row in rows]))
    assert len(text.splitlines()) == len(rows) + 1
    assert "win_stay" in text and "not told apart: 4 animals against 4 animals" in text
