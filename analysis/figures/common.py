"""Drawings of the numbers of a run: each function draws its table on the axes given and computes nothing.

`pfc_da.analysis.figures.panel` lists the columns of the tables and makes files of the drawings. Intervals are drawn
where the table has ``low`` and ``high``; published values are open diamonds. Colours are those of Okabe & Ito
(Wong 2011, doi 10.1038/nmeth.1618), told apart by shape or dash too.
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
SPACING = 2.0  # height of a strip of the raster with its ticks, where a probability of 1 has height 1
MANY_POINTS = 1500  # beyond this a cloud of points is embedded as an image, or the file becomes megabytes


def plot_learning_curve(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw reward per trial over training: thin lines for animals, thick for the mean with its interval."""
    is_mean = numbers["animal"].astype(str) == "mean"
    for index, (_, rows) in enumerate(numbers[~is_mean].groupby("animal", sort=False)):
        label = "one animal" if index == 0 else None
        line = ax.plot(
            rows["trials"], rows["reward_per_trial"], color=BLUE, linewidth=0.8, alpha=0.45, label=label
        )
        line[0].set_rasterized(len(numbers) > 10 * MANY_POINTS)
    mean = numbers[is_mean]
    if len(mean):
        ax.plot(mean["trials"], mean["reward_per_trial"], color=INK, label="mean of animals")
        draw_band(ax, mean["trials"], mean, INK)
    ax.legend(loc="lower right")
    ax.xaxis.set_major_formatter(_thousands)
    return label_axes(ax, "training trials", "reward per trial")


def plot_within_session(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw reward over the trials of a frozen session, a line and interval for each condition."""
    for index, (condition, rows) in enumerate(numbers.groupby("condition", sort=False)):
        color, dash = SERIES[index % len(SERIES)]
        ax.plot(rows["trial"], rows["mean"], color=color, linestyle=dash, label=words(condition))
        draw_band(ax, rows["trial"], rows, color)
    draw_legend_above(ax)
    return label_axes(ax, "trial of the session", "reward per trial")


def plot_raster(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw choices of frozen sessions, one strip each, over the hidden reward probabilities.

    Ticks point up for choices of A and down for B; a rewarded choice has a long tick with a dot.
    """
    episodes = list(dict.fromkeys(numbers["episode"]))
    for row, episode in enumerate(episodes):
        _draw_strip(ax, numbers[numbers["episode"] == episode], base=-SPACING * row)
    ax.set_yticks(
        [0.5 - SPACING * row for row in range(len(episodes))], [f"{episode}" for episode in episodes]
    )
    ax.set_ylim(-SPACING * (len(episodes) - 1) - 0.42, 1.42)
    ax.set_xlim(numbers["trial"].min() - 1, numbers["trial"].max() + 1)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))  # every strip brings the same two
    draw_legend_above(ax, ncols=2, handles=list(unique.values()), labels=list(unique))
    return label_axes(ax, "trial", "session")


