"""Panels of the volatility task: learning rates by phase and over training, choices around a reversal, units.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    VERMILLION,
    draw_animals_and_mean,
    draw_band,
    draw_legend_above,
    get_whiskers,
    label_axes,
    words,
)
from pfc_da.analysis.statistic import Statistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PHASES = {"stable": (BLUE, "o", -0.14), "volatile": (VERMILLION, "D", 0.14)}  # colour, marker, shift
LOOKS = {  # colour and dash of an agent, the same in every panel
    "animals": (INK, "-"),
    "fixed_alpha": (MUTED, (0, (5, 2))),
    "behrens": (GREEN, (0, (1, 1.2))),
    "ideal": (PURPLE, (0, (5, 1.5, 1, 1.5))),
    "ideal_of_training": (BLUE, (0, (2, 1))),
}
OTHER = (MUTED, "-")
MEASURES = {  # of the plot of learning rates over training
    "learning_rate_volatile": (VERMILLION, "-", "choices, volatile phase"),
    "learning_rate_stable": (BLUE, (0, (5, 2)), "choices, stable phase"),
    "synaptic_step": (INK, (0, (1, 1.2)), "synapses"),
}


def _plot_rates(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw learning rates by phase for animals, fitted learners, observers and humans; a small dot is one animal."""
    names = list(dict.fromkeys(numbers["who"]))
    for phase, (color, marker, shift) in PHASES.items():
        rows = numbers[numbers["phase"] == phase]
        y, look = rows["who"].map(names.index) + shift, (color, marker)
        draw_animals_and_mean(ax, rows, "learning_rate", y, look=look, label=f"{phase} phase")
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(left=0)
    draw_legend_above(ax)
    return label_axes(ax, "fitted learning rate", "")


def make_rates_panel(table: pd.DataFrame) -> Panel:
    """Learning rates by phase.

    Parameters
    ----------
    table : DataFrame
        who (``animals``, a fitted learner, an observer, ``humans``), phase (``stable`` or ``volatile``), animal (number, or
        ``mean``), learning_rate, low, high, interval, n, n_of.
    """
    return Panel(
        name="volatility_rates",
        table=table,
        title="Learning rates by phase",
        caption="Learning rates fitted to choices made with frozen weights, one rate for each phase. Small dots: "
        "animals; large symbols: means; whiskers: intervals. Fixed alpha, Kalman and Pearce-Hall: learners "
        "fitted to each animal, then simulated in the same sessions. Behrens: a Bayesian learner of "
        "volatility. Ideal: an observer that knows the schedule; ideal of training: one that takes it for that of "
        "training, whose runs have no usual length. Humans: published, on another schedule.",
        plots=(_plot_rates,),
        height=compute_height(table, "who"),
    )


