"""Selectivity of units: one linear regression a unit, with a null distribution that is robust to slow drift.

    activity_u(trial) = b_0u + sum_k b_ku x_k(trial) + noise

is solved for all units at once (one QR of the regressors). The p-values of its t-tests are the field's
convention and hold only if the residuals of neighbouring trials are independent. `compute_null_p`
compares the same t-values with those of wrong pairings (`nulls`): the part of x_k that no other regressor
explains is paired wrongly with activity while the other regressors stay in place (Smith's scheme in
Winkler et al. 2014). So a unit that codes last choice is not called a value unit for it, and drift weighs
the same in both.

References
----------
Winkler, Ridgway, Webster, Smith & Nichols (2014) NeuroImage 92:381, doi 10.1016/j.neuroimage.2014.01.060.
Benjamini & Hochberg (1995) J R Stat Soc B 57:289, doi 10.1111/j.2517-6161.1995.tb02031.x.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pfc_da.analysis.statistic import SHARE, Statistic, summarise, summarise_fraction
from pfc_da.analysis.units.nulls import Null, align, compute_p, draw_pairings
from pfc_da.errors import InputError


@dataclass(frozen=True, kw_only=True)
class UnitRegression:
    """Coefficients of every unit: (regressor, unit), or (regressor, phase, unit) if activity had phases."""

    regressors: tuple[str, ...]
    coefficient: np.ndarray
    """Activity (Hz) per unit of the regressor."""
    t: np.ndarray
    p: np.ndarray
    """Two-sided t-test, blind to slow drift."""
    n_trials: int

    def of(self, regressor: str) -> int:
        """Place of `regressor` on the first axis."""
        if regressor not in self.regressors:
            raise InputError(f"regressor must be one of {', '.join(self.regressors)}, got {regressor!r}.")
        return self.regressors.index(regressor)


def regress_units(activity: np.ndarray, regressors: Mapping[str, np.ndarray]) -> UnitRegression:
    """Regress each unit's activity on the regressors, all units together.

    Parameters
    ----------
    activity : (episode, trial, unit) or (episode, trial, phase, unit)
        Mean rate in a window or phase of the trial, Hz. One recorded cell has ``episode = unit = 1``.
    regressors : mapping of (episode, trial)
        By name; an intercept is added.

    Returns
    -------
    UnitRegression
        A unit that never changes its rate has coefficient 0 and p = 1.

    Notes
    -----
    A trial is used if every regressor and every unit is finite on it.
    """
    design, response = _flatten(activity, regressors)
    used = _used(design, response)
    fit = _Fit(design, response, used, tuple(regressors))
    shape = (len(regressors), *activity.shape[2:])
    t = fit.t.reshape(shape)
    return UnitRegression(
        regressors=tuple(regressors),
        coefficient=fit.coefficient.reshape(shape),
        t=t,
        p=2 * stats.t.sf(np.abs(t), fit.freedom),
        n_trials=int(used.sum()),
    )


def compute_null_p(
    activity: np.ndarray,
    regressors: Mapping[str, np.ndarray],
    *,
    null: Null,
    n_pairings: int = 100,
    rng: np.random.Generator,
) -> np.ndarray:
    """p-value of each coefficient against wrong pairings of activity and behaviour.

    Parameters
    ----------
    activity, regressors
        As for `regress_units`.
    null : {"session", "shift"}
        Pair with other sessions, or with other times of the session (see `nulls`).
    n_pairings : int
        Number of draws for ``session``; 100 give the spread of t to 7 %.
    rng : numpy.random.Generator
        Draws the pairings.

    Returns
    -------
    (regressor, unit) or (regressor, phase, unit)
        Two-sided p-values.
    """
    if not 0 < n_pairings:
        raise InputError(f"n_pairings must be at least 1, got {n_pairings}. (100 are usual.)")
    names, sessions = tuple(regressors), np.shape(activity)[:2]
    design, response = _flatten(activity, regressors)
    _used(design, response)  # says what is missing, before anything is divided by nothing
    _, directions, _ = _orthogonalise(design, np.isfinite(design).all(axis=1), names)

    def held_rows(rows: np.ndarray) -> np.ndarray:
        held = align(rows.reshape(*sessions, -1), null)
        return held.reshape(-1, held.shape[-1])

    design, response = held_rows(design), held_rows(response)
    used = _used(design, response)
    fit = _Fit(design, response, used, names)
    pairings = draw_pairings(directions.reshape(*sessions, -1), null, n_pairings, rng)
    flat = (np.where(used[:, None], paired.reshape(len(used), -1), 0.0) for paired in pairings)
    drawn = np.stack([fit.pair(paired) for paired in flat])
    return compute_p(fit.t, drawn, null).reshape(len(names), *np.shape(activity)[2:])


def compute_any_p(p: np.ndarray) -> np.ndarray:
    """p-value of "at least one of these" along the first axis, say both objects' values (Bonferroni)."""
    return np.minimum(len(p) * np.min(p, axis=0), 1.0)


def control_false_discoveries(p: np.ndarray, rate: float = 0.05) -> np.ndarray:
    """Mark the p-values that are significant at a false-discovery rate (Benjamini & Hochberg 1995).

    Parameters
    ----------
    p : array
        p-values, of any shape, all taken together.
    rate : float
        Between 0 and 1.

    Returns
    -------
    bool array of the shape of `p`

    Raises
    ------
    InputError
        If the rate is not between 0 and 1.

    Examples
    --------
    >>> control_false_discoveries(np.array([0.001, 0.02, 0.04, 0.9])).tolist()
    [True, True, False, False]
    """
    if not 0 < rate < 1:
        raise InputError(f"rate must lie between 0 and 1, got {rate}. (Percent? Write 0.05.)")
    ordered = np.sort(p, axis=None)
    passing = ordered <= rate * np.arange(1, ordered.size + 1) / ordered.size
    return p <= ordered[passing].max(initial=-1.0)


