"""Planted timescales come back where the stretch allows it, and are refused where it does not."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from pfc_da.analysis.cells.timescale import (
    BIN_S,
    MIN_BINS,
    compute_autocorrelation,
    compute_timescales,
    fit_decay,
    fit_population,
)

SUBSTEPS = 5


def plant(tau, *, stretch, cells=60, trials=200, rate=8.0, drift=0.0, seed=0):
    """Counts (trial, bin) of cells whose rate is the mean of four squared Ornstein-Uhlenbeck processes.

    The autocovariance of a squared process falls twice as fast, exactly exponentially, and rates stay above 0.
    `drift` is the s.d. of a factor that each trial has for all of its bins.
    """
    rng = np.random.default_rng(seed)
    dt, n_steps = BIN_S / SUBSTEPS, round(stretch / BIN_S) * SUBSTEPS
    keep = np.exp(-dt / (2 * tau))
    x = rng.standard_normal((4, trials, cells))
    rates = np.empty((trials, n_steps, cells))
    for t in range(n_steps):
        rates[:, t] = rate * (x**2).mean(0)
        x = keep * x + np.sqrt(1 - keep**2) * rng.standard_normal(x.shape)
    if drift:
        rates *= rng.gamma(1 / drift**2, drift**2, size=(trials, 1, cells))
    counts = rng.poisson(rates * dt).reshape(trials, -1, SUBSTEPS, cells).sum(2)
    return list(np.moveaxis(counts, -1, 0))


@pytest.mark.parametrize("tau, stretch", [(0.1, 1.0), (0.2, 1.0), (0.3, 2.0)])
def test_planted_timescales_come_back(tau, stretch):
    found = compute_timescales(plant(tau, stretch=stretch, cells=100))
    assert found.population == pytest.approx(tau, rel=0.15)
    kept = np.isfinite(found.cells)
    assert kept.mean() > 0.8
    assert np.median(found.cells[kept]) == pytest.approx(tau, rel=0.15)
    assert found.why == "" and [why == "" for why in found.why_cells] == list(kept)


def test_drift_over_trials_goes_into_the_offset_and_leaves_tau_in_place():
    steady, drifting = (
        fit_population(compute_timescales(plant(0.15, stretch=1.0, drift=drift)).autocorrelation)
        for drift in (0.0, 0.6)
    )
    assert drifting.tau[0] == pytest.approx(0.15, rel=0.2)
    assert drifting.offset[0] * drifting.amplitude[0] > steady.offset[0] * steady.amplitude[0] + 0.05


def test_a_rate_that_every_trial_shares_is_no_timescale():
    # A response to an event is the same on all trials; without across-trial correlation it would look like one.
    rng = np.random.default_rng(1)
    rate = 2 + 20 * np.exp(-np.arange(20) / 4)
    found = compute_timescales([rng.poisson(rate * BIN_S, size=(300, 20)) for _ in range(30)])
    assert np.abs(np.nanmean(found.autocorrelation)) < 0.01
    assert np.isfinite(found.cells).sum() <= 3


def test_a_stretch_short_for_tau_is_refused_for_cells_first_and_then_for_the_population():
    wide = compute_timescales(plant(0.3, stretch=0.75, cells=100))
    assert wide.population == pytest.approx(0.3, rel=0.25)
    assert np.isnan(wide.cells).all()
    assert any("the stretch of 0.75 s is too short" in why for why in wide.why_cells)
    narrow = compute_timescales(plant(0.6, stretch=0.75, cells=100))
    assert np.isnan(narrow.population) and np.isnan(narrow.cells).all()
    assert "too short" in narrow.why
    assert any("population has no timescale" in why for why in narrow.why_cells)


def test_what_is_refused_would_have_been_biased():
    # The guard is there for a reason: the fits it throws away come out at about half the truth.
    cells = compute_timescales(plant(0.25, stretch=0.5, cells=150)).autocorrelation
    fit = fit_decay(cells)
    kept = (fit.r_squared > 0.3) & (fit.tau < 0.5)
    assert np.median(fit.tau[kept]) < 0.75 * 0.25


@pytest.mark.parametrize("bins", [1, MIN_BINS - 1])
def test_a_stretch_of_few_bins_is_refused(bins):
    with pytest.raises(ValueError, match=f"{bins} bins is too short for a timescale; give at least 10"):
        compute_timescales([np.ones((20, bins))])


def test_cells_need_the_same_stretch():
    with pytest.raises(ValueError, match=r"same number of bins, got \[10, 12\]"):
        compute_timescales([np.ones((5, 10)), np.ones((5, 12))])
    with pytest.raises(ValueError, match=r"must be \(trial, bin\), got shape \(3,\)"):
        compute_autocorrelation(np.ones(3))


def test_silent_and_constant_cells_are_refused_by_name():
    rng = np.random.default_rng(2)
    cells = [np.zeros((50, 20)), np.ones((50, 20)), rng.poisson(0.4, size=(50, 20)), np.ones((0, 20))]
    found = compute_timescales([*plant(0.1, stretch=1.0, cells=20), *cells])
    assert found.why_cells[20] == found.why_cells[23] == "fires below 1 Hz"
    assert found.why_cells[21] == "its autocorrelation does not decay"
    assert np.isnan(found.cells[20:]).all()
    assert np.isfinite(found.population)
    nothing = compute_timescales(cells[:1])
    assert nothing.why == "no cell fires" and np.isnan(nothing.population)


def test_the_autocorrelation_is_the_mean_of_all_pairs_of_bins():
    counts = plant(0.1, stretch=0.6, cells=1)[0]
    correlation = np.corrcoef(counts.T)
    for lag, value in enumerate(compute_autocorrelation(counts), start=1):
        assert value == pytest.approx(np.mean(np.diagonal(correlation, lag)))


def test_a_missing_trial_is_left_out():
    counts = plant(0.1, stretch=0.6, cells=1)[0].astype(float)
    holed = np.insert(counts, 3, np.nan, axis=0)
    np.testing.assert_allclose(compute_autocorrelation(holed), compute_autocorrelation(counts))


@pytest.mark.parametrize("start", [0, 2])
def test_the_fit_is_the_least_squares_one(start):
    rng = np.random.default_rng(5)
    lag, pairs = BIN_S * np.arange(1, 20), np.arange(19, 0, -1)
    values = 0.2 * (np.exp(-lag / 0.17) + 0.3) + 0.01 * rng.standard_normal(19)

    def model(lag, tau, amplitude, offset):
        return amplitude * (np.exp(-lag / tau) + offset)

    used = slice(start, None)
    expected, _ = curve_fit(
        model, lag[used], values[used], p0=[0.1, 0.1, 0.0], sigma=1 / np.sqrt(pairs[used])
    )
    fit = fit_decay(values[:, None], start=start)
    assert (fit.tau[0], fit.amplitude[0], fit.offset[0]) == pytest.approx(expected, rel=1e-3)
    residual = values[used] - model(lag[used], *expected)
    weight = pairs[used] / pairs[used].sum()
    spread = (weight * (values[used] - (weight * values[used]).sum()) ** 2).sum()
    assert fit.r_squared[0] == pytest.approx(1 - (weight * residual**2).sum() / spread, rel=1e-6)


def test_exact_decays_are_found_exactly_and_what_does_not_decay_is_not():
    lag = BIN_S * np.arange(1, 20)[:, None]
    taus = np.array([0.03, 0.1, 0.5, 2.0])
    fit = fit_decay(0.1 * (np.exp(-lag / taus) + 0.2))
    np.testing.assert_allclose(fit.tau, taus, rtol=1e-3)
    np.testing.assert_allclose(fit.r_squared, 1, atol=1e-9)
    others = np.concatenate([lag, np.ones_like(lag), np.full_like(lag, np.nan), -np.exp(-lag / 0.1)], axis=1)
    assert np.isnan(fit_decay(others).tau).all()


def test_a_dip_at_the_first_lags_is_left_out():
    lag = BIN_S * np.arange(1, 20)
    values = 0.1 * np.exp(-lag / 0.2)
    values[0] = 0.01  # refractoriness
    cells = np.stack([values] * 3, axis=1)
    assert fit_population(cells).tau[0] == pytest.approx(0.2, rel=1e-3)
    assert not fit_decay(cells).tau[0] == pytest.approx(0.2, rel=0.2)
