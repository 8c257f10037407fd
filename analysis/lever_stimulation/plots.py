"""Drawings of the lever panels: choices under every condition, dose, time and trials back, and units after each outcome.

As in `plots`, each function draws its table on the axes given and computes nothing; `figures` lists the columns.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pfc_da.analysis.figures.common import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MANY_POINTS,
    MUTED,
    PURPLE,
    SERIES,
    VERMILLION,
    draw_band,
    draw_legend_above,
    get_whiskers,
    label_axes,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS: dict[
    str, tuple[str, Any, str, str]
] = {  # colour, dash, marker and short name of a condition, the same in every panel
    "control": (INK, "-", "o", "control"),
    "frozen": (INK, "-", "o", "control"),
    "risky_win_blocked": (VERMILLION, (0, (5, 2)), "v", "win blocked"),
    "safe_reward_blocked": (BLUE, (0, (1, 1.2)), "^", "safe blocked"),
    "risky_loss_stimulated": (GREEN, (0, (5, 1.5, 1, 1.5)), "s", "loss stimulated"),
    "hidden_reset": (MUTED, (0, (2, 1)), "x", "hidden reset"),
}
OUTCOMES = ("loss", "safe", "win")
LEVEL = 0.05  # of the units drawn dark


def plot_p_risky(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by condition and probability of a win: a dot an animal, and their mean with its interval."""
    names = list(dict.fromkeys(numbers["condition"]))
    is_mean = numbers["animal"].astype(str) == "mean"
    for (p, rows), (color, _), way in zip(_by_p(numbers), SERIES, (-0.14, 0.14), strict=False):
        y = rows["condition"].map(names.index) + way
        mean = is_mean[rows.index]
        ax.plot(rows["p_risky"][~mean], y[~mean] + way / 2, ".", color=color, alpha=0.45, markersize=4)
        ax.errorbar(
            rows["p_risky"][mean],
            y[mean],
            xerr=get_whiskers(rows["p_risky"][mean], rows[mean]),
            fmt="o" if way < 0 else "D",
            color=color,
            markersize=4.5,
            capsize=2.5,
            label=f"p = {p:g}",
        )
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    ax.set(xlim=(-0.03, 1.03), ylim=(len(names) - 0.5, -0.5))
    draw_legend_above(ax)
    return label_axes(ax, "P(risky)", "")


def plot_session_high_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by trial of the session, a line a condition, where a risky press wins most often."""
    return _plot_session(numbers, ax, 0)


def plot_session_low_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by trial of the session where a risky press wins less often."""
    return _plot_session(numbers, ax, 1)


def plot_dose_high_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the shift of P(risky) against dose, a line a manipulation, where a risky press wins most often."""
    return _plot_dose(numbers, ax, 0)


def plot_dose_low_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the shift of P(risky) against dose where a risky press wins less often."""
    return _plot_dose(numbers, ax, 1)


