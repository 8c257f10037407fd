"""A number with its interval, over animals, over animals and their shared sessions, or over sessions of one animal.

The unit of replication is the animal. Sessions of one animal share its weights (or its brain), so an interval over sessions
says how well *this* animal was measured and nothing about the next animal. Simulated animals mostly had the same sessions:
the interval is then over both, and covers another draw of animals and of problems. `Statistic.interval`
says which it is; `interval` has the formulas and how often they cover the truth.

Where all animals have one value the interval has no width. That is no certainty, and `Statistic.interval` says so
(`NO_WIDTH`); no verdict is taken from it (`compare`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pfc_da.analysis.interval import (
    compute_crossed_interval,
    compute_draws_interval,
    compute_mean_interval,
    compute_wilson_interval,
    mean_of_finite,
)
from pfc_da.errors import InputError

N_DRAWS = 500  # where each draw runs an analysis anew
OVER_ANIMALS, OVER_BOTH = "95 % t over animals", "95 % t over animals and sessions"
NO_WIDTH = "no width: all animals equal"
ANY, POSITIVE, SHARE = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)
"""Ranges of a statistic: any value, a rate or a time, a fraction. No interval goes beyond."""
INTERVAL = ["low", "high", "interval", "n", "n_of"]
"""Columns of a table that say what an estimate is worth."""
Labels = Mapping[str, str | int | float]
"""Name -> value."""
NO_LABELS: Labels = {}
WRITTEN = {
    "after": "_after_{}",
    "by": "{}_",
    "dose": "_x{:g}",
    "lag": " lag_{}",
    "last_trial": "_{}",
    "p": " p={:g}",
}
"""Format of these labels in a condition; of all others the value, after a space."""
UNWRITTEN = {"dose": 1.0}
"""Values that are not written."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One number, its interval, and what was counted.

    Attributes
    ----------
    key : str
        What was measured; a stable name, listed in the documentation.
    labels : mapping
        Under which condition, for instance ``{"lag": 1}`` or ``{"variable": "choice"}``; in the order of `condition`.
    estimate, low, high : float
        The estimate and the ends of its interval, in `units`; NaN where there is none.
    interval : str
        What the interval is, e.g. "95 % t over animals".
    n : int
        How many of `n_of` ("animals", "sessions", "units", ...) carry the estimate.
    units : str
    by_animal : tuple of float
        The value of every animal in the recording's order, NaN where it has none.
    """

    key: str
    labels: Labels = field(default_factory=dict)
    estimate: float
    low: float
    high: float
    interval: str
    n: int
    n_of: str
    units: str
    by_animal: tuple[float, ...] = ()

    @property
    def condition(self) -> str:
        """The labels as text, a stable name: ``lag_1``, ``risky_loss lag_2`` or ``risky_win_blocked_x0.5 p=0.125``."""
        parts = [
            WRITTEN.get(name, " {}").format(value)
            for name, value in self.labels.items()
            if UNWRITTEN.get(name) != value
        ]
        return "".join(parts).replace("_ ", "_").lstrip(" _")


def tabulate(statistics: Sequence[Statistic], *keys: str) -> pd.DataFrame:
    """The table that a panel draws.

    Parameters
    ----------
    statistics : sequence of Statistic
    *keys : str
        Only statistics of these keys; of all if none is given.

    Returns
    -------
    DataFrame
        A row a statistic: key, every label, estimate, low, high, interval, n, n_of.

    Examples
    --------
    >>> found = [summarise("history_reward", [0.5, 0.7], labels={"lag": lag}, units="log odds") for lag in (1, 2)]
    >>> tabulate(found, "history_reward")[["lag", "estimate", "n"]].to_numpy().tolist()
    [[1.0, 0.6, 2.0], [2.0, 0.6, 2.0]]
    """
    kept = [each for each in statistics if not keys or each.key in keys]
    labels = dict.fromkeys(name for each in kept for name in each.labels)
    rows = [
        {"key": each.key, **each.labels, **{name: getattr(each, name) for name in ("estimate", *INTERVAL)}}
        for each in kept
    ]
    return pd.DataFrame(rows, columns=["key", *labels, "estimate", *INTERVAL])


def summarise(
    key: str,
    values: ArrayLike,
    by_group: ArrayLike | None = None,
    *,
    labels: Labels = NO_LABELS,
    units: str,
    within: tuple[float, float] = ANY,
) -> Statistic:
    """Mean over animals with its interval: over animals, or over animals and the sessions that all of them had.

    An interval over animals alone leaves out that another draw of problems would have been easier or harder for all of
    them at once; with every animal on the same sessions, that is often the larger part.

    Parameters
    ----------
    key : str
    values : (animal,) or (animal, session)
        One number an animal, NaN where the statistic is undefined: such an animal counts neither in the mean nor in n. Or
        one a session, all finite, all animals having had the same ones.
    by_group : (animal, group), optional
        Of a statistic that takes many sessions, besides `values` of all sessions of each animal: the same of groups of
        sessions (`interval.split_sessions`), all animals having had the same ones. Groups that lack an animal are left out;
        if fewer than two are left, the interval is over animals alone, and says so.
    labels, units : mapping, str
        As in `Statistic`.
    within : (lowest, highest)
        What values are possible; the interval is cut there.

    Returns
    -------
    Statistic

    Raises
    ------
    InputError
        If there is no animal, or `values` has another shape.

    Notes
    -----
    One animal has no interval over animals: low and high are NaN.

    Examples
    --------
    >>> found = summarise("win_stay", [0.8, 0.9, 0.7], units="fraction", within=SHARE)
    >>> round(found.estimate, 2), round(found.low, 2), found.high, found.n
    (0.8, 0.55, 1.0, 3)
    """
    own = np.asarray(values, dtype=float)
    groups = own if by_group is None else np.asarray(by_group, dtype=float)
    if own.ndim == 2 and by_group is None:
        own = own.mean(1)
    if own.ndim != 1 or not own.size:
        raise InputError(
            f"{key}: values must be one number an animal, or one an animal and session, got shape {own.shape}."
        )
    known = np.isfinite(own)
    groups = groups.reshape(len(own), -1)[known]
    groups = groups[:, np.isfinite(groups).all(axis=0)]
    ends, interval = compute_mean_interval(own), OVER_ANIMALS
    if min(groups.shape) > 1:
        ends, interval = compute_crossed_interval(own[known], groups), OVER_BOTH
    low, high = (float(end) for end in np.clip(ends, *within))
    return Statistic(
        key=key,
        labels=labels,
        estimate=float(mean_of_finite(own)),
        low=low,
        high=high,
        interval=NO_WIDTH if low == high else interval,
        n=int(known.sum()),
        n_of="animals",
        units=units,
        by_animal=tuple(own.tolist()),
    )


def summarise_sessions(
    key: str,
    compute: Callable[..., float],
    sessions: Sequence[NDArray],
    *,
    labels: Labels = NO_LABELS,
    units: str,
    within: tuple[float, float] = ANY,
    rng: np.random.Generator,
) -> Statistic:
    """Any statistic of one animal's sessions with a bootstrap interval over its sessions, widened for their number.

    For a single animal, or a recording whose animals are not known. Whole sessions are resampled, so that
    dependence between the trials of a session stays inside it.

    Parameters
    ----------
    key : str
    compute : callable
        Takes the arrays of `sessions`, in their order, and returns one number.
    sessions : sequence of arrays (session, ...)
        What `compute` takes; resampled together along the first dimension.
    labels, units, within
        As for `summarise`.
    rng : numpy.random.Generator
        Draws the resamples.

    Notes
    -----
    Draws on which `compute` gives NaN are left out of the interval. One session has no interval.

    Examples
    --------
    >>> reward = np.array([[1, 0, 1, 1.0], [0, 0, 1, np.nan], [1, 1, 0, 1]])
    >>> rng = np.random.default_rng(0)
    >>> summarise_sessions("reward_per_trial", np.nanmean, [reward], units="reward", rng=rng).n_of
    'sessions'
    """
    lengths = {len(array) for array in sessions}
    if len(lengths) != 1:
        raise InputError(f"{key}: arrays must have the same number of sessions, got {sorted(lengths)}.")
    n = lengths.pop()
    drawn = rng.integers(n, size=(N_DRAWS if n > 1 else 0, n))
    draws = [compute(*(array[index] for array in sessions)) for index in drawn]
    estimate = float(compute(*sessions))
    return summarise_draws(key, estimate, draws, n=n, labels=labels, units=units, within=within)


def summarise_draws(
    key: str,
    estimate: float,
    draws: ArrayLike,
    *,
    n: int,
    labels: Labels = NO_LABELS,
    units: str,
    within: tuple[float, float] = ANY,
) -> Statistic:
    """A statistic of one animal with the interval of bootstrap draws over its sessions.

    Parameters
    ----------
    key : str
    estimate : float
    draws : (draw,)
        The same of resampled sessions, NaN where it is undefined.
    n : int
        Sessions resampled.
    labels, units, within
        As for `summarise`.
    """
    low, high = np.clip(compute_draws_interval(estimate, draws, n), *within)
    return Statistic(
        key=key,
        labels=labels,
        estimate=estimate,
        low=float(low),
        high=float(high),
        interval="95 % bootstrap over sessions",
        n=n,
        n_of="sessions",
        units=units,
    )


def summarise_fraction(
    key: str, is_true: ArrayLike, *, labels: Labels = NO_LABELS, n_of: str, by_animal: Sequence[float] = ()
) -> Statistic:
    """Share of samples that are true, with Wilson's interval over them.

    Parameters
    ----------
    key : str
    is_true : (sample,) bool
    labels : mapping
        As in `Statistic`.
    n_of : str
        What the samples are: "animals", "units".
    by_animal : sequence of float
        As in `Statistic`.
    """
    values = np.asarray(is_true, dtype=bool)
    low, high = compute_wilson_interval(int(values.sum()), values.size)
    return Statistic(
        key=key,
        labels=labels,
        estimate=float(values.mean()),
        low=low,
        high=high,
        interval=f"95 % Wilson over {n_of}",
        n=values.size,
        n_of=n_of,
        units="fraction",
        by_animal=tuple(by_animal),
    )


def missing_statistic(key: str, labels: Labels, units: str) -> Statistic:
    """A statistic that could not be computed: NaN, of no samples.

    Parameters
    ----------
    key, labels, units
        As in `Statistic`.
    """
    return Statistic(
        key=key,
        labels=labels,
        estimate=np.nan,
        low=np.nan,
        high=np.nan,
        interval="none",
        n=0,
        n_of="units",
        units=units,
    )
