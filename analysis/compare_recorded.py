"""A run beside recorded data of one's own: choices and cells through the same functions, and the differences."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pfc_da.analysis.column_map import ColumnMap, read_column_map
from pfc_da.analysis.compare_cells import compare_cells
from pfc_da.analysis.compare_choices import compare_choices
from pfc_da.analysis.read_recorded import read_recorded
from pfc_da.analysis.simulated import get_choice_sessions, is_baited
from pfc_da.recording import read_recording
from pfc_da.rng import numpy_stream


def compare_recorded(
    run_folder: str | Path, paths: Sequence[str | Path], columns_file: str | Path | None = None
) -> pd.DataFrame:
    """Hold a replayed run against recordings; the rows of comparison_recorded.csv.

    Parameters
    ----------
    run_folder : path
        Holds ``recording.nc``; where it was replayed as spiking neurons, cells are held against those.
    paths : sequence of paths
        Files and folders, read as one data set (`read_recorded`).
    columns_file : path, optional
        How their columns become ours (`column_map`).
    """
    columns = ColumnMap() if columns_file is None else read_column_map(columns_file)
    recorded = read_recorded(paths, columns)
    recording = read_recording(Path(run_folder) / "recording.nc")
    rng = numpy_stream(int(recording.attrs["seed"]), "recorded")
    rows = []
    if recorded.choices is not None:
        rows += compare_choices(
            get_choice_sessions(recording),
            recorded.choices,
            baited=columns.baited and is_baited(recording),
            same_schedule=columns.same_schedule,
            source=recorded.source,
            rng=rng,
        )
    if recorded.cells:
        delay, source = columns.delay, recorded.source
        spiking = Path(run_folder) / "recording_spiking.nc"
        if spiking.exists():
            recording = read_recording(spiking)
        rows += compare_cells(recording, recorded.cells, delay=delay, source=source, rng=rng)
    return pd.DataFrame([asdict(row) for row in rows])
