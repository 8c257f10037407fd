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
from pfc_da.analysis.statistic import POSITIVE, Statistic, summarise, summarise_crossed
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

    Conditions of the statistics are ``stable_after_N``, ``volatile_after_N`` and ``after_N``; N is `updates` for the
    animals at the end of training.
    """
    moments = {}
    for n, condition in find_moments(recording, updates).items():
        sessions = get_sessions(recording.isel(episode=slice(SESSIONS)), condition)
        moments[n] = _describe(sessions, f"after_{n}", rng)
    return moments


def find_moments(recording: xr.Dataset, updates: int) -> dict[int, str]:
    """Conditions of a recording by the number of updates of their weights, in order."""
    names = get_condition_names(recording)
    moments = {int(name.removeprefix("after_")): name for name in names if name.startswith("after_")}
    moments |= {0: UNTRAINED} if UNTRAINED in names else {}
    return dict(sorted((moments | {updates: FROZEN}).items()))


def summarise_updates_to_criterion(curves: Sequence[pd.DataFrame], sessions: VolatileSessions) -> Statistic:
    """Updates until training sessions earn as much as the better option on `CRITERION` of trials."""
    better, worse = sessions.p_reward.max(axis=-1).mean(), sessions.p_reward.min(axis=-1).mean()
    criterion = CRITERION * better + (1 - CRITERION) * worse
    updates = [
        compute_updates_to_criterion(curve, criterion, window=min(WINDOW, max(len(curve), 1)))
        for curve in curves
    ]
    return summarise("updates_to_criterion", updates, units="updates", within=POSITIVE)


def tabulate_training(moments: Moments, settings: RunSettings) -> pd.DataFrame:
    """A row a measure and number of updates: measure, update, estimate, low, high, interval, n, n_of."""
    rows: list[tuple] = []
    for update, statistics in moments.items():
        share = update / max(settings.train.updates, 1)
        step = settings.rule.learning_rate_at(share)
        rows.append(("synaptic_step", update, step, np.nan, np.nan, None, None, None))
        for statistic in statistics:
            phase = f"_{statistic.condition.split('_')[0]}" if statistic.key == "learning_rate" else ""
            numbers = statistic.estimate, statistic.low, statistic.high
            rows.append(
                (statistic.key + phase, update, *numbers, statistic.interval, statistic.n, statistic.n_of)
            )
    columns = ["measure", "update", "estimate", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns).sort_values(["measure", "update"], ignore_index=True)


def _describe(sessions: VolatileSessions, condition: str, rng: np.random.Generator) -> list[Statistic]:
    fit = fit_rates(sessions, rng=rng)
    earned = np.nanmean(sessions.expected_reward, axis=-1)  # (animal, session)
    return [
        *summarise_phases(fit, f"{{}}_{condition}"),
        summarise_ratio(fit, condition),
        summarise_reversals(sessions, condition),
        summarise_crossed("expected_reward", earned, condition=condition, units="reward"),
    ]
