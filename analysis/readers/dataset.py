"""Other people's recordings: what a file is, is told by its content; several files are read as one data set.

A table of choices (`choice_table`), an NWB file (`read_nwb`), a folder in the layout of the juice-choice cells (`ofc`),
or a folder of tables and NWB files. Nothing is ever unpickled. Whose sessions they are: `session_labels`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.cells.sessions import CellSession, cut_around, find_regressors, measure_observation
from pfc_da.analysis.readers.choice_table import ChoiceSessions, read_table, stack_choices
from pfc_da.analysis.readers.column_map import ColumnMap, NoRows
from pfc_da.analysis.readers.juice_choice import is_ofc_folder, read_ofc_cells
from pfc_da.analysis.readers.nwb import NWBSession, read_nwb
from pfc_da.analysis.readers.nwb_store import is_zarr
from pfc_da.analysis.readers.nwb_units import ALWAYS
from pfc_da.analysis.readers.session_labels import (
    name_animals,
    note_animals,
    refuse_copies,
    separate_sessions,
)
from pfc_da.errors import InputError
from pfc_da.files import require_file, require_name

IN_FOLDERS = (".nwb", ".nwb.zarr", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
HDF5 = b"\x89HDF"
MATLAB = b"MATLAB"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was read, and from where.

    Attributes
    ----------
    choices : ChoiceSessions or None
        Of all sessions; None where no file tells any.
    cells : tuple of CellSession
        Of the sessions with cells.
    notes : tuple of str
        What of the files is not used or was taken for granted, a line each.
    """

    choices: ChoiceSessions | None
    cells: tuple[CellSession, ...]
    source: str
    notes: tuple[str, ...] = ()


def read_recorded(paths: Sequence[str | Path], columns: ColumnMap | None = None) -> Recorded:
    """Read files, or all files of folders, as one data set.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind: in one line, with the file and the field.
    """
    columns = columns or ColumnMap()
    source = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    files = [file for path in paths for file in _files(Path(path))]
    if twice := [file for file, n in Counter(files).items() if n > 1]:
        raise InputError(f"{twice[0]} is named twice.")
    refuse_copies([file for file in files if file.is_file()])
    tables: dict[Path, pd.DataFrame] = {}
    with_units: dict[Path, NWBSession] = {}
    cells: list[CellSession] = []
    notes: list[str] = []
    without: list[NoRows] = []
    for file in files:
        try:
            if is_ofc_folder(file):
                cells += read_ofc_cells(file)
            elif _is_nwb(file):
                session = read_nwb(file, columns)
                tables[file], notes = session.trials, [*notes, *session.notes]
                with_units |= {file: session} if session.times else {}
            else:
                tables[file] = _with_session(read_table(file, columns), file)
        except NoRows as error:
            without.append(error)
    if without and not tables and not cells:
        raise without[0]
    notes += [f"{error} Nothing of that file is used." for error in without]
    tables = name_animals(tables, columns)
    tables, more = separate_sessions(tables)
    notes += more
    with_choices = [table for table in tables.values() if "choice" in table]
    choices = _stack(with_choices, source, columns)
    for file, session in with_units.items():
        parts, more = _cut(file, session, tables[file], choices)
        cells, notes = [*cells, *parts], [*notes, *more]
    if choices is None and not cells:
        raise InputError(
            f"{source}: neither choices nor cells; --columns FILE says which column is the choice."
        )
    notes += [*note_animals(tables), *_note_missing(with_choices)]
    return Recorded(choices=choices, cells=tuple(cells), source=source, notes=tuple(notes))


def _files(path: Path) -> list[Path]:
    """Files to be read one by one; a folder of cells, or of zarr, is read as a whole."""
    if not path.exists():
        raise InputError(f"no file or folder {path}.")
    if not path.is_dir():
        require_file(path)
        return [path]
    require_name(path)
    if is_ofc_folder(path) or is_zarr(path):
        return [path]
    found = sorted(_search(path))
    if not found:
        raise InputError(
            f"{path}: no file in it is called *{', *'.join(IN_FOLDERS)}, and it has no celldata/ and is no zarr."
        )
    for file in found:
        if not file.is_dir():  # as zarr is
            require_file(file)
    return found


