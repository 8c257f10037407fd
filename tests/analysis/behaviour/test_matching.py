import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm

from pfc_da.analysis.behaviour.matching import (
    Counts,
    compute_fractions,
    compute_log_ratios,
    count_choices,
    fit_matching,
    fit_matching_pooled,
)
from pfc_da.analysis.observers.baited import (
    Alternation,
    FixedProbability,
    compute_best_fixed_probability,
)
from pfc_da.analysis.observers.base import simulate_choices


def plant(slope, bias, *, sessions, trials, rng, wobble=0.0):
    """Choices and rewards of sessions whose expected ratios follow the law, with `wobble` (s.d.) about it."""
    log_income = rng.uniform(-1.5, 1.5, sessions)
    log_choice = slope * log_income + bias + wobble * rng.standard_normal(sessions)
    p_first = 1 / (1 + np.exp(-log_choice))
    share = 1 / (1 + np.exp(-log_income))  # of the income, which is a tenth of a reward a trial
    p_reward = np.stack([0.1 * share / p_first, 0.1 * (1 - share) / (1 - p_first)], axis=1)
    choice = (rng.random((sessions, trials)) >= p_first[:, None]).astype(int)
    paid = rng.random(choice.shape) < np.take_along_axis(p_reward, choice, axis=1)
    return choice, paid.astype(float), log_income


@pytest.mark.parametrize("slope, bias", [(1.0, 0.0), (0.55, 0.3), (0.0, -0.5)])
def test_planted_slope_and_bias_are_recovered(slope, bias):
    rng = np.random.default_rng(0)
    choice, reward, _ = plant(slope, bias, sessions=150, trials=4000, rng=rng, wobble=0.1)
    fit = fit_matching(count_choices(choice, reward))
    assert fit.slope == pytest.approx(slope, abs=0.04)
    assert fit.bias == pytest.approx(bias, abs=0.04)
    assert (fit.n_points, fit.n_dropped, fit.n_sessions) == (150, 0, 150)
    assert fit.interval == "95 % jackknife over sessions, Student t"


def count_ratios(log_choice, log_income):
    """Sessions with these log ratios, without the noise of counts."""
    n = len(log_choice)
    return Counts(
        choices=np.stack([np.exp(log_choice), np.ones(n)], axis=1),
        income=np.stack([np.exp(log_income), np.ones(n)], axis=1),
        session=np.arange(n),
        block=np.zeros(n, dtype=int),
    )


@pytest.mark.parametrize("n", [3, 5, 40])
def test_interval_covers_the_planted_slope(n):
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        x = rng.uniform(-1.5, 1.5, n)
        fit = fit_matching(count_ratios(0.6 * x + 0.2 + 0.3 * rng.standard_normal(n), x))
        covered += fit.slope_low < 0.6 < fit.slope_high
    assert 0.92 <= covered / 400 <= 0.98


def test_two_sessions_of_several_blocks_have_a_wide_interval():
    rng = np.random.default_rng(9)
    covered, widths = 0, []
    for _ in range(200):
        x = rng.uniform(-1.5, 1.5, 8)
        counts = count_ratios(0.6 * x + 0.3 * rng.standard_normal(8), x)
        fit = fit_matching(dataclasses.replace(counts, session=np.repeat([0, 1], 4)))
        covered += fit.slope_low < 0.6 < fit.slope_high
        widths.append(fit.slope_high - fit.slope_low)
    assert covered / 200 >= 0.93 and np.median(widths) > 1


def test_a_line_through_two_points_has_no_interval():
    counts = count_ratios(np.array([0.1, 0.5]), np.array([0.2, 0.9]))
    fit = fit_matching(counts)
    assert fit.slope == pytest.approx(4 / 7) and np.isnan([fit.slope_low, fit.slope_high]).all()
    dropped = Counts(  # a third session without income from the second object
        choices=np.append(counts.choices, [[9, 1]], axis=0),
        income=np.append(counts.income, [[4, 0]], axis=0),
        session=np.arange(3),
        block=np.zeros(3, dtype=int),
    )
    fit = fit_matching(dropped)
    assert (fit.n_points, fit.n_dropped, fit.n_sessions) == (2, 1, 2) and np.isnan(fit.slope_low)


def test_least_squares_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    choice, reward, _ = plant(0.7, 0.1, sessions=60, trials=300, rng=rng, wobble=0.3)
    counts = count_choices(choice, reward)
    fit = fit_matching(counts)
    y, x = compute_log_ratios(counts.choices, counts.income)
    oracle = sm.OLS(y, sm.add_constant(x), missing="drop").fit(cov_type="HC1")
    assert (fit.bias, fit.slope) == pytest.approx(oracle.params, abs=1e-10)
    assert fit.slope_high - fit.slope_low == pytest.approx(2 * 1.96 * oracle.bse[1], rel=0.15)


