"""One session of an NWB file: its trials, and its units if it has some.

pynwb reads the file, old schema versions (2.0 on) included. What could do harm, or would be told badly, is looked at
before: that it is HDF5 and NWB, that nothing lies outside the file, that it has a trials table of a sane width.

Times must be seconds. Times in ms give rates, windows and timescales that are wrong by a thousand without looking so;
`_check_clock` refuses what can hardly be seconds.

Specification: Ruebel et al. 2022, eLife 11:e78362, doi 10.7554/eLife.78362.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.column_map import OURS, ColumnMap, read_numbers
from pfc_da.errors import InputError, nearest

if TYPE_CHECKING:
    import h5py

TRIALS, UNITS = "intervals/trials", "units"
MAX_COLUMNS = 1000
MAX_OBJECTS = 100_000
MAX_TRIAL_S = 600.0  # a median trial longer than that is one in ms
MIN_RATE_HZ, MAX_RATE_HZ = 0.02, 1000.0  # of the fastest unit over the session
MAX_RATIO = 50.0  # of the spans of spikes and trials
MAX_EXPANSION = 2000  # bytes read for a byte on disk; gzip of zeros reaches 1000
_MS = "Are times in ms, or samples? NWB holds s."
_EXTRA = "pip install 'pfc_da[nwb]'"


@dataclass(frozen=True, kw_only=True)
class NWBSession:
    """What one file holds.

    Attributes
    ----------
    trials : DataFrame
        A row a trial under our names (`column_map`): animal, session, trial, event (s), and choice and reward if
        the file has them.
    names : (unit,) list of str
    times : by unit
        Spike times in s, sorted.
    intervals : by unit, or None
        (interval, 2), when the unit was observed, in s; None if the file does not say.
    """

    trials: pd.DataFrame
    names: list[str]
    times: list[NDArray]
    intervals: list[NDArray] | None


def read_nwb(path: str | Path, columns: ColumnMap | None = None) -> NWBSession:
    """Read trials and units of a file.

    Raises
    ------
    InputError
        In one line, with the file and the field; the file is left as it is.
    """
    path, columns = Path(path), columns or ColumnMap()
    _look_before(path)
    try:
        from pynwb import NWBHDF5IO
    except ImportError:
        raise InputError(f"{path}: reading NWB needs pynwb. {_EXTRA} brings it.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cached namespaces, names of old schemas
            with NWBHDF5IO(str(path), "r") as file:
                return _read(file.read(), columns, path)
    except InputError:
        raise
    except Exception as error:  # pynwb and HDF5 meet a damaged file with errors of any kind
        told = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged, or not NWB 2: pynwb cannot read it ({told[:120]}).") from None


def _read(file: Any, columns: ColumnMap, path: Path) -> NWBSession:
    table = {name: _read_column(file.trials, name, path) for name in _wanted(file.trials, columns, path)}
    trials = columns.translate(
        pd.DataFrame(table), str(path), ["event"] if "event" in columns.columns else []
    )
    if trials.empty:
        raise InputError(f"{path}: {TRIALS} has no trial.")
    if "choice" in trials and "reward" not in trials:
        raise InputError(
            f"{path}: {TRIALS} has a choice and no reward; --columns FILE says which column it is."
        )
    if "event" not in trials:
        trials["event"] = read_numbers(pd.Series(table["start_time"]), f"{path}: {TRIALS}/start_time")
    if trials["event"].isna().all():
        raise InputError(f"{path}: {TRIALS}/{columns.theirs('event')[0]} holds no time.")
    subject = file.subject.subject_id if file.subject is not None else None
    trials["animal"] = trials.get("animal", pd.Series(str(subject or ""), trials.index)).fillna("")
    trials["session"] = trials.get("session", pd.Series(str(file.session_id or path.stem), trials.index))
    trials["trial"] = trials.get("trial", pd.Series(np.arange(len(trials), dtype=float), trials.index))
    bounds = [read_numbers(pd.Series(table[f"{end}_time"]), f"{path}: {TRIALS}/{end}_time") for end in _ENDS]
    _check_trials(bounds[0], bounds[1], path)
    names, times, intervals = _read_units(file.units, path) if file.units is not None else ([], [], None)
    _check_clock(times, bounds[0], bounds[1], path)
    return NWBSession(trials=trials, names=names, times=times, intervals=intervals)


_ENDS = ("start", "stop")


def _wanted(trials: Any, columns: ColumnMap, path: Path) -> list[str]:
    """Columns of the trials table to be read."""
    told = [name for ours in OURS for name in columns.theirs(ours)]
    missing = [
        name for ours in columns.columns for name in columns.theirs(ours) if name not in trials.colnames
    ]
    if missing:
        hint = nearest(missing[0], trials.colnames)
        raise InputError(f"{path}: {TRIALS} has no column {missing[0]!r}.{hint}")
    return [name for name in trials.colnames if name in (*told, "start_time", "stop_time")]


def _read_column(table: Any, name: str, path: Path) -> NDArray:
    column = table[name]
    values = np.asarray(column.data[:])
    if values.ndim != 1 or type(column).__name__ != "VectorData" or len(values) != len(table.id):
        raise InputError(f"{path}: {TRIALS}/{name} must hold one value a trial, got shape {values.shape}.")
    return values


def _read_units(units: Any, path: Path) -> tuple[list[str], list[NDArray], list[NDArray] | None]:
    if "spike_times" not in units.colnames:
        raise InputError(f"{path}: {UNITS} has no spike_times.")
    names = [str(name) for name in units.id.data[:]]
    times = [
        _check_times(train, f"{path}: {UNITS}/spike_times of unit {name}")
        for name, train in zip(names, _split(units, "spike_times", path), strict=True)
    ]
    if not any(len(train) for train in times):
        raise InputError(f"{path}: {UNITS}/spike_times holds no spike.")
    if "obs_intervals" not in units.colnames:
        return names, times, None
    intervals = [
        _check_intervals(part, f"{path}: {UNITS}/obs_intervals of unit {name}")
        for name, part in zip(names, _split(units, "obs_intervals", path), strict=True)
    ]
    for name, train, part in zip(names, times, intervals, strict=True):
        outside = (train < part.min(initial=np.inf) - 1) | (train > part.max(initial=-np.inf) + 1)
        if outside.sum() > 0.01 * len(train):
            raise InputError(f"{path}: {UNITS}/obs_intervals of unit {name} leave out its spikes. {_MS}")
    return names, times, intervals


def _split(units: Any, name: str, path: Path) -> list[NDArray]:
    """A ragged column, one array a unit."""
    index = units[name]
    if type(index).__name__ != "VectorIndex":
        raise InputError(f"{path}: {UNITS}/{name} must be a ragged column with {name}_index.")
    ends = np.asarray(index.data[:]).astype(np.int64)
    values = np.asarray(index.target.data[:])
    if (
        len(ends) != len(units.id)
        or (np.diff(ends, prepend=0) < 0).any()
        or (len(ends) and ends[-1] != len(values))
    ):
        raise InputError(f"{path}: {UNITS}/{name}_index does not fit the {len(values)} entries of {name}.")
    if values.dtype.kind not in "fiu":
        raise InputError(f"{path}: {UNITS}/{name} must hold numbers, got {values.dtype}.")
    return np.split(values.astype(float), ends[:-1]) if len(ends) else []


def _check_times(times: NDArray, name: str) -> NDArray:
    if not np.isfinite(times).all():
        raise InputError(
            f"{name}: entry {int(np.argmin(np.isfinite(times)))} is {times[~np.isfinite(times)][0]}."
        )
    if times.size and times.min() < 0:
        raise InputError(f"{name}: times must not be negative, got {times.min():g} s.")
    if (np.diff(times) < 0).any():
        raise InputError(
            f"{name}: times must be sorted; entry {int(np.argmax(np.diff(times) < 0)) + 1} is earlier."
        )
    return times


def _check_intervals(intervals: NDArray, name: str) -> NDArray:
    if intervals.ndim != 2 or intervals.shape[1] != 2:
        raise InputError(f"{name}: must be pairs of begin and end, got shape {intervals.shape}.")
    flat = intervals.ravel()
    if not np.isfinite(flat).all() or (np.diff(flat) < 0).any():
        raise InputError(f"{name}: begins and ends must be numbers in ascending order.")
    return intervals


def _check_trials(start: pd.Series, stop: pd.Series, path: Path) -> None:
    for name, times in zip(_ENDS, (start, stop), strict=True):
        if times.isna().any():
            row = int(np.flatnonzero(times.isna())[0]) + 1
            raise InputError(
                f"{path}: {TRIALS}/{name}_time must hold a time in every row; row {row} has none."
            )
    if (stop < start).any():
        row = int(np.flatnonzero(stop < start)[0]) + 1
        raise InputError(f"{path}: {TRIALS}: trial {row} stops at {stop[row - 1]:g} s, before its start.")


def _check_clock(times: list[NDArray], start: pd.Series, stop: pd.Series, path: Path) -> None:
    """Refuse times that can hardly be seconds on one clock."""
    duration, span = float((stop - start).median()), float(stop.max() - start.min())
    if duration > MAX_TRIAL_S:
        raise InputError(f"{path}: {TRIALS}: trials last {duration:g} s (median). {_MS}")
    if not times:
        return
    every = np.concatenate(times)
    first, last = float(every.min()), float(every.max())
    told = f"{path}: {UNITS}/spike_times span {last - first:g} s, trials {span:g} s."
    if last - first > MAX_RATIO * span or (every.size > 100 and span > MAX_RATIO * (last - first)):
        raise InputError(f"{told} {_MS}")
    if last < start.min() or first > stop.max():
        raise InputError(
            f"{path}: {UNITS}/spike_times ({first:g} to {last:g} s) and trials ({start.min():g} to {stop.max():g} s) "
            "do not overlap; are they on two clocks?"
        )
    fastest = max(map(len, times)) / max(last - first, span)
    if not MIN_RATE_HZ < fastest < MAX_RATE_HZ:
        raise InputError(f"{told} The fastest unit fires at {fastest:.2g} Hz. {_MS}")


def _look_before(path: Path) -> None:
    """Refuse what is not HDF5, not NWB, reaches outside the file or has no trials; nothing is unpickled."""
    import h5py

    try:
        if not h5py.is_hdf5(path):
            with path.open("rb") as file:
                start = file.read(2)
            pickled = " It begins like a pickle, which is never opened." if start[:1] == b"\x80" else ""
            raise InputError(f"{path}: not an NWB file: it is no HDF5.{pickled}")
        with h5py.File(path, "r") as file:
            _check_layout(file, path)
    except InputError:
        raise
    except Exception as error:  # HDF5 meets a damaged file with errors of any kind
        told = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or cut short: HDF5 cannot read it ({told[:120]}).") from None


def _check_layout(file: "h5py.File", path: Path) -> None:
    if "nwb_version" not in file.attrs:
        old = "NWB 1, which pynwb does not read; convert it" if "nwb_version" in file else "HDF5, but not NWB"
        raise InputError(f"{path}: {old}: the attribute nwb_version is missing.")
    if TRIALS not in file:
        raise InputError(f"{path}: no trials table ({TRIALS}); trials are what a comparison is made of.")
    for name in (TRIALS, UNITS):
        if name in file and len(file[name]) > MAX_COLUMNS:
            raise InputError(f"{path}: {name} has {len(file[name])} columns; at most {MAX_COLUMNS} are read.")
    budget = MAX_EXPANSION * path.stat().st_size + 1_000_000
    for n, (name, outside, size) in enumerate(_walk(file)):
        if outside:
            raise InputError(
                f"{path}: {name} links to {outside[:100]!r} outside the file; write it into one file."
            )
        if size > budget:
            raise InputError(
                f"{path}: {name} claims {size} bytes, far more than the file can hold; it is damaged."
            )
        if n > MAX_OBJECTS:
            raise InputError(f"{path}: more than {MAX_OBJECTS} tables and groups; is it one session?")


def _walk(file: "h5py.File") -> Iterator[tuple[str, str, int]]:
    """Everything in the file once: name, the file it lies in if another, bytes it claims."""
    import h5py

    waiting, seen = [file["/"]], set()
    while waiting:
        group = waiting.pop()
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}".lstrip("/")
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield name, link.filename, 0
            elif isinstance(link, h5py.HardLink):
                member = group[key]
                if isinstance(member, h5py.Dataset):
                    yield (
                        name,
                        member.external[0][0] if member.external else "",
                        member.size * member.dtype.itemsize,
                    )
                elif isinstance(member, h5py.Group) and member.id not in seen:
                    seen.add(member.id)
                    waiting.append(member)
