"""Recorded choices as a tidy table, one row a trial, and as the arrays the statistics take.

Columns of the CSV (plain or gzipped), in any order; others are left alone:

session      required; any label. Trials of a session stand together or apart, in the order of `trial`.
trial        required; a number that rises within the session.
choice       required; two different numbers (0 and 1, or -1 and 1; the smaller becomes 0); empty: no choice.
reward       required; a number; empty: not known.
animal       optional; any label. Without it all sessions count as one animal's.
block        optional; whole number from 0, changes when the schedule does.
better_side  optional; the `choice` that was more likely to pay.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.errors import InputError, nearest

REQUIRED = ("session", "trial", "choice", "reward")
OPTIONAL = ("animal", "block", "better_side")


@dataclass(frozen=True, kw_only=True)
class ChoiceSessions:
    """Sessions side by side, short ones filled up with what marks missing: -1 (integers) or NaN (floats).

    Attributes
    ----------
    choice, block, better : (session, trial) int
        Choice and better option, 0 or 1; -1 where missing, everywhere if the table has no such column.
    reward : (session, trial) float
    animal, session : (session,) str
    """

    choice: NDArray
    reward: NDArray
    block: NDArray
    better: NDArray
    animal: NDArray
    session: NDArray


def read_choices(path: str | Path) -> ChoiceSessions:
    """Sessions of a tidy table of choices, .csv or .csv.gz, with the columns of the module docstring."""
    path = Path(path)
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"{path}: a table of choices must be .csv or .csv.gz.")
    try:
        table = pd.read_csv(path, dtype={"session": str, "animal": str})
    except (OSError, ValueError) as error:  # EOFError of a cut gzip file is an OSError's cousin, caught below
        raise InputError(f"{path}: cannot be read as CSV ({str(error).splitlines()[0]}).") from None
    except EOFError:
        raise InputError(f"{path}: the gzip file ends too early; copy it again.") from None
    return stack_choices(table, name=str(path))


def stack_choices(table: pd.DataFrame, *, name: str = "the table") -> ChoiceSessions:
    """Put the sessions of a tidy table side by side; `name` stands in error messages."""
    _check_columns(table, name)
    table = table.assign(animal=table["animal"].fillna("") if "animal" in table else "")
    groups = [table["animal"], table["session"]]
    row = pd.MultiIndex.from_arrays(groups).factorize()[0]
    table = table.assign(_row=row).sort_values(["_row", "trial"], kind="stable")
    if table.duplicated(["_row", "trial"]).any():
        session, trial = table.loc[table.duplicated(["_row", "trial"]), ["session", "trial"]].iloc[0]
        raise InputError(f"{name}: trial {trial} of session {session} is there twice.")
    column = table.groupby("_row").cumcount()
    options = _options(table["choice"], name)
    place = table["_row"].to_numpy(), column.to_numpy()
    first = table.drop_duplicates("_row")

    def spread(values: pd.Series | None, missing: float, dtype: type) -> NDArray:
        grid: NDArray = np.full((len(first), int(column.max()) + 1), missing, dtype=dtype)
        if values is not None:
            grid[place] = values.fillna(missing)
        return grid

    return ChoiceSessions(
        choice=spread(table["choice"].map(options), -1, int),
        reward=spread(table["reward"], np.nan, float),
        block=spread(table.get("block"), -1, int),
        better=spread(table["better_side"].map(options) if "better_side" in table else None, -1, int),
        animal=first["animal"].to_numpy(dtype=str),
        session=first["session"].astype(str).to_numpy(dtype=str),
    )


def _check_columns(table: pd.DataFrame, name: str) -> None:
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        hint = nearest(missing[0], map(str, table.columns))
        raise InputError(
            f"{name}: column {missing[0]!r} is missing; needed are {', '.join(REQUIRED)}, and "
            f"{', '.join(OPTIONAL)} are used if there.{hint}"
        )
    if table.empty:
        raise InputError(f"{name}: the table has no trial.")
    for column in ("trial", "choice", "reward", "block", "better_side"):
        if column in table and not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{name}: column {column!r} must hold numbers (empty where missing).")
    if table["trial"].isna().any() or table["session"].isna().any():
        raise InputError(f"{name}: every row needs a session and a trial.")


def _options(choice: pd.Series, name: str) -> dict[float, int]:
    """The two choices as 0 and 1, the smaller first."""
    found = np.sort(choice.dropna().unique())
    if len(found) != 2:
        values = ", ".join(f"{value:g}" for value in found[:5])
        raise InputError(
            f"{name}: choice must take two values (empty where missing), got {values or 'none'}."
        )
    return {found[0]: 0, found[1]: 1}
