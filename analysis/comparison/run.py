"""Compare a run with recorded data: choices and cells by the same functions, and the differences."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from pfc_da.analysis.comparison.cells import compare_cells
from pfc_da.analysis.comparison.choices import compare_choices, count
from pfc_da.analysis.comparison.difference import Difference
from pfc_da.analysis.comparison.published import QUICK
from pfc_da.analysis.comparison.simulated import get_choice_sessions
from pfc_da.analysis.readers.column_map import read_column_map
from pfc_da.analysis.readers.dataset import Recorded, read_datasets
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError
from pfc_da.recording import read_recording
from pfc_da.recording_schema import get_seed, is_baited, is_quick
from pfc_da.rng import numpy_stream


def compare_recorded(
    run_folder: str | Path, paths: Sequence[str | Path], columns_file: str | Path | None = None
) -> pd.DataFrame:
    """Compare a replayed run with recordings.

    Parameters
    ----------
    run_folder : path
        Holds ``recording.nc``; where it was replayed as spiking neurons, cells are compared with those.
    paths : sequence of paths
        Files and folders (`read_datasets`); each data set is compared by itself.
    columns_file : path, optional
        YAML that maps their column names to ours (`column_map`).

    Returns
    -------
    DataFrame
        The rows of comparison_recorded.csv, those of one data set after those of another; `source` says which.
        ``attrs["notes"]`` holds, a line each, what of the recordings is not used or was assumed.

    Raises
    ------
    InputError
        If a file cannot be read, or nothing can be compared.
    """
    columns = None if columns_file is None else read_column_map(columns_file)
    datasets = read_datasets(paths, columns)
    recording = read_recording(Path(run_folder) / "recording.nc")
    spiking = Path(run_folder, "replays", "spiking", "recording.nc")
    has_cells = any(recorded.cells for recorded in datasets)
    neurons = read_recording(spiking) if has_cells and spiking.exists() else None
    tables, refused = [], []
    for recorded in datasets:
        try:
            tables.append(compare_recording(recording, recorded, neurons=neurons))
        except InputError as error:
            refused.append(str(error))
    if not tables:
        raise InputError(" ".join(refused))
    notes = [note for table in tables for note in table.attrs["notes"]]
    joined = pd.concat(tables, ignore_index=True)
    joined.attrs["notes"] = (*dict.fromkeys([*notes, *refused]),)
    return joined


@threadpool_limits.wrap(limits=1)
def compare_recording(
    recording: xr.Dataset,
    recorded: Recorded,
    *,
    neurons: xr.Dataset | None = None,
    known: Sequence[Statistic] = (),
) -> pd.DataFrame:
    """Compare a recording with recorded data that were read already, in one thread (`Experiment.compare` says why).

    If choices cannot be compared, cells still are, and the other way round.

    Parameters
    ----------
    recording : xarray.Dataset
        Of simulated animals.
    recorded : Recorded
    neurons : xarray.Dataset, optional
        The same animals as spiking neurons; cells are compared with these.
    known : sequence of Statistic
        Recorded statistics of choices from an earlier comparison with as many trials and sessions.

    Returns
    -------
    DataFrame
        A row a number; ``attrs["notes"]`` holds, a line each, what of the recordings is not used or was assumed.

    Raises
    ------
    InputError
        If neither choices nor cells can be compared.
    """
    rng = numpy_stream(get_seed(recording), "recorded")
    source, columns = recorded.source, recorded.columns
    rows: list[Difference] = []
    refused = []
    if recorded.choices is not None:
        try:
            rows += compare_choices(
                get_choice_sessions(recording),
                recorded.choices,
                baited=columns.baited and is_baited(recording),
                same_schedule=columns.same_schedule,
                source=source,
                known=known,
                rng=rng,
            )
        except InputError as error:
            refused.append(f"{error} Choices are not compared.")
    if recorded.cells:
        of_cells = recording if neurons is None else neurons
        try:
            rows += compare_cells(of_cells, recorded.cells, delay=columns.delay, source=source, rng=rng)
        except InputError as error:
            refused.append(f"{error} Cells are not compared.")
    if not rows:
        raise InputError(" ".join(refused))
    if is_quick(recording):
        rows = [replace(row, verdict="not comparable", why=QUICK) for row in rows]
    table = pd.DataFrame([asdict(row) for row in rows])
    table.attrs["notes"] = (*recorded.notes, *refused, *_note_length(recording, recorded))
    return table


def _note_length(recording: xr.Dataset, recorded: Recorded) -> list[str]:
    """Say that recorded sessions are longer than simulated ones, and how to use them whole."""
    if recorded.choices is None:
        return []
    long, short = (count(sessions)[0] for sessions in (recorded.choices, get_choice_sessions(recording)))
    if long <= short:
        return []
    return [
        f"{recorded.source}: recorded sessions have {long} trials (median), simulated ones {short}: the first {short} "
        f"are compared. A run with --set test_task.n_trials={long} compares them whole."
    ]
