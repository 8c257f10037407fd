"""Firing statistics of many cells: a table, its medians, and the numbers recorded by area.

The same functions take recorded cells and simulated neurons: spike times of each cell by trial, in s after an event of the
trial. CV, Fano factor and timescale depend on the length of the window, and are comparable only between equal windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.cells.firing import (
    compute_cv,
    compute_cv2,
    compute_fano,
    compute_lv,
    compute_rate,
    count_spikes,
)
from pfc_da.analysis.cells.timescale import BIN_S, MIN_BINS, Timescales, compute_timescales, fit_population
from pfc_da.analysis.comparison.reference import ReferenceStatistic, read_references
from pfc_da.analysis.statistic import NO_LABELS, POSITIVE, Labels, Statistic, summarise, summarise_sessions
from pfc_da.errors import InputError

FANO_S = 0.5
"""Window of the Fano factor, the last of the baseline, as in the recorded rows."""
UNITS = {"firing_rate": "Hz", "cv": "1", "cv2": "1", "lv": "1", "fano": "1", "timescale": "s"}

Trains = Sequence[ArrayLike]
"""Spike times of one cell on each trial, in s."""


def tabulate_firing(
    cells: Sequence[Trains], *, window: tuple[float, float], baseline: tuple[float, float]
) -> pd.DataFrame:
    """Firing statistics of each cell, one row a cell.

    Parameters
    ----------
    cells : sequence of trains
        Spikes of each cell on each of its trials, sorted.
    window : (start, end)
        From where to where in the trial, in s, rate and intervals are taken.
    baseline : (start, end)
        A stretch without events: its timescale, and the Fano factor of its last `FANO_S` seconds. A stretch shorter than
        that, or than a timescale needs, leaves them NaN.

    Returns
    -------
    DataFrame
        firing_rate (Hz), cv, cv2, lv, fano, timescale (s); NaN where a cell has none.
    """
    for name, (start, end) in {"window": window, "baseline": baseline}.items():
        if not start < end:
            raise InputError(f"{name} must begin before it ends, got {start} to {end} s.")
    within = [[_cut(train, window) for train in trains] for trains in cells]
    duration = window[1] - window[0]
    counts = [count_spikes(trains, window[0], duration)[:, 0] for trains in within]
    return pd.DataFrame(
        {
            "firing_rate": [float(compute_rate(cell, window=duration)) for cell in counts],
            "cv": [compute_cv(trains) for trains in within],
            "cv2": [compute_cv2(trains) for trains in within],
            "lv": [compute_lv(trains) for trains in within],
            "fano": [_fano(trains, baseline) for trains in cells],
            "timescale": _timescales(cells, baseline),
        }
    )


def bin_baseline(cells: Sequence[Trains], baseline: tuple[float, float]) -> list[NDArray]:
    """Spike counts in bins of 50 ms, for `timescale.compute_timescales`.

    Parameters
    ----------
    cells : sequence of trains
        Spike times of each cell on each trial, in s.
    baseline : (start, end)
        In s.

    Returns
    -------
    list of (trial, bin) int
    """
    starts = baseline[0] + BIN_S * np.arange(_n_bins(baseline))
    return [count_spikes(trains, starts, BIN_S) for trains in cells]


def summarise_firing(
    tables: Sequence[pd.DataFrame], *, labels: Labels = NO_LABELS, rng: np.random.Generator
) -> list[Statistic]:
    """Medians over cells with intervals.

    Parameters
    ----------
    tables : sequence of DataFrame
        What `tabulate_firing` gives. One table, of one animal or of animals not told apart: the interval runs over its
        cells. Several, one an animal: it runs over animals.
    labels : mapping
        As in `Statistic`.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    if len(tables) == 1:
        values = {key: tables[0][key].to_numpy(dtype=float) for key in UNITS}
        return [
            summarise_cells(key, values[key], labels=labels, units=UNITS[key], rng=rng)
            for key in UNITS
            if np.isfinite(values[key]).any()
        ]
    medians = {key: [_median(table[key].to_numpy(dtype=float)) for table in tables] for key in UNITS}
    return [
        summarise(key, medians[key], labels=labels, units=UNITS[key], within=POSITIVE)
        for key in UNITS
        if np.isfinite(medians[key]).any()
    ]


def summarise_population(
    timescales: Timescales, *, labels: Labels = NO_LABELS, rng: np.random.Generator
) -> Statistic | None:
    """Timescale of a whole population, with an interval over resampled cells.

    Parameters
    ----------
    timescales : Timescales
    labels : mapping
        As in `Statistic`.
    rng : numpy.random.Generator
        Draws the resamples.

    Returns
    -------
    Statistic or None
        In s; None where the fit was refused.
    """
    if timescales.why:
        return None

    def refit(autocorrelation: NDArray) -> float:
        return float(fit_population(autocorrelation.T).tau[0])

    fires = np.array(["fires below" not in why for why in timescales.why_cells])
    cells = timescales.autocorrelation.T[fires]
    return summarise_cells("timescale_population", cells, refit, labels=labels, units="s", rng=rng)


def load_firing_by_area(paradigm: str) -> list[ReferenceStatistic]:
    """Firing statistics recorded in prefrontal areas of monkeys, to compare runs of any paradigm with.

    One row a key and area (`condition`), of `data/firing_by_area.csv`: the median over cells, and as low and
    high, where they are known, the quartiles over cells, which say how cells differ and not how well the median is known.
    """
    with as_file(files("pfc_da.data") / "firing_by_area.csv") as path:
        return [replace(row, paradigm=paradigm) for row in read_references(path)]


def _cut(train: ArrayLike, window: tuple[float, float]) -> NDArray:
    times = np.asarray(train, dtype=float)
    return times[(times >= window[0]) & (times < window[1])]


def _fano(trains: Trains, baseline: tuple[float, float]) -> float:
    if baseline[1] - baseline[0] < FANO_S - 1e-9:
        return np.nan
    return float(compute_fano(count_spikes(trains, baseline[1] - FANO_S, FANO_S))[0])


def _timescales(cells: Sequence[Trains], baseline: tuple[float, float]) -> NDArray:
    if not cells or _n_bins(baseline) < MIN_BINS:
        return np.full(len(cells), np.nan)
    return compute_timescales(bin_baseline(cells, baseline)).cells


def _n_bins(baseline: tuple[float, float]) -> int:
    return int((baseline[1] - baseline[0]) / BIN_S + 1e-9)


def _median(values: NDArray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan


def summarise_cells(
    key: str,
    cells: NDArray,
    compute: Callable[[NDArray], float] = np.median,
    *,
    labels: Labels = NO_LABELS,
    units: str,
    rng: np.random.Generator,
) -> Statistic:
    """A statistic of the cells of one animal, or of animals that are not known, with its interval over cells.

    Parameters
    ----------
    key : str
    cells : (cell, ...)
        What `compute` takes; if it is one number a cell, those that are NaN are left out.
    compute : callable
        From such an array to one number.
    labels, units
        As in `Statistic`.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    known = cells[np.isfinite(cells)] if cells.ndim == 1 else cells
    found = summarise_sessions(key, compute, [known], labels=labels, units=units, within=POSITIVE, rng=rng)
    return replace(found, interval=found.interval.replace("sessions", "cells"), n_of="units")
