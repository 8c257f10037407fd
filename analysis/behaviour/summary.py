"""Statistics of behaviour from a recording, and the tables its figures draw.

Every function takes a recording (`pfc_da.recording`) or arrays of it, and returns Statistics or a labelled table; the
statistics themselves are computed by the functions that also take recorded choices.
"""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.history import LAGS, compute_lose_shift, compute_win_stay, fit_history
from pfc_da.analysis.behaviour.learning import summarise_session, summarise_training
from pfc_da.analysis.behaviour.matching import (
    MatchingFit,
    compute_fractions,
    compute_log_ratios,
    count_choices,
    describe_left_out,
    fit_matching,
)
from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite, split_sessions
from pfc_da.analysis.statistic import (
    ANY,
    NO_LABELS,
    SHARE,
    Labels,
    Statistic,
    summarise,
    summarise_fraction,
    tabulate,
)
from pfc_da.recording_schema import FROZEN, UNTRAINED, get_condition_names
from pfc_da.trials import per_trial

RASTER_EPISODES = 6


def compute_rewards(recording: xr.Dataset, *, labels: Labels = NO_LABELS) -> list[Statistic]:
    """Mean reward a trial over all held-out sessions, with frozen weights and under every other condition of the recording.

    Parameters
    ----------
    recording : xarray.Dataset
    labels : mapping
        Of the variant of the task the sessions were drawn from.

    Returns
    -------
    list of Statistic
        Conditions have keys of their own, `reward_<condition>`.
    """
    return [
        summarise(
            "reward_per_trial" if name == FROZEN else f"reward_{name}",
            _get_held_out(recording, "held_out_reward", name),
            labels=labels,
            units="reward",
        )
        for name in get_condition_names(recording)
    ]


def compute_regrets(recording: xr.Dataset, *, labels: Labels = NO_LABELS) -> Statistic:
    """Expected reward lost a session, mean over all held-out sessions with frozen weights.

    Parameters
    ----------
    recording : xarray.Dataset
    labels : mapping
    """
    values = _get_held_out(recording, "held_out_regret", FROZEN)
    return summarise("regret", values, labels=labels, units="reward")


def state_chance(chance: float) -> Statistic:
    """Reward a trial of random choices in the default task, as the paradigm declares it."""
    return Statistic(
        key="reward_chance",
        estimate=chance,
        low=np.nan,
        high=np.nan,
        interval="none: declared by the paradigm",
        n=1,
        n_of="schedule",
        units="reward",
    )


def compute_gain(recording: xr.Dataset, *, labels: Labels = NO_LABELS) -> list[Statistic]:
    """What training added: reward with frozen trained weights less that of the same animal untrained, in the same sessions.

    An animal has learned if the 95 % interval over sessions (Student's t) of its own gain lies above 0.

    Parameters
    ----------
    recording : xarray.Dataset
    labels : mapping
        The variant of the task the sessions were drawn from.

    Returns
    -------
    list of Statistic
        reward_gain, and fraction_learned.
    """
    frozen, untrained = (_get_held_out(recording, "held_out_reward", name) for name in (FROZEN, UNTRAINED))
    n_sessions = min(frozen.shape[1], untrained.shape[1])  # the first ones are the same
    gain = frozen[:, :n_sessions] - untrained[:, :n_sessions]
    learned = compute_mean_interval(gain.T)[0] > 0
    by_animal = learned.astype(float).tolist()
    return [
        summarise("reward_gain", gain, labels=labels, units="reward"),
        summarise_fraction("fraction_learned", learned, labels=labels, n_of="animals", by_animal=by_animal),
    ]


def _get_held_out(recording: xr.Dataset, name: str, condition: str) -> NDArray:
    """One number a session under one condition, (animal, session); without the sessions that it was not simulated in."""
    values = recording[name].sel(condition=condition).transpose("animal", "held_out_episode").values
    return values[:, np.isfinite(values).any(0)]


