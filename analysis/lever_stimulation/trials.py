"""Trials of two levers, and the names of the conditions they were recorded under.

Every session begins with forced presses of both levers, then choices are free. A manipulation adds to the
reward-prediction error that the network receives (rewards), after one outcome only:

    risky_win_blocked          less after a win of the risky lever
    safe_reward_blocked        less after the certain reward
    risky_loss_stimulated      more after a loss of the risky lever

Conditions of a recording: ``frozen`` is the control with frozen weights; a manipulation at a dose, a share of its full size,
is ``MANIPULATION_xDOSE``, at full size only its name; with plasticity on and the hidden state reset at every trial,
``plastic_control`` and ``plastic_MANIPULATION``, whose sessions follow one another along `episode`. Every condition of a
family has the same problems and draws, so shifts are paired.

References
----------
Stopper, Tse, Montes, Wiedman & Floresco 2014, doi 10.1016/j.neuron.2014.08.033; Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 6.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.statistic import Labels
from pfc_da.recording_schema import FROZEN
from pfc_da.trials import per_trial

CONTROL, PLASTIC = FROZEN, "plastic_"
MANIPULATIONS = ("risky_win_blocked", "safe_reward_blocked", "risky_loss_stimulated")
_DOSED = re.compile(rf"({'|'.join(MANIPULATIONS)})(?:_x([\d.]+))?")


def get_trials(recording: xr.Dataset) -> xr.Dataset:
    """Lever, reward and injected dopamine of every trial, (animal, condition, episode, trial) each.

    Returns
    -------
    xarray.Dataset
        `lever` (0 safe, 1 risky, -1 none), `free` (the same on free choices, -1 elsewhere), `reward`, `injected`
        (rewards, over all steps of the trial), `p_win`.
    """
    order = ("animal", "condition", "episode", "trial")
    names = ("chosen_lever", "reward", "p_win", "forced")
    lever, reward, p_win, forced = (per_trial(recording, name).transpose(*order) for name in names)
    by_step = recording["dopamine_injected"].transpose(*order[:3], "step").values
    injected = by_step.reshape(*lever.shape, -1).sum(-1)
    lever = lever.astype(int)
    variables = {"lever": lever, "free": lever.where(forced == 0, -1), "reward": reward, "p_win": p_win}
    return xr.Dataset({**variables, "injected": (order, injected)})


def get_free_choices(trials: xr.Dataset, conditions: Sequence[str]) -> Iterator[tuple[str, float, NDArray]]:
    """Condition, p, and choices (animal, session, trial) of the sessions at this probability of a win; -1 where not free.

    Parameters
    ----------
    trials : xarray.Dataset
        Of `get_trials`.
    conditions : sequence of str
        Those that were not recorded are left out.
    """
    for name in conditions:
        for p in _probabilities(trials) if name in list_conditions(trials) else ():
            here = trials["p_win"].sel(condition=name).values == p
            free = np.where(here, get_all_free(trials, name), -1)
            yield name, p, free[:, here.any(axis=(0, 2))]


def list_conditions(trials: xr.Dataset) -> list[str]:
    """Names of the conditions, in the order of the recording."""
    return [str(name) for name in trials["condition"].values]


def get_all_free(trials: xr.Dataset, condition: str) -> NDArray:
    """Free choices under one condition, -1 where not free.

    Parameters
    ----------
    trials : xarray.Dataset
        Of `get_trials`.
    condition : str

    Returns
    -------
    (animal, episode, trial) int
    """
    return trials["free"].sel(condition=condition).values


def _probabilities(trials: xr.Dataset) -> list[float]:
    """Probabilities of a win that sessions with frozen weights had, largest first."""
    frozen = [name for name in list_conditions(trials) if not name.startswith(PLASTIC)]
    return sorted(np.unique(trials["p_win"].sel(condition=frozen)).tolist(), reverse=True)


def label_condition(condition: str, p: float) -> Labels:
    """Labels of a statistic: condition (a manipulation with its `dose`, another, or ``control``) and p of a win.

    Parameters
    ----------
    condition : str
    p : float
        Probability of a win of the risky lever.
    """
    if dosed := _DOSED.fullmatch(condition):
        return {"condition": dosed[1], "dose": float(dosed[2] or 1), "p": p}
    return {"condition": "control" if condition == CONTROL else condition, "p": p}


def is_manipulation(condition: str) -> bool:
    """True if a condition with frozen weights is a manipulation at some dose."""
    return _DOSED.fullmatch(condition) is not None
