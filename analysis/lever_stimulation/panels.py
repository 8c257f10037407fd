"""Panels of the two levers: choices by condition, dose and time, effects of past outcomes, units after each outcome.

As in `pfc_da.analysis.figures.reward`, ``_plot_...`` draws a table and ``make_..._panel`` below it makes the panel.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pfc_da.analysis.figures.panel import Panel, compute_height
from pfc_da.analysis.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MANY_POINTS,
    MUTED,
    PURPLE,
    SERIES,
    VERMILLION,
    draw_animals_and_mean,
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


def _plot_p_risky(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by condition and probability of a win: small dots are animals, large symbols means with intervals."""
    names = list(dict.fromkeys(numbers["condition"]))
    for (p, rows), (color, _), way in zip(_by_p(numbers), SERIES, (-0.14, 0.14), strict=False):
        y, look = rows["condition"].map(names.index) + way, (color, "o" if way < 0 else "D")
        draw_animals_and_mean(ax, rows, "p_risky", y, look=look, label=f"p = {p:g}", offset=way / 2)
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    ax.set(xlim=(-0.03, 1.03), ylim=(len(names) - 0.5, -0.5))
    draw_legend_above(ax)
    return label_axes(ax, "P(risky)", "")


def make_p_risky_panel(table: pd.DataFrame) -> Panel:
    """Choices of the risky lever by condition.

    Parameters
    ----------
    table : DataFrame
        condition, p (of a win), animal (number, or ``mean``), p_risky, low, high, interval, n, n_of.
    """
    return Panel(
        name="p_risky",
        table=table,
        title="Choices of the risky lever",
        caption="Fraction of free choices that are risky, weights frozen: control, control networks, and dopamine "
        "changed at full size after one outcome. p: probability that a risky press wins. Small dots: animals; "
        "large symbols: means; whiskers: intervals.",
        plots=(_plot_p_risky,),
        height=compute_height(table, "condition"),
        wide=True,
    )


def _plot_session_high_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by trial of the session, one line for each condition, where a risky press wins most often."""
    return _plot_session(numbers, ax, 0)


def _plot_session_low_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) by trial of the session where a risky press wins less often."""
    return _plot_session(numbers, ax, 1)


def make_session_panel(table: pd.DataFrame) -> Panel:
    """Choices of the risky lever within a session.

    Parameters
    ----------
    table : DataFrame
        condition, p, trial (from 0), mean, low, high, interval, n, n_of.
    """
    return Panel(
        name="p_risky_session",
        table=table,
        title="Choices of the risky lever within a session",
        caption="Fraction of risky choices against the trial of the session, weights frozen; the forced trials that "
        "open a session are not shown. p: probability that a risky press wins. Lines: means over animals and "
        "sessions; bands: intervals.",
        plots=(_plot_session_high_p, _plot_session_low_p),
        wide=True,
    )


def _plot_dose_high_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the shift of P(risky) against dose, one line for each manipulation, where a risky press wins most often."""
    return _plot_dose(numbers, ax, 0)


def _plot_dose_low_p(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw the shift of P(risky) against dose where a risky press wins less often."""
    return _plot_dose(numbers, ax, 1)


def make_dose_panel(table: pd.DataFrame) -> Panel:
    """Shift of choices by dose.

    Parameters
    ----------
    table : DataFrame
        manipulation, p, dose (share of full size), shift, low, high, interval, n, n_of.
    """
    return Panel(
        name="p_risky_dose",
        table=table,
        title="Shift of risky choices by dose",
        caption="P(risky) under each manipulation minus P(risky) in the control sessions of the same animals, weights "
        "frozen, against the dose as a share of the full size. Dose 0 is the control. p: probability that a "
        "risky press wins. Points: means over animals; whiskers: intervals.",
        plots=(_plot_dose_high_p, _plot_dose_low_p),
        wide=True,
    )