def get_choices(recording: xr.Dataset, name: str) -> tuple[NDArray, NDArray]:
    """Choices and rewards of the frozen animals.

    Parameters
    ----------
    recording : xarray.Dataset
    name : str
        `choice`, or a label such as `chosen_object`.

    Returns
    -------
    choice, reward : (animal, episode, trial)
    """
    order = ("animal", "episode", "trial")
    frozen = recording.sel(condition=FROZEN)
    choice, reward = (per_trial(frozen, variable).transpose(*order).values for variable in (name, "reward"))
    return choice.astype(int), reward.astype(float)


def are_of_two(choice: NDArray) -> bool:
    """True if all choices are of options 0 and 1 (or missing, -1)."""
    return bool(choice.max() < 2)


def compute_strategy(choice: NDArray, reward: NDArray) -> list[Statistic]:
    """Win-stay, lose-shift and, of choices between two options, history kernels, one fit an animal.

    Parameters
    ----------
    choice : (animal, episode, trial) int
        From 0; -1 where missing.
    reward : (animal, episode, trial)

    Returns
    -------
    list of Statistic
        Intervals over animals and sessions.
    """
    whole = _fit_strategies(choice, reward)
    groups = [_fit_strategies(choice[:, own], reward[:, own]) for own in split_sessions(choice.shape[1])]
    return [
        summarise(
            key,
            by_animal,
            np.stack([group[key, lag] for group in groups], 1),
            labels={"lag": lag} if lag else NO_LABELS,
            units="log odds" if lag else "fraction",
            within=ANY if lag else SHARE,
        )
        for (key, lag), by_animal in whole.items()
    ]


def _fit_strategies(choice: NDArray, reward: NDArray) -> dict[tuple[str, int], list[float]]:
    """Value of each animal by key and lag, 0 where there is none; arguments (animal, episode, trial)."""
    found: dict[tuple[str, int], list[float]] = {}
    for own_choice, own_reward in zip(choice, reward, strict=True):
        values = {
            ("win_stay", 0): compute_win_stay(own_choice, own_reward),
            ("lose_shift", 0): compute_lose_shift(own_choice, own_reward),
        }
        if are_of_two(choice):
            fit = fit_history(own_choice, own_reward, LAGS)
            for lag in range(1, LAGS + 1):
                values["history_choice", lag] = fit.choice[lag - 1]
                values["history_reward", lag] = fit.reward[lag - 1]
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return found


def compute_matching_slope(choice: NDArray, reward: NDArray, block: NDArray) -> Statistic:
    """Slope of the generalised matching law over blocks, one fit an animal.

    Parameters
    ----------
    choice : (animal, episode, trial) int
        0 or 1; -1 where missing.
    reward : (animal, episode, trial)
    block : (episode, trial) int
        Block of each trial, in which base probabilities stay; trials with -1 are left out.

    Returns
    -------
    Statistic
    """
    groups = [
        [fit.slope for fit in _fit_matching(choice[:, own], reward[:, own], block[own])]
        for own in split_sessions(choice.shape[1])
    ]
    fits = _fit_matching(choice, reward, block)
    slope = summarise("matching_slope", [fit.slope for fit in fits], np.transpose(groups), units="1")
    left_out, used = (sum(getattr(fit, name) for fit in fits) for name in ("n_dropped", "n_points"))
    return replace(slope, interval=slope.interval + describe_left_out(left_out, left_out + used))


def _fit_matching(choice: NDArray, reward: NDArray, block: NDArray) -> list[MatchingFit]:
    return [fit_matching(count_choices(*own, block)) for own in zip(choice, reward, strict=True)]


