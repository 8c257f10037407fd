"""Reference numbers for a simulation: published, derived, quoted from memory, or recomputed from recordings.

The table `data/reference_statistics.csv` holds one row a number. Its `mark` says what the number is worth:

found        read in the publication (or its abstract), at the locator given;
derived      computed by us for an ideal observer or for chance, as `read_off` describes;
memory       quoted from memory, never to be taken for published;
third-party  read in another author's account of the publication.

`recorded` marks the numbers that `extracts` computes from recorded data; no row of the table has it.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.resources import files
from io import StringIO
from pathlib import Path

from pfc_da.errors import InputError, nearest

KIND_OF_MARK = {
    "found": "published",
    "recorded": "recorded",
    "derived": "derived",
    "memory": "unverified",
    "third-party": "unverified",
}
NONE = "none: "  # opens an interval or an n_of that is not there, followed by the reason
BOUND = "bound: "  # opens an interval that a publication states in words, e.g. "undermatching"
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_NUMBERS = ("estimate", "low", "high")


@dataclass(frozen=True, kw_only=True)
class ReferenceStatistic:
    """One number from a publication, an observer or a recording, with its interval and where it was read.

    Attributes
    ----------
    key, condition, paradigm : str
        What it is compared with: a Statistic of the same key and condition, in a run of the paradigm.
    estimate, low, high : float
        In `units`; NaN where there is none.
    interval : str
        What the interval is; ``none: reason`` where there is none, ``bound: words`` for a claim in words.
    n : int or None
        How many of `n_of` carry the number; None with the reason in `n_of` (``none: reason``).
    source, doi, locator, read_off : str
        The publication, its DOI, the place in it, and how the number came from there to here.
    mark : str
        See the module docstring.
    unlike : str
        Why the number cannot be compared with a simulated one although key and condition agree; "" if it can.
    licence : str
        Of recorded data; "" for numbers.
    """

    key: str
    condition: str
    paradigm: str
    estimate: float
    low: float
    high: float
    interval: str
    n: int | None
    n_of: str
    units: str
    source: str
    doi: str
    locator: str
    read_off: str
    mark: str
    unlike: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise InputError(problem)

    @property
    def kind(self) -> str:
        """published, recorded, derived or unverified: what a comparison may call the number."""
        return KIND_OF_MARK[self.mark]


COLUMNS = tuple(field.name for field in fields(ReferenceStatistic) if field.name != "licence")


def load_references(paradigm: str | None = None) -> list[ReferenceStatistic]:
    """Rows of `data/reference_statistics.csv`, all of them or those of one paradigm."""
    table = files("pfc_da.data") / "reference_statistics.csv"
    rows = _parse(table.read_text(encoding="utf-8"), table.name)
    return [row for row in rows if paradigm in (None, row.paradigm)]


def read_references(path: str | Path) -> list[ReferenceStatistic]:
    """Rows of a table of the same columns as `data/reference_statistics.csv`."""
    return list(_parse(Path(path).read_text(encoding="utf-8"), str(path)))


def _parse(text: str, name: str) -> Iterator[ReferenceStatistic]:
    reader = csv.DictReader(StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{name}: the columns must be {', '.join(COLUMNS)}, got {reader.fieldnames}.")
    for number, row in enumerate(reader, start=2):
        try:
            if None in row or None in row.values():
                raise InputError("the row must have as many fields as the header. (A comma without quotes?)")
            numbers = {column: _number(column, row[column]) for column in _NUMBERS}
            yield ReferenceStatistic(**{**row, **numbers, "n": _count(row["n"])})  # type: ignore[arg-type]  # columns are the fields
        except InputError as error:
            raise InputError(f"{name} row {number}: {error}") from None


def _number(column: str, text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise InputError(f"{column} must be a number or empty, got {text!r}.") from None


def _count(text: str) -> int | None:
    if not text:
        return None
    if not text.isdigit():
        raise InputError(f"n must be a whole number or empty, got {text!r}.")
    return int(text)


def _problems(row: ReferenceStatistic) -> Iterator[str]:
    """What is wrong with a row, most telling first."""
    for name in ("key", "paradigm", "units", "source", "read_off", "interval", "n_of"):
        if not getattr(row, name).strip():
            yield f"{name} is empty; every row must state it."
    if row.mark not in KIND_OF_MARK:
        marks = ", ".join(KIND_OF_MARK)
        yield f"mark must be one of {marks}, got {row.mark!r}.{nearest(row.mark, KIND_OF_MARK)}"
    if not row.doi and not row.locator:
        yield "doi and locator are both empty; say where the number stands."
    if row.doi and not _DOI.fullmatch(row.doi):
        yield f"doi must look like 10.1038/ncomms12554, got {row.doi!r}."
    yield from _problems_of_interval(row)
    if (row.n is None) != row.n_of.startswith(NONE):
        yield f"an empty n needs its reason in n_of ('{NONE}...') and a given n what it counts: {row.n_of!r}."
    if row.n is not None and row.n < 1:
        yield f"n must be at least 1, got {row.n}."


def _problems_of_interval(row: ReferenceStatistic) -> Iterator[str]:
    ends = (row.low, row.high)
    if row.interval.startswith(NONE):
        if not all(map(math.isnan, ends)):
            yield f"interval says {row.interval!r}, but low and high are {row.low} and {row.high}."
    elif not all(map(math.isfinite, ends)) or row.low > row.high:
        yield f"low and high must be numbers in order, or interval '{NONE}reason', got {row.low}, {row.high}."
    if math.isnan(row.estimate):
        if not row.interval.startswith(BOUND):
            yield f"estimate is empty; only an interval '{BOUND}words' may stand without one."
    elif not math.isfinite(row.estimate) or row.estimate < row.low or row.estimate > row.high:
        yield f"estimate must lie in its interval, got {row.estimate} outside [{row.low}, {row.high}]."
