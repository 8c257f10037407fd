"""Entries of external columns as numbers and labels, and the words that are understood without a map."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import FiniteFloat

from pfc_da.errors import InputError

MISSING = "missing"
SIDES: Mapping[Any, Any] = {"left": 0, "right": 1, "l": 0, "r": 1, "none": MISSING}
"""Words of choices, in any case; others are not guessed."""
_WON = ("rewarded", "reward", "win", "won", "yes")
_LOST = (
    "unrewarded",
    "not rewarded",
    "no reward",
    "nonrewarded",
    "non-rewarded",
    "loss",
    "lost",
    "lose",
    "no",
)
OUTCOMES: Mapping[Any, Any] = {**dict.fromkeys(_WON, 1), **dict.fromkeys(_LOST, 0), "none": MISSING}
"""Words of rewards, in any case."""
MAX_NUMBER = 1e15  # sums and squares of larger ones are no numbers
_SHOWN = 30  # names in a message

Value = FiniteFloat | Literal["missing"]


def plain(value: object) -> str:
    """A label as text, so that 1, 1.0 and "1", and True, TRUE and "true" are one."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number is caught
    except (TypeError, ValueError, OverflowError):
        text = str(value).strip()
        return text.lower() if text.lower() in ("true", "false") else text
    return str(int(number)) if number.is_integer() else str(number)


def list_some(names: Iterable[object]) -> str:
    """Names for a message, not too many of them."""
    found = [" ".join(str(name).split())[:40] for name in names]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN])[:400] + more


def read_numbers(column: pd.Series, name: str, values: Mapping[Any, Value] | None = None) -> pd.Series:
    """The column as floats, NaN where missing.

    Parameters
    ----------
    column : Series
        Its index numbers the rows of the file from 0.
    name : str
        Of file and column, for messages.
    values : mapping, optional
        What each entry stands for, in any case unless that makes a difference; entries not listed are refused.
    """
    given = column.notna() & ~(column.astype("string").str.strip() == "").fillna(False)
    if values is None:
        read = (
            pd.to_numeric(_as_numerals(column.where(given)), errors="coerce").astype("Float64").astype(float)
        )
        allowed = "hold numbers (empty where missing)"
    else:
        code = {plain(key): np.nan if value == MISSING else float(value) for key, value in values.items()}
        of_entry = {entry: _look_up(plain(entry), code) for entry in column[given].unique()}
        read = column.map(of_entry).astype(float)
        given &= column.map(
            {entry: number is None or not np.isnan(number) for entry, number in of_entry.items()}
        )
        allowed = f"hold {list_some(code)} (empty where missing)"
    wrong = given & ~(read.abs() < MAX_NUMBER)
    if wrong.any():
        row = wrong.idxmax()
        raise InputError(f"{name} must {allowed}, got {str(column[row])[:40]!r} in row {row + 1}.")
    return read


def _look_up(entry: str, code: Mapping[str, float]) -> float | None:
    """The number of an entry, None if it has none; the word as it is goes before the word in other capitals."""
    lower = {key.lower(): value for key, value in code.items()}
    return code.get(entry, lower.get(entry.lower()))


def _as_numerals(column: pd.Series) -> pd.Series:
    """Entries that are no numbers yet as text, truth as 1 and 0.

    Also what pandas has read as whole numbers too long for a float, which it would not convert.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.astype("string").str.strip().str.lower().replace({"true": "1", "false": "0"})


def as_labels(column: pd.Series) -> pd.Series:
    """Labels as text; a whole number that is stored as a float is written as one."""
    if pd.api.types.is_float_dtype(column):
        return column.map(plain).astype("string").mask(column.isna())
    return column.astype("string").str.strip().mask(column.isna())


def are_labels(column: pd.Series) -> bool:
    """Whether some entry is neither a number nor missing."""
    return bool(pd.to_numeric(_as_numerals(column.dropna()), errors="coerce").isna().any())


def are_words(column: pd.Series, known: Mapping[Any, Any]) -> bool:
    """Whether all entries of a column are among known words, in any case.

    Parameters
    ----------
    column : Series
    known : mapping
        The words, in lower case.

    Returns
    -------
    bool
        False where there is no entry.
    """
    if pd.api.types.is_numeric_dtype(column):
        return False
    found = {plain(entry).lower() for entry in column.dropna().unique()} - {""}
    return bool(found) and found <= set(known)
