"""Tables of the lever panels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.learning import summarise_session
from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.lever_stimulation.risky_choices import compute_plastic_p_risky, compute_plastic_shifts
from pfc_da.analysis.lever_stimulation.trials import (
    CONTROL,
    MANIPULATIONS,
    get_free_choices,
    group_doses,
    split_condition,
)
from pfc_da.analysis.statistic import OVER_ANIMALS, OVER_BOTH, Statistic

SHOWN = (CONTROL, *MANIPULATIONS, "hidden_reset")
"""Conditions whose choices within a session are drawn."""
BINS = 20
"""Bins of the sessions with plasticity on."""
NO_INTERVAL = (np.nan, np.nan, None, None, None)


def tabulate_p_risky(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """P(risky) by condition and p: every animal, and their mean with its interval; manipulations at full size only."""
    rows = []
    for statistic in statistics:
        name, dose, p = split_condition(statistic.condition)
        if dose in (0, 1):  # other doses have a panel of their own
            dots = enumerate(statistic.by_animal)
            rows += [(name, p, str(animal), value, *NO_INTERVAL) for animal, value in dots]
            rows.append((name, p, "mean", statistic.estimate, *_interval(statistic)))
    columns = ["condition", "p", "animal", "p_risky", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_sessions(trials: xr.Dataset) -> pd.DataFrame:
    """P(risky) by trial of the session, free choices only, by condition and p: mean over animals and interval."""
    tables = [
        summarise_session(np.where(free < 0, np.nan, free)).dropna(subset="mean").assign(condition=name, p=p)
        for name, p, free in get_free_choices(trials, SHOWN)
    ]
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True).assign(interval=OVER_BOTH, n_of="animals")


def tabulate_doses(shifts: Sequence[Statistic]) -> pd.DataFrame:
    """Shift of P(risky) against dose, by manipulation and p; dose 0 is the control itself."""
    rows: list[tuple] = []
    for group, doses in group_doses({statistic.condition: statistic for statistic in shifts}):
        rows.append((*group, 0.0, 0.0, *NO_INTERVAL))
        rows += [(*group, dose, statistic.estimate, *_interval(statistic)) for dose, statistic in doses]
    columns = ["manipulation", "p", "dose", "shift", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_kernels(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """Weights on the choice by kind and lag: risky win and risky loss relative to a certain reward, and injected."""
    rows = []
    for statistic in statistics:
        outcome, _, lag = statistic.condition.rpartition("lag_")
        kind = outcome.strip() or "injected"
        rows.append((kind, int(lag), statistic.estimate, *_interval(statistic)))
    return pd.DataFrame(rows, columns=["kind", "lag", "estimate", "low", "high", "interval", "n", "n_of"])


def tabulate_plastic(trials: xr.Dataset) -> pd.DataFrame:
    """P(risky) along the sessions with plasticity on, and its shift from the control, in bins of sessions."""
    p_risky, shifts = compute_plastic_p_risky(trials), compute_plastic_shifts(trials)
    tables = [
        _bin(values).assign(measure=measure, condition=name)
        for measure, found in (("p_risky", p_risky), ("shift", shifts))
        for name, values in found.items()
    ]
    if not tables:
        return pd.DataFrame()
    n = trials.sizes["animal"]
    return pd.concat(tables, ignore_index=True).assign(interval=OVER_ANIMALS, n=n, n_of="animals")


def _bin(values: NDArray) -> pd.DataFrame:
    """Mean over animals, with its interval, of (animal, session) in bins of neighbouring sessions."""
    bins = np.array_split(np.arange(values.shape[1]), min(BINS, values.shape[1]))
    binned = np.stack([values[:, sessions].mean(1) for sessions in bins], 1)  # (animal, bin)
    low, high = compute_mean_interval(binned)
    session = [sessions.mean() + 1 for sessions in bins]
    return pd.DataFrame({"session": session, "mean": binned.mean(0), "low": low, "high": high})


def _interval(statistic: Statistic) -> tuple:
    return statistic.low, statistic.high, statistic.interval, statistic.n, statistic.n_of
