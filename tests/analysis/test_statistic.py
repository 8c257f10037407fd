import numpy as np
import pytest

from pfc_da.analysis.statistic import (
    bootstrap_mean,
    percentile_interval,
    resample_weights,
    summarise,
    summarise_crossed,
    summarise_sessions,
)


def test_mean_interval_and_n_over_animals():
    rng = np.random.default_rng(0)
    statistic = summarise("reward_per_trial", [0.6, 0.62, 0.64, 0.66], units="reward", rng=rng)
    assert statistic.estimate == pytest.approx(0.63)
    assert 0.6 <= statistic.low < 0.63 < statistic.high <= 0.66
    assert (statistic.n, statistic.n_of) == (4, "animals")
    assert statistic.interval == "95 % bootstrap over animals"
    assert statistic.by_animal == (0.6, 0.62, 0.64, 0.66)


def test_one_animal_has_no_interval():
    statistic = summarise("regret", [2.0], units="reward", rng=np.random.default_rng(0))
    assert statistic.estimate == 2.0 and statistic.n == 1
    assert np.isnan(statistic.low) and np.isnan(statistic.high)


def test_undefined_animals_are_not_counted():
    rng = np.random.default_rng(0)
    with_gap = summarise("matching_slope", [0.5, np.nan, 0.7], units="1", rng=rng)
    assert with_gap.estimate == pytest.approx(0.6)
    assert with_gap.n == 2 and len(with_gap.by_animal) == 3
    none = summarise("matching_slope", [np.nan, np.nan], units="1", rng=rng)
    assert np.isnan([none.estimate, none.low, none.high]).all() and none.n == 0


def test_shape_is_checked():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"regret: .* must be one number an animal, got shape \(2, 2\)"):
        summarise("regret", np.zeros((2, 2)), units="reward", rng=rng)


@pytest.mark.parametrize("n, coverage", [(4, 0.80), (16, 0.92)])
def test_coverage_is_the_one_the_docstring_admits(n, coverage):
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((n, 4000))  # 4000 experiments of n animals with true mean 0
    low, high = bootstrap_mean(samples, rng=rng)
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(coverage, abs=0.02)


def test_bootstrap_agrees_with_the_standard_error_for_many_samples():
    rng = np.random.default_rng(2)
    values = rng.normal(3.0, 2.0, 400)
    low, high = bootstrap_mean(values, rng=rng)
    mean, error = values.mean(), values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.1 * error)


def test_resample_weights_draw_every_sample_equally():
    weights = resample_weights(5, rng=np.random.default_rng(3), n_draws=20_000)
    assert (weights.sum(axis=1) == 5).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(5), abs=0.03)
    assert weights.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.03)  # binomial(5, 1/5)


def test_percentile_interval_leaves_out_undefined_draws():
    draws = np.r_[np.arange(1001.0), np.nan]
    assert np.array(percentile_interval(draws)) == pytest.approx([25, 975])
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()


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


def test_sessions_must_agree_in_number():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"same number of sessions, got \[2, 3\]"):
        summarise_sessions("r", np.mean, [np.ones((2, 9)), np.ones((3, 9))], units="", rng=rng)


def test_crossed_interval_covers_when_animals_share_sessions():
    """Planted: a large effect of the session common to all animals. Resampling animals alone misses it."""
    rng = np.random.default_rng(5)
    covered, covered_by_animals = 0, 0
    for _ in range(100):
        values = rng.normal(0, 0.3, (4, 1)) * 0.1 + rng.normal(0, 1, 30) + rng.normal(0, 0.2, (4, 30))
        crossed = summarise_crossed("reward_per_trial", values, units="reward", rng=rng)
        alone = summarise("reward_per_trial", values.mean(1), units="reward", rng=rng)
        covered += crossed.low <= 0 <= crossed.high
        covered_by_animals += alone.low <= 0 <= alone.high
    assert covered >= 90
    assert covered_by_animals <= 50


def test_crossed_mean_is_the_mean_of_all():
    values = np.arange(12.0).reshape(3, 4)
    found = summarise_crossed("reward_per_trial", values, units="reward", rng=np.random.default_rng(0))
    assert found.estimate == values.mean()
    assert found.by_animal == (1.5, 5.5, 9.5)
    assert (found.n, found.n_of) == (3, "animals")
