"""Statistics of a spiking replay: reward relative to the rate network, and firing of its neurons.

Share of the optimum = (x - chance) / (optimum - chance), where x is the regret of a session, which varies least between
problems, or the reward per trial where no observer's regret is known. Neurons and rate network have the same problems and
draws, so the difference of their shares is taken session by session. Where the recording holds the reward probability of
the chosen option, this is used instead of the reward: the mean is the same and the variance smaller.

Firing is summarised twice: over whole sessions, and for every recorded area in the way in which its cells were analysed
(data/recorded/README.md). No simulated trial has half a second without an event, so there is no Fano factor and no
timescale to compare with those of an area.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.cells.firing import compute_cv, compute_cv2, compute_fano, compute_lv
from pfc_da.analysis.interval import compute_mean_interval, mean_or_nan
from pfc_da.analysis.statistic import POSITIVE, Statistic, summarise
from pfc_da.recording_schema import (
    FROZEN,
    HIDDEN_RESET,
    RATE_PREFIX,
    RECURRENCE_CUT,
    count_neurons,
    get_step_s,
)
from pfc_da.trials import per_trial

BY_NEURONS, BY_RATES = FROZEN, RATE_PREFIX + FROZEN
CONTROLS = (RECURRENCE_CUT, HIDDEN_RESET)
"""Neurons without synapses between them; neurons whose synapses forget at every trial."""
MAX_LOSS = 0.05
"""Largest loss of share of the optimum with which a network counts as converted; our choice."""
OPTIONS = (("p_object", "chosen_object"), ("p_reward", "choice"))
"""Labels of the reward probability of each option, and of the option chosen."""


def compute_expected_reward(recording: xr.Dataset) -> xr.DataArray:
    """Mean reward a trial of each session, (animal, condition, episode), expected given the choices where it is known."""
    for name, chosen in OPTIONS:
        if name in recording:
            p = per_trial(recording, name) if "step" in recording[name].dims else recording[name]
            option = "object" if "object" in p.dims else "action"
            taken = per_trial(recording, chosen) == xr.DataArray(np.arange(p.sizes[option]), dims=option)
            return (p * taken).sum(option).mean("trial")
    return recording["held_out_reward"].rename(held_out_episode="episode")


class Span(NamedTuple):
    """Chance and optimum of a share, in `measure`: ``reward`` per trial, or ``regret`` of a session."""

    measure: str
    chance: float
    optimum: float


def compute_shares(recording: xr.Dataset, span: Span) -> xr.DataArray:
    """Share of the optimum of each session, (condition, animal, episode).

    Parameters
    ----------
    recording : xarray.Dataset
    span : Span
        Chance and optimum of the task.

    Returns
    -------
    xarray.DataArray (condition, animal, episode)
        0 at chance, 1 at the optimum.
    """
    if span.measure == "regret":
        reached = recording["held_out_regret"].rename(held_out_episode="episode")
    else:
        reached = compute_expected_reward(recording)
    share = (reached - span.chance) / (span.optimum - span.chance)
    return share.transpose("condition", "animal", "episode")


def summarise_conversion(shares: xr.DataArray) -> list[Statistic]:
    """`share_of_optimum` under every condition, and `share_lost` by neurons to the rate network."""
    found = [
        summarise(
            "share_of_optimum", shares.sel(condition=name), labels={"condition": str(name)}, units="fraction"
        )
        for name in shares["condition"].values
    ]
    lost = shares.sel(condition=BY_RATES) - shares.sel(condition=BY_NEURONS)
    return [*found, summarise("share_lost", lost.values, units="fraction")]


def tabulate_conversion(shares: xr.DataArray) -> pd.DataFrame:
    """One row an animal: shares, the loss with its interval over sessions, and whether the network converts."""
    lost = (shares.sel(condition=BY_RATES) - shares.sel(condition=BY_NEURONS)).values  # (animal, episode)
    low, high = compute_mean_interval(lost.T)
    means = shares.mean("episode")
    controls = [name for name in CONTROLS if name in shares["condition"]]
    return pd.DataFrame(
        {
            "animal": shares["animal"].values,
            "rate": means.sel(condition=BY_RATES).values,
            "neurons": means.sel(condition=BY_NEURONS).values,
            "lost": lost.mean(1),
            "lost_low": low,
            "lost_high": high,
            **{name: means.sel(condition=name).values for name in controls},
            "converts": lost.mean(1) <= MAX_LOSS,
        }
    )


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


Cut = Callable[[NDArray], list[NDArray]]
"""From the spikes of a session to stretches between which no interval is taken."""


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


PAUSE_S, WINDOW_S = 3.0, 2.0
AREAS: dict[str, Cut] = {"DLPFC": leave_out_pauses, "ACC": leave_out_pauses, "OFC": cut_windows}
"""Method by which intervals were taken in each recorded area."""


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
        unit, is_excitatory, firing_rate (Hz), and as means over sessions cv, cv2, lv and fano; NaN where there are too few
        spikes. Intervals are those of a session, counts for the Fano factor those of whole trials within a session, so
        what the task does to the rates counts in both.
    """
    per_unit = count_neurons(recording)
    step_s = get_step_s(recording)
    n_trials = int(recording["trial"].max()) + 1
    session_s = step_s * recording.sizes["step"]
    rows = [_describe(sessions, n_trials, session_s, cut) for sessions in get_trains(recording, animal)]
    unit = np.repeat(np.arange(recording.sizes["unit"]), per_unit)
    excitatory = recording["is_excitatory"].values.astype(bool)[unit]
    return pd.DataFrame(rows).assign(unit=unit, is_excitatory=excitatory)


