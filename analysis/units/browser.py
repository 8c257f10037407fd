"""Tables of the browser of units: PSTHs of the most active units, and spikes of some trials for the rasters.

PSTHs are means of the recorded activity over all trials of a group, around the appearance of the options and the choice.
Rasters show single trials: the recorded spikes, or spikes drawn from the rates by a Poisson process.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.units.align import cut_windows, find_event_bins, find_offsets, iterate_sessions
from pfc_da.analysis.units.regressors import compute_object_value
from pfc_da.analysis.units.summary import HALF_LIFE, compute_mean_activity
from pfc_da.analysis.units.time_course import WINDOWS_S, iterate_spikes
from pfc_da.recording_schema import get_bin_s, has_rates, has_spikes

MOST_UNITS = 30
"""Units of each animal, those with the largest mean rate."""
RASTER_TRIALS = 40
"""Trials of an animal in a raster, evenly over its trials."""
Groups = Mapping[str, Mapping[str, NDArray]]
"""Kind of split -> name of a group -> trials in it (animal, episode, trial) bool."""


def group_trials(choice: NDArray, reward: NDArray) -> Groups:
    """Trials by value (terciles of first less second object, of each animal), choice and reward.

    Parameters
    ----------
    choice, reward : (animal, episode, trial)
        Choice of object, 0 or 1, -1 where missing.
    """
    value = [compute_object_value(*own, HALF_LIFE) for own in zip(choice, reward, strict=True)]
    difference = np.stack([own[..., 0] - own[..., 1] for own in value])
    low, high = np.nanquantile(difference, [1 / 3, 2 / 3], axis=(1, 2))[:, :, None, None]
    return {
        "value": {
            "low": difference < low,
            "middle": (difference >= low) & (difference <= high),
            "high": difference > high,
        },
        "choice": {"A": choice == 0, "B": choice == 1},
        "reward": {"no": (choice >= 0) & (reward <= 0), "yes": (choice >= 0) & (reward > 0)},
    }


def tabulate_browser(
    recording: xr.Dataset, groups: Groups, *, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """PSTHs, trials of the rasters, and their spikes.

    Parameters
    ----------
    recording : xarray.Dataset
    groups : Groups
        Of the sessions with units.
    rng : numpy.random.Generator
        Draws spikes where there are none.

    Returns
    -------
    dict of str to DataFrame
        ``unit_activity``: animal, unit, event, group_kind, group, time_s, mean_hz, sem_hz.
        ``unit_trials``: animal, trial, the group of each kind, and the time of each event in s from the cue, ``EVENT_s``.
        ``unit_spikes``: animal, unit, trial, spikes_ms (times from the cue, separated by blanks).
    """
    shown = find_most_active(recording)
    activity = [
        _average_animal(recording, animal, units, groups).assign(animal=animal)
        for animal, units in enumerate(shown)
    ]
    tables = {"unit_activity": pd.concat(activity, ignore_index=True)}
    if has_rates(recording) or has_spikes(recording):
        tables |= _tabulate_rasters(recording, shown, groups, rng)
    return tables


def find_most_active(recording: xr.Dataset) -> NDArray[np.int64]:
    """Units with the largest mean activity of each animal, in their order, (animal, shown unit)."""
    rate = compute_mean_activity(recording).mean(1)
    return np.sort(np.argsort(-rate, axis=1, kind="stable")[:, :MOST_UNITS], axis=1)


def average_groups(aligned: NDArray, members: NDArray) -> tuple[NDArray, NDArray]:
    """Sum and sum of squares over the trials of each group, and both of their counts.

    Parameters
    ----------
    aligned : (trial, time, unit)
        NaN for trials that do not count.
    members : (group, trial) bool

    Returns
    -------
    (moment, group, time, unit) and (group,)
        Sums and sums of squares; trials.
    """
    whole = np.isfinite(aligned[:, 0, 0])
    own, values = members[:, whole].astype(float), aligned[whole].astype(float)
    sums = np.stack([np.tensordot(own, values**power, 1) for power in (1, 2)])
    return sums, own.sum(1)


def _average_animal(recording: xr.Dataset, animal: int, units: NDArray, groups: Groups) -> pd.DataFrame:
    """Mean and standard error over trials of one animal, around each event."""
    own = recording.isel(animal=[animal], unit=units)
    names = [(kind, name) for kind, members in groups.items() for name in members]
    members = np.stack([groups[kind][name][animal] for kind, name in names], 1)  # (episode, group, trial)
    tables = []
    for event, window in WINDOWS_S.items():
        bins, offsets = find_event_bins(own, event)[0], find_offsets(own, window)
        found = [
            average_groups(cut_windows(session, bins[episode], offsets), members[episode])
            for _, episode, session in iterate_sessions(own)
        ]
        (total, squares), n = (np.sum(part, 0) for part in zip(*found, strict=True))
        n = np.where(n > 0, n, np.nan)[:, None, None]
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0) * n / np.where(n > 1, n - 1, np.nan)
        times = (offsets + 0.5) * get_bin_s(own)
        tables.append(_melt(mean, np.sqrt(variance / n), names, units, times).assign(event=event))
    return pd.concat(tables, ignore_index=True)


def _melt(
    mean: NDArray, sem: NDArray, names: list[tuple[str, str]], units: NDArray, times: NDArray
) -> pd.DataFrame:
    """A row a group, time and unit, of (group, time, unit)."""
    group, time, unit = (index.ravel() for index in np.indices(mean.shape))
    kinds, of_kind = (np.array(each, dtype=object) for each in zip(*names, strict=True))
    columns = {
        "unit": units[unit],
        "group_kind": kinds[group],
        "group": of_kind[group],
        "time_s": times[time].round(4),
        "mean_hz": mean.ravel().round(2),
        "sem_hz": sem.ravel().round(2),
    }
    return pd.DataFrame(columns)


def _tabulate_rasters(
    recording: xr.Dataset, shown: NDArray, groups: Groups, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """`unit_trials` and `unit_spikes`."""
    bin_s, cue = get_bin_s(recording), find_event_bins(recording, "cue")
    offsets = find_offsets(recording, _find_raster_window(recording))
    trials, spikes = [], []
    for animal, units in enumerate(shown):
        chosen = _choose_raster_trials(cue[animal], offsets, recording.sizes["bin"])  # (trial, 2)
        labels = _label_trials(groups, animal, chosen)
        for event in WINDOWS_S:
            bins = find_event_bins(recording, event)[animal] - cue[animal]
            labels[f"{event}_s"] = (bins[tuple(chosen.T)] * bin_s).round(4)
        trials.append(pd.DataFrame({"animal": animal, "trial": np.arange(len(chosen)), **labels}))
        for _, episode, session in iterate_spikes(recording.isel(animal=[animal]), rng):
            for place in np.flatnonzero(chosen[:, 0] == episode):
                counts = session[cue[animal, episode, chosen[place, 1]] + offsets][:, units]
                for unit, times in zip(units, _draw_times(counts, offsets, bin_s, rng), strict=True):
                    spikes.append((animal, unit, place, times))
    listed = pd.DataFrame(spikes, columns=["animal", "unit", "trial", "spikes_ms"])
    return {"unit_trials": pd.concat(trials, ignore_index=True), "unit_spikes": listed}


def _find_raster_window(recording: xr.Dataset) -> tuple[float, float]:
    """Time in s from the cue that holds the windows around every event of every trial."""
    cue, bin_s = find_event_bins(recording, "cue"), get_bin_s(recording)
    ends = []
    for event, window in WINDOWS_S.items():
        later = (find_event_bins(recording, event) - cue) * bin_s
        ends.append((float(later.min()) + window[0], float(later.max()) + window[1]))
    return min(begin for begin, _ in ends), max(end for _, end in ends)


def _choose_raster_trials(cue: NDArray, offsets: NDArray, n_bins: int) -> NDArray[np.int64]:
    """Sessions and trials (trial, 2), evenly over those whose raster lies within the session; cue (episode, trial)."""
    whole = np.argwhere((cue + offsets[0] >= 0) & (cue + offsets[-1] < n_bins))
    places = np.linspace(0, len(whole) - 1, min(RASTER_TRIALS, len(whole))).round().astype(int)
    return whole[places]


def _label_trials(groups: Groups, animal: int, chosen: NDArray) -> dict[str, NDArray]:
    """Name of the group of each kind that each chosen trial (trial, 2) belongs to, "" for none."""
    labels: dict[str, NDArray] = {}
    for kind, members in groups.items():
        inside = [own[animal][tuple(chosen.T)] for own in members.values()]
        labels[kind] = np.select(inside, list(members), "")
    return labels


def _draw_times(counts: NDArray, offsets: NDArray, bin_s: float, rng: np.random.Generator) -> list[str]:
    """Times of the spikes in ms, uniform within their bins, of every unit of `counts` (bin, unit)."""
    found = []
    for own in counts.astype(int).T:
        times = (np.repeat(offsets, own) + rng.random(own.sum())) * bin_s * 1000
        found.append(" ".join(map(str, np.sort(times).astype(int).tolist())))
    return found
