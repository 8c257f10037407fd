"""Compute the likelihood of choices under a model, with score and expected information, for many agents at once.

Values start anew in every session. With x the state of an option and theta the parameters, derivatives are carried forward
with the learner,

    dx'/dtheta = (dx'/dx) dx/dtheta + (dx'/dtheta at fixed x),

and the expected information of a trial is (dp/dtheta)(dp/dtheta)^T / (p (1 - p)). The only loop is over trials.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.choice_models.learners import Partials, State, Value
from pfc_da.analysis.choice_models.models import Model, pick_window
from pfc_da.errors import InputError

Columns = Mapping[str, slice]  # where the values of a parameter, one a window, stand in theta


@dataclass(frozen=True)
class Trials:
    """Choices ready for the recursion, the missing ones moved behind the end of each session.

    Attributes
    ----------
    target, chosen : (trial, option, agent, session)
        What the tracked options learn from, see `Model.encode`.
    side : (trial, agent, session)
        1 or -1 for option 1 or 0.
    last : (trial, agent, session)
        `side` of the choice before, 0 at the first.
    used : (trial, agent, session)
        0 behind the end of a session, else 1.
    window : (trial, agent, session) int
    """

    target: NDArray
    chosen: NDArray
    side: NDArray
    last: NDArray
    used: NDArray
    window: NDArray

    @property
    def n_trials(self) -> NDArray:
        """Choices of every agent, (agent,)."""
        return self.used.sum(axis=(0, 2)).astype(int)

    def select(self, agents: NDArray) -> "Trials":
        """The trials of some agents, in their order, an agent as often as it is named."""
        return Trials(*(getattr(self, each.name)[..., agents, :] for each in fields(self)))

    def part_sessions(self) -> "Trials":
        """Every session as an agent of its own, agent after agent."""
        values = (getattr(self, each.name) for each in fields(self))
        return Trials(*(each.reshape(*each.shape[:-2], -1, 1) for each in values))


def arrange_trials(model: Model, choice: NDArray, reward: NDArray, window: ArrayLike | None) -> Trials:
    """Check choices and rewards, and lay them out for the recursion.

    Parameters
    ----------
    model : Model
    choice : (agent, session, trial) int
        0 or 1; -1 where missing.
    reward : (agent, session, trial)
        In [0, 1]; NaN where missing.
    window : (agent, session, trial) or broadcastable int, optional
        Labels 0..W-1.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        If shapes do not fit, values are others, or an agent has no choice, or none in one of the windows.
    """
    choice, reward = np.asarray(choice), np.asarray(reward, dtype=float)
    used = _find_used(choice, reward)
    labels = _broadcast_window(window, choice.shape, used)
    order = np.argsort(~used, axis=-1, kind="stable")[..., : used.sum(axis=-1).max()]
    choice, reward, used, labels = (
        np.ascontiguousarray(np.moveaxis(np.take_along_axis(each, order, axis=-1), -1, 0))
        for each in (choice, reward, used, labels)
    )  # (trial, agent, session)
    side = np.where(used, 2.0 * choice - 1, 0)
    target, chosen = model.encode(np.where(used, choice, 0), np.where(used, reward, 0))
    return Trials(
        target=np.ascontiguousarray(np.moveaxis(target, 0, 1)),
        chosen=np.ascontiguousarray(np.moveaxis(chosen, 0, 1)),
        side=side,
        last=np.concatenate([np.zeros_like(side[:1]), side[:-1]]),
        used=used.astype(float),
        window=labels,
    )


def _find_used(choice: NDArray, reward: NDArray) -> NDArray:
    if choice.ndim != 3 or choice.shape != reward.shape:
        raise InputError(
            f"choice and reward must both be (agent, session, trial), got {choice.shape}, {reward.shape}."
        )
    if choice.dtype.kind not in "iu" or not np.isin(choice, (-1, 0, 1)).all():
        raise InputError(f"models of choice take integers 0, 1 or -1, got {np.unique(choice)[:5]}.")
    used = (choice >= 0) & np.isfinite(reward)
    if not used.any(axis=(1, 2)).all():
        raise InputError(
            f"agent {np.argmin(used.any(axis=(1, 2)))} has no choice with a reward; leave it out."
        )
    if reward[used].min() < 0 or reward[used].max() > 1:
        ends = f"{reward[used].min():g} to {reward[used].max():g}"
        raise InputError(f"rewards must lie in [0, 1], got {ends}; divide them by the largest possible one.")
    return used


def _broadcast_window(window: ArrayLike | None, shape: tuple[int, ...], used: NDArray) -> NDArray:
    """Labels (agent, session, trial), each of 0..W-1 met by every agent."""
    labels = np.zeros((), dtype=int) if window is None else np.asarray(window)
    try:
        labels = np.broadcast_to(labels, shape)
    except ValueError:
        raise InputError(f"window {labels.shape} does not broadcast to choice {shape}.") from None
    if labels.dtype.kind not in "iu" or labels[used].min() < 0:
        raise InputError("window must hold integers from 0 wherever a choice was made.")
    for label in range(labels[used].max() + 1):
        met = (used & (labels == label)).any(axis=(1, 2))
        if not met.all():
            raise InputError(f"agent {np.argmin(met)} has no trial in window {label}; leave one of them out.")
    return np.where(used, labels, 0)


def compute_likelihood(
    model: Model, columns: Columns, trials: Trials, theta: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Log-likelihood of every agent at its own parameters, with its score and expected information.

    Parameters
    ----------
    model : Model
    columns : mapping of str to slice
        Columns of `theta` with the free parameters' values, one or one a window.
    trials : Trials
    theta : (agent, free)

    Returns
    -------
    log_likelihood : (agent,)
    score : (agent, free)
    information : (agent, free, free)
    """
    tables = {name: theta[:, column] for name, column in columns.items()}
    shape = trials.side.shape[1:]  # (agent, session)
    state: State = tuple(np.full((model.n_tracked, *shape), start) for start in model.learner.start)
    widths = [_width(columns, name) for name in model.learner.parameters]
    tangent = [np.zeros((sum(widths), *values.shape)) for values in state]  # (rate, option, agent, session)
    log_likelihood, partial = np.zeros(shape), np.zeros((theta.shape[1], *shape))
    score, information = np.zeros_like(partial), np.zeros((theta.shape[1], *partial.shape))
    for t in range(len(trials.side)):
        window, side, last = trials.window[t], trials.side[t], trials.last[t]
        now: dict[str, Value] = {
            **model.fixed,
            **{name: pick_window(table, window) for name, table in tables.items()},
        }
        difference = model.read_out(state[0])
        p, q, by_logit, by_lapse = _predict(now, difference, last, side)
        by_logit *= side
        partial[: sum(widths)] = (by_logit * now["inverse_temperature"]) * model.read_out(tangent[0])
        by_name = {
            "inverse_temperature": by_logit * difference,
            "perseveration": by_logit * last,
            "lapse": by_lapse * trials.used[t],
        }
        for name, by in by_name.items():
            if name in columns:
                partial[columns[name]] = _spread(by, _width(columns, name), window)
        relative = partial / p
        score += relative
        information += relative[:, None] * (partial / q)
        log_likelihood += np.log(p) * trials.used[t]
        values = [now[name] for name in model.learner.parameters]
        state, by_state, by_rate = model.learner.update(state, trials.target[t], trials.chosen[t], *values)
        tangent = _push(tangent, by_state, by_rate, widths, window)
    return (
        log_likelihood.sum(axis=-1),
        np.moveaxis(score.sum(axis=-1), 0, -1),
        np.moveaxis(information.sum(axis=-1), -1, 0),
    )


