"""File formats of recorded data: one module of this folder for each, found by discovery.

A reader is a module with two functions:

``accepts(path) -> bool``
    Whether `path`, a file or a folder, is of this format. It looks at the name and at the first bytes of a regular file,
    and opens nothing else: a pipe would wait for ever.
``read(path, columns) -> RecordedFile``
    What the file holds, under the names of `column_map`. Raises `InputError` with the file and the field.

It may also have ``ENDINGS``, how names of its files end when a folder is searched (a folder that a reader without
endings accepts is always read as a whole), and ``RANK``. Readers are asked in the order of rank, then of name, and the
first that accepts a file reads it. Rank 0, the default, is for formats that are recognised with certainty; `nwb` has
rank 1, since it takes every HDF5 file, to say why one is not NWB; `choice_table` has rank 2 and takes every other file.

To add a format, add one module to this folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis import readers
from pfc_da.analysis.cells.sessions import CellSession
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.discovery import list_modules, load_module
from pfc_da.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RecordedFile:
    """What one file, or one folder that is read as a whole, holds.

    Attributes
    ----------
    trials : DataFrame or None
        A row a trial under our names (`column_map`): session, trial, where known animal, choice and reward, and with
        units event (s). None if there are cells only.
    names : (unit,) tuple of str
        Units whose spikes are still to be cut around the events of `trials`.
    times : (unit,) tuple of arrays
        Spike times in s, sorted.
    intervals : (unit,) tuple of (interval, 2) arrays, or None
        When the unit was observed, in s; None if the file does not say: throughout.
    owners : (unit,) tuple of str, or None
        The animal of each unit, if the file says so.
    cells : tuple of CellSession
        Cells whose spikes are cut around events already.
    notes : tuple of str
        What of the file is not used, and why.
    """

    trials: pd.DataFrame | None = None
    names: tuple[str, ...] = ()
    times: tuple[NDArray, ...] = ()
    intervals: tuple[NDArray, ...] | None = None
    owners: tuple[str, ...] | None = None
    cells: tuple[CellSession, ...] = ()
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """A module that reads one format."""

    def accepts(self, path: Path) -> bool:
        """Whether a file or folder is of this format."""
        ...

    def read(self, path: Path, columns: ColumnMap) -> RecordedFile:
        """Read a file or folder that it accepts.

        Parameters
        ----------
        path : Path
        columns : ColumnMap
            How external column names map to ours.

        Returns
        -------
        RecordedFile
        """
        ...


def find_readers() -> tuple[Reader, ...]:
    """All readers of this folder, in the order in which they are asked.

    Examples
    --------
    >>> [reader.__name__.rpartition(".")[2] for reader in find_readers()]
    ['juice_choice', 'juice_tables', 'nwb', 'choice_table']
    """
    modules = [load_module(readers, name, "reader") for name in list_modules(readers)]
    found = [module for module in modules if hasattr(module, "accepts") and hasattr(module, "read")]
    return tuple(
        cast(Reader, module) for module in sorted(found, key=lambda module: getattr(module, "RANK", 0))
    )


def find_reader(path: Path) -> Reader | None:
    """The first reader that accepts a file or folder; None if there is none."""
    return next((reader for reader in find_readers() if reader.accepts(path)), None)


def get_endings(reader: Reader) -> tuple[str, ...]:
    """How names of the files of a reader end, in lower case."""
    return tuple(getattr(reader, "ENDINGS", ()))


def read_file(path: Path, columns: ColumnMap) -> RecordedFile:
    """Read a file, or a folder that is read as a whole, by the first reader that accepts it.

    Parameters
    ----------
    path : Path
    columns : ColumnMap
        How external column names map to ours.

    Returns
    -------
    RecordedFile

    Raises
    ------
    InputError
        If no reader accepts it, or it is damaged.
    """
    reader = find_reader(path)
    if reader is None:
        raise InputError(f"{path}: no reader of pfc_da.analysis.readers accepts it.")
    return reader.read(path, columns)


def begins_with(path: Path, start: bytes) -> bool:
    """Whether a path is a regular file that begins with these bytes; nothing else is opened.

    Parameters
    ----------
    path : Path
    start : bytes
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(start)) == start
