"""Panels of reward: over training, within a session, and under the controls.

A function ``_plot_...`` draws its table on the axes given and computes nothing; below it, ``make_..._panel`` makes the panel
of that table.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.behaviour import summary as behaviour
from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    BLUE,
    INK,
    MANY_POINTS,
    SERIES,
    draw_band,
    draw_bars,
    draw_legend_above,
    label_axes,
    words,
)
from pfc_da.analysis.statistic import OVER_ANIMALS, OVER_BOTH, Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _plot_learning_curve(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
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
    draw_legend_above(ax)
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
        plots=(_plot_learning_curve,),
        interval=OVER_ANIMALS,
        n_of="animals",
    )


def _plot_within_session(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
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
        plots=(_plot_within_session,),
        interval=OVER_BOTH,
        n_of="animals",
    )


def _plot_controls(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the estimate under each condition with its interval; a dark bar marks the reward of random choices."""
    rows = np.arange(len(numbers))
    draw_bars(ax, numbers, "estimate", 0.55)
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
        "choices in the default task.",
        plots=(_plot_controls,),
        statistics=statistics,
        height=compute_height(table, "condition"),
    )


def make_timings_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Reward in trials of other durations.

    Parameters
    ----------
    table : DataFrame
        condition, estimate, low, high, chance.
    statistics : sequence of Statistic
        Those drawn.
    """
    return Panel(
        name="timings",
        table=table,
        title="Reward by timing",
        caption="Reward per trial with frozen weights in trials of other durations. Frozen: as in training. Pace: all paced "
        "phases of a trial are so many times as long. Pauses: ten pauses of 5 s in a session. Fixation longer: by 1 s. "
        "Points: mean over animals and sessions; whiskers: intervals. Dark bars: reward of random choices in the default "
        "task.",
        plots=(_plot_controls,),
        statistics=statistics,
        height=compute_height(table, "condition"),
    )


def make_reward_panels(
    recording: xr.Dataset,
    curves: Sequence[pd.DataFrame],
    controls: Sequence[Statistic],
    timings: Sequence[Statistic],
    chance: float,
) -> list[Panel]:
    """Panels that every paradigm shows: reward over training, within a session, under the controls, and by timing.

    Parameters
    ----------
    recording : xarray.Dataset
        With the conditions to be drawn within a session.
    curves : sequence of DataFrame
        Learning curve of every animal.
    controls, timings : sequence of Statistic
        Of `pfc_da.analysis.behaviour.summary.compute_rewards`, the frozen animals first; only these if there are no others.
    chance : float
        Reward per trial of random choices.
    """
    panels = [
        make_learning_panel(behaviour.tabulate_learning(curves)),
        make_within_session_panel(behaviour.tabulate_within_session(recording)),
        make_controls_panel(behaviour.tabulate_controls(controls, chance), controls),
    ]
    if len(timings) > 1:
        panels.append(make_timings_panel(behaviour.tabulate_controls(timings, chance), timings))
    return panels


def _format_thousands(value: float, _position: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
