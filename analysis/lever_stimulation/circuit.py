"""The circuit replay of two levers: effects of currents into LHb and VTA on the next choices and on dopamine cells.

Conditions of the recording are those of `pfc_da.analysis.lever_stimulation.trials`, with dopamine from the circuit; in
conditions that begin with ``arithmetic_`` what is injected is added to the error, in the same sessions. All animals have the
same sessions, so intervals of choices are over animals and sessions. Rates of dopamine cells are given at the outcomes at
which a manipulation acts, forced trials included, in the manipulated and the control condition, and at the steps of the
control without an outcome (the baseline in the task).
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import format_interval, mean_of_finite
from pfc_da.analysis.lever_stimulation.risky_choices import compute_p_risky
from pfc_da.analysis.lever_stimulation.trials import (
    CONTROL,
    MANIPULATIONS,
    get_free_choices,
    get_trials,
    label_condition,
)
from pfc_da.analysis.statistic import ANY, NO_LABELS, SHARE, Labels, Statistic, summarise
from pfc_da.recording_schema import ARITHMETIC_PREFIX, get_condition_names
from pfc_da.trials import per_trial

BY_ARITHMETIC: Labels = {"by": "arithmetic"}
ACTS_AT = dict(zip(MANIPULATIONS, ("risky_win", "safe_reward", "risky_loss"), strict=True))
"""Manipulation -> the outcome at which it acts."""
BASELINE = "no_outcome"

BySession = dict[tuple[str, float], NDArray]
"""(condition, p) -> one number a session at this probability of a win, (animal, session)."""


def summarise_circuit(recording: xr.Dataset) -> list[Statistic]:
    """P(risky) and its shifts by circuit and by arithmetic, the differences of shifts, and rates of dopamine cells."""
    circuit, arithmetic = (
        compute_session_p_risky(get_trials(select_conditions(recording, prefix)))
        for prefix in ("", ARITHMETIC_PREFIX)
    )
    shifts, plain_shifts = compute_session_shifts(circuit), compute_session_shifts(arithmetic)
    lost = {key: shift - plain_shifts[key] for key, shift in shifts.items()}
    return [
        *_summarise_sessions("p_risky", circuit, within=SHARE),
        *_summarise_sessions("p_risky", arithmetic, BY_ARITHMETIC, within=SHARE),
        *_summarise_sessions("p_risky_shift", shifts),
        *_summarise_sessions("p_risky_shift", plain_shifts, BY_ARITHMETIC),
        *_summarise_sessions("p_risky_shift_difference", lost),
        *summarise_rates(select_conditions(recording, "")),
        *summarise_received(select_conditions(recording, "")),
        *summarise_doses(select_conditions(recording, "")),
    ]


def select_conditions(recording: xr.Dataset, prefix: str) -> xr.Dataset:
    """Conditions with the circuit (no prefix) or by arithmetic, without the prefix in their names.

    Parameters
    ----------
    recording : xarray.Dataset
        Of the circuit replay.
    prefix : {"", "arithmetic_"}
    """
    names = get_condition_names(recording)
    chosen = [name for name in names if name.startswith(ARITHMETIC_PREFIX) == bool(prefix)]
    plain = [name.removeprefix(prefix) for name in chosen]
    return recording.sel(condition=chosen).assign_coords(condition=plain)


def compute_session_p_risky(trials: xr.Dataset) -> BySession:
    """P(risky) of every session; probabilities of a win with a single session are left out."""
    names = get_condition_names(trials)
    found = {}
    for name, p, free in get_free_choices(trials, names):
        values = compute_p_risky(free[:, :, None])
        values = values[:, np.isfinite(values).all(0)]
        if values.shape[1] > 1:
            found[name, p] = values
    return found


def compute_session_shifts(p_risky: BySession) -> BySession:
    """P(risky) under every manipulation minus that of the same animal's control session on the same problem."""
    return {
        (name, p): values - p_risky[CONTROL, p] for (name, p), values in p_risky.items() if name != CONTROL
    }


def summarise_rates(recording: xr.Dataset) -> list[Statistic]:
    """Rate of the dopamine cells at every outcome, stimulated and not, and the same minus the baseline of the animal."""
    found = []
    for p in np.unique(recording["p_win"])[::-1]:
        baseline = _mean_at(recording, "dopamine_rate", CONTROL, BASELINE, p)
        found.append(summarise("dopamine_rate", baseline, labels=_label_control(BASELINE, p), units="Hz"))
        for manipulation, outcome in ACTS_AT.items():
            for condition, labels in (
                (CONTROL, _label_control(outcome, p)),
                (manipulation, label_condition(manipulation, p)),
            ):
                rate = _mean_at(recording, "dopamine_rate", condition, outcome, p)
                found.append(summarise("dopamine_rate", rate, labels=labels, units="Hz"))
                found.append(summarise("dopamine_over_baseline", rate - baseline, labels=labels, units="Hz"))
    return found


