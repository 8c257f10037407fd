"""The panels of a run: the tables they draw, what is said of them, and their files.

A panel has one name and one table of numbers, ``figures/NAME.csv``; the drawing beside it, ``NAME.svg``,
shows nothing that the table does not hold.

Tables and their columns, one row a mark. Columns in brackets may be missing. Any table may also hold
``interval``, ``n`` and ``n_of`` (what `low` and `high` are, over how many of what): the captions repeat them.

learning_curve
    animal (number, or the word ``mean`` in the rows of the mean over animals), update, trials,
    reward_per_trial, [low, high] (interval of the mean; empty for single animals)
within_session
    trial, mean, low, high, condition
raster
    episode, trial, choice (0 = A or left, 1 = B or right, -1 none), reward, p_a, p_b (hidden probabilities)
matching
    animal, episode, choice_fraction, income_fraction, log_choice_ratio, log_income_ratio,
    [slope, slope_low, slope_high, bias] (the fitted generalised matching law, the same in every row)
history
    kind (``choice`` or ``reward``), lag (trials), estimate, low, high
selectivity
    variable, fraction, low, high, reference, ref_low, ref_high (published fraction, empty if none)
controls
    condition, estimate, low, high, chance
units
    animal, unit, is_excitatory, tau (s), mean_rate_hz, and p-values of selectivity ``p_VARIABLE``
unit_activity
    animal, unit, group_kind (``value``, ``choice``, ``outcome`` or ``phase``), group (in the order to draw),
    step_in_trial, phase, mean_hz, sem_hz

p_risky
    condition, p (of a win), animal (number, or ``mean``), p_risky, low, high
p_risky_session
    condition, p, trial (from 0), mean, low, high
p_risky_dose
    manipulation, p, dose (share of full size), shift, low, high
injected_effect
    kind (``risky_win``, ``risky_loss`` or ``injected``), lag (trials), estimate, low, high
p_risky_plastic
    measure (``p_risky`` or ``shift``), condition, session (middle of the bin, from 1), mean, low, high
outcome_activity
    animal, unit, outcome, deviation_hz, is_critic, p_rpe

volatility_rates
    who (``animals``, a control learner, an observer, ``humans``), phase (``stable`` or ``volatile``),
    animal (number, or ``mean``), learning_rate, low, high
volatility_training
    measure (``learning_rate_stable``, ``learning_rate_volatile``, ``learning_rate_ratio``, ``synaptic_step``,
    ``trials_to_criterion`` or ``expected_reward``), update, estimate, low, high
volatility_since_switch, volatility_reversals
    who, trial (about the reversal, 0 the first with the new option), mean, low, high
volatility_direction
    order (``stable_first`` or ``volatile_first``), trial, mean, low, high
volatility_decoding
    decoder, estimate, low, high, chance

neurons_share
    condition (who played), animal, share (of the optimum)
neurons_raster
    row, is_excitatory, time (s), trial_s
neurons_membrane
    unit, is_excitatory, time (s), v (thresholds)

`units` and `unit_activity` are drawn by the unit browser of the report, not here.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pfc_da.analysis.figures.common import (
    STYLE,
    plot_controls,
    plot_history,
    plot_learning_curve,
    plot_matching_fractions,
    plot_matching_ratios,
    plot_raster,
    plot_selectivity,
    plot_within_session,
)
from pfc_da.analysis.figures.spiking import plot_membranes, plot_share, plot_spikes
from pfc_da.analysis.lever_stimulation.plots import (
    plot_actor_activity,
    plot_critic_activity,
    plot_dose_high_p,
    plot_dose_low_p,
    plot_injected_effect,
    plot_p_risky,
    plot_plastic_p_risky,
    plot_plastic_shift,
    plot_session_high_p,
    plot_session_low_p,
)
from pfc_da.analysis.volatility.plots import (
    plot_decoding,
    plot_direction,
    plot_rates,
    plot_reversals,
    plot_since_switch,
    plot_training_criterion,
    plot_training_reward,
    plot_two_rates,
)
from pfc_da.errors import InputError, nearest
from pfc_da.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOBODY = "-"
WIDTH, HEIGHT = 3.6, 2.7  # inches; a panel is legible at its own size on a telephone


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the report says of a panel and how it is drawn.

    Attributes
    ----------
    title, caption : str
        Heading, and what each mark means.
    plots : tuple of functions ``(numbers, ax) -> ax``
        Drawn side by side in the SVG file.
    columns : str
        Columns the table must have, with spaces between.
    rows : str
        Column whose distinct values each need a row of height; empty for a panel of fixed height.
    row_height : float
        Inches a row.
    wide : bool
        Takes the width of two panels.
    paradigm : str
        In whose runs it is missed when it is not there; empty for all, `NOBODY` for none.
    """

    title: str
    caption: str
    plots: tuple[Callable[[pd.DataFrame, "Axes"], "Axes"], ...]
    columns: str
    rows: str = ""
    row_height: float = 0.36
    wide: bool = False
    paradigm: str = ""


