"""Scale rewards so that drops, points, ml, and codes such as -1 and 1 give the same numbers for the same choices.

Of two different rewards the smaller becomes 0 and the larger 1. More than two are divided by the largest absolute value:
then 0 stays 0 and a loss stays a loss. Two data sets are compared only if they then take the same values: where one has a
drop or nothing and the other many amounts, "per unit of reward" means two things.

Rewards of trials without a choice are ignored.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.readers.choice_table import ChoiceSessions

DECIMALS = 6
"""Rewards that differ by less than 1e-6 of the largest are one value: .05 ml may have been stored as .0500000007."""
MANY = 4


def find_values(sessions: ChoiceSessions) -> NDArray:
    """The different rewards of trials with a choice, in rising order."""
    known = sessions.reward[(sessions.choice >= 0) & np.isfinite(sessions.reward)]
    largest = np.abs(known).max(initial=0) or 1.0
    first = np.unique((known / largest).round(DECIMALS), return_index=True)[1]
    return known[first]


def scale_rewards(sessions: ChoiceSessions) -> ChoiceSessions:
    """The same sessions with rewards as the module docstring says."""
    values, reward = find_values(sessions), sessions.reward
    if len(values) == 2:
        scaled = np.where(np.isfinite(reward), reward > values.mean(), np.nan)
    else:
        scaled = reward / (np.abs(values).max(initial=0) or 1.0)
    return replace(sessions, reward=scaled)


def compare_units(simulated: ChoiceSessions, recorded: ChoiceSessions) -> str:
    """Reason why rewards of two scaled data sets are not alike.

    Parameters
    ----------
    simulated, recorded : ChoiceSessions
        With scaled rewards.

    Returns
    -------
    str
        "" if they are alike.
    """
    ours, theirs = (find_values(sessions).round(DECIMALS) for sessions in (simulated, recorded))
    if np.array_equal(ours, theirs) or not (ours.size and theirs.size):
        return ""
    for which, values in (("recorded", theirs), ("simulated", ours)):
        if len(values) == 1:
            return f"all {which} rewards are alike, so that their unit is not known"
    return f"rewards are in other units: {_list_values(theirs)} recorded; {_list_values(ours)} simulated (the largest is 1)"


def describe_scaling(sessions: ChoiceSessions, which: str) -> str:
    """Description of the change of rewards by `scale_rewards`.

    Parameters
    ----------
    sessions : ChoiceSessions
    which : {"recorded", "simulated"}
        For the message.

    Returns
    -------
    str
        "" if rewards stay as they are.
    """
    values = find_values(sessions)
    largest = np.abs(values).max(initial=0)
    if values.tolist() == [0, 1] or largest == 0:
        return ""
    if len(values) == 2:
        return f"{which} rewards of {values[0]:g} and {values[1]:g} are taken for 0 and 1"
    return "" if largest == 1 else f"{which} rewards are divided by {largest:g}"


def _list_values(values: NDArray) -> str:
    if len(values) > MANY:
        return f"{len(values)} amounts"
    return ", ".join(f"{value:.3g}" for value in values)
