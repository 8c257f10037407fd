"""Regressors of activity: object value, chosen value, and the choice and reward of the trial before.

Object value is what the animal can know, not the hidden probability: the recent income from an object, in which the
weight of a trial halves every `half_life` trials (local income: Sugrue, Corrado & Newsome
2004),

    V_o(t) = sum_{k>=1} w^k r_o(t-k) / sum_{k>=1} w^k,    w = 2^(-1/half_life),

where r_o is the reward of a trial on which o was chosen and 0 of a trial on which it was not. The sums
run over the trials of the session so far; without the denominator the estimate would climb from 0 in
every session, and anything else that climbs in a session would look like value. The published neurons were
regressed on a value of this kind, derived from recent experience (Tsutsui et al. 2016).

References
----------
Sugrue, Corrado & Newsome (2004) Science 304:1782, doi 10.1126/science.1094765.
Tsutsui, Grabenhorst, Kobayashi & Schultz (2016) Nat Commun 7:12554, doi 10.1038/ncomms12554.
"""

from collections.abc import Mapping

import numpy as np

from pfc_da.errors import InputError

N_OBJECTS = 2


def compute_object_value(choice: np.ndarray, reward: np.ndarray, half_life: float) -> np.ndarray:
    """Local income of each object before each trial.

    Parameters
    ----------
    choice : (episode, trial) int
        Chosen object, -1 where missing. A missing trial tells nothing: the value stays as it was.
    reward : (episode, trial)
        Reward of the trial.
    half_life : float
        Trials after which a reward counts half.

    Returns
    -------
    (episode, trial, object)
        In units of reward per trial; NaN until the first trial of the session has been seen.
    """
    _check_same_shape(choice=choice, reward=reward)
    if not half_life > 0:
        raise InputError(f"half_life must be above 0 trials, got {half_life}. (Large: all trials alike.)")
    if np.max(choice) >= N_OBJECTS:
        raise InputError(f"choice must be 0, 1 or -1 (missing), got {np.max(choice)}.")
    keep = 0.5 ** (1 / half_life)
    seen = (choice >= 0) & np.isfinite(reward)  # (episode, trial)
    chosen = choice[..., None] == np.arange(N_OBJECTS)
    income = np.where(chosen & seen[..., None], np.nan_to_num(reward)[..., None], 0.0)
    value = np.full(chosen.shape, np.nan)
    total = np.zeros((len(choice), N_OBJECTS))
    weight = np.zeros(len(choice))
    for trial in range(choice.shape[1]):
        known = weight > 0
        value[known, trial] = total[known] / weight[known, None]
        now = seen[:, trial]
        total[now] = keep * (total[now] + income[now, trial])
        weight[now] = keep * (weight[now] + 1)
    return value


def compute_chosen_value(object_value: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Value of the object that is about to be chosen.

    Parameters
    ----------
    object_value : (episode, trial, object)
        Value before the trial.
    choice : (episode, trial) int
        Chosen object, -1 where missing.

    Returns
    -------
    (episode, trial)
        NaN where the choice is missing.
    """
    value = np.take_along_axis(object_value, np.maximum(choice, 0)[..., None], axis=-1)[..., 0]
    return np.where(choice >= 0, value, np.nan)


def compute_regressors(
    choice: np.ndarray, reward: np.ndarray, object_value: np.ndarray
) -> Mapping[str, np.ndarray]:
    """Regressors of a unit's activity on a trial, by name; leave out what a phase cannot hold yet.

    Parameters
    ----------
    choice : (episode, trial) int
        0 or 1, -1 where missing.
    reward : (episode, trial)
        Reward of the trial.
    object_value : (episode, trial, object)
        Value of the two objects before the trial, of `compute_object_value` or the task's own probability.

    Returns
    -------
    mapping of (episode, trial)
        ``last_choice`` (-1 or 1), ``last_reward`` (as given), ``last_interaction`` (last choice x (last
        reward - its mean), so that the two main effects keep their meaning), ``object_value_0``,
        ``object_value_1``, ``chosen_value``, ``choice`` (-1 or 1). NaN where missing, as on the first
        trial of a session.
    """
    _check_same_shape(choice=choice, reward=reward)
    if object_value.shape != (*choice.shape, 2):
        raise InputError(
            f"object_value must have the shape {(*choice.shape, 2)} of two objects, got {object_value.shape}."
        )
    if not np.isin(choice, (-1, 0, 1)).all():
        raise InputError(
            f"choice must be 0, 1 or -1 (missing) to be a regressor, got up to {np.max(choice)}."
        )
    signed = np.where(choice >= 0, 2.0 * choice - 1, np.nan)
    last_choice = _previous(signed)
    last_reward = np.where(np.isfinite(last_choice), _previous(reward), np.nan)
    return {
        "last_choice": last_choice,
        "last_reward": last_reward,
        "last_interaction": last_choice * (last_reward - np.nanmean(last_reward)),
        "object_value_0": object_value[..., 0],
        "object_value_1": object_value[..., 1],
        "chosen_value": compute_chosen_value(object_value, choice),
        "choice": signed,
    }


def _previous(values: np.ndarray) -> np.ndarray:
    shifted = np.full(values.shape, np.nan)
    shifted[:, 1:] = values[:, :-1]
    return shifted


def _check_same_shape(**arrays: np.ndarray) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 2 for shape in shapes.values()):
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"{' and '.join(shapes)} must share one shape (episode, trial), got {given}.")
