"""The recording itself, cut to its first sessions, with what made it among its attributes: netCDF or zarr.

zarr is for sweeps: stores of many runs lie side by side in one folder and open lazily. Both keep the schema of
`pfc_da.recording`, so everything that reads a recording reads them.
"""

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from pfc_da.export.jobs import Job, importing
from pfc_da.export.session import count_sessions, get_run_name
from pfc_da.recording import load, write_recording
from pfc_da.recording_schema import count_neurons


def plan_netcdf(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One file; variables are read and written one after the other."""
    part = _cut(recording, sessions)
    yield Job(Path(f"{_name(recording)}.nc"), functools.partial(write_recording, part))


def plan_zarr(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One store (format 3); animals are read and written one after the other."""
    with importing("zarr"):
        import zarr  # noqa: F401
    part = _cut(recording, sessions)
    yield Job(Path(f"{_name(recording)}.zarr"), functools.partial(_write_zarr, part), is_folder=True)


def _name(recording: xr.Dataset) -> str:
    return f"{recording.attrs['paradigm']}-{get_run_name(recording.attrs)}"


def _cut(recording: xr.Dataset, sessions: int | None) -> xr.Dataset:
    """The first `sessions` sessions of every animal."""
    first = slice(count_sessions(recording, "episode", sessions))
    dimensions = ("episode", "recorded_episode", "held_out_episode")
    part = recording.isel({dimension: first for dimension in dimensions if dimension in recording.dims})
    if sessions is None or not count_neurons(recording):
        return part
    spikes = [name for name, values in part.data_vars.items() if values.dims == ("spike",)]
    part = part.assign(load(part[spikes]).data_vars)  # to pick spikes from a file one by one takes for ever
    return part.isel(spike=np.isin(part["spike_episode"], part["recorded_episode"]))


def _write_zarr(recording: xr.Dataset, path: Path) -> None:
    import zarr

    shared = [name for name, values in recording.data_vars.items() if "animal" not in values.dims]
    for animal in range(recording.sizes["animal"]):
        part = recording.drop_vars(
            shared if animal else ()
        )  # what is of no animal was written with the first
        own = load(part.isel(animal=slice(animal, animal + 1))).drop_encoding()
        # texts of fixed length are no type of the zarr standard
        texts = {name: own[name].astype(object) for name in own.variables if own[name].dtype.kind == "U"}
        own = own.assign(texts)
        if animal:
            own.to_zarr(path, append_dim="animal", consolidated=False)
        else:
            own.to_zarr(path, mode="w-", consolidated=False)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", zarr.errors.ZarrUserWarning
        )  # readers that do not know it leave it alone
        zarr.consolidate_metadata(path)
