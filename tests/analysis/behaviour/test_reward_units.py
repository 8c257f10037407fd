"""Rewards in other units: the same choices give the same rows, and amounts that are unlike are not judged."""

import dataclasses

import numpy as np
import pytest

from pfc_da.analysis.behaviour.reward_units import find_values, scale_rewards
from pfc_da.analysis.choice_models.learning_rate import compute_fitted_rate
from pfc_da.analysis.comparison import choices as compared
from pfc_da.analysis.comparison.choices import OF_AMOUNTS, compare_choices
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.analysis.statistic import missing_statistic

UNITS = {
    "points": (0, 10),
    "signs": (-1, 1),
    "ml": (0, 0.05),
    "codes": (1, 2),
    "losses": (-1, 0),
    "kept": (-3, -1),
}


@pytest.fixture(autouse=True)
def _without_rates(monkeypatch, request):
    """Learning rates take most of the time; only one test goes by them."""
    if "learning_rates" not in request.node.name:
        nothing = missing_statistic("learning_rate", {"model": "perseveration"}, "1")
        monkeypatch.setattr(compared, "compute_fitted_rate", lambda sessions, rng: nothing)


def simulate(seed, values=(0.0, 1.0), n_animals=3, n_sessions=10, n_trials=60):
    """Choices that stay with 80 % after the larger reward and 40 % after others, of both options alike."""
    rng = np.random.default_rng(seed)
    shape = n_animals * n_sessions, n_trials
    reward = rng.choice(np.asarray(values, dtype=float), shape)
    choice = rng.integers(2, size=shape)
    for t in range(1, n_trials):
        stay = rng.random(shape[0]) < np.where(reward[:, t - 1] == max(values), 0.8, 0.4)
        choice[:, t] = np.where(stay, choice[:, t - 1], 1 - choice[:, t - 1])
    return ChoiceSessions(
        choice=choice,
        reward=reward,
        block=np.full(shape, -1),
        better=np.zeros(shape, int),
        animal=np.repeat([str(i) for i in range(n_animals)], n_sessions),
        session=np.tile([str(i) for i in range(n_sessions)], n_animals),
    )


def write_in(sessions, values):
    """The same sessions with other numbers for no reward and reward."""
    return dataclasses.replace(sessions, reward=np.where(sessions.reward > 0, values[1], values[0]))


def compare(simulated, recorded):
    rng = np.random.default_rng(0)
    rows = compare_choices(simulated, recorded, baited=True, same_schedule=True, rng=rng)
    return {(row.key, row.condition): dataclasses.asdict(row) | {"matched": ""} for row in rows}


@pytest.mark.parametrize("values", UNITS.values(), ids=UNITS)
def test_the_unit_of_two_rewards_changes_no_number_and_no_verdict(values):
    simulated, recorded = simulate(0), simulate(1)
    rows = compare(simulated, recorded)
    judged = {name for name, row in rows.items() if row["verdict"] != "not comparable"}
    assert len(judged) == 4 + 10 + 1  # all but the learning rate
    assert repr(compare(simulated, write_in(recorded, values))) == repr(rows)
    assert repr(compare(write_in(simulated, values), recorded)) == repr(rows)


def test_it_is_said_what_was_taken_for_0_and_1():
    rows = compare_choices(simulate(0), write_in(simulate(1), (1, 2)), rng=np.random.default_rng(0))
    assert all(row.matched.endswith("; recorded rewards of 1 and 2 are taken for 0 and 1") for row in rows)
    assert not any(
        "taken for" in row.matched
        for row in compare_choices(simulate(0), simulate(1), rng=np.random.default_rng(0))
    )


def test_it_is_said_what_many_amounts_were_divided_by():
    rows = compare_choices(simulate(0), simulate(1, (0, 20, 80)), rng=np.random.default_rng(0))
    assert all(row.matched.endswith("; recorded rewards are divided by 80") for row in rows)
    rows = compare_choices(simulate(0, (-0.5, 0, 0.2)), simulate(1), rng=np.random.default_rng(0))
    assert all(row.matched.endswith("; simulated rewards are divided by 0.5") for row in rows)


def test_unit_of_rewards_does_not_change_learning_rates():
    sessions = simulate(2, n_animals=2)
    rates = [
        compute_fitted_rate(own, rng=np.random.default_rng(0)).by_animal
        for own in (sessions, write_in(sessions, (1, 2)), write_in(sessions, (-1, 1)))
    ]
    np.testing.assert_array_equal(rates[1:], rates[:1] * 2)
    assert np.isfinite(rates[0]).any()


def test_values_that_differ_by_rounding_are_one():
    sessions = write_in(simulate(0), (0, 0.05))
    sessions.reward[::2] *= 1 + 1e-8
    assert len(find_values(sessions)) == 2
    assert set(scale_rewards(sessions).reward.ravel()) == {0, 1}


def test_rewards_of_trials_without_a_choice_are_no_values():
    sessions = write_in(simulate(0), (0, 10))
    sessions.choice[:, 3], sessions.reward[:, 3] = -1, -50  # a time-out
    assert find_values(sessions).tolist() == [0, 10]


@pytest.mark.parametrize("values, amounts", [((0, 1, 4), "0, 0.25, 1"), (range(8), "8 amounts")])
def test_graded_rewards_are_not_compared_with_rewards_of_0_and_1(values, amounts):
    for pair, sides in (
        ((simulate(0), simulate(1, values)), f"{amounts} recorded; 0, 1 simulated"),
        ((simulate(1, values), simulate(0)), f"0, 1 recorded; {amounts} simulated"),
    ):
        rows = compare(*pair)
        for (key, _), row in rows.items():
            why = f"rewards are in other units: {sides} (the largest is 1)"
            assert (row["why"] == why) == (key in OF_AMOUNTS), row
            assert row["verdict"] == "not comparable" or key not in OF_AMOUNTS
        assert rows["win_stay", ""]["verdict"] != "not comparable"  # above 0 is a win


def test_amounts_that_are_alike_are_compared_whatever_their_unit():
    simulated, recorded = simulate(0, (0, 1, 4)), simulate(1, (0, 1, 4))
    rows = compare(simulated, recorded)
    assert rows["history_reward", "lag_1"]["verdict"] != "not comparable"
    scaled = compare(simulated, dataclasses.replace(recorded, reward=recorded.reward * 0.1))
    for name, row in rows.items():
        assert scaled[name]["recorded"] == pytest.approx(row["recorded"], nan_ok=True)
        assert scaled[name]["verdict"] == row["verdict"]


def test_losses_stay_losses_among_many_amounts():
    sessions = simulate(0, (-5, 0, 10))
    np.testing.assert_allclose(scale_rewards(sessions).reward, sessions.reward / 10)


def test_where_every_one_of_many_amounts_is_above_0_nothing_is_a_loss():
    rows = compare(simulate(0), simulate(1, (20, 50, 80)))
    for key in ("win_stay", "lose_shift"):
        why = "every recorded reward is above 0, so that no choice is known to have won nothing"
        assert (rows[key, ""]["verdict"], rows[key, ""]["why"]) == ("not comparable", why)


@pytest.mark.parametrize("value", [0, 1, 10, -2])
def test_rewards_that_are_all_alike_are_never_judged_in_their_unit(value):
    rows = compare(simulate(0), simulate(1, (value,)))
    assert {row["verdict"] for (key, _), row in rows.items() if key in OF_AMOUNTS} == {"not comparable"}
