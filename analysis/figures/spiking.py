"""Panels of a spiking replay: reward of neurons against that of the rate network, spikes and membrane potentials.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.panel import Panel
from pfc_da.analysis.figures.style import (
    BLUE,
    FAINT,
    INK,
    MANY_POINTS,
    MUTED,
    VERMILLION,
    draw_legend_above,
    label_axes,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _plot_share(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the share of the optimum of every animal, one line for each animal."""
    names = list(dict.fromkeys(numbers["condition"]))
    for _, rows in numbers.groupby("animal", sort=False):
        ax.plot(
            rows["condition"].map(names.index), rows["share"], "o-", color=BLUE, alpha=0.55, markersize=3.5
        )
    for level in (0, 1):
        ax.axhline(level, color=FAINT, linewidth=0.8, zorder=0)
    ax.set_xticks(range(len(names)), [words(name).replace(" ", "\n") for name in names])
    ax.set_xlim(-0.4, len(names) - 0.6)
    return label_axes(ax, "", "share of the optimum")


def make_share_panel(table: pd.DataFrame) -> Panel:
    """Reward of the spiking replay.

    Parameters
    ----------
    table : DataFrame
        condition (which network chose), animal, share (of the optimum).
    """
    return Panel(
        name="spiking_share",
        table=table,
        title="Reward of the spiking replay",
        caption="A line is an animal, in the same sessions throughout: the rate network without noise, the spiking "
        "network, and spiking networks without recurrent synapses or with synaptic variables reset at every "
        "trial. 0: random choices; 1: the best observer.",
        plots=(_plot_share,),
    )


def _plot_spikes(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw spikes, one row for each neuron, excitatory ones below, with the starts of trials."""
    for excitatory, color in ((True, INK), (False, VERMILLION)):
        rows = numbers[numbers["is_excitatory"] == excitatory]
        label = "excitatory" if excitatory else "inhibitory"
        marks = ax.plot(
            rows["time"], rows["row"], "|", color=color, markersize=1.6, markeredgewidth=0.6, label=label
        )
        marks[0].set_rasterized(len(rows) > MANY_POINTS)
    for start in numbers["trial_start"].unique():
        ax.axvline(start, color=FAINT, linewidth=0.5, zorder=0)
    ax.set_xlim(0, numbers["time"].max())
    draw_legend_above(ax, markerscale=4)
    return label_axes(ax, "time in the session (s)", "neuron")


def make_spikes_panel(table: pd.DataFrame) -> Panel:
    """Spikes of one session.

    Parameters
    ----------
    table : DataFrame
        row, is_excitatory, time (s), trial_start (begin of its trial, s).
    """
    return Panel(
        name="spiking_raster",
        table=table,
        title="Spikes of one session",
        caption="First animal, first session; one row for each neuron, sorted by the phase of the trial at which it "
        "fires. Vertical lines: starts of trials.",
        plots=(_plot_spikes,),
        wide=True,
    )


def _plot_membranes(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw membrane potentials one above the other; the line is the threshold of each."""
    height, ticks = 2.0, []
    for place, (unit, rows) in enumerate(numbers.groupby("unit", sort=False)):
        color = INK if rows["is_excitatory"].iloc[0] else VERMILLION
        ax.axhline(place * height + 1, color=MUTED, linewidth=0.5, linestyle=(0, (2, 2)))
        ax.plot(rows["time"], rows["v"] + place * height, color=color, linewidth=0.6)
        ticks.append((place * height, f"unit {unit}"))
    ax.set_yticks(*zip(*ticks, strict=True))
    return label_axes(ax, "time in the session (s)", "")


def make_membranes_panel(table: pd.DataFrame) -> Panel:
    """Membrane potentials.

    Parameters
    ----------
    table : DataFrame
        unit, is_excitatory, time (s), v (in units of the distance from rest to threshold).
    """
    return Panel(
        name="spiking_membrane",
        table=table,
        title="Membrane potentials",
        caption="First animal, first session. Dashes: threshold, one unit above rest. Red: inhibitory neurons.",
        plots=(_plot_membranes,),
    )