def tabulate_history(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """Kernels for drawing: kind, lag, estimate, low, high."""
    table = tabulate(statistics, "history_choice", "history_reward")
    table["kind"] = table["key"].str.removeprefix("history_")
    return table[["kind", "lag", "estimate", "low", "high"]]


def tabulate_matching(choice: NDArray, reward: NDArray, block: NDArray, slope: Statistic) -> pd.DataFrame:
    """A row a block: fractions and log ratios of choice and income of the first object; and the line of the mean animal.

    Parameters
    ----------
    choice, reward : (animal, episode, trial)
    block : (episode, trial) int
    slope : Statistic
        Of `compute_matching_slope`; the line has this slope and its interval, and the mean bias of the animals.
    """
    tables = []
    for animal, own in enumerate(zip(choice, reward, strict=True)):
        counts = count_choices(*own, block)
        choice_fraction, income_fraction = compute_fractions(counts)
        log_choice, log_income = compute_log_ratios(counts.choices, counts.income)
        columns = {
            "animal": animal,
            "episode": counts.session,
            "block": counts.block,
            "choice_fraction": choice_fraction,
            "income_fraction": income_fraction,
            "log_choice_ratio": log_choice,
            "log_income_ratio": log_income,
        }
        tables.append(pd.DataFrame(columns))
    bias = mean_of_finite(np.array([fit.bias for fit in _fit_matching(choice, reward, block)]))
    line = {"slope": slope.estimate, "slope_low": slope.low, "slope_high": slope.high, "bias": float(bias)}
    return pd.concat(tables, ignore_index=True).assign(**line)


def tabulate_controls(statistics: Sequence[Statistic], chance: float) -> pd.DataFrame:
    """Reward under every condition, for drawing.

    Parameters
    ----------
    statistics : sequence of Statistic
        Of `compute_rewards`.
    chance : float
        Reward a trial of random choices.

    Returns
    -------
    DataFrame
    """
    table = tabulate(statistics).assign(chance=chance)
    table["condition"] = table["key"].str.removeprefix("reward_").replace("per_trial", FROZEN)
    return table[["condition", "estimate", "low", "high", "chance"]]


def tabulate_within_session(recording: xr.Dataset) -> pd.DataFrame:
    """Mean reward by trial of the session, for every condition."""
    tables = []
    for condition in recording["condition"].values:
        reward = per_trial(recording.sel(condition=condition), "reward").transpose(
            "animal", "episode", "trial"
        )
        tables.append(summarise_session(reward.values.astype(float)).assign(condition=str(condition)))
    return pd.concat(tables, ignore_index=True)


def tabulate_learning(curves: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Learning curves of every animal, thinned to 200 to 400 points each by averaging, and their mean."""
    if all(curve.empty for curve in curves):
        return pd.DataFrame(columns=["animal", "update", "trials", "reward_per_trial", "low", "high", "n"])
    thinned = []
    for animal, curve in enumerate(curves):
        group = np.arange(len(curve)) // max(len(curve) // 200, 1)
        means = curve[["trials", "reward_per_trial"]].groupby(group).mean()
        thinned.append(means.assign(update=curve["update"].groupby(group).max(), animal=str(animal)))
    mean = summarise_training(thinned).rename(columns={"mean": "reward_per_trial"})
    mean["trials"] = pd.concat(thinned).groupby("update")["trials"].mean().values
    return pd.concat([*thinned, mean.assign(animal="mean")], ignore_index=True)


def tabulate_example_sessions(choice: NDArray, reward: NDArray, p: NDArray) -> pd.DataFrame:
    """Choices and rewards in the first sessions of an animal, for a raster.

    Parameters
    ----------
    choice, reward : (episode, trial)
    p : (episode, trial, option)
        Hidden reward probability of each option.

    Returns
    -------
    DataFrame
        A row a trial.
    """
    n, n_trials = min(len(choice), RASTER_EPISODES), choice.shape[1]
    columns = {
        "episode": np.repeat(np.arange(n), n_trials),
        "trial": np.tile(np.arange(n_trials), n),
        "choice": choice[:n].ravel(),
        "reward": reward[:n].ravel(),
        **{
            f"p_{letter}": own.ravel()
            for letter, own in zip(ascii_lowercase, np.moveaxis(p[:n], -1, 0), strict=False)
        },
    }
    return pd.DataFrame(columns)
