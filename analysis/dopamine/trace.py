"""Dopamine around the events of a trial: mean traces, bursts at stimuli and rewards, pauses at omissions.

The trace holds the error of every bin, and errors of consecutive bins add up. A burst or pause is the sum over `CHANGE_S`
after an event, less that over `CHANGE_S` before it; it does not depend on the duration of bins. At a reward of 1 that
nothing predicted it is 1. Trials in which the phase of the event, or the choice phase before an outcome, is shorter than
`CHANGE_S` are left out, as the window would hold another event; durations do not depend on what the animal does.
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.statistic import NO_LABELS, Labels, Statistic, summarise
from pfc_da.analysis.units.align import CUES, WINDOW_S, align
from pfc_da.recording_schema import FROZEN, get_bin_s, get_choice_phase, get_onset_bins, get_phases
from pfc_da.trials import per_trial

CHANGE_S = 0.3
TRACE = "dopamine_trace"
ALL, REWARDED, OMITTED = "all", "rewarded", "not rewarded"


def list_stimuli(recording: xr.Dataset) -> list[str]:
    """Phases that begin with a stimulus: the first of the trial, and those in which options appear."""
    phases = get_phases(recording)
    return list(dict.fromkeys((phases[0], *(name for name in phases if name in CUES))))


def is_rewarded(recording: xr.Dataset) -> NDArray[np.bool_]:
    """True for trials with a reward, (animal, recorded_episode, trial)."""
    recorded = recording.sel(condition=FROZEN).isel(episode=recording["recorded_episode"].values)
    reward = per_trial(recorded, "reward").transpose("animal", "episode", "trial")
    return np.asarray(reward.values > 0)


def compute_changes(recording: xr.Dataset, event: str) -> NDArray:
    """Change of dopamine at an event of every trial.

    Parameters
    ----------
    recording : xarray.Dataset
    event : str
        As for `pfc_da.analysis.units.align.align`.

    Returns
    -------
    ndarray (animal, recorded_episode, trial)
        In rewards; NaN for a trial at the begin or end of the session whose window leaves it.
    """
    around = align(recording, event, (-CHANGE_S, CHANGE_S), TRACE)
    after = around["time"].values > 0
    return np.asarray(around.values[..., after].sum(-1) - around.values[..., ~after].sum(-1))


def is_long(recording: xr.Dataset, phase: str) -> NDArray[np.bool_]:
    """True for trials in which a phase lasts `CHANGE_S` or longer, (animal, recorded_episode, trial)."""
    onset = get_onset_bins(recording)
    end = np.concatenate([onset[..., 1:], np.full_like(onset[..., :1], recording.sizes["bin"])], -1)
    lasts = (end - onset) * get_bin_s(recording) > CHANGE_S - 1e-9
    return np.asarray(lasts[..., recording["phase"].values == phase])


def summarise_changes(recording: xr.Dataset) -> list[Statistic]:
    """Bursts at the stimuli of a trial and at rewards, and pauses where there is none."""
    at_outcome, rewarded = compute_changes(recording, "outcome"), is_rewarded(recording)
    apart = is_long(recording, get_choice_phase(recording))
    found = [
        _summarise(
            "dopamine_burst_cue",
            compute_changes(recording, phase),
            is_long(recording, phase),
            {"phase": phase},
        )
        for phase in list_stimuli(recording)
    ]
    for key, chosen in (("dopamine_burst_reward", rewarded), ("dopamine_pause_omission", ~rewarded)):
        found.append(_summarise(key, at_outcome, apart & chosen))
    return found


def _summarise(key: str, changes: NDArray, counted: NDArray, labels: Labels = NO_LABELS) -> Statistic:
    """Mean over the counted trials of each animal; sessions are those of all animals."""
    changes = np.where(counted, changes, np.nan)
    by_animal, by_session = mean_of_finite(changes, axis=(1, 2)), mean_of_finite(changes, axis=2)
    return summarise(key, by_animal, by_session, labels=labels, units="rewards")


def tabulate_traces(recording: xr.Dataset) -> pd.DataFrame:
    """Mean trace around every stimulus, and around the outcome with and without reward.

    Parameters
    ----------
    recording : xarray.Dataset

    Returns
    -------
    DataFrame
        event (phase, or ``outcome``), trials (``all``, ``rewarded``, ``not rewarded``), time (middle of a bin in s from the
        event), mean, low, high (rewards; over animals), n.
    """
    parts, rewarded = [], is_rewarded(recording)
    for event in (*list_stimuli(recording), "outcome"):
        aligned = align(recording, event, WINDOW_S, TRACE)
        groups = {REWARDED: rewarded, OMITTED: ~rewarded} if event == "outcome" else {ALL: None}
        for name, chosen in groups.items():
            values = aligned.values if chosen is None else np.where(chosen[..., None], aligned.values, np.nan)
            own = mean_of_finite(values, axis=(1, 2))  # (animal, time)
            low, high = compute_mean_interval(own)
            columns = {"mean": mean_of_finite(own), "low": low, "high": high, "n": np.isfinite(own).sum(0)}
            parts.append(
                pd.DataFrame({"event": event, "trials": name, "time": aligned["time"].values, **columns})
            )
    return pd.concat(parts, ignore_index=True)
