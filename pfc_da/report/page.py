"""One self-contained page, ``report.html``, for a run folder: opens from disk, asks the network for nothing.

Everything shown is read back from the run folder (``manifest.json``, ``statistics.csv``, ``comparison.csv``,
``figures/*.csv``), so it can be made again from those files alone. A content security policy in the page
forbids every outside load; the only addresses are DOI links.
"""

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from string import Template

import pandas as pd

from pfc_da.analysis.comparison.published import VERDICTS
from pfc_da.analysis.figures.panel import PANELS, check_table, draw_svg
from pfc_da.files import write_atomic
from pfc_da.manifest import Manifest, read_manifest, require_whole
from pfc_da.report.html import asset, count, describe, find, tag, text, value, words
from pfc_da.report.recorded import recorded_section
from pfc_da.report.tables import comparison_table, misses, statistics_table
from pfc_da.report.units import unit_browser
from pfc_da.run_files import REPLAYS, STAGES
from pfc_da.tables import COMPARISON, NAMES, RECORDED, STATISTIC, read_table

# Colours of the drawings, and their names in report.css, through which they follow a light or dark setting.
THEMED = {
    "#1b1f24": "ink",
    "#667085": "muted",
    "#d5dae1": "faint",
    "#fdfdfe": "paper",
    "#0072b2": "blue",
    "#d55e00": "vermillion",
    "#009e73": "green",
    "#e69f00": "orange",
    "#cc79a7": "purple",
}
# The statistic that a panel draws, whose interval and n its caption repeats.
STATISTIC_OF = {
    "controls": "reward_no_reward_input",
    "matching": "matching_slope",
    "history": "history_reward",
    "selectivity": "fraction_selective",
}


