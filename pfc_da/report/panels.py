"""The figures of the report: the drawings of the run folder in the order of its index, with their captions."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from pfc_da.errors import InputError, damaged
from pfc_da.report.html import tag, text
from pfc_da.storage.files import require_file
from pfc_da.storage.manifest import Manifest, require_whole

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


def panels_section(index: pd.DataFrame | None, folder: Path, manifest: Manifest) -> tuple[str, str]:
    """Return the panels that have a drawing, and a list of the others.

    Parameters
    ----------
    index : DataFrame, optional
        Panels in their order (`pfc_da.storage.tables.INDEX`); a column ``folder`` says which replay they are of.
    folder : Path
        The run folder.
    manifest : Manifest
    """
    if index is None:
        return "", tag("p", "Left out: this run has no figures/index.csv.", class_="note")
    shown, missed = [], []
    for _, row in index.iterrows():
        folder_of = "" if pd.isna(row.get("folder")) else f"{row['folder']}/"
        files = [f"{folder_of}figures/{row['name']}.{kind}" for kind in ("csv", "svg")]
        absent = [name for name in files if not os.path.lexists(folder / name)]
        if row["drawn"] != 1:
            missed.append(f"{row['title']}: this run has no numbers for it.")
        elif absent:
            missed.append(f"{row['title']}: this run has no {absent[0]}.")
        else:
            shown.append(_panel(row, _read_svg(folder, manifest, *files), files[0]))
    return "\n".join(shown), _left_out(missed)


def _left_out(missed: list[str]) -> str:
    items = "".join(tag("li", text(each)) for each in missed)
    return tag("div", "Left out:" + tag("ul", items), class_="note", id="left-out") if items else ""


def _read_svg(folder: Path, manifest: Manifest, table: str, drawing: str) -> str:
    """Return a drawing as it was written, once its table is known to be whole too."""
    for name in (table, drawing):
        require_whole(folder, manifest, name)
    path = folder / drawing
    try:
        require_file(path)
        svg = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(svg)
    except InputError:
        raise
    except (ValueError, OSError, ElementTree.ParseError) as error:
        raise damaged(path, str(error)) from None
    if any(_can_run(element) for element in root.iter()):
        raise damaged(path, "it holds a script")
    return svg


def _can_run(element: ElementTree.Element) -> bool:
    """Whether an element could run code in the page: no drawing of a run has such."""
    name = element.tag.rpartition("}")[2].lower()
    return name in ("script", "foreignobject") or any(key.lower().startswith("on") for key in element.attrib)


def _panel(row: pd.Series, svg: str, table: str) -> str:
    name, title, wide = row["name"], row["title"], row["wide"] == 1
    scrolls = {"tabindex": 0, "role": "group", "aria_label": title} if wide else {}
    drawing = tag("div", _inline(svg, name, title), class_="drawing", **scrolls)
    intervals = "" if pd.isna(row["intervals"]) else f"Intervals: {row['intervals']}. "
    source = f"Numbers: {tag('code', text(table))}."
    caption = f"{text(row['caption'])} {text(intervals)}{source}"
    content = tag("h3", text(title)) + drawing + tag("figcaption", caption)
    return tag("figure", content, id=f"figure-{name}", class_="wide" if wide else "narrow")


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
