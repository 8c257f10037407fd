import numpy as np
import pytest

from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.statistic import (
    NO_WIDTH,
    OVER_ANIMALS,
    OVER_BOTH,
    SHARE,
    Statistic,
    missing_statistic,
    summarise,
    summarise_draws,
    summarise_fraction,
    summarise_sessions,
    tabulate,
)

CONDITIONS = {  # as in statistics.csv -> labels
    "": {},
    "choice": {"variable": "choice"},
    "lag_1": {"lag": 1},
    "risky_loss lag_2": {"outcome": "risky_loss", "lag": 2},
    "rate_lag_3": {"by": "rate", "lag": 3},
    "rate_": {"by": "rate"},
    "0_4": {"first_trial": 0, "last_trial": 4},
    "after_0": {"after": 0},
    "stable_after_500": {"phase": "stable", "after": 500},
    "control p=0.125": {"condition": "control", "p": 0.125},
    "control no_outcome p=0.5": {"condition": "control", "outcome": "no_outcome", "p": 0.5},
    "risky_win_blocked p=0.5": {"condition": "risky_win_blocked", "dose": 1.0, "p": 0.5},
    "risky_win_blocked_x0.25 p=0.5": {"condition": "risky_win_blocked", "dose": 0.25, "p": 0.5},
    "arithmetic_risky_win_blocked p=0.5": {
        "by": "arithmetic",
        "condition": "risky_win_blocked",
        "dose": 1.0,
        "p": 0.5,
    },
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_condition_is_written_from_the_labels(condition):
    assert missing_statistic("x", CONDITIONS[condition], "1").condition == condition


def test_table_has_the_labels_as_columns_and_the_keys_asked_for():
    common = {"interval": "95 %", "n": 3, "n_of": "animals", "units": "1"}
    statistics = [
        Statistic(key=key, labels=labels, estimate=place, low=place - 1, high=place + 1, **common)
        for place, (key, labels) in enumerate(
            [
                ("kernel", {"outcome": "win", "lag": 1}),
                ("reward", {"phase": "stable"}),
                ("kernel", {"lag": 2}),
            ]
        )
    ]
    table = tabulate(statistics, "kernel")
    assert list(table) == ["key", "outcome", "lag", "estimate", "low", "high", "interval", "n", "n_of"]
    assert table[["lag", "estimate", "low", "high", "n"]].to_numpy().tolist() == [
        [1, 0, -1, 1, 3],
        [2, 2, 1, 3, 3],
    ]
    assert table["outcome"].fillna("").tolist() == ["win", ""]
    assert tabulate(statistics)["key"].tolist() == ["kernel", "reward", "kernel"]
    assert tabulate(statistics, "regret").empty


def test_mean_interval_and_n_over_animals():
    statistic = summarise("reward_per_trial", [0.6, 0.62, 0.64, 0.66], units="reward")
    assert statistic.estimate == pytest.approx(0.63)
    half = 3.182446 * np.std([0.6, 0.62, 0.64, 0.66], ddof=1) / 2
    assert (statistic.low, statistic.high) == pytest.approx((0.63 - half, 0.63 + half))
    assert (statistic.n, statistic.n_of) == (4, "animals")
    assert statistic.interval == "95 % t over animals"
    assert statistic.by_animal == (0.6, 0.62, 0.64, 0.66)


def test_one_animal_has_no_interval():
    statistic = summarise("regret", [2.0], units="reward")
    assert statistic.estimate == 2.0 and statistic.n == 1
    assert np.isnan(statistic.low) and np.isnan(statistic.high)


def test_undefined_animals_are_not_counted():
    with_gap = summarise("matching_slope", [0.5, np.nan, 0.7], units="1")
    assert with_gap.estimate == pytest.approx(0.6)
    assert with_gap.n == 2 and len(with_gap.by_animal) == 3
    none = summarise("matching_slope", [np.nan, np.nan], units="1")
    assert np.isnan([none.estimate, none.low, none.high]).all() and none.n == 0


def test_shape_is_checked():
    with pytest.raises(
        ValueError, match=r"regret: values must be one number an animal, or .*, got shape \(2, 3, 4\)"
    ):
        summarise("regret", np.zeros((2, 3, 4)), units="reward")
    with pytest.raises(ValueError, match=r"got shape \(0,\)"):
        summarise("regret", [], units="reward")
    with pytest.raises(ValueError, match=r"got shape \(2, 3\)"):
        summarise("win_stay", np.zeros((2, 3)), np.zeros((2, 3)), units="fraction")


def test_sessions_of_one_animal():
    rng = np.random.default_rng(4)
    reward = rng.random((200, 50)) < rng.random((200, 1))  # sessions differ, so trials are not independent
    statistic = summarise_sessions("reward_per_trial", np.mean, [reward], units="reward", rng=rng)
    error = reward.mean(axis=1).std(ddof=1) / np.sqrt(200)
    assert statistic.high - statistic.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert (statistic.n, statistic.n_of) == (200, "sessions")
    assert statistic.interval == "95 % bootstrap over sessions"


def test_one_session_has_no_interval():
    rng = np.random.default_rng(0)
    statistic = summarise_sessions("r", np.mean, [np.ones((1, 9))], units="reward", rng=rng)
    assert statistic.estimate == 1 and np.isnan(statistic.low)


def test_draws_give_the_interval_of_an_estimate():
    draws = np.random.default_rng(1).normal(0.5, 0.1, 4000)
    found = summarise_draws("learning_rate", 0.5, draws, n=200, units="1")
    assert (found.low, found.high) == pytest.approx((0.5 - 1.98 * 0.1, 0.5 + 1.98 * 0.1), abs=0.01)
    assert (found.n, found.n_of, found.interval) == (200, "sessions", "95 % bootstrap over sessions")
    assert np.isnan(summarise_draws("learning_rate", 0.5, [], n=1, units="1").low)
    assert summarise_draws("learning_rate", 0.5, draws, n=200, units="1", within=(0.4, 1)).low == 0.4


def test_sessions_must_agree_in_number():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"same number of sessions, got \[2, 3\]"):
        summarise_sessions("r", np.mean, [np.ones((2, 9)), np.ones((3, 9))], units="", rng=rng)


