"""The recording itself, cut to its first sessions, with what made it among its attributes: zarr.

zarr is for sweeps: stores of many runs lie side by side in one folder and open lazily. A store keeps the schema of
`pfc_da.recording`, so everything that reads a recording reads it.
"""

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from pfc_da.export.cut import cut_sessions, name_export
from pfc_da.export.jobs import Job, importing
from pfc_da.recording import load


def plan(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One store (format 3); animals are read and written one after the other.

    Parameters
    ----------
    recording, sessions
        As in `pfc_da.export.formats`.
    """
    with importing("zarr"):
        import zarr  # noqa: F401
    part = cut_sessions(recording, sessions)
    yield Job(Path(f"{name_export(recording)}.zarr"), functools.partial(_write_zarr, part), is_folder=True)


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
