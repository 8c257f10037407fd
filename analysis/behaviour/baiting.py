"""Choices between two baited options whose base probabilities change: reward, and choices around changes.

The reference agents choose in the sessions of the animals: ``alternation``, the best rule that ignores rewards;
``observer``, which knows how p0 is drawn and when it may change and learns p0 from its rewards; and ``knows_p0``, which is
given p0 of every trial (`pfc_da.analysis.observers.baited`). Rewards are expected ones: the probability that the option
chosen pays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.reversals import (
    AFTER,
    BEFORE,
    compute_reversal_curve,
    compute_trials_to_half,
)
from pfc_da.analysis.behaviour.reward_share import summarise_reward_share
from pfc_da.analysis.behaviour.summary import get_choices
from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.observers.baited import Alternation, BaitedObserver, MomentaryMaximiser
from pfc_da.analysis.observers.base import Observer, simulate_repeatedly
from pfc_da.analysis.statistic import OVER_ANIMALS, POSITIVE, Statistic, summarise
from pfc_da.recording_schema import FROZEN
from pfc_da.trials import per_trial

ANIMALS, OBSERVER, ALTERNATION, KNOWS_P0 = "animals", "observer", "alternation", "knows_p0"


@dataclass(frozen=True, kw_only=True)
class BaitedSessions:
    """Choices of several agents in the same sessions.

    Attributes
    ----------
    choice, reward, expected_reward : (agent, session, trial)
        Choices 0 or 1; rewards; probability that the option chosen paid.
    p0 : (session, trial, option)
        Base probabilities.
    block : (session, trial) int
    """

    choice: NDArray
    reward: NDArray
    expected_reward: NDArray
    p0: NDArray
    block: NDArray

    @property
    def richer(self) -> NDArray:
        """The option of the larger p0, (session, trial)."""
        return self.p0.argmax(axis=-1)


def get_baited_sessions(recording: xr.Dataset) -> BaitedSessions:
    """Choices of the frozen animals, and the sessions that all of them had.

    Parameters
    ----------
    recording : xarray.Dataset
        With `chosen_object`, `p_object`, `p0` and `block`.
    """
    frozen = recording.sel(condition=FROZEN)
    choice, reward = get_choices(recording, "chosen_object")
    p = per_trial(frozen, "p_object").transpose("animal", "episode", "trial", "object").values
    expected = np.take_along_axis(p, np.maximum(choice, 0)[..., None], -1)[..., 0]
    first = frozen.isel(animal=0)
    return BaitedSessions(
        choice=choice,
        reward=reward,
        expected_reward=np.where(choice < 0, np.nan, expected),
        p0=per_trial(first, "p0").transpose("episode", "trial", "object").values.astype(float),
        block=per_trial(first, "block").transpose("episode", "trial").values.astype(int),
    )


def simulate_references(
    sessions: BaitedSessions, observer: BaitedObserver, *, rng: np.random.Generator
) -> dict[str, BaitedSessions]:
    """Choices of the reference agents in the sessions of the animals, several simulations (agents) of each.

    Parameters
    ----------
    sessions : BaitedSessions
        Of the animals.
    observer : BaitedObserver
        Knows how these sessions were drawn.
    rng : numpy.random.Generator

    Returns
    -------
    mapping of str to BaitedSessions
        ``observer``, ``alternation`` and ``knows_p0``.
    """
    agents: dict[str, Observer] = {
        OBSERVER: observer,
        ALTERNATION: Alternation(),
        KNOWS_P0: MomentaryMaximiser(),
    }
    simulated = {}
    for name, agent in agents.items():
        made = simulate_repeatedly(agent, sessions.p0, baited=True, rng=rng)
        simulated[name] = BaitedSessions(
            choice=made.choice.astype(int),
            reward=made.reward.astype(float),
            expected_reward=made.expected_reward.astype(float),
            p0=sessions.p0,
            block=sessions.block,
        )
    return simulated


def summarise_share(sessions: BaitedSessions, references: Mapping[str, BaitedSessions]) -> list[Statistic]:
    """Share of what use of rewards can add, (reward - alternation) / (observer - alternation), and what the agents earn.

    Parameters
    ----------
    sessions : BaitedSessions
        Of the animals.
    references : mapping of str to BaitedSessions
        Of `simulate_references`, in the same sessions.
    """
    floor, best = (references[name].expected_reward for name in (ALTERNATION, OBSERVER))
    share = summarise_reward_share(sessions.expected_reward, floor, best, OBSERVER)
    return [share, *(_summarise_earned(name, own) for name, own in references.items())]


def _summarise_earned(name: str, simulated: BaitedSessions) -> Statistic:
    by_session = simulated.expected_reward.mean(axis=(0, 2))
    low, high = compute_mean_interval(by_session)
    return Statistic(
        key="reward_of_agent",
        labels={"agent": name},
        estimate=float(by_session.mean()),
        low=float(low),
        high=float(high),
        interval="95 % t over sessions",
        n=len(by_session),
        n_of="sessions",
        units="reward",
    )


def summarise_changes(sessions: BaitedSessions, references: Mapping[str, BaitedSessions]) -> list[Statistic]:
    """Trials after a change of the richer option until choices are half way to it: animals, and the observer.

    Parameters
    ----------
    sessions : BaitedSessions
        Of the animals.
    references : mapping of str to BaitedSessions
        Of `simulate_references`.

    Returns
    -------
    list of Statistic
        Empty if the richer option never changes.
    """
    if (sessions.richer == sessions.richer[:, :1]).all():
        return []
    half = compute_trials_to_half(_compute_curve(sessions))
    ideal = compute_trials_to_half(mean_of_finite(_compute_curve(references[OBSERVER]))[None])
    return [
        summarise("trials_to_half", half, units="trials", within=POSITIVE),
        Statistic(
            key="trials_to_half",
            labels={"agent": OBSERVER},
            estimate=float(ideal[0]),
            low=np.nan,
            high=np.nan,
            interval="none: of all simulations together",
            n=len(sessions.p0),
            n_of="sessions",
            units="trials",
        ),
    ]


def tabulate_changes(sessions: BaitedSessions, references: Mapping[str, BaitedSessions]) -> pd.DataFrame:
    """Choices of the newly richer option by trial around a change, of animals and reference agents.

    Parameters
    ----------
    sessions : BaitedSessions
        Of the animals.
    references : mapping of str to BaitedSessions
        Of `simulate_references`.

    Returns
    -------
    DataFrame
        who, trial (0 the first with the new option), mean, low, high, interval, n, n_of.
    """
    over = {
        True: (OVER_ANIMALS, "animals"),
        False: (OVER_ANIMALS.replace("animals", "simulations"), "simulations"),
    }
    tables = []
    for who, own in {ANIMALS: sessions, **references}.items():
        curve = _compute_curve(own)
        (low, high), (interval, n_of) = compute_mean_interval(curve), over[who == ANIMALS]
        columns = {"trial": range(-BEFORE, AFTER), "mean": mean_of_finite(curve), "low": low, "high": high}
        table = pd.DataFrame({"who": who, **columns, "interval": interval, "n": len(curve), "n_of": n_of})
        tables.append(table.dropna(subset="mean"))
    return pd.concat(tables, ignore_index=True)


def _compute_curve(sessions: BaitedSessions) -> NDArray:
    return compute_reversal_curve(sessions.choice, sessions.richer)
