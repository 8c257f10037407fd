"""Read separated text as a table of text, in the dialects that spreadsheets and rigs write.

encoding   UTF-8; UTF-16 with its mark; Windows-1252 where it is neither.
separator  tab, semicolon, comma or bar, whichever splits the header into most names; else blanks. A line such as
           ``sep=;`` decides.
header     the first line that is neither blank nor begins with #; or a line with # right above one with numbers.
numbers    a comma is a decimal comma where that is plain: it does not separate columns, nor groups of three digits.
"""

import codecs
import csv
import gzip
import io
import re
import warnings
import zlib
from pathlib import Path

import pandas as pd

from pfc_da.errors import InputError

SEPARATORS = ("\t", ";", ",", "|")
BLANKS = r"\s+"
MAX_COLUMNS = 1000
MAX_HEADER = 1_000_000  # characters
MAX_BYTES = 2_000_000_000
_DECIMAL = r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?"
_GROUPED = r"[+-]?[1-9]\d{0,2}(,\d{3})+"


def read_separated(path: Path) -> pd.DataFrame:
    """All entries as text, NaN where missing; the index numbers the rows of the file from 0.

    Raises
    ------
    InputError
        In one line, if it is no such table.
    """
    try:
        names, separator, rows = _split(_decode(_read_bytes(path), path), path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(
                io.StringIO("\n".join([names, *rows])),
                sep=separator,
                dtype=str,
                index_col=False,
                skipinitialspace=True,
            )
    except InputError:
        raise
    except (EOFError, zlib.error):
        raise InputError(f"{path}: the gzip file is cut short or damaged; copy it again.") from None
    except pd.errors.ParserWarning:
        raise InputError(
            f"{path}: cannot be read as a table: its rows have more fields than its first line has names. "
            "Leave out names of rows; begin lines above the names of columns with #."
        ) from None
    except pd.errors.ParserError as error:
        stated = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: cannot be read as a table ({stated}). Lines above the names of columns must begin with #."
        ) from None
    except (OSError, ValueError, OverflowError, MemoryError, csv.Error) as error:
        stated = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read as a table ({stated[:200]}).") from None
    stripped = table.columns.astype(str).str.strip()
    table.columns = stripped if stripped.is_unique else table.columns
    return table.apply(_with_points, certain=separator == ";").dropna(how="all")


def _read_bytes(path: Path) -> bytes:
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        content: bytes = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES:.0e} bytes; give the sessions in several files.")
    return content


def _decode(content: bytes, path: Path) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content[:MAX_HEADER]:
        raise InputError(
            f"{path}: no table of text, it holds NUL bytes. Save it as CSV in UTF-8 (a spreadsheet or "
            "another program's own format cannot be read)."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: its text is neither UTF-8 nor Windows-1252; save it as CSV in UTF-8."
        ) from None


def _split(text: str, path: Path) -> tuple[str, str, list[str]]:
    """The line of names, what separates columns, and the other lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    stated = re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff "), re.IGNORECASE)
    lines = lines[1:] if stated else lines
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    header = lines[first]
    if len(header) >= MAX_HEADER:
        raise InputError(
            f"{path}: the header is longer than {MAX_HEADER} characters; at most {MAX_COLUMNS} columns are read."
        )
    separator = stated[1] if stated else _find_separator(header)
    above = lines[first - 1].lstrip().removeprefix("#").strip() if first else ""
    names = _fields(header, separator)
    if any(map(_is_number, names)) and len(_fields(above, separator)) == len(names):
        header, first = above, first - 1
    elif names and all(map(_is_number, names)):
        raise InputError(
            f"{path}: its first line, {header[:40]!r}, holds numbers; write the names of columns there."
        )
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{path}: {len(names)} columns; at most {MAX_COLUMNS} are read.")
    # A line with # that has an entry for every name may be a row whose first label begins with it.
    rows = [
        line
        for line in lines[first + 1 :]
        if not line.lstrip().startswith("#") or len(_fields(line, separator)) == len(names)
    ]
    return header, separator, rows


def _fields(line: str, separator: str) -> list[str]:
    if separator == BLANKS:
        return line.split()
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def _find_separator(header: str) -> str:
    found = max(SEPARATORS, key=lambda separator: len(_fields(header, separator)))
    if len(_fields(header, found)) > 1:
        return found
    return BLANKS if len(header.split()) > 1 else ","


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d*)?([eE][+-]?\d+)?", text.strip()))


def _with_points(column: pd.Series, *, certain: bool) -> pd.Series:
    """Decimal commas as points; `certain`: a comma cannot separate thousands."""
    entries = column.dropna().str.strip()
    with_comma = entries[entries.str.contains(",", regex=False)]
    if with_comma.empty or not entries.str.fullmatch(_DECIMAL).all():
        return column
    if not certain and with_comma.str.fullmatch(_GROUPED).all():
        return column
    return column.str.replace(",", ".", regex=False)
