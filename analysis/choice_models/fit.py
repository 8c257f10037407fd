"""Fit the models of choice by maximum likelihood, many agents at once.

Each agent is fitted on its own from several starting points; all fits run in parallel as arrays (`fisher_scoring`).

Reference: Schwarz 1978, doi 10.1214/aos/1176344136 (BIC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.choice_models.fisher_scoring import Likelihood, maximise
from pfc_da.analysis.choice_models.likelihood import Columns, Trials, arrange_trials, compute_likelihood
from pfc_da.analysis.choice_models.models import Model
from pfc_da.errors import InputError

N_STARTS = 4
BY_WINDOW = "learning_rate"  # has a value for each window; all other parameters are shared
AT_BOUND = 1e-4  # of the distance between the bounds


@dataclass(frozen=True, kw_only=True)
class ModelFit:
    """One model fitted to every agent by itself.

    Attributes
    ----------
    parameters : dict of str to array
        The free ones, (agent,); (agent, window) for the learning rate of a fit by window.
    at_bound : dict of str to bool array
        Where a parameter ended at one of its bounds, in the shape of `parameters`. Look here before averaging: an
        agent whose inverse temperature ended at 0 has no learning rate.
    log_likelihood : (agent,)
        In nats.
    n_parameters : int
        Free parameters of an agent, every window counted.
    n_trials : (agent,) int
        Choices predicted.
    """

    model: Model
    parameters: dict[str, NDArray]
    at_bound: dict[str, NDArray]
    log_likelihood: NDArray
    n_parameters: int
    n_trials: NDArray

    @property
    def bic(self) -> NDArray:
        """Bayesian information criterion (agent,): n_parameters log(n_trials) - 2 log_likelihood; low is good."""
        return self.n_parameters * np.log(self.n_trials) - 2 * self.log_likelihood


def fit_model(
    model: Model,
    choice: NDArray,
    reward: NDArray,
    *,
    window: ArrayLike | None = None,
    rng: np.random.Generator,
    n_starts: int = N_STARTS,
) -> ModelFit:
    """Fit a model to each agent's choices, all its sessions together; values start anew in each session.

    Parameters
    ----------
    model : Model
    choice : (agent, session, trial) int
        0 or 1; -1 where missing.
    reward : (agent, session, trial)
        In [0, 1]. Trials whose reward is NaN count as missing: not predicted, and nothing is learnt from them.
    window : (agent, session, trial) or broadcastable int, optional
        Labels 0..W-1 such as stable and volatile; each has a learning rate of its own, and all other parameters are
        shared. Values run on from one window into the next.
    rng : numpy.random.Generator
        Draws the starting points.
    n_starts : int
        Starting points of every agent, of which the best end is kept.

    Raises
    ------
    InputError
        If shapes do not fit, choices or rewards have other values, an agent has no choice in one of the windows, or
        there are windows and the learning rate of the model is not free.
    """
    trials = arrange_trials(model, choice, reward, window)
    columns = _lay_out(model, 1 if window is None else int(trials.window.max()) + 1)
    n_agents = trials.side.shape[1]
    agent = np.tile(np.arange(n_agents), n_starts)
    start = np.repeat(_draw_starts(model, columns, n_starts, rng), n_agents, axis=0)

    def restrict(problems: NDArray) -> Likelihood:
        chosen = trials.select(agent[problems])
        return lambda theta: compute_likelihood(model, columns, chosen, theta)

    theta, reached = maximise(restrict, start, *_bounds(model, columns))
    best = reached.reshape(n_starts, n_agents).argmax(axis=0) * n_agents + np.arange(n_agents)
    return _report(model, columns, window is not None, theta[best], reached[best], trials)


def spread_over_sessions(
    fit: ModelFit, choice: NDArray, reward: NDArray, *, window: ArrayLike | None = None
) -> dict[str, NDArray]:
    """Pseudovalues of every parameter for each session: their mean is the fit, their variance gives its standard error.

    From the fit theta one step of scoring on each session j, theta + J H^-1 score_j, with J sessions and the information H
    of all of them: the infinitesimal jackknife (Efron 1982, doi 10.1137/1.9781611970319). It needs a single evaluation of
    the likelihood.

    Parameters
    ----------
    fit : ModelFit
        Learning rates by window, if it has windows.
    choice, reward, window
        The data of the fit, as for `fit_model`.

    Returns
    -------
    dict of str to array
        (agent, session), or (agent, session, window); a parameter at a bound has a mean of its own.
    """
    trials = arrange_trials(fit.model, choice, reward, window)
    n_windows = 1 if window is None else int(trials.window.max()) + 1
    columns = _lay_out(fit.model, n_windows)
    n_agents, n_sessions = trials.side.shape[1:]
    theta = np.concatenate([fit.parameters[name].reshape(n_agents, -1) for name in columns], 1)
    _, score, information = compute_likelihood(
        fit.model, columns, trials.part_sessions(), np.repeat(theta, n_sessions, axis=0)
    )
    score = score.reshape(n_agents, n_sessions, -1)
    inverse = np.linalg.pinv(information.reshape(n_agents, n_sessions, *information.shape[1:]).sum(1))
    values = theta[:, None] + n_sessions * score @ inverse
    return {
        name: values[..., column] if fit.parameters[name].ndim > 1 else values[..., column.start]
        for name, column in columns.items()
    }


def _lay_out(model: Model, n_windows: int) -> dict[str, slice]:
    """Columns of every free parameter's values: a learning rate for each window, one of everything else."""
    names = [parameter.name for parameter in model.parameters]
    if n_windows > 1 and BY_WINDOW not in names:
        raise InputError(f"{model.name} has no free {BY_WINDOW} to fit by window; leave out window.")
    ends = np.cumsum([n_windows if name == BY_WINDOW else 1 for name in names])
    return {name: slice(*edges) for name, edges in zip(names, pairwise([0, *ends.tolist()]), strict=True)}


