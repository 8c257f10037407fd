"""Tables of the lever panels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.learning import summarise_session
from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.lever_stimulation.risky_choices import compute_plastic_p_risky, compute_plastic_shifts
from pfc_da.analysis.lever_stimulation.trials import CONTROL, MANIPULATIONS, get_free_choices
from pfc_da.analysis.statistic import INTERVAL, OVER_ANIMALS, OVER_BOTH, Statistic, tabulate

SHOWN = (CONTROL, *MANIPULATIONS, "hidden_reset")
"""Conditions whose choices within a session are drawn."""
BINS = 20
"""Bins of the sessions with plasticity on."""


def tabulate_p_risky(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """P(risky) by condition and p: every animal, and their mean with its interval; manipulations at full size only."""
    tables = []
    for each in statistics:
        if each.labels.get("dose", 1) == 1:  # other doses have a panel of their own
            animals = pd.DataFrame({**each.labels, "p_risky": each.by_animal})
            mean = tabulate([each]).rename(columns={"estimate": "p_risky"})
            tables += [animals.assign(animal=animals.index.astype(str)), mean.assign(animal="mean")]
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True)[["condition", "p", "animal", "p_risky", *INTERVAL]]


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
    if not shifts:
        return pd.DataFrame()
    table = tabulate(shifts).rename(columns={"condition": "manipulation", "estimate": "shift"})
    group = ["manipulation", "p"]
    rows = pd.concat([table[group].drop_duplicates().assign(dose=0.0, shift=0.0), table])
    rows["group"] = rows.groupby(group, sort=False).ngroup()
    rows = rows.sort_values(["group", "dose"], ignore_index=True)
    return rows[[*group, "dose", "shift", *INTERVAL]]


def tabulate_kernels(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """Weights on the choice by kind and lag: risky win and risky loss relative to a certain reward, and injected."""
    if not statistics:
        return pd.DataFrame()
    table = tabulate(statistics).rename(columns={"outcome": "kind"}).fillna({"kind": "injected"})
    return table[["kind", "lag", "estimate", *INTERVAL]]


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
