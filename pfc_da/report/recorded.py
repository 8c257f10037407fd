"""The section of the report that compares a run with recordings of the user's own, from comparison_recorded.csv."""

import pandas as pd

from pfc_da.report.html import tag, text, value, words

VERDICTS = {
    "different": ("outside", "✗"),
    "not comparable": ("incomparable", "–"),
    "not told apart": ("inside", "✓"),
}


def recorded_section(table: pd.DataFrame | None) -> str:
    """Return the section, or nothing if the run was not compared with recordings."""
    if table is None or table.empty:
        return ""
    title = tag("h2", "Comparison with your own recordings", id="recorded-title")
    tables = "".join(
        _source_table(number, str(source), rows)
        for number, (source, rows) in enumerate(table.fillna({"source": ""}).groupby("source", sort=False))
    )
    return tag("section", title + tables, id="recorded", aria_labelledby="recorded-title")


def _source_table(number: int, source: str, rows: pd.DataFrame) -> str:
    """The comparison with one data set, under the name of its source."""
    name = f"recorded-source-{number}"
    title = tag("h3", text(source), id=name)
    heads = ("statistic", "simulated", "recorded", "simulated less recorded", "verdict")
    head = "".join(tag("th", text(name), scope="col", role="columnheader") for name in heads)
    drawn = "".join(_row(row) for _, row in rows.iterrows())
    body = tag("thead", tag("tr", head, role="row"), role="rowgroup") + tag("tbody", drawn, role="rowgroup")
    return title + tag("table", body, class_="cards recorded", role="table", aria_labelledby=name)


def _row(row: pd.Series) -> str:
    name = text(words(row["key"])) + tag("span", text(words(row["condition"])))
    css, sign = VERDICTS.get(row["verdict"], ("incomparable", "?"))
    chip = tag("span", text(f"{sign} {row['verdict']}"), class_=f"chip {css}")
    units = "" if row["units"] == "1" else row["units"]
    cells = {
        "simulated": _entry(row, "simulated", "sim", f"n = {row['sim_n']} {row['sim_n_of']}"),
        "recorded": _entry(row, "recorded", "rec", f"n = {row['rec_n']} {row['rec_n_of']}"),
        "simulated less recorded": _entry(row, "difference", "diff", units),
        "verdict": _with(chip, f"{row['why']}; {row['matched']}"),
    }
    head = tag("th", name, scope="row", role="rowheader")
    return tag(
        "tr", head + "".join(tag("td", c, role="cell", data_label=n) for n, c in cells.items()), role="row"
    )


def _entry(row: pd.Series, estimate: str, ends: str, more: object) -> str:
    return _with(value(row[estimate], row[f"{ends}_low"], row[f"{ends}_high"]), more)


def _with(content: str, more: object) -> str:
    return tag("div", content + tag("small", text(more)), class_="entry")
