"""The circuit replay of two levers: effects of currents into LHb and VTA on the next choices and on dopamine cells.

Conditions of the recording are those of `pfc_da.analysis.lever_stimulation.trials`, with dopamine from the circuit; in
conditions that begin with ``arithmetic_`` what is injected is added to the error, in the same sessions. All animals have the
same sessions, so intervals of choices are over animals and sessions. Rates of dopamine cells are given in `WINDOW_S` after
the outcomes at which a manipulation acts, forced trials included, in the manipulated and the control condition, and in the
intervals between trials of the control (the baseline in the task).
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import compute_mean_interval, format_interval, mean_of_finite
from pfc_da.analysis.lever_stimulation.risky_choices import compute_p_risky
from pfc_da.analysis.lever_stimulation.trials import (
    CONTROL,
    MANIPULATIONS,
    get_free_choices,
    get_trials,
    label_condition,
)
from pfc_da.analysis.statistic import ANY, NO_LABELS, SHARE, Labels, Statistic, summarise
from pfc_da.recording_schema import (
    ARITHMETIC_PREFIX,
    get_bin_s,
    get_condition_names,
    get_phases,
    is_choice_step,
)
from pfc_da.trials import per_trial

BY_ARITHMETIC: Labels = {"by": "arithmetic"}
ACTS_AT = dict(zip(MANIPULATIONS, ("risky_win", "safe_reward", "risky_loss"), strict=True))
"""Manipulation -> the outcome at which it acts."""
BASELINE = "no_outcome"
WINDOW_S = (0.05, 0.35)
"""Cells are counted from 50 to 350 ms after an outcome, as in the calibration of the circuit."""
AROUND_S = (-0.5, 1.0)
"""Around an outcome, as drawn."""

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
    by_circuit = select_conditions(recording, "")
    return [
        *_summarise_sessions("p_risky", circuit, within=SHARE),
        *_summarise_sessions("p_risky", arithmetic, BY_ARITHMETIC, within=SHARE),
        *_summarise_sessions("p_risky_shift", shifts),
        *_summarise_sessions("p_risky_shift", plain_shifts, BY_ARITHMETIC),
        *_summarise_sessions("p_risky_shift_difference", lost),
        *summarise_rates(by_circuit),
        *summarise_received(by_circuit),
        *summarise_doses(by_circuit),
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


def compute_step_rates(recording: xr.Dataset) -> xr.DataArray:
    """Rate of the dopamine cells after every choice, and between trials.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``dopamine_rate`` (condition, animal, episode, bin) in Hz.

    Returns
    -------
    xarray.DataArray (condition, animal, episode, step)
        In Hz: the mean in `WINDOW_S` after a step with a choice, the mean during a step of the last phase, else NaN.
    """
    order, bin_s = ("condition", "animal", "episode"), get_bin_s(recording)
    rate = recording["dopamine_rate"].transpose(*order, "bin").values.astype(float)
    onset, duration = (recording[name].transpose(*order, "step") for name in ("onset", "duration"))
    begin, end = (np.rint(each.values / bin_s).astype(int) for each in (onset, onset + duration))
    is_choice = is_choice_step(recording)
    is_last = recording["phase"].values == get_phases(recording)[-1]
    first = np.where(is_choice, end + round(WINDOW_S[0] / bin_s), begin)
    until = np.minimum(np.where(is_choice, end + round(WINDOW_S[1] / bin_s), end), rate.shape[-1])
    total = np.concatenate([np.zeros((*rate.shape[:-1], 1)), rate.cumsum(-1)], -1)
    sums = np.take_along_axis(total, until, -1) - np.take_along_axis(total, first, -1)
    return onset.copy(data=np.where(is_choice | is_last, sums / (until - first), np.nan))


def summarise_rates(recording: xr.Dataset) -> list[Statistic]:
    """Rate of the dopamine cells at every outcome, stimulated and not, and the same minus the baseline of the animal."""
    found = []
    recording = recording.assign(step_rate=compute_step_rates(recording))
    for p in np.unique(recording["p_win"])[::-1]:
        baseline = _mean_at(recording, "step_rate", CONTROL, BASELINE, p)
        found.append(summarise("dopamine_rate", baseline, labels=_label_control(BASELINE, p), units="Hz"))
        for manipulation, outcome in ACTS_AT.items():
            for condition, labels in (
                (CONTROL, _label_control(outcome, p)),
                (manipulation, label_condition(manipulation, p)),
            ):
                rate = _mean_at(recording, "step_rate", condition, outcome, p)
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
    """Correlation of the error that the network received with computed plus injected error, over all choices of an
    animal."""
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


def tabulate_courses(recording: xr.Dataset) -> pd.DataFrame:
    """Rate of the dopamine cells around the outcomes at which a manipulation acts, with it and without.

    Parameters
    ----------
    recording : xarray.Dataset
        Of the circuit replay.

    Returns
    -------
    DataFrame
        outcome, condition (``control``, or the manipulation), time (s from the outcome), mean, low, high (Hz), n (animals).
    """
    own, parts = select_conditions(recording, ""), []
    for manipulation, outcome in ACTS_AT.items():
        for condition in (CONTROL, manipulation):
            time, course = _align_to_outcome(own.sel(condition=condition), outcome)
            low, high = compute_mean_interval(course)
            name = "control" if condition == CONTROL else condition
            columns = {"time": time, "mean": mean_of_finite(course, axis=0), "low": low, "high": high}
            n = np.isfinite(course).sum(0)
            parts.append(pd.DataFrame({"outcome": outcome, "condition": name, **columns, "n": n}))
    return pd.concat(parts, ignore_index=True)


def _align_to_outcome(own: xr.Dataset, outcome: str) -> tuple[NDArray, NDArray]:
    """Middles of bins in s, and the mean rate of each animal around an outcome (animal, time); NaN without one."""
    bin_s = get_bin_s(own)
    offsets = np.arange(round(AROUND_S[0] / bin_s), round(AROUND_S[1] / bin_s))
    rate = own["dopamine_rate"].transpose("animal", "episode", "bin").values
    end = (
        (per_trial(own, "onset") + per_trial(own, "duration")).transpose("animal", "episode", "trial").values
    )
    bins = np.rint(end / bin_s).astype(int)[..., None] + offsets
    here = _is_at(own, outcome) & (bins[..., 0] >= 0) & (bins[..., -1] < rate.shape[-1])
    courses = []
    for each, place, chosen in zip(rate, bins, here, strict=True):
        session, trial = np.nonzero(chosen)
        courses.append(mean_of_finite(each[session[:, None], place[session, trial]], axis=0))
    return (offsets + 0.5) * bin_s, np.array(courses)


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
        values = per_trial(own, variable).values
        here = _is_at(own, outcome) & (per_trial(own, "p_win").values == p)
    return mean_of_finite(np.where(here, values, np.nan).reshape(len(values), -1), axis=1)


def _is_at(own: xr.Dataset, outcome: str) -> NDArray:
    """True for trials with an outcome, (animal, episode, trial)."""
    order = ("animal", "episode", "trial")
    lever, reward = (per_trial(own, name).transpose(*order).values for name in ("chosen_lever", "reward"))
    at: dict[str, NDArray] = {"safe_reward": lever == 0, "risky_win": (lever == 1) & (reward > 0)}
    at["risky_loss"] = (lever == 1) & (reward == 0)
    return at[outcome]


def _format(statistic: Statistic) -> str:
    return format_interval(statistic.estimate, statistic.low, statistic.high)
