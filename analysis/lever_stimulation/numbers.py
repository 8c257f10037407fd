r"""Two levers, one certain and one risky, and dopamine changed at chosen outcomes: what does it do to the next choices?

Every session begins with forced presses of both levers, then choices are free; all numbers are of free choices. A
manipulation adds to the reward-prediction error the animal is told (rewards), after one outcome only:

    risky_win_blocked          less after a win of the risky lever
    safe_reward_blocked        less after the certain reward
    risky_loss_stimulated      more after a loss of the risky lever

With the weights frozen whatever it does is done by activity, within the session. Conditions of a recording: ``frozen`` is
the control; a manipulation at a dose, a share of its full size, is ``MANIPULATION_xDOSE``, at full size just its name; with
plasticity on and the hidden state reset at every trial, ``plastic_control`` and ``plastic_MANIPULATION``, whose sessions
follow one another along `episode`. Every condition of a family meets the same problems and draws, so shifts are paired.

Which outcomes act on which choices is a logistic regression (control and manipulated sessions together)

    logit P(risky_t) = bias + sum_k  win_k W_{t-k} + loss_k L_{t-k} + injected_k c_{t-k} I_{t-k},    k = 1..lags,

where W and L are 1 after a win and a loss of the risky lever (both 0 after the certain reward, which is thus the outcome
that the two are held against), I is what was injected (rewards) and c the lever it followed, 1 risky and -1 safe. Each of
the three has one weight more, for its sum over all older trials, which would leak into the last lags without it, and choices
may drift with the trial of the session. Every natural outcome is then in the model at every lag, and under the same draws
whether something was injected after it depends on nothing the animal did: an injection that does nothing has weight 0
whatever else choices depend on. The weights of natural outcomes have no such shelter: who pressed the risky lever lately
may have liked it long before.

References
----------
Stopper, Tse, Montes, Wiedman & Floresco 2014, doi 10.1016/j.neuron.2014.08.033; Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 6.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.history import fit_logistic
from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.statistic import SHARE, Statistic, summarise_grouped
from pfc_da.errors import InputError
from pfc_da.recording_schema import FROZEN
from pfc_da.trials import lag_trials, per_trial

CONTROL, PLASTIC = FROZEN, "plastic_"
MANIPULATIONS = ("risky_win_blocked", "safe_reward_blocked", "risky_loss_stimulated")
LAGS = 5
EARLY, LATE = 10, 3  # early: the first tenth of the plastic sessions; late: their last third
KERNELS = {  # kind -> key, opening of the condition, units
    "risky_win": ("outcome_effect", "risky_win ", "log odds"),
    "risky_loss": ("outcome_effect", "risky_loss ", "log odds"),
    "injected": ("injected_effect", "", "log odds per reward"),
}
_DOSED = re.compile(rf"({'|'.join(MANIPULATIONS)})(?:_x([\d.]+))?")


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


def get_trials(recording: xr.Dataset) -> xr.Dataset:
    """What was pressed, paid and injected on every trial, (animal, condition, episode, trial) each.

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


def compute_p_risky(choice: NDArray) -> NDArray:
    """Share of choices that are risky, (...) from (..., session, trial); 0 safe, 1 risky, -1 left out.

    NaN where there are no choices.
    """
    with np.errstate(invalid="ignore"):
        return (choice == 1).sum((-2, -1)) / (choice >= 0).sum((-2, -1))


