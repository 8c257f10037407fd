"""Read recorded files as data sets of choices and cells.

Files that are given together are one data set, but a file, or a folder that is read as a whole, with a column map of its own
beside it (``NAME.columns.yaml`` beside ``NAME.csv.gz``) is a data set by itself: other animals, another task.

The format of a file is detected from its content, by the readers of this folder (`formats`). Files are read one by one;
then animals and sessions are named (`session_labels`), sessions are put side by side, and spikes are cut around the
events of their trials. Nothing is ever unpickled.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.cells.sessions import CellSession, cut_around, find_regressors, measure_observation
from pfc_da.analysis.readers.choice_table import ChoiceSessions, stack_choices
from pfc_da.analysis.readers.column_map import ColumnMap, NoRows, read_column_map
from pfc_da.analysis.readers.formats import (
    RecordedFile,
    find_reader,
    find_readers,
    get_endings,
    read_file,
)
from pfc_da.analysis.readers.nwb_units import ALWAYS
from pfc_da.analysis.readers.path_labels import SUFFIX
from pfc_da.analysis.readers.session_labels import (
    name_animals,
    note_animals,
    refuse_copies,
    separate_sessions,
)
from pfc_da.errors import InputError
from pfc_da.storage.files import require_file, require_name


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was read, and from where.

    Attributes
    ----------
    choices : ChoiceSessions or None
        Of all sessions; None if no file holds choices.
    cells : tuple of CellSession
        Of the sessions with cells.
    source : str
        The paths that were read.
    columns : ColumnMap
        What they were read with.
    notes : tuple of str
        What of the files is not used or was assumed, a line each.
    """

    choices: ChoiceSessions | None
    cells: tuple[CellSession, ...]
    source: str
    columns: ColumnMap = ColumnMap()
    notes: tuple[str, ...] = ()


def read_datasets(paths: Sequence[str | Path], columns: ColumnMap | None = None) -> list[Recorded]:
    """Read files, or all files of folders, as the data sets that they are (module docstring).

    Parameters
    ----------
    paths : sequence of paths
        As for `read_recorded`.
    columns : ColumnMap, optional
        How external column names map to ours in every data set; if not given, the map beside a file, else the same names.

    Returns
    -------
    list of Recorded
        Files with a map of their own first, then all others as one.

    Raises
    ------
    InputError
        As for `read_recorded`.
    """
    found = {file: _find_map(file) for file in _list_files(paths)}
    maps = {file: path for file, path in found.items() if path is not None}
    others = [file for file in found if file not in maps] if maps else paths
    own = [read_recorded([file], columns or read_column_map(path)) for file, path in maps.items()]
    return [*own, read_recorded(others, columns)] if others else own


def read_recorded(paths: Sequence[str | Path], columns: ColumnMap | None = None) -> Recorded:
    """Read files, or all files of folders, as one data set.

    Parameters
    ----------
    paths : sequence of paths
        Files, or folders of files in any format that a reader of this folder accepts (`formats`).
    columns : ColumnMap, optional
        How external column names map to ours; the same names if not given.

    Returns
    -------
    Recorded

    Raises
    ------
    InputError
        If a file is missing, damaged or in an unknown format: in one line, with the file and the field.
    """
    columns = columns or ColumnMap()
    source = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    parts, empty = _read_files(_list_files(paths), columns)
    notes = [*(note for part in parts.values() for note in part.notes), *empty]
    named = {file: part.trials for file, part in parts.items() if part.trials is not None}
    tables, more = separate_sessions(name_animals(named, columns))
    notes += more
    with_choices = [table for table in tables.values() if "choice" in table]
    choices = _stack(with_choices, source, columns)
    _refuse_same_cells(parts)
    cells = [cell for part in parts.values() for cell in part.cells]
    for file, part in parts.items():
        if part.times:
            found, more = _cut(file, part, tables[file], choices)
            cells, notes = [*cells, *found], [*notes, *more]
    if choices is None and not cells:
        raise InputError(
            f"{source}: neither choices nor cells; --columns FILE says which column is the choice."
        )
    notes += [*note_animals(tables), *_note_missing(with_choices)]
    return Recorded(choices=choices, cells=tuple(cells), source=source, columns=columns, notes=tuple(notes))


