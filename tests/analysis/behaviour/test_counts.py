"""Guards count what carries a statistic, not rows of a table."""

import dataclasses

import numpy as np
import pytest

from pfc_da.analysis.behaviour.counts import NEEDS, count_used, select_sessions
from pfc_da.analysis.behaviour.sessions import compute_choice_numbers
from pfc_da.analysis.comparison import choices as compared
from pfc_da.analysis.comparison.choices import compare_choices
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.analysis.statistic import missing_statistic


@pytest.fixture(autouse=True)
def _without_rates(monkeypatch):
    """Learning rates take most of the time."""
    nothing = missing_statistic("learning_rate", {"model": "perseveration"}, "1")
    monkeypatch.setattr(compared, "compute_fitted_rate", lambda sessions, rng: nothing)


def simulate(seed, missed=(0.0, 0.0, 0.0), n_sessions=2, n_trials=100, p_reward=0.5):
    """Choices at random; `missed` is the fraction of each animal's trials without a choice."""
    rng = np.random.default_rng(seed)
    shape = len(missed) * n_sessions, n_trials
    kept = rng.random(shape) >= np.repeat(missed, n_sessions)[:, None]
    kept[:, [0, -1]] = True  # so that sessions are as long as they are
    return ChoiceSessions(
        choice=np.where(kept, rng.integers(2, size=shape), -1),
        reward=np.where(kept, rng.random(shape) < p_reward, np.nan),
        block=np.full(shape, -1),
        better=np.zeros(shape, int),
        animal=np.repeat([f"m{i}" for i in range(len(missed))], n_sessions),
        session=np.tile([str(i) for i in range(n_sessions)], len(missed)),
    )


def compare(recorded, simulated=None, **more):
    simulated = simulate(99, (0, 0, 0, 0), 10) if simulated is None else simulated
    rows = compare_choices(simulated, recorded, same_schedule=True, rng=np.random.default_rng(0), **more)
    return {(row.key, row.condition): row for row in rows}


def test_counts_by_hand():
    sessions = ChoiceSessions(
        choice=np.array([[0, 0, 1, -1, 1, 1, 0, 1], [1, -1, -1, -1, -1, -1, -1, -1]]),
        reward=np.array([[1, 0, 1, 1, np.nan, 0, 1, 0], [1, *[np.nan] * 7]]),
        block=np.full((2, 8), -1),
        better=np.array([[1, 1, 1, 1, -1, -1, 0, 0], [0] * 8]),
        animal=np.array(["a", "a"]),
        session=np.array(["0", "1"]),
    )
    used = {key: count.used.tolist() for key, count in count_used(sessions).items()}
    # Pairs: 0-1 won, 1-2 lost, 5-6 lost, 6-7 won; the others lack a choice or a reward. Trial 5 looks back on trials
    # 0 to 4, of which 4 has an unknown reward, and so do 6 and 7.
    assert used == {
        "reward_per_trial": [6, 1],
        "win_stay": [2, 0],
        "lose_shift": [2, 0],
        "fraction_better": [5, 1],
        "history_choice": [0, 0],
        "history_reward": [0, 0],
        "learning_rate": [6, 1],
        "matching_slope": [1, 0],
    }
    counts = count_used(sessions)
    assert (counts["win_stay"].total, counts["matching_slope"].total) == (8, 2)
    assert set(count_used(dataclasses.replace(sessions, n_options=3))) == {*list(used)[:4]}


def test_trials_without_a_choice_do_not_count():
    rows = compare(simulate(0, (0.85, 0.85, 0.85)))
    for name, row in rows.items():
        if name[0] != "reward_per_trial" and name[0] != "fraction_better":
            assert row.verdict == "not comparable", name
    n = {key: count.used.sum() for key, count in count_used(simulate(0, (0.85, 0.85, 0.85))).items()}
    assert rows["win_stay", ""].why.startswith(
        f"recorded choices right after a rewarded one: {n['win_stay']}, at most"
    )
    assert rows["history_reward", "lag_3"].why.startswith(
        f"recorded choices with 5 known trials before them: {n['history_reward']}, "
    )
    assert (
        f"rewarded one: {n['win_stay']} of {n['reward_per_trial']} recorded" in rows["win_stay", ""].matched
    )


def test_simulated_animals_need_as_many():
    rows = compare(simulate(1, (0, 0, 0), 10), simulate(0, (0.9, 0.9, 0.9)))
    assert "simulated choices right after a rewarded one" in rows["win_stay", ""].why
    assert rows["win_stay", ""].verdict == "not comparable"


def test_a_win_that_is_rare_takes_out_win_stay_alone():
    rows = compare(simulate(0, p_reward=0.03))
    assert (
        rows["win_stay", ""].verdict == "not comparable"
        and rows["lose_shift", ""].verdict != "not comparable"
    )


def test_an_animal_with_too_few_is_left_out_and_said():
    recorded = simulate(0, (0, 0, 0.85))
    row, alone = compare(recorded)["win_stay", ""], compare(simulate(0, (0, 0)))["win_stay", ""]
    assert (row.rec_n, row.verdict == "not comparable") == (2, False)
    assert row.matched.endswith("; 1 of 3 recorded animals left out, with fewer than 20")
    kept = dataclasses.replace(
        recorded, **{f.name: getattr(recorded, f.name)[:4] for f in dataclasses.fields(recorded)[:-1]}
    )
    assert row.recorded == compare(kept)["win_stay", ""].recorded
    assert "left out" not in alone.matched


def test_an_animal_whose_kernels_have_no_maximum_is_said():
    recorded = simulate(0, (0, 0, 0), 4)
    recorded.reward[-4:] = 0  # never rewarded: its rewards say nothing
    rows = compare(recorded)
    kernel = rows["history_reward", "lag_1"]
    assert kernel.rec_n == 2 and kernel.matched.endswith("; 1 of 3 recorded animals without a number")
    assert "without" not in rows["lose_shift", ""].matched


