"""Propose a column map for a table, for the user to check and paste into --columns.

A proposal rests on names of columns and on how many entries they hold; it is never applied automatically.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pfc_da.analysis.readers.entries import MISSING, OUTCOMES, SIDES, plain

NEEDED = ("choice", "reward")
_NAMES = {
    "choice": (
        "choice",
        "chosen",
        "chose",
        "response",
        "side",
        "action",
        "pick",
        "decision",
        "select",
        "key",
    ),
    "reward": ("reward", "outcome", "feedback", "win", "payoff", "points", "juice", "water", "correct"),
}
_LABELS = {
    "animal": r"(subj(ect)?|participant|animal|mouse|rat|monkey|pp)(id|name|nr|no)?|sub|animal",
    "session": r"(session|sess)(id|name|nr|no|number|date)?|date|day",
}
_FEW = {"choice": 8, "reward": 30}  # entries; more are times or other measures
_ABSENT = (
    "miss",
    "none",
    "omi",
    "no response",
    "noresp",
    "timeout",
    "time out",
    "abort",
    "ignore",
    "nan",
    "invalid",
)
_GOOD = ("win", "won", "hit", "correct", "yes", "reward", "success", "gain", "pos")
_BAD = (
    "un",
    "no",
    "loss",
    "lose",
    "lost",
    "incorrect",
    "error",
    "wrong",
    "fail",
    "neg",
    "empty",
    "pun",
    "dry",
)
_LONG = 400  # characters of a proposal; it is left out beyond


def may_be_labels(name: str, ours: str) -> bool:
    """Whether the name of a column suggests animals or sessions.

    Parameters
    ----------
    name : str
    ours : {"animal", "session"}

    Returns
    -------
    bool
    """
    return re.fullmatch(_LABELS[ours], re.sub("[^a-z]", "", name.lower())) is not None


def find_labels(table: pd.DataFrame, ours: str) -> str | None:
    """A column whose name suggests animals or sessions and which holds several of them.

    Parameters
    ----------
    table : DataFrame
        Under external names.
    ours : {"animal", "session"}

    Returns
    -------
    str or None
    """
    named = [str(name) for name in table if may_be_labels(str(name), ours)]
    return next((name for name in named if table[name].nunique() > 1), None)


def propose_map(table: pd.DataFrame, lacking: Sequence[str], taken: set[str]) -> str:
    """Propose columns and values for those of our columns that a table lacks.

    Parameters
    ----------
    table : DataFrame
        Under external names.
    lacking : sequence of str
        Our names that were not found.
    taken : set of str
        External names that are in use already.

    Returns
    -------
    str
        A sentence with the map in YAML; NAME stands for a column that was not guessed.
    """
    columns: dict[str, str] = {}
    for guess in (_guess_by_name, _guess_by_entries):
        for ours in lacking:
            column = None if ours in columns else guess(table, ours, taken | set(columns.values()))
            columns |= {} if column is None else {ours: column}
    words = {ours: _guess_values(table[column], ours) for ours, column in columns.items()}
    values = {ours: of_column for ours, of_column in words.items() if of_column}
    columns = {ours: columns.get(ours, "NAME") for ours in lacking}
    proposal: dict[str, Any] = {"columns": columns, "values": values} if values else {"columns": columns}
    if len(_as_yaml(proposal)) > _LONG:
        proposal.pop("values", None)
    guessed = "may mend it" if "NAME" not in columns.values() else "says which, with its NAME there"
    return f"`{_as_yaml(proposal)}` in --columns FILE {guessed}."


def propose_values(column: pd.Series, ours: str) -> str:
    """Propose a number for each word of a column.

    Parameters
    ----------
    column : Series
    ours : {"choice", "reward"}

    Returns
    -------
    str
        A sentence with the values in YAML; "" without a proposal.
    """
    words = _guess_values(column, ours)
    proposal = _as_yaml({"values": {ours: words}})
    return (
        f"`{proposal}` in --columns FILE says what each stands for."
        if words and len(proposal) <= _LONG
        else ""
    )


def _guess_by_name(table: pd.DataFrame, ours: str, taken: set[str]) -> str | None:
    free = _count_entries(table, ours, taken)
    for word in _NAMES[ours]:
        if named := [name for name in free if word in name.lower()]:
            return min(named, key=lambda name: (free[name] > 3, len(name)))
    return next(iter(difflib.get_close_matches(ours, free, n=1, cutoff=0.7)), None)


def _guess_by_entries(table: pd.DataFrame, ours: str, taken: set[str]) -> str | None:
    two = [name for name, n in _count_entries(table, ours, taken).items() if n == 2]
    return two[0] if len(two) == 1 else None


def _count_entries(table: pd.DataFrame, ours: str, taken: set[str]) -> dict[str, int]:
    """How many entries those columns hold that may be `ours`."""
    counts = {
        str(name): table[name].nunique() for name in table if name not in taken and len(str(name)) <= 60
    }
    return {name: n for name, n in counts.items() if 2 <= n <= _FEW[ours]}


def _guess_values(column: pd.Series, ours: str) -> dict[Any, Any]:
    """Words of a column and what they may stand for; empty where they are numbers, known, or many."""
    found = sorted({plain(entry) for entry in column.dropna().unique()[:1000]} - {""}, key=str.lower)
    known = SIDES if ours == "choice" else OUTCOMES
    if len(found) > _FEW["choice"] or all(_is_number(word) for word in found):
        return {}
    if all(word.lower() in known for word in found):
        return {}
    numbers = {word: float(word) for word in found if _is_number(word)}
    words = [word for word in found if word not in numbers and not _is_absent(word)]
    if ours == "choice":
        words.sort(key=lambda word: ("right" in word.lower(), "left" not in word.lower()))
        codes: dict[str, Any] = {} if numbers else {word: n for n, word in enumerate(words)}
    else:
        codes = {word: _guess_outcome(word) for word in words}
        codes = codes if set(codes.values()) == {0, 1} else dict.fromkeys(words, "NUMBER")
    codes |= {word: int(number) if number.is_integer() else number for word, number in numbers.items()}
    return {codes[word] if word in numbers else word: codes.get(word, MISSING) for word in found}


def _is_absent(word: str) -> bool:
    return any(word.lower().startswith(start) for start in _ABSENT)


def _guess_outcome(word: str) -> int | str:
    text = word.lower()
    if text in OUTCOMES and OUTCOMES[text] != MISSING:
        return int(OUTCOMES[text])
    if text.startswith(_BAD):
        return 0
    return 1 if text.startswith(_GOOD) else "NUMBER"


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _as_yaml(content: dict[str, Any]) -> str:
    """One line, to be pasted."""
    import yaml

    line = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    whole = " ".join(line.split())
    return whole if len(content) > 1 else whole[1:-1]
