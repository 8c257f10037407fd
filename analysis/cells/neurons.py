"""Firing of the neurons of a spiking replay, by neuron and by the ways in which recorded cells were analysed.

Intervals are those of whole sessions, or of the stretches into which the cells of an area were cut (`AREAS`). Counts are
taken in windows of equal length around events of the trial, since the durations of phases vary:

foreperiod   the first `FOREPERIOD_S` of the first phase, a stretch without events (Fano factor, timescale)
trial        around the choice, from the begin of the shortest trial to its end; the variance is that between trials of the
             same action and reward (`firing.compute_fano_within`)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.cells.firing import (
    compute_cv,
    compute_cv2,
    compute_fano,
    compute_fano_within,
    compute_lv,
)
from pfc_da.analysis.cells.sessions import to_ticks
from pfc_da.analysis.cells.summary import FANO_S
from pfc_da.analysis.cells.timescale import BIN_S, Timescales, compute_timescales
from pfc_da.analysis.interval import mean_or_nan
from pfc_da.analysis.statistic import POSITIVE, SHARE, Statistic, summarise
from pfc_da.analysis.units.align import find_event_bins
from pfc_da.recording_schema import FROZEN, count_neurons, get_bin_s, get_onset_bins, get_phases
from pfc_da.trials import per_trial

FOREPERIOD_S = FANO_S
LOW_RATE = 0.5
"""Hz; a neuron below it in some phase is nearly silent there."""
PAUSE_S, WINDOW_S = 3.0, 2.0

Cut = Callable[[NDArray], list[NDArray]]
"""From the spikes of a session to stretches between which no interval is taken."""


def get_trains(recording: xr.Dataset, animal: int) -> list[list[NDArray]]:
    """Spike times in s since the session began, by neuron (unit after unit), by recorded episode.

    Parameters
    ----------
    recording : xarray.Dataset
    animal : int
        Index of the animal.
    """
    own = recording.isel(spike=np.flatnonzero(recording["spike_animal"].values == animal))
    per_unit, n_episodes = count_neurons(recording), recording.sizes["recorded_episode"]
    neuron = own["spike_unit"].values.astype(int) * per_unit + own["spike_neuron"].values
    train = neuron * n_episodes + own["spike_episode"].values
    order = np.lexsort((own["spike_time"].values, train))
    n_trains = recording.sizes["unit"] * per_unit * n_episodes
    ends = np.searchsorted(train[order], np.arange(1, n_trains))
    trains = np.split(own["spike_time"].values[order], ends)
    return [trains[first : first + n_episodes] for first in range(0, n_trains, n_episodes)]


def keep_whole(train: NDArray) -> list[NDArray]:
    """The session as one stretch."""
    return [train]


def leave_out_pauses(train: NDArray) -> list[NDArray]:
    """Stretches between intervals over `PAUSE_S`."""
    return np.split(train, np.flatnonzero(np.diff(train) > PAUSE_S) + 1)


def cut_windows(train: NDArray) -> list[NDArray]:
    """Stretches of `WINDOW_S` one after another."""
    ends = np.arange(WINDOW_S, train[-1] if train.size else 0, WINDOW_S)
    return np.split(train, np.searchsorted(train, ends))


AREAS: dict[str, Cut] = {"DLPFC": leave_out_pauses, "ACC": leave_out_pauses, "OFC": cut_windows}
"""Method by which intervals were taken in each recorded area."""


class SessionTimes(NamedTuple):
    """Times of the trials of a session, in s since it began."""

    steps: NDArray  # (step + 1,) begin of every step, and end of the session
    phase: NDArray  # (step,) place of its phase in the trial
    foreperiods: NDArray  # (trial,) begin of those that last long enough
    windows: NDArray  # (trial, 2) around the choice, of trials with a choice
    outcomes: NDArray  # (trial,) number of the action and reward of each of these trials


def find_times(recording: xr.Dataset, animal: int) -> list[SessionTimes]:
    """Times of the trials of every recorded session of an animal.

    Parameters
    ----------
    recording : xarray.Dataset
    animal : int
        Place along `animal`.

    Returns
    -------
    list of SessionTimes
        One a recorded episode.
    """
    bin_s, onset = get_bin_s(recording), get_onset_bins(recording)
    end = np.full((*onset.shape[:2], 1), recording.sizes["bin"])
    steps, choices = np.concatenate([onset, end], -1), find_event_bins(recording, "choice")
    _, first = np.unique(recording["trial"].values, return_index=True)
    trials = steps[..., [*first, -1]]  # begin of every trial, and end of the session
    span = np.array([-(choices - trials[..., :-1]).min(), (trials[..., 1:] - choices).min()])
    names = get_phases(recording)
    phase = np.array([names.index(name) for name in recording["phase"].values])
    is_long = bin_s * np.diff(steps)[..., phase == 0] >= FOREPERIOD_S - BIN_S / 100
    own = recording[["choice", "reward"]].sel(condition=FROZEN).isel(animal=animal)
    own = own.isel(episode=recording["recorded_episode"].values).transpose("episode", ...)
    action, reward = (per_trial(own, name).values for name in ("choice", "reward"))
    return [
        SessionTimes(
            steps=to_ticks(bin_s * steps[animal, place]),
            phase=phase,
            foreperiods=to_ticks(bin_s * steps[animal, place, :-1][phase == 0][is_long[animal, place]]),
            windows=to_ticks(bin_s * (choices[animal, place, :, None] + span))[action[place] >= 0],
            outcomes=_number_outcomes(action[place], reward[place]),
        )
        for place in range(len(action))
    ]


def tabulate_neurons(recording: xr.Dataset, animal: int, cut: Cut = keep_whole) -> pd.DataFrame:
    """Firing statistics of each neuron of an animal, one row a neuron.

    Parameters
    ----------
    recording : xarray.Dataset
    animal : int
        Index of the animal.
    cut : callable
        Cuts each session into the stretches within which intervals are taken.

    Returns
    -------
    DataFrame
        unit, is_excitatory, firing_rate (Hz), and as means over sessions cv, cv2, lv, fano (of the foreperiod) and
        fano_trial (of the trial, within action and reward); lowest_rate (Hz) is the mean rate in the phase in which it is
        lowest. NaN where there are too few spikes.
    """
    per_unit, times = count_neurons(recording), find_times(recording, animal)
    rows = [_describe(trains, times, cut) for trains in get_trains(recording, animal)]
    unit = np.repeat(np.arange(recording.sizes["unit"]), per_unit)
    excitatory = recording["is_excitatory"].values.astype(bool)[unit]
    return pd.DataFrame(rows).assign(unit=unit, is_excitatory=excitatory)


def compute_foreperiod_timescales(recording: xr.Dataset, animal: int) -> Timescales:
    """Timescales of the excitatory neurons of an animal in the foreperiod, sessions joined.

    Parameters
    ----------
    recording : xarray.Dataset
    animal : int
        Index of the animal.
    """
    excitatory = np.repeat(recording["is_excitatory"].values.astype(bool), count_neurons(recording))
    bins = to_ticks(BIN_S * np.arange(round(FOREPERIOD_S / BIN_S) + 1))
    edges = [to_ticks(own.foreperiods[:, None] + bins) for own in find_times(recording, animal)]
    trains = get_trains(recording, animal)
    return compute_timescales(
        [
            np.concatenate([_count(train, own) for train, own in zip(trains[neuron], edges, strict=True)])
            for neuron in np.flatnonzero(excitatory)
        ]
    )


def summarise_neurons(recording: xr.Dataset) -> list[Statistic]:
    """Firing of excitatory neurons, means over animals: mean and median rate, medians of the rest; largest rate of any.

    `fraction_nearly_silent` are those below `LOW_RATE` in some phase; `timescale_population` is that of the foreperiod.
    """
    animals = [int(animal) for animal in recording["animal"].values]
    tables = [tabulate_neurons(recording, animal) for animal in animals]
    excitatory = [table[table["is_excitatory"]] for table in tables]
    medians = ("cv", "cv2", "lv", "fano", "fano_trial")
    values = {
        "firing_rate_mean": [table["firing_rate"].mean() for table in excitatory],
        "firing_rate": [table["firing_rate"].median() for table in excitatory],
        "firing_rate_max": [table["firing_rate"].max() for table in tables],
        **{key: [table[key].median() for table in excitatory] for key in medians},
        "fraction_nearly_silent": [(table["lowest_rate"] < LOW_RATE).mean() for table in excitatory],
        "timescale_population": [
            compute_foreperiod_timescales(recording, animal).population for animal in animals
        ],
    }
    units = {"fraction_nearly_silent": "fraction", "timescale_population": "s"}
    units |= {key: "Hz" for key in values if "rate" in key}
    return [
        summarise(
            key,
            own,
            labels={"cells": "neurons"},
            units=units.get(key, "1"),
            within=SHARE if key.startswith("fraction") else POSITIVE,
        )
        for key, own in values.items()
    ]


def summarise_by_area(recording: xr.Dataset) -> list[Statistic]:
    """Medians over excitatory neurons, means over animals, in the way each of `AREAS` was analysed (`area`).

    Fano factor and timescale are those of the foreperiod for every area; a timescale only where the fits of single neurons
    were kept.
    """
    animals = [int(animal) for animal in recording["animal"].values]
    timescales = [_median(compute_foreperiod_timescales(recording, animal).cells) for animal in animals]
    tables = {
        cut: [tabulate_neurons(recording, animal, cut) for animal in animals] for cut in set(AREAS.values())
    }
    found = []
    for area, cut in AREAS.items():
        excitatory = [table[table["is_excitatory"]] for table in tables[cut]]
        keys = ("firing_rate", "cv", "cv2", "lv", "fano")
        values = {key: [table[key].median() for table in excitatory] for key in keys}
        if np.isfinite(timescales).any():
            values["timescale"] = timescales
        units = {"firing_rate": "Hz", "timescale": "s"}
        for key, own in values.items():
            found.append(
                summarise(key, own, labels={"area": area}, units=units.get(key, "1"), within=POSITIVE)
            )
    return found


def _number_outcomes(action: NDArray, reward: NDArray) -> NDArray:
    """A number for each pair of action and reward, of trials with a choice."""
    made = action >= 0
    pairs = np.stack([action[made].astype(float), reward[made]], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()


def _count(train: NDArray, edges: NDArray) -> NDArray:
    """Spikes between edges (..., edge) that rise along the last dimension; a spike on an edge comes after it."""
    return np.diff(np.searchsorted(to_ticks(train.astype(float)), edges))


def _describe(trains: list[NDArray], times: list[SessionTimes], cut: Cut) -> dict[str, float]:
    stretches = [cut(train) for train in trains]
    joined = [stretch for own in stretches for stretch in own]
    pairs = list(zip(trains, times, strict=True))
    phases = np.concatenate([own.phase for own in times])
    counts = np.concatenate([_count(train, own.steps) for train, own in pairs])  # (step,) of all sessions
    seconds = np.concatenate([np.diff(own.steps) for own in times])
    foreperiod = [_count(train, own.foreperiods[:, None] + [0, FOREPERIOD_S])[:, 0] for train, own in pairs]
    within = [compute_fano_within(_count(train, own.windows)[:, 0], own.outcomes) for train, own in pairs]
    return {
        "firing_rate": float(counts.sum() / seconds.sum()),
        "cv": mean_or_nan(np.array([compute_cv(own) for own in stretches])),
        "cv2": compute_cv2(joined),
        "lv": compute_lv(joined),
        "fano": mean_or_nan(np.array([compute_fano(own) for own in foreperiod])),
        "fano_trial": mean_or_nan(np.array(within)),
        "lowest_rate": float((np.bincount(phases, counts) / np.bincount(phases, seconds)).min()),
    }


def _median(values: NDArray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan
