"""The numbers of the lever panels, and everything a recording of two levers says, in one call.

`analyse_levers` is what a paradigm needs; the statistics are computed in `lever` and `lever_units`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.learning import summarise_session
from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.lever_stimulation import numbers as lever
from pfc_da.analysis.lever_stimulation import units as lever_units
from pfc_da.analysis.statistic import OVER_ANIMALS, OVER_BOTH, Statistic

SHOWN = (lever.CONTROL, *lever.MANIPULATIONS, "hidden_reset")
"""Whose learning within a session is drawn."""
BINS = 20  # of the sessions with plasticity on
NO_INTERVAL = (np.nan, np.nan, None, None, None)


def analyse_levers(
    recording: xr.Dataset, *, rng: np.random.Generator
) -> tuple[list[Statistic], dict[str, pd.DataFrame]]:
    """Every statistic of the levers and the tables of their panels; of conditions that are not there, nothing.

    Returns
    -------
    statistics : list of Statistic
    figures : dict of str to DataFrame
        By the name of the panel (`figures`), and `units` and `unit_activity` for the browser of units; empty tables
        where there is nothing to draw.
    """
    trials = lever.get_trials(recording)
    p_risky, shifts_by_dose = lever.summarise_p_risky(trials), lever.compute_shifts(trials)
    shifts = lever.summarise_shifts(shifts_by_dose)
    kernels = lever.summarise_kernels(trials)
    coding: list[Statistic] = []
    of_units: dict[str, pd.DataFrame] = {}
    if "activity" in recording and lever.CONTROL in trials["condition"]:
        coding, of_units = lever_units.analyse_units(recording, trials, rng=rng)
    statistics = [
        *p_risky,
        *shifts,
        *lever.summarise_dose_slopes(shifts_by_dose),
        *kernels,
        *lever.summarise_plastic_shifts(trials),
        *coding,
    ]
    figures = {
        "p_risky": tabulate_p_risky(p_risky),
        "p_risky_session": tabulate_sessions(trials),
        "p_risky_dose": tabulate_doses(shifts),
        "injected_effect": tabulate_kernels(kernels),
        "p_risky_plastic": tabulate_plastic(trials),
        **of_units,
    }
    return statistics, figures


def tabulate_p_risky(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """P(risky) by condition and p: every animal, and their mean with its interval; full-size manipulations alone."""
    rows = []
    for statistic in statistics:
        name, dose, p = lever.split_condition(statistic.condition)
        if dose in (0, 1):  # other doses have a panel of their own
            dots = enumerate(statistic.by_animal)
            rows += [(name, p, str(animal), value, *NO_INTERVAL) for animal, value in dots]
            rows.append((name, p, "mean", statistic.estimate, *_interval(statistic)))
    columns = ["condition", "p", "animal", "p_risky", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_sessions(trials: xr.Dataset) -> pd.DataFrame:
    """P(risky) by trial of the session, free choices alone, by condition and p: mean over animals and interval."""
    tables = [
        summarise_session(np.where(free < 0, np.nan, free)).dropna(subset="mean").assign(condition=name, p=p)
        for name, p, free in lever.get_free_choices(trials, SHOWN)
    ]
    if not tables:
        return pd.DataFrame()
    return pd.concat(tables, ignore_index=True).assign(interval=OVER_BOTH, n_of="animals")


def tabulate_doses(shifts: Sequence[Statistic]) -> pd.DataFrame:
    """Shift of P(risky) against dose, by manipulation and p; dose 0 is the control itself."""
    rows: list[tuple] = []
    for group, doses in lever.group_doses({statistic.condition: statistic for statistic in shifts}):
        rows.append((*group, 0.0, 0.0, *NO_INTERVAL))
        rows += [(*group, dose, statistic.estimate, *_interval(statistic)) for dose, statistic in doses]
    columns = ["manipulation", "p", "dose", "shift", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_kernels(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """Weights on the choice by kind and lag: risky win and risky loss against a certain reward, and injected."""
    rows = []
    for statistic in statistics:
        outcome, _, lag = statistic.condition.rpartition("lag_")
        kind = outcome.strip() or "injected"
        rows.append((kind, int(lag), statistic.estimate, *_interval(statistic)))
    return pd.DataFrame(rows, columns=["kind", "lag", "estimate", "low", "high", "interval", "n", "n_of"])


def tabulate_plastic(trials: xr.Dataset) -> pd.DataFrame:
    """P(risky) along the sessions with plasticity on, and its shift from the control, in bins of sessions."""
    p_risky, shifts = lever.compute_plastic_p_risky(trials), lever.compute_plastic_shifts(trials)
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
