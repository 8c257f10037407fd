"""Other people's recordings: what a file is, is told by its content; several files are read as one data set.

A table of choices (`choice_table`), an NWB file (`read_nwb`), a folder in the layout of the juice-choice cells (`ofc`),
or a folder of tables and NWB files. Nothing is ever unpickled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.choice_table import ChoiceSessions, read_table, stack_choices
from pfc_da.analysis.column_map import ColumnMap
from pfc_da.analysis.ofc import is_ofc_folder, read_ofc_cells
from pfc_da.analysis.read_nwb import NWBSession, read_nwb
from pfc_da.analysis.recorded_cells import CellSession, cut_around, find_regressors, measure_observation
from pfc_da.errors import InputError
from pfc_da.files import require_file, require_name

IN_FOLDERS = ("*.nwb", "*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")
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
    """

    choices: ChoiceSessions | None
    cells: tuple[CellSession, ...]
    source: str


def read_recorded(paths: Sequence[str | Path], columns: ColumnMap | None = None) -> Recorded:
    """Read files, or all files of folders, as one data set.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind: in one line, with the file and the field.
    """
    columns = columns or ColumnMap()
    source = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    tables: dict[Path, pd.DataFrame] = {}
    with_units: list[NWBSession] = []
    cells: list[CellSession] = []
    for file in [file for path in paths for file in _files(Path(path))]:
        if file in tables:
            raise InputError(f"{file} is named twice.")
        if file.is_dir():
            cells += read_ofc_cells(file)
        elif _is_nwb(file):
            session = read_nwb(file, columns)
            tables[file] = session.trials
            with_units += [session] if session.times else []
        else:
            tables[file] = _with_session(read_table(file, columns), file)
    _refuse_twice(tables)
    choices = _stack([table for table in tables.values() if "choice" in table], source, columns)
    cells += [_cut(session, choices) for session in with_units]
    if choices is None and not cells:
        raise InputError(
            f"{source}: neither choices nor cells; --columns FILE says which column is the choice."
        )
    return Recorded(choices=choices, cells=tuple(cells), source=source)


def _files(path: Path) -> list[Path]:
    """Files to be read one by one; a folder of cells is read as a whole."""
    if not path.exists():
        raise InputError(f"no file or folder {path}.")
    if not path.is_dir():
        require_file(path)
        return [path]
    require_name(path)
    if is_ofc_folder(path):
        return [path]
    found = sorted(file for pattern in IN_FOLDERS for file in path.rglob(pattern))
    if not found:
        raise InputError(f"{path}: no file in it is called {', '.join(IN_FOLDERS)}, and it has no celldata/.")
    for file in found:
        require_file(file)
    return found


def _is_nwb(file: Path) -> bool:
    """Whether it is NWB or is said to be; a file that would have to be unpickled is neither that nor a table."""
    with file.open("rb") as opened:
        start = opened.read(8)
    if file.suffix == ".nwb" or start.startswith(HDF5):
        return True
    if start.startswith(MATLAB):
        raise InputError(f"{file}: a MATLAB file; give the folder that holds celldata/, or a table as CSV.")
    return False


def _with_session(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Name the session of a file that names none after the file."""
    return table if "session" in table else table.assign(session=file.name.split(".")[0])


def _refuse_twice(tables: dict[Path, pd.DataFrame]) -> None:
    """Refuse a session that is in two files."""
    seen: dict[tuple[str, str], Path] = {}
    for file, table in tables.items():
        labels = table.reindex(columns=["animal", "session"]).astype("string").fillna("").drop_duplicates()
        for animal, session in labels.itertuples(index=False):
            if (animal, session) in seen:
                raise InputError(
                    f"session {session[:60]!r} of animal {animal[:60]!r} is in both {seen[animal, session]} and {file}."
                )
            seen[animal, session] = file


def _stack(tables: list[pd.DataFrame], source: str, columns: ColumnMap) -> ChoiceSessions | None:
    if not tables:
        return None
    return stack_choices(pd.concat(tables, ignore_index=True), name=source, options=columns.options)


def _cut(session: NWBSession, choices: ChoiceSessions | None) -> CellSession:
    """Spikes around the event of each trial, and what happened on it as far as it is known."""
    trials = session.trials.sort_values("trial", kind="stable")
    event, (animal, name) = trials["event"].to_numpy(), trials[["animal", "session"]].iloc[0]
    always = np.array([[0.0, np.inf]])  # a file that does not say was recorded throughout
    seen = [measure_observation(part, event) for part in session.intervals or [always] * len(session.names)]
    regressors: Mapping[str, NDArray] = {}
    if choices is not None and choices.n_options == 2 and "choice" in trials:
        row = int(np.flatnonzero((choices.animal == animal) & (choices.session == name))[0])
        regressors = find_regressors(choices.choice[row, : len(trials)], choices.reward[row, : len(trials)])
    return CellSession(
        animal=str(animal),
        session=str(name),
        names=tuple(session.names),
        trains=tuple(cut_around(times, event) for times in session.times),
        seen_before=np.stack([before for before, _ in seen], axis=1),
        seen_after=np.stack([after for _, after in seen], axis=1),
        regressors=regressors,
    )
