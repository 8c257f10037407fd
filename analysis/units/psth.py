"""Peri-stimulus time histogram (PSTH): mean activity around an event of the trial, split by a variable of the trials.

Of a recording of rate units it is their mean rate, of a recording of spiking neurons their spikes per second, both in the
bins of the recording.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from pfc_da.analysis.units.align import (
    WINDOW_S,
    cut_windows,
    find_event_bins,
    find_inside,
    find_offsets,
    iterate_sessions,
    label_time,
)
from pfc_da.errors import InputError, show
from pfc_da.recording_schema import FROZEN, get_bin_s
from pfc_da.trials import per_trial

MOST_GROUPS = 20


def psth(
    recording: xr.Dataset,
    event: str,
    by: str,
    window: tuple[float, float] = WINDOW_S,
    smoothing: float = 0.0,
) -> xr.DataArray:
    """Mean activity of every unit around an event, for each value of a variable of the trials.

    Parameters
    ----------
    recording : xarray.Dataset
        ``recording.nc`` of a run or of its spiking replay, or an export of one as netCDF or zarr, open or in memory.
    event : str
        A phase of the trial, whose onset is time 0, or "cue", "choice" or "outcome" (`pfc_da.analysis.units.align`).
    by : str
        Variable with one number a trial, such as "choice" or "reward". Trials without a value are left out.
    window : (float, float)
        Begin and end in s from the event, rounded to bins. Trials whose window leaves the session are left out; the window
        may reach into the trials before and after.
    smoothing : float
        Standard deviation of a Gaussian in s along the session, 0 for none.

    Returns
    -------
    xarray.DataArray (animal, `by`, time, unit)
        In the units of the activity: Hz, for an LSTM 1. `time` in s is the middle of a bin; `n_trials` (animal, `by`)
        counts the trials behind a mean, which is NaN without any.

    Raises
    ------
    InputError
        For an event or variable that the recording lacks, a variable with more than 20 different values, a negative
        smoothing, or a window without a trial.
    """
    if not 0 <= smoothing < np.inf:
        raise InputError(f"smoothing must be a standard deviation of at least 0 s, got {smoothing:g}.")
    event_bins, offsets = find_event_bins(recording, event), find_offsets(recording, window)
    inside = find_inside(recording, event_bins, offsets)
    if not inside.any():
        raise InputError(
            f"window {show(window)} s around {event!r} lies in no session as a whole; give a shorter one."
        )
    values = np.where(inside, get_trial_values(recording, by), np.nan)  # (animal, episode, trial)
    groups = _list_groups(values, by)
    sums = np.zeros((len(values), len(groups), len(offsets), recording.sizes["unit"]))
    width = smoothing / get_bin_s(recording)
    for animal, episode, session in iterate_sessions(recording):
        smooth = gaussian_filter1d(session, width, axis=0, mode="nearest") if width else session
        aligned = cut_windows(smooth, event_bins[animal, episode], offsets)
        for place, group in enumerate(groups):
            sums[animal, place] += aligned[values[animal, episode] == group].sum(0, dtype=float)
    counts = (values[:, None] == groups[:, None, None]).sum((2, 3))  # (animal, group)
    means = sums / np.where(counts > 0, counts, np.nan)[..., None, None]
    return _label(means, counts, recording, (by, groups), label_time(recording, event, offsets))


def get_trial_values(recording: xr.Dataset, by: str) -> NDArray:
    """One number a trial of the sessions with activity.

    Parameters
    ----------
    recording : xarray.Dataset
    by : str
        A variable along `step`.

    Returns
    -------
    (animal, episode, trial)
        NaN where it has none, which integers write as negative.

    Raises
    ------
    InputError
        If there is no such variable, or it has several numbers a trial.
    """
    values = per_trial(recording, by)
    if "condition" in values.dims:
        values = values.sel(condition=FROZEN)
    if "episode" in values.dims:
        values = values.isel(episode=recording["recorded_episode"].values)
    sizes = {"animal": recording.sizes["animal"], "episode": recording.sizes["recorded_episode"]}
    more = [str(dim) for dim in values.dims if dim not in (*sizes, "trial")]
    if more or values.dtype.kind not in "iufb":
        what = f"several numbers a trial ({', '.join(more)})" if more else "no numbers"
        raise InputError(
            f"{by!r} has {what}; give a variable with one number a trial, such as choice or reward."
        )
    values = values.expand_dims({dim: n for dim, n in sizes.items() if dim not in values.dims})
    numbers = values.transpose("animal", "episode", "trial").values
    return np.where(numbers < 0, np.nan, numbers) if numbers.dtype.kind == "i" else numbers


def _list_groups(values: NDArray, by: str) -> NDArray:
    """The different values, ascending."""
    groups = np.unique(values[np.isfinite(values)])
    if not 1 <= len(groups) <= MOST_GROUPS:
        raise InputError(
            f"{by!r} has {len(groups)} different values in these trials; a PSTH is split by 1 to {MOST_GROUPS}, such as "
            "those of choice or reward."
        )
    return groups


def _label(
    means: NDArray,
    counts: NDArray,
    recording: xr.Dataset,
    split: tuple[str, NDArray],
    time: tuple[str, NDArray, dict[str, str]],
) -> xr.DataArray:
    by, groups = split
    activity, named = recording["activity"], recording[by].attrs
    about = {
        name: activity.coords[name] for name in activity.coords if activity.coords[name].dims == ("unit",)
    }
    counted = {"units": "1", "long_name": "trials behind the mean"}
    return xr.DataArray(
        means,
        dims=("animal", by, "time", "unit"),
        coords={
            "animal": recording["animal"],
            by: (by, groups.astype(recording[by].dtype), named),
            "time": time,
            "n_trials": (("animal", by), counts, counted),
            **about,
        },
        name="activity",
        attrs={"units": activity.attrs["units"], "long_name": "mean activity over trials"},
    )