def plant_shared(rng, n_animals=4, n_sessions=60):
    """Binary outcomes of animals whose sessions have luck in common: odds of .5 on average, truth .5."""
    session = rng.normal(0, 1, n_sessions)
    animal = rng.normal(0, 0.2, (n_animals, 1))
    return rng.random((20, n_animals, n_sessions)) < 1 / (1 + np.exp(-(session + animal)))


def test_grouped_interval_covers_where_the_one_over_animals_does_not():
    """Planted: luck of the session common to all animals; the statistic is a ratio of sums, taken by group of sessions."""
    rng = np.random.default_rng(5)
    covered, covered_by_animals = 0, 0
    for _ in range(400):
        wins = plant_shared(rng).mean(0)
        by_group = np.stack([wins[:, own].mean(1) for own in split_sessions(60)], 1)
        found = summarise("win_stay", wins.mean(1), by_group, units="fraction", within=SHARE)
        alone = summarise("win_stay", wins.mean(1), units="fraction", within=SHARE)
        covered += found.low <= 0.5 <= found.high
        covered_by_animals += alone.low <= 0.5 <= alone.high
    assert found.interval == OVER_BOTH and alone.interval == OVER_ANIMALS
    assert 0.93 <= covered / 400 <= 0.995
    assert covered_by_animals / 400 <= 0.88


def test_crossed_mean_is_the_mean_of_all():
    values = np.arange(12.0).reshape(3, 4)
    found = summarise("reward_per_trial", values, units="reward")
    assert found.estimate == values.mean()
    assert found.by_animal == (1.5, 5.5, 9.5)
    assert (found.n, found.n_of, found.interval) == (3, "animals", OVER_BOTH)


def test_groups_without_an_animal_are_left_out_and_so_are_animals_without_a_value():
    by_group = np.array([[1.0, 2, np.nan], [2, 3, 9], [np.nan, 4, 8]])
    two = summarise("x", [1.5, 2.5, np.nan], by_group, units="1")
    assert (two.n, two.interval, two.estimate) == (2, OVER_BOTH, 2)
    three = summarise("x", [1.5, 2.5, 3.5], by_group, units="1")
    assert (three.n, three.interval, three.estimate) == (3, OVER_ANIMALS, 2.5)  # one group is left


def test_equal_animals_have_no_width_and_say_so():
    equal = summarise("p_risky_shift", [0.0, 0.0], units="fraction")
    assert (equal.low, equal.high, equal.interval) == (0, 0, NO_WIDTH)
    one = summarise("p_risky_shift", [0.0], units="fraction")
    assert one.interval == OVER_ANIMALS and np.isnan(one.low)


def test_interval_ends_where_values_end():
    share = summarise("fraction_selective", [0.9, 1.0, 0.8], units="fraction", within=SHARE)
    assert share.high == 1 and share.low > 0.6
    assert summarise("fraction_selective", [0.9, 1.0, 0.8], units="fraction").high > 1


def test_fraction_of_few():
    found = summarise_fraction("fraction_diverged", [True, False, False, False], n_of="animals")
    assert (found.estimate, found.n, found.n_of, found.units) == (0.25, 4, "animals", "fraction")
    assert (found.low, found.high) == pytest.approx((0.0456, 0.6994), abs=1e-4)
    assert found.interval == "95 % Wilson over animals"