def test_of_one_animal_sessions_without_a_trial_are_counted_out():
    recorded = simulate(0, (0.0,), 6)
    recorded.choice[4:, 1:-1] = -1  # two choices are left, and no pair
    row = compare(recorded)["win_stay", ""]
    assert (row.rec_n, row.rec_n_of) == (4, "sessions")
    recorded.choice[1:, 1:-1] = -1
    row = compare(recorded)["win_stay", ""]
    assert row.why == "the recorded number has no interval (n = 1 sessions)"


def test_nothing_at_all_is_no_crash():
    recorded = simulate(0, (1.0, 1.0))
    rows = compare(recorded, baited=True)
    assert {row.verdict for row in rows.values()} == {"not comparable"}
    assert rows["lose_shift", ""].why.startswith(
        "recorded choices right after an unrewarded one: 0, at most 0 an animal"
    )
    lone = compare(simulate(0, (1.0,), 5), baited=True)["win_stay", ""]
    assert (lone.verdict, lone.rec_n, lone.rec_n_of) == ("not comparable", 0, "sessions")


@pytest.mark.parametrize("constant", ["choice", "reward"])
def test_what_never_varies_is_said(constant):
    recorded = simulate(0, (0, 0, 0), 10)
    getattr(recorded, constant)[:] = 1
    rows = compare(recorded)
    kernel = rows["history_choice", "lag_1"]
    assert kernel.verdict == "not comparable"
    reason = "never vary" if constant == "choice" else "all recorded rewards are alike"
    assert reason in kernel.why


def test_values_that_are_all_alike_are_no_certainty():
    recorded = simulate(0, (0, 0, 0), 10)
    recorded.choice[:] = 0  # stays always
    row = compare(recorded)["win_stay", ""]
    assert (row.recorded, row.rec_low, row.rec_high) == (1, 1, 1)
    assert row.verdict == "not comparable"
    assert row.why == "the interval of the recorded number has no width (n = 3 animals)"


def test_a_slope_of_two_points_is_not_judged():
    recorded = simulate(0, (0.0,), 3)
    recorded.reward[2] = np.where(recorded.choice[2] == 1, 0, recorded.reward[2])
    row = compare(recorded, baited=True)["matching_slope", ""]
    assert (row.verdict, row.rec_n) == ("not comparable", 2)
    assert row.why == (
        "recorded points with choices of and income from both options: 2; a slope with an interval needs 3"
    )
    assert "both options: 2 of 3 recorded, 12 of 12 simulated" in row.matched


def test_of_one_session_the_blocks_are_counted():
    recorded = simulate(0, (0.0,), 1)
    recorded.block[:] = np.arange(100) // 20
    row = compare(recorded, simulate(1, (0, 0, 0), 5), baited=True)["matching_slope", ""]
    assert (row.rec_n, row.rec_n_of) == (5, "blocks")


def test_options_that_differ_in_number_are_not_judged():
    recorded = simulate(0, (0, 0, 0), 10)
    recorded.choice[:] = np.random.default_rng(0).integers(4, size=recorded.choice.shape)
    rows = compare(dataclasses.replace(recorded, n_options=4), baited=True)
    assert {row.why for row in rows.values()} == {"4 options recorded, 2 simulated"}
    assert {row.verdict for row in rows.values()} == {"not comparable"}
    swapped = compare(simulate(0, (0, 0, 0), 10), dataclasses.replace(recorded, n_options=4), baited=True)
    assert {row.why for row in swapped.values()} == {"2 options recorded, 4 simulated"}
    assert {key for key, _ in swapped} == set(NEEDS)


def test_numbers_of_equal_options_are_compared():
    pair = [dataclasses.replace(simulate(seed, (0, 0, 0), 10), n_options=3) for seed in (0, 1)]
    for seed, own in enumerate(pair):
        own.choice[:] = np.random.default_rng(seed).integers(3, size=own.choice.shape)
    assert compare(*pair)["win_stay", ""].verdict != "not comparable"


@pytest.mark.parametrize("animals", [["a", "a", "b", "b"], ["a"] * 4])
def test_the_interval_of_a_fraction_ends_at_what_is_possible(animals):
    """Two animals, or sessions, of which one nearly always stays and one hardly ever."""
    rng = np.random.default_rng(0)
    stays = rng.random((4, 80)) < np.array([0.95, 0.9, 0.1, 0.15])[:, None]
    choice = np.cumsum(~stays, axis=1) % 2
    reward = rng.integers(2, size=choice.shape).astype(float)
    sessions = dataclasses.replace(
        simulate(0, (0.0, 0.0), n_trials=80), choice=choice, reward=reward, animal=np.array(animals)
    )
    found = {statistic.key: statistic for statistic in compute_choice_numbers(sessions, rng=rng)}
    for key in ("win_stay", "lose_shift"):
        assert 0 <= found[key].low < 0.1 and 0.9 < found[key].high <= 1


def test_selection_keeps_who_has_enough_and_else_all():
    sessions = simulate(0, (0, 0.85, 0.85))
    count = count_used(sessions)["win_stay"]
    assert [own.sum() for own in select_sessions(sessions, "win_stay", count)] == [2, 0, 0]
    few = simulate(0, (0.85, 0.85, 0.85))
    selected = select_sessions(few, "win_stay", count_used(few)["win_stay"])
    assert sum(own.sum() for own in selected) == (count_used(few)["win_stay"].used > 0).sum()
    found = compute_choice_numbers(few, rng=np.random.default_rng(0))
    assert np.isfinite(found[0].estimate)
