"""Statistics of units from a recording, and the tables of the unit browser.

Units are counted as neurons are: a unit codes a variable if its p-value is below .05, here against wrong pairings of
activity and behaviour (other sessions), which account for slow drift. One in twenty passes by chance.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.statistic import ANY, POSITIVE, SHARE, Statistic, summarise, tabulate
from pfc_da.analysis.units.decoding import compute_decoding, split_at_median
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.selectivity import compute_any_p, compute_fraction_selective, compute_null_p
from pfc_da.analysis.units.value_to_choice import find_value_to_choice

LEVEL = 0.05
HALF_LIFE = 5.0
"""Trials after which a reward counts half in what an object is worth to the animal; a declared choice."""
VARIABLES = ("last_choice", "last_reward", "last_interaction", "object_value", "chosen_value", "choice")


def get_activity(recording: xr.Dataset) -> NDArray:
    """Activity by trial and step of the trial, (animal, episode, trial, phase, unit) in Hz."""
    activity = recording["activity"].transpose("animal", "recorded_episode", "step", "unit").values
    n_trials = int(recording["trial"].max()) + 1
    return activity.reshape(*activity.shape[:2], n_trials, -1, activity.shape[-1])


def compute_rates(recording: xr.Dataset) -> list[Statistic]:
    """Median over excitatory units of their mean rate, and the largest mean rate of any unit, in units of activity."""
    rate = recording["activity"].mean("step").transpose("animal", "recorded_episode", "unit").values
    groups = [rate[:, own].mean(1) for own in split_sessions(rate.shape[1])]  # (animal, unit) each
    excitatory = recording["is_excitatory"].values.astype(bool)
    unit = str(recording["activity"].attrs["units"])  # those of an LSTM are no rates
    within = POSITIVE if unit == "Hz" else ANY

    def find_median(rates: NDArray) -> NDArray:
        return np.median(rates[:, excitatory], 1)

    def find_largest(rates: NDArray) -> NDArray:
        return rates.max(1)

    return [
        summarise(key, compute(rate.mean(1)), np.stack([*map(compute, groups)], 1), units=unit, within=within)
        for key, compute in (("firing_rate", find_median), ("firing_rate_max", find_largest))
    ]


def regress_phases(
    activity: NDArray, choice: NDArray, reward: NDArray, *, rng: np.random.Generator
) -> Mapping[str, NDArray]:
    """p-value of every variable, (phase, unit), for one animal.

    Parameters
    ----------
    activity : (episode, trial, phase, unit)
    choice, reward : (episode, trial)
        Choice of object. Object value is local income (`compute_object_value`).

    Notes
    -----
    NaN for an animal whose behaviour cannot tell the variables apart: one that always takes the same object, say,
    or always alternates.
    """
    value = compute_object_value(choice, reward, HALF_LIFE)
    regressors = compute_regressors(choice, reward, value)
    if are_collinear(regressors):
        p = np.full((len(regressors), *activity.shape[2:]), np.nan)
    else:
        p = compute_null_p(activity, regressors, null="session", rng=rng)
    by_name = dict(zip(regressors, p, strict=True))
    both = np.stack([by_name.pop("object_value_0"), by_name.pop("object_value_1")])
    by_name["object_value"] = compute_any_p(both)
    return {name: by_name[name] for name in VARIABLES}


def compute_selectivity(
    by_animal: Sequence[Mapping[str, NDArray]],
    phase: int,
    *,
    variables: Sequence[str] = VARIABLES,
) -> list[Statistic]:
    """Fraction of units selective for every variable in one phase of the trial.

    Parameters
    ----------
    by_animal : sequence of mappings of (phase, unit)
        p-values of every variable, an animal each.
    phase : int
        Which phase.
    variables : sequence of str

    Returns
    -------
    list of Statistic
        One a variable; animals without p-values are left out.
    """
    found = []
    for name in variables:
        p = [own[name][phase] for own in by_animal]
        if all(np.isfinite(own).all() for own in p):
            found.append(compute_fraction_selective([own < LEVEL for own in p], variable=name))
        else:
            fractions = [np.where(np.isfinite(own), own < LEVEL, np.nan).mean() for own in p]
            found.append(
                summarise(
                    "fraction_selective", fractions, labels={"variable": name}, units="fraction", within=SHARE
                )
            )
    return found


def compute_value_to_choice(by_animal: Sequence[Mapping[str, NDArray]], until: int) -> list[Statistic]:
    """Fraction of the units coding object value that code the choice later in the trial, and the fraction by chance.

    Parameters
    ----------
    by_animal : sequence of mappings of (phase, unit)
        p-values of every variable, an animal each.
    until : int
        Only phases before this one (the outcome) are used.

    Returns
    -------
    list of Statistic
    """
    fractions, chance = [], []
    for p in by_animal:
        found = find_value_to_choice(p["object_value"][:until] < LEVEL, p["choice"][:until] < LEVEL)
        known = np.isfinite(p["choice"]).all()
        fractions.append(found.fraction_converting if known else np.nan)
        chance.append(found.fraction_by_chance if known else np.nan)
    return [
        summarise("value_to_choice", fractions, units="fraction", within=SHARE),
        summarise(
            "value_to_choice",
            chance,
            labels={"control": "units_without_value"},
            units="fraction",
            within=SHARE,
        ),
    ]


def compute_value_decoding(
    activity: NDArray, choice: NDArray, reward: NDArray, *, rng: np.random.Generator
) -> list[Statistic]:
    """Accuracy of decoding whether the first object's value is high, all units, sessions held out.

    Parameters
    ----------
    activity : (animal, episode, trial, unit)
        In the phase before the objects appear.
    choice, reward : (animal, episode, trial)
    """
    accuracy, control = [], []
    for own_activity, own_choice, own_reward in zip(activity, choice, reward, strict=True):
        value = compute_object_value(own_choice, own_reward, HALF_LIFE)[..., 0]
        if _is_in_many_sessions(value):
            found = compute_decoding(own_activity, split_at_median(value), null="session", rng=rng)
            accuracy.append(found.accuracy)
            control.append(float(np.mean(found.control)))
        else:
            accuracy.append(np.nan)
            control.append(np.nan)
    return [
        summarise("decoding_object_value", accuracy, units="fraction", within=SHARE),
        summarise(
            "decoding_object_value",
            control,
            labels={"control": "wrong_sessions"},
            units="fraction",
            within=SHARE,
        ),
    ]


def tabulate_selectivity(statistics: Sequence[Statistic], references: Mapping[str, tuple]) -> pd.DataFrame:
    """Fractions of selective units, for drawing.

    Parameters
    ----------
    statistics : sequence of Statistic
    references : mapping of (estimate, low, high)
        Published or recorded fractions by variable, where there are some.

    Returns
    -------
    DataFrame
    """
    table = tabulate(statistics, "fraction_selective").rename(columns={"estimate": "fraction"})
    found = [references.get(name, (np.nan, np.nan, np.nan)) for name in table["variable"]]
    published = pd.DataFrame(found, columns=["reference", "ref_low", "ref_high"])
    return table[["variable", "fraction", "low", "high"]].join(published)


def tabulate_unit_properties(
    recording: xr.Dataset, by_animal: Sequence[Mapping[str, NDArray]], phase: int
) -> pd.DataFrame:
    """Type, time constant, mean rate and p-values of every unit.

    Parameters
    ----------
    recording : xarray.Dataset
    by_animal : sequence of mappings of (phase, unit)
        p-values of every variable, an animal each.
    phase : int
        Which phase the p-values are of.

    Returns
    -------
    DataFrame
        A row a unit; tau in s, rates in Hz.
    """
    rate = recording["activity"].mean(["recorded_episode", "step"]).transpose("animal", "unit").values
    tables = []
    for animal, p in enumerate(by_animal):
        columns = {
            "animal": animal,
            "unit": np.arange(rate.shape[1]),
            "is_excitatory": recording["is_excitatory"].values.astype(int),
            "tau": recording["tau"].values,
            "mean_rate_hz": rate[animal],
            **{f"p_{name}": values[phase] for name, values in p.items()},
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def tabulate_unit_activity(
    activity: NDArray, choice: NDArray, reward: NDArray, phases: Sequence[str]
) -> pd.DataFrame:
    """Mean activity by step of the trial, split by value (terciles of first less second object) and by choice.

    Parameters
    ----------
    activity : (animal, episode, trial, phase, unit)
    choice, reward : (animal, episode, trial)
    """
    tables = []
    for animal, (own, own_choice, own_reward) in enumerate(zip(activity, choice, reward, strict=True)):
        value = compute_object_value(own_choice, own_reward, HALF_LIFE)
        difference = value[..., 0] - value[..., 1]
        low, high = np.nanquantile(difference, [1 / 3, 2 / 3])
        groups = {
            ("value", "low"): difference < low,
            ("value", "middle"): (difference >= low) & (difference <= high),
            ("value", "high"): difference > high,
            ("choice", "A"): own_choice == 0,
            ("choice", "B"): own_choice == 1,
        }
        for (kind, group), chosen in groups.items():
            tables.append(
                average_activity(own[chosen], phases).assign(animal=animal, group_kind=kind, group=group)
            )
    return pd.concat(tables, ignore_index=True)


def average_activity(activity: NDArray, phases: Sequence[str]) -> pd.DataFrame:
    """Mean and standard error of activity over trials.

    Parameters
    ----------
    activity : (trial, phase, unit)
        In Hz.
    phases : sequence of str
        Their names.

    Returns
    -------
    DataFrame
        A row a phase and unit; NaN without trials.
    """
    n_phases, n_units = activity.shape[1:]
    mean = activity.mean(0) if len(activity) else np.full((n_phases, n_units), np.nan)
    sem = (
        activity.std(0, ddof=1) / np.sqrt(len(activity)) if len(activity) > 1 else np.full_like(mean, np.nan)
    )
    columns = {
        "unit": np.tile(np.arange(n_units), n_phases),
        "step_in_trial": np.repeat(np.arange(n_phases), n_units),
        "phase": np.repeat(list(phases), n_units),
        "mean_hz": mean.ravel().round(3),
        "sem_hz": sem.ravel().round(3),
    }
    return pd.DataFrame(columns)


def are_collinear(regressors: Mapping[str, NDArray]) -> bool:
    """True if a regressor (episode, trial) is constant or a linear combination of the others, so that none has a p-value.

    Examples
    --------
    >>> are_collinear({"a": np.array([[0.0, 1.0, 2.0]]), "b": np.array([[1.0, 3.0, 5.0]])})
    True
    """
    columns = np.stack(list(regressors.values()), -1)
    known = columns[np.isfinite(columns).all(-1)]  # (trial, regressor)
    design = np.column_stack([np.ones(len(known)), known])
    return bool(np.linalg.matrix_rank(design, rtol=1e-9) < design.shape[1])


def _is_in_many_sessions(value: NDArray) -> bool:
    """True if the training sessions have high and low values, whichever tenth of the sessions is held out."""
    median = np.nanmedian(value)
    n_sessions = min((value > median).any(1).sum(), (value <= median).any(1).sum())
    return bool(n_sessions >= len(value) // 10 + 3)
