"""Compare simulated units with recorded cells: the same functions, on equal windows and equally many trials.

The simulated trial sets the windows (`simulated.Windows`): rate and intervals over all of it, what cells code in the
phase in which its options appear, Fano factor and timescale before that. Windows of recorded cells are as long, around
their own event; for what they code, from `delay` on.

`why` says what is not compared: regularity of spikes that were drawn from rates; Fano factors and timescales where a
simulated trial has less than half a second before its event; codes that only a t-test finds, which drift passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.cells.coding import LEVEL, compute_coding, compute_floor
from pfc_da.analysis.cells.sessions import CellSession, Window
from pfc_da.analysis.cells.summary import (
    FANO_S,
    UNITS,
    Trains,
    bin_baseline,
    summarise_firing,
    summarise_population,
    tabulate_firing,
)
from pfc_da.analysis.cells.timescale import compute_timescales
from pfc_da.analysis.comparison.difference import Difference, pair_up
from pfc_da.analysis.comparison.simulated import Windows, get_cell_sessions, get_windows
from pfc_da.analysis.statistic import NO_LABELS, Statistic, missing_statistic
from pfc_da.analysis.units.selectivity import compute_fraction_selective
from pfc_da.analysis.units.summary import VARIABLES
from pfc_da.errors import InputError
from pfc_da.recording_schema import has_rates, has_spikes

MIN_TRIALS_OF_CELL = 20
LONE_BASELINE: Window = (-1.0, 0.0)
"""Where the simulated one is too short to compare: what recorded cells do is still shown."""
POPULATION = "timescale_population"
OF_TRIAL = ("firing_rate", "cv", "cv2", "lv")
OF_BASELINE = ("fano", "timescale", POPULATION)
_KIND = {True: "spiking neurons", False: "spikes drawn from rates"}
_DRAWN = "simulated spikes are drawn from rates, Poisson given them"
_NO_RATES = "units of this network have no firing rates"
_DRIFT = "slow drift passes a t-test; fraction_selective is corrected for it"


def compare_cells(
    recording: xr.Dataset,
    sessions: Sequence[CellSession],
    *,
    delay: float = 0.0,
    source: str = "",
    rng: np.random.Generator,
) -> list[Difference]:
    """Compare the units of a run with recorded cells.

    Parameters
    ----------
    recording : xarray.Dataset
        Of the run.
    sessions : sequence of CellSession
        Recorded.
    delay : float
        From the recorded event to the window in which coding is tested, in s.
    source : str
        Where the recorded cells come from.
    rng : numpy.random.Generator
        Draws simulated spikes and resamples.
    """
    windows, length = get_windows(recording), int(recording["trial"].max()) + 1
    n_trials = _count_trials(sessions, windows.trial, source)
    n_sessions = min(-(-n_trials // length), recording.sizes["recorded_episode"])
    n_trials = min(n_trials, n_sessions * length)
    simulated: list[CellSession] = []
    if has_rates(recording):  # those of an LSTM are no rates
        simulated = get_cell_sessions(recording, n_sessions, rng=rng)
    excitatory = recording["is_excitatory"].values.astype(bool)
    return [
        *_compare_firing(
            simulated, excitatory, sessions, windows, n_trials, source, rng, has_spikes(recording)
        ),
        *_compare_codes(simulated, sessions, n_trials, windows.coding, delay, source, rng),
    ]


def _count_trials(sessions: Sequence[CellSession], window: Window, source: str) -> int:
    """Trials that three of four cells have."""
    counts = np.concatenate([session.is_seen(window).sum(axis=0) for session in sessions])
    if counts.max(initial=0) < MIN_TRIALS_OF_CELL:
        raise InputError(
            f"{source}: no cell was observed from {window[0]:g} to {window[1]:g} s around the event on "
            f"{MIN_TRIALS_OF_CELL} trials, the fewest that are used; the most are {counts.max(initial=0)}."
        )
    return int(np.quantile(counts[counts >= MIN_TRIALS_OF_CELL], 0.25))


def _compare_firing(
    simulated: Sequence[CellSession],
    excitatory: NDArray,
    recorded: Sequence[CellSession],
    windows: Windows,
    n_trials: int,
    source: str,
    rng: np.random.Generator,
    own_spikes: bool,
) -> list[Difference]:
    before = abs(windows.baseline[0])
    is_short = before < FANO_S
    baseline = LONE_BASELINE if is_short else windows.baseline
    against = {} if own_spikes else dict.fromkeys(("cv", "cv2", "lv", "fano"), _DRAWN)
    if is_short:
        message = f"a simulated trial has {before:g} s before its event; {FANO_S:g} s are needed"
        against |= dict.fromkeys(OF_BASELINE, message)
    if not simulated:
        against |= dict.fromkeys(OF_TRIAL + OF_BASELINE, _NO_RATES)
    rows = []
    for keys, window in ((OF_TRIAL, windows.trial), (OF_BASELINE, baseline)):
        seen = (min(window[0], windows.trial[0]), max(window[1], windows.trial[1]))
        pair = [
            _summarise_cells(cells, keys, windows.trial, baseline, rng)
            for cells in (
                {}
                if is_short and keys == OF_BASELINE
                else _join_sessions(simulated, seen, n_trials, excitatory),
                _group_cells(recorded, seen, n_trials),
            )
        ]
        (ours, refused), (found, refused_too) = pair
        matched = f"{window[0]:g} to {window[1]:g} s around the event, {n_trials} trials a cell"
        why = {**refused, **refused_too, **against}
        rows += pair_up(ours, found, against=why, matched=f"{matched}, {_KIND[own_spikes]}", source=source)
    return rows


def _group_cells(sessions: Sequence[CellSession], window: Window, n_trials: int) -> dict[str, list[Trains]]:
    """Trains of each animal's cells on the first trials on which the window was observed; few trials, no cell."""
    found: dict[str, list[Trains]] = {}
    for session in sessions:
        for unit in range(len(session.names)):
            trains = session.select(unit, window)
            if len(trains) >= MIN_TRIALS_OF_CELL:
                found.setdefault(session.animal, []).append(trains[:n_trials])
    return found


