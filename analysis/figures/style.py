"""The look that all drawings share: colours, text, intervals, legends.

Intervals are drawn where a table has ``low`` and ``high``. Colours are those of Okabe & Ito (Wong 2011,
doi 10.1038/nmeth.1618); shapes or dashes differ as well, so that a drawing can be read without colour.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The report maps these five to its dark palette, so every mark takes its colour from here.
INK, MUTED, FAINT, PAPER = "#1b1f24", "#667085", "#d5dae1", "#fdfdfe"
BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
SERIES = (
    (BLUE, "-"),
    (VERMILLION, (0, (5, 2))),
    (GREEN, (0, (1, 1.2))),
    (PURPLE, (0, (5, 1.5, 1, 1.5))),
    (ORANGE, (0, (2, 1))),
)
STYLE: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: editable and searchable
    "svg.hashsalt": "pfc_da",  # the same numbers give the same bytes
    "text.parse_math": False,  # a $ in a name of the data is a $
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.use": True,
}
MANY_POINTS = 1500  # beyond this a cloud of points is embedded as an image, or the file becomes megabytes


def get_whiskers(center: pd.Series, rows: pd.DataFrame, low: str = "low", high: str = "high") -> np.ndarray:
    """Lengths of error bars; NaN, not drawn, where there is no interval.

    Parameters
    ----------
    center : Series
        Estimates.
    rows : DataFrame
    low, high : str
        Columns with the ends of the intervals.

    Returns
    -------
    (2, row)
        Lengths below and above, at least 0.
    """
    return np.clip(np.array([center - rows[low], rows[high] - center], float), 0, None)


def draw_band(ax: "Axes", x: pd.Series, rows: pd.DataFrame, color: str) -> None:
    """Shade between the columns `low` and `high`, if there are any.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : Series
        Abscissa of each row.
    rows : DataFrame
    color : str
    """
    if {"low", "high"} <= set(rows):
        ax.fill_between(
            x, rows["low"].astype(float), rows["high"].astype(float), color=color, alpha=0.18, linewidth=0
        )


def draw_legend_above(ax: "Axes", ncols: int = 2, **given: Any) -> None:
    """Put the legend, if anything has a label, above the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    ncols : int
    **given
        As for `Axes.legend`.
    """
    if ax.get_legend_handles_labels()[0]:
        place: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
        ax.legend(ncols=ncols, columnspacing=1.2, **place, **given)


def label_axes(ax: "Axes", x: str, y: str) -> "Axes":
    """Name both axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : str
        With units.
    """
    ax.set(xlabel=x, ylabel=y)
    return ax


def words(name: object) -> str:
    """Return a stable name as words: ``hidden_reset`` is hidden reset."""
    return str(name).replace("_", " ")


def draw_bars(ax: "Axes", numbers: pd.DataFrame, column: str, height: float) -> None:
    """Draw a column as bars, one below the other, with points and intervals.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    numbers : DataFrame
        With `column`, low, high.
    column : str
    height : float
        Of a bar, in rows.
    """
    rows, values = np.arange(len(numbers)), numbers[column]
    ax.barh(rows, values, height=height, color=BLUE, alpha=0.35)
    draw_points(ax, values, rows, get_whiskers(values, numbers), "o", BLUE, BLUE, "simulated")


def draw_points(ax, x, y, bars, marker: str, color: str, face: str, label: str) -> None:
    """Draw points with horizontal intervals.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : (row,)
    bars : (2, row)
        Lengths of the intervals below and above `x`.
    marker, color, face, label : str
        `face` is the colour inside the marker.
    """
    style = {"markerfacecolor": face, "markersize": 4.5, "elinewidth": 1.4, "capsize": 2.5}
    ax.errorbar(x, y, xerr=bars, fmt=marker, color=color, label=label, **style)


def draw_animals_and_mean(
    ax: "Axes",
    rows: pd.DataFrame,
    column: str,
    y: pd.Series,
    *,
    look: tuple[str, str],
    label: str,
    offset: float = 0.0,
) -> None:
    """Draw a column of every animal as a small dot, and their mean as a symbol with its interval.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows : DataFrame
        animal (number, or ``mean``), `column`, low, high.
    column : str
    y : Series
        Ordinate of each row.
    look : tuple of str
        Colour, and marker of the mean.
    label : str
    offset : float
        Added to the ordinate of the animals.
    """
    color, marker = look
    is_mean, values = rows["animal"].astype(str) == "mean", rows[column]
    ax.plot(values[~is_mean], y[~is_mean] + offset, ".", color=color, alpha=0.45, markersize=4)
    bars = get_whiskers(values[is_mean], rows[is_mean])
    ax.errorbar(
        values[is_mean],
        y[is_mean],
        xerr=bars,
        fmt=marker,
        color=color,
        markersize=4.5,
        capsize=2.5,
        label=label,
    )