def _plot_injected_effect(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
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


def make_effect_panel(table: pd.DataFrame) -> Panel:
    """Effects of past outcomes and of injected dopamine.

    Parameters
    ----------
    table : DataFrame
        kind (``risky_win``, ``risky_loss`` or ``injected``), lag (trials), estimate, low, high, interval, n, n_of.
    """
    return Panel(
        name="injected_effect",
        table=table,
        title="Effects of past outcomes and of injected dopamine",
        caption="Weights in a logistic regression of free choices on past trials, by lag; control and manipulated "
        "sessions together, network weights frozen. The reference outcome is the certain reward. Injected "
        "dopamine is counted positive after the risky lever and negative after the safe one. Points: means "
        "over animals; whiskers: intervals.",
        plots=(_plot_injected_effect,),
    )


def _plot_plastic_p_risky(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) along the sessions in which the weights change, one line for each condition."""
    return _plot_plastic(numbers, ax, "p_risky", "P(risky)")


def _plot_plastic_shift(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw P(risky) less that of the control along the sessions in which the weights change."""
    ax.axhline(0, color=MUTED, linewidth=0.8)
    return _plot_plastic(numbers, ax, "shift", "shift of P(risky)")


def make_plastic_panel(table: pd.DataFrame) -> Panel:
    """Choices with plastic weights and no memory in activity.

    Parameters
    ----------
    table : DataFrame
        measure (``p_risky`` or ``shift``), condition, session (middle of the bin, from 1), mean, low, high, interval,
        n, n_of.
    """
    return Panel(
        name="p_risky_plastic",
        table=table,
        title="Choices with plastic weights and no memory in activity",
        caption="The hidden state is reset at every trial, the weights change from session to session, and the same "
        "lever is risky throughout. Left: P(risky). Right: P(risky) minus that of the control. Lines: means "
        "over animals in bins of sessions; bands: intervals.",
        plots=(_plot_plastic_p_risky, _plot_plastic_shift),
        wide=True,
    )


def _plot_actor_activity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw activity after each outcome of the units of the actor, or of a network without a separate critic."""
    return _plot_activity(numbers[numbers["is_critic"] == 0], ax, "actor")


def _plot_critic_activity(numbers: pd.DataFrame, ax: "Axes") -> "Axes":
    """Draw activity after each outcome of the units of the critic."""
    return _plot_activity(numbers[numbers["is_critic"] == 1], ax, "critic")


def make_activity_panel(table: pd.DataFrame) -> Panel:
    """Activity of units after each outcome.

    Parameters
    ----------
    table : DataFrame
        animal, unit, outcome, deviation_hz, is_critic, p_rpe.
    """
    return Panel(
        name="outcome_activity",
        table=table,
        title="Activity of units after each outcome",
        caption="A line is a unit: mean activity while the error reaches the actor, after a loss of the risky lever, the "
        "certain reward, and a win of the risky lever, minus the mean over the three. Dark: the unit codes "
        "the prediction error beyond what reward and lever explain (p < .05 for each unit alone, not "
        "corrected for the number of units).",
        plots=(_plot_actor_activity, _plot_critic_activity),
        wide=True,
    )


def _plot_session(numbers: pd.DataFrame, ax: "Axes", place: int) -> "Axes":
    p, rows = _at_p(numbers, place)
    _draw_conditions(ax, rows.assign(place=rows["trial"] + 1))
    ax.set_ylim(-0.03, 1.03)
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
    _draw_conditions(ax, rows.assign(place=rows["session"]))
    return label_axes(ax, "session", name)


def _draw_conditions(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw `mean` against `place`, one line and band for each condition."""
    for condition, own in rows.groupby("condition", sort=False):
        color, dash, _, label = LOOKS[condition]
        ax.plot(own["place"], own["mean"], color=color, linestyle=dash, label=label)
        draw_band(ax, own["place"], own, color)
    draw_legend_above(ax)


def _plot_activity(numbers: pd.DataFrame, ax: "Axes", name: str) -> "Axes":
    """Draw one line a unit over the outcomes, dark if it codes the prediction error."""
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
