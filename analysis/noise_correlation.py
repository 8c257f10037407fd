"""Noise correlation: do two cells fire more than usual on the same trials?

Counts are first taken as deviations from the mean of their group of trials (same stimulus, choice, block...), so that what
the task does to both cells is no noise. The correlation of two cells is then that of the deviations, each group scaled to
the same variance,

  r = sum_g (n_g - 1) r_g / sum_g (n_g - 1),

the mean of the correlations r_g of the groups weighted by their degrees of freedom. Slow drift of a session makes all cells
that drift correlate; groups that also tell apart stretches of some ten to twenty trials take it out.

In cortex mean values of about 0 to 0.2 are reported, and they grow with firing rate and with the window, so hold one only
against another of like windows and rates: Cohen & Kohn 2011, doi 10.1038/nn.2842.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pfc_da.errors import InputError

MIN_FREEDOM = 10
"""Trials less groups below which a correlation is not given: its standard error would exceed 0.3."""


def compute_noise_correlation(counts: ArrayLike, groups: ArrayLike | None = None) -> NDArray:
    """Correlation of spike counts over trials, for each pair of cells recorded together.

    Parameters
    ----------
    counts : (trial, unit)
        Spikes in one window of every trial; all finite.
    groups : (trial,)
        Which trials are alike; None where all are.

    Returns
    -------
    NDArray, (unit, unit)
        NaN on the diagonal, and for pairs of which one cell never varies within a group. A group in which one cell of a
        pair does not vary says nothing about the pair and is left out of it.
    """
    counts, groups = _check(counts, groups)
    total, freedom = np.zeros((2, counts.shape[1], counts.shape[1]))
    for group in np.unique(groups):
        own = counts[groups == group]
        deviation = own - own.mean(0)
        size = np.sqrt((deviation**2).sum(0))
        varies = size > 0
        scaled = deviation / np.where(varies, size, 1)
        total += (len(own) - 1) * (scaled.T @ scaled)
        freedom += (len(own) - 1) * np.outer(varies, varies)
    correlation = np.where(freedom >= MIN_FREEDOM, total / np.where(freedom > 0, freedom, 1), np.nan)
    np.fill_diagonal(correlation, np.nan)
    return correlation


def list_pairs(correlation: NDArray) -> NDArray:
    """The finite correlations of a (unit, unit) matrix, each pair once, (pair,)."""
    pairs = correlation[np.triu_indices(len(correlation), k=1)]
    return pairs[np.isfinite(pairs)]


def _check(counts: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray, NDArray]:
    counts = np.asarray(counts, dtype=float)
    if counts.ndim != 2:
        raise InputError(f"counts must be (trial, unit), got shape {counts.shape}.")
    if not np.isfinite(counts).all():
        raise InputError("counts must be finite; leave out trials on which a cell was not recorded.")
    groups = np.zeros(len(counts)) if groups is None else np.asarray(groups)
    if groups.shape != (len(counts),):
        raise InputError(f"groups must be one a trial ({len(counts)}), got shape {groups.shape}.")
    return counts, groups
