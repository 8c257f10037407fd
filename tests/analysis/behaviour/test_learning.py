import numpy as np
import pandas as pd
import pytest

from pfc_da.analysis.behaviour.learning import (
    compute_updates_to_criterion,
    summarise_session,
    summarise_training,
)
from pfc_da.analysis.observers.bandit import Thompson
from pfc_da.analysis.observers.base import simulate_choices


def curve(updates, reward):
    return pd.DataFrame({"update": updates, "reward_per_trial": reward})


def test_training_curve_is_the_mean_over_animals():
    curves = [curve([0, 10, 20], [0.5, 0.5 + gain, 0.6 + gain]) for gain in (0.02, 0.04, 0.06)]
    table = summarise_training(curves)
    assert table["update"].tolist() == [0, 10, 20]
    assert table["mean"].tolist() == pytest.approx([0.5, 0.54, 0.64])
    half = 4.302653 * 0.02 / np.sqrt(3)  # Student's t with two degrees of freedom
    assert table["low"].tolist() == pytest.approx([0.5, 0.54 - half, 0.64 - half])
    assert table["high"].tolist() == pytest.approx([0.5, 0.54 + half, 0.64 + half])
    assert table["n"].tolist() == [3, 3, 3]


def test_animals_with_fewer_updates_are_counted_where_they_are():
    table = summarise_training([curve([0, 20], [0.5, 0.7]), curve([0, 10], [0.6, 0.6])])
    assert table["update"].tolist() == [0, 10, 20]
    assert table["mean"].tolist() == pytest.approx([0.55, 0.6, 0.7])
    assert table["n"].tolist() == [2, 1, 1]
    assert table["low"].isna().tolist() == [False, True, True]


def test_a_curve_without_reward_is_refused():
    with pytest.raises(
        ValueError, match=r"learning curve lacks \['reward_per_trial'\]; it has update, rpe_sd"
    ):
        summarise_training([curve([0], [0.5]).rename(columns={"reward_per_trial": "rpe_sd"})])


def test_updates_to_criterion():
    noisy = curve([1, 2, 3, 4, 5, 6], [0.5, 0.7, 0.5, 0.61, 0.62, 0.63])
    assert compute_updates_to_criterion(noisy, 0.6) == 2  # one lucky batch
    assert compute_updates_to_criterion(noisy, 0.6, window=3) == 4  # mean of .7, .5, .61
    assert np.isnan(compute_updates_to_criterion(noisy, 0.8))
    assert np.isnan(compute_updates_to_criterion(noisy, 0.5, window=7))
    with pytest.raises(ValueError, match="window must be at least 1 row, got 0"):
        compute_updates_to_criterion(noisy, 0.5, window=0)


def test_a_learner_climbs_from_chance_within_a_session():
    rng = np.random.default_rng(1)
    p_reward = rng.random((4000, 2))
    reward = simulate_choices(Thompson(), p_reward[:, None].repeat(50, 1), rng=rng).reward
    table = summarise_session(reward)
    first, last = table.iloc[0], table.iloc[-1]
    assert first["low"] < 0.5 < first["high"]
    assert last["low"] > 0.61
    assert (table["n"] == 4000).all()
    shuffled = rng.permuted(reward, axis=1)
    table = summarise_session(shuffled)
    assert table["mean"].iloc[0] == pytest.approx(
        table["mean"].iloc[-1], abs=0.04
    )  # order is what makes the curve


def test_luck_of_a_session_that_all_animals_share_is_in_the_band():
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 1, (30, 1))
    values = 0.1 * rng.standard_normal((4, 30, 2)) + luck
    values[0, 0, 1] = np.nan  # a trial that one session lacks: over animals alone
    table = summarise_session(values)
    width = (table["high"] - table["low"]).to_numpy()
    assert width[0] == pytest.approx(2 * 2.05 * luck.std(ddof=1) / np.sqrt(30), rel=0.1)
    assert width[1] < width[0]


def test_the_band_is_over_animals_where_sessions_tell_little():
    rng = np.random.default_rng(2)
    animals = np.array([0.4, 0.5, 0.6, 0.7])
    values = np.broadcast_to(animals[:, None, None], (4, 1000, 3)) + 0.01 * rng.standard_normal((4, 1000, 3))
    table = summarise_session(values)
    assert table["mean"].to_numpy() == pytest.approx(np.full(3, 0.55), abs=0.001)
    assert (table["high"] - table["low"] > 0.15).all()
    assert table["n"].tolist() == [4, 4, 4]
    alone = summarise_session(values[:1])
    assert alone["low"].isna().all() and alone["n"].tolist() == [1, 1, 1]


def test_missing_trials_are_left_out():
    values = np.array([[1.0, np.nan, np.nan], [0.0, 1.0, np.nan]])
    table = summarise_session(values)
    assert table["mean"].tolist()[:2] == [0.5, 1.0] and np.isnan(table["mean"].iloc[2])
    assert table["n"].tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match=r"must be \(\[animal,\] session, trial\), got 1 dimension"):
        summarise_session(values[0])
