"""History effects on choice: lagged logistic regression, win-stay and lose-shift.

With c = 1 for option 1, -1 for option 0 and 0 for a trial without a choice, and r the reward,

    logit P(choice_t = 1) = bias + sum_k  reward_k r_{t-k} c_{t-k} + choice_k c_{t-k},    k = 1..lags,

so reward_k is what a unit of reward k trials ago adds to the pull of the option it came from, and choice_k
what having chosen it adds, rewarded or not (positive: stay, negative: alternate), both in log odds. The
rewards of both options share one kernel, as in Lau & Glimcher 2005 (doi 10.1901/jeab.2005.110-04), whose
regressors are differences (R_1 - R_0 and C_1 - C_0) just like these.

Trials of a session depend on one another beyond these lags, so the covariance is clustered by session: the
score of a whole session is one observation (sandwich estimator, Liang & Zeger 1986, doi
10.1093/biomet/73.1.13), with Student's t on sessions - 1 degrees of freedom. On planted kernels the intervals
cover 94 to 96 % with 4 to 25 sessions of 120 trials; sessions that differ among themselves need more. One
session has no clusters: its intervals are those of the model itself, and `interval` says so. Weights and intervals are
NaN if trials are no more than weights, if the regressors predict choices without exception, or if a regressor never
varies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri, stdtrit

from pfc_da.analysis.interval import LEVEL, mean_or_nan
from pfc_da.errors import InputError
from pfc_da.trials import lag_trials

LAGS = 5  # trials that choices are regressed on
MAX_ITERATIONS = 30  # Newton needs about 6; weights without a finite maximum grow for ever


@dataclass(frozen=True, kw_only=True)
class LogisticFit:
    """Maximum-likelihood weights (weight,), covariance and intervals; NaN where no finite maximum exists."""

    weights: NDArray
    covariance: NDArray
    low: NDArray
    high: NDArray
    interval: str


@dataclass(frozen=True, kw_only=True)
class HistoryKernels:
    """Kernels in log odds with 95 % intervals, index 0 for the trial before.

    Attributes
    ----------
    choice, choice_low, choice_high, reward, reward_low, reward_high : (lag,)
        NaN where choices follow from the regressors without exception, or a regressor never varies.
    bias : float
        Log odds of option 1 without any history.
    interval : str
    n_trials, n_sessions : int
        What the fit used.
    """

    choice: NDArray
    choice_low: NDArray
    choice_high: NDArray
    reward: NDArray
    reward_low: NDArray
    reward_high: NDArray
    bias: float
    interval: str
    n_trials: int
    n_sessions: int


def fit_history(choice: NDArray, reward: NDArray, lags: int = LAGS) -> HistoryKernels:
    """Choice and reward history kernels of one animal.

    Parameters
    ----------
    choice : (session, trial) int
        0 or 1; -1 where no choice was made: not predicted, and no pull on later choices.
    reward : (session, trial)
        NaN (a reward that is not known) takes out the trials that would look back on it.
    lags : int
        How many trials back; the first `lags` trials of a session are not predicted.

    Returns
    -------
    HistoryKernels

    Raises
    ------
    InputError
        If shapes do not fit, choices are others, or there are too few trials for the lags.

    Notes
    -----
    Effects of trials before the last `lags` are absorbed by the last lags: the end of a kernel is not the end of memory.
    """
    used = find_predicted(choice, reward, lags)
    if choice.max(initial=0) > 1:
        raise InputError(f"history kernels take choices 0, 1 or -1, got choices up to {choice.max()}.")
    signed = np.where(choice < 0, 0, 2 * choice - 1).astype(float)
    income = np.where(choice < 0, 0, signed * reward)
    past = [lag_trials(values, k) for values in (income, signed) for k in range(1, lags + 1)]
    design = np.stack([np.ones_like(signed), *past], axis=-1)  # (session, trial, 1 + 2 lags)
    session = np.nonzero(used)[0]
    fit = fit_logistic(design[used], choice[used] == 1, session)
    kernels = {
        name + end: values[1 + i * lags : 1 + (i + 1) * lags]
        for i, name in enumerate(("reward", "choice"))
        for end, values in (("", fit.weights), ("_low", fit.low), ("_high", fit.high))
    }
    return HistoryKernels(
        **kernels,
        bias=float(fit.weights[0]),
        interval=fit.interval,
        n_trials=int(used.sum()),
        n_sessions=len(np.unique(session)),
    )


def find_predicted(choice: NDArray, reward: NDArray, lags: int = LAGS) -> NDArray:
    """Trials that `fit_history` predicts: those with a choice, and no unknown reward within the last `lags` trials.

    Parameters
    ----------
    choice : (session, trial) int
        Any number of options from 0; -1 where missing.
    reward : (session, trial)
        NaN where not known.
    lags : int
        In trials.

    Returns
    -------
    (session, trial) bool
    """
    _check(choice, reward, lags)
    known = (choice < 0) | np.isfinite(reward)
    predicted = choice >= 0
    predicted[:, :lags] = False
    for lag in range(1, lags + 1):
        predicted[:, lag:] &= known[:, :-lag]
    return predicted


def fit_logistic(design: NDArray, outcome: NDArray, cluster: NDArray) -> LogisticFit:
    """Logistic regression by Newton's method with covariance clustered by session.

    Parameters
    ----------
    design : (trial, weight)
        Regressors, the constant among them.
    outcome : (trial,) bool
    cluster : (trial,) int
        Session of each trial. With one session the covariance is the inverse of the observed information.

    Returns
    -------
    LogisticFit
        All NaN if trials are no more than weights, or if regressors are collinear or separate the outcomes, so that
        the likelihood has no maximum.
    """
    n, k = design.shape
    if n <= k:
        nothing = np.full(k, np.nan)
        return LogisticFit(
            weights=nothing,
            covariance=np.full((k, k), np.nan),
            low=nothing,
            high=nothing,
            interval=f"none: {n} trials for {k} weights",
        )
    weights = _maximise_likelihood(design, outcome)
    p = expit(design @ weights)
    bread = _inverse(design.T @ (design * (p * (1 - p))[:, None]))
    clusters, index = np.unique(cluster, return_inverse=True)
    if len(clusters) > 1:
        score = np.zeros((len(clusters), len(weights)))
        np.add.at(score, index, design * (outcome - p)[:, None])
        g = len(clusters)
        covariance = bread @ (score.T @ score) @ bread * (g / (g - 1)) * ((n - 1) / (n - k))
        reach, interval = stdtrit(g - 1, (1 + LEVEL) / 2), "95 % clustered by session"
    else:
        covariance, reach, interval = bread, ndtri((1 + LEVEL) / 2), "95 % of the model, one session"
    error = reach * np.sqrt(np.maximum(np.diag(covariance), 0))  # exactly 0 may come out below it by rounding
    return LogisticFit(
        weights=weights, covariance=covariance, low=weights - error, high=weights + error, interval=interval
    )


def _maximise_likelihood(design: NDArray, outcome: NDArray) -> NDArray:
    weights = np.zeros(design.shape[1])
    for _ in range(MAX_ITERATIONS):
        p = expit(design @ weights)
        step = _inverse(design.T @ (design * (p * (1 - p))[:, None])) @ (design.T @ (outcome - p))
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            return weights
    return np.full_like(weights, np.nan)


def _inverse(information: NDArray) -> NDArray:
    """Inverse of the information; NaN where it is not finite or singular to rounding."""
    if not np.isfinite(information).all() or np.linalg.cond(information) > 1e12:
        return np.full_like(information, np.nan)
    return np.linalg.inv(information)


def compute_win_stay(choice: NDArray, reward: NDArray) -> float:
    """Chance of repeating the last choice after it was rewarded, over all pairs of neighbouring trials.

    Parameters
    ----------
    choice : (session, trial) int
        Any number of options from 0; -1 where missing. A pair with a missing half does not count.
    reward : (session, trial)
        Any amount above 0 is a win.

    Notes
    -----
    An interval over the sessions of one animal comes from `summarise_sessions`, with this function as its
    `compute`; one over animals from `summarise`.
    """
    pair, won = find_pairs(choice, reward)
    return mean_or_nan((choice[:, 1:] == choice[:, :-1])[pair & won])


def compute_lose_shift(choice: NDArray, reward: NDArray) -> float:
    """Probability of changing the choice after it was not rewarded.

    Parameters
    ----------
    choice : (session, trial) int
        Any number of options from 0; -1 where missing.
    reward : (session, trial)
        NaN where not known.

    Returns
    -------
    float
        NaN without such a pair of trials; as for `compute_win_stay`.

    Examples
    --------
    >>> compute_lose_shift(np.array([[0, 1, 1, 1]]), np.array([[0, 0, 0, 1]]))
    0.3333333333333333
    """
    pair, won = find_pairs(choice, reward)
    return mean_or_nan((choice[:, 1:] != choice[:, :-1])[pair & ~won])


def find_pairs(choice: NDArray, reward: NDArray) -> tuple[NDArray, NDArray]:
    """Pairs of neighbouring trials.

    Parameters
    ----------
    choice : (session, trial) int
        Any number of options from 0; -1 where missing.
    reward : (session, trial)
        NaN where not known.

    Returns
    -------
    pair, won : (session, trial - 1) bool
        Both choices are known; the first was rewarded.
    """
    _check(choice, reward, 1)
    pair = (choice[:, :-1] >= 0) & (choice[:, 1:] >= 0) & np.isfinite(reward[:, :-1])
    return pair, reward[:, :-1] > 0


def _check(choice: NDArray, reward: NDArray, lags: int) -> None:
    if choice.ndim != 2 or choice.shape != reward.shape:
        raise InputError(
            f"choice and reward must both be (session, trial), got {choice.shape}, {reward.shape}."
        )
    if not 1 <= lags < choice.shape[1]:
        raise InputError(f"lags must lie in 1..{choice.shape[1] - 1} for this many trials, got {lags}.")
