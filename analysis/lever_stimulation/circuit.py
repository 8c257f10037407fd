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
from pfc_da.analysis.lever_stimulation.trials import CONTROL, MANIPULATIONS, get_free_choices, get_trials
from pfc_da.analysis.statistic import ANY, SHARE, Statistic, summarise, summarise_crossed
from pfc_da.recording_schema import ARITHMETIC_PREFIX, get_condition_names
from pfc_da.trials import per_trial

ARITHMETIC = ARITHMETIC_PREFIX
ACTS_AT = dict(zip(MANIPULATIONS, ("risky_win", "safe_reward", "risky_loss"), strict=True))
"""Manipulation -> the outcome at which it acts."""
BASELINE = "no_outcome"

BySession = dict[tuple[str, float], NDArray]
"""(condition, p) -> one number a session at this probability of a win, (animal, session)."""


def summarise_circuit(recording: xr.Dataset) -> list[Statistic]:
    """P(risky) and its shifts by circuit and by arithmetic, the differences of shifts, and rates of dopamine cells."""
    circuit, arithmetic = (
        compute_session_p_risky(get_trials(select_conditions(recording, prefix)))
        for prefix in ("", ARITHMETIC)
    )
    shifts, plain_shifts = compute_session_shifts(circuit), compute_session_shifts(arithmetic)
    lost = {key: shift - plain_shifts[key] for key, shift in shifts.items()}
    return [
        *_summarise_sessions("p_risky", circuit, within=SHARE),
        *_summarise_sessions("p_risky", arithmetic, ARITHMETIC, within=SHARE),
        *_summarise_sessions("p_risky_shift", shifts),
        *_summarise_sessions("p_risky_shift", plain_shifts, ARITHMETIC),
        *_summarise_sessions("p_risky_shift_difference", lost),
        *summarise_rates(select_conditions(recording, "")),
        *summarise_received(select_conditions(recording, "")),
        *summarise_doses(select_conditions(recording, "")),
    ]


def select_conditions(recording: xr.Dataset, prefix: str) -> xr.Dataset:
    """Conditions with the circuit (no prefix) or by arithmetic, without the prefix in their names."""
    names = get_condition_names(recording)
    chosen = [name for name in names if name.startswith(ARITHMETIC) == bool(prefix)]
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
        found.append(_summarise_rate("dopamine_rate", baseline, f"control {BASELINE} p={p:g}"))
        for manipulation, outcome in ACTS_AT.items():
            for condition, label in ((CONTROL, f"control {outcome}"), (manipulation, manipulation)):
                rate, label = _mean_at(recording, "dopamine_rate", condition, outcome, p), f"{label} p={p:g}"
                found.append(_summarise_rate("dopamine_rate", rate, label))
                found.append(_summarise_rate("dopamine_over_baseline", rate - baseline, label))
    return found


def summarise_doses(recording: xr.Dataset) -> list[Statistic]:
    """Error added by stimulation: decoded minus computed error, minus the same in the control."""
    added = recording.assign(added=recording["dopamine_told"] - recording["rpe"])
    found = []
    for p in np.unique(recording["p_win"])[::-1]:
        for manipulation, outcome in ACTS_AT.items():
            stimulated, control = (
                _mean_at(added, "added", condition, outcome, p) for condition in (manipulation, CONTROL)
            )
            label = f"{manipulation} p={p:g}"
            found.append(summarise("dopamine_dose", stimulated - control, condition=label, units="rewards"))
    return found


def summarise_received(recording: xr.Dataset) -> list[Statistic]:
    """Correlation of the error that the network received with computed plus injected error, over all steps of an animal."""
    order, found = ("condition", "animal", "episode", "step"), []
    due = (recording["rpe"] + recording["dopamine_injected"]).transpose(*order).values
    received = recording["dopamine_told"].transpose(*order).values
    for condition, each, other in zip(recording["condition"].values, received, due, strict=True):
        values = [
            np.corrcoef(one[np.isfinite(one)], two[np.isfinite(one)])[0, 1]
            for one, two in zip(each, other, strict=True)
        ]
        label = "control" if condition == CONTROL else str(condition)
        found.append(summarise("dopamine_correlation", values, condition=label, units="1"))
    return found


def tabulate_shifts(statistics: list[Statistic]) -> pd.DataFrame:
    """One row a manipulation and p: the shift by arithmetic and by the circuit."""
    by_name = {each.condition: each for each in statistics if each.key == "p_risky_shift"}
    rows = [
        {"condition": name, "arithmetic": _format(by_name[ARITHMETIC + name]), "circuit": _format(each)}
        for name, each in by_name.items()
        if not name.startswith(ARITHMETIC)
    ]
    return pd.DataFrame(rows, columns=["condition", "arithmetic", "circuit"])


def tabulate_rates(statistics: list[Statistic]) -> pd.DataFrame:
    """One row a manipulation and p: Hz of the dopamine cells at its outcome, in the control and stimulated."""
    by_name = {each.condition: each for each in statistics if each.key == "dopamine_rate"}
    rows = []
    for name in by_name:
        manipulation, p = name.rsplit(" ", 1)
        if outcome := ACTS_AT.get(manipulation):
            control, baseline = (by_name[f"control {at} {p}"] for at in (outcome, BASELINE))
            row = {"condition": name, "baseline": _format(baseline), "outcome": _format(control)}
            rows.append(row | {"stimulated": _format(by_name[name])})
    return pd.DataFrame(rows, columns=["condition", "baseline", "outcome", "stimulated"])


def _summarise_sessions(
    key: str, by_session: BySession, prefix: str = "", within: tuple[float, float] = ANY
) -> list[Statistic]:
    found = []
    for (name, p), values in by_session.items():
        label = f"{prefix}{'control' if name == CONTROL else name} p={p:g}"
        found.append(summarise_crossed(key, values, condition=label, units="fraction", within=within))
    return found


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


def _summarise_rate(key: str, values: NDArray, label: str) -> Statistic:
    return summarise(key, values, condition=label, units="Hz")


def _format(statistic: Statistic) -> str:
    return format_interval(statistic.estimate, statistic.low, statistic.high)
