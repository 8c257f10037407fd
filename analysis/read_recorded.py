"""Other people's recordings: what a file is, is told by its content; several files are read as one data set.

A table of choices (`choice_table`), or a folder of such files. Nothing is ever unpickled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pfc_da.analysis.choice_table import ChoiceSessions, read_table, stack_choices
from pfc_da.analysis.column_map import ColumnMap
from pfc_da.errors import InputError

IN_FOLDERS = ("*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was read, and from where."""

    choices: ChoiceSessions
    source: str


def read_recorded(paths: Sequence[str | Path], columns: ColumnMap | None = None) -> Recorded:
    """Read files, or all files of folders, as one data set.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind: in one line, with the file and the field.
    """
    columns = columns or ColumnMap()
    files = [file for path in paths for file in _files(Path(path))]
    tables = [_with_session(read_table(file, columns), file) for file in files]
    source = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    _refuse_twice(tables, files)
    choices = stack_choices(pd.concat(tables, ignore_index=True), name=source, options=columns.options)
    return Recorded(choices=choices, source=source)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"no file or folder {path}.")
    if path.is_file():
        return [path]
    found = sorted(file for pattern in IN_FOLDERS for file in path.rglob(pattern))
    if not found:
        raise InputError(f"{path}: no file in it is called {', '.join(IN_FOLDERS)}.")
    return found


def _with_session(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Name the session of a file that names none after the file."""
    return table if "session" in table else table.assign(session=file.name.split(".")[0])


def _refuse_twice(tables: list[pd.DataFrame], files: list[Path]) -> None:
    """Refuse a session that is in two files."""
    seen: dict[tuple[str, str], Path] = {}
    for table, file in zip(tables, files, strict=True):
        labels = table.reindex(columns=["animal", "session"]).fillna("").drop_duplicates()
        for animal, session in labels.itertuples(index=False):
            if (animal, session) in seen:
                raise InputError(
                    f"session {session!r} of animal {animal!r} is in both {seen[animal, session]} and {file}."
                )
            seen[animal, session] = file
