"""Units, and a direction of the population, whose activity differs between the stable and the volatile phase.

Two variables are tested on activity from the go signal to the choice: ``volatile``, the phase of the session, which is no
input of the network; and ``believed_volatility``, the probability of the volatile phase according to an ideal observer
(`pfc_da.analysis.observers.volatility`) of the animal's own choices and outcomes. Phases last half a session and beliefs
drift, so both are compared with pairings of activity with the behaviour of other sessions
(`pfc_da.analysis.units.nulls`), and a unit counts only for what last choice and reward, values and choice do not explain.

The direction is estimated in one half of the sessions, as the covariance of each unit's activity (in its own standard
deviations) with the phase. The other half is projected on it. Both are taken relative to their mean on the same trial of
other sessions, so that what depends on the trial number alone contributes nothing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.figures.units import make_selectivity_panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.interval import compute_mean_interval, mean_of_finite
from pfc_da.analysis.observers.two_options import PairObserver, encode_outcome, filter_outcomes
from pfc_da.analysis.statistic import NO_LABELS, SHARE, Statistic, summarise, tabulate
from pfc_da.analysis.units import summary as units
from pfc_da.analysis.units.browser import Groups, group_trials, tabulate_browser
from pfc_da.analysis.units.decoding import compute_accuracy, compute_decoding
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.selectivity import compute_null_p
from pfc_da.analysis.volatility.panels import make_decoding_panel, make_direction_panel
from pfc_da.analysis.volatility.sessions import PHASES, VolatileSessions
from pfc_da.recording_schema import get_choice_phase, get_phases

VARIABLES = ("volatile", "believed_volatility")
PAIRINGS = 5
"""Pairings with other sessions that are decoded: only their mean is used."""


def analyse_units(
    recording: xr.Dataset, sessions: VolatileSessions, observer: PairObserver, *, rng: np.random.Generator
) -> Findings:
    """Selectivity, decoding and direction in the sessions recorded with units.

    Parameters
    ----------
    recording : xarray.Dataset
    sessions : VolatileSessions
        All frozen sessions of the recording.
    observer : PairObserver
        The ideal observer of the schedule.
    rng : numpy.random.Generator
    """
    recorded = sessions.select(np.arange(recording.sizes["recorded_episode"]))
    before = get_phases(recording).index(get_choice_phase(recording))
    at_choice = units.get_activity(recording)[
        ..., before : before + 1, :
    ]  # (animal, session, trial, 1, unit)
    belief = compute_believed_volatility(recorded, observer)
    p = _regress_animals(at_choice, recorded, belief, rng)
    variables = (*units.VARIABLES, *VARIABLES)
    selectivity = units.compute_selectivity(p, 0, variables=variables)
    decoding = summarise_decoding(at_choice[..., 0, :], recorded.volatile, belief, rng=rng)
    direction = [project_on_direction(own, recorded.volatile, rng=rng) for own in at_choice[..., 0, :]]
    correlations = summarise_direction(direction, recorded.volatile, belief)
    groups = {**group_trials(recorded.choice, recorded.reward), **group_phases(recorded)}
    return Findings(
        [*selectivity, *decoding, *correlations],
        [
            make_selectivity_panel(units.tabulate_selectivity(selectivity, {}), selectivity),
            make_direction_panel(tabulate_direction(direction, recorded.stable_first), correlations),
            make_decoding_panel(tabulate_decoding(decoding)),
        ],
        {
            "units": units.tabulate_unit_properties(recording, p, 0),
            **tabulate_browser(recording, groups, rng=rng),
        },
    )


def _regress_animals(
    activity: NDArray, sessions: VolatileSessions, belief: NDArray, rng: np.random.Generator
) -> list[dict[str, NDArray]]:
    """p-value of every variable, (phase, unit) each, for each animal; activity (animal, session, trial, phase, unit)."""
    animals = zip(activity, sessions.choice, sessions.reward, belief, strict=True)
    return [
        {
            **units.regress_phases(own, choice, reward, rng=rng),
            **regress_volatility(own, choice, reward, sessions.volatile, believed, rng=rng),
        }
        for own, choice, reward, believed in animals
    ]


def compute_believed_volatility(sessions: VolatileSessions, observer: PairObserver) -> NDArray:
    """P(volatile) before every choice for an observer of the agents' choices and outcomes, (agent, session, trial).

    Parameters
    ----------
    sessions : VolatileSessions
    observer : PairObserver

    Returns
    -------
    (animal, session, trial)
        From 0 to 1.
    """
    outcome = encode_outcome(sessions.choice, sessions.reward)
    flat = filter_outcomes(observer, outcome.reshape(-1, outcome.shape[-1]))
    return flat.volatility.reshape(outcome.shape)


def regress_volatility(
    activity: NDArray,
    choice: NDArray,
    reward: NDArray,
    volatile: NDArray,
    believed: NDArray,
    *,
    rng: np.random.Generator,
) -> dict[str, NDArray]:
    """p-value of each of `VARIABLES`, given every other regressor, (phase, unit), for one animal.

    Parameters
    ----------
    activity : (session, trial, phase, unit)
    choice, reward, volatile, believed : (session, trial)

    Notes
    -----
    Each variable has a regression of its own, as the two are correlated. NaN for an animal in whose behaviour the
    regressors are collinear.
    """
    others = compute_regressors(choice, reward, compute_object_value(choice, reward, units.HALF_LIFE))
    p = {}
    for name, values in zip(VARIABLES, (volatile.astype(float), believed), strict=True):
        regressors = {**others, name: values}
        if units.are_collinear(regressors):
            p[name] = np.full(activity.shape[2:], np.nan)
        else:
            p[name] = compute_null_p(activity, regressors, null="session", rng=rng)[-1]
    return p


def summarise_decoding(
    activity: NDArray, volatile: NDArray, belief: NDArray, *, rng: np.random.Generator
) -> list[Statistic]:
    """Accuracy of decoding the phase in held-out sessions, with labels of other sessions, and of the ideal observer.

    Parameters
    ----------
    activity : (animal, session, trial, unit)
    volatile : (session, trial)
    belief : (animal, session, trial)
        Probability of the volatile phase.
    """
    decoded = [
        compute_decoding(own, volatile, null="session", n_pairings=PAIRINGS, rng=rng) for own in activity
    ]
    by_animal = {
        "": [own.accuracy for own in decoded],
        "wrong_sessions": [float(np.mean(own.control)) for own in decoded],
        "ideal": [compute_accuracy((own > 0.5).astype(int), volatile) for own in belief],
    }
    return [
        summarise(
            "decoding_volatile",
            values,
            labels={"decoder": decoder} if decoder else NO_LABELS,
            units="fraction",
            within=SHARE,
        )
        for decoder, values in by_animal.items()
    ]


def project_on_direction(activity: NDArray, volatile: NDArray, *, rng: np.random.Generator) -> NDArray:
    """Held-out projection of one animal's activity on the direction of its phases, (session, trial).

    Parameters
    ----------
    activity : (session, trial, unit)
    volatile : (session, trial)

    Returns
    -------
    (session, trial)
        In standard deviations of the half it belongs to, larger towards volatile; NaN where a half of the sessions
        has one order of phases only.
    """
    projection = np.full(volatile.shape, np.nan)
    first, second = split_halves(volatile[:, 0], rng)
    for learn, test in ((first, second), (second, first)):
        about, phase = _centre(activity[learn]), _centre(volatile[learn])
        if np.ptp(phase) > 0 and np.ptp(_centre(volatile[test])) > 0:
            spread = about.std(axis=(0, 1))
            weight = np.where(spread > 0, np.tensordot(phase, about, 2) / np.maximum(spread, 1e-12) ** 2, 0.0)
            projected = _centre(activity[test]) @ weight
            projection[test] = projected / (projected.std() or 1.0)
    return projection


def split_halves(kind: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Two random halves of the sessions, with equally many sessions of each kind.

    Parameters
    ----------
    kind : (session,)
    rng : numpy.random.Generator

    Returns
    -------
    two arrays (half,) int
        Indices of the sessions.
    """
    shuffled = rng.permutation(len(kind))
    sorted_by_kind = shuffled[np.argsort(kind[shuffled], kind="stable")]
    return sorted_by_kind[::2], sorted_by_kind[1::2]


