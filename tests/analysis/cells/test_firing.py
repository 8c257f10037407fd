"""Firing statistics recover what was planted in Poisson, gamma and doubly stochastic trains, cut like recordings."""

import numpy as np
import pytest

from pfc_da.analysis.cells.firing import (
    compute_cv,
    compute_cv2,
    compute_fano,
    compute_fano_within,
    compute_lv,
    compute_rate,
    count_spikes,
)


def gamma_trains(shape: float, rate: float, *, n: int = 400, window: float = 2.0) -> list[np.ndarray]:
    """`n` windows of a renewal process with gamma intervals, started well before the window."""
    rng = np.random.default_rng(4)
    size = int(rate * (window + 5) * 3) + 50
    times = np.cumsum(rng.gamma(shape, 1 / (shape * rate), size=(n, size)), axis=1) - 5
    return [train[(train >= 0) & (train < window)] for train in times]


@pytest.mark.parametrize("shape, cv2, tolerance", [(1, 1.0, 0.02), (2, 0.75, 0.02), (4, 0.546875, 0.02)])
def test_cv2_and_lv_of_gamma_intervals(shape, cv2, tolerance):
    # Of two gamma intervals the first takes a Beta(k, k) share B:
    # CV2 = 2 E|2B - 1| and LV = 3 E(2B - 1)^2 = 3/(2k + 1).
    trains = gamma_trains(shape, rate=20)
    assert compute_cv2(trains) == pytest.approx(cv2, abs=tolerance)
    assert compute_lv(trains) == pytest.approx(3 / (2 * shape + 1), abs=tolerance)


def test_poisson_counts_have_their_rate_and_a_fano_of_one():
    counts = np.random.default_rng(0).poisson([2.0, 8.0], size=(4000, 2))
    np.testing.assert_allclose(compute_rate(counts, window=0.5), [4, 16], rtol=0.03)
    np.testing.assert_allclose(compute_fano(counts), 1, atol=0.07)


def test_regular_firing_has_a_fano_below_one_and_a_clock_has_no_variability():
    counts = np.array([[len(train)] for train in gamma_trains(4, rate=20)])
    assert compute_fano(counts) == pytest.approx(1 / 4, abs=0.06)  # 1/shape for long windows
    clock = [np.arange(0, 2, 0.1)]
    assert compute_cv2(clock) == pytest.approx(0, abs=1e-9)
    assert compute_lv(clock) == pytest.approx(0, abs=1e-9)


def test_intervals_do_not_cross_trials():
    # Two regular trains of different rate: the step between them is no interval.
    trains = [np.arange(0, 1, 0.05), np.arange(0, 1, 0.2)]
    assert compute_cv2(trains) == pytest.approx(0, abs=1e-9)


def test_what_cannot_be_computed_is_nan():
    assert np.isnan(compute_cv2([[], [0.1], [0.1, 0.2]]))
    assert np.isnan(compute_lv([]))
    assert np.isnan(compute_cv([[], [0.1, 0.2]]))
    assert np.isnan(compute_fano(np.zeros((5, 1)))).all()
    assert np.isnan(compute_fano(np.ones((1, 3)))).all()


def test_missing_trials_are_left_out():
    counts = np.array([[1.0], [3.0], [np.nan]])
    assert compute_rate(counts, window=2.0) == pytest.approx(1)
    assert compute_fano(counts) == pytest.approx(1)


def test_unsorted_spikes_and_an_empty_window_are_refused():
    with pytest.raises(ValueError, match="must be sorted"):
        compute_lv([[0.3, 0.1, 0.2]])
    with pytest.raises(ValueError, match="above 0 s, got 0"):
        compute_rate([[1]], window=0)


def test_doubly_stochastic_counts_have_the_fano_of_their_rates():
    # Poisson counts whose mean itself varies with variance v around m: Fano = 1 + v / m. A gamma gain of s.d. .5: v = m^2/4.
    rng = np.random.default_rng(1)
    counts = rng.poisson(8 * rng.gamma(4, 0.25, size=(20000, 2)))
    np.testing.assert_allclose(compute_fano(counts), 1 + 8 / 4, rtol=0.05)