def _label_control(outcome: str, p: float) -> Labels:
    return {"condition": "control", "outcome": outcome, "p": p}


def summarise_doses(recording: xr.Dataset) -> list[Statistic]:
    """Error added by stimulation: decoded minus computed error, minus the same in the control."""
    added = recording.assign(added=recording["dopamine_delivered"] - recording["rpe"])
    found = []
    for p in np.unique(recording["p_win"])[::-1]:
        for manipulation, outcome in ACTS_AT.items():
            stimulated, control = (
                _mean_at(added, "added", condition, outcome, p) for condition in (manipulation, CONTROL)
            )
            labels = label_condition(manipulation, p)
            found.append(summarise("dopamine_dose", stimulated - control, labels=labels, units="rewards"))
    return found


def summarise_received(recording: xr.Dataset) -> list[Statistic]:
    """Correlation of the error that the network received with computed plus injected error, over all steps of an animal."""
    order, found = ("condition", "animal", "episode", "step"), []
    due = (recording["rpe"] + recording["dopamine_injected"]).transpose(*order).values
    received = recording["dopamine_delivered"].transpose(*order).values
    for condition, each, other in zip(recording["condition"].values, received, due, strict=True):
        values = [
            np.corrcoef(one[np.isfinite(one)], two[np.isfinite(one)])[0, 1]
            for one, two in zip(each, other, strict=True)
        ]
        labels = {"condition": "control" if condition == CONTROL else str(condition)}
        found.append(summarise("dopamine_correlation", values, labels=labels, units="1"))
    return found


def tabulate_shifts(statistics: list[Statistic]) -> pd.DataFrame:
    """One row a manipulation and p: the shift by arithmetic and by the circuit."""
    shifts = [each for each in statistics if each.key == "p_risky_shift"]
    arithmetic = {_get_problem(each): each for each in shifts if "by" in each.labels}
    rows = [
        (each.condition, _format(arithmetic[_get_problem(each)]), _format(each))
        for each in shifts
        if "by" not in each.labels
    ]
    return pd.DataFrame(rows, columns=["condition", "arithmetic", "circuit"])


def tabulate_rates(statistics: list[Statistic]) -> pd.DataFrame:
    """One row a manipulation and p: Hz of the dopamine cells at its outcome, in the control and stimulated."""
    rates = {_get_problem(each): each for each in statistics if each.key == "dopamine_rate"}
    rows = [
        (
            stimulated.condition,
            *(_format(rates["control", at, p]) for at in (BASELINE, ACTS_AT[manipulation])),
            _format(stimulated),
        )
        for (manipulation, _, p), stimulated in rates.items()
        if manipulation in ACTS_AT
    ]
    return pd.DataFrame(rows, columns=["condition", "baseline", "outcome", "stimulated"])


def _get_problem(statistic: Statistic) -> tuple:
    return tuple(statistic.labels.get(name) for name in ("condition", "outcome", "p"))


def _summarise_sessions(
    key: str, by_session: BySession, labels: Labels = NO_LABELS, within: tuple[float, float] = ANY
) -> list[Statistic]:
    return [
        summarise(key, values, labels={**labels, **label_condition(name, p)}, units="fraction", within=within)
        for (name, p), values in by_session.items()
    ]


def _mean_at(recording: xr.Dataset, variable: str, condition: str, outcome: str, p: float) -> NDArray:
    """Mean of each animal at an outcome, or at steps without one, NaN where it has none, (animal,)."""
    own = recording.sel(condition=condition).transpose("animal", "episode", "step", ...)
    if outcome == BASELINE:
        values = own[variable].values[..., own["phase"].values != own.attrs["choice_phase"]]
        here = own["p_win"].values[..., :1] == p
    else:
        values, lever, reward, p_win = (
            per_trial(own, name).values for name in (variable, "chosen_lever", "reward", "p_win")
        )
        at = {"safe_reward": lever == 0, "risky_win": (lever == 1) & (reward > 0)}
        at["risky_loss"] = (lever == 1) & (reward == 0)
        here = at[outcome] & (p_win == p)
    return mean_of_finite(np.where(here, values, np.nan).reshape(len(values), -1), axis=1)


def _format(statistic: Statistic) -> str:
    return format_interval(statistic.estimate, statistic.low, statistic.high)
