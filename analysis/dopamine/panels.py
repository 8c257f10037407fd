"""Panels of dopamine: traces around events, responses over training, rates of the cells of the midbrain circuit.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.panel import Panel
from pfc_da.analysis.figures.style import FAINT, SERIES, draw_band, draw_legend_above, label_axes, words
from pfc_da.analysis.statistic import OVER_ANIMALS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _plot_stimuli(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the trace around every stimulus, a line for each."""
    _draw_lines(ax, numbers[numbers["event"] != "outcome"], "event", "time")
    return label_axes(ax, "time from the stimulus (s)", "dopamine (rewards a bin)")


def _plot_outcomes(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the trace around the outcome, with and without reward."""
    _draw_lines(ax, numbers[numbers["event"] == "outcome"], "trials", "time")
    return label_axes(ax, "time from the outcome (s)", "dopamine (rewards a bin)")


def make_trace_panel(table: pd.DataFrame) -> Panel:
    """Dopamine around the events of a trial.

    Parameters
    ----------
    table : DataFrame
        event, trials, time, mean, low, high, n.
    """
    return Panel(
        name="dopamine_trace",
        table=table,
        title="Dopamine around events",
        caption="Reward-prediction error in every bin, weights frozen, around the begin of phases with a stimulus (left) "
        "and around the outcome, in trials with and without reward (right). Lines: mean over animals; bands: intervals.",
        plots=(_plot_stimuli, _plot_outcomes),
        interval=OVER_ANIMALS,
        n_of="animals",
        wide=True,
    )


def _plot_responses(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the response to every stimulus and outcome over training."""
    _draw_lines(ax, numbers.rename(columns={"estimate": "mean"}), "response", "update", marker="o")
    return label_axes(ax, "updates of training", "prediction error (rewards)")


def make_response_panel(table: pd.DataFrame) -> Panel:
    """Errors at stimuli and outcomes over training.

    Parameters
    ----------
    table : DataFrame
        response, update, estimate, low, high, interval, n, n_of.
    """
    return Panel(
        name="dopamine_shift",
        table=table,
        title="Dopamine over training",
        caption="Reward-prediction error when a phase with a stimulus has begun, at rewards and at their omission, with "
        "the weights after so many updates of training, held fixed. Points: mean over animals and sessions; bands: "
        "intervals. Snapshots between the first and the last need the setting train.snapshots.",
        plots=(_plot_responses,),
    )


def _plot_rates(numbers: pd.DataFrame, ax: "Axes", outcome: str) -> "Axes":
    _draw_lines(ax, numbers[numbers["outcome"] == outcome], "condition", "time")
    return label_axes(ax, f"time from {words(outcome)} (s)", "dopamine cells (Hz)")


def _plot_risky_win(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the rate of the cells around wins of the risky lever."""
    return _plot_rates(numbers, ax, "risky_win")


def _plot_safe_reward(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the rate of the cells around rewards of the safe lever."""
    return _plot_rates(numbers, ax, "safe_reward")


def _plot_risky_loss(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the rate of the cells around losses of the risky lever."""
    return _plot_rates(numbers, ax, "risky_loss")


def make_rate_panel(table: pd.DataFrame) -> Panel:
    """Dopamine cells of the midbrain circuit around the outcomes at which they are stimulated.

    Parameters
    ----------
    table : DataFrame
        outcome, condition, time, mean, low, high, n.
    """
    return Panel(
        name="dopamine_rate",
        table=table,
        title="Dopamine cells around outcomes",
        caption="Firing rate of the dopamine cells of the midbrain circuit in bins around wins and losses of the "
        "risky lever and rewards of the safe one, without stimulation and with it. Lines: mean over animals; "
        "bands: intervals.",
        plots=(_plot_risky_win, _plot_safe_reward, _plot_risky_loss),
        interval=OVER_ANIMALS,
        n_of="animals",
        wide=True,
    )


def _draw_lines(ax: "Axes", numbers: pd.DataFrame, by: str, x: str, marker: str = "") -> None:
    """A line with its interval for each value of a column, over a line at 0 s."""
    if x == "time":
        ax.axvline(0, color=FAINT, zorder=0)
    for index, (name, rows) in enumerate(numbers.groupby(by, sort=False)):
        color, dash = SERIES[index % len(SERIES)]
        ax.plot(
            rows[x], rows["mean"], color=color, linestyle=dash, marker=marker, markersize=3, label=words(name)
        )
        draw_band(ax, rows[x], rows, color)
    draw_legend_above(ax)