def fit_outcomes(
    lever: NDArray,
    reward: NDArray,
    injected: NDArray,
    predicted: NDArray,
    session: NDArray,
    lags: int = LAGS,
) -> OutcomeKernels:
    """What past outcomes, and what was injected after them, do to the choice of one animal.

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
    arrays = {"reward": reward, "injected": injected, "predicted": predicted}
    wrong = [f"{name} {array.shape}" for name, array in arrays.items() if array.shape != lever.shape]
    if lever.ndim != 2 or wrong or len(session) != len(lever):
        told = ", ".join([f"lever {lever.shape}", *wrong, f"session {session.shape}"])
        raise InputError(
            f"arrays must share one shape (session, trial), session being (session,), got {told}."
        )
    won, lost = (lever == 1) & (reward > 0), (lever == 1) & (reward == 0)
    parts = (won.astype(float), lost.astype(float), np.where(lever == 1, injected, -injected))
    past = [lag_trials(part, lag) for part in parts for lag in range(1, lags + 1)]
    past += [np.nan_to_num(lag_trials(part.cumsum(1), lags + 1)) for part in parts]  # of all older trials
    drift = np.broadcast_to(np.arange(lever.shape[1]) / lever.shape[1], lever.shape)
    pressed = [lag_trials(lever, lag) >= 0 for lag in range(lags + 1)]
    used = predicted & np.all(pressed, axis=0)
    design = np.stack([np.ones(lever.shape), *past, drift], axis=-1)[used]
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


def summarise_p_risky(trials: xr.Dataset) -> list[Statistic]:
    """P(risky) under every condition with frozen weights and at every probability of a win."""
    names = [name for name in _conditions(trials) if not name.startswith(PLASTIC)]
    return [
        summarise_grouped(
            "p_risky",
            compute_p_risky(free),
            _compute_by_group(free),
            condition=_label(name, p),
            units="fraction",
            within=SHARE,
        )
        for name, p, free in get_free_choices(trials, names)
    ]


Shifts = dict[str, tuple[NDArray, NDArray]]
"""condition -> P(risky) less that of the control: of each animal (animal,) and of groups of its sessions (animal, group)."""


def compute_shifts(trials: xr.Dataset) -> Shifts:
    """P(risky) under every manipulation and dose less P(risky) of the same animal's control sessions."""
    control = {p: free for _, p, free in get_free_choices(trials, [CONTROL])}
    names = [name for name in _conditions(trials) if control and _DOSED.fullmatch(name)]
    return {
        _label(name, p): (
            compute_p_risky(free) - compute_p_risky(control[p]),
            _compute_by_group(free) - _compute_by_group(control[p]),
        )
        for name, p, free in get_free_choices(trials, names)
    }


def summarise_shifts(shifts: Shifts) -> list[Statistic]:
    """What `compute_shifts` gives, over animals and sessions."""
    return [
        summarise_grouped("p_risky_shift", *shift, condition=condition, units="fraction")
        for condition, shift in shifts.items()
    ]


def summarise_dose_slopes(shifts: Shifts) -> list[Statistic]:
    """Shift per dose of full size, one line through no dose and no shift for each animal, from two doses on."""
    found = []
    for (manipulation, p), doses in group_doses(shifts):
        weight = np.array([dose for dose, _ in doses])
        weight = weight / (weight @ weight)
        by_animal, by_group = (
            np.tensordot(weight, np.stack([shift[part] for _, shift in doses]), 1) for part in (0, 1)
        )
        condition, units = f"{manipulation} p={p:g}", "fraction per dose"
        if len(doses) > 1:
            found.append(
                summarise_grouped("p_risky_dose_slope", by_animal, by_group, condition=condition, units=units)
            )
    return found


def summarise_kernels(trials: xr.Dataset) -> list[Statistic]:
    """`fit_outcomes` of every animal, control and full-size manipulations together."""
    names = [name for name in (CONTROL, *MANIPULATIONS) if name in _conditions(trials)]
    if CONTROL not in names or len(names) < 2:
        return []
    chosen = trials.sel(condition=names)
    whole = _fit_animals(chosen)
    groups = [_fit_animals(chosen.isel(episode=own)) for own in split_sessions(chosen.sizes["episode"])]
    found = []
    for lag in range(LAGS):
        for kind, (key, prefix, unit) in KERNELS.items():
            by_group = np.stack([group[kind][:, lag] for group in groups], 1)
            condition = f"{prefix}lag_{lag + 1}"
            found.append(
                summarise_grouped(key, whole[kind][:, lag], by_group, condition=condition, units=unit)
            )
    return found