def test_sessions_with_a_zero_count_are_dropped_and_counted():
    counts = Counts(
        choices=np.array([[80, 20], [60, 40], [30, 70], [100, 0], [50, 50]]),
        income=np.array([[24.0, 6.0], [12, 8], [9, 21], [40, 0], [20, 0]]),
        session=np.arange(5),
        block=np.zeros(5, dtype=int),
    )
    fit = fit_matching(counts)
    assert (fit.n_points, fit.n_dropped) == (3, 2)
    assert (fit.slope, fit.bias) == pytest.approx((1, 0))
    choice_fraction, income_fraction = compute_fractions(counts)
    assert choice_fraction == pytest.approx([0.8, 0.6, 0.3, 1, 0.5])
    assert income_fraction == pytest.approx([0.8, 0.6, 0.3, 1, 1])


def test_pooling_by_condition_keeps_what_single_sessions_would_drop():
    rng = np.random.default_rng(3)
    choice, reward, log_income = plant(0.6, 0.0, sessions=600, trials=60, rng=rng)
    counts = count_choices(choice, reward)
    by_session = fit_matching(counts)
    pooled = fit_matching_pooled(counts, np.floor(log_income * 4))
    assert by_session.n_dropped > 30
    assert (pooled.n_points, pooled.n_dropped, pooled.n_sessions) == (12, 0, 600)
    assert pooled.slope_low < 0.6 < pooled.slope_high
    assert abs(pooled.slope - 0.6) < abs(by_session.slope - 0.6)


def test_pooling_conditions_of_one_session_is_fitting_sessions():
    rng = np.random.default_rng(4)
    choice, reward, _ = plant(0.6, 0.1, sessions=30, trials=500, rng=rng)
    counts = count_choices(choice, reward)
    pooled = fit_matching_pooled(counts, np.arange(30))
    assert pooled.slope == pytest.approx(fit_matching(counts).slope)
    with pytest.raises(ValueError, match=r"one condition a point: got \(3,\) for 30 points"):
        fit_matching_pooled(counts, np.arange(3))


def test_blocks_are_points_and_missing_trials_count_nowhere():
    choice = np.array([[0, 0, 1, -1, 1, 1, 1, 0]])
    reward = np.array([[1, 0, 1, 1, 1, np.nan, 0, 1.0]])
    block = np.array([[0, 0, 0, 0, 3, 3, 3, -1]])
    counts = count_choices(choice, reward, block)
    assert counts.choices.tolist() == [[2, 1], [0, 2]]
    assert counts.income.tolist() == [[1, 1], [0, 1]]
    assert counts.session.tolist() == [0, 0] and counts.block.tolist() == [0, 3]


def test_of_one_session_blocks_are_left_out_in_turn():
    rng = np.random.default_rng(5)
    choice, reward, _ = plant(0.5, 0.0, sessions=20, trials=400, rng=rng)
    as_one = [a.reshape(1, -1) for a in (choice, reward, np.repeat(np.arange(20), 400))]
    fit = fit_matching(count_choices(*as_one))
    assert fit.interval == "95 % jackknife over blocks, Student t"
    assert fit.slope == pytest.approx(fit_matching(count_choices(choice, reward)).slope)
    assert fit.slope_low < fit.slope < fit.slope_high


def test_swapping_the_objects_turns_the_bias_round():
    rng = np.random.default_rng(6)
    choice, reward, _ = plant(0.7, 0.4, sessions=50, trials=600, rng=rng)
    fit = fit_matching(count_choices(choice, reward))
    swapped = fit_matching(count_choices(1 - choice, reward))
    assert (swapped.slope, swapped.bias) == pytest.approx((fit.slope, -fit.bias))


def test_agents_of_the_baited_schedule():
    """The best fixed probability matches, alternation and indifference do not follow income at all."""
    rng = np.random.default_rng(7)
    first = (np.arange(1000) + 0.5) / 2000
    p0 = np.stack([first, 0.5 - first], axis=1)
    best = FixedProbability(compute_best_fixed_probability(p0, 1000))

    def slope(agent, trials):
        made = simulate_choices(agent, p0[:, None].repeat(trials, 1), baited=True, rng=rng)
        return fit_matching(count_choices(made.choice, made.reward)).slope

    assert slope(best, 1000) == pytest.approx(0.99, abs=0.02)
    assert slope(best, 100) == pytest.approx(0.965, abs=0.03)  # short sessions shift it
    assert slope(Alternation(), 100) == pytest.approx(0, abs=1e-9)
    assert slope(FixedProbability(0.5), 100) == pytest.approx(0, abs=0.03)


def test_no_slope_where_none_can_be():
    only_left = fit_matching(count_choices(np.zeros((5, 9), dtype=int), np.ones((5, 9))))
    assert np.isnan([only_left.slope, only_left.slope_low, only_left.bias]).all()
    assert only_left.n_dropped == 5
    nothing = fit_matching(count_choices(np.full((2, 3), -1), np.zeros((2, 3))))
    assert np.isnan(nothing.slope) and (nothing.n_points, nothing.n_dropped, nothing.n_sessions) == (0, 0, 0)
    with pytest.raises(ValueError, match="matching takes choices 0, 1 or -1 .* got choices up to 2"):
        count_choices(np.array([[2]]), np.array([[1.0]]))
