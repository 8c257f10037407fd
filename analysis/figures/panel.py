"""A panel of a run: a table of numbers, its drawing, and what is written under it; and the files of all panels.

A panel is made in the file of its drawing (`reward`, `choices`, `units`, `spiking`, or ``panels.py`` of one paradigm) and
returned by the analysis. In the run folder it is the table ``figures/NAME.csv``, the drawing ``figures/NAME.svg``,
which shows nothing that the table does not hold, and a row of ``figures/index.csv``, from which the report is made. The
index names the functions that draw the table, so that it can be drawn again elsewhere.
"""

import importlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.style import STYLE
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError, nearest, show
from pfc_da.storage.files import write_atomic
from pfc_da.storage.tables import INDEX, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 3.6, 2.7
"""Inches: at this size the text of a drawing is legible on a telephone."""
PLOTS = "plots"
"""Column of the index: the functions of a panel, each ``module.name``, separated by blanks."""
GAP = 0.3
"""Between two drawings of a panel, of the width of one."""
Plot = Callable[[pd.DataFrame, "Axes"], "Axes"]
"""Draws a table on the axes given, computes nothing, and returns the axes."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One table of numbers with its drawing.

    Attributes
    ----------
    name : str
        Of its files and of its place in the report: lower-case letters, digits and underscores.
    table : DataFrame
        All numbers that are drawn. Where it has the columns ``low`` and ``high``, ``interval``, ``n`` and ``n_of`` say what
        these are and what was counted.
    title, caption : str
        Heading, and what each mark means. Intervals and n are added to the caption from the numbers.
    plots : tuple of `Plot`
        Drawn side by side.
    statistics : sequence of Statistic
        Those drawn, if the table does not say what its intervals are.
    interval, n_of : str
        The same, where all intervals are of one kind.
    height : float
        Inches.
    wide : bool
        Takes the width of two panels.
    """

    name: str
    table: pd.DataFrame
    title: str
    caption: str
    plots: tuple[Plot, ...]
    statistics: Sequence[Statistic] = ()
    interval: str = ""
    n_of: str = ""
    height: float = HEIGHT
    wide: bool = False


def compute_height(table: pd.DataFrame, column: str, row_height: float = 0.36) -> float:
    """Height in inches of a panel that has a row for each distinct value of a column.

    Parameters
    ----------
    table : DataFrame
    column : str
        Its distinct values are counted.
    row_height : float
        Inches.

    Returns
    -------
    float
        Inches.
    """
    return 0.85 + row_height * table[column].nunique() if len(table) else HEIGHT


