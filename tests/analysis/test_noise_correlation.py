"""Planted noise correlations come back, what the task does to both cells does not count, and elephant agrees."""

import numpy as np
import pytest

from pfc_da.analysis.noise_correlation import compute_noise_correlation, list_pairs


def shared_counts(r, *, trials=4000, rate=10.0, units=3, seed=0):
    """Poisson counts of `rate` of which a share `r` is common to all units: their correlation is r."""
    rng = np.random.default_rng(seed)
    common = rng.poisson(r * rate, size=(trials, 1))
    return common + rng.poisson((1 - r) * rate, size=(trials, units))


@pytest.mark.parametrize("r", [0.0, 0.15, 0.6])
def test_a_planted_correlation_comes_back(r):
    pairs = list_pairs(compute_noise_correlation(shared_counts(r)))
    assert len(pairs) == 3
    np.testing.assert_allclose(pairs, r, atol=0.05)


def test_a_common_signal_is_no_noise_correlation():
    rng = np.random.default_rng(1)
    stimulus = rng.integers(4, size=3000)
    counts = rng.poisson(np.array([2.0, 5.0, 9.0, 20.0])[stimulus][:, None], size=(3000, 2))
    assert compute_noise_correlation(counts)[0, 1] > 0.5
    assert compute_noise_correlation(counts, stimulus)[0, 1] == pytest.approx(0, abs=0.06)


def test_slow_drift_inflates_and_groups_by_stretch_take_it_out():
    rng = np.random.default_rng(2)
    gain = np.exp(0.8 * np.sin(np.linspace(0, 4, 2000)))
    counts = rng.poisson(8 * gain[:, None], size=(2000, 2))
    assert compute_noise_correlation(counts)[0, 1] > 0.3
    stretch = np.arange(2000) // 20
    assert compute_noise_correlation(counts, stretch)[0, 1] == pytest.approx(0, abs=0.06)


def test_groups_weigh_by_their_degrees_of_freedom():
    rng = np.random.default_rng(3)
    counts = rng.poisson(5, size=(60, 2)).astype(float)
    groups = np.repeat([0, 1], [20, 40])
    expected = [np.corrcoef(counts[groups == group].T)[0, 1] for group in (0, 1)]
    assert compute_noise_correlation(counts, groups)[0, 1] == pytest.approx(
        np.average(expected, weights=[19, 39])
    )


def test_without_groups_it_is_elephants_correlation_of_binned_trains():
    import neo
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient

    counts = shared_counts(0.3, trials=50)
    trains = [
        neo.SpikeTrain(np.repeat(np.arange(50) + 0.5, unit) * pq.s, t_stop=50 * pq.s) for unit in counts.T
    ]
    expected = correlation_coefficient(BinnedSpikeTrain(trains, bin_size=1 * pq.s))
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(compute_noise_correlation(counts), expected, atol=1e-9)


def test_what_cannot_be_known_is_nan():
    counts = shared_counts(0.3, trials=30)
    counts[:, 0] = 4  # never varies
    found = compute_noise_correlation(counts)
    assert np.isnan(found[0]).all() and np.isfinite(found[1, 2]) and np.isnan(np.diag(found)).all()
    assert len(list_pairs(found)) == 1
    assert np.isnan(compute_noise_correlation(counts[:8])).all()  # too few trials
    assert np.isnan(compute_noise_correlation(counts, np.arange(30))).all()  # groups of one


def test_wrong_shapes_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"must be \(trial, unit\), got shape \(4,\)"):
        compute_noise_correlation(np.ones(4))
    with pytest.raises(ValueError, match=r"one a trial \(4\), got shape \(3,\)"):
        compute_noise_correlation(np.ones((4, 2)), np.ones(3))
    with pytest.raises(ValueError, match="must be finite"):
        compute_noise_correlation([[np.nan, 1.0], [1.0, 2.0]])