def _predict(
    now: Mapping[str, Value], difference: NDArray, last: NDArray, side: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Chance of the choice made, of the other, and derivatives of the first by its log odds and by the lapse."""
    odds_against = np.exp(-side * (now["inverse_temperature"] * difference + now["perseveration"] * last))
    right = 1 / (1 + odds_against)
    wrong = right * odds_against  # exact where 1 - right is not
    kept, half = 1 - now["lapse"], now["lapse"] / 2
    return kept * right + half, kept * wrong + half, kept * right * wrong, 0.5 - right


def _push(
    tangent: list[NDArray], by_state: Partials, by_rate: Partials, widths: list[int], window: NDArray
) -> list[NDArray]:
    """Derivatives of the next state by the rates, from those of the state and of the update."""
    pushed = []
    for by_old, by_own in zip(by_state, by_rate, strict=True):
        total = np.zeros_like(tangent[0])
        for by, old in zip(by_old, tangent, strict=True):
            if by is not None:
                total += by * old
        column = 0
        for by, width in zip(by_own, widths, strict=True):
            if width and by is not None:
                total[column : column + width] += _spread(by, width, window)
            column += width
        pushed.append(total)
    return pushed


def _width(columns: Columns, name: str) -> int:
    return columns[name].stop - columns[name].start if name in columns else 0


def _spread(by: NDArray, width: int, window: NDArray) -> NDArray:
    """Derivative by a parameter (..., agent, session) as that by its value in each window, (window, ...)."""
    if width == 1:
        return by[None]
    here = np.arange(width)[:, None, None] == window  # (window, agent, session)
    return np.expand_dims(here, tuple(range(1, by.ndim - 1))) * by
