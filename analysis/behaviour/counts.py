"""Number of trials that carry each statistic of choices, and number that an animal needs for it.

A row of a table is no trial of a statistic: a choice may be missing, or the one before it, or the reward. Fractions and
means need 20 trials an animal, kernels ten for each weight (Peduzzi et al. 1996, J Clin Epidemiol 49:1373, doi
10.1016/S0895-4356(96)00236-3), a learning rate 100. A line through two points fits them exactly, so that nothing says
how sure its slope is: three are needed. An animal with fewer is left out if there are others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.history import LAGS, find_pairs, find_predicted
from pfc_da.analysis.behaviour.matching import compute_log_ratios, count_choices
from pfc_da.analysis.readers.choice_table import ChoiceSessions, get_animals

PER_WEIGHT = 10  # trials for each weight of a regression
WEIGHTS = 2 * LAGS + 1
MIN_FOR_FRACTION = 20
MIN_FOR_RATE = 100
MIN_POINTS = 3  # of a line with an interval; two fit it exactly


@dataclass(frozen=True)
class Need:
    """The fewest of an animal, what is counted, and what for."""

    least: int
    counted: str
    of: str


_KERNELS = Need(
    PER_WEIGHT * WEIGHTS, f"choices with {LAGS} known trials before them", f"a fit of {WEIGHTS} weights"
)
NEEDS = {
    "reward_per_trial": Need(MIN_FOR_FRACTION, "choices with a known reward", "a mean"),
    "win_stay": Need(MIN_FOR_FRACTION, "choices right after a rewarded one", "a fraction"),
    "lose_shift": Need(MIN_FOR_FRACTION, "choices right after an unrewarded one", "a fraction"),
    "fraction_better": Need(MIN_FOR_FRACTION, "choices with a known better option", "a fraction"),
    "history_choice": _KERNELS,
    "history_reward": _KERNELS,
    "learning_rate": Need(MIN_FOR_RATE, "choices with a known reward", "a learning rate"),
    "matching_slope": Need(
        MIN_POINTS, "points with choices of and income from both options", "a slope with an interval"
    ),
}


@dataclass(frozen=True)
class Count:
    """Choices (or points) of each session that carry a statistic, (session,), and their number in all sessions."""

    used: NDArray
    total: int


def count_used(sessions: ChoiceSessions) -> dict[str, Count]:
    """By key of `NEEDS`; kernels, learning rate and matching only of two options."""
    choice, reward = sessions.choice, sessions.reward
    pair, won = find_pairs(choice, reward)
    known = (choice >= 0) & np.isfinite(reward)
    used = {
        "reward_per_trial": known,
        "win_stay": pair & won,
        "lose_shift": pair & ~won,
        "fraction_better": (choice >= 0) & (sessions.better >= 0),
    }
    if sessions.n_options == 2:
        predicted = find_predicted(choice, reward, LAGS)
        used |= {"history_choice": predicted, "history_reward": predicted, "learning_rate": known}
    found = {key: Count(mask.sum(1), int((choice >= 0).sum())) for key, mask in used.items()}
    if sessions.n_options == 2:
        found["matching_slope"] = _count_points(sessions)
    return found


def select_sessions(sessions: ChoiceSessions, key: str, count: Count) -> list[NDArray]:
    """Sessions of each animal that carry the statistic.

    Parameters
    ----------
    sessions : ChoiceSessions
    key : str
        One of `NEEDS`.
    count : Count
        Of this key.

    Returns
    -------
    list of (session,) bool
        One an animal; none of an animal with too few trials. Where no animal has enough, the sessions of all are selected:
        their number is shown and not compared.
    """
    animals = [own & (count.used > 0) for own in get_animals(sessions)]
    enough = [count.used[own].sum() >= NEEDS[key].least for own in animals]
    return [own & (is_enough or not any(enough)) for own, is_enough in zip(animals, enough, strict=True)]


def describe_too_few(sessions: ChoiceSessions, key: str, count: Count, which: str) -> str:
    """Reason why no animal has enough trials for a statistic.

    Parameters
    ----------
    sessions : ChoiceSessions
    key : str
        One of `NEEDS`.
    count : Count
        Of this key.
    which : {"recorded", "simulated"}
        For the message.

    Returns
    -------
    str
        "" if an animal has enough.
    """
    need, by_animal = NEEDS[key], [count.used[own].sum() for own in get_animals(sessions)]
    if max(by_animal) >= need.least:
        return ""
    at_most = f", at most {max(by_animal)} an animal" if len(by_animal) > 1 else ""
    return f"{which} {need.counted}: {sum(by_animal)}{at_most}; {need.of} needs {need.least}"


def _count_points(sessions: ChoiceSessions) -> Count:
    """Sessions, or blocks where there are some, that have logarithms."""
    counts = count_choices(sessions.choice, sessions.reward, get_blocks(sessions))
    usable = np.isfinite(compute_log_ratios(counts.choices, counts.income)[0])
    used = np.bincount(counts.session, usable, minlength=len(sessions.choice)).astype(int)
    return Count(used, len(usable))


def get_blocks(sessions: ChoiceSessions) -> NDArray | None:
    """Blocks of the sessions; None where no trial has one, so that a session is a point."""
    return sessions.block if (sessions.block >= 0).any() else None
