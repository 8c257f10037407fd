"""Recorded choices as a table with one row a trial, and as the arrays that statistics take.

Columns of the table (text, separated as `table_text` says, plain or gzipped), in any order; others are ignored. A
`ColumnMap` maps other names to these:

choice       required; two different numbers (0 and 1, or -1 and 1; the smaller becomes 0), or left, right (l, r) and
             none; empty: no choice.
reward       required; a number, or a word such as rewarded and unrewarded (`propose_columns`); empty: not known.
trial        a number that rises within the session. Without it trials are in the order of their rows.
session      any label. Trials of a session may lie anywhere in the table. Without it every animal has one session.
animal       any label. Without it all sessions count as those of one animal.
block        optional; whole number from 0, or labels; changes when the schedule does.
better_side  optional; the `choice` with the larger reward probability.
p_0, p_1     optional; reward probability of the smaller and of the larger `choice`; the better side follows from them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.formats import RecordedFile, begins_with
from pfc_da.analysis.readers.table_text import read_separated
from pfc_da.errors import InputError

REQUIRED = ("choice", "reward")
RANK = 2  # asked last: any other file must be a table
MATLAB = b"MATLAB"
SUFFIXES = (".csv", ".tsv", ".txt")
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")  # in a folder; .txt files are often notes
MAX_CELLS = 100_000_000  # of the grid (session, trial)


@dataclass(frozen=True, kw_only=True)
class ChoiceSessions:
    """Choices of sessions in one array; short sessions are filled up with -1 (integers) or NaN (floats).

    Attributes
    ----------
    choice, block, better : (session, trial) int
        Choice and better option, from 0; -1 where missing, everywhere if the table has no such column.
    reward : (session, trial) float
    animal, session : (session,) str
    n_options : int
        How many options there are to choose from.
    """

    choice: NDArray
    reward: NDArray
    block: NDArray
    better: NDArray
    animal: NDArray
    session: NDArray
    n_options: int = 2


def accepts(path: Path) -> bool:
    """Whether it may be a table: any file that no other reader accepts."""
    return path.is_file()


def read(path: Path, columns: ColumnMap) -> RecordedFile:
    """Trials of a table; a table that names no session is one, called as the file.

    Parameters
    ----------
    path : Path
    columns : ColumnMap
        How its column names map to ours.

    Returns
    -------
    RecordedFile

    Raises
    ------
    InputError
        If it is no such table: in one line, with the file, the column and the row.
    """
    if begins_with(path, MATLAB):
        raise InputError(f"{path}: a MATLAB file; give the folder that holds celldata/, or a table as CSV.")
    table = _translate(_read_text(path), columns, str(path))
    return RecordedFile(trials=table if "session" in table else table.assign(session=path.name.split(".")[0]))


def read_choices(table: str | Path | pd.DataFrame, columns: ColumnMap | None = None) -> ChoiceSessions:
    """Read the sessions of one table of choices.

    Parameters
    ----------
    table : path or DataFrame
        A .csv, .tsv or .txt file, plain or .gz, or a table in memory, with the columns of the module docstring.
    columns : ColumnMap, optional
        How its column names map to ours; the same names if not given.

    Returns
    -------
    ChoiceSessions

    Raises
    ------
    InputError
        If it is no such table: in one line, with the file, the column and the row.
    """
    columns = columns or ColumnMap()
    if isinstance(table, pd.DataFrame):
        name, rows = "the table", table.reset_index(drop=True)
    else:
        name, rows = str(table), _read_text(Path(table))
    return stack_choices(_translate(rows, columns, name), name=name, options=columns.options)


def _read_text(path: Path) -> pd.DataFrame:
    """The entries of a file."""
    if not path.name.lower().removesuffix(".gz").endswith(SUFFIXES):
        raise InputError(f"{path}: a table of choices must be {', '.join(SUFFIXES)}, plain or .gz.")
    return read_separated(path)


def _translate(entries: pd.DataFrame, columns: ColumnMap, name: str) -> pd.DataFrame:
    """A table under our names, for `stack_choices`."""
    rows = columns.select(entries, name)
    table = columns.translate(rows, name, REQUIRED)
    columns.check_labels(rows, name)
    if "trial" not in table:
        table["trial"] = np.arange(len(table), dtype=float)
    check_table(table, name)
    return table.reset_index(drop=True)


def stack_choices(table: pd.DataFrame, *, name: str = "the table", options: int = 2) -> ChoiceSessions:
    """Put the sessions of a table into one array, a row a session.

    Parameters
    ----------
    table : DataFrame
        Under our names, numbers as numbers.
    name : str
        Of the table, for messages.
    options : int
        How many different choices there may be; with more than two not all need occur.

    Returns
    -------
    ChoiceSessions

    Raises
    ------
    InputError
        If there are other than `options` different choices, or too many sessions and trials to hold at once.

    Examples
    --------
    >>> table = pd.DataFrame({"trial": [0, 1, 2], "choice": [-1, 1, 1], "reward": [0, 1, 0]})
    >>> stack_choices(table).choice
    array([[0, 1, 1]])
    """
    table = table.assign(
        animal=table["animal"].fillna("") if "animal" in table else "",
        session=table["session"] if "session" in table else table.get("animal", ""),
    )
    row = pd.MultiIndex.from_frame(table[["animal", "session"]]).factorize()[0]
    table = table.assign(_row=row).sort_values(["_row", "trial"], kind="stable")
    codes = _options(table, options, name)
    column = table.groupby("_row").cumcount()
    place = table["_row"].to_numpy(), column.to_numpy()
    first = table.drop_duplicates("_row")
    shape = len(first), int(column.max()) + 1
    if shape[0] * shape[1] > MAX_CELLS:
        raise InputError(
            f"{name}: {shape[0]} sessions of up to {shape[1]} trials are too many to hold at once."
        )

    def spread(values: pd.Series | None, missing: float, dtype: type) -> NDArray:
        grid: NDArray = np.full(shape, missing, dtype=dtype)
        if values is not None:
            grid[place] = values.fillna(missing)
        return grid

    return ChoiceSessions(
        choice=spread(table["choice"].map(codes), -1, int),
        reward=spread(table["reward"], np.nan, float),
        block=spread(table.get("block"), -1, int),
        better=spread(_better(table, codes), -1, int),
        animal=first["animal"].to_numpy(dtype=str),
        session=first["session"].astype(str).to_numpy(dtype=str),
        n_options=options,
    )


def get_animals(sessions: ChoiceSessions) -> list[NDArray]:
    """Sessions of each animal, (session,) bool."""
    return [sessions.animal == name for name in np.unique(sessions.animal)]


def check_table(table: pd.DataFrame, name: str) -> None:
    """Refuse a table with no trial, or with trials that lack an order or a session.

    Parameters
    ----------
    table : DataFrame
        Under our names; the index numbers the rows of the file from 0.
    name : str
        Of the table, for messages.

    Raises
    ------
    InputError
        In one line with `name`, the column and the row of the file.
    """
    if table.empty:
        raise InputError(f"{name}: the table has no trial.")
    for column in ("trial", "session"):
        if column in table and table[column].isna().any():
            row = table[column].isna().idxmax() + 1
            raise InputError(
                f"{name}: every row needs a {column}; row {row} has none. `rows: {{COLUMN: '*'}}` in --columns "
                "FILE keeps the rows with an entry there."
            )
    labels = [column for column in ("animal", "session") if column in table]
    twice = table.duplicated([*labels, "trial"])
    if twice.any():
        row = twice.idxmax()
        of_session = f" of session {str(table['session'][row])[:60]}" if "session" in table else ""
        raise InputError(
            f"{name}: trial {table['trial'][row]:g}{of_session} is there twice, again in row {row + 1}. Where numbers "
            "begin anew, `columns: {session: [COLUMN, COLUMN]}` in --columns FILE makes sessions of two columns."
        )
    if "block" in table:
        block = table["block"]
        wrong = block.notna() & ((block < 0) | (block > 1e9) | (block != block.round()))
        if wrong.any():
            row = wrong.idxmax()
            raise InputError(
                f"{name}: column 'block' must hold whole numbers from 0, got {block[row]:g} in row {row + 1}."
            )


def _options(table: pd.DataFrame, options: int, name: str) -> dict[float, int]:
    """The choices as 0, 1, ..., the smallest first."""
    columns = [table[column].dropna() for column in ("choice", "better_side") if column in table]
    found = np.sort(pd.concat(columns).unique())
    if not 2 <= len(found) <= options:
        values = ", ".join(f"{value:g}" for value in found[:5])
        few = "two values" if options == 2 else f"2 to {options} values"
        raise InputError(
            f"{name}: choice must take {few} (empty where missing), got {values or 'none'}. "
            "--columns FILE says what each stands for, or how many options there are."
        )
    return {value: code for code, value in enumerate(found)}


def _better(table: pd.DataFrame, codes: dict[float, int]) -> pd.Series | None:
    """The option that is more likely to pay, NaN where neither is."""
    if "better_side" in table:
        return table["better_side"].map(codes)
    if len(codes) == 2 and {"p_0", "p_1"} <= set(table):
        more = np.sign(table["p_1"] - table["p_0"])
        return more.map({-1.0: 0, 1.0: 1})
    return None
