"""How values become HTML in the report: everything that came from data is escaped here."""

import html
import math
import re
from decimal import Decimal
from importlib import resources
from typing import Any

import pandas as pd


def asset(name: str) -> str:
    """Return the text of a file shipped with this package."""
    return resources.files("pfc_da.report").joinpath("assets", name).read_text(encoding="utf-8")


def text(value: object) -> str:
    """Return `value` escaped; None and NaN are empty."""
    return "" if pd.isna(value) else html.escape(str(value))


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return an element around `content`, which must be HTML already; attributes are escaped here.

    Examples
    --------
    >>> tag("td", text("a < b"), data_sort='"x"', class_="wide")
    '<td data-sort="&quot;x&quot;" class="wide">a &lt; b</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{given}>{content}</{name}>"


def words(name: object) -> str:
    """Return a stable name as words, not escaped: ``reward_per_trial`` is reward per trial."""
    return "" if pd.isna(name) else str(name).replace("_", " ")


def label(row: pd.Series) -> str:
    """Return what a row of statistics or comparisons is about, in words, not escaped."""
    return ", ".join(filter(None, (words(row["key"]), words(row["condition"]))))


def value(estimate: float, low: float, high: float) -> str:
    """Return an estimate with ``[low, high]`` if it has an interval, all three with equally many decimals.

    Examples
    --------
    >>> value(0.64, 0.58, 0.7)
    '<span class="number"><b>0.64</b> <span>[0.58, 0.70]</span></span>'
    """
    decimals = max(_decimals(number) for number in (estimate, low, high))
    middle, bottom, top = (_digits(number, decimals) for number in (estimate, low, high))
    interval = "" if pd.isna(low) or pd.isna(high) else f" {tag('span', f'[{bottom}, {top}]')}"
    return tag("span", f"{tag('b', middle)}{interval}", class_="number")


def _decimals(number: float) -> int:
    """Decimals that three significant digits need: none for 1234, two for 0.64."""
    if not math.isfinite(number):
        return 0
    return max(0, -int(Decimal(f"{number:.3g}").normalize().as_tuple().exponent))


def _digits(number: float, decimals: int) -> str:
    """Return a number as printed: a dash for none, the sign of infinity for an open end."""
    if pd.isna(number):
        return "–"
    shown = f"{number:.{decimals}f}" if math.isfinite(number) else f"{'-' if number < 0 else ''}∞"
    return shown.replace("-", "−")


def count(n: Any, n_of: object) -> str:
    """Return n and what it counts, not escaped."""
    return "n not given" if pd.isna(n) else f"n = {int(n)} {words(n_of)}".strip()


def describe(row: pd.Series) -> str:
    """Say the units, the kind of interval and the n of a statistic, not escaped."""
    units = "" if row["units"] == "1" else row["units"]
    kind = "no interval" if pd.isna(row["low"]) else row["interval"]
    return "; ".join(words(part) for part in (units, kind, count(row["n"], row["n_of"])) if part)


def doi_link(doi: object) -> str:
    """Return a link for what has the form of a DOI, plain text for anything else."""
    if not re.fullmatch(r"10\.\d{4,9}/[^\s<>\"]+", "" if pd.isna(doi) else str(doi)):
        return text(doi)
    return tag("a", text(f"doi:{doi}"), href=f"https://doi.org/{doi}", rel="noreferrer")


def find(statistics: pd.DataFrame | None, key: str, condition: str | None = None) -> pd.Series | None:
    """Return the first row of `key` (and `condition`, if given) of the statistics, None if there is none."""
    if statistics is None:
        return None
    rows = statistics[statistics["key"] == key]
    if condition is not None:
        rows = rows[rows["condition"].fillna("") == condition]
    return rows.iloc[0] if len(rows) else None
