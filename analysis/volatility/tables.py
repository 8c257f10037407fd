"""The numbers of the volatility panels, and everything a recording of the volatility schedule says, in one call.

`analyse_volatility` is what a paradigm needs; the statistics are computed in `volatility`, `volatility_training` and
`volatility_units`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.behaviour.reversals import AFTER, BEFORE, compute_reversal_curve
from pfc_da.analysis.behaviour.summary import tabulate_example_sessions
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.observers.two_options import PairObserver
from pfc_da.analysis.statistic import OVER_ANIMALS, Statistic
from pfc_da.analysis.volatility import numbers as volatility
from pfc_da.analysis.volatility import training as volatility_training
from pfc_da.analysis.volatility import units as volatility_units
from pfc_da.analysis.volatility.numbers import PHASES, SINCE, TWINS, RateFit, VolatileSessions
from pfc_da.settings import RunSettings

ANIMALS = "animals"
CURVES = (ANIMALS, "fixed_alpha", "ideal", "behrens")
"""Whose choices about a reversal are drawn."""
_NOTHING = (np.nan, np.nan, None, None, None)  # interval, and over what, of a single animal
_OVER = {True: (OVER_ANIMALS, "animals"), False: (OVER_ANIMALS.replace("animals", "plays"), "plays")}


def analyse_volatility(
    recording: xr.Dataset,
    curves: Sequence[pd.DataFrame],
    settings: RunSettings,
    observer: PairObserver,
    *,
    rng: np.random.Generator,
) -> tuple[list[Statistic], dict[str, pd.DataFrame]]:
    """Every statistic of the volatility schedule and the tables of its panels.

    Parameters
    ----------
    recording : xarray.Dataset
        With the conditions ``frozen`` and, as far as they are there, ``untrained`` and ``after_N``.
    curves : sequence of DataFrame
        Learning curve of every animal.
    observer : Observer
        The ideal one: knows the schedule (`pfc_da.analysis.observers.volatility`).

    Returns
    -------
    statistics : list of Statistic
    figures : dict of str to DataFrame
        By the name of the panel (`figures`); empty tables where there is nothing to draw.
    """
    sessions = volatility.get_sessions(recording)
    observers = volatility.simulate_observers(sessions, observer, rng=rng)
    played = {**volatility.simulate_fitted_agents(sessions, rng=rng), **observers}
    fit = volatility.fit_rates(sessions, rng=rng)
    fits = {name: volatility.fit_rates(own, rng=rng) for name, own in played.items()}
    since = {
        name: volatility.fit_rates_since_switch(own, rng=rng)
        for name, own in ((ANIMALS, sessions), *played.items())
        if name in CURVES
    }
    moments = volatility_training.follow_training(recording, settings.train.updates, rng=rng)
    coding, unit_tables = volatility_units.analyse_units(recording, sessions, observer, rng=rng)
    statistics = [
        *volatility.summarise_rates(sessions, fit, rng=rng),
        *volatility.summarise_players(played, fits, rng=rng),
        *volatility.summarise_rewards(sessions, observers),
        *volatility.summarise_since_switch(since[ANIMALS]),
        volatility.summarise_reversals(sessions),
        volatility_training.summarise_updates_to_criterion(curves, sessions),
        *(each for n, own in moments.items() if n != settings.train.updates for each in own),
        *coding,
    ]
    figures = {
        "raster": tabulate_example_sessions(sessions.choice[0], sessions.reward[0], sessions.p_reward),
        "volatility_rates": tabulate_rates({ANIMALS: fit, **fits}),
        "volatility_training": volatility_training.tabulate_training(moments, settings),
        "volatility_since_switch": tabulate_since_switch(since),
        "volatility_reversals": tabulate_reversals({ANIMALS: sessions, **played}),
        **unit_tables,
    }
    return statistics, figures


def tabulate_rates(fits: Mapping[str, RateFit]) -> pd.DataFrame:
    """Learning rate by phase: of every animal, the mean of every kind of player, and published ones of humans."""
    rows: list[tuple] = []
    for who, fit in fits.items():
        interval, n_of = _OVER[who == ANIMALS or who in TWINS]
        for phase, rate in zip(PHASES, fit.rate.T, strict=True):
            if who == ANIMALS:
                rows += [(who, phase, str(animal), value, *_NOTHING) for animal, value in enumerate(rate)]
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
    middle = [(first + end - 1) / 2 for first, end in SINCE]
    return _tabulate_means("trial", middle, {who: fit.rate for who, fit in fits.items() if fit is not None})


def tabulate_reversals(played: Mapping[str, VolatileSessions]) -> pd.DataFrame:
    """Choices of the newly better option by trial about a reversal, 0 the first with it, mean over agents."""
    curves = {who: compute_reversal_curve(played[who].choice, played[who].better) for who in CURVES}
    return _tabulate_means("trial", range(-BEFORE, AFTER), curves)


def _tabulate_means(name: str, places: Sequence[float], values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Mean over agents of (agent, place) for each who, with its interval; places without a value left out."""
    tables = [pd.DataFrame(columns=["who", name, "mean", "low", "high", "interval", "n", "n_of"])]
    for who, own in values.items():
        interval, n_of = _OVER[who == ANIMALS or who in TWINS]
        known = np.isfinite(own)
        low, high = compute_mean_interval(own)
        columns = {"who": who, name: list(places), "mean": mean_of_finite(own), "low": low, "high": high}
        table = pd.DataFrame({**columns, "interval": interval, "n": known.sum(axis=0), "n_of": n_of})
        tables.append(table[known.any(axis=0)])
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else tables[0]
