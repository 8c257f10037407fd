"""The recording itself, cut to its first sessions, with what made it among its attributes: netCDF.

It keeps the schema of `pfc_da.recording`, so everything that reads a recording reads it.
"""

import functools
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from pfc_da.export.cut import cut_sessions, name_export
from pfc_da.export.jobs import Job
from pfc_da.recording import write_recording


def plan(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One file; variables are read and written one after the other.

    Parameters
    ----------
    recording, sessions
        As in `pfc_da.export.formats`.
    """
    part = cut_sessions(recording, sessions)
    yield Job(Path(f"{name_export(recording)}.nc"), functools.partial(write_recording, part))
