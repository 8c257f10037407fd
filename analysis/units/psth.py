"""Peri-stimulus time histogram (PSTH): mean activity around an event of the trial, split by a variable of the trials.

Of a recording of rate units it is their mean rate, of a recording of spiking neurons their spikes per second, both in the
network steps of the recording.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.errors import InputError, nearest, show
from pfc_da.recording import load
from pfc_da.recording_schema import FROZEN, get_phases, get_step_s
from pfc_da.trials import per_trial

WINDOW_S = (-0.5, 0.5)
MOST_GROUPS = 20


def psth(recording: xr.Dataset, event: str, by: str, window: tuple[float, float] = WINDOW_S) -> xr.DataArray:
    """Mean activity of every unit around the begin of a phase, for each value of a variable of the trials.

    Parameters
    ----------
    recording : xarray.Dataset
        ``recording.nc`` of a run or of its spiking replay, or an export of one as netCDF or zarr, open or in memory.
    event : str
        Phase of the trial; its begin is time 0.
    by : str
        Variable with one number a trial, such as "choice" or "reward". Trials without a value are left out.
    window : (float, float)
        First and last time around the event in s, rounded to network steps. Trials whose window leaves the session are left
        out; the window may reach into the trials before and after.

    Returns
    -------
    xarray.DataArray (animal, `by`, time, unit)
        In the units of the activity: Hz, for an LSTM 1. `time` in s is the middle of a step; `n_trials` (animal, `by`)
        counts the trials behind a mean, which is NaN without any.

    Raises
    ------
    InputError
        For a phase or variable that the recording lacks, a variable with more than 20 different values, or a window without
        a trial.
    """
    step_s = get_step_s(recording)
    trial, onset = _find_onsets(recording, event)
    offsets = np.arange(round(window[0] / step_s), round(window[1] / step_s))
    if not len(offsets):
        raise InputError(
            f"window must be (first, last) in s, a step of {step_s:g} s apart, got {show(window)}."
        )
    inside = (onset + offsets[0] >= 0) & (onset + offsets[-1] < recording.sizes["step"])
    if not inside.any():
        raise InputError(
            f"window {show(window)} s around {event!r} lies in no session as a whole; give a shorter one."
        )
    values = _get_values(recording, by)[..., trial[inside]]  # (animal, episode, trial)
    groups = _list_groups(values, by)
    means, counts = [], []
    for animal, own in enumerate(values):
        part = load(recording[["activity"]].isel(animal=animal))["activity"]
        activity = part.transpose("recorded_episode", "step", "unit").values
        member = (own == groups[:, None, None]).astype(float)  # (group, episode, trial)
        sums = [np.tensordot(member, activity[:, onset[inside] + offset], 2) for offset in offsets]
        counts.append(member.sum((1, 2)).astype(int))
        known = np.where(counts[-1] > 0, counts[-1], np.nan)
        means.append(np.stack(sums, 1) / known[:, None, None])
    return _label(np.stack(means), np.stack(counts), recording, event, (by, groups), (offsets + 0.5) * step_s)


def _find_onsets(recording: xr.Dataset, event: str) -> tuple[NDArray, NDArray]:
    """Trials, and the step at which the phase begins in each."""
    phases = get_phases(recording)
    if event not in phases:
        raise InputError(
            f"no phase {show(event)} in a trial.{nearest(event, phases)} There are: {', '.join(phases)}."
        )
    steps = np.flatnonzero(recording["phase"].values == event)
    trial, first = np.unique(recording["trial"].values[steps], return_index=True)
    return trial, steps[first]


def _get_values(recording: xr.Dataset, by: str) -> NDArray:
    """One number a trial of the sessions with activity, (animal, episode, trial); NaN where it has none."""
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
    event: str,
    split: tuple[str, NDArray],
    time: NDArray,
) -> xr.DataArray:
    by, groups = split
    activity, named = recording["activity"], recording[by].attrs
    about = {
        name: activity.coords[name] for name in activity.coords if activity.coords[name].dims == ("unit",)
    }
    counted = {"units": "1", "long_name": "trials behind the mean"}
    times = {"units": "s", "long_name": f"time from {event}"}
    return xr.DataArray(
        means,
        dims=("animal", by, "time", "unit"),
        coords={
            "animal": recording["animal"],
            by: (by, groups.astype(recording[by].dtype), named),
            "time": ("time", time, times),
            "n_trials": (("animal", by), counts, counted),
            **about,
        },
        name="activity",
        attrs={"units": activity.attrs["units"], "long_name": "mean activity over trials"},
    )
