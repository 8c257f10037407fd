"""Tables of the volatility panels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pfc_da.analysis.behaviour.reversals import AFTER, BEFORE, compute_reversal_curve
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.statistic import OVER_ANIMALS
from pfc_da.analysis.volatility.agents import FITTED_AGENTS
from pfc_da.analysis.volatility.rates import SINCE, RateFit
from pfc_da.analysis.volatility.sessions import PHASES, VolatileSessions

ANIMALS = "animals"
CURVES = (ANIMALS, "fixed_alpha", "ideal", "ideal_of_training", "behrens")
"""Whose choices around a reversal are drawn, and rates since one are fitted."""
NO_INTERVAL = (np.nan, np.nan, None, None, None)
_OVER = {
    True: (OVER_ANIMALS, "animals"),
    False: (OVER_ANIMALS.replace("animals", "simulations"), "simulations"),
}


def tabulate_rates(fits: Mapping[str, RateFit]) -> pd.DataFrame:
    """Learning rate by phase: of every animal, the mean of every kind of agent, and published ones of humans."""
    rows: list[tuple] = []
    for who, fit in fits.items():
        interval, n_of = _OVER[who == ANIMALS or who in FITTED_AGENTS]
        for phase, rate in zip(PHASES, fit.rate.T, strict=True):
            if who == ANIMALS:
                rows += [(who, phase, str(animal), value, *NO_INTERVAL) for animal, value in enumerate(rate)]
            known = np.isfinite(rate)
            if known.any():
                low, high = (float(end) for end in compute_mean_interval(rate))
                rows.append((who, phase, "mean", rate[known].mean(), low, high, interval, known.sum(), n_of))
    for row in load_references("volatility"):
        if row.key == "learning_rate" and row.kind == "published":
            numbers = (row.estimate, row.low, row.high, row.interval, row.n, row.n_of)
            rows.append(("humans", row.condition, "mean", *numbers))
    columns = ["who", "phase", "animal", "learning_rate", "low", "high", "interval", "n", "n_of"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="learning_rate", ignore_index=True)


def tabulate_since_switch(fits: Mapping[str, RateFit | None]) -> pd.DataFrame:
    """Learning rate by trials since a reversal (the middle of the bin), mean over agents with its interval."""
    rates = {who: fit.rate for who, fit in fits.items() if fit is not None}
    n_bins = max((rate.shape[1] for rate in rates.values()), default=0)
    return _tabulate_means("trial", [(first + end - 1) / 2 for first, end in SINCE[:n_bins]], rates)


def tabulate_reversals(by_agent: Mapping[str, VolatileSessions]) -> pd.DataFrame:
    """Choices of the newly better option by trial around a reversal, 0 the first with it, mean over agents."""
    curves = {
        who: compute_reversal_curve(by_agent[who].choice, by_agent[who].better)
        for who in CURVES
        if who in by_agent
    }
    return _tabulate_means("trial", range(-BEFORE, AFTER), curves)


def _tabulate_means(name: str, places: Sequence[float], values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Mean over agents of (agent, place) for each agent, with its interval; places without a value left out."""
    tables = [pd.DataFrame(columns=["who", name, "mean", "low", "high", "interval", "n", "n_of"])]
    for who, own in values.items():
        interval, n_of = _OVER[who == ANIMALS or who in FITTED_AGENTS]
        known = np.isfinite(own)
        low, high = compute_mean_interval(own)
        columns = {"who": who, name: list(places), "mean": mean_of_finite(own), "low": low, "high": high}
        table = pd.DataFrame({**columns, "interval": interval, "n": known.sum(axis=0), "n_of": n_of})
        tables.append(table[known.any(axis=0)])
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else tables[0]