def plot_matching_fractions(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw fraction of choices against fraction of income, a point a session; dashes are exact matching."""
    _identity(ax, 0, 1)
    _cloud(ax, numbers["income_fraction"], numbers["choice_fraction"])
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    return label_axes(ax, "fraction of income from A", "fraction of choices of A")


def plot_matching_ratios(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw log choice against log income ratios, and the fitted slope with its interval if given."""
    income, choice = numbers["log_income_ratio"], numbers["log_choice_ratio"]
    finite = np.isfinite(income) & np.isfinite(choice)  # a side never chosen, or never paid, has no log ratio
    _identity(ax, income[finite].min(), income[finite].max())
    _cloud(ax, income[finite], choice[finite])
    if "slope" in numbers and numbers["slope"].notna().any():
        fit, x = numbers.iloc[0], np.linspace(income[finite].min(), income[finite].max(), 101)
        label = f"slope {fit['slope']:.2f} [{fit['slope_low']:.2f}, {fit['slope_high']:.2f}]"
        ax.plot(x, fit["bias"] + fit["slope"] * x, color=VERMILLION, label=label)
        low, high = (fit["bias"] + fit[edge] * x for edge in ("slope_low", "slope_high"))
        ax.fill_between(x, low, high, color=VERMILLION, alpha=0.18, linewidth=0)
    ax.legend(loc="upper left")
    return label_axes(ax, "log income ratio, A to B", "log choice ratio, A to B")


def plot_history(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the weights of past rewards and past choices on the present choice, by lag."""
    ax.axhline(0, color=MUTED, linewidth=0.8)
    for (kind, rows), color, marker, shift in zip(
        numbers.groupby("kind", sort=False), (BLUE, VERMILLION), "os", (-0.08, 0.08), strict=False
    ):
        bars = get_whiskers(rows["estimate"], rows)
        ax.errorbar(
            rows["lag"] + shift,
            rows["estimate"],
            bars,
            color=color,
            marker=marker,
            markersize=4,
            label=f"past {kind}s",
        )
    ax.set_xticks(sorted(set(numbers["lag"])))
    ax.legend(loc="upper right")
    return label_axes(ax, "lag (trials back)", "weight on choice (log odds)")


def plot_selectivity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the fraction of units selective for each variable, with published fractions as open diamonds."""
    rows = np.arange(len(numbers))
    ax.barh(rows, numbers["fraction"], height=0.5, color=BLUE, alpha=0.35)
    _points(
        ax,
        numbers["fraction"],
        rows,
        get_whiskers(numbers["fraction"], numbers),
        "o",
        BLUE,
        BLUE,
        "simulated",
    )
    published = numbers["reference"].notna().to_numpy()
    if published.any():
        shown = numbers[published]
        bars = get_whiskers(shown["reference"], shown, "ref_low", "ref_high")
        _points(ax, shown["reference"], rows[published] + 0.3, bars, "D", VERMILLION, PAPER, "published")
    ax.set_yticks(rows, [words(name) for name in numbers["variable"]])
    ax.set(xlim=(0, 1), ylim=(len(numbers) - 0.45, -0.5))
    draw_legend_above(ax)
    return label_axes(ax, "fraction of units", "")


def plot_controls(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the estimate under each condition with its interval; a dark bar marks what chance would give."""
    rows = np.arange(len(numbers))
    ax.barh(rows, numbers["estimate"], height=0.55, color=BLUE, alpha=0.35)
    _points(
        ax,
        numbers["estimate"],
        rows,
        get_whiskers(numbers["estimate"], numbers),
        "o",
        BLUE,
        BLUE,
        "simulated",
    )
    ax.vlines(numbers["chance"], rows - 0.38, rows + 0.38, color=INK, linewidth=1.8, label="chance")
    ax.set_yticks(rows, [words(name) for name in numbers["condition"]])
    ax.set_ylim(len(numbers) - 0.5, -0.5)
    ax.set_xlim(left=0)
    draw_legend_above(ax)
    return label_axes(ax, "reward per trial", "")


def _draw_strip(ax: "Axes", rows: pd.DataFrame, base: float) -> None:
    """Draw one session of the raster between `base` and `base` + 1, its ticks just outside."""
    for column, label, color, dash in (
        ("p_a", "p(A)", BLUE, "-"),
        ("p_b", "p(B)", VERMILLION, (0, (4, 1.5))),
    ):
        ax.step(
            rows["trial"],
            base + rows[column],
            where="mid",
            color=color,
            linestyle=dash,
            linewidth=1.1,
            label=label,
        )
    ax.hlines([base, base + 1], rows["trial"].min(), rows["trial"].max(), color=FAINT, linewidth=0.6)
    rewarded = rows["reward"] > 0
    for action, foot, way, color in ((0, base + 1.05, 1, BLUE), (1, base - 0.05, -1, VERMILLION)):
        chosen = rows["choice"] == action
        none, some = rows["trial"][chosen & ~rewarded], rows["trial"][chosen & rewarded]
        ax.vlines(none, foot, foot + 0.1 * way, color=color, linewidth=1, alpha=0.7)
        ax.vlines(some, foot, foot + 0.2 * way, color=color, linewidth=1.4)
        ax.plot(some, np.full(len(some), foot + 0.25 * way), ".", color=color, markersize=3.2)


def _cloud(ax: "Axes", x: pd.Series, y: pd.Series) -> None:
    ax.scatter(x, y, s=9, color=BLUE, alpha=0.6, linewidths=0, rasterized=len(x) > MANY_POINTS)


def _identity(ax: "Axes", low: float, high: float) -> None:
    ax.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="exact matching")


def _points(ax, x, y, bars, marker: str, color: str, face: str, label: str) -> None:
    """Draw points with horizontal intervals."""
    style = {"markerfacecolor": face, "markersize": 4.5, "elinewidth": 1.4, "capsize": 2.5}
    ax.errorbar(x, y, xerr=bars, fmt=marker, color=color, label=label, **style)


def get_whiskers(center: pd.Series, rows: pd.DataFrame, low: str = "low", high: str = "high") -> np.ndarray:
    """Return lengths (2, row) below and above `center`; NaN, drawn as nothing, where there is no interval."""
    return np.clip(np.array([center - rows[low], rows[high] - center], float), 0, None)


def draw_band(ax: "Axes", x: pd.Series, rows: pd.DataFrame, color: str) -> None:
    """Shade between the columns `low` and `high`, if there are any."""
    if {"low", "high"} <= set(rows):
        ax.fill_between(
            x, rows["low"].astype(float), rows["high"].astype(float), color=color, alpha=0.18, linewidth=0
        )


def draw_legend_above(ax: "Axes", ncols: int = 2, **entries: list) -> None:
    """Put the legend over the axes, out of the way of the marks."""
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=ncols, borderaxespad=0.2, columnspacing=1.2, **entries
    )


def label_axes(ax: "Axes", x: str, y: str) -> "Axes":
    """Name both axes."""
    ax.set(xlabel=x, ylabel=y)
    return ax


def words(name: object) -> str:
    """Return a stable name as words: ``hidden_reset`` is hidden reset."""
    return str(name).replace("_", " ")


def _thousands(value: float, _position: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
