"""Coverage of intervals, measured on planted animals, sessions and cells."""

import numpy as np
import pytest
from scipy import stats

from pfc_da.analysis.interval import (
    GROUPS,
    compute_crossed_interval,
    compute_draws_interval,
    compute_mean_interval,
    compute_reach,
    compute_wilson_interval,
    format_interval,
    split_sessions,
)
from pfc_da.errors import InputError

N = 20_000  # experiments; the standard error of a coverage of 95 % is then 0.15 %


def measure_coverage(ends, truth=0.0):
    low, high = ends
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("n", [2, 4, 8])
def test_interval_over_animals_covers_95_percent(n):
    animals = np.random.default_rng(n).standard_normal((n, N))
    assert measure_coverage(compute_mean_interval(animals)) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(("n", "covered"), [(2, 0.50), (4, 0.80), (8, 0.89)])
def test_percentile_bootstrap_over_few_animals_would_not(n, covered):
    """Errors that the limits of this file must detect."""
    rng = np.random.default_rng(n)
    animals = rng.standard_normal((n, N))
    means = rng.multinomial(n, np.full(n, 1 / n), 400) @ animals / n
    assert measure_coverage(np.quantile(means, [0.025, 0.975], axis=0)) == pytest.approx(covered, abs=0.02)


def test_interval_over_animals_is_that_of_scipy_and_leaves_out_nan():
    values = np.random.default_rng(0).normal(3, 2, (6, 3))
    values[:2, 1], values[:5, 2] = np.nan, np.nan
    low, high = compute_mean_interval(values)
    for column in (0, 1):
        own = values[np.isfinite(values[:, column]), column]
        oracle = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        np.testing.assert_allclose((low[column], high[column]), oracle)
    assert np.isnan([low[2], high[2]]).all()


def test_equal_values_have_no_width_whatever_rounding_does():
    low, high = compute_mean_interval(np.full(7, 0.1))
    assert low == high


def draw_crossed(rng, n_animals, n_sessions, of_animals, of_sessions, noise):
    """Planted y = animal + session + noise with these standard deviations of the parts of a mean, truth 0."""
    shape = (n_animals, n_sessions, N // 4)
    animal = rng.standard_normal((n_animals, 1, shape[2])) * of_animals * np.sqrt(n_animals)
    session = rng.standard_normal((1, n_sessions, shape[2])) * of_sessions * np.sqrt(n_sessions)
    return animal + session + rng.standard_normal(shape) * noise * np.sqrt(n_animals * n_sessions)


@pytest.mark.parametrize("n_animals", [2, 4, 8])
@pytest.mark.parametrize(("of_animals", "of_sessions", "noise"), [(1, 0.1, 0.1), (0, 1, 0.1), (0.2, 0.2, 1)])
def test_crossed_interval_covers_95_percent(n_animals, of_animals, of_sessions, noise):
    rng = np.random.default_rng(n_animals)
    values = draw_crossed(rng, n_animals, 20, of_animals, of_sessions, noise)
    coverage = measure_coverage(compute_crossed_interval(values.mean(1), values))
    assert 0.94 < coverage < 0.975


@pytest.mark.parametrize(("n_animals", "most"), [(2, 0.992), (4, 0.98), (8, 0.975)])
@pytest.mark.parametrize("of_animals", [0.3, 1, 1.7])
def test_crossed_interval_is_wide_rather_than_narrow_where_both_count(n_animals, most, of_animals):
    values = draw_crossed(np.random.default_rng(n_animals), n_animals, 20, of_animals, 1, 0.3)
    assert 0.945 < measure_coverage(compute_crossed_interval(values.mean(1), values)) < most


@pytest.mark.parametrize("n_animals", [4, 8])
def test_interval_over_animals_alone_misses_what_shared_sessions_do(n_animals):
    values = draw_crossed(np.random.default_rng(0), n_animals, 20, 0.3, 1, 0.3)
    assert measure_coverage(compute_mean_interval(values.mean(1))) < 0.7


def test_crossed_interval_by_hand():
    values = np.array([[1.0, 2, 6], [2, 3, 7]])  # animal and session effects alone, no noise
    low, high = compute_crossed_interval(values.mean(1), values)
    of_animals = stats.t.ppf(0.975, 1) * 0.5  # s.e. of the means 3 and 4
    of_sessions = stats.t.ppf(0.975, 2) * np.std([1.5, 2.5, 6.5], ddof=1) / np.sqrt(3)
    assert (low + high) / 2 == pytest.approx(3.5)
    assert (high - low) / 2 == pytest.approx(np.hypot(of_animals, of_sessions))


@pytest.mark.parametrize("values", [np.ones((1, 5)), np.ones((5, 1))])
def test_one_animal_or_one_session_has_no_crossed_interval(values):
    assert np.isnan(compute_crossed_interval(values.mean(1), values)).all()


@pytest.mark.parametrize(("n", "least"), [(3, 0.90), (5, 0.93), (10, 0.93), (25, 0.93)])
@pytest.mark.parametrize("compute", [np.mean, np.median])
def test_interval_of_bootstrap_draws_covers_95_percent(compute, n, least):
    rng = np.random.default_rng(n)
    values = rng.standard_normal((2000, n))  # sessions of one animal, or cells
    drawn = rng.integers(n, size=(300, n))
    draws = np.stack([compute(values[:, index], axis=1) for index in drawn])
    ends = compute_draws_interval(compute(values, axis=1), draws, n)
    assert least < measure_coverage(ends) < 0.99


def test_interval_of_draws_leaves_out_undefined_draws():
    draws = np.r_[np.arange(1001.0), np.nan]
    wide = compute_reach(50) * np.sqrt(50 / 49) / 1.959964
    assert np.array(compute_draws_interval(500.0, draws, 50)) == pytest.approx(
        [500 - 475 * wide, 500 + 475 * wide]
    )
    assert np.isnan(compute_draws_interval(0.5, np.full(3, np.nan), 50)).all()
    assert np.isnan(compute_draws_interval(0.5, draws, 1)).all()


def test_groups_hold_every_session_once():
    groups = split_sessions(25)
    assert len(groups) == GROUPS and np.concatenate(groups).tolist() == list(range(25))
    assert [len(group) for group in split_sessions(3)] == [1, 1, 1]


def test_wilson_interval_wants_a_fraction():
    with pytest.raises(InputError, match="got 4 of 3"):
        compute_wilson_interval(4, 3)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((-0.05, -0.123456, 12345), "-0.05 [-0.123, 1.23e+04]"),
        ((0.5, np.nan, np.nan), "0.5, no interval"),
        ((np.nan, 0.0, 1.0), "[0, 1]"),
        ((0.5, 0.2, np.nan), "0.5 [0.2, —]"),
        ((np.nan, np.nan, np.nan), "—"),
    ],
)
def test_numbers_that_are_missing_are_not_written_as_nan(numbers, text):
    assert format_interval(*numbers) == text
