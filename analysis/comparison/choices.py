"""Compare choices of simulated and recorded animals: the same functions, on equally many trials.

Rewards of both are scaled (`reward_units`). Some numbers are shown with the reason why they are not judged: those of too
few trials (`counts`), and those that depend on the number of options or on amounts of reward where these differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pfc_da.analysis.behaviour.counts import NEEDS, Count, count_used, describe_too_few, select_sessions
from pfc_da.analysis.behaviour.history import LAGS
from pfc_da.analysis.behaviour.reward_units import compare_units, describe_scaling, find_values, scale_rewards
from pfc_da.analysis.behaviour.sessions import compute_choice_numbers, cut_sessions
from pfc_da.analysis.choice_models.learning_rate import compute_fitted_rate
from pfc_da.analysis.comparison.difference import Difference, pair_up
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.analysis.statistic import Statistic
from pfc_da.errors import InputError

MIN_TRIALS = LAGS + 1  # of a session
OF_SCHEDULE = ("reward_per_trial", "fraction_better")
OF_AMOUNTS = ("reward_per_trial", "history_choice", "history_reward", "matching_slope")
_NO_MAXIMUM = "choices follow from the history without exception, or choices or rewards never vary"
WHY_NONE = {
    "history_choice": _NO_MAXIMUM,
    "history_reward": _NO_MAXIMUM,
    "learning_rate": "no animal's choices are predicted better than by a coin, by a rate within its bounds",
    "matching_slope": "the ratio of incomes never varies",
}
"""Why there is no number although trials are enough."""


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
    """Compare choices of simulated and recorded animals, both cut to equally many trials.

    Parameters
    ----------
    simulated, recorded : ChoiceSessions
    baited : bool
        Whether reward waits until it is taken in both, so that matching is meaningful.
    same_schedule : bool
        Whether both had the same schedule of reward, so that reward and better choices may be compared.
    source : str
        Where the recorded ones come from.
    known : sequence of Statistic
        Recorded statistics of an earlier comparison with as many trials and sessions; not computed again.
    rng : numpy.random.Generator
        Draws the resamples.
    """
    n_trials, n_sessions = (min(pair) for pair in zip(count(simulated), count(recorded), strict=True))
    if n_trials < MIN_TRIALS:
        raise InputError(
            f"{source}: {_plural(n_trials, 'trial')} a session; a comparison needs at least {MIN_TRIALS}, and "
            f"simulated sessions have {count(simulated)[0]}."
        )
    whole = {"simulated": scale_rewards(simulated), "recorded": scale_rewards(recorded)}
    cut = {which: cut_sessions(sessions, n_trials, n_sessions) for which, sessions in whole.items()}
    counts = {which: count_used(sessions) for which, sessions in cut.items()}
    ours = _compute(cut["simulated"], baited, rng)
    theirs = known or _compute(cut["recorded"], baited, rng)
    against = {key: "" if same_schedule else "rewards may have come in another way" for key in OF_SCHEDULE}
    for which, statistics in (("simulated", ours), ("recorded", theirs)):
        against = _explain_absent(statistics, which) | against
        against |= _explain_few(cut[which], counts[which], which)
    against |= _explain_unlike(whole["simulated"], whole["recorded"])
    matched = f"first {_plural(n_trials, 'trial')} of {_plural(n_sessions, 'session')} an animal"
    scaled = describe_scaling(recorded, "recorded"), describe_scaling(simulated, "simulated")
    return [
        replace(row, matched="; ".join(filter(None, (matched, _describe_used(row, cut, counts), *scaled))))
        for row in pair_up(ours, theirs, against=against, matched=matched, source=source)
    ]


def count(sessions: ChoiceSessions) -> tuple[int, int]:
    """Trials of the median session and sessions of the median animal."""
    seen = np.isfinite(sessions.reward) | (sessions.choice >= 0)
    lengths = np.where(seen.any(1), seen.shape[1] - seen[:, ::-1].argmax(1), 0)
    per_animal = np.unique(sessions.animal, return_counts=True)[1]
    return int(np.median(lengths)), int(np.median(per_animal))


def _compute(sessions: ChoiceSessions, baited: bool, rng: np.random.Generator) -> list[Statistic]:
    found = compute_choice_numbers(sessions, baited=baited, rng=rng)
    return [*found, compute_fitted_rate(sessions, rng=rng)] if sessions.n_options == 2 else found


def _explain_absent(statistics: Sequence[Statistic], which: str) -> dict[str, str]:
    """By key, why there is no number although trials are enough."""
    absent = {one.key for one in statistics if not np.isfinite(one.estimate)}
    return {key: f"no {which} number: {WHY_NONE[key]}" for key in absent & WHY_NONE.keys()}


def _explain_few(sessions: ChoiceSessions, counts: Mapping[str, Count], which: str) -> dict[str, str]:
    """By key, that too few trials carry the number."""
    reasons = {key: describe_too_few(sessions, key, own, which) for key, own in counts.items()}
    return {key: why for key, why in reasons.items() if why}


def _explain_unlike(simulated: ChoiceSessions, recorded: ChoiceSessions) -> dict[str, str]:
    """By key, that rewards or options are unlike; rewards are scaled."""
    found: dict[str, str] = {}
    if unlike := compare_units(simulated, recorded):
        found |= dict.fromkeys(OF_AMOUNTS, unlike)
    for which, sessions in (("simulated", simulated), ("recorded", recorded)):
        if len(values := find_values(sessions)) > 1 and values.min() > 0:
            reason = f"every {which} reward is above 0, so that no choice is known to have won nothing"
            found |= dict.fromkeys(("win_stay", "lose_shift"), reason)
    if simulated.n_options != recorded.n_options:
        found |= dict.fromkeys(
            NEEDS, f"{recorded.n_options} options recorded, {simulated.n_options} simulated"
        )
    return found


def _describe_used(
    row: Difference, cut: Mapping[str, ChoiceSessions], counts: Mapping[str, Mapping[str, Count]]
) -> str:
    """How many trials of both sides carry a number, and whose do not enter it."""
    need, shares, left_out = NEEDS[row.key], [], []
    for which, n, n_of in (
        ("recorded", row.rec_n, row.rec_n_of),
        ("simulated", row.sim_n, row.sim_n_of),
    ):
        if row.key not in counts[which]:
            continue
        own = counts[which][row.key]
        selected = select_sessions(cut[which], row.key, own)
        shares.append(f"{sum(own.used[mask].sum() for mask in selected)} of {own.total} {which}")
        few = sum(not mask.any() for mask in selected)
        without = len(selected) - few - n if n_of == "animals" else 0
        for number, why in ((few, f"left out, with fewer than {need.least}"), (without, "without a number")):
            if number > 0:
                left_out.append(f"{number} of {len(selected)} {which} animals {why}")
    return "; ".join([f"{need.counted}: {', '.join(shares)}", *left_out])


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
