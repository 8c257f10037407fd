"""Read the units of an NWB file: spike times, when each was observed, and from which animal."""

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.entries import plain
from pfc_da.analysis.readers.nwb_store import Store
from pfc_da.errors import InputError, plural

UNITS = "units"
ALWAYS = np.array([[0.0, np.inf]])  # observed throughout
MS = "Are times in ms, or samples? NWB holds s."


def has_spikes(store: Store) -> bool:
    """Whether there is any spike in the file."""
    return (store.get_shape(f"{UNITS}/spike_times") or (0,))[0] > 0


def read_units(store: Store) -> tuple[tuple[str, ...], tuple[NDArray, ...], tuple[NDArray, ...] | None]:
    """Names of the units, their spike times and when each was observed; None if the file does not say.

    Raises
    ------
    InputError
        In one line, if times are not sorted, not finite, negative or outside what was observed.
    """
    path, there = store.path, store.list_members(UNITS)
    trains = _split(store, "spike_times")
    named = "id" in there and store.get_shape(f"{UNITS}/id") == (len(trains),)
    names = tuple(str(name) for name in (store.read(f"{UNITS}/id") if named else range(len(trains))))
    times = tuple(
        _check_times(train, f"{path}: {UNITS}/spike_times of unit {name}")
        for name, train in zip(names, trains, strict=True)
    )
    if "obs_intervals" not in there:
        return names, times, None
    parts = _split(store, "obs_intervals")
    if len(parts) != len(names):
        raise InputError(
            f"{path}: {UNITS}/obs_intervals_index does not fit the {plural(len(names), 'unit')}."
        )
    intervals = tuple(
        _check_intervals(part, f"{path}: {UNITS}/obs_intervals of unit {name}") if len(part) else ALWAYS
        for name, part in zip(names, parts, strict=True)
    )
    for name, train, part in zip(names, times, intervals, strict=True):
        outside = (train < part.min() - 1) | (train > part.max() + 1)
        if outside.sum() > 0.01 * len(train):
            raise InputError(f"{path}: {UNITS}/obs_intervals of unit {name} leave out its spikes. {MS}")
    return names, times, intervals


def read_owners(store: Store, columns: ColumnMap, n_units: int) -> tuple[str, ...] | None:
    """The animal of each unit, from the column of the units that has the name of the animal column.

    Parameters
    ----------
    store : Store
    columns : ColumnMap
    n_units : int

    Returns
    -------
    (unit,) tuple of str, or None
        None if there is no such column.
    """
    name = f"{UNITS}/{columns.theirs('animal')[0]}"
    if store.get_shape(name) != (n_units,):
        return None
    owners = store.read(name)
    return tuple(str(owner).strip() if isinstance(owner, str) else plain(owner) for owner in owners)


def _split(store: Store, name: str) -> list[NDArray]:
    """A ragged column, one array a unit."""
    path = store.path
    if store.get_shape(f"{UNITS}/{name}_index") is None:
        raise InputError(f"{path}: {UNITS}/{name} must be a ragged column with {name}_index.")
    index, values = store.read(f"{UNITS}/{name}_index").ravel(), store.read(f"{UNITS}/{name}")
    if values.dtype.kind not in "fiu" or index.dtype.kind not in "fiu":
        raise InputError(f"{path}: {UNITS}/{name} must hold numbers, got {values.dtype}, {index.dtype}.")
    ends = index.astype(np.int64)
    n_units = (store.get_shape(f"{UNITS}/id") or ends.shape)[0]
    if (
        len(ends) != n_units
        or (np.diff(ends, prepend=0) < 0).any()
        or (len(ends) and ends[-1] != len(values))
    ):
        raise InputError(f"{path}: {UNITS}/{name}_index does not fit the {len(values)} entries of {name}.")
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