def _search(folder: Path) -> Iterator[Path]:
    """Files below a folder that are called as ours; hidden ones, such as copies that an editor keeps, are left out."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not is_zarr(path):
            if not path.is_symlink():
                yield from _search(path)
        elif path.name.lower().endswith(IN_FOLDERS):
            yield path


def _is_nwb(file: Path) -> bool:
    """Whether it is NWB or is said to be; a file that would have to be unpickled is neither that nor a table."""
    if file.is_dir():
        return True
    with file.open("rb") as opened:
        start = opened.read(8)
    if file.suffix.lower() == ".nwb" or start.startswith(HDF5):
        return True
    if start.startswith(MATLAB):
        raise InputError(f"{file}: a MATLAB file; give the folder that holds celldata/, or a table as CSV.")
    return False


def _with_session(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Name the session of a file that names none after the file."""
    return table if "session" in table else table.assign(session=file.name.split(".")[0])


def _stack(tables: list[pd.DataFrame], source: str, columns: ColumnMap) -> ChoiceSessions | None:
    if not tables:
        return None
    return stack_choices(pd.concat(tables, ignore_index=True), name=source, options=columns.options)


def _note_missing(tables: list[pd.DataFrame]) -> list[str]:
    """How many rows have no choice, if some have none."""
    choice = pd.concat([table["choice"] for table in tables]) if tables else pd.Series(dtype=float)
    if not choice.isna().any():
        return []
    return [
        f"{choice.isna().sum()} of {len(choice)} rows have no choice and count as trials without one; "
        "`rows: {COLUMN: ENTRY}` in --columns FILE says which rows are trials."
    ]


def _cut(
    file: Path, session: NWBSession, trials: pd.DataFrame, choices: ChoiceSessions | None
) -> tuple[list[CellSession], list[str]]:
    """The cells of each animal of a file, or a note that says why not.

    Cells stay the same through all sessions of a file, the runs of a day; an animal's cells are its own.
    """
    animals = trials["animal"].unique()
    if len(animals) == 1:
        return [_cut_animal(session, np.arange(len(session.times)), trials, choices)], []
    owners = np.array(session.owners or [])
    if not set(owners) or not set(owners) <= set(animals):
        told = ", ".join(str(animal)[:40] for animal in animals[:5])
        return [], [
            f"{file}: its trials are of {len(animals)} animals ({told}), and its units have no column that says whose "
            "they are (of the same name as that of the trials); its choices are compared, its cells are not."
        ]
    return [
        _cut_animal(session, np.flatnonzero(owners == animal), trials[trials["animal"] == animal], choices)
        for animal in animals
        if (owners == animal).any()
    ], []


def _cut_animal(
    session: NWBSession, units: NDArray, trials: pd.DataFrame, choices: ChoiceSessions | None
) -> CellSession:
    """Spikes around the event of each trial, and what happened on it as far as it is known."""
    row = trials["session"].factorize()[0]
    trials = trials.assign(_row=row).sort_values(["_row", "trial"], kind="stable")
    event, names = trials["event"].to_numpy(), trials["session"].unique()
    intervals = session.intervals or [ALWAYS] * len(
        session.names
    )  # a file that does not say was recorded throughout
    seen = [measure_observation(intervals[unit], event) for unit in units]
    animal = str(trials["animal"].iloc[0])
    known: list[dict[str, NDArray]] = []
    if choices is not None and choices.n_options == 2 and "choice" in trials:
        for name in names:
            at = int(np.flatnonzero((choices.animal == animal) & (choices.session == name))[0])
            n = int((trials["session"] == name).sum())
            known.append(dict(find_regressors(choices.choice[at, :n], choices.reward[at, :n])))
    return CellSession(
        animal=animal,
        session=str(names[0]),
        names=tuple(session.names[unit] for unit in units),
        trains=tuple(cut_around(session.times[unit], event) for unit in units),
        seen_before=np.stack([before for before, _ in seen], axis=1),
        seen_after=np.stack([after for _, after in seen], axis=1),
        regressors={
            key: np.concatenate([part[key] for part in known]) for key in (known[0] if known else ())
        },
    )
