"""Name the animal and the session of every trial, and refuse sessions that are given twice.

The animal is that of the files or of --columns; else the label after ``sub-`` in the path, as in BIDS and DANDI; else
unknown, which is noted. Sessions of the same name in several files are renamed by the paths of the files.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.path_labels import SUFFIX, find_subject, propose_pattern, read_labels
from pfc_da.errors import InputError, plural

COMPARED = ["trial", "choice", "reward", "event"]  # two sessions of one name that are alike in these are one


def refuse_copies(files: Sequence[Path]) -> None:
    """Refuse a file that holds the same bytes as another."""
    by_size: dict[int, list[Path]] = {}
    for file in files:
        by_size.setdefault(file.stat().st_size, []).append(file)
    for alike in by_size.values():
        seen: dict[str, Path] = {}
        for file in alike if len(alike) > 1 else []:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if digest in seen:
                raise InputError(f"{file} is a copy of {seen[digest]}; give one of the two.")
            seen[digest] = file


def name_animals(tables: dict[Path, pd.DataFrame], columns: ColumnMap) -> dict[Path, pd.DataFrame]:
    """Add the animals and sessions that the paths of the files give.

    Parameters
    ----------
    tables : dict of DataFrame
        Trials under our names, by file.
    columns : ColumnMap
        Its `path` is the pattern.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    InputError
        If a path does not fit `path`, or gives one animal to trials of several.
    """
    found = {}
    for file, table in tables.items():
        labels: dict[str, object] = {} if columns.path is None else dict(read_labels(columns.path, file))
        animal = table["animal"].fillna("") if "animal" in table else pd.Series("", table.index)
        if "animal" in labels and animal.nunique() > 1:
            raise InputError(
                f"{file}: its trials are of {animal.nunique()} animals, and `path` in --columns FILE gives it one."
            )
        if "session" in labels and table["session"].nunique() > 1:  # runs of a day
            labels["session"] = f"{labels['session']}/" + table["session"].astype(str)
        found[file] = table.assign(**{"animal": animal.where(animal != "", find_subject(file)), **labels})
    return found


def separate_sessions(tables: dict[Path, pd.DataFrame]) -> tuple[dict[Path, pd.DataFrame], list[str]]:
    """Give every session its own name, and note where that is not the name in the file.

    Parameters
    ----------
    tables : dict of DataFrame
        Trials under our names, by file.

    Returns
    -------
    tables : dict of DataFrame
    notes : list of str

    Raises
    ------
    InputError
        If a session is in two files with the same trials.
    """
    owners: dict[tuple[str, str], list[Path]] = {}
    for file, table in tables.items():
        for label in dict.fromkeys(zip(table["animal"], table["session"], strict=True)):
            owners.setdefault(label, []).append(file)
    shared = {label: files for label, files in owners.items() if len(files) > 1}
    for label, files in shared.items():
        _refuse_same(label, files, tables)
    if not shared:
        return tables, []
    affected = sorted({file for files in shared.values() for file in files})
    top = os.path.commonpath([Path(os.path.abspath(file)).parent for file in affected])
    renamed = dict(tables)
    for file in affected:
        place = _name(file, top)
        table = renamed[file]
        clash = pd.Series(
            [label in shared for label in zip(table["animal"], table["session"], strict=True)], table.index
        )
        own = place if table["session"].nunique() == 1 else place + "/" + table["session"].astype(str)
        renamed[file] = table.assign(session=table["session"].astype(str).mask(clash, own))
    (_, session), files = next(iter(shared.items()))
    return renamed, [
        f"several files name a session alike (such as {session[:60]!r}, in {len(files)} of them); such sessions are "
        "told apart by the paths of their files."
    ]


def note_animals(tables: dict[Path, pd.DataFrame]) -> list[str]:
    """Note that sessions without an animal count as those of one animal."""
    unknown = {file: table[table["animal"] == ""] for file, table in tables.items()}
    files = [file for file, table in unknown.items() if len(table)]
    n = sum(unknown[file]["session"].nunique() for file in files)
    if n < 2:
        return []
    pattern = f"`path: '{propose_pattern(files)}'`, or " if len(files) > 1 else ""
    return [
        f"no animal is named for {n} sessions of {plural(len(files), 'file')}: they count as those of one "
        f"animal. {pattern}`columns: {{animal: NAME}}` in --columns FILE says whose they are."
    ]


def _refuse_same(label: tuple[str, str], files: list[Path], tables: dict[Path, pd.DataFrame]) -> None:
    animal, session = label
    seen: dict[bytes, Path] = {}
    for file in files:
        table = tables[file]
        rows = table[(table["animal"] == animal) & (table["session"] == session)]
        content = rows.reindex(columns=COMPARED).to_numpy(dtype=float).tobytes()
        if content in seen:
            raise InputError(
                f"session {session[:60]!r} of animal {animal[:60]!r} is in both {seen[content]} and {file} with the "
                "same trials; give one of the two."
            )
        seen[content] = file


def _name(file: Path, top: str) -> str:
    """A path below a folder without the ending of the file."""

    return re.sub(f"{SUFFIX}$", "", os.path.relpath(file, top), flags=re.IGNORECASE)
