"""A recording cut to its first sessions, and the name of what is exported of it."""

import numpy as np
import xarray as xr

from pfc_da.export.session import count_sessions, get_run_name
from pfc_da.recording import load
from pfc_da.recording_schema import count_neurons


def name_export(recording: xr.Dataset) -> str:
    """The paradigm and the run."""
    return f"{recording.attrs['paradigm']}-{get_run_name(recording.attrs)}"


def cut_sessions(recording: xr.Dataset, sessions: int | None) -> xr.Dataset:
    """The first `sessions` sessions of every animal.

    Parameters
    ----------
    recording : xarray.Dataset
    sessions : int or None
        All if None.

    Raises
    ------
    InputError
        If the recording has fewer sessions.
    """
    first = slice(count_sessions(recording, "episode", sessions))
    dimensions = ("episode", "recorded_episode", "held_out_episode")
    part = recording.isel({dimension: first for dimension in dimensions if dimension in recording.dims})
    if sessions is None or not count_neurons(recording):
        return part
    spikes = [name for name, values in part.data_vars.items() if values.dims == ("spike",)]
    part = part.assign(load(part[spikes]).data_vars)  # to pick spikes from a file one by one takes for ever
    return part.isel(spike=np.isin(part["spike_episode"], part["recorded_episode"]))
