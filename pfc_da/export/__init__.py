"""Export of recordings for other tools: NWB, netCDF, zarr and CSV files, neo and pynapple objects.

pynwb, neo, pynapple and zarr are extras, imported where they are needed. No torch here.
"""

from pfc_da.export.folder import export_run
from pfc_da.export.formats.nwb import build_nwb, write_nwb
from pfc_da.export.objects import to_neo, to_pynapple
from pfc_da.export.session import Session, list_sessions, read_session
from pfc_da.export.spikes import Spikes, draw_spikes

__all__ = [
    "Session",
    "Spikes",
    "build_nwb",
    "draw_spikes",
    "export_run",
    "list_sessions",
    "read_session",
    "to_neo",
    "to_pynapple",
    "write_nwb",
]
