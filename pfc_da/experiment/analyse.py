"""The analysis of a recording: what all experiments have in common, and what is only of one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.summary import (
    are_of_two,
    compute_gain,
    compute_regrets,
    compute_rewards,
    compute_strategy,
    get_choices,
    state_chance,
    tabulate_example_sessions,
    tabulate_history,
)
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.dopamine.analyse import analyse_dopamine
from pfc_da.analysis.figures.choices import make_history_panel, make_raster_panel
from pfc_da.analysis.figures.reward import make_reward_panels
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.statistic import Statistic
from pfc_da.analysis.units.coding import analyse_coding
from pfc_da.analysis.units.summary import compute_rates
from pfc_da.recording_schema import FROZEN, UNTRAINED, get_condition_names
from pfc_da.rollout import CONTROLS, TIMINGS, Condition
from pfc_da.settings import RunSettings
from pfc_da.trials import per_trial

if TYPE_CHECKING:
    from pfc_da.experiment.experiment import Experiment


def analyse_recording(
    experiment: "Experiment",
    recording: xr.Dataset,
    curves: Sequence[pd.DataFrame],
    settings: RunSettings,
    rng: np.random.Generator,
) -> Findings:
    """Reward under every control and timing, what the experiment itself analyses, strategy, rates and coding of units.

    Parameters
    ----------
    experiment : Experiment
    recording : xarray.Dataset
        Of the replay of the rate network, all conditions.
    curves : sequence of DataFrame
        Learning curve of each animal.
    settings : RunSettings
    rng : numpy.random.Generator

    Returns
    -------
    Findings
        In the order of the report.
    """
    parts = [_analyse_reward(experiment, recording, curves, settings)]
    if experiment.analyse is not None:
        parts.append(experiment.analyse(recording, curves, settings, rng))
    if experiment.choice is not None:
        choice, reward = get_choices(recording, experiment.choice)
        strategy = compute_strategy(choice, reward)
        if are_of_two(choice):
            parts.append(Findings(strategy, [make_history_panel(tabulate_history(strategy), strategy)]))
        else:
            parts.append(Findings(strategy))
    parts.append(analyse_dopamine(recording, settings.train.updates))
    parts.append(Findings(compute_rates(recording)))
    if experiment.choice is not None and experiment.codes_value and are_of_two(choice):
        recorded = slice(recording.sizes["recorded_episode"])
        published = _find_published_fractions(experiment.name)
        parts.append(analyse_coding(recording, choice[:, recorded], reward[:, recorded], published, rng=rng))
    return Findings.join(parts)


def analyse_choices(
    experiment: "Experiment", recording: xr.Dataset, rng: np.random.Generator
) -> list[Statistic]:
    """Statistics of the choices of frozen animals alone, whatever made them: the rate network or spiking neurons.

    Parameters
    ----------
    experiment : Experiment
    recording : xarray.Dataset
    rng : numpy.random.Generator

    Returns
    -------
    list of Statistic
    """
    own = [] if experiment.analyse_choices is None else experiment.analyse_choices(recording, rng)
    if experiment.choice is None:
        return own
    return [*own, *compute_strategy(*get_choices(recording, experiment.choice))]


def _analyse_reward(
    experiment: "Experiment", recording: xr.Dataset, curves: Sequence[pd.DataFrame], settings: RunSettings
) -> Findings:
    labels = experiment.label_variant(settings)
    controls = _select(recording, CONTROLS)
    rewards = compute_rewards(controls, labels=labels)
    frozen, *timings = compute_rewards(_select(recording, (CONTROLS[0], *TIMINGS)), labels=labels)
    figures = make_reward_panels(controls, curves, rewards, [frozen, *timings], experiment.chance)
    if experiment.choice is not None and experiment.probability is not None:
        choice, reward = get_choices(recording, experiment.choice)
        p = _get_probabilities(recording, experiment.probability)
        figures.append(make_raster_panel(tabulate_example_sessions(choice[0], reward[0], p)))
    regrets = [compute_regrets(recording, labels=labels)] if "held_out_regret" in recording else []
    learned = [state_chance(experiment.chance)]
    if UNTRAINED in get_condition_names(controls):
        learned += compute_gain(controls, labels=labels)
    return Findings([*rewards, *timings, *learned, *regrets], figures)


def _select(recording: xr.Dataset, conditions: Sequence[Condition]) -> xr.Dataset:
    """Those of the conditions that were replayed."""
    there = get_condition_names(recording)
    return recording.sel(condition=[each.name for each in conditions if each.name in there])


def _get_probabilities(recording: xr.Dataset, name: str) -> NDArray:
    """Hidden reward probability of each option in the sessions of the first animal, (episode, trial, option)."""
    first = recording.sel(condition=FROZEN).isel(animal=0)
    if "step" in recording[name].dims:
        return np.asarray(per_trial(first, name).values)
    n_trials = int(recording["trial"].max()) + 1
    return np.repeat(first[name].values[:, None], n_trials, axis=1)


def _find_published_fractions(paradigm: str) -> dict[str, tuple[float, float, float]]:
    """Published fraction of selective cells, with its interval, by variable."""
    return {
        row.condition: (row.estimate, row.low, row.high)
        for row in load_references(paradigm)
        if row.key == "fraction_selective" and row.kind == "published"
    }