def _plot_two_rates(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the learning rates of choices and the synaptic step against updates of training."""
    for measure, (color, dash, label) in MEASURES.items():
        rows = numbers[(numbers["measure"] == measure) & numbers["estimate"].notna()]
        ax.plot(rows["update"], rows["estimate"], ".", color=color, linestyle=dash, label=label)
        draw_band(ax, rows["update"], rows, color)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(_plain)
    draw_legend_above(ax, ncols=1)
    return _label_updates(ax, numbers, "learning rate")


def _plot_training_criterion(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw trials to criterion after a reversal, weights frozen, against updates of training."""
    return _plot_measure(numbers, ax, "trials_to_criterion", "trials to criterion")


def _plot_training_reward(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw expected reward with frozen weights against updates of training."""
    return _plot_measure(numbers, ax, "expected_reward", "expected reward")


def make_training_panel(table: pd.DataFrame) -> Panel:
    """Synaptic and behavioural learning rates over training.

    Parameters
    ----------
    table : DataFrame
        measure (``learning_rate_stable``, ``learning_rate_volatile``, ``learning_rate_ratio``, ``synaptic_step``,
        ``trials_to_criterion`` or ``expected_reward``), update, estimate, low, high, interval, n, n_of.
    """
    return Panel(
        name="volatility_training",
        table=table,
        title="Synaptic and behavioural learning rates over training",
        caption="Against updates of training. Left: the learning rate of the synapses, which falls on a fixed "
        "schedule, and the learning rates of choices in the two phases, fitted to sessions with the weights "
        "frozen at that update; the two kinds of rate have different units. Middle: trials to criterion after "
        "a reversal. Right: expected reward per trial. Points: means over animals; bands: intervals.",
        plots=(_plot_two_rates, _plot_training_criterion, _plot_training_reward),
        wide=True,
    )


def _plot_since_switch(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the fitted learning rate against trials since a reversal, one line for each agent."""
    _plot_agents(numbers, ax, marker="o")
    ax.set_ylim(bottom=0)
    return label_axes(ax, "trials since the reversal", "fitted learning rate")


def make_since_switch_panel(table: pd.DataFrame) -> Panel:
    """Learning rate by trials since a reversal.

    Parameters
    ----------
    table : DataFrame
        who, trial (middle of the bin, 0 the first trial with the new option), mean, low, high, interval, n, n_of.
    """
    return Panel(
        name="volatility_since_switch",
        table=table,
        title="Learning rate after a reversal",
        caption="Learning rate fitted in bins of trials since a reversal, volatile phase, weights frozen. A learner "
        "with a fixed rate has the same rate in every bin; a rise in the last bins is of an agent that expects the "
        "next reversal. Points: means; bands: intervals.",
        plots=(_plot_since_switch,),
    )


def _plot_reversals(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw choices of the newly better option around a reversal, one line for each agent."""
    ax.axvline(-0.5, color=FAINT, linewidth=0.8)
    _plot_agents(numbers, ax)
    ax.set_ylim(0, 1)
    return label_axes(ax, "trial around the reversal", "P(newly better option)")


def make_reversals_panel(table: pd.DataFrame) -> Panel:
    """Choices around a reversal.

    Parameters
    ----------
    table : DataFrame
        who, trial (0 the first with the new option), mean, low, high, interval, n, n_of.
    """
    return Panel(
        name="volatility_reversals",
        table=table,
        title="Choices around a reversal",
        caption="Probability of choosing the option that is better from trial 0 on, weights frozen. Lines: means; "
        "bands: intervals.",
        plots=(_plot_reversals,),
    )


def _plot_direction(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the held-out projection on the direction of volatility over a session, one line for each order of phases."""
    ax.axvline((numbers["trial"].max() + 1) / 2, color=FAINT, linewidth=0.8)
    ax.axhline(0, color=FAINT, linewidth=0.8)
    for (order, rows), (color, dash) in zip(
        numbers.groupby("order", sort=False), ((BLUE, "-"), (VERMILLION, (0, (5, 2)))), strict=False
    ):
        ax.plot(rows["trial"], rows["mean"], color=color, linestyle=dash, label=words(order))
        draw_band(ax, rows["trial"], rows, color)
    draw_legend_above(ax)
    return label_axes(ax, "trial of the session", "towards volatile (s.d.)")


def make_direction_panel(table: pd.DataFrame, statistics: Sequence[Statistic]) -> Panel:
    """Population activity along the direction of volatility.

    Parameters
    ----------
    table : DataFrame
        order (``stable_first`` or ``volatile_first``), trial, mean, low, high.
    statistics : sequence of Statistic
        Correlations of the same projections with the phase, over the same animals.
    """
    return Panel(
        name="volatility_direction",
        table=table,
        title="Population activity along the direction of volatility",
        caption="Population activity before the choice, projected on the direction along which the two phases differ "
        "in the other half of the sessions, by order of the phases. Lines: means over animals; bands: "
        "intervals. Vertical line: change of phase.",
        plots=(_plot_direction,),
        statistics=statistics,
    )


def _plot_decoding(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the accuracy of decoding the phase from all units, with labels of other sessions, and of the ideal observer."""
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


def make_decoding_panel(table: pd.DataFrame) -> Panel:
    """Decoding of the phase from activity.

    Parameters
    ----------
    table : DataFrame
        decoder, estimate, low, high, chance, interval, n, n_of.
    """
    return Panel(
        name="volatility_decoding",
        table=table,
        title="Decoding of the phase from activity",
        caption="Accuracy in held-out sessions of decoding the phase (stable or volatile) from the activity of all "
        "units before the choice; with labels of other sessions (control); and of the ideal observer, which "
        "knows the schedule and receives the same outcomes. Points: means over animals; whiskers: intervals.",
        plots=(_plot_decoding,),
        height=compute_height(table, "decoder", 0.5),
    )


def _plot_agents(numbers: pd.DataFrame, ax: "Axes", marker: str = "") -> None:
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
