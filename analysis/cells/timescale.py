"""Intrinsic timescale: how slowly the autocorrelation of spike counts decays within a trial.

Counts of 50 ms bins are correlated across trials, every bin with every other, and the correlations of all pairs that lie
k bins apart are fitted by

  R(k) = A [exp(-k dt / tau) + B],

to all cells together (the population) and to each by itself. Correlating across trials takes out what all trials share, the
response to events included; B takes what lasts longer than the stretch, drift over the session included. A dip at the first
lags (refractoriness, adaptation) is left out: the fit starts at the first lag from which the population's autocorrelation
falls.

A stretch that is short for tau biases the fits of single cells, since the longer a tau comes out the likelier it is not
kept. Planted: rates of 8 Hz on average that wander with a known tau, 200 cells, 200 trials, two seeds; median over the cells
that were kept, and population, as fractions of the truth (a test measures some again):

  stretch / tau             10        5         4         2.5        2          1.25
  cells, stretch of 0.5 s   1.1-1.15  .8-1.0    .8-.85    .6         .5         .35-.4
  cells, 1 s                .95-1.1   1.0       .95       .85        .75-.8     .45
  cells, 2 s                1.0       1.0       1.05      .9-1.0     .9         .65-.7
  population                .9-1.1    1.0-1.05  1.0-1.05  .9-1.0     .95-1.05   .95-1.35

So single cells need a stretch of `CELL_SPANS` times the tau of their population (their own tau would not tell), and a
population, which is noisy rather than biased, one of `POPULATION_SPANS`. What has less is refused, and `why` says so. Few
spikes scatter single cells: of cells at 2 Hz with 150 trials one in four has a fit that is kept.

References: Murray et al. 2014, doi 10.1038/nn.3862 (method); Zeraati et al. 2022, doi 10.1038/s43588-022-00214-3 (bias of
short stretches). The start of the fit and the limits below are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.interval import mean_or_nan
from pfc_da.errors import InputError

BIN_S = 0.05
"""Width of the bins: Murray et al. 2014."""
MIN_BINS = 10
"""Bins of the shortest stretch, 500 ms: the shortest foreperiod of Murray et al. 2014."""
MIN_RATE = 1.0  # Hz
MIN_R_SQUARED = 0.3
POPULATION_SPANS, CELL_SPANS = 2, 4
_TAU_S = np.geomspace(0.01, 10, 600)  # a step is 1.2 %; refined between the steps


@dataclass(frozen=True, kw_only=True)
class DecayFit:
    """R(lag) = amplitude (exp(-lag / tau) + offset), one fit a column.

    Attributes
    ----------
    tau : (unit,)
        In s; NaN where nothing decays.
    amplitude, offset, r_squared : (unit,)
    """

    tau: NDArray
    amplitude: NDArray
    offset: NDArray
    r_squared: NDArray


@dataclass(frozen=True, kw_only=True)
class Timescales:
    """Timescales of cells recorded in one area or of one network.

    Attributes
    ----------
    population : float
        tau of all cells together in s; NaN if refused, then `why` tells the reason.
    cells : (unit,)
        tau of each in s; NaN if refused, then `why_cells` tells the reason.
    autocorrelation : (lag, unit)
        What was fitted; the first lag is one bin.
    """

    population: float
    why: str
    cells: NDArray
    why_cells: tuple[str, ...]
    autocorrelation: NDArray


def compute_timescales(cells: Sequence[ArrayLike]) -> Timescales:
    """Timescales of a population and of its cells.

    Parameters
    ----------
    cells : sequence of (trial, bin)
        Spike counts of each cell in consecutive bins of the same stretch of every trial, one without events in it if
        the timescale is to be intrinsic. Trials may differ between cells; a trial with NaN is left out.

    Raises
    ------
    InputError
        If the stretch has fewer than `MIN_BINS` bins, or not the same number for all cells.
    """
    counts = [_check(cell) for cell in cells]
    n_bins = {cell.shape[1] for cell in counts}
    if len(n_bins) != 1:
        raise InputError(f"all cells must have the same number of bins, got {sorted(n_bins)}.")
    autocorrelation = np.stack([compute_autocorrelation(cell) for cell in counts], axis=1)
    fires = np.array([cell.mean() / BIN_S if cell.size else 0.0 for cell in counts]) >= MIN_RATE
    stretch_s = n_bins.pop() * BIN_S
    whole = fit_population(autocorrelation[:, fires])
    why = _refuse(
        whole, 0, "" if fires.any() else "no cell fires", stretch_s, POPULATION_SPANS * whole.tau[0]
    )
    start = _first_fall(_mean_over_cells(autocorrelation[:, fires]))
    single = fit_decay(autocorrelation, start=start)
    orphan = f"the population has no timescale to judge the stretch by: {why}" if why else ""
    reasons = [orphan if fast else f"fires below {MIN_RATE:g} Hz" for fast in fires]
    needed = CELL_SPANS * whole.tau[0]
    reasons = [text or _too_long(tau, stretch_s) for text, tau in zip(reasons, single.tau, strict=True)]
    why_cells = tuple(_refuse(single, unit, text, stretch_s, needed) for unit, text in enumerate(reasons))
    return Timescales(
        population=np.nan if why else float(whole.tau[0]),
        why=why,
        cells=np.where([text != "" for text in why_cells], np.nan, single.tau),
        why_cells=why_cells,
        autocorrelation=autocorrelation,
    )


def compute_autocorrelation(counts: ArrayLike) -> NDArray:
    """Mean correlation across trials of all pairs of bins that lie 1, 2, ... bins apart, (lag,), of one cell.

    Parameters
    ----------
    counts : (trial, bin)
        Bins in which every trial has the same count have no correlation and are left out; NaN where none is left.
    """
    counts = _check(counts)
    deviation = counts - counts.mean(0) if len(counts) else counts
    size = np.sqrt((deviation**2).sum(0))
    scaled = deviation / np.where(size > 0, size, np.nan)
    correlation = scaled.T @ scaled  # (bin, bin)
    return np.array([mean_or_nan(np.diagonal(correlation, lag)) for lag in range(1, counts.shape[1])])


def fit_decay(autocorrelation: ArrayLike, *, start: int = 0) -> DecayFit:
    """Least-squares fit of A [exp(-k dt / tau) + B] to each column, every pair of bins counting the same.

    Parameters
    ----------
    autocorrelation : (lag, unit)
        All lags of a stretch, the first of one bin, as `compute_autocorrelation` gives them; NaN is left out.
    start : int
        Row at which the fit begins.

    Notes
    -----
    Given tau the model is a straight line in exp(-k dt / tau), so tau is searched over 10 ms to 10 s and A and B follow:
    no starting values, no local minima.
    """
    values = np.asarray(autocorrelation, dtype=float)
    n_lags = len(values)
    pairs = np.arange(n_lags, 0, -1.0)[:, None] * (np.arange(n_lags) >= start)[:, None]
    weight = pairs * np.isfinite(values)
    weight = weight / np.where(weight.sum(0) > 0, weight.sum(0), 1)
    values = np.where(np.isfinite(values), values, 0)
    tau = _TAU_S[_explained(_TAU_S, values, weight)[0].argmax(0)]
    step = np.log(_TAU_S[1] / _TAU_S[0])
    for _ in range(3):  # parabola through three neighbours, closing in
        near = tau * np.exp(step * np.array([-1.0, 0.0, 1.0]))[:, None]
        tau, step = tau * np.exp(step * _vertex(_explained(near, values, weight)[0])), step / 10
    explained, slope, intercept, total = _explained(tau[None], values, weight)
    decays = (slope[0] > 0) & (tau > 1.05 * _TAU_S[0]) & (tau < _TAU_S[-1] / 1.05)
    with np.errstate(invalid="ignore", divide="ignore"):
        return DecayFit(
            tau=np.where(decays, tau, np.nan),
            amplitude=slope[0],
            offset=intercept[0] / slope[0],
            r_squared=explained[0] / total,
        )


def fit_population(autocorrelation: ArrayLike) -> DecayFit:
    """One fit to all cells together, from the first lag at which their mean autocorrelation (lag, unit) falls."""
    mean = _mean_over_cells(np.asarray(autocorrelation, dtype=float))
    return fit_decay(mean[:, None], start=_first_fall(mean))


def _explained(tau: NDArray, values: NDArray, weight: NDArray) -> tuple[NDArray, ...]:
    """Explained variance, slope and intercept, (tau, unit), and total variance, (unit,), of the line in exp(-lag/tau).

    `tau` is (tau,) for all columns or (tau, unit).
    """
    lag = BIN_S * np.arange(1, len(values) + 1)
    tau = tau[:, None] if tau.ndim == 1 else tau
    decay = np.exp(-lag[:, None] / tau[:, None])  # (tau, lag, unit or 1)
    mean_decay, mean = (weight * decay).sum(1), (weight * values).sum(0)
    variance = (weight * (decay - mean_decay[:, None]) ** 2).sum(1)
    covariance = (weight * (decay - mean_decay[:, None]) * (values - mean)).sum(1)
    slope = covariance / np.where(variance > 0, variance, np.inf)
    explained = np.where(slope > 0, slope * covariance, 0)
    return explained, slope, mean - slope * mean_decay, (weight * (values - mean) ** 2).sum(0)


def _vertex(three: NDArray) -> NDArray:
    """Position of the maximum of the parabola through values at -1, 0 and 1, (3, unit), within -1 and 1."""
    bend = three[0] - 2 * three[1] + three[2]
    slope = (three[2] - three[0]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(bend < 0, -slope / bend, np.sign(slope)), -1, 1)


def _refuse(fit: DecayFit, unit: int, reason: str, stretch_s: float, needed_s: float) -> str:
    """Reason not to trust a fit; "" if there is none."""
    if reason:
        return reason
    if np.isnan(fit.tau[unit]):
        return "its autocorrelation does not decay"
    if not fit.r_squared[unit] >= MIN_R_SQUARED:
        return f"the fit explains {fit.r_squared[unit]:.2f} of the variance, less than {MIN_R_SQUARED}"
    if not stretch_s >= needed_s:
        return f"the stretch of {stretch_s:g} s is too short: tau would come out biased"
    return ""


def _too_long(tau: float, stretch_s: float) -> str:
    return f"tau of {tau:.2g} s is longer than the stretch of {stretch_s:g} s" if tau > stretch_s else ""


def _first_fall(autocorrelation: NDArray) -> int:
    falls = np.diff(autocorrelation) < 0
    return int(falls.argmax()) if falls.any() else 0


def _mean_over_cells(autocorrelation: NDArray) -> NDArray:
    return np.array([mean_or_nan(of_lag) for of_lag in autocorrelation])


def _check(counts: ArrayLike) -> NDArray:
    counts = np.asarray(counts, dtype=float)
    if counts.ndim != 2:
        raise InputError(f"counts of a cell must be (trial, bin), got shape {counts.shape}.")
    if counts.shape[1] < MIN_BINS:
        raise InputError(
            f"a stretch of {counts.shape[1]} bins is too short for a timescale; give at least {MIN_BINS} bins."
        )
    return counts[np.isfinite(counts).all(1)]