def _join_sessions(
    sessions: Sequence[CellSession], window: Window, n_trials: int, kept: NDArray
) -> dict[str, list[Trains]]:
    """Trains of each simulated animal's units, its sessions after one another."""
    found: dict[str, list[Trains]] = {}
    for session in sessions:
        trains = [session.select(unit, window) for unit in np.flatnonzero(kept)]
        before = found.get(session.animal, [[] for _ in trains])
        found[session.animal] = [[*old, *new][:n_trials] for old, new in zip(before, trains, strict=True)]
    return found


def _summarise_cells(
    by_animal: Mapping[str, list[Trains]],
    keys: tuple[str, ...],
    window: Window,
    baseline: Window,
    rng: np.random.Generator,
) -> tuple[list[Statistic], dict[str, str]]:
    """Those firing statistics that `keys` name, and by key why there is none."""
    found: dict[str, Statistic] = {}
    refused = dict.fromkeys(keys, "no cell was observed for that long" if not by_animal else "too few spikes")
    if by_animal:
        tables = [tabulate_firing(own, window=window, baseline=baseline) for own in by_animal.values()]
        found = {statistic.key: statistic for statistic in summarise_firing(tables, rng=rng)}
    if by_animal and POPULATION in keys:
        cells = [trains for own in by_animal.values() for trains in own]
        timescales = compute_timescales(bin_baseline(cells, baseline))
        if (population := summarise_population(timescales, rng=rng)) is not None:
            found[POPULATION] = population
        else:
            refused |= dict.fromkeys(("timescale", POPULATION), timescales.why)
    units = {**UNITS, POPULATION: "s"}
    return (
        [found.get(key) or missing_statistic(key, NO_LABELS, units[key]) for key in keys],
        {key: why for key, why in refused.items() if key not in found},
    )


def _compare_codes(
    simulated: Sequence[CellSession],
    recorded: Sequence[CellSession],
    n_trials: int,
    window: Window,
    delay: float,
    source: str,
    rng: np.random.Generator,
) -> list[Difference]:
    """Fractions of cells that code each variable, corrected for drift and by t-test."""
    known = [session for session in recorded if session.regressors]
    unlike = next((session.unlike for session in known if session.unlike), "")
    later = (window[0] + delay, window[1] + delay)
    matched = f"{later[0]:g} to {later[1]:g} s after the event, {n_trials} trials a cell"
    rows = []
    for corrected, key in ((True, "fraction_selective"), (False, "fraction_selective_t_test")):
        pair = [
            _count_codes(_compute_codes(sessions, n_trials, at, corrected, rng), key)
            for sessions, at in ((_join(simulated), window), (known, later))
        ]
        for ours, found in zip(*pair, strict=True):
            needed = corrected and compute_floor(str(found.labels["variable"]), n_trials) >= LEVEL
            few = f"{n_trials} trials are too few for a p-value below {LEVEL}" if needed else ""
            why = unlike or few or ("" if corrected else _DRIFT)
            against = {key: why if simulated else _NO_RATES}
            rows += pair_up([ours], [found], against=against, matched=matched, source=source)
    return rows if known else []


def _join(sessions: Sequence[CellSession]) -> list[CellSession]:
    """One session an animal, for units that are the same in all its sessions."""
    joined = []
    for animal in dict.fromkeys(session.animal for session in sessions):
        own = [session for session in sessions if session.animal == animal]
        trains = zip(*(session.trains for session in own), strict=True)
        joined.append(
            replace(
                own[0],
                trains=tuple(tuple(chain.from_iterable(of_unit)) for of_unit in trains),
                seen_before=np.concatenate([session.seen_before for session in own]),
                seen_after=np.concatenate([session.seen_after for session in own]),
                regressors={
                    name: np.concatenate([session.regressors[name] for session in own])
                    for name in own[0].regressors
                },
            )
        )
    return joined


def _compute_codes(
    sessions: Sequence[CellSession], n_trials: int, window: Window, corrected: bool, rng: np.random.Generator
) -> dict[str, list[dict[str, NDArray]]]:
    """p-values of every session's cells, by animal."""
    found: dict[str, list[dict[str, NDArray]]] = {}
    for session in sessions:
        counts = session.count(window)
        p = compute_coding(counts, session.regressors, n_trials=n_trials, corrected=corrected, rng=rng)
        found.setdefault(session.animal, []).append(p)
    return found


def _count_codes(by_animal: Mapping[str, list[dict[str, NDArray]]], key: str) -> list[Statistic]:
    """Fraction of cells below the level, of those that have a p-value, for every variable."""
    found = []
    for name in VARIABLES:
        p = [np.concatenate([np.empty(0), *(part[name] for part in parts)]) for parts in by_animal.values()]
        selective = [own[np.isfinite(own)] < LEVEL for own in p if np.isfinite(own).any()]
        if selective:
            found.append(replace(compute_fraction_selective(selective, variable=name), key=key))
        else:
            found.append(missing_statistic(key, {"variable": name}, "fraction"))
    return found