def write_figures(
    panels: Sequence[Panel],
    folder: str | Path,
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Save every panel as ``NAME.csv`` and ``NAME.svg``, and a row for each in ``index.csv``; without panels, no index.

    Parameters
    ----------
    panels : sequence of Panel
        In the order of the report. Those whose table is empty are in the index alone.
    folder : path
        Made if missing. Files are written aside and renamed.
    tables : mapping of str to DataFrame
        Tables without a drawing, by name.

    Raises
    ------
    InputError
        If a name is given twice or is none.
    """
    folder, tables = Path(folder), tables or {}
    _check_names(["index", *tables, *(panel.name for panel in panels)])
    for name, table in (*tables.items(), *((panel.name, panel.table) for panel in panels)):
        if len(table):
            _write(folder / f"{name}.csv", table.to_csv(index=False))
    for panel in panels:
        if len(panel.table):
            _write(folder / f"{panel.name}.svg", draw_svg(panel))
    if panels:
        _write(folder / "index.csv", tabulate_panels(panels).to_csv(index=False))


def tabulate_panels(panels: Sequence[Panel]) -> pd.DataFrame:
    """A row a panel with the columns of `pfc_da.storage.tables.INDEX` and `PLOTS`.

    `drawn` is 0 where its table is empty, else 1.
    """
    rows = [
        (
            each.name,
            each.title,
            each.caption,
            describe_intervals(each),
            int(each.wide),
            int(len(each.table) > 0),
            " ".join(f"{plot.__module__}.{plot.__qualname__}" for plot in each.plots),
        )
        for each in panels
    ]
    return pd.DataFrame(rows, columns=[*INDEX, PLOTS])


def describe_intervals(panel: Panel) -> str:
    """Every kind of interval that is drawn, with how many of what it is over; empty if there is none."""
    columns = ["low", "interval", "n", "n_of"]
    if panel.statistics:
        rows = pd.DataFrame(
            [[getattr(each, name) for name in columns] for each in panel.statistics], columns=columns
        )
    else:
        rows = panel.table.reindex(columns=columns)
    rows = rows.assign(
        **{name: rows[name].astype(object).fillna(getattr(panel, name)) for name in ("interval", "n_of")}
    )
    rows = rows[rows["low"].notna() & (rows["interval"] != "")]
    return "; ".join(
        f"{interval}, {_count(own['n'])} {n_of}".rstrip()
        for (interval, n_of), own in rows.groupby(["interval", "n_of"], sort=False)
    )


def draw_svg(panel: Panel) -> str:
    """Return a panel as SVG text: the same numbers give the same text."""
    from matplotlib import rc_context  # 0.5 s: only when something is drawn
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(2 * WIDTH if panel.wide else WIDTH, panel.height))
        axes = figure.subplots(1, len(panel.plots), squeeze=False)[0]
        for draw, ax in zip(panel.plots, axes, strict=True):
            draw(panel.table, ax)
        file = io.StringIO()
        figure.savefig(file, format="svg", dpi=200, metadata={"Date": None})
    return file.getvalue()


def draw_panel(folder: str | Path, name: str, ax: "Axes") -> "Axes":
    """Draw a panel of a run again, from its table.

    Parameters
    ----------
    folder : path
        Of the figures of a run, or of a replay made on demand.
    name : str
        Of the panel.
    ax : matplotlib Axes
        Drawn on; divided among its `child_axes` if the panel has several drawings.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        If there is no such panel, it has no numbers, or what draws it is not found.
    """
    from matplotlib import rc_context

    folder = Path(folder)
    index = read_table(folder / "index.csv", [*INDEX, PLOTS])
    drawn = index.loc[index["drawn"] == 1].set_index("name")[PLOTS]
    if name not in drawn:
        why = "has no numbers in this run" if name in set(index["name"]) else "is none of this run"
        raise InputError(
            f"panel {show(name)} {why}.{nearest(name, drawn.index)} There are: {', '.join(drawn.index)}."
        )
    plots = [_find_plot(each) for each in drawn[name].split()]
    table = read_table(folder / f"{name}.csv")
    with rc_context(STYLE):
        for plot, part in zip(plots, _divide(ax, len(plots)), strict=True):
            plot(table, part)
    return ax


def _find_plot(name: str) -> Plot:
    """The function ``module.name``; only one that is called as those that draw are, whatever the index says."""
    module, _, function = name.rpartition(".")
    try:
        if not function.lstrip("_").startswith("plot_"):
            raise AttributeError
        plot: Plot = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError):
        raise InputError(
            f"no function {show(name)} to draw the panel with; it must be one of a module, called plot_... or _plot_..."
        ) from None
    return plot


def _divide(ax: "Axes", n: int) -> list["Axes"]:
    """The axes themselves, or `n` side by side in their place."""
    if n == 1:
        return [ax]
    ax.set_axis_off()
    width = 1 / (n + GAP * (n - 1))
    return [ax.inset_axes((place * width * (1 + GAP), 0, width, 1)) for place in range(n)]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise InputError(
                f"a figure cannot be called {show(name)}; lower-case letters, digits and _ are allowed."
            )
        if names.count(name) > 1:
            raise InputError(f"two tables of figures are called {show(name)}; give each a name of its own.")


def _count(n: pd.Series) -> str:
    """n as written: one number, or the least and the largest."""
    known = n.dropna().astype(int)
    if known.empty:
        return "n not given"
    return f"n = {known.min()}" if known.nunique() == 1 else f"n = {known.min()} to {known.max()}"


def _write(path: Path, text: str) -> None:
    write_atomic(path, lambda aside: aside.write_text(text, encoding="utf-8"))
