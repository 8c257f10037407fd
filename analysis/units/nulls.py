"""Null distributions for relations between activity and behaviour that both drift slowly.

Activity drifts, values change in blocks, and two slow series correlate by chance far more often than a
t-test allows: counted at the 5 % level, 57 to 66 % of the random walks of our test "code value". Shuffling
trials does not mend it, and turning the session round in a circle does so only in part (5 to 16 %, more in
short sessions). Two ways pair activity with the behaviour of another time instead (Harris 2020):

``session``  the behaviour of another session, trial by trial. Holds when sessions are draws of one task, and
             keeps whatever is locked to the trial's number in the session (same test: 5.4 %). Needs several
             sessions.
``shift``    the behaviour of the same session some trials earlier or later, activity held in the middle of
             the session. For a single session. Rests on behaviour or activity being stationary; 2 % for one
             regressor, 5.2 % (600 trials) and 6.5 % (300 trials) for value among four. Costs two fifths of
             the trials and gives no p-value below 1 / (a fifth of the trials + 1).

References
----------
Harris (2020) Nonsense correlations in neuroscience, bioRxiv, doi 10.1101/2020.11.29.402719.
Elber-Dorozko & Loewenstein (2018) eLife 7:e34248, doi 10.7554/eLife.34248.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy import stats

from pfc_da.errors import InputError

Null = Literal["session", "shift"]
MIN_SESSIONS = 8  # measured: the level holds from here on (tests/analysis/units/test_selectivity.py)
MIN_SHIFT = 19  # 1 / (19 + 1) is the first p-value at the 5 % level


def align(values: np.ndarray, null: Null) -> np.ndarray:
    """The part of the trials that stays in place while `draw_pairings` moves its partner.

    Parameters
    ----------
    values : (episode, trial, ...)
    null : {"session", "shift"}

    Returns
    -------
    (episode, trial, ...)
        All trials, or the middle three fifths.

    Raises
    ------
    InputError
        If there are too few sessions or trials.
    """
    reach = _reach(values, null)
    return values[:, reach : values.shape[1] - reach]


def draw_pairings(values: np.ndarray, null: Null, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Copies of a series that are paired wrongly with another one.

    Parameters
    ----------
    values : (episode, trial, ...)
    null : {"session", "shift"}
    n : int
        Draws of ``session``; ``shift`` gives every shift.
    rng : numpy.random.Generator
        Used by ``session``.

    Yields
    ------
    array of the shape of ``align(values, null)``

    Raises
    ------
    InputError
        If there are too few sessions or trials.
    """
    reach, n_trials = _reach(values, null), values.shape[1]
    if null == "session":
        yield from (values[rng.permutation(len(values))] for _ in range(n))
    else:
        shifts = (shift for shift in range(-reach, reach + 1) if shift)
        yield from (values[:, reach + shift : n_trials - reach + shift] for shift in shifts)


def compute_p(true: np.ndarray, drawn: np.ndarray, null: Null) -> np.ndarray:
    """Two-sided p-value of a t-value against its wrong pairings.

    Parameters
    ----------
    true : (...)
        t-values of the true pairing; mean 0 over wrong pairings if nothing but drift relates the two.
    drawn : (pairing, ...)
        t-values of the wrong pairings, NaN where one could not be had: it speaks against the true one.
    null : {"session", "shift"}
        ``session``: the t-value over its root mean square over pairings, taken as normal. Counting pairings
        instead would put a floor of 1 / (pairings + 1) under p, and a false-discovery control over many
        units would find nothing. ``shift``: the bound of the linear shift test, 1 + the shifts of both sides
        with at least the true value, over 1 + the shifts of one side.
    """
    if null == "session":
        spread = np.sqrt(np.nanmean(drawn**2, axis=0))
        return 2 * stats.norm.sf(np.abs(true) / np.where(spread > 0, spread, 1.0))
    n_as_large = (~(np.abs(drawn) < np.abs(true))).sum(axis=0)
    return np.minimum((1 + n_as_large) / (1 + len(drawn) // 2), 1.0)


def _reach(values: np.ndarray, null: Null) -> int:
    n_sessions, n_trials = values.shape[:2]
    if null == "session":
        if n_sessions < MIN_SESSIONS:
            raise InputError(
                f"null 'session' needs at least {MIN_SESSIONS} sessions, got {n_sessions}. Use null 'shift'."
            )
        return 0
    if null != "shift":
        raise InputError(f"null must be 'session' or 'shift', got {null!r}.")
    if n_trials // 5 < MIN_SHIFT:
        raise InputError(f"null 'shift' needs sessions of at least {5 * MIN_SHIFT} trials, got {n_trials}.")
    return n_trials // 5
