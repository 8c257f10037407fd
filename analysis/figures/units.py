"""The panel of selectivity of units.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    PAPER,
    VERMILLION,
    draw_bars,
    draw_legend_above,
    draw_points,
    get_whiskers,
    label_axes,
    words,
)
from pfc_da.analysis.statistic import Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _plot_selectivity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the fraction of units selective for each variable, with published fractions as open diamonds."""
    rows = np.arange(len(numbers))
    draw_bars(ax, numbers, "fraction", 0.5)
    published = numbers["reference"].notna().to_numpy()
    if published.any():
        shown = numbers[published]
        bars = get_whiskers(shown["reference"], shown, "ref_low", "ref_high")
        draw_points(ax, shown["reference"], rows[published] + 0.3, bars, "D", VERMILLION, PAPER, "published")
    ax.set_yticks(rows, [words(name) for name in numbers["variable"]])
    ax.set(xlim=(0, 1), ylim=(len(numbers) - 0.45, -0.5))
    draw_legend_above(ax)
    return label_axes(ax, "fraction of units", "")


def make_selectivity_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Selective units.

    Parameters
    ----------
    table : DataFrame
        variable, fraction, low, high, reference, ref_low, ref_high (a published fraction; empty if there is none).
    statistics : sequence of Statistic
        Those drawn.
    """
    return Panel(
        name="selectivity",
        table=table,
        title="Selectivity of units",
        caption="Fraction of units whose activity depends on each variable, mean over animals; whiskers: intervals."
        + (" Open diamonds: published fractions." if table["reference"].notna().any() else ""),
        plots=(_plot_selectivity,),
        statistics=statistics,
        height=compute_height(table, "variable"),
    )
