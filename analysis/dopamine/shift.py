"""Shift of the dopamine response from the reward to the stimulus that predicts it, over training.

Traces in time are kept of trained animals alone. The error of every step is kept under every condition, also with the
weights after N updates. That of the step before a stimulus, gamma^D V' - V with the value V' at the end of the phase that
the stimulus begins, is the response to the stimulus; that of the choice is the response to the outcome.

Schultz, Dayan & Montague 1997, doi 10.1126/science.275.5306.1593.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.dopamine.trace import list_stimuli
from pfc_da.analysis.interval import mean_of_finite
from pfc_da.analysis.statistic import NO_LABELS, Labels, Statistic, summarise, tabulate
from pfc_da.analysis.volatility.training import find_moments
from pfc_da.recording_schema import get_phases, is_choice_step

Responses = dict[str, NDArray]
"""Stimulus, ``reward`` or ``omission`` -> mean error of each session, (animal, session), NaN without such a trial."""


def compute_responses(recording: xr.Dataset, condition: str) -> Responses:
    """Mean errors at stimuli and outcomes under one condition.

    Parameters
    ----------
    recording : xarray.Dataset
    condition : str

    Returns
    -------
    dict of str to ndarray (animal, session)
        In rewards. The first stimulus of a session, which nothing precedes, is left out.
    """
    own = recording.sel(condition=condition).transpose("animal", "episode", "step", ...)
    rpe, rewarded = own["rpe"].values, own["reward"].values > 0
    phases, is_choice = get_phases(recording), is_choice_step(recording)
    place = np.arange(rpe.shape[-1]) % len(phases)
    found = {}
    for stimulus in list_stimuli(recording):
        before = place == (phases.index(stimulus) - 1) % len(phases)
        before[-1] = False
        found[stimulus] = mean_of_finite(np.where(before, rpe, np.nan), axis=2)
    for name, chosen in (("reward", rewarded), ("omission", ~rewarded)):
        found[name] = mean_of_finite(np.where(is_choice & chosen, rpe, np.nan), axis=2)
    return found


def follow_responses(recording: xr.Dataset, updates: int) -> dict[int, Responses]:
    """Responses by the number of updates of training, ascending.

    Parameters
    ----------
    recording : xarray.Dataset
        With the conditions ``frozen`` and, if replayed, ``untrained`` and ``after_N``.
    updates : int
        Updates of the whole training.
    """
    moments = find_moments(recording, updates)
    return {moment: compute_responses(recording, name) for moment, name in moments.items()}


def summarise_responses(moments: Mapping[int, Responses]) -> list[Statistic]:
    """Responses of trained animals and, labelled ``after``, of those before; and the shift between first and last.

    The shift is the increase of the response to the first stimulus of the trial, less that of the response to reward.
    """
    last, found = max(moments), []
    for moment, responses in moments.items():
        labels: Labels = {"after": moment} if moment != last else NO_LABELS
        for name, values in responses.items():
            if name in ("reward", "omission"):
                found.append(_summarise(f"rpe_at_{name}", values, labels))
            else:
                found.append(_summarise("rpe_at_cue", values, {"phase": name, **labels}))
    if len(moments) > 1:
        first, final = moments[min(moments)], moments[last]
        stimulus = next(iter(final))
        gain = {name: final[name] - first[name] for name in (stimulus, "reward")}
        found.append(_summarise("rpe_shift", gain[stimulus] - gain["reward"]))
    return found


def _summarise(key: str, values: NDArray, labels: Labels = NO_LABELS) -> Statistic:
    return summarise(key, mean_of_finite(values, axis=1), values, labels=labels, units="rewards")


def tabulate_responses(statistics: list[Statistic], updates: int) -> pd.DataFrame:
    """A row a response and number of updates.

    Parameters
    ----------
    statistics : list of Statistic
        Of `summarise_responses`.
    updates : int
        Updates of the whole training.

    Returns
    -------
    DataFrame
        response (the phase of a stimulus, ``reward`` or ``omission``), update, estimate, low, high, interval, n, n_of.
    """
    table = tabulate(statistics, "rpe_at_cue", "rpe_at_reward", "rpe_at_omission")
    after = table.pop("after") if "after" in table else pd.Series(np.nan, table.index)
    phase = table.pop("phase")
    response = phase.fillna(table.pop("key").str.removeprefix("rpe_at_"))
    table.insert(0, "response", response)
    table.insert(1, "update", after.fillna(updates).astype(int))
    return table