def _draw_starts(model: Model, columns: Columns, n_starts: int, rng: np.random.Generator) -> NDArray:
    """Starting points (start, free), from ranges three times as wide as the typical ones; the first is their middle.

    Every other one begins as the smaller model, without what can be idle: it is often the best there is, and the
    likelihood about it so narrow that other starting points miss it.
    """
    least, most = (
        _fill(columns, {each.name: each.typical[end] for each in model.parameters}) for end in (0, 1)
    )
    low, high = _bounds(model, columns)
    low, high = np.maximum(low, 2 * least - most), np.minimum(high, 2 * most - least)
    start = rng.uniform(low, high, (n_starts, len(low)))
    start[0] = (least + most) / 2
    for each in model.parameters:
        if each.idle is not None:
            start[1::2, columns[each.name]] = each.idle
    return start


def _bounds(model: Model, columns: Columns) -> tuple[NDArray, NDArray]:
    low = _fill(columns, {each.name: each.low for each in model.parameters})
    return low, _fill(columns, {each.name: each.high for each in model.parameters})


def _fill(columns: Columns, values: Mapping[str, float]) -> NDArray:
    """One number a parameter, over all its columns."""
    return np.concatenate(
        [np.full(columns[name].stop - columns[name].start, values[name]) for name in columns]
    )


def _report(
    model: Model,
    columns: Columns,
    has_windows: bool,
    theta: NDArray,
    reached: NDArray,
    trials: Trials,
) -> ModelFit:
    low, high = _bounds(model, columns)
    at_bound = np.minimum(theta - low, high - theta) <= AT_BOUND * (high - low)

    def by_name(values: NDArray) -> dict[str, NDArray]:
        split = {name: values[:, column] for name, column in columns.items()}
        return {
            name: part if has_windows and name == BY_WINDOW else part[:, 0] for name, part in split.items()
        }

    return ModelFit(
        model=model,
        parameters=by_name(theta),
        at_bound=by_name(at_bound),
        log_likelihood=reached,
        n_parameters=theta.shape[1],
        n_trials=trials.n_trials,
    )