def _find_map(file: Path) -> Path | None:
    """The column map beside a file, or beside a folder that is read as a whole."""
    path = file.with_name(f"{re.sub(f'{SUFFIX}$', '', file.name, flags=re.IGNORECASE)}.columns.yaml")
    return path if path.is_file() else None


def _list_files(paths: Sequence[str | Path]) -> list[Path]:
    """All files to be read, none twice."""
    files = [file for path in paths for file in _find_files(Path(path))]
    if twice := [file for file, n in Counter(files).items() if n > 1]:
        raise InputError(f"{twice[0]} is named twice.")
    refuse_copies([file for file in files if file.is_file()])
    return files


def _find_files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder; a folder that a reader accepts is read as a whole."""
    if not path.exists():
        raise InputError(f"no file or folder {path}.")
    if not path.is_dir():
        require_file(path)
        return [path]
    require_name(path)
    if find_reader(path) is not None:
        return [path]
    found = sorted(_search(path))
    if not found:
        endings = ", *".join(ending for reader in find_readers() for ending in get_endings(reader))
        raise InputError(
            f"{path}: no file in it is called *{endings}, and it has no celldata/ and is no zarr."
        )
    for file in found:
        if not file.is_dir():  # as zarr is
            require_file(file)
    return found


def _search(folder: Path) -> Iterator[Path]:
    """Files below a folder with a name of one of the readers; hidden ones, such as copies of an editor, are left out."""
    endings = tuple(ending for reader in find_readers() for ending in get_endings(reader))
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        reader = find_reader(path) if path.is_dir() else None
        if path.is_dir() and reader is None:
            if not path.is_symlink():
                yield from _search(path)
        elif path.name.lower().endswith(endings) or (reader is not None and not get_endings(reader)):
            yield path


def _read_files(files: Sequence[Path], columns: ColumnMap) -> tuple[dict[Path, RecordedFile], list[str]]:
    """What each file holds, and a note for each of which `rows` keeps nothing."""
    found: dict[Path, RecordedFile] = {}
    empty: list[NoRows] = []
    for file in files:
        try:
            found[file] = read_file(file, columns)
        except NoRows as error:
            empty.append(error)
    if empty and not found:
        raise empty[0]
    return found, [f"{error} Nothing of that file is used." for error in empty]


def _refuse_same_cells(parts: Mapping[Path, RecordedFile]) -> None:
    """Refuse cells that are in two files."""
    owners: dict[tuple[str, ...], Path] = {}
    for file, part in parts.items():
        for cell in part.cells:
            label = (cell.animal, cell.session, *cell.names)
            if (owner := owners.setdefault(label, file)) != file:
                raise InputError(
                    f"{file} holds the same cells as {owner} ({cell.names[0]}); give one of the two."
                )


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
    file: Path, session: RecordedFile, trials: pd.DataFrame, choices: ChoiceSessions | None
) -> tuple[list[CellSession], list[str]]:
    """The cells of each animal of a file, or a note that says why not.

    Cells stay the same through all sessions of a file, the runs of a day; an animal's cells are its own.
    """
    animals = trials["animal"].unique()
    if len(animals) == 1:
        return [_cut_animal(session, np.arange(len(session.times)), trials, choices)], []
    owners = np.array(session.owners or [])
    if not set(owners) or not set(owners) <= set(animals):
        named = ", ".join(str(animal)[:40] for animal in animals[:5])
        return [], [
            f"{file}: its trials are of {len(animals)} animals ({named}), and its units have no column that says whose "
            "they are (of the same name as that of the trials); its choices are compared, its cells are not."
        ]
    return [
        _cut_animal(session, np.flatnonzero(owners == animal), trials[trials["animal"] == animal], choices)
        for animal in animals
        if (owners == animal).any()
    ], []


def _cut_animal(
    session: RecordedFile, units: NDArray, trials: pd.DataFrame, choices: ChoiceSessions | None
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
