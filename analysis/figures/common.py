"""Panels that every paradigm can show: learning, controls, sessions, matching, history and selectivity.

A function ``plot_...`` draws its table on the axes given and computes nothing; below it, ``make_..._panel`` makes the panel
of that table. Published values are open diamonds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    BLUE,
    FAINT,
    INK,
    MANY_POINTS,
    MUTED,
    PAPER,
    SERIES,
    VERMILLION,
    draw_band,
    draw_legend_above,
    get_whiskers,
    label_axes,
    words,
)
from pfc_da.analysis.statistic import OVER_ANIMALS, OVER_BOTH, Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPACING = 2.0  # height of a strip of the raster with its ticks, where a probability of 1 has height 1


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
    ax.xaxis.set_major_formatter(_format_thousands)
    return label_axes(ax, "training trials", "reward per trial")


def make_learning_panel(table: pd.DataFrame) -> Panel:
    """Reward over training.

    Parameters
    ----------
    table : DataFrame
        animal (number, or ``mean`` in the rows of the mean over animals), update, trials, reward_per_trial, low, high, n.
    """
    return Panel(
        name="learning_curve",
        table=table,
        title="Learning over training",
        caption="Reward per trial while the weights change, against trials of training. Thin lines: animals. Thick "
        "line: mean over animals; band: its interval.",
        plots=(plot_learning_curve,),
        interval=OVER_ANIMALS,
        n_of="animals",
    )


def plot_within_session(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw reward over the trials of a frozen session, a line and interval for each condition."""
    for index, (condition, rows) in enumerate(numbers.groupby("condition", sort=False)):
        color, dash = SERIES[index % len(SERIES)]
        ax.plot(rows["trial"], rows["mean"], color=color, linestyle=dash, label=words(condition))
        draw_band(ax, rows["trial"], rows, color)
    draw_legend_above(ax)
    return label_axes(ax, "trial of the session", "reward per trial")


def make_within_session_panel(table: pd.DataFrame) -> Panel:
    """Reward within a session.

    Parameters
    ----------
    table : DataFrame
        trial (from 0), mean, low, high, n, condition.
    """
    return Panel(
        name="within_session",
        table=table,
        title="Learning within a session",
        caption="Reward per trial against the trial of the session, mean over animals and sessions. The weights are "
        "frozen: an increase is due to changes of activity, not of weights. Bands: intervals.",
        plots=(plot_within_session,),
        interval=OVER_BOTH,
        n_of="animals",
    )


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


def make_raster_panel(table: pd.DataFrame) -> Panel:
    """Choices and rewards of single sessions.

    Parameters
    ----------
    table : DataFrame
        episode, trial, choice (0: A or left, 1: B or right, -1: none), reward, p_a, p_b (hidden reward probabilities).
    """
    return Panel(
        name="raster",
        table=table,
        title="Choices of single sessions",
        caption="First sessions of the first animal, weights frozen; one strip is a session. Ticks above a strip: "
        "choices of A; below: of B. A long tick with a dot: the choice was rewarded. Lines: hidden reward "
        "probabilities of A and B, from 0 (bottom of the strip) to 1 (top).",
        plots=(plot_raster,),
        height=compute_height(table, "episode", 0.85),
        wide=True,
    )


