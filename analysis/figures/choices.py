"""Panels of choices: single sessions, matching, and effects of past rewards and choices.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    BLUE,
    FAINT,
    MANY_POINTS,
    MUTED,
    SERIES,
    VERMILLION,
    draw_band,
    draw_legend_above,
    get_whiskers,
    label_axes,
    words,
)
from pfc_da.analysis.statistic import Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPACING = 2.0  # height of a strip of the raster with its ticks, where a probability of 1 has height 1


def _plot_raster(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw choices of frozen sessions, one strip each, over the hidden reward probabilities.

    Of two options, ticks point up for choices of A and down for B; of more, all point up. A rewarded choice has a long
    tick with a dot.
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
    unique = dict(zip(labels, handles, strict=True))  # every strip brings the same ones
    draw_legend_above(ax, ncols=len(unique), handles=list(unique.values()), labels=list(unique))
    return label_axes(ax, "trial", "session")


def make_raster_panel(table: pd.DataFrame) -> Panel:
    """Choices and rewards of single sessions.

    Parameters
    ----------
    table : DataFrame
        episode, trial, choice (0: A or left, 1: B or right, ..., -1: none), reward, and the hidden reward probability of
        each option: p_a, p_b, ...
    """
    return Panel(
        name="raster",
        table=table,
        title="Choices of single sessions",
        caption="First sessions of the first animal, weights frozen; one strip is a session. Ticks above a strip: "
        f"choices of {'A; below: of B' if 'p_c' not in table else 'the option of that colour'}. A long tick with "
        "a dot: the choice was rewarded. Lines: hidden reward probabilities, from 0 (bottom of the strip) to 1 (top).",
        plots=(_plot_raster,),
        height=compute_height(table, "episode", 0.85),
        wide=True,
    )


def _plot_matching_fractions(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw fraction of choices against fraction of income, a point a block; dashes are exact matching."""
    _draw_identity(ax, 0, 1)
    _draw_cloud(ax, numbers["income_fraction"], numbers["choice_fraction"])
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    return label_axes(ax, "fraction of income from A", "fraction of choices of A")


def _plot_matching_ratios(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
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
    draw_legend_above(ax)
    return label_axes(ax, "log income ratio, A to B", "log choice ratio, A to B")


def make_matching_panel(table: pd.DataFrame, slope: Statistic) -> Panel:
    """Matching of choices to income.

    Parameters
    ----------
    table : DataFrame
        animal, episode, block, choice_fraction, income_fraction, log_choice_ratio, log_income_ratio, and the fitted
        generalised matching law, the same in every row: slope, slope_low, slope_high, bias.
    slope : Statistic
        The slope drawn.
    """
    return Panel(
        name="matching",
        table=table,
        title="Matching",
        caption="A point is a block of a session of one animal. Left: fraction of choices of A against the fraction of "
        "income from A. Right: the same as log ratios of A to B, with the generalised matching law (line: mean slope "
        "and bias of the animals; band: interval of the slope). Dashes: exact matching.",
        plots=(_plot_matching_fractions, _plot_matching_ratios),
        statistics=[slope],
        wide=True,
    )


def _plot_changes(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw choices of the newly better option around a change, one line for each agent."""
    ax.axvline(-0.5, color=FAINT, linewidth=0.8)
    for (who, rows), (color, dash) in zip(
        numbers.groupby("who", sort=False), itertools.cycle(SERIES), strict=False
    ):
        ax.plot(rows["trial"], rows["mean"], color=color, linestyle=dash, label=words(str(who)))
        draw_band(ax, rows["trial"], rows, color)
    ax.set_ylim(0, 1)
    draw_legend_above(ax)
    return label_axes(ax, "trial around the change", "P(newly better option)")


def make_changes_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Choices around an unsignalled change of the better option.

    Parameters
    ----------
    table : DataFrame
        who (``animals`` or a reference agent), trial (0 the first with the new option), mean, low, high, interval, n,
        n_of.
    statistics : sequence of Statistic
        Trials to half of the change.
    """
    return Panel(
        name="changes",
        table=table,
        title="Choices around a change",
        caption="Probability of choosing the option that is richer from trial 0 on, weights frozen. Observer: knows how "
        "p0 is drawn and when it may change, and learns p0 from its rewards. Alternation: ignores rewards. Knows "
        "p0: is given p0 of every trial. Lines: means; bands: intervals.",
        plots=(_plot_changes,),
        statistics=statistics,
    )


def _plot_history(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
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
    draw_legend_above(ax)
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
        plots=(_plot_history,),
        statistics=[each for each in statistics if each.key.startswith("history_")],
    )


def _draw_strip(ax: "Axes", rows: pd.DataFrame, base: float) -> None:
    """Draw one session of the raster between `base` and `base` + 1, its ticks just outside."""
    options = [column for column in rows if column.startswith("p_")]
    rewarded = rows["reward"] > 0
    ax.hlines([base, base + 1], rows["trial"].min(), rows["trial"].max(), color=FAINT, linewidth=0.6)
    for option, (column, (color, dash)) in enumerate(zip(options, itertools.cycle(SERIES))):
        label = f"p({column.removeprefix('p_').upper()})"
        p = base + rows[column]
        ax.step(rows["trial"], p, where="mid", color=color, linestyle=dash, linewidth=1.1, label=label)
        foot, way = (base - 0.05, -1) if len(options) == 2 and option == 1 else (base + 1.05, 1)
        chosen = rows["choice"] == option
        none, some = rows["trial"][chosen & ~rewarded], rows["trial"][chosen & rewarded]
        ax.vlines(none, foot, foot + 0.1 * way, color=color, linewidth=1, alpha=0.7)
        ax.vlines(some, foot, foot + 0.2 * way, color=color, linewidth=1.4)
        ax.plot(some, np.full(len(some), foot + 0.25 * way), ".", color=color, markersize=3.2)


def _draw_cloud(ax: "Axes", x: pd.Series, y: pd.Series) -> None:
    ax.scatter(x, y, s=9, color=BLUE, alpha=0.6, linewidths=0, rasterized=len(x) > MANY_POINTS)


def _draw_identity(ax: "Axes", low: float, high: float) -> None:
    ax.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="exact matching")


def _plot_reaction_times(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the distribution of reaction times."""
    ax.plot(numbers["time"], numbers["mean"], color=BLUE)
    draw_band(ax, numbers["time"], numbers, BLUE)
    ax.set_ylim(bottom=0)
    return label_axes(ax, "time from cue (s)", "share of trials")


def make_reaction_time_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Distribution of reaction times.

    Parameters
    ----------
    table : DataFrame
        Of `pfc_da.analysis.behaviour.reaction_times.tabulate_reaction_times`.
    statistics : sequence of Statistic
        Median and fraction of trials.
    """
    return Panel(
        name="reaction_times",
        table=table,
        title="Reaction times",
        caption="Time from the cue until the probability of the action taken stays at or above .75, as a share of all "
        "trials in bins of about 50 ms, weights frozen. The action itself follows at the end of the choice phase. Line: "
        "mean; band: interval.",
        plots=(_plot_reaction_times,),
        statistics=statistics,
    )
