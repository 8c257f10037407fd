"""Statistics of units from a recording, by phase of the trial.

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
from pfc_da.analysis.units.align import iterate_sessions
from pfc_da.analysis.units.decoding import compute_decoding, split_at_median
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.selectivity import compute_any_p, compute_fraction_selective, compute_null_p
from pfc_da.analysis.units.value_to_choice import find_value_to_choice
from pfc_da.recording_schema import get_onset_bins, get_phases

LEVEL = 0.05
HALF_LIFE = 5.0
"""Trials after which a reward counts half in what an object is worth to the animal; a declared choice."""
VARIABLES = ("last_choice", "last_reward", "last_interaction", "object_value", "chosen_value", "choice")


def get_activity(recording: xr.Dataset) -> NDArray:
    """Mean activity in each phase of each trial, (animal, episode, trial, phase, unit) in Hz.

    Sessions are read one at a time. Phases are those of `get_phases`, each one step of every trial.
    """
    onset = get_onset_bins(recording)
    shape = (*onset.shape[:2], -1, len(get_phases(recording)), recording.sizes["unit"])
    by_step = np.empty((*onset.shape, shape[-1]))
    for animal, episode, session in iterate_sessions(recording):
        by_step[animal, episode] = average_steps(session, onset[animal, episode])
    return by_step.reshape(shape)


def average_steps(session: NDArray, onset: NDArray) -> NDArray:
    """Mean of a session (bin, unit) over the bins of each step, (step, unit); `onset` (step,) is the first bin of each.

    Examples
    --------
    >>> average_steps(np.array([[2.0], [4.0], [9.0]]), np.array([0, 2])).tolist()
    [[3.0], [9.0]]
    """
    n_bins = np.diff(onset, append=len(session))
    return np.add.reduceat(session, onset, axis=0, dtype=float) / n_bins[:, None]


def compute_mean_activity(recording: xr.Dataset) -> NDArray:
    """Mean activity of each unit over a session, (animal, episode, unit)."""
    sizes = (recording.sizes[name] for name in ("animal", "recorded_episode", "unit"))
    mean = np.empty(tuple(sizes))
    for animal, episode, session in iterate_sessions(recording):
        mean[animal, episode] = session.mean(0, dtype=float)
    return mean


def compute_rates(recording: xr.Dataset) -> list[Statistic]:
    """Median over excitatory units of their mean rate, and the largest mean rate of any unit, in units of activity."""
    rate = compute_mean_activity(recording)
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
    p = compute_variables_p(activity, find_regressors(choice, reward), rng=rng)
    return {name: p[name] for name in VARIABLES}


def find_regressors(choice: NDArray, reward: NDArray) -> Mapping[str, NDArray]:
    """Regressors of `compute_regressors` with local income as the value of an object; choice, reward (episode, trial)."""
    return compute_regressors(choice, reward, compute_object_value(choice, reward, HALF_LIFE))


def compute_variables_p(
    activity: NDArray, regressors: Mapping[str, NDArray], *, rng: np.random.Generator
) -> dict[str, NDArray]:
    """p-value of every variable against pairings with other sessions; the values of both objects are one variable.

    Parameters
    ----------
    activity : (episode, trial, window, unit)
        Rates or spikes in any windows or phases.
    regressors : mapping of (episode, trial)
        Of `find_regressors`, and others.
    rng : numpy.random.Generator

    Returns
    -------
    mapping of (window, unit)
        By name; NaN if the regressors determine one another.
    """
    if are_collinear(regressors):
        p = np.full((len(regressors), *activity.shape[2:]), np.nan)
    else:
        p = compute_null_p(activity, regressors, null="session", rng=rng)
    by_name = dict(zip(regressors, p, strict=True))
    both = np.stack([by_name.pop("object_value_0"), by_name.pop("object_value_1")])
    return {**by_name, "object_value": compute_any_p(both)}


def compute_selectivity(
    by_animal: Sequence[Mapping[str, NDArray]],
    window: int,
    *,
    variables: Sequence[str] = VARIABLES,
    key: str = "fraction_selective",
) -> list[Statistic]:
    """Fraction of units selective for every variable in one phase or window of the trial.

    Parameters
    ----------
    by_animal : sequence of mappings of (window, unit)
        p-values of every variable, an animal each.
    window : int
        Which phase or window.
    variables : sequence of str
    key : str
        Of the statistics.

    Returns
    -------
    list of Statistic
        One a variable; animals without p-values are left out.
    """
    found = []
    for name in variables:
        p = [own[name][window] for own in by_animal]
        if all(np.isfinite(own).all() for own in p):
            found.append(compute_fraction_selective([own < LEVEL for own in p], variable=name, key=key))
        else:
            fractions = [np.where(np.isfinite(own), own < LEVEL, np.nan).mean() for own in p]
            found.append(summarise(key, fractions, labels={"variable": name}, units="fraction", within=SHARE))
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
        label = label_high_value(own_choice, own_reward)
        if can_hold_out(label):
            found = compute_decoding(own_activity, label, null="session", rng=rng)
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
    recording: xr.Dataset,
    by_animal: Sequence[Mapping[str, NDArray]],
    phase: int,
    *,
    latency: Sequence[Mapping[str, NDArray]] = (),
) -> pd.DataFrame:
    """Type, time constant, mean rate and p-values of every unit.

    Parameters
    ----------
    recording : xarray.Dataset
    by_animal : sequence of mappings of (phase, unit)
        p-values of every variable, an animal each.
    phase : int
        Which phase the p-values are of.
    latency : sequence of mappings of (unit,), optional
        Time in s from the choice at which a variable is coded, an animal each.

    Returns
    -------
    DataFrame
        A row a unit; tau in s, rates in Hz, latencies in s.
    """
    rate = compute_mean_activity(recording).mean(1)
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
        if latency:
            columns |= {f"latency_{name}_s": values for name, values in latency[animal].items()}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


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


def label_high_value(choice: NDArray, reward: NDArray) -> NDArray:
    """Whether the first object's value is above its median, (episode, trial): 1 or 0, -1 where it is not known.

    Parameters
    ----------
    choice, reward : (episode, trial)
        Choice of object.
    """
    value = compute_object_value(choice, reward, HALF_LIFE)[..., 0]
    if np.nanmax(value) == np.nanmedian(value):
        return np.full(value.shape, -1)
    return split_at_median(value)


def can_hold_out(label: NDArray) -> bool:
    """True if the training sessions have both labels (episode, trial), whichever tenth of the sessions is held out."""
    n_sessions = min((label == 1).any(1).sum(), (label == 0).any(1).sum())
    return bool(n_sessions >= len(label) // 10 + 3)
