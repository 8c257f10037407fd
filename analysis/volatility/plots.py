"""Drawings of the volatility panels: learning rates by phase and over training, choices about a reversal, units.

As in `plots`, each function draws its table on the axes given and computes nothing; `figures` lists the columns.
"""

from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.common import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    VERMILLION,
    draw_band,
    draw_legend_above,
    get_whiskers,
    label_axes,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PHASES = {"stable": (BLUE, "o", -0.14), "volatile": (VERMILLION, "D", 0.14)}  # colour, marker, shift
LOOKS = {  # colour and dash of a player, the same in every panel
    "animals": (INK, "-"),
    "fixed_alpha": (MUTED, (0, (5, 2))),
    "behrens": (GREEN, (0, (1, 1.2))),
    "ideal": (PURPLE, (0, (5, 1.5, 1, 1.5))),
}
OTHER = (MUTED, "-")
MEASURES = {  # of the plot of learning rates over training
    "learning_rate_volatile": (VERMILLION, "-", "choices, volatile phase"),
    "learning_rate_stable": (BLUE, (0, (5, 2)), "choices, stable phase"),
    "synaptic_step": (INK, (0, (1, 1.2)), "synapses"),
}


def plot_rates(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw learning rates by phase for animals, control learners, observers and humans; a dot is one animal."""
    names = list(dict.fromkeys(numbers["who"]))
    is_mean = numbers["animal"].astype(str) == "mean"
    for phase, (color, marker, shift) in PHASES.items():
        rows = numbers[numbers["phase"] == phase]
        y, mean = rows["who"].map(names.index) + shift, is_mean[rows.index]
        ax.plot(rows["learning_rate"][~mean], y[~mean], ".", color=color, alpha=0.45, markersize=4)
        ax.errorbar(
            rows["learning_rate"][mean],
            y[mean],
            xerr=get_whiskers(rows["learning_rate"][mean], rows[mean]),
            fmt=marker,
            color=color,
            markersize=4.5,
            capsize=2.5,
            label=f"{phase} phase",
        )
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(left=0)
    draw_legend_above(ax)
    return label_axes(ax, "fitted learning rate", "")


def plot_two_rates(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the learning rates of choices and the synaptic step against updates of training."""
    for measure, (color, dash, label) in MEASURES.items():
        rows = numbers[(numbers["measure"] == measure) & numbers["estimate"].notna()]
        ax.plot(rows["update"], rows["estimate"], ".", color=color, linestyle=dash, label=label)
        draw_band(ax, rows["update"], rows, color)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(_plain)
    draw_legend_above(ax, ncols=1)
    return _label_updates(ax, numbers, "learning rate")


def plot_training_criterion(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw trials to criterion after a reversal, weights frozen, against updates of training."""
    return _plot_measure(numbers, ax, "trials_to_criterion", "trials to criterion")


def plot_training_reward(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw expected reward with frozen weights against updates of training."""
    return _plot_measure(numbers, ax, "expected_reward", "expected reward")


def plot_since_switch(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the fitted learning rate against trials since a reversal, a line a player."""
    _plot_players(numbers, ax, marker="o")
    ax.set_ylim(bottom=0)
    return label_axes(ax, "trials since the reversal", "fitted learning rate")


def plot_reversals(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw choices of the newly better option about a reversal, a line a player."""
    ax.axvline(-0.5, color=FAINT, linewidth=0.8)
    _plot_players(numbers, ax)
    ax.set_ylim(0, 1)
    return label_axes(ax, "trial about the reversal", "P(newly better option)")


def plot_direction(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the held-out projection on the direction of volatility over a session, a line an order of phases."""
    ax.axvline((numbers["trial"].max() + 1) / 2, color=FAINT, linewidth=0.8)
    ax.axhline(0, color=FAINT, linewidth=0.8)
    for (order, rows), (color, dash) in zip(
        numbers.groupby("order", sort=False), ((BLUE, "-"), (VERMILLION, (0, (5, 2)))), strict=False
    ):
        ax.plot(rows["trial"], rows["mean"], color=color, linestyle=dash, label=words(order))
        draw_band(ax, rows["trial"], rows, color)
    draw_legend_above(ax)
    return label_axes(ax, "trial of the session", "towards volatile (s.d.)")


def plot_decoding(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw how often the phase is told from all units, from wrong sessions, and by the ideal observer."""
    rows = range(len(numbers))
    bars = get_whiskers(numbers["estimate"], numbers)
    ax.errorbar(numbers["estimate"], rows, xerr=bars, fmt="o", color=BLUE, markersize=4.5, capsize=2.5)
    ax.vlines(
        numbers["chance"], [y - 0.38 for y in rows], [y + 0.38 for y in rows], color=INK, label="chance"
    )
    ax.set_yticks(rows, numbers["decoder"])
    ax.set(xlim=(0.4, 1), ylim=(len(numbers) - 0.5, -0.5))
    draw_legend_above(ax)
    return label_axes(ax, "accuracy", "")


def _plot_players(numbers: pd.DataFrame, ax: "Axes", marker: str = "") -> None:
    for who, rows in numbers.groupby("who", sort=False):
        color, dash = LOOKS.get(str(who), OTHER)
        ax.plot(
            rows["trial"],
            rows["mean"],
            color=color,
            linestyle=dash,
            marker=marker,
            markersize=4,
            label=words(who),
        )
        draw_band(ax, rows["trial"], rows, color)
    draw_legend_above(ax)


def _plot_measure(numbers: pd.DataFrame, ax: "Axes", measure: str, name: str) -> "Axes":
    rows = numbers[(numbers["measure"] == measure) & numbers["estimate"].notna()]
    ax.plot(rows["update"], rows["estimate"], ".-", color=INK)
    draw_band(ax, rows["update"], rows, INK)
    return _label_updates(ax, numbers, name)


def _label_updates(ax: "Axes", numbers: pd.DataFrame, name: str) -> "Axes":
    """Name the axes; updates on a logarithmic scale that has room for 0."""
    first = numbers["update"][numbers["update"] > 0].min()
    if first > 0:
        ax.set_xscale("symlog", linthresh=first)
        ax.set_xlim(left=-first / 5)
        ax.xaxis.set_major_formatter(_plain)
    return label_axes(ax, "updates of training", name)


def _plain(value: float, _position: float) -> str:
    return f"{value:g}"