def plot_matching_fractions(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw fraction of choices against fraction of income, a point a session; dashes are exact matching."""
    _draw_identity(ax, 0, 1)
    _draw_cloud(ax, numbers["income_fraction"], numbers["choice_fraction"])
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    return label_axes(ax, "fraction of income from A", "fraction of choices of A")


def plot_matching_ratios(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw log choice against log income ratios, and the fitted slope with its interval if given."""
    income, choice = numbers["log_income_ratio"], numbers["log_choice_ratio"]
    finite = np.isfinite(income) & np.isfinite(choice)  # a side never chosen, or never paid, has no log ratio
    _draw_identity(ax, income[finite].min(), income[finite].max())
    _draw_cloud(ax, income[finite], choice[finite])
    if "slope" in numbers and numbers["slope"].notna().any():
        fit, x = numbers.iloc[0], np.linspace(income[finite].min(), income[finite].max(), 101)
        label = f"slope {fit['slope']:.2f} [{fit['slope_low']:.2f}, {fit['slope_high']:.2f}]"
        ax.plot(x, fit["bias"] + fit["slope"] * x, color=VERMILLION, label=label)
        low, high = (fit["bias"] + fit[edge] * x for edge in ("slope_low", "slope_high"))
        ax.fill_between(x, low, high, color=VERMILLION, alpha=0.18, linewidth=0)
    ax.legend(loc="upper left")
    return label_axes(ax, "log income ratio, A to B", "log choice ratio, A to B")


def make_matching_panel(table: pd.DataFrame, slope: Statistic) -> Panel:
    """Matching of choices to income.

    Parameters
    ----------
    table : DataFrame
        animal, episode, choice_fraction, income_fraction, log_choice_ratio, log_income_ratio, and the fitted generalised
        matching law, the same in every row: slope, slope_low, slope_high, bias.
    slope : Statistic
        The slope drawn.
    """
    return Panel(
        name="matching",
        table=table,
        title="Matching",
        caption="A point is a session of one animal. Left: fraction of choices of A against the fraction of income "
        "from A. Right: the same as log ratios of A to B, with the generalised matching law (line: mean slope "
        "and bias of the animals; band: interval of the slope). Dashes: exact matching.",
        plots=(plot_matching_fractions, plot_matching_ratios),
        statistics=[slope],
        wide=True,
    )


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


def make_history_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Effects of past rewards and choices.

    Parameters
    ----------
    table : DataFrame
        kind (``choice`` or ``reward``), lag (trials), estimate, low, high.
    statistics : sequence of Statistic
        Among others those drawn, ``history_...``.
    """
    return Panel(
        name="history",
        table=table,
        title="Effects of past rewards and choices",
        caption="Weights of past rewards and past choices in a logistic regression of the present choice, by lag, "
        "weights of the network frozen. Points: mean over animals; whiskers: intervals.",
        plots=(plot_history,),
        statistics=[each for each in statistics if each.key.startswith("history_")],
    )


def plot_selectivity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the fraction of units selective for each variable, with published fractions as open diamonds."""
    rows = np.arange(len(numbers))
    _draw_bars(ax, numbers, "fraction", 0.5)
    published = numbers["reference"].notna().to_numpy()
    if published.any():
        shown = numbers[published]
        bars = get_whiskers(shown["reference"], shown, "ref_low", "ref_high")
        _draw_points(ax, shown["reference"], rows[published] + 0.3, bars, "D", VERMILLION, PAPER, "published")
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
        plots=(plot_selectivity,),
        statistics=statistics,
        height=compute_height(table, "variable"),
    )


def plot_controls(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the estimate under each condition with its interval; a dark bar marks what chance would give."""
    rows = np.arange(len(numbers))
    _draw_bars(ax, numbers, "estimate", 0.55)
    ax.vlines(numbers["chance"], rows - 0.38, rows + 0.38, color=INK, linewidth=1.8, label="chance")
    ax.set_yticks(rows, [words(name) for name in numbers["condition"]])
    ax.set_ylim(len(numbers) - 0.5, -0.5)
    ax.set_xlim(left=0)
    draw_legend_above(ax)
    return label_axes(ax, "reward per trial", "")


def make_controls_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Reward under the control conditions.

    Parameters
    ----------
    table : DataFrame
        condition, estimate, low, high, chance.
    statistics : sequence of Statistic
        Those drawn.
    """
    return Panel(
        name="controls",
        table=table,
        title="Controls",
        caption="Reward per trial with frozen weights: the intact network, and networks in which one component is "
        "removed. Points: mean over animals and sessions; whiskers: intervals. Dark bars: reward of random "
        "choices.",
        plots=(plot_controls,),
        statistics=statistics,
        height=compute_height(table, "condition"),
    )


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


def _draw_cloud(ax: "Axes", x: pd.Series, y: pd.Series) -> None:
    ax.scatter(x, y, s=9, color=BLUE, alpha=0.6, linewidths=0, rasterized=len(x) > MANY_POINTS)


def _draw_identity(ax: "Axes", low: float, high: float) -> None:
    ax.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="exact matching")


def _draw_bars(ax: "Axes", numbers: pd.DataFrame, column: str, height: float) -> None:
    """Draw a column as bars, one below the other, with points and intervals."""
    rows, values = np.arange(len(numbers)), numbers[column]
    ax.barh(rows, values, height=height, color=BLUE, alpha=0.35)
    _draw_points(ax, values, rows, get_whiskers(values, numbers), "o", BLUE, BLUE, "simulated")


def _draw_points(ax, x, y, bars, marker: str, color: str, face: str, label: str) -> None:
    """Draw points with horizontal intervals."""
    style = {"markerfacecolor": face, "markersize": 4.5, "elinewidth": 1.4, "capsize": 2.5}
    ax.errorbar(x, y, xerr=bars, fmt=marker, color=color, label=label, **style)


def _format_thousands(value: float, _position: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