def compute_fraction_selective(
    selective_by_animal: Sequence[np.ndarray], *, variable: str, key: str = "fraction_selective"
) -> Statistic:
    """Fraction of selective units: over animals if there are several, over the units of a single one (Wilson).

    Units of one animal share its training, so with several animals n is the number of animals.

    Parameters
    ----------
    selective_by_animal : sequence of (unit,) bool
        For instance ``control_false_discoveries(p)``, or ``p < 0.05`` as neurons are often counted.
    variable : str
        What they code, for instance ``last_choice``.
    key : str
        Of the statistic.
    """
    fractions = [float(np.mean(selective)) for selective in selective_by_animal]
    labels = {"variable": variable}
    if len(fractions) == 1:
        (selective,) = selective_by_animal
        return summarise_fraction(key, selective, labels=labels, n_of="units", by_animal=fractions)
    return summarise(key, fractions, labels=labels, units="fraction", within=SHARE)


class _Fit:
    """One design fitted to all units.

    The coefficient of regressor k is activity along one unit vector q_k, the part of x_k that no other
    regressor explains. Freed of the others, activity is e_k = residual + q_k b_k.
    """

    def __init__(self, design: np.ndarray, response: np.ndarray, used: np.ndarray, names: tuple[str, ...]):
        self.basis, self.directions, per_length = _orthogonalise(design, used, names)
        response = np.where(used[:, None], response, 0.0)
        mean = response.sum(axis=0) / used.sum()
        # The intercept is in the design; taken out before, it leaves nothing of a unit that never changes.
        response = np.where(used[:, None] & (np.ptp(response[used], axis=0) > 0), response - mean, 0.0)
        self.along = self.directions.T @ response  # b (regressor, unit)
        self.coefficient = self.along * per_length[:, None]
        self.residual = response - self.basis @ (self.basis.T @ response)
        self.freed = (self.residual**2).sum(axis=0) + self.along**2  # |e_k|^2 (regressor, unit)
        self.freedom = int(used.sum()) - design.shape[1] - 1
        self.t = self._t(self.along)

    def pair(self, directions: np.ndarray) -> np.ndarray:
        """Give t (regressor, unit) with each q_k, but not the other regressors, replaced by `directions`."""
        inside = self.basis @ (self.basis.T @ directions)
        own = (self.directions * directions).sum(axis=0)
        free = directions - inside + self.directions * own  # (row, regressor), free of the others
        length = np.linalg.norm(free, axis=0)
        along = free.T @ self.residual + own[:, None] * self.along
        return self._t(along / np.where(length > 1e-9, length, np.nan)[:, None])

    def _t(self, along: np.ndarray) -> np.ndarray:
        left = np.maximum(self.freed - along**2, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.freed > 0, along / np.sqrt(left / self.freedom), 0.0)


def _orthogonalise(
    design: np.ndarray, used: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal basis (row, column), directions q (row, regressor), coefficients per unit length along q.

    Rows not used are zero.
    """
    scale = np.std(design[used], axis=0)
    spreads = np.ptp(design[used], axis=0)
    flat = [name for name, spread in zip(names, spreads, strict=True) if spread == 0]
    if flat:
        raise InputError(f"regressor {', '.join(flat)} never changes on the trials used; leave it out.")
    full = np.concatenate([np.ones((len(design), 1)), design / scale], axis=1)
    basis, upper = np.linalg.qr(np.where(used[:, None], full, 0.0))
    diagonal = np.abs(np.diag(upper))
    if diagonal.min() <= 1e-9 * diagonal.max():
        raise InputError(f"the regressors {', '.join(names)} determine one another; leave one out.")
    rows = np.linalg.inv(upper)[1:]
    lengths = np.linalg.norm(rows, axis=1)
    return basis, basis @ (rows / lengths[:, None]).T, lengths / scale


def _flatten(activity: np.ndarray, regressors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Design (row, regressor) and response (row, unit) with one row a trial."""
    if np.ndim(activity) not in (3, 4):
        raise InputError(
            "activity must be (episode, trial, unit) or (episode, trial, phase, unit), "
            f"got the shape {np.shape(activity)}."
        )
    if not regressors:
        raise InputError("regressors must name at least one regressor, got none.")
    for name, values in regressors.items():
        if np.shape(values) != np.shape(activity)[:2]:
            raise InputError(
                f"regressor {name} must have the shape (episode, trial) of activity, "
                f"{np.shape(activity)[:2]}, got {np.shape(values)}."
            )
    design = np.stack([np.ravel(values).astype(float) for values in regressors.values()], axis=-1)
    return design, np.asarray(activity, float).reshape(len(design), -1)


def _used(design: np.ndarray, response: np.ndarray) -> np.ndarray:
    used = np.isfinite(design).all(axis=1) & np.isfinite(response).all(axis=1)
    needed = design.shape[1] + 2
    if used.sum() < needed:
        raise InputError(
            f"a regression on {design.shape[1]} regressors needs {needed} complete trials, got {used.sum()}."
        )
    return used