def summarise_direction(projection: Sequence[NDArray], volatile: NDArray, belief: NDArray) -> list[Statistic]:
    """Correlation of held-out projections (session, trial) with the phase and with the ideal observer's belief.

    Parameters
    ----------
    projection : sequence of (session, trial)
        Of each animal, activity along the direction of volatility, s.d.
    volatile : (session, trial) int
    belief : (animal, session, trial)
        Of `compute_believed_volatility`.
    """
    with_phase = [_correlate(own, volatile) for own in projection]
    with_belief = [_correlate(own, believed) for own, believed in zip(projection, belief, strict=True)]
    return [
        summarise("direction_volatile", values, labels={"variable": name}, units="correlation")
        for name, values in (("volatile", with_phase), ("believed_volatility", with_belief))
    ]


def tabulate_direction(projection: Sequence[NDArray], stable_first: NDArray) -> pd.DataFrame:
    """Held-out projection by trial and order of the phases: mean over animals with its interval.

    Parameters
    ----------
    projection : sequence of (session, trial)
        As for `summarise_direction`.
    stable_first : (session,) bool

    Returns
    -------
    DataFrame
        order, trial, mean, low, high.
    """
    tables = []
    for order, own in (("stable_first", stable_first), ("volatile_first", ~stable_first)):
        if own.any():
            by_animal = np.stack([each[own].mean(axis=0) for each in projection])  # (animal, trial)
            low, high = compute_mean_interval(by_animal)
            known = np.isfinite(by_animal)
            mean = mean_of_finite(by_animal)
            columns = {"order": order, "trial": np.arange(len(mean)), "mean": mean, "low": low, "high": high}
            tables.append(pd.DataFrame(columns)[known.any(axis=0)])
    return pd.concat(tables, ignore_index=True)


def tabulate_decoding(statistics: Sequence[Statistic]) -> pd.DataFrame:
    """Accuracies for drawing, with `chance`."""
    names = {"wrong_sessions": "labels of wrong sessions", "ideal": "ideal observer"}
    table = tabulate(statistics).assign(chance=0.5)
    table["decoder"] = table["decoder"].map(names).fillna("all units")
    return table[["decoder", "estimate", "low", "high", "chance", "interval", "n", "n_of"]]


def group_phases(sessions: VolatileSessions) -> Groups:
    """Trials of either phase of the session, for the browser of units."""
    shape = sessions.choice.shape
    members = {name: np.broadcast_to(sessions.volatile == label, shape) for label, name in enumerate(PHASES)}
    return {"phase": members}


def _centre(values: NDArray) -> NDArray:
    """Less the mean over sessions (session, trial, ...) of the same trial."""
    return values - values.mean(axis=0)


def _correlate(projection: NDArray, values: NDArray) -> float:
    """Correlation relative to the mean of the same trial, NaN where either does not vary or is missing."""
    x, y = _centre(projection).ravel(), _centre(values).ravel()
    if not np.isfinite(x).all() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])
