"""Maximise many small likelihoods at once, between bounds.

Fisher scoring damped as by Levenberg and Marquardt: with score g and expected information F the next step is

    (F + damping diag F)^-1 g,

taken if the likelihood rises by it; the damping follows how much of the gain promised by the quadratic came true. A
parameter at a bound that its score points out of stays there.

References: Osborne 1992, Int Stat Rev 60:99 (Fisher scoring). Marquardt 1963, doi 10.1137/0111030.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

MAX_ITERATIONS = 200
TOLERANCE = 1e-5  # nats that an undamped step promises
DAMPING, MIN_DAMPING, MAX_DAMPING = 1e-1, 1e-6, 1e8
REACH, NEAR = 0.8, 0.005  # of the distance to a bound, and of that between the bounds

Evaluation = tuple[NDArray, NDArray, NDArray]  # log-likelihood, score, expected information of every problem
Likelihood = Callable[[NDArray], Evaluation]


def maximise(
    restrict: Callable[[NDArray], Likelihood], start: NDArray, low: NDArray, high: NDArray
) -> tuple[NDArray, NDArray]:
    """Climb from every row of `start` to a maximum between the bounds.

    Parameters
    ----------
    restrict : callable
        From indices of problems to their likelihood, a function of their parameters (problem, free). Problems that
        have converged are left out as soon as they are a quarter.
    start : (problem, free)
        Inside the bounds.
    low, high : (free,)

    Returns
    -------
    end : (problem, free)
    reached : (problem,)
        Log-likelihood there. A problem that has not converged after `MAX_ITERATIONS` is returned where it is.
    """
    end, reached = start.copy(), np.full(len(start), -np.inf)
    rows, at, damping = np.arange(len(start)), start, np.full(len(start), DAMPING)
    arrived = np.zeros(len(start), dtype=bool)
    likelihood = restrict(rows)
    here = likelihood(at)
    for _ in range(MAX_ITERATIONS):
        step, promise = _propose(at, here, damping, low, high)
        new = ((promise < TOLERANCE) | (damping > MAX_DAMPING)) & ~arrived
        end[rows[new]], reached[rows[new]] = at[new], here[0][new]
        arrived |= new
        if arrived.mean() > 0.25 or arrived.all():
            left = ~arrived
            rows, at, damping, step, arrived = (each[left] for each in (rows, at, damping, step, arrived))
            here = here[0][left], here[1][left], here[2][left]
            if not len(rows):
                break
            likelihood = restrict(rows)
        there = likelihood(at + step)
        damping = _adapt(damping, step, here, there)
        at, here = _keep_better(at, here, at + step, there)
    end[rows[~arrived]], reached[rows[~arrived]] = at[~arrived], here[0][~arrived]
    return end, reached


def _propose(
    at: NDArray, here: Evaluation, damping: NDArray, low: NDArray, high: NDArray
) -> tuple[NDArray, NDArray]:
    """The next step, cut at the bounds, and the gain in log-likelihood that an undamped one promises."""
    _, score, information = here
    stuck = ((at <= low) & (score <= 0)) | ((at >= high) & (score >= 0))
    scale = np.sqrt(np.einsum("pii->pi", information))
    scale = np.where(stuck | (scale < 1e-9), np.inf, scale)  # no step where there is no information
    correlation = information / (scale[:, :, None] * scale[:, None, :])
    direction = score / scale
    step = _solve(correlation, direction, damping) / scale
    promise = (direction * _solve(correlation, direction, np.full(len(at), MIN_DAMPING))).sum(axis=1) / 2
    return np.clip(at + step, *_reach(at, low, high)) - at, promise


def _solve(matrix: NDArray, right: NDArray, damping: NDArray) -> NDArray:
    damped = matrix + damping[:, None, None] * np.eye(right.shape[1])
    return np.linalg.solve(damped, right[..., None])[..., 0]


def _reach(at: NDArray, low: NDArray, high: NDArray) -> tuple[NDArray, NDArray]:
    """Largest next step: most of the way to a bound, and onto it from nearby.

    A bold step could end where two parameters at their bounds leave each other without a score, for good.
    """
    near = NEAR * (high - low)
    down = np.where(at - low < near, low, at - REACH * (at - low))
    return down, np.where(high - at < near, high, at + REACH * (high - at))


def _adapt(damping: NDArray, step: NDArray, here: Evaluation, there: Evaluation) -> NDArray:
    """Less damping where the step brought what the quadratic promised, more where it brought little of it."""
    promised = np.einsum("pi,pi->p", here[1], step) - np.einsum("pi,pij,pj->p", step, here[2], step) / 2
    share = (there[0] - here[0]) / np.maximum(promised, 1e-12)
    factor = np.where(share > 0.75, 0.1, np.where(share > 0.25, 1.0, 5.0))
    return np.maximum(damping * factor, MIN_DAMPING)


def _keep_better(
    at: NDArray, here: Evaluation, next_at: NDArray, there: Evaluation
) -> tuple[NDArray, Evaluation]:
    better = there[0] > here[0]
    kept = (
        np.where(better, there[0], here[0]),
        np.where(better[:, None], there[1], here[1]),
        np.where(better[:, None, None], there[2], here[2]),
    )
    return np.where(better[:, None], next_at, at), kept
