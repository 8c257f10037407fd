"""Firing statistics recover what was planted: Poisson and gamma trains, cut into windows like recordings."""

import numpy as np
import pytest

from pfc_da.analysis.firing import compute_cv2, compute_fano, compute_lv, compute_rate


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