def summarise_neurons(recording: xr.Dataset) -> list[Statistic]:
    """Firing of excitatory neurons, means over animals: mean and median rate, medians of the rest; largest rate of any."""
    tables = [tabulate_neurons(recording, int(animal)) for animal in recording["animal"].values]
    excitatory = [table[table["is_excitatory"]] for table in tables]
    by_animal = {
        "firing_rate_mean": [table["firing_rate"].mean() for table in excitatory],
        "firing_rate": [table["firing_rate"].median() for table in excitatory],
        "firing_rate_max": [table["firing_rate"].max() for table in tables],
        **{key: [table[key].median() for table in excitatory] for key in ("cv", "cv2", "lv", "fano")},
    }
    return [
        summarise(
            key, values, labels={"cells": "neurons"}, units="Hz" if "rate" in key else "1", within=POSITIVE
        )
        for key, values in by_animal.items()
    ]


def summarise_by_area(recording: xr.Dataset) -> list[Statistic]:
    """Medians over excitatory neurons, means over animals, in the way each of `AREAS` was analysed (`area`)."""
    found, tables = [], {}
    for area, cut in AREAS.items():
        if cut not in tables:
            tables[cut] = [
                tabulate_neurons(recording, int(number), cut) for number in recording["animal"].values
            ]
        for key in ("firing_rate", "cv", "cv2", "lv"):
            medians = [table.loc[table["is_excitatory"], key].median() for table in tables[cut]]
            units = "Hz" if key == "firing_rate" else "1"
            found.append(summarise(key, medians, labels={"area": area}, units=units, within=POSITIVE))
    return found


def _describe(sessions: list[NDArray], n_trials: int, session_s: float, cut: Cut) -> dict[str, float]:
    edges = np.linspace(0, session_s, n_trials + 1)
    counts = np.stack([np.histogram(train, edges)[0] for train in sessions])  # (session, trial)
    stretches = [cut(train) for train in sessions]
    joined = [stretch for own in stretches for stretch in own]
    return {
        "firing_rate": float(counts.sum() / (session_s * len(sessions))),
        "cv": mean_or_nan(np.array([compute_cv(own) for own in stretches])),
        "cv2": compute_cv2(joined),
        "lv": compute_lv(joined),
        "fano": mean_or_nan(compute_fano(counts.T)),
    }
