import numpy as np
import pytest

from pfc_da.analysis.behaviour.reversals import (
    AFTER,
    BEFORE,
    compute_reversal_curve,
    compute_trials_to_criterion,
    compute_trials_to_half,
    count_since_switch,
    mean_where,
)


def draw_better(n_sessions, run, n_trials=120):
    return np.tile(np.arange(n_trials) // run % 2, (n_sessions, 1))


def test_trials_since_the_last_reversal_by_hand():
    better = np.array([[0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]])
    expected = [[-1, -1, 0, 1, 2, 0, 1], [-1] * 7]
    assert count_since_switch(better).tolist() == expected


@pytest.mark.parametrize("delay", [0, 1, 4, 11])
def test_one_who_changes_a_planted_number_of_trials_late(delay):
    better = draw_better(30, 40)
    choice = np.repeat(better[:, :1], better.shape[1], axis=1)
    choice[:, delay:] = better[:, : better.shape[1] - delay]
    curve = compute_reversal_curve(choice[None], better)
    assert curve.shape == (1, BEFORE + AFTER)
    assert (curve[0, : BEFORE + delay] == 0).all() and (curve[0, BEFORE + delay :] == 1).all()
    # three trials averaged: the first of which at least .7 are of the new option
    assert compute_trials_to_criterion(curve).tolist() == [max(delay + 1, 1)]


def test_chance_never_reaches_the_criterion_and_missing_choices_are_left_out():
    rng = np.random.default_rng(0)
    better = draw_better(200, 30)
    choice = rng.integers(0, 2, (2, *better.shape))
    choice[1] = np.where(rng.random(better.shape) < 0.3, -1, better)
    curve = compute_reversal_curve(choice, better)
    assert curve[0] == pytest.approx(0.5, abs=0.1)
    assert np.isnan(compute_trials_to_criterion(curve)[0])
    assert (curve[1, :BEFORE] == 0).all() and (curve[1, BEFORE:] == 1).all()


@pytest.mark.parametrize("level", [0.65, 0.8, 1.0])
@pytest.mark.parametrize("delay", [1, 4, 11])
def test_half_way_does_not_depend_on_how_far_choices_go(level, delay):
    curve = np.full((1, BEFORE + AFTER), 1 - level)
    curve[0, BEFORE + delay :] = level
    # of three trials two with the new level: the first such three have the second trial of the new level in the middle
    assert compute_trials_to_half(curve).tolist() == [delay]


def test_half_way_of_a_slow_approach_is_where_its_exponential_says():
    lag = np.arange(AFTER)
    curve = np.full((3, BEFORE + AFTER), 0.2)
    for row, tau in enumerate((1.5, 3, 5)):
        curve[row, BEFORE:] = 0.8 - 0.6 * np.exp(-lag / tau)
    assert compute_trials_to_half(curve) == pytest.approx(np.log(2) * np.array([1.5, 3, 5]), abs=1)


def test_choices_that_do_not_follow_a_reversal_have_no_half():
    rng = np.random.default_rng(0)
    better = draw_better(300, 30)
    alternating = (np.arange(120) + rng.integers(2, size=(300, 1))) % 2
    curves = compute_reversal_curve(np.stack([alternating, 1 - better]), better)
    assert np.isnan(compute_trials_to_half(curves)).all()
    few = draw_better(8, 40)  # 16 reversals
    curves = compute_reversal_curve(rng.integers(2, size=(200, *few.shape)), few)
    assert np.isnan(compute_trials_to_half(curves)).mean() > 0.95


def test_without_a_reversal_there_is_no_curve():
    better = np.zeros((3, 50), int)
    curve = compute_reversal_curve(better[None], better)
    assert np.isnan(curve).all() and np.isnan(compute_trials_to_criterion(curve)).all()


def test_a_curve_is_the_share_of_choices_of_each_lag():
    rng = np.random.default_rng(1)
    better = draw_better(3, 25, 100)
    choice = rng.integers(0, 2, (1, 3, 100))
    curve = compute_reversal_curve(choice, better)[0]
    for lag in (-10, -1, 0, 7, 19):
        at = [switch + lag for switch in (25, 50, 75)]
        new = better[:, [25, 50, 75]]
        assert curve[BEFORE + lag] == pytest.approx((choice[0][:, at] == new).mean())


def test_means_of_some_trials():
    values = np.array([[1.0, np.nan, 3.0], [5.0, 6.0, 7.0]])
    where = np.array([[True, True, False], [False, False, False]])
    assert mean_where(values, where)[0] == 1 and np.isnan(mean_where(values, where)[1])
