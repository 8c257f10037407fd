"""Cells of orbitofrontal cortex in monkeys that choose between two juices, as three tables in a folder.

trials.csv.gz   a row a trial: session, trial, task, offer_a, offer_b, side_a, choice and times of events
counts.csv.gz   a row a cell and trial: cell, trial and spike counts in `juice_choice.WINDOWS`
spikes.csv.gz   a row a cell and trial: cell, trial and spike times, separated by blanks, 1 s around the offers

These are the tables of `juice_choice.OFCRecording`, to which `read_ofc_matlab` turns the published MATLAB files. The folder
is read as a whole; each of its files stands for it. Cells are those of the table of spikes.
"""

import gzip
import zlib
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.cells.sessions import CellSession
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.entries import read_numbers
from pfc_da.analysis.readers.formats import RecordedFile
from pfc_da.analysis.readers.juice_choice import (
    SPIKES_MS,
    WINDOWS,
    OFCRecording,
    compute_cell_regressors,
    lay_around_offers,
)
from pfc_da.analysis.readers.table_text import read_separated
from pfc_da.errors import InputError

_TEXT = ("session", "task", "cell", "spike_times_ms")
_TIMES = ("fixation_ms", "go_ms", "saccade_ms", "juice_ms")
_COLUMNS = {
    "trials": ("session", "trial", "task", "offer_a", "offer_b", "side_a", "choice", *_TIMES),
    "counts": ("cell", "trial", *WINDOWS),
    "spikes": ("cell", "trial", "spike_times_ms"),
}
_HEADER = ",".join(_COLUMNS["trials"]).encode()


def accepts(path: Path) -> bool:
    """Whether it is a folder with the three tables, or one of them."""
    folder = path if path.is_dir() else path.parent
    paths = [_locate(folder, name) for name in _COLUMNS]
    return path in (folder, *paths) and all(file.is_file() for file in paths) and _has_header(paths[0])


def read(path: Path, columns: ColumnMap | None = None) -> RecordedFile:
    """The cells of a folder of tables whose spike times are known; what happened on each trial goes with them.

    Parameters
    ----------
    path : Path
        The folder, or one of its tables.
    columns : ColumnMap, optional
        Not used: the tables have fixed names.

    Returns
    -------
    RecordedFile

    Raises
    ------
    InputError
        If a table is damaged: in one line, with the file and the column.
    """
    folder = path if path.is_dir() else path.parent
    recording = read_tables(folder)
    n, n_counted = recording.spikes["cell"].nunique(), recording.counts["cell"].nunique()
    notes = (f"{folder}: only cells with spike times are compared ({n} of {n_counted} cells).",)
    return RecordedFile(cells=tuple(_build_cells(recording)), notes=notes)


def load_ofc() -> OFCRecording:
    """The extract that comes with the package (data/recorded/README.md)."""
    with as_file(files("pfc_da.data") / "recorded" / "ofc_macaque") as folder:
        return read_tables(folder)


def read_tables(folder: Path) -> OFCRecording:
    """The three tables of a folder.

    Raises
    ------
    InputError
        If one is missing or damaged, or a spike train is of no joint trial.
    """
    tables = {name: _read_table(_locate(folder, name), columns) for name, columns in _COLUMNS.items()}
    path, texts = _locate(folder, "spikes"), tables["spikes"]["spike_times_ms"].fillna("")
    tables["spikes"]["spike_times_ms"] = [_read_times(text, path) for text in texts]
    joint = tables["trials"].query("task == 'joint'")[["session", "trial"]]
    known = pd.MultiIndex.from_frame(joint)
    for name in ("counts", "spikes"):
        own = pd.MultiIndex.from_arrays([tables[name]["cell"].str[:-2], tables[name]["trial"]])
        if len(lost := own.difference(known)):
            raise InputError(
                f"{_locate(folder, name)}: trial {lost[0][1]} of session {lost[0][0]} is no joint trial of trials.csv.gz."
            )
    return OFCRecording(**tables)


def _build_cells(recording: OFCRecording) -> list[CellSession]:
    """A session each, since cells were held on different trials."""
    trials = dict(list(recording.trials.groupby("session")))
    regressors = {session: compute_cell_regressors(table) for session, table in trials.items()}
    found = []
    for cell, table in recording.spikes.groupby("cell", sort=False):
        session = trials[str(cell)[:-2]]
        joint = np.sort(session.loc[session["task"] == "joint", "trial"].to_numpy())
        trains = dict(zip(table["trial"], table["spike_times_ms"], strict=True))
        reach = np.array(SPIKES_MS)
        spans = np.broadcast_to([-reach[0], reach[1]], (len(joint), 2)).T
        found.append(lay_around_offers(str(cell), joint, trains, spans, regressors[str(cell)[:-2]]))
    return found


def _locate(folder: Path, name: str) -> Path:
    return folder / f"{name}.csv.gz"


def _has_header(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return file.read(len(_HEADER)) == _HEADER
    except (OSError, EOFError, zlib.error):
        return False


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = read_separated(path)
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{path}: column {missing[0]!r} is missing; it needs {', '.join(columns)}.")
    numbers = [name for name in columns if name not in _TEXT]
    values = {name: read_numbers(table[name], f"{path}: column {name!r}", None) for name in numbers}
    table = table.assign(**values)
    for name in [name for name in columns if name not in ("side_a", "spike_times_ms", *_TIMES)]:
        if table[name].isna().any():
            raise InputError(
                f"{path}: column {name!r} has no entry in row {table[name].isna().idxmax() + 1}."
            )
    whole = [name for name in numbers if name not in ("side_a", *_TIMES)]
    return table.astype(dict.fromkeys(whole, int))[list(columns)]


def _read_times(text: str, path: Path) -> NDArray:
    try:
        times = np.array(text.split(), dtype=float)
    except ValueError:
        raise InputError(
            f"{path}: spike times must be numbers separated by blanks, got {text[:60]!r}."
        ) from None
    if (np.diff(times) < 0).any() or not (np.abs(times) <= SPIKES_MS[1]).all():
        raise InputError(
            f"{path}: spike times must rise from {SPIKES_MS[0]} to {SPIKES_MS[1]} ms, got {text[:60]!r}."
        )
    return times
