"""Population decoding: held-out linear read-out of a two-valued label (value high or low, choice).

Linear discriminant with equal priors on standardised activity: w = C^-1 (m_1 - m_0), the threshold half-way
between the class means, C the within-class correlation shrunk towards its diagonal. Whole sessions are held out, so that
slow drift of a session is not learnt from its other trials. Accuracy is balanced (the mean over the two labels): chance
is 0.5 however unequal the labels. The control decodes labels of other sessions (`nulls`), so that it shows anything that
is locked to the number of the trial.

All folds share one pass over the data: count, sum and sum of products of each suffice, and a read-out trained without a
fold is a difference of them.

References
----------
Fisher (1936) Ann Eugen 7:179, doi 10.1111/j.1469-1809.1936.tb02137.x.
Tsutsui, Grabenhorst, Kobayashi & Schultz (2016) Nat Commun 7:12554, doi 10.1038/ncomms12554.
"""

from dataclasses import dataclass

import numpy as np

from pfc_da.analysis.units.nulls import Null, align, draw_pairings
from pfc_da.errors import InputError

FOLDS = 10
SHRINKAGE = 0.05  # ours: keeps the inverse finite with few trials, changes little with many


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Held-out read-out of one population and what wrong pairings reach.

    An interval comes from `statistic.summarise` over animals, or for one animal from
    ``summarise_sessions(key, compute_accuracy, [predicted, label])``.
    """

    predicted: np.ndarray
    """(episode, trial) predicted label, -1 where missing."""
    label: np.ndarray
    """(episode, trial) true label of the same trials."""
    accuracy: float
    control: np.ndarray
    """(pairing,) accuracy when the labels come from other sessions or other times."""


def split_at_median(value: np.ndarray) -> np.ndarray:
    """Label values high (1) or low (0) about their median, -1 where missing, of the shape of `value`."""
    median = np.nanmedian(value)
    label = np.where(np.isfinite(value), (value > median).astype(int), -1)
    if not (label == 1).any():
        raise InputError(f"no value lies above the median {median:g}: high and low cannot be told apart.")
    return label


def decode(activity: np.ndarray, label: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Predict each trial's label from a read-out trained on other sessions.

    Parameters
    ----------
    activity : (episode, trial, unit)
        Mean rate in a window or phase, Hz. Trials on which a unit is missing are left out.
    label : (episode, trial) int
        0 or 1, -1 where missing.
    rng : numpy.random.Generator
        Deals the sessions to the folds.

    Returns
    -------
    (episode, trial) int
        Predicted label, -1 where missing.
    """
    return _Moments(activity, label, rng).predict()


def compute_accuracy(predicted: np.ndarray, label: np.ndarray) -> float:
    """Balanced accuracy: mean over the two labels of the fraction predicted correctly.

    Parameters
    ----------
    predicted, label : (episode, trial) int
        0 or 1; -1 where missing.

    Returns
    -------
    float
        NaN if one of the labels does not occur.

    Examples
    --------
    >>> compute_accuracy(np.array([[1, 1, 0, 1]]), np.array([[1, 1, 0, 0]]))
    0.75
    """
    known = (predicted >= 0) & (label >= 0)
    right = [predicted[known & (label == one)] == one for one in (0, 1)]
    return float(np.mean([part.mean() for part in right])) if all(map(len, right)) else float("nan")


def compute_decoding(
    activity: np.ndarray,
    label: np.ndarray,
    *,
    null: Null,
    n_pairings: int = 20,
    rng: np.random.Generator,
) -> Decoding:
    """Decode the label, and as a control the labels of wrong pairings.

    Parameters
    ----------
    activity, label, rng
        As for `decode`.
    null : {"session", "shift"}
        Where the control's labels come from (see `nulls`). ``shift`` decodes the middle three fifths only.
    n_pairings : int
        Number of controls for ``session``; ``shift`` takes all there are.

    Returns
    -------
    Decoding
    """
    _check(activity, label)
    held, true = align(activity, null), align(label, null)
    predicted = decode(held, true, rng=rng)
    control = [
        compute_accuracy(decode(held, paired, rng=rng), paired)
        for paired in draw_pairings(label, null, n_pairings, rng)
    ]
    return Decoding(
        predicted=predicted,
        label=true,
        accuracy=compute_accuracy(predicted, true),
        control=np.array(control),
    )


