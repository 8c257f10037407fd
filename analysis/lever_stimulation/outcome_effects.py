r"""Effects of past outcomes, and of what was injected after them, on a choice.

A logistic regression of free choices (control and manipulated sessions together)

    logit P(risky_t) = bias + sum_k  win_k W_{t-k} + loss_k L_{t-k} + injected_k c_{t-k} I_{t-k},    k = 1..lags,

where W and L are 1 after a win and a loss of the risky lever (both are 0 after the certain reward, which is thus the
reference outcome), I is what was injected (rewards) and c the lever it followed, 1 risky and -1 safe. Each of the three has
one more weight, for its sum over all older trials, which would otherwise bias the last lags, and choices may drift with the
trial of the session. Every natural outcome is then in the model at every lag, and under the same draws
whether something was injected after it depends on nothing the animal did: an injection without effect has weight 0
whatever else choices depend on. The weights of natural outcomes have no such protection: an animal that pressed the risky
lever lately may have preferred it long before.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.history import LAGS, fit_logistic
from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.lever_stimulation.trials import CONTROL, MANIPULATIONS, list_conditions
from pfc_da.analysis.statistic import Labels, Statistic, summarise
from pfc_da.errors import InputError
from pfc_da.trials import lag_trials

KERNELS: dict[str, tuple[str, Labels, str]] = {  # kind -> key, labels besides the lag, units
    "risky_win": ("outcome_effect", {"outcome": "risky_win"}, "log odds"),
    "risky_loss": ("outcome_effect", {"outcome": "risky_loss"}, "log odds"),
    "injected": ("injected_effect", {}, "log odds per reward"),
}


@dataclass(frozen=True, kw_only=True)
class OutcomeKernels:
    """Weights of `fit_outcomes` with 95 % intervals over sessions, (lag,) each, index 0 for the trial before.

    `risky_win` and `risky_loss` in log odds against a certain reward, `injected` in log odds per reward. All NaN where
    choices follow from the regressors without exception, or a regressor never varies.
    """

    risky_win: NDArray
    risky_loss: NDArray
    injected: NDArray
    injected_low: NDArray
    injected_high: NDArray
    interval: str
    n_trials: int


def fit_outcomes(
    lever: NDArray,
    reward: NDArray,
    injected: NDArray,
    predicted: NDArray,
    session: NDArray,
    lags: int = LAGS,
) -> OutcomeKernels:
    """Weights of past outcomes, and of what was injected after them, on the choices of one animal.

    Parameters
    ----------
    lever : (session, trial) int
        0 safe, 1 risky, -1 none. Trials that look back on one without a press are not predicted.
    reward, injected : (session, trial)
        In rewards.
    predicted : (session, trial) bool
        Free choices; forced presses count as history alone.
    session : (session,) int
        Sessions of one number, the same problem under several conditions, count as one in the intervals.
    lags : int
        How many trials back.
    """
    _check_shapes(lever, session, reward=reward, injected=injected, predicted=predicted)
    pressed = [lag_trials(lever, lag) >= 0 for lag in range(lags + 1)]
    used = predicted & np.all(pressed, axis=0)
    design = _build_design(lever, reward, injected, lags)[used]
    fit = fit_logistic(design, lever[used] == 1, np.broadcast_to(session[:, None], lever.shape)[used])
    win, loss, inject = (slice(1 + part * lags, 1 + (part + 1) * lags) for part in range(3))
    return OutcomeKernels(
        risky_win=fit.weights[win],
        risky_loss=fit.weights[loss],
        injected=fit.weights[inject],
        injected_low=fit.low[inject],
        injected_high=fit.high[inject],
        interval=fit.interval,
        n_trials=int(used.sum()),
    )


def _check_shapes(lever: NDArray, session: NDArray, **arrays: NDArray) -> None:
    wrong = [f"{name} {array.shape}" for name, array in arrays.items() if array.shape != lever.shape]
    if lever.ndim != 2 or wrong or len(session) != len(lever):
        given = ", ".join([f"lever {lever.shape}", *wrong, f"session {session.shape}"])
        raise InputError(
            f"arrays must share one shape (session, trial), session being (session,), got {given}."
        )


def _build_design(lever: NDArray, reward: NDArray, injected: NDArray, lags: int) -> NDArray:
    """Regressors of every trial (session, trial, regressor): bias, outcomes by lag, their older sums, drift."""
    won, lost = (lever == 1) & (reward > 0), (lever == 1) & (reward == 0)
    parts = (won.astype(float), lost.astype(float), np.where(lever == 1, injected, -injected))
    past = [lag_trials(part, lag) for part in parts for lag in range(1, lags + 1)]
    past += [np.nan_to_num(lag_trials(part.cumsum(1), lags + 1)) for part in parts]  # of all older trials
    drift = np.broadcast_to(np.arange(lever.shape[1]) / lever.shape[1], lever.shape)
    return np.stack([np.ones(lever.shape), *past, drift], axis=-1)


def summarise_kernels(trials: xr.Dataset) -> list[Statistic]:
    """`fit_outcomes` of every animal, control and full-size manipulations together."""
    names = [name for name in (CONTROL, *MANIPULATIONS) if name in list_conditions(trials)]
    if CONTROL not in names or len(names) < 2:
        return []
    chosen = trials.sel(condition=names)
    whole = _fit_animals(chosen)
    groups = [_fit_animals(chosen.isel(episode=own)) for own in split_sessions(chosen.sizes["episode"])]
    found = []
    for lag in range(LAGS):
        for kind, (key, outcome, unit) in KERNELS.items():
            by_group = np.stack([group[kind][:, lag] for group in groups], 1)
            labels = {**outcome, "lag": lag + 1}
            found.append(summarise(key, whole[kind][:, lag], by_group, labels=labels, units=unit))
    return found


def _fit_animals(trials: xr.Dataset) -> dict[str, NDArray]:
    """Weights (animal, lag) of the outcomes of each kind.

    What differs from 0 by less than the fit's own tolerance does not differ from it.
    """
    session = np.tile(trials["episode"].values, trials.sizes["condition"])
    fits = [_fit_animal(trials.isel(animal=animal), session) for animal in range(trials.sizes["animal"])]
    return {kind: np.stack([getattr(fit, kind) for fit in fits]).round(9) for kind in KERNELS}


def _fit_animal(trials: xr.Dataset, session: NDArray) -> OutcomeKernels:
    """One animal's sessions under several conditions (condition, episode, trial), one after another."""
    names = ("lever", "reward", "injected", "free")
    lever, reward, injected, free = (trials[name].values.reshape(len(session), -1) for name in names)
    return fit_outcomes(lever, reward, injected, free >= 0, session)
