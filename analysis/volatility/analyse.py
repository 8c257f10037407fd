"""The whole analysis of a recording of the volatility task."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.figures.panel import Panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.observers.two_options import PairObserver
from pfc_da.analysis.statistic import Statistic
from pfc_da.analysis.volatility.agents import (
    FITTED_AGENTS,
    count_simulations,
    simulate_fitted_agents,
    simulate_observers,
    summarise_agents,
)
from pfc_da.analysis.volatility.behaviour import summarise_reversals, summarise_rewards
from pfc_da.analysis.volatility.panels import (
    make_rates_panel,
    make_reversals_panel,
    make_since_switch_panel,
    make_training_panel,
)
from pfc_da.analysis.volatility.rates import (
    RateFit,
    fit_rates,
    fit_rates_since_switch,
    summarise_rates,
    summarise_since_switch,
)
from pfc_da.analysis.volatility.sessions import VolatileSessions, get_sessions
from pfc_da.analysis.volatility.tables import (
    ANIMALS,
    CURVES,
    tabulate_rates,
    tabulate_reversals,
    tabulate_since_switch,
)
from pfc_da.analysis.volatility.training import (
    follow_training,
    summarise_updates_to_criterion,
    tabulate_training,
)
from pfc_da.analysis.volatility.units import analyse_units
from pfc_da.settings import RunSettings


def analyse_volatility(
    recording: xr.Dataset,
    curves: Sequence[pd.DataFrame],
    settings: RunSettings,
    ideal: Mapping[str, PairObserver],
    *,
    rng: np.random.Generator,
) -> Findings:
    """Every statistic and panel of the volatility schedule.

    Parameters
    ----------
    recording : xarray.Dataset
        With the conditions ``frozen`` and, if replayed, ``untrained`` and ``after_N``.
    curves : sequence of DataFrame
        Learning curve of every animal.
    ideal : mapping of str to PairObserver
        Observers that know a schedule (`pfc_da.analysis.observers.volatility`): ``ideal`` that of these sessions, and
        others by name.
    """
    sessions = get_sessions(recording)
    observers = simulate_observers(sessions, ideal, rng=rng)
    agents = {**simulate_fitted_agents(sessions, rng=rng), **observers}
    by_agent = {ANIMALS: sessions, **agents}
    fits = {name: fit_rates(own, rng=rng) for name, own in by_agent.items()}
    since = {name: fit_rates_since_switch(by_agent[name], rng=rng) for name in by_agent if name in CURVES}
    moments = follow_training(recording, settings.train.updates, rng=rng)
    coding = analyse_units(recording, sessions, ideal["ideal"], rng=rng)
    statistics = [
        *summarise_rates(sessions, fits[ANIMALS], rng=rng),
        *summarise_agents(agents, {name: fits[name] for name in agents}, rng=rng),
        *summarise_rewards(sessions, observers),
        *_summarise_since_switch(since),
        summarise_reversals(sessions),
        summarise_updates_to_criterion(curves, sessions),
        *(each for n, own in moments.items() if n != settings.train.updates for each in own),
        *coding.statistics,
    ]
    training = make_training_panel(tabulate_training(moments, settings))
    figures = [*_make_choice_panels(by_agent, fits, since), training, *coding.figures]
    return Findings(statistics, figures, coding.tables)


def _summarise_since_switch(since: Mapping[str, RateFit | None]) -> list[Statistic]:
    """Of animals, and of every other agent with its name."""
    found = summarise_since_switch(since[ANIMALS])
    for name, fit in since.items():
        if name != ANIMALS:
            own = summarise_since_switch(fit, {"agent": name})
            found += own if name in FITTED_AGENTS else [count_simulations(each) for each in own]
    return found


def _make_choice_panels(
    by_agent: Mapping[str, VolatileSessions],
    fits: Mapping[str, RateFit],
    since: Mapping[str, RateFit | None],
) -> list[Panel]:
    return [
        make_rates_panel(tabulate_rates(fits)),
        make_reversals_panel(tabulate_reversals(by_agent)),
        make_since_switch_panel(tabulate_since_switch(since)),
    ]
