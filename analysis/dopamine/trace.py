"""Dopamine around the events of a trial: mean traces, bursts at stimuli and rewards, pauses at omissions.

The trace holds the error of every bin, and errors of consecutive bins add up. A burst or pause is the sum over `CHANGE_S`
after an event, less that over `CHANGE_S` before it; it does not depend on the duration of bins. At a reward of 1 that
nothing predicted it is 1.
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.statistic import NO_LABELS, Labels, Statistic, summarise
from pfc_da.analysis.units.align import CUES, WINDOW_S, align
from pfc_da.recording_schema import FROZEN, get_phases
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
    before, after = (align(recording, event, window, TRACE) for window in ((-CHANGE_S, 0), (0, CHANGE_S)))
    return np.asarray(after.values.sum(-1) - before.values.sum(-1))


def summarise_changes(recording: xr.Dataset) -> list[Statistic]:
    """Bursts at the stimuli of a trial and at rewards, and pauses where there is none."""
    rewarded, at_outcome = is_rewarded(recording), compute_changes(recording, "outcome")
    found = [
        _summarise("dopamine_burst_cue", compute_changes(recording, phase), {"phase": phase})
        for phase in list_stimuli(recording)
    ]
    for key, chosen in (("dopamine_burst_reward", rewarded), ("dopamine_pause_omission", ~rewarded)):
        found.append(_summarise(key, np.where(chosen, at_outcome, np.nan)))
    return found


def _summarise(key: str, changes: NDArray, labels: Labels = NO_LABELS) -> Statistic:
    """Mean over the trials of each animal; sessions are those of all animals."""
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
    parts = []
    for event in (*list_stimuli(recording), "outcome"):
        aligned, rewarded = align(recording, event, WINDOW_S, TRACE), is_rewarded(recording)
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