class _Moments:
    """Count, sum and sum of products of activity, per fold."""

    def __init__(self, activity: np.ndarray, label: np.ndarray, rng: np.random.Generator):
        _check(activity, label)
        self.used = (label >= 0) & np.isfinite(activity).all(axis=-1)
        if not self.used.any():
            raise InputError("no trial has a label and the activity of every unit.")
        self.fold = _deal(label.shape, rng)[self.used]
        rows = np.asarray(activity, float)[self.used]
        self.rows = rows - rows.mean(axis=0)  # for precision only: the read-out does not depend on it
        of_label = label[self.used][:, None] == (0, 1)
        members = [of_label & (self.fold == fold)[:, None] for fold in range(self.fold.max() + 1)]
        self.count = np.array([member.sum(axis=0) for member in members])  # (fold, label)
        self.sum = np.array([member.T.astype(float) @ self.rows for member in members])  # (fold, label, unit)
        parts = [self.rows[member.any(axis=1)] for member in members]
        self.product = np.array([part.T @ part for part in parts])  # (fold, unit, unit)

    def predict(self) -> np.ndarray:
        """Label of every trial, (episode, trial), each fold predicted from the others."""
        label = np.full(len(self.rows), -1)
        for fold in np.unique(self.fold):
            weights, threshold = self._train(fold)
            own = self.fold == fold
            label[own] = self.rows[own] @ weights > threshold
        predicted = np.full(self.used.shape, -1)
        predicted[self.used] = label
        return predicted

    def _train(self, held_out: int) -> tuple[np.ndarray, float]:
        count = self.count.sum(axis=0) - self.count[held_out]
        if (count < 2).any():
            raise InputError(
                f"a fold leaves {count[0]} trials of label 0 and {count[1]} of label 1 to learn from, of 2 "
                "needed; give more sessions."
            )
        mean = (self.sum.sum(axis=0) - self.sum[held_out]) / count[:, None]  # (label, unit)
        product = self.product.sum(axis=0) - self.product[held_out]
        within = (product - (mean.T * count) @ mean) / (count.sum() - 2)
        spread = np.sqrt(np.maximum(np.diag(within), 0.0))
        spread = np.where(spread > 1e-6, spread, np.inf)  # a silent cell gets no weight
        correlation = (1 - SHRINKAGE) * within / np.outer(spread, spread) + SHRINKAGE * np.eye(len(spread))
        weights = np.linalg.solve(correlation, (mean[1] - mean[0]) / spread) / spread
        return weights, float(weights @ (mean[0] + mean[1]) / 2)


def _deal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Fold of every trial (episode, trial): whole sessions, or stretches of the only one."""
    n_sessions, n_trials = shape
    n_parts = n_sessions if n_sessions > 1 else n_trials
    dealt = np.arange(n_parts) * min(FOLDS, n_parts) // n_parts
    if n_sessions == 1:
        return dealt[None]
    return np.repeat(rng.permutation(dealt)[:, None], n_trials, axis=1)


def _check(activity: np.ndarray, label: np.ndarray) -> None:
    if activity.ndim != 3 or label.shape != activity.shape[:2]:
        raise InputError(
            "activity must be (episode, trial, unit) and label (episode, trial), "
            f"got {activity.shape} and {label.shape}."
        )
    if not np.isin(label, (-1, 0, 1)).all():
        raise InputError(f"label must be 0, 1 or -1 (missing), got {np.unique(label).tolist()}.")
