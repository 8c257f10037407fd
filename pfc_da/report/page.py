"""One self-contained page, ``report.html``, for a run folder: opens from disk, asks the network for nothing.

Everything shown is read back from the run folder (``manifest.json``, ``statistics.csv``, ``comparison.csv``, and the
drawings listed in ``figures/index.csv``), so it can be made again from those files alone. A content security policy in
the page forbids every outside load; the only addresses are DOI links.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path
from string import Template

import pandas as pd

from pfc_da.errors import plural
from pfc_da.report.html import asset, describe, tag, text, value, words
from pfc_da.report.panels import panels_section
from pfc_da.report.recorded import recorded_section
from pfc_da.report.summary import count_verdicts, list_warnings
from pfc_da.report.tables import comparison_table, misses, statistics_table
from pfc_da.report.units import BROWSER_COLUMNS, unit_browser
from pfc_da.storage.files import write_atomic
from pfc_da.storage.manifest import Manifest, read_manifest, require_whole
from pfc_da.storage.run_files import STAGES, list_replays, name_folder
from pfc_da.storage.tables import BY_ANIMAL, COMPARISON, INDEX, NAMES, RECORDED, STATISTIC, read_table


def write_report(run_folder: str | Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Parameters
    ----------
    run_folder : path
        Holds ``manifest.json``. Of ``statistics.csv``, ``comparison.csv`` and the panels of ``figures/index.csv`` those
        present are shown, and the others are named as left out. The panels and comparisons of other replays
        (``replays/NAME/``) are shown as well.

    Raises
    ------
    InputError
        If `run_folder` is none, or a file in it is damaged: the message names it; it is left as it is.
    """
    folder = Path(run_folder)
    page = _build_page(folder, read_manifest(folder))
    write_atomic(folder / "report.html", lambda aside: aside.write_text(page, encoding="utf-8"))
    return folder / "report.html"


def _build_page(folder: Path, manifest: Manifest) -> str:
    def read(name: str, columns: Collection[str] = ()) -> pd.DataFrame | None:
        return _read_table(folder, manifest, name, columns)

    statistics, comparison = read("statistics.csv", STATISTIC), read("comparison.csv", COMPARISON)
    compared, index = statistics, read("figures/index.csv", INDEX)
    for place in map(name_folder, list_replays(folder)):
        own, references, figures = (
            read(f"{place}/{name}.csv", columns)
            for name, columns in (
                ("statistics", STATISTIC),
                ("comparison", COMPARISON),
                ("figures/index", INDEX),
            )
        )
        comparison = _join(comparison, references)
        if own is not None and references is not None:
            compared = _join(compared, _select(own, references))
        index = _join(index, None if figures is None else figures.assign(folder=place))
    units = [read(f"figures/{name}.csv", columns) for name, columns in BROWSER_COLUMNS.items()]
    panels, left_out = panels_section(index, folder, manifest)
    return Template(asset("template.html")).substitute(
        css=asset("report.css"),
        js=asset("report.js"),
        title=text(words(manifest.paradigm)),
        lead=text(_lead(manifest, statistics)),
        banner=_banner(manifest, statistics, read("statistics_by_animal.csv", BY_ANIMAL)),
        tiles=_tiles(manifest, read("headline.csv", {*STATISTIC, "title"}), comparison),
        misses="" if manifest.config.get("quick") else misses(comparison),
        comparison=comparison_table(comparison, compared),
        recorded=recorded_section(read("comparison_recorded.csv", RECORDED)),
        panels=panels,
        left_out=left_out,
        browser=unit_browser(*units),
        statistics=statistics_table(statistics),
        run=_run(manifest),
    )


def _join(*tables: pd.DataFrame | None) -> pd.DataFrame | None:
    there = [table for table in tables if table is not None]
    return pd.concat(there, ignore_index=True) if there else None


def _select(statistics: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Statistics that are compared with a reference."""
    return statistics[statistics["condition"].isin(compared["condition"])]


def _read_table(folder: Path, manifest: Manifest, name: str, columns: Collection[str]) -> pd.DataFrame | None:
    """Return the CSV, None if there is no such file; check that it is what was written, and its columns."""
    path = folder / name
    if not os.path.lexists(path):
        return None
    require_whole(folder, manifest, name)
    return read_table(path, columns, texts=NAMES)


def _lead(manifest: Manifest, statistics: pd.DataFrame | None) -> str:
    network, rule = (_setting(manifest, statistics, name) for name in ("network", "rule"))
    return f"{network} network, trained by {rule}; {plural(manifest.animals, 'animal')}; seed {manifest.seed}"


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


def _banner(manifest: Manifest, statistics: pd.DataFrame | None, by_animal: pd.DataFrame | None) -> str:
    status = _status(manifest)
    sentences = [text(warning) for warning in list_warnings(manifest, statistics, by_animal)]
    if status != "finished":
        sentences.append(f"This run is {tag('strong', text(status))}: not all of it is done.")
    return "\n".join(tag("p", sentence, class_="banner") for sentence in sentences)


def _tiles(manifest: Manifest, headline: pd.DataFrame | None, comparison: pd.DataFrame | None) -> str:
    tiles = []
    if headline is not None:
        for _, row in headline.iterrows():
            shown = value(row["estimate"], row["low"], row["high"])
            tiles.append((text(row["title"]), shown, describe(row)))
    if comparison is not None and not manifest.config.get("quick"):
        counts = count_verdicts(comparison).values()
        inside, outside, near, holds, fails, undecided, incomparable = counts
        rest = f"{outside} outside, {near} open; {incomparable} more are not comparable"
        tiles.append(("Inside their reference", f"{inside} of {inside + outside + near}", rest))
        if claims := holds + fails + undecided:
            rest = f"{fails} fail; {undecided} are open; a claim is a sign or a range in words"
            tiles.append(("Claims that hold", f"{holds} of {claims}", rest))
    cost = f"{manifest.wall_s:.0f} s elapsed, {manifest.cpu_s:.0f} s of CPU"
    tiles.append(("Status", text(_status(manifest)), cost))
    return "\n".join(
        tag("div", tag("dt", name) + tag("dd", value + tag("small", text(more))))
        for name, value, more in tiles
    )


def _run(manifest: Manifest) -> str:
    commit = manifest.commit[:12] + "-dirty" * manifest.commit.endswith("-dirty")
    facts = {"commit": commit, "schema version": manifest.schema_version, **manifest.versions}
    listed = "".join(
        tag("div", tag("dt", text(name)) + tag("dd", text(fact))) for name, fact in facts.items()
    )
    settings = tag("pre", text(json.dumps(manifest.config, indent=2, ensure_ascii=False)), tabindex=0)
    return tag("dl", listed, class_="facts") + tag("details", tag("summary", "Settings") + settings)
