"""The panels of units: selectivity, and selectivity and decoding in time.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    FAINT,
    INK,
    MUTED,
    PAPER,
    SERIES,
    VERMILLION,
    draw_band,
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


def _plot_in_time(numbers: pd.DataFrame, ax: "Axes", event: str, column: str, chance: float) -> "Axes":
    """Draw a column against time from an event, a line a variable, with lines at the event and at the other one."""
    rows = numbers[numbers["event"] == event]
    ax.axhline(chance, color=MUTED, linewidth=0.8)
    ax.axvline(0, color=INK, linewidth=0.8)
    for other in rows["other_event_s"].unique():
        ax.axvline(other, color=FAINT, linewidth=1.2)
    for (name, own), (color, dash) in zip(rows.groupby("variable", sort=False), SERIES, strict=False):
        draw_band(ax, own["time_s"], own, color)
        ax.plot(own["time_s"], own[column], color=color, linestyle=dash, label=words(name))
        if "wrong_sessions" in own:
            ax.plot(own["time_s"], own["wrong_sessions"], color=color, linewidth=0.6)
    draw_legend_above(ax, ncols=3)
    return ax


def _plot_selectivity_from_cue(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    ax = _plot_in_time(numbers, ax, "cue", "fraction", 0.05)
    ax.set_ylim(0, 1)
    return label_axes(ax, "time from cue (s)", "fraction of units selective")


def _plot_selectivity_from_choice(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    ax = _plot_in_time(numbers, ax, "choice", "fraction", 0.05)
    ax.set_ylim(0, 1)
    return label_axes(ax, "time from choice (s)", "fraction of units selective")


def _plot_decoding_from_cue(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    ax = _plot_in_time(numbers, ax, "cue", "accuracy", 0.5)
    ax.set_ylim(0.4, 1)
    return label_axes(ax, "time from cue (s)", "decoding accuracy")


def _plot_decoding_from_choice(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    ax = _plot_in_time(numbers, ax, "choice", "accuracy", 0.5)
    ax.set_ylim(0.4, 1)
    return label_axes(ax, "time from choice (s)", "decoding accuracy")


EVENT_LINES = (
    "Vertical lines: the event (black), and the median time of the other one (grey); the outcome begins with the choice. "
    "Shading: intervals."
)


def make_selectivity_in_time_panel(table: pd.DataFrame) -> Panel:
    """Selective units in sliding windows.

    Parameters
    ----------
    table : DataFrame
        event (cue or choice), other_event_s, variable, time_s, fraction, low, high, interval, n, n_of.
    """
    return Panel(
        name="selectivity_in_time",
        table=table,
        title="Selectivity of units in time",
        caption="Fraction of units whose spikes in windows of 200 ms depend on each variable (multiple regression, "
        "p < .05 for each unit and window), against the middle of the window. Spikes are drawn from rates where none were "
        f"recorded. Horizontal line: 5 %, expected by chance. Windows less than 100 ms from an event reach beyond it. "
        f"{EVENT_LINES}",
        plots=(_plot_selectivity_from_cue, _plot_selectivity_from_choice),
        wide=True,
    )


def make_decoding_in_time_panel(table: pd.DataFrame) -> Panel:
    """Decoding of value and choice in sliding windows.

    Parameters
    ----------
    table : DataFrame
        event (cue or choice), other_event_s, variable, time_s, accuracy, wrong_sessions, low, high, interval, n, n_of.
    """
    return Panel(
        name="decoding_in_time",
        table=table,
        title="Decoding in time",
        caption="Balanced accuracy with which the spikes of all units in windows of 200 ms give the choice, or whether the "
        "value of the first object is high, in sessions held out. Thin lines: labels of other sessions, mean over "
        f"windows. Horizontal line: chance. {EVENT_LINES}",
        plots=(_plot_decoding_from_cue, _plot_decoding_from_choice),
        wide=True,
    )