def plot_injected_effect(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the weights of past outcomes, and of what was injected after them, on the present choice, by lag."""
    ax.axhline(0, color=MUTED, linewidth=0.8)
    looks = {"risky_win": (BLUE, "o"), "risky_loss": (VERMILLION, "v"), "injected": (PURPLE, "D")}
    for shift, (kind, (color, marker)) in zip((-0.12, 0, 0.12), looks.items(), strict=True):
        rows = numbers[numbers["kind"] == kind]
        bars = get_whiskers(rows["estimate"], rows)
        label = "injected, per reward" if kind == "injected" else words(kind)
        ax.errorbar(
            rows["lag"] + shift, rows["estimate"], bars, color=color, marker=marker, markersize=4, label=label
        )
    ax.set_xticks(sorted(set(numbers["lag"])))
    draw_legend_above(ax)
    return label_axes(ax, "lag (trials back)", "weight on risky (log odds)")


def plot_plastic_p_risky(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) along the sessions in which the weights change, a line a condition."""
    return _plot_plastic(numbers, ax, "p_risky", "P(risky)")


def plot_plastic_shift(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) less that of the control along the sessions in which the weights change."""
    ax.axhline(0, color=MUTED, linewidth=0.8)
    return _plot_plastic(numbers, ax, "shift", "shift of P(risky)")


def plot_actor_activity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw what each outcome does to the units of the actor, or of a network that has no critic of its own."""
    return _plot_activity(numbers[numbers["is_critic"] == 0], ax, "actor")


def plot_critic_activity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw what each outcome does to the units of the critic."""
    return _plot_activity(numbers[numbers["is_critic"] == 1], ax, "critic")


def _plot_session(numbers: pd.DataFrame, ax: "Axes", place: int) -> "Axes":
    p, rows = _at_p(numbers, place)
    for condition, own in rows.groupby("condition", sort=False):
        color, dash, _, label = LOOKS[condition]
        ax.plot(own["trial"] + 1, own["mean"], color=color, linestyle=dash, label=label)
        draw_band(ax, own["trial"] + 1, own, color)
    ax.set_ylim(-0.03, 1.03)
    draw_legend_above(ax)
    return label_axes(ax, "trial of the session", f"P(risky), {p}")


def _plot_dose(numbers: pd.DataFrame, ax: "Axes", place: int) -> "Axes":
    ax.axhline(0, color=MUTED, linewidth=0.8)
    p, rows = _at_p(numbers, place)
    for manipulation, own in rows.groupby("manipulation", sort=False):
        color, dash, marker, label = LOOKS[manipulation]
        style: Any = {"color": color, "linestyle": dash, "marker": marker, "markersize": 4, "capsize": 2.5}
        bars = get_whiskers(own["shift"], own)
        ax.errorbar(own["dose"], own["shift"], bars, label=label, **style)
    draw_legend_above(ax)
    return label_axes(ax, "dose (share of full size)", f"shift of P(risky), {p}")


def _plot_plastic(numbers: pd.DataFrame, ax: "Axes", measure: str, name: str) -> "Axes":
    rows = numbers[numbers["measure"] == measure]
    for condition, own in rows.groupby("condition", sort=False):
        color, dash, _, label = LOOKS[condition]
        ax.plot(own["session"], own["mean"], color=color, linestyle=dash, label=label)
        draw_band(ax, own["session"], own, color)
    draw_legend_above(ax)
    return label_axes(ax, "session", name)


def _plot_activity(numbers: pd.DataFrame, ax: "Axes", name: str) -> "Axes":
    """Draw one line a unit over the outcomes, dark if it carries the error."""
    for codes, color in ((False, FAINT), (True, BLUE)):
        rows = numbers[(numbers["p_rpe"] < LEVEL) == codes]
        lines = rows.pivot(index=["animal", "unit"], columns="outcome", values="deviation_hz")
        many = len(rows) > MANY_POINTS  # lines beyond this are embedded as an image
        ax.plot(lines.reindex(columns=OUTCOMES).to_numpy().T, color=color, linewidth=0.8, rasterized=many)
    ax.axhline(0, color=MUTED, linewidth=0.8)
    ax.set_xticks(range(len(OUTCOMES)), OUTCOMES)
    ax.set_title(name, fontsize=8.5)
    return label_axes(ax, "outcome", "activity less its mean (Hz)")


def _by_p(numbers: pd.DataFrame) -> Sequence[tuple[float, pd.DataFrame]]:
    """Rows by probability of a win, largest first."""
    return sorted(numbers.groupby("p"), key=lambda each: -float(each[0]))


def _at_p(numbers: pd.DataFrame, place: int) -> tuple[str, pd.DataFrame]:
    """The largest (0) or next (1) probability of a win, and its rows; none if there is no such."""
    for p, rows in _by_p(numbers)[place : place + 1]:
        return f"p = {p:g}", rows
    return "no such p", numbers[:0]
