"""The tables of the report: simulated numbers with recorded and published ones, and every statistic.

`comparison.csv` has one row for each comparison; the page has one row for each statistic, with its references side by side.
The n of a reference is shown if the columns `ref_n` and `ref_n_of` are there.
"""

import pandas as pd

from pfc_da.errors import plural
from pfc_da.report.html import count, describe, doi_link, find, label, tag, text, value, words
from pfc_da.storage.tables import MISSES

KINDS = {  # column of the page: kinds of comparison.csv in it
    "recorded": ("recorded",),
    "published": ("published", "unverified"),
    "ideal observer": ("derived",),
}
SIGNS = {
    "outside": ("outside", "✗"),
    "claim fails": ("outside", "✗"),
    "open": ("incomparable", "–"),
    "claim open": ("incomparable", "–"),
    "not comparable": ("incomparable", "–"),
    "claim holds": ("inside", "✓"),
    "inside": ("inside", "✓"),
}  # worst first


def comparison_table(comparison: pd.DataFrame | None, statistics: pd.DataFrame | None) -> str:
    """Return the filters and the table, or a line saying that there is none."""
    if comparison is None or comparison.empty:
        return tag("p", "Left out: this run has no rows in comparison.csv.", class_="note")
    comparison = comparison.fillna({"condition": "", "verdict": ""})
    alone = comparison[comparison["simulated"].isna()]
    comparison = comparison.drop(alone.index)
    columns = [name for name, kinds in KINDS.items() if comparison["kind"].isin(kinds).any()]
    rows = [
        _comparison_row(group, columns, find(statistics, key, condition))
        for (key, condition), group in comparison.groupby(["key", "condition"], sort=False)
    ]
    heads = ["statistic", "simulated", *columns, "verdict"]
    table = _table("comparison-table", heads, rows, "Simulated, recorded and published numbers")
    return _filters(comparison) + table + _without_simulation(alone)


def _without_simulation(references: pd.DataFrame) -> str:
    """Return the references that the run has no number for, folded away."""
    if references.empty:
        return ""
    items = "".join(tag("li", f"{text(label(row))}: {_reference(row)}") for _, row in references.iterrows())
    summary = f"{plural(len(references), 'more reference')}, for which this run holds no number"
    return tag("details", tag("summary", summary) + tag("ul", items), id="without-simulation")


def misses(comparison: pd.DataFrame | None) -> str:
    """Return the list of comparisons that came out wrong, for the head of the page."""
    if comparison is None:
        return ""
    items = []
    for _, row in comparison[comparison["verdict"].isin(MISSES)].iterrows():
        simulated = value(row["simulated"], row["sim_low"], row["sim_high"])
        reference = value(row["reference"], row["ref_low"], row["ref_high"])
        items.append(tag("li", f"{text(label(row))}: {simulated}; {text(row['kind'])} {reference}"))
    if not items:
        return tag("p", "No compared number lies outside its reference, and no claim fails.")
    return tag(
        "div",
        tag("h3", "Outside their reference, or against a claim") + tag("ul", "".join(items)),
        id="misses",
    )


def statistics_table(statistics: pd.DataFrame | None) -> str:
    """Return every statistic of the run, folded away, or a line saying that there is none."""
    if statistics is None or statistics.empty:
        return tag("p", "Left out: this run has no rows in statistics.csv.", class_="note")
    rows = []
    for _, row in statistics.iterrows():
        estimate = _entry(row["estimate"], row["low"], row["high"], text(row["units"]))
        cells = [
            tag("th", tag("code", text(row["key"])) + tag("span", text(row["condition"])), **_head(row)),
            _cell("estimate", row["estimate"], estimate),
            _cell("interval", row["interval"], tag("span", text(row["interval"]))),
            _cell("n", row["n"], tag("span", text(count(row["n"], row["n_of"])))),
        ]
        rows.append(tag("tr", "".join(cells), role="row"))
    heads = ["statistic", "estimate", "interval", "n"]
    table = _table("statistics-table", heads, rows, "Every statistic of the run")
    return tag("details", tag("summary", f"{plural(len(statistics), 'row')}, as in statistics.csv") + table)


def _comparison_row(group: pd.DataFrame, columns: list[str], statistic: pd.Series | None) -> str:
    """Return one statistic (all rows of `group` have its simulated value) with its references by column."""
    first = group.iloc[0]
    more = "" if statistic is None else describe(statistic)
    simulated = _entry(first["simulated"], first["sim_low"], first["sim_high"], text(more))
    cells = [
        tag("th", text(words(first["key"])) + tag("span", text(words(first["condition"]))), **_head(first)),
        _cell("simulated", first["simulated"], simulated),
    ]
    for name in columns:
        references = group[group["kind"].isin(KINDS[name])]
        entries = "".join(_reference(row) for _, row in references.iterrows())
        cells.append(_cell(name, references["reference"].min(), entries))
    worst = min(group["verdict"], key=lambda verdict: list(SIGNS).index(verdict) if verdict in SIGNS else 1)
    cells.append(
        _cell("verdict", worst, "".join(_verdict(row, len(group) > 1) for _, row in group.iterrows()))
    )
    search = f"{first['key']} {first['condition']}"
    return tag("tr", "".join(cells), role="row", data_key=search, data_verdicts="|".join(group["verdict"]))


def _reference(row: pd.Series) -> str:
    warning = tag("strong", "unverified, from memory") if row["kind"] == "unverified" else ""
    counted = count(row["ref_n"], row["ref_n_of"]) if "ref_n" in row else ""
    parts = (warning, text(counted), text(row["source"]), text(row["locator"]), doi_link(row["doi"]))
    return _entry(row["reference"], row["ref_low"], row["ref_high"], "; ".join(filter(None, parts)))


def _verdict(row: pd.Series, one_of_several: bool) -> str:
    css, sign = SIGNS.get(row["verdict"], ("incomparable", "?"))
    against = f" ({row['kind']})" if one_of_several else ""
    chip = tag("span", text(f"{sign} {row['verdict']}{against}"), class_=f"chip {css}")
    return tag("div", chip + tag("small", text(row["why"])), class_="entry")


def _entry(estimate: float, low: float, high: float, more: str) -> str:
    """Return a number and its interval over a line of HTML."""
    return tag("div", value(estimate, low, high) + tag("small", more), class_="entry")


def _filters(comparison: pd.DataFrame) -> str:
    options = "".join(
        tag("option", text(verdict), value=verdict) for verdict in comparison["verdict"].unique()
    )
    search = '<input id="filter-text" type="search" placeholder="name, source, DOI">'
    select = tag("select", tag("option", "all", value="") + options, id="filter-verdict")
    shown = tag("span", id="filter-count", class_="note", role="status")
    return tag(
        "div", tag("label", f"Filter {search}") + tag("label", f"Verdict {select}") + shown, class_="controls"
    )


def _table(name: str, heads: list[str], rows: list[str], title: str) -> str:
    """Return a table whose heads sort it; roles are spelled out, as narrow screens show rows as cards."""
    head = "".join(
        tag("th", tag("button", text(head), type="button"), scope="col", role="columnheader")
        for head in heads
    )
    body = tag("thead", tag("tr", head, role="row"), role="rowgroup") + tag(
        "tbody", "".join(rows), role="rowgroup"
    )
    return tag("table", body, class_="sortable cards", role="table", id=name, aria_label=title)


def _head(row: pd.Series) -> dict[str, str]:
    return {"scope": "row", "role": "rowheader", "data_sort": label(row)}


def _cell(name: str, sort: object, content: str) -> str:
    return tag("td", content, role="cell", data_label=name, data_sort=sort)