def test_the_variance_within_groups_leaves_their_means_out():
    rng = np.random.default_rng(2)
    group = rng.integers(4, size=40_000)
    counts = rng.poisson(np.array([1.0, 4.0, 9.0, 20.0])[group])
    assert compute_fano(counts) > 4
    assert compute_fano_within(counts, group) == pytest.approx(1, abs=0.03)
    same = [compute_fano_within(counts[group == one], group[group == one]) for one in range(4)]
    assert same == pytest.approx([float(compute_fano(counts[group == one])) for one in range(4)])
    sizes = np.tile([20, 2], 600)  # few trials of large counts: each group weighs alike in variance and mean
    few = np.repeat(np.arange(1200), sizes)
    assert compute_fano_within(rng.poisson(np.where(few % 2, 20.0, 1.0)), few) == pytest.approx(1, abs=0.06)
    assert np.isnan(compute_fano_within([1, 2], [0, 1]))
    assert np.isnan(compute_fano_within([0, 0, 0], [0, 0, 1]))
    assert np.isnan(compute_fano_within([], np.empty(0, int)))


def test_spikes_are_counted_in_windows_that_hold_their_beginning():
    trains = [[0.0, 0.15, 0.19999], [], [0.15, 0.2]]
    np.testing.assert_array_equal(
        count_spikes(trains, [0, 0.15, 0.1], 0.05), [[1, 2, 0], [0, 0, 0], [0, 1, 0]]
    )
    # Every spike at a whole millisecond falls into one bin, edges that are no binary fractions included.
    milliseconds = np.arange(1000) / 1000
    bins = 0.05 * np.arange(20)
    np.testing.assert_array_equal(count_spikes([milliseconds], bins, 0.05), [[50] * 20])
    assert count_spikes([], bins, 0.05).shape == (0, 20)


@pytest.mark.parametrize("shape", [0.5, 1, 4])
def test_cv_of_gamma_intervals(shape):
    trains = gamma_trains(shape, rate=20, n=200, window=20.0)
    assert compute_cv(trains) == pytest.approx(1 / np.sqrt(shape), rel=0.03)


@pytest.mark.parametrize("spikes, cv", [(10, 0.98), (5, 0.94), (3, 0.88)])
def test_short_windows_lower_the_cv_of_poisson_trains_and_leave_cv2_and_lv(spikes, cv):
    trains = gamma_trains(1, rate=spikes, n=6000, window=1.0)
    assert compute_cv(trains) == pytest.approx(cv, abs=0.02)
    assert compute_cv2(trains) == pytest.approx(1, abs=0.03)
    assert compute_lv(trains) == pytest.approx(1, abs=0.04)


def test_slow_changes_of_rate_raise_cv_and_not_cv2():
    rng = np.random.default_rng(3)
    steady = np.sort(rng.uniform(0, 4000, 40000))
    changing = np.concatenate([np.sort(rng.uniform(0, 2000, 4000)), np.sort(rng.uniform(2000, 4000, 36000))])
    assert compute_cv([steady]) == pytest.approx(1, abs=0.03)
    assert compute_cv([changing]) > 1.5
    assert compute_cv2([changing]) == pytest.approx(1, abs=0.03)


def test_elephant_gives_the_same_numbers():
    import neo
    import quantities as pq
    from elephant import statistics

    (train,) = gamma_trains(0.7, rate=15, n=1, window=20.0)
    intervals = statistics.isi(train)
    assert compute_cv([train]) == pytest.approx(statistics.cv(intervals))
    assert compute_cv2([train]) == pytest.approx(statistics.cv2(intervals))
    assert compute_lv([train]) == pytest.approx(statistics.lv(intervals))
    trains = gamma_trains(0.7, rate=15, n=30)
    as_neo = [neo.SpikeTrain(times * pq.s, t_stop=2 * pq.s) for times in trains]
    counts = count_spikes(trains, [0], 2)
    n = len(trains)
    assert compute_fano(counts)[0] * (n - 1) / n == pytest.approx(statistics.fanofactor(as_neo))
    rates = [statistics.mean_firing_rate(own).rescale("Hz").item() for own in as_neo]
    assert compute_rate(counts, window=2)[0] == pytest.approx(np.mean(rates))


def test_bad_windows_and_times_are_refused():
    with pytest.raises(ValueError, match="width must be a duration above 0 s, got 0"):
        count_spikes([[0.1]], [0], 0)
    with pytest.raises(ValueError, match="must be numbers, got NaN"):
        compute_cv([[0.1, np.nan]])