def summarise_plastic_shifts(trials: xr.Dataset) -> list[Statistic]:
    """Shift of P(risky) over the first tenth and the last third of the sessions with plasticity on."""
    found, n = [], trials.sizes["episode"]
    parts = {"early": slice(0, max(n // EARLY, 1)), "late": slice(n - max(n // LATE, 1), n)}
    for manipulation, difference in compute_plastic_shifts(trials).items():
        for part, sessions in parts.items():
            shift, condition = difference[:, sessions], f"{manipulation} {part}"
            found.append(
                summarise_grouped(
                    "p_risky_shift_plastic", shift.mean(1), shift, condition=condition, units="fraction"
                )
            )
    return found


def compute_plastic_shifts(trials: xr.Dataset) -> dict[str, NDArray]:
    """P(risky) less that of the plastic control, (animal, session), by manipulation."""
    found = compute_plastic_p_risky(trials)
    control = found.pop("control", None)
    return {} if control is None else {name: values - control for name, values in found.items()}


def compute_plastic_p_risky(trials: xr.Dataset) -> dict[str, NDArray]:
    """P(risky) of every session with plasticity on, (animal, session), by what was done: ``control`` or a manipulation."""
    names = [PLASTIC + name for name in ("control", *MANIPULATIONS)]
    return {
        name.removeprefix(PLASTIC): compute_p_risky(_free(trials, name)[:, :, None])
        for name in names
        if name in _conditions(trials)
    }


def get_free_choices(trials: xr.Dataset, conditions: Sequence[str]) -> Iterator[tuple[str, float, NDArray]]:
    """Condition, p, and choices (animal, session, trial) of the sessions at this probability of a win; -1 where not free."""
    for name in conditions:
        for p in _probabilities(trials) if name in _conditions(trials) else ():
            here = trials["p_win"].sel(condition=name).values == p
            free = np.where(here, _free(trials, name), -1)
            yield name, p, free[:, here.any(axis=(0, 2))]


def split_condition(condition: str) -> tuple[str, float, float]:
    """Manipulation (or other condition), dose (of others 0) and p of ``risky_win_blocked_x0.5 p=0.125`` and its like."""
    name, p = condition.rsplit(" p=", 1)
    dosed = _DOSED.fullmatch(name)
    return (dosed[1], float(dosed[2] or 1), float(p)) if dosed else (name, 0.0, float(p))


def group_doses(shifts: Mapping[str, Any]) -> Iterator[tuple[tuple[str, float], list[tuple[float, Any]]]]:
    """Manipulation and p, with its doses and what `shifts` has of them by condition, from the smallest dose on."""
    groups: dict[tuple[str, float], list[tuple[float, Any]]] = {}
    for condition, shift in shifts.items():
        manipulation, dose, p = split_condition(condition)
        groups.setdefault((manipulation, p), []).append((dose, shift))
    for group, doses in groups.items():
        yield group, sorted(doses, key=lambda each: each[0])


def _compute_by_group(free: NDArray) -> NDArray:
    """P(risky) of groups of sessions, (animal, group) from (animal, session, trial)."""
    groups = split_sessions(free.shape[1])
    return np.stack([compute_p_risky(free[:, own]) for own in groups], 1)


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


def _conditions(trials: xr.Dataset) -> list[str]:
    return [str(name) for name in trials["condition"].values]


def _probabilities(trials: xr.Dataset) -> list[float]:
    """Probabilities of a win that sessions with frozen weights had, largest first."""
    frozen = [name for name in _conditions(trials) if not name.startswith(PLASTIC)]
    return sorted(np.unique(trials["p_win"].sel(condition=frozen)).tolist(), reverse=True)


def _free(trials: xr.Dataset, condition: str) -> NDArray:
    return trials["free"].sel(condition=condition).values  # (animal, episode, trial)


def _label(condition: str, p: float) -> str:
    return f"{'control' if condition == CONTROL else condition} p={p:g}"
