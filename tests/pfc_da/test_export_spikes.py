"""Spikes drawn from rates: the rates come back, counts vary as theory says, and nothing depends on chance twice."""

import numpy as np
import pytest
from scipy import stats

from pfc_da.analysis.cells.firing import compute_cv2, compute_fano, compute_lv
from pfc_da.errors import InputError
from pfc_da.export.spikes import TICKS_PER_S, draw_spikes

BIN_S = 0.1


def draw(rates, seed=0):
    return draw_spikes(np.asarray(rates), bin_s=BIN_S, rng=np.random.default_rng(seed))


def test_the_rate_of_every_unit_is_recovered():
    rates = np.array([0.0, 0.5, 5.0, 40.0])
    trains = draw(np.tile(rates, (20_000, 1))).trains()  # 2000 s
    assert len(trains[0]) == 0
    for rate, train in zip(rates[1:], trains[1:], strict=True):
        assert len(train) / 2000 == pytest.approx(rate, abs=4 * np.sqrt(rate / 2000))


def test_rates_are_followed_bin_by_bin():
    rates = np.zeros((1000, 1))
    rates[::2] = 30.0
    (train,) = draw(rates).trains()
    assert len(train) > 1000
    assert (np.floor(train / BIN_S).astype(int) % 2 == 0).all()


def count(rates, per_trial):
    """Counts (trial, unit) of trials of `per_trial` bins."""
    spikes = draw(rates)
    edges = np.arange(0, len(rates) + 1, per_trial) * BIN_S
    return np.stack([np.histogram(train, edges)[0] for train in spikes.trains()], axis=1)


def test_given_the_rates_counts_are_poisson():
    counts = count(np.full((40_000, 3), 8.0), 4)
    assert compute_fano(counts) == pytest.approx(np.ones(3), abs=4 * np.sqrt(2 / 10_000))
    assert np.corrcoef(counts.T)[0, 1] == pytest.approx(0, abs=0.04)


def test_rates_that_vary_between_trials_add_their_variance_to_counts():
    by_trial = np.random.default_rng(1).gamma(2.0, 5.0, 10_000)  # mean 10 Hz, variance 50 Hz^2
    counts = count(np.repeat(by_trial, 4)[:, None], 4)
    expected = 1 + 0.4 * by_trial.var() / by_trial.mean()  # counts in 0.4 s
    assert expected > 2.5
    assert compute_fano(counts)[0] == pytest.approx(expected, rel=0.06)


def test_intervals_are_those_of_a_poisson_process():
    (train,) = draw(np.full((20_000, 1), 10.0)).trains()
    assert compute_cv2([train]) == pytest.approx(1, abs=0.03)
    assert compute_lv([train]) == pytest.approx(1, abs=0.03)
    assert stats.kstest(train % BIN_S / BIN_S, "uniform").pvalue > 0.001


def test_times_rise_within_the_session_and_lie_on_the_clock():
    rates = np.random.default_rng(2).gamma(1.0, 10.0, (300, 20))
    spikes = draw(rates)
    assert spikes.ends[-1] == len(spikes.times)
    for train in spikes.trains():
        assert (np.diff(train) >= 0).all()
        assert train.min() >= 0
        assert train.max() < 300 * BIN_S
    ticks = spikes.times * TICKS_PER_S
    assert np.array_equal(np.rint(ticks) / TICKS_PER_S, spikes.times)


def test_the_same_generator_gives_the_same_spikes():
    rates = np.full((100, 5), 10.0)
    one, again, other = draw(rates), draw(rates), draw(rates, seed=1)
    assert np.array_equal(one.times, again.times)
    assert np.array_equal(one.ends, again.ends)
    assert not np.array_equal(one.times[:50], other.times[:50])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_rates_that_are_none_are_refused(bad):
    with pytest.raises(InputError, match="finite rates of 0 Hz or more"):
        draw([[1.0, bad]])
