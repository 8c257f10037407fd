"""Synaptic and behavioural learning rates over training.

The synaptic rate is the step of the learning rule, a number of the settings; its effect is measured in updates to a
criterion. The behavioural rate is the alpha fitted to choices made with the weights frozen after some updates (conditions
``untrained``, ``after_N`` and ``frozen``); its effect is measured in trials to the same criterion after a reversal, the
better option on `reversals.CRITERION` of trials. The two rates have different units and their quotient has no meaning. The
finding is that the synaptic rate falls while the behavioural rate appears and splits into a slow and a fast one.

References: Wang et al. 2018, doi 10.1038/s41593-018-0147-8.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.behaviour.learning import compute_updates_to_criterion
from pfc_da.analysis.behaviour.reversals import CRITERION
from pfc_da.analysis.statistic import INTERVAL, POSITIVE, Labels, Statistic, summarise, tabulate
from pfc_da.analysis.volatility.behaviour import summarise_reversals
from pfc_da.analysis.volatility.rates import fit_rates, summarise_phases, summarise_ratio
from pfc_da.analysis.volatility.sessions import VolatileSessions, get_sessions
from pfc_da.recording_schema import FROZEN, UNTRAINED, get_condition_names
from pfc_da.settings import RunSettings

SESSIONS = 80
"""Sessions of every condition that are fitted: thousands of choices for each animal."""
WINDOW = 20
"""Updates averaged before the criterion is applied: one batch is noisy."""
Moments = Mapping[int, Sequence[Statistic]]
"""Number of updates -> statistics with the weights frozen there."""


def follow_training(
    recording: xr.Dataset, updates: int, *, rng: np.random.Generator
) -> dict[int, list[Statistic]]:
    """Learning rates, trials to criterion and expected reward by the number of updates after which the weights were frozen.

    The number is the label `after` of the statistics; for the animals at the end of training it is `updates`.

    Parameters
    ----------
    recording : xarray.Dataset
    updates : int
        Updates of the whole training.
    rng : numpy.random.Generator
        Draws the starts of the fits.

    Returns
    -------
    mapping of int to list of Statistic
        By number of updates.
    """
    moments = {}
    for n, condition in find_moments(recording, updates).items():
        sessions = get_sessions(recording.isel(episode=slice(SESSIONS)), condition)
        moments[n] = _describe(sessions, {"after": n}, rng)
    return moments


def find_moments(recording: xr.Dataset, updates: int) -> dict[int, str]:
    """Conditions of a recording by the number of updates of their weights, in order.

    Parameters
    ----------
    recording : xarray.Dataset
    updates : int
        Updates of the whole training.

    Returns
    -------
    mapping of int to str
    """
    names = get_condition_names(recording)
    moments = {int(name.removeprefix("after_")): name for name in names if name.startswith("after_")}
    moments |= {0: UNTRAINED} if UNTRAINED in names else {}
    return dict(sorted((moments | {updates: FROZEN}).items()))


def summarise_updates_to_criterion(curves: Sequence[pd.DataFrame], sessions: VolatileSessions) -> Statistic:
    """Updates until training sessions earn as much as the better option on `CRITERION` of trials.

    Parameters
    ----------
    curves : sequence of DataFrame
        Learning curve of every animal.
    sessions : VolatileSessions
        Their reward probabilities set the criterion.
    """
    better, worse = sessions.p_reward.max(axis=-1).mean(), sessions.p_reward.min(axis=-1).mean()
    criterion = CRITERION * better + (1 - CRITERION) * worse
    updates = [
        compute_updates_to_criterion(curve, criterion, window=min(WINDOW, max(len(curve), 1)))
        for curve in curves
    ]
    return summarise("updates_to_criterion", updates, units="updates", within=POSITIVE)


def tabulate_training(moments: Moments, settings: RunSettings) -> pd.DataFrame:
    """A row a measure and number of updates.

    Parameters
    ----------
    moments : mapping of int to list of Statistic
        Of `follow_training`.
    settings : RunSettings
        Of the run; they give the synaptic step.

    Returns
    -------
    DataFrame
        measure, update, estimate, low, high, interval, n, n_of.
    """
    table = tabulate([each for own in moments.values() for each in own]).rename(columns={"after": "update"})
    table["measure"] = table["key"] + ("_" + table["phase"]).fillna("")
    last = max(settings.train.updates, 1)
    steps = [settings.rule.learning_rate_at(update / last) for update in moments]
    synapses = pd.DataFrame({"measure": "synaptic_step", "update": list(moments), "estimate": steps})
    rows = pd.concat([synapses, table])[["measure", "update", "estimate", *INTERVAL]]
    return rows.sort_values(["measure", "update"], ignore_index=True)


def _describe(sessions: VolatileSessions, labels: Labels, rng: np.random.Generator) -> list[Statistic]:
    fit = fit_rates(sessions, rng=rng)
    earned = np.nanmean(sessions.expected_reward, axis=-1)  # (animal, session)
    return [
        *summarise_phases(fit, labels),
        summarise_ratio(fit, labels),
        summarise_reversals(sessions, labels),
        summarise("expected_reward", earned, labels=labels, units="reward"),
    ]
