"""Choices of simulated animals beside recorded ones: both cut to equally many trials, the same functions.

What n does not allow is said and not judged: fractions of fewer than 20 trials an animal, kernels with fewer than ten
trials a weight (Peduzzi et al. 1996, J Clin Epidemiol 49:1373, doi 10.1016/S0895-4356(96)00236-3).
"""

from collections.abc import Sequence

import numpy as np

from pfc_da.analysis.choice_statistics import LAGS, compute_choice_numbers, cut_sessions
from pfc_da.analysis.choice_table import ChoiceSessions
from pfc_da.analysis.difference import Difference, pair_up
from pfc_da.analysis.fitted_rate import MIN_TRIALS as MIN_FOR_RATE
from pfc_da.analysis.fitted_rate import compute_fitted_rate
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError

MIN_TRIALS = LAGS + 1  # of a session
MIN_PER_ANIMAL = 20  # trials of an animal for a fraction of them
PER_WEIGHT = 10  # trials for each weight of a regression
OF_SCHEDULE = ("reward_per_trial", "fraction_better")


def compare_choices(
    simulated: ChoiceSessions,
    recorded: ChoiceSessions,
    *,
    baited: bool = False,
    same_schedule: bool = False,
    source: str = "",
    known: Sequence[Statistic] = (),
    rng: np.random.Generator,
) -> list[Difference]:
    """Hold the choices of simulated animals against recorded ones, both cut to equally many trials.

    Parameters
    ----------
    simulated, recorded : ChoiceSessions
    baited : bool
        Whether reward waits until it is taken in both, so that matching says something.
    same_schedule : bool
        Whether rewards came alike, so that reward and better choices may be held against each other.
    source : str
        Where the recorded ones come from.
    known : sequence of Statistic
        What an earlier comparison with as many trials and sessions found of the recorded ones; not computed again.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    n_trials, n_sessions = (min(pair) for pair in zip(count(simulated), count(recorded), strict=True))
    if n_trials < MIN_TRIALS:
        raise InputError(
            f"{source}: {_plural(n_trials, 'trial')} a session; a comparison needs at least {MIN_TRIALS}, and "
            f"simulated sessions have {count(simulated)[0]}."
        )
    new = (simulated,) if known else (simulated, recorded)
    pair = [cut_sessions(sessions, n_trials, n_sessions) for sessions in new]
    found = [compute_choice_numbers(sessions, baited=baited, rng=rng) for sessions in pair]
    if simulated.n_options == recorded.n_options == 2:
        for numbers, sessions in zip(found, pair, strict=True):
            numbers.append(compute_fitted_rate(sessions, rng=rng))
    against = {key: "" if same_schedule else "rewards may have come in another way" for key in OF_SCHEDULE}
    against |= _too_few(n_trials, n_sessions)
    matched = f"first {_plural(n_trials, 'trial')} of {_plural(n_sessions, 'session')} an animal"
    ours, theirs = (*found, known)[:2]
    return pair_up(ours, theirs, against=against, matched=matched, source=source)


def count(sessions: ChoiceSessions) -> tuple[int, int]:
    """Trials of the median session and sessions of the median animal."""
    seen = np.isfinite(sessions.reward) | (sessions.choice >= 0)
    lengths = np.where(seen.any(1), seen.shape[1] - seen[:, ::-1].argmax(1), 0)
    per_animal = np.unique(sessions.animal, return_counts=True)[1]
    return int(np.median(lengths)), int(np.median(per_animal))


def _too_few(n_trials: int, n_sessions: int) -> dict[str, str]:
    """By key, what the number of trials does not allow."""
    found: dict[str, str] = {}
    n = n_trials * n_sessions
    if n < MIN_PER_ANIMAL:
        keys = (*OF_SCHEDULE, "win_stay", "lose_shift")
        found |= dict.fromkeys(keys, f"{n} trials an animal; a fraction needs {MIN_PER_ANIMAL}")
    if n < MIN_FOR_RATE:
        found["learning_rate"] = f"{n} trials an animal; a learning rate needs {MIN_FOR_RATE}"
    n_predicted, needed = (n_trials - LAGS) * n_sessions, PER_WEIGHT * (2 * LAGS + 1)
    if n_predicted < needed:
        told = f"{n_predicted} trials an animal for {2 * LAGS + 1} weights; needs {needed}"
        found |= dict.fromkeys(("history_choice", "history_reward"), told)
    return found


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