PANELS: dict[str, Panel] = {
    "learning_curve": Panel(
        title="Learning over training",
        caption="Reward per trial while the weights change.",
        plots=(plot_learning_curve,),
        columns="animal update trials reward_per_trial",
    ),
    "within_session": Panel(
        title="Learning within a session",
        caption="Weights frozen: what improves here is carried by activity alone. Bands are intervals.",
        plots=(plot_within_session,),
        columns="trial mean low high condition",
    ),
    "controls": Panel(
        title="Controls",
        caption="Reward per trial with frozen weights, whole and with one ingredient taken away.",
        plots=(plot_controls,),
        columns="condition estimate low high chance",
        rows="condition",
    ),
    "raster": Panel(
        title="Choices of single sessions",
        caption="Ticks up: A chosen; down: B. Long ticks with a dot were rewarded. Lines are the hidden "
        "reward probabilities of A and B, from 0 to 1 in each strip.",
        plots=(plot_raster,),
        columns="episode trial choice reward p_a p_b",
        rows="episode",
        row_height=0.85,
        wide=True,
    ),
    "history": Panel(
        title="What choices depend on",
        caption="Lagged logistic regression of choice on past rewards and past choices.",
        plots=(plot_history,),
        columns="kind lag estimate low high",
    ),
    "matching": Panel(
        title="Matching",
        caption="A point is a session. Dashes: exact matching. "
        "Line and band: generalised matching law with the interval of its slope.",
        plots=(plot_matching_fractions, plot_matching_ratios),
        columns="animal episode choice_fraction income_fraction log_choice_ratio log_income_ratio",
        wide=True,
    ),
    "selectivity": Panel(
        title="Selectivity of units",
        caption="Fraction of units whose activity depends on each variable. Open diamonds: published.",
        plots=(plot_selectivity,),
        columns="variable fraction low high reference ref_low ref_high",
        rows="variable",
    ),
    "p_risky": Panel(
        title="Choices of the risky lever",
        caption="Free choices with frozen weights: dopamine left alone (control), controls, and dopamine changed after one "
        "outcome at full size. p: probability that a risky press wins. A small dot is an animal.",
        plots=(plot_p_risky,),
        columns="condition p animal p_risky low high",
        rows="condition",
        wide=True,
        paradigm="lever_stimulation",
    ),
    "p_risky_session": Panel(
        title="Choices of the risky lever within a session",
        caption="Weights frozen; presses before the first trial drawn were forced. p: probability that a risky press wins. "
        "Bands are intervals.",
        plots=(plot_session_high_p, plot_session_low_p),
        columns="condition p trial mean low high",
        wide=True,
        paradigm="lever_stimulation",
    ),
    "p_risky_dose": Panel(
        title="Shift by dose",
        caption="P(risky) less that of the same animals' control sessions, weights frozen, against how much was "
        "injected as a share of the full size. Dose 0 is the control itself.",
        plots=(plot_dose_high_p, plot_dose_low_p),
        columns="manipulation p dose shift low high",
        wide=True,
        paradigm="lever_stimulation",
    ),
    "injected_effect": Panel(
        title="What past outcomes and injected dopamine do to a choice",
        caption="Lagged logistic regression of free choices, weights frozen, control and manipulated sessions together. "
        "Outcomes are held against a certain reward; what was injected is signed by the lever it followed.",
        plots=(plot_injected_effect,),
        columns="kind lag estimate low high",
        paradigm="lever_stimulation",
    ),
    "p_risky_plastic": Panel(
        title="The same with plasticity on and the inner loop cut",
        caption="The hidden state is reset at every trial and the weights change from session to session; one lever "
        "is the risky one throughout. Right: less the control. Bands are intervals.",
        plots=(plot_plastic_p_risky, plot_plastic_shift),
        columns="measure condition session mean low high",
        wide=True,
        paradigm="lever_stimulation",
    ),
    "outcome_activity": Panel(
        title="Units after each outcome",
        caption="A line is a unit: mean activity in the last step of the trial, less its mean over the three "
        "outcomes: a loss and a win of the risky lever and the certain reward. Dark: the unit codes the prediction "
        "error beyond what reward and lever explain (p < .05; one in twenty would by chance).",
        plots=(plot_actor_activity, plot_critic_activity),
        columns="animal unit outcome deviation_hz is_critic p_rpe",
        wide=True,
        paradigm="lever_stimulation",
    ),
    "volatility_rates": Panel(
        title="Learning rates by phase",
        caption="Fitted to choices made with frozen weights, one rate a phase. Dots: animals. Fixed alpha, Kalman and "
        "Pearce-Hall learners are fitted to the animals and simulated; Behrens learns volatility, the ideal knows the "
        "schedule (whiskers of these two: over plays of the same sessions); humans are published, on another schedule.",
        plots=(plot_rates,),
        columns="who phase animal learning_rate low high",
        rows="who",
        paradigm="volatility",
    ),
    "volatility_reversals": Panel(
        title="Choices about a reversal",
        caption="Weights frozen: choices of the option that is better from trial 0 on.",
        plots=(plot_reversals,),
        columns="who trial mean low high",
        paradigm="volatility",
    ),
    "volatility_since_switch": Panel(
        title="Learning rate after a reversal",
        caption="Fitted by trials since a reversal, volatile phase. A fixed rate stays level.",
        plots=(plot_since_switch,),
        columns="who trial mean low high",
        paradigm="volatility",
    ),
    "volatility_training": Panel(
        title="Two learning rates part company",
        caption="The synapses' learning rate falls by plan. That of choices, fitted with the weights frozen after so "
        "many updates, appears and parts into a slow and a fast one, while a reversal is learned in fewer trials. The "
        "two rates have different units.",
        plots=(plot_two_rates, plot_training_criterion, plot_training_reward),
        columns="measure update estimate low high",
        wide=True,
        paradigm="volatility",
    ),
    "volatility_direction": Panel(
        title="A direction of the population for volatility",
        caption="Activity before the choice, projected on the direction in which the phases differ in other sessions. "
        "The line marks the change of phase.",
        plots=(plot_direction,),
        columns="order trial mean low high",
        paradigm="volatility",
    ),
    "volatility_decoding": Panel(
        title="Telling the phase from activity",
        caption="Held-out sessions, all units before the choice. The ideal observer knows the schedule and saw the same "
        "outcomes.",
        plots=(plot_decoding,),
        columns="decoder estimate low high chance",
        rows="decoder",
        row_height=0.5,
        paradigm="volatility",
    ),
    "neurons_share": Panel(
        title="The same weights as spiking neurons",
        caption="A line is an animal: its rate network without noise, its neurons on the same sessions, and neurons "
        "without synapses between them or whose synapses forget at every trial. 0: blind choices; 1: the best observer.",
        plots=(plot_share,),
        columns="condition animal share",
        paradigm=NOBODY,
    ),
    "neurons_raster": Panel(
        title="Spikes of a session",
        caption="First animal and session, a row a neuron, in the order in which they fire in a trial. Lines: trials.",
        plots=(plot_spikes,),
        columns="row is_excitatory time trial_s",
        wide=True,
        paradigm=NOBODY,
    ),
    "neurons_membrane": Panel(
        title="Membranes",
        caption="The same session. Dashes: threshold, one unit above rest; red: inhibitory.",
        plots=(plot_membranes,),
        columns="unit is_excitatory time v",
        paradigm=NOBODY,
    ),
}
BROWSER_COLUMNS = {
    "units": "animal unit is_excitatory tau mean_rate_hz",
    "unit_activity": "animal unit group_kind group step_in_trial phase mean_hz sem_hz",
}