def write_report(run_folder: str | Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Parameters
    ----------
    run_folder : path
        Holds ``manifest.json``. Of ``statistics.csv``, ``comparison.csv`` and ``figures/*.csv`` those
        present are shown, and the others named as left out. Of spiking neurons, `figures/neurons_*.csv` are shown, and
        beside recorded areas those of ``comparison_spiking.csv``.

    Raises
    ------
    InputError
        If `run_folder` is none, or a file in it is damaged: the message names it; it is left as it is.
    """
    folder = Path(run_folder)
    manifest = read_manifest(folder)

    def read(name: str, columns: Collection[str] = (), panel: str = "") -> pd.DataFrame | None:
        return _read_table(folder, manifest, name, columns, panel)

    statistics, comparison = read("statistics.csv", STATISTIC), read("comparison.csv", COMPARISON)
    compared = statistics
    for replay in REPLAYS:
        own, references = (
            read(f"{name}_{replay}.csv", columns)
            for name, columns in (("statistics", STATISTIC), ("comparison", COMPARISON))
        )
        comparison = _join(comparison, references)
        if own is not None and references is not None:
            compared = _join(compared, _select(own, references))
    figures = {name: read(f"figures/{name}.csv", panel=name) for name in PANELS}
    missed = [name for name in PANELS if figures[name] is None and _belongs(name, manifest.paradigm)]
    units = [read(f"figures/{name}.csv", panel=name) for name in ("units", "unit_activity")]
    page = Template(asset("template.html")).substitute(
        css=asset("report.css"),
        js=asset("report.js"),
        title=text(words(manifest.paradigm)),
        lead=text(_lead(manifest, statistics)),
        banner=_banner(manifest),
        tiles=_tiles(manifest, statistics, comparison),
        misses=misses(comparison),
        comparison=comparison_table(comparison, compared),
        recorded=recorded_section(read("comparison_recorded.csv", RECORDED)),
        panels="\n".join(
            _panel(name, table, statistics) for name, table in figures.items() if table is not None
        ),
        left_out=_left_out(missed),
        browser=unit_browser(*units),
        statistics=statistics_table(statistics),
        run=_run(manifest),
    )
    write_atomic(folder / "report.html", lambda aside: aside.write_text(page, encoding="utf-8"))
    return folder / "report.html"


def _join(*tables: pd.DataFrame | None) -> pd.DataFrame | None:
    there = [table for table in tables if table is not None]
    return pd.concat(there, ignore_index=True) if there else None


def _select(statistics: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Statistics that are held against something."""
    return statistics[statistics["condition"].isin(compared["condition"])]


def _read_table(
    folder: Path, manifest: Manifest, name: str, columns: Collection[str], panel: str
) -> pd.DataFrame | None:
    """Return the CSV, None if there is no such file; check that it is what was written, and its columns."""
    path = folder / name
    if not os.path.lexists(path):
        return None
    require_whole(folder, manifest, name)
    table = read_table(path, columns, texts=NAMES)
    if panel:
        check_table(panel, table, where=str(path))
    return table


def _lead(manifest: Manifest, statistics: pd.DataFrame | None) -> str:
    network, rule = (_setting(manifest, statistics, name) for name in ("network", "rule"))
    animals = f"{manifest.animals} animal{'' if manifest.animals == 1 else 's'}"
    return f"{network} network, trained by {rule}; {animals}; seed {manifest.seed}"


def _setting(manifest: Manifest, statistics: pd.DataFrame | None, name: str) -> str:
    """Name of the network or rule: from the settings, else from the statistics computed with it."""
    setting = manifest.config.get(name)
    if isinstance(setting, str):
        return setting
    if statistics is not None and name in statistics and len(statistics):
        return str(statistics[name].iloc[0])
    return f"unknown {name}"


def _status(manifest: Manifest) -> str:
    """Status as a reader means it: the report is written before its own run is marked as finished."""
    return "finished" if set(STAGES[:-1]) <= set(manifest.stages) else manifest.status


def _banner(manifest: Manifest) -> str:
    status = _status(manifest)
    if status == "finished":
        return ""
    return tag("p", f"This run is {tag('strong', text(status))}: not all of it is done.", class_="banner")


def _tiles(manifest: Manifest, statistics: pd.DataFrame | None, comparison: pd.DataFrame | None) -> str:
    tiles = []
    for key, name in (
        ("reward_per_trial", "Reward per trial, weights frozen"),
        ("matching_slope", "Matching slope"),
        ("learning_rate_ratio", "Learning rate, volatile over stable"),
        ("reward_share", "Reward, share of the ideal observer's gain"),
    ):
        if (row := find(statistics, key)) is not None:
            tiles.append((name, value(row["estimate"], row["low"], row["high"]), describe(row)))
    if comparison is not None:
        counts = comparison["verdict"].value_counts()
        inside, outside, holds, fails, undecided = (counts.get(verdict, 0) for verdict in VERDICTS[:-1])
        rest = f"{outside} outside; {counts.get('not comparable', 0)} more are not comparable"
        tiles.append(("Inside their reference", f"{inside} of {inside + outside}", rest))
        if claims := holds + fails + undecided:
            rest = f"{fails} fail; {undecided} are open; a claim is a sign or a range in words"
            tiles.append(("Claims that hold", f"{holds} of {claims}", rest))
    cost = f"{manifest.wall_s:.0f} s elapsed, {manifest.cpu_s:.0f} s of CPU"
    tiles.append(("Status", text(_status(manifest)), cost))
    return "\n".join(
        tag("div", tag("dt", name) + tag("dd", value + tag("small", text(more))))
        for name, value, more in tiles
    )


def _panel(name: str, table: pd.DataFrame, statistics: pd.DataFrame | None) -> str:
    panel = PANELS[name]
    single = len(panel.plots) == 1
    drawings = [draw_svg(name, table, plot) for plot in range(len(panel.plots))]
    inline = "".join(_inline(svg, f"{name}{plot}", panel.title) for plot, svg in enumerate(drawings))
    scrolls = {"tabindex": 0, "role": "group", "aria_label": panel.title} if panel.wide and single else {}
    plots = tag("div", inline, class_="plots single" if single else "plots", **scrolls)
    source = f"Numbers: {tag('code', f'figures/{name}.csv')}."
    caption = f"{text(panel.caption)} {_intervals(name, table, statistics)}{source}"
    content = tag("h3", text(panel.title)) + plots + tag("figcaption", caption)
    return tag("figure", content, id=f"figure-{name}", class_="wide" if panel.wide else "narrow")


def _intervals(name: str, table: pd.DataFrame, statistics: pd.DataFrame | None) -> str:
    """Say what the intervals are and over how many of what, as far as the run folder tells."""
    row = find(statistics, STATISTIC_OF.get(name, ""))
    if "interval" in table and table["interval"].notna().any():
        row = table.dropna(subset="interval").iloc[0]
    return (
        "" if row is None else text(f"Intervals: {row['interval']}, {count(row.get('n'), row.get('n_of'))}. ")
    )


def _belongs(name: str, paradigm: str) -> bool:
    return PANELS[name].paradigm in ("", paradigm)


def _left_out(names: list[str]) -> str:
    items = [tag("li", text(f"{PANELS[name].title}: this run has no figures/{name}.csv.")) for name in names]
    return tag("div", "Left out:" + tag("ul", "".join(items)), class_="note", id="left-out") if items else ""


def _inline(svg: str, prefix: str, title: str) -> str:
    """Return a drawing for the page: no XML head, ids of its own, a name, colours that follow the theme."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    for colour, name in THEMED.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{text(title)}"', 1)


def _run(manifest: Manifest) -> str:
    commit = manifest.commit[:12] + "-dirty" * manifest.commit.endswith("-dirty")
    facts = {"commit": commit, "schema version": manifest.schema_version, **manifest.versions}
    listed = "".join(
        tag("div", tag("dt", text(name)) + tag("dd", text(fact))) for name, fact in facts.items()
    )
    settings = tag("pre", text(json.dumps(manifest.config, indent=2, ensure_ascii=False)), tabindex=0)
    return tag("dl", listed, class_="facts") + tag("details", tag("summary", "Settings") + settings)
