"""Read one session of an NWB file: its trials, and its units if there are any.

Of the file only the table of trials, spike times, observed intervals and the names of subject and session are read
(`nwb_store`), so that other parts of it do no harm; schemas from 2.0 on have these in the same places.

Times must be seconds. Times in ms would give rates, windows and timescales that are wrong by a factor of a thousand and
look plausible; `_check_clock` refuses times that are very unlikely to be seconds.

Specification: Ruebel et al. 2022, eLife 11:e78362, doi 10.7554/eLife.78362.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.readers.choice_table import check_table
from pfc_da.analysis.readers.column_map import OURS, TEXT, ColumnMap
from pfc_da.analysis.readers.entries import list_some, read_numbers
from pfc_da.analysis.readers.formats import RecordedFile, begins_with
from pfc_da.analysis.readers.nwb_store import Store, is_zarr, open_store
from pfc_da.analysis.readers.nwb_units import MS, UNITS, has_spikes, read_owners, read_units
from pfc_da.analysis.readers.propose_columns import NEEDED, may_be_labels
from pfc_da.errors import InputError, nearest

RANK = 1  # after formats that are HDF5 or zarr too
ENDINGS = (".nwb", ".nwb.zarr")
HDF5 = b"\x89HDF"
INTERVALS, TRIALS = "intervals", "trials"
MAX_COLUMNS = 1000
MAX_TRIAL_S = 600.0  # a median trial longer than that is one in ms
MIN_RATE_HZ, MAX_RATE_HZ = 0.02, 1000.0  # of the fastest unit over the session
MAX_RATIO = 50.0  # of the spans of spikes and trials
_ENDS = ("start_time", "stop_time")
_ELSEWHERE = (
    "processing",
    "acquisition",
    "analysis",
    "stimulus",
    "scratch",
)  # tables of intervals, two levels down


def accepts(path: Path) -> bool:
    """Whether it is called NWB, is HDF5 by its first bytes, or is a folder that zarr wrote."""
    is_named = path.suffix.lower() == ".nwb" and path.is_file()
    return is_named or is_zarr(path) or begins_with(path, HDF5)


def read(path: Path, columns: ColumnMap | None = None) -> RecordedFile:
    """Read trials and units of a file.

    Parameters
    ----------
    path : Path
        An HDF5 file, or a folder that zarr wrote.
    columns : ColumnMap, optional
        How its column names map to ours; the same names if not given.

    Returns
    -------
    RecordedFile

    Raises
    ------
    InputError
        In one line, with the file and the field; the file is left as it is.
    """
    with open_store(path) as store:
        return _read(store, columns or ColumnMap())


def _read(store: Store, columns: ColumnMap) -> RecordedFile:
    path, table = store.path, _find_table(store, columns)
    names = _list_columns(store, table)
    everything = pd.DataFrame(
        {name: _read_column(store, table, name) for name in _wanted(names, columns, store, table)}
    )
    if everything.empty:
        raise InputError(f"{path}: {table} has no trial.{_name_others(store, table)}")
    trials = _read_trials(store, table, columns.select(everything, f"{path}: {table}"), columns)
    notes = []
    if not set(NEEDED) <= set(trials):
        lacking = f"{path}: {table}: {_explain_missing(store, table, names, columns)}"
        if "choice" in trials or not has_spikes(store):
            raise InputError(lacking)
        notes.append(f"{lacking} Its cells are compared, its choices are not.")
    elif UNITS in store.list_members("") and not has_spikes(store):
        notes.append(
            f"{path}: {UNITS}/spike_times holds no spike; its choices are compared, its cells are not."
        )
    if not has_spikes(store):
        return RecordedFile(trials=trials, notes=tuple(notes))
    units, times, intervals = read_units(store)
    _check_clock(times, everything, f"{path}: {table}", path)
    return RecordedFile(
        trials=trials,
        names=units,
        times=times,
        intervals=intervals,
        owners=read_owners(store, columns, len(units)),
        notes=tuple(notes),
    )


def _read_trials(store: Store, table: str, rows: pd.DataFrame, columns: ColumnMap) -> pd.DataFrame:
    """Trials under our names, with what the file says of animal and session."""
    label = f"{store.path}: {table}"
    trials = columns.translate(rows, str(store.path))
    columns.check_labels(rows, label)
    if "event" not in trials:
        trials["event"] = _read_times(rows, "start_time", label)
    if trials["event"].isna().all():
        raise InputError(f"{label}/{columns.theirs('event')[0]} holds no time.")
    subject = _read_text(store, "general/subject/subject_id")
    session = _read_text(store, "general/session_id") or store.path.name.split(".")[0]
    trials["animal"] = trials.get("animal", pd.Series(subject, trials.index)).fillna("")
    trials["session"] = trials.get("session", pd.Series(session, trials.index))
    trials["trial"] = trials.get("trial", pd.Series(np.arange(len(trials), dtype=float), trials.index))
    check_table(trials, label)
    _check_ends(rows, label)
    return trials.reset_index(drop=True)


def _find_table(store: Store, columns: ColumnMap) -> str:
    """Where the table of trials lies."""
    name = columns.trials_table or TRIALS
    place = name.strip("/") if "/" in name else f"{INTERVALS}/{name}"
    if "start_time" in store.list_members(place):
        if len(store.list_members(place)) > MAX_COLUMNS:
            raise InputError(
                f"{store.path}: {place} has {len(store.list_members(place))} columns; at most {MAX_COLUMNS} are read."
            )
        return place
    tables = _list_tables(store)
    if not tables:
        raise InputError(
            f"{store.path}: no trials table ({place}), nor another table of intervals; trials are what a comparison is "
            "made of."
        )
    best = max(tables, key=lambda table: sum("choice" in name or "resp" in name for name in tables[table]))
    stated = "; ".join(f"{_shorten(table)} ({list_some(names)})" for table, names in list(tables.items())[:5])
    raise InputError(
        f"{store.path}: no trials table ({place}).{nearest(name, map(_shorten, tables))} Tables of intervals are {stated}. "
        f"`trials_table: {_shorten(best)}` in --columns FILE says which one holds the trials."
    )


def _list_tables(store: Store) -> dict[str, list[str]]:
    """Columns of every table of intervals."""
    groups = [f"{INTERVALS}/{name}" for name in store.list_members(INTERVALS)]
    for folder in _ELSEWHERE:
        groups += [f"{folder}/{name}" for name in store.list_members(folder)]
    groups += [f"{group}/{name}" for group in groups[:MAX_COLUMNS] for name in store.list_members(group)]
    found = {}
    for group in groups[:MAX_COLUMNS]:
        try:
            if "start_time" in store.list_members(group):
                found[group] = _list_columns(store, group)
        except InputError:  # it lies outside the file: not one to name
            continue
    return found


def _shorten(table: str) -> str:
    return table.removeprefix(f"{INTERVALS}/")


def _list_columns(store: Store, table: str) -> list[str]:
    """Columns that are there, in the order that the table tells."""
    there = [
        name
        for name in store.list_members(table)
        if name != "id" and not name.endswith(("_index", "_elements"))
    ]
    stated = store.get_attribute(table, "colnames")
    order = [str(name) for name in np.atleast_1d([] if stated is None else stated)]
    return sorted(there, key=lambda name: order.index(name) if name in order else len(order))


def _wanted(names: list[str], columns: ColumnMap, store: Store, table: str) -> list[str]:
    """Columns of the table of trials to be read."""
    stated = [name for ours in columns.columns for name in columns.theirs(ours)]
    missing = [name for name in (*stated, *columns.rows) if name not in names]
    if missing:
        raise InputError(
            f"{store.path}: {table} has no column {missing[0]!r}.{nearest(missing[0], names)} There are: "
            f"{list_some(names)}."
        )
    ours = [name for one in OURS for name in columns.find(names, one)]
    labels = [name for name in names if any(may_be_labels(name, one) for one in TEXT)]
    plain_labels = [name for name in labels if len(store.get_shape(f"{table}/{name}") or ()) == 1]
    return [name for name in names if name in (*ours, *columns.rows, *_ENDS, *plain_labels)]


def _read_column(store: Store, table: str, name: str) -> NDArray:
    """One value a trial; of numbers that stand for words, the words."""
    n = (store.get_shape(f"{table}/start_time") or (0,))[0]
    shape = store.get_shape(f"{table}/{name}")
    if shape not in ((n,), (n, 1), (1, n)) or f"{name}_index" in store.list_members(table):
        raise InputError(f"{store.path}: {table}/{name} must hold one value a trial, got shape {shape}.")
    values = store.read(f"{table}/{name}").ravel()
    if f"{name}_elements" not in store.list_members(table) or values.dtype.kind not in "iu":
        return values
    words = store.read(f"{table}/{name}_elements").ravel()
    if (values >= len(words)).any() or (values < 0).any():
        raise InputError(
            f"{store.path}: {table}/{name} points beyond the {len(words)} words of {name}_elements."
        )
    return words[values]


def _explain_missing(store: Store, table: str, names: list[str], columns: ColumnMap) -> str:
    """What of choice and reward is not known, and how to mend it."""
    readable = {}
    for name in names:
        try:
            readable[name] = _read_column(store, table, name)
        except InputError:
            continue
    return columns.explain_missing(pd.DataFrame(readable)) + _name_others(store, table)


def _name_others(store: Store, table: str) -> str:
    others = [_shorten(other) for other in _list_tables(store) if other != table]
    stated = (
        f" Other tables are {list_some(others)}: `trials_table: NAME` in --columns FILE takes one of them."
    )
    return stated if others else ""


def _read_text(store: Store, name: str) -> str:
    """A text of its own, "" where there is none or it may not be read: the path of the file may say it too."""
    try:
        if store.get_shape(name) is None:
            return ""
        values = store.read(name).ravel()
    except InputError:
        return ""
    return " ".join(str(values[0]).split()) if values.size == 1 else ""


def _read_times(rows: pd.DataFrame, name: str, label: str) -> pd.Series:
    return read_numbers(rows[name], f"{label}/{name}")


def _check_ends(rows: pd.DataFrame, label: str) -> None:
    start = _read_times(rows, "start_time", label)
    if start.isna().any():
        raise InputError(
            f"{label}/start_time must hold a time in every row; row {start.isna().idxmax() + 1} has none."
        )
    stop = _read_times(rows, "stop_time", label) if "stop_time" in rows else start
    if (stop < start).any():
        row = (stop < start).idxmax()
        raise InputError(f"{label}: trial {row + 1} stops at {stop[row]:g} s, before its start.")
    if float((stop - start).median()) > MAX_TRIAL_S:
        raise InputError(f"{label}: trials last {float((stop - start).median()):g} s (median). {MS}")


def _check_clock(times: tuple[NDArray, ...], rows: pd.DataFrame, label: str, path: Path) -> None:
    """Refuse times that can hardly be seconds on one clock."""
    ends = [_read_times(rows, name, label) for name in _ENDS if name in rows]
    begin, end = float(ends[0].min()), float(max(times.max() for times in ends))
    span, every = end - begin, np.concatenate(times)
    first, last = float(every.min()), float(every.max())
    stated = f"{path}: {UNITS}/spike_times span {last - first:g} s, trials {span:g} s."
    if last - first > MAX_RATIO * span or (every.size > 100 and span > MAX_RATIO * (last - first)):
        raise InputError(f"{stated} {MS}")
    if last < begin or first > end:
        raise InputError(
            f"{path}: {UNITS}/spike_times ({first:g} to {last:g} s) and trials ({begin:g} to {end:g} s) "
            "do not overlap; are they on two clocks?"
        )
    fastest = max(map(len, times)) / max(last - first, span)
    if not MIN_RATE_HZ < fastest < MAX_RATE_HZ:
        raise InputError(f"{stated} The fastest unit fires at {fastest:.2g} Hz. {MS}")