def write_figures(numbers: Mapping[str, pd.DataFrame], folder: str | Path) -> None:
    """Save every table as ``NAME.csv`` and, where it is a panel, its drawing as ``NAME.svg``.

    Parameters
    ----------
    numbers : mapping of str to DataFrame
        Tables by name, with the columns listed at the top of this module.
    folder : path
        Made if missing. Files are written aside and renamed.

    Raises
    ------
    InputError
        If a name is not one of ours or a table lacks a column.
    """
    folder = Path(folder)
    for name, table in numbers.items():
        check_table(name, table)
        _write(folder / f"{name}.csv", table.to_csv(index=False))
        if name in PANELS:
            _write(folder / f"{name}.svg", draw_svg(name, table))


def check_table(name: str, table: pd.DataFrame, where: str = "") -> None:
    """Raise InputError unless `table` is known by `name`, has rows, and has the columns it needs."""
    needed = {**{key: panel.columns for key, panel in PANELS.items()}, **BROWSER_COLUMNS}
    if name not in needed:
        raise InputError(
            f"No figure is called {name!r}; there are {', '.join(needed)}.{nearest(name, needed)}"
        )
    where = where or f"the table {name!r}"
    missing = [column for column in needed[name].split() if column not in table]
    if missing:
        raise InputError(
            f"{where} lacks the column(s) {', '.join(missing)}; it needs {needed[name].replace(' ', ', ')}."
        )
    if table.empty:
        raise InputError(f"{where} has no rows; leave it out if there is nothing to draw.")


def draw_svg(name: str, table: pd.DataFrame, plot: int | None = None) -> str:
    """Return a panel as SVG text; `plot` picks one of its plots, None draws all of them side by side."""
    from matplotlib import rc_context  # 0.5 s: only when something is drawn
    from matplotlib.figure import Figure

    panel = PANELS[name]
    plots = panel.plots if plot is None else panel.plots[plot : plot + 1]
    width = 2 * WIDTH if panel.wide and (plot is None or len(panel.plots) == 1) else WIDTH
    height = 0.85 + panel.row_height * table[panel.rows].nunique() if panel.rows else HEIGHT
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        for draw, ax in zip(plots, figure.subplots(1, len(plots), squeeze=False)[0], strict=True):
            draw(table, ax)
        file = io.StringIO()
        figure.savefig(file, format="svg", dpi=200, metadata={"Date": None})
    return file.getvalue()


def _write(path: Path, text: str) -> None:
    write_atomic(path, lambda aside: aside.write_text(text, encoding="utf-8"))
