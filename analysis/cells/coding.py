"""Test what cells code, alike for simulated and recorded ones: p-values by variable, corrected for drift.

Slow drift of a cell's rate passes a t-test for any variable that changes slowly, above all for values and histories. The
p-values are therefore those of `nulls`: activity against the behaviour of the same session some trials earlier or later
(``shift``), which drift passes as well. No such p-value lies below 1 / (a fifth of the trials + 1), so a short session
cannot show coding: `compute_floor` gives the smallest one.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.units.selectivity import compute_any_p, compute_null_p, regress_units
from pfc_da.analysis.units.summary import are_collinear
from pfc_da.errors import InputError

LEVEL = 0.05
VALUES = ("object_value_0", "object_value_1")


def compute_coding(
    counts: NDArray,
    regressors: Mapping[str, NDArray],
    *,
    n_trials: int,
    corrected: bool,
    rng: np.random.Generator,
) -> dict[str, NDArray]:
    """p-value of every variable, (unit,), from the first trials on which a cell was observed.

    Parameters
    ----------
    counts : (trial, unit)
        Spikes in a window; NaN where it was not observed. Cells observed on the same trials are fitted together.
    regressors : mapping of (trial,)
        `VALUES` become ``object_value``: either of the two (Bonferroni).
    n_trials : int
        How many trials of a cell are used; a cell observed on fewer has no p-value.
    corrected : bool
        Against drift, else a t-test.
    rng : numpy.random.Generator
        For `compute_null_p`; shifts draw nothing.

    Returns
    -------
    dict of (unit,)
        NaN also where the variables are collinear.
    """
    seen, group = np.unique(np.isfinite(counts), axis=1, return_inverse=True)
    p = np.full((len(regressors), counts.shape[1]), np.nan)
    for column, on in enumerate(seen.T):
        trials, own = np.flatnonzero(on)[:n_trials], group.ravel() == column
        if len(trials) == n_trials:
            known = {name: values[None, trials] for name, values in regressors.items()}
            p[:, own] = _fit(counts[None, trials][..., own], known, corrected, rng)
    by_name = dict(zip(regressors, p, strict=True))
    if set(VALUES) <= set(by_name):
        by_name["object_value"] = compute_any_p(np.stack([by_name.pop(name) for name in VALUES]))
    return by_name


def compute_floor(name: str, n_trials: int) -> float:
    """The smallest p-value, corrected for drift, that a variable can have.

    Parameters
    ----------
    name : str
        The variable; ``object_value`` is two, with Bonferroni's correction.
    n_trials : int
        Trials of the session.

    Returns
    -------
    float

    Examples
    --------
    >>> compute_floor("choice", 95), compute_floor("object_value", 95)
    (0.05, 0.1)
    """
    floor = 1 / (n_trials // 5 + 1)
    return min(1.0, len(VALUES) * floor) if name == "object_value" else floor


def _fit(counts: NDArray, regressors: Mapping[str, NDArray], corrected: bool, rng) -> NDArray:
    """p-values (regressor, unit), NaN where these trials cannot tell the regressors apart."""
    nothing = np.full((len(regressors), counts.shape[-1]), np.nan)
    n_known = np.isfinite(np.stack(list(regressors.values()))).all(axis=0).sum()
    if n_known < len(regressors) + 2 or are_collinear(regressors):
        return nothing
    try:
        if corrected:
            return compute_null_p(counts, regressors, null="shift", rng=rng)
        return regress_units(counts, regressors).p
    except InputError:  # the middle of a session, which the shifts leave, may still not tell them apart
        return nothing
