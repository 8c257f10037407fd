r"""Learning rates of choices, one for the stable and one for the volatile phase, and by trials since a reversal.

The model is a Rescorla-Wagner learner for whom each outcome is evidence on both options,

    V <- V + alpha (y - V),    P(first) = sigmoid(beta (V - (1 - V))),    y = 1: the first paid or the second did not,

with one alpha in the stable and one in the volatile phase and one beta. All sessions of an animal are fitted together; V
continues from one phase into the next. An animal whose choices the model predicts no better than a coin (by BIC) has no
learning rate: NaN, left out of means and of n. The BIC of the fit is compared with that of the same model with one alpha.

References: Behrens et al. 2007, doi 10.1038/nn1954; Wang et al. 2016, arXiv 1611.05763 (BIC for a rate per block, and
the fixed-alpha learner as its control).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.reversals import count_since_switch
from pfc_da.analysis.choice_models.fit import fit_model, spread_over_sessions
from pfc_da.analysis.choice_models.models import get_model
from pfc_da.analysis.statistic import NO_LABELS, POSITIVE, SHARE, Labels, Statistic, summarise
from pfc_da.analysis.volatility.sessions import PHASES, VolatileSessions

STARTS = 1
"""Starts of a fit: over thousands of trials the likelihood has one peak, unless choices are next to random."""
SINCE = ((0, 5), (5, 10), (10, 15), (15, 20))
"""Trials since a reversal that share a learning rate."""
_MODEL = get_model("ab_coupled")


@dataclass(frozen=True, kw_only=True)
class RateFit:
    """Learning rates of agents by phase, NaN for an agent whose choices the model does not predict.

    Attributes
    ----------
    rate : (agent, phase)
        Stable, volatile.
    inverse_temperature, bic : (agent,)
    rate_by_session : (agent, session, phase)
        Estimate of the rates from each session (`spread_over_sessions`).
    inverse_temperature_by_session : (agent, session)
    """

    rate: NDArray
    inverse_temperature: NDArray
    bic: NDArray
    rate_by_session: NDArray
    inverse_temperature_by_session: NDArray

    @property
    def ratio(self) -> NDArray:
        """Volatile over stable, (agent,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.rate[:, 1] / self.rate[:, 0]

    @property
    def ratio_by_session(self) -> NDArray:
        """Estimate of the ratio from each session, to first order, (agent, session)."""
        off = self.rate_by_session - self.rate[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.ratio[:, None] + (off[..., 1] - self.ratio[:, None] * off[..., 0]) / self.rate[:, :1]


def fit_rates(sessions: VolatileSessions, *, rng: np.random.Generator) -> RateFit:
    """Fit one learning rate a phase to every agent.

    Parameters
    ----------
    sessions : VolatileSessions
    rng : numpy.random.Generator
        Draws the starts of the fit.
    """
    return _fit(sessions, sessions.volatile, rng)


def compute_bic_gain(sessions: VolatileSessions, fit: RateFit, *, rng: np.random.Generator) -> NDArray:
    """BIC with one rate minus BIC with one for each phase: positive where two rates are preferred.

    Parameters
    ----------
    sessions : VolatileSessions
    fit : RateFit
        Of the same sessions, one rate for each phase.
    rng : numpy.random.Generator
        Draws the starts of the fit.

    Returns
    -------
    (agent,)
    """
    return _fit(sessions, np.zeros_like(sessions.volatile), rng).bic - fit.bic


def summarise_rates(sessions: VolatileSessions, fit: RateFit, *, rng: np.random.Generator) -> list[Statistic]:
    """Learning rates, their difference and ratio (also by order of the phases) and BIC gain, over animals.

    Parameters
    ----------
    sessions : VolatileSessions
    fit : RateFit
        Of the same sessions.
    rng : numpy.random.Generator
        Draws the starts of further fits.
    """
    by_order = {"stable_first": sessions.stable_first, "volatile_first": ~sessions.stable_first}
    difference, difference_by_session = (
        rates[..., 1] - rates[..., 0] for rates in (fit.rate, fit.rate_by_session)
    )
    return [
        *summarise_phases(fit),
        summarise("learning_rate_difference", difference, difference_by_session, units="1"),
        summarise_ratio(fit),
        *(
            summarise_ratio(fit_rates(sessions.select(own), rng=rng), {"order": order})
            for order, own in by_order.items()
        ),
        summarise("bic_block_specific", compute_bic_gain(sessions, fit, rng=rng), units="BIC"),
        summarise(
            "inverse_temperature",
            fit.inverse_temperature,
            fit.inverse_temperature_by_session,
            units="1/reward",
            within=POSITIVE,
        ),
    ]


def summarise_phases(fit: RateFit, labels: Labels = NO_LABELS) -> list[Statistic]:
    """Learning rate by phase.

    Parameters
    ----------
    fit : RateFit
    labels : mapping
        After that of the phase.
    """
    return [
        summarise(
            "learning_rate",
            fit.rate[:, place],
            fit.rate_by_session[..., place],
            labels={"phase": phase, **labels},
            units="1",
            within=SHARE,
        )
        for place, phase in enumerate(PHASES)
    ]


def summarise_ratio(fit: RateFit, labels: Labels = NO_LABELS) -> Statistic:
    """Learning rate of the volatile phase divided by that of the stable phase.

    Parameters
    ----------
    fit : RateFit
    labels : mapping
    """
    return summarise(
        "learning_rate_ratio",
        fit.ratio,
        fit.ratio_by_session,
        labels=labels,
        units="1",
        within=POSITIVE,
    )


def fit_rates_since_switch(sessions: VolatileSessions, *, rng: np.random.Generator) -> RateFit | None:
    """Learning rate (agent, bin) in the bins `SINCE` of trials after a reversal, volatile phase.

    All other trials have rates of their own. Bins that runs are too short to reach are left out; None if all are.

    Parameters
    ----------
    sessions : VolatileSessions
    rng : numpy.random.Generator
        Draws the starts of the fit.

    Returns
    -------
    RateFit or None
        With bins in place of phases.
    """
    since, volatile = count_since_switch(sessions.better), sessions.volatile == 1
    window = np.where(volatile, len(SINCE), len(SINCE) + 1)
    for place, (first, end) in enumerate(SINCE):
        window[volatile & (since >= first) & (since < end)] = place
    met, window = np.unique(window, return_inverse=True)
    n_bins = int(np.isin(np.arange(len(SINCE)), met).sum())
    if not n_bins:
        return None
    fit = _fit(sessions, window.reshape(sessions.volatile.shape), rng)
    bins = slice(n_bins)
    return replace(fit, rate=fit.rate[:, bins], rate_by_session=fit.rate_by_session[..., bins])


def summarise_since_switch(fit: RateFit | None, labels: Labels = NO_LABELS) -> list[Statistic]:
    """Learning rate by bin over agents, and the late rise: that of the last bin less the mean of the two before it.

    An agent that expects a reversal after a usual number of trials learns faster as it draws near; with a constant hazard
    there is nothing to expect, and no rise.

    Parameters
    ----------
    fit : RateFit or None
        Of `fit_rates_since_switch`.
    labels : mapping
        After those of the bin.
    """
    if fit is None:
        return []
    rates, by_session = fit.rate, fit.rate_by_session
    found = [
        summarise(
            "learning_rate_since_switch",
            rates[:, place],
            by_session[..., place],
            labels={"first_trial": first, "last_trial": end - 1, **labels},
            units="1",
            within=SHARE,
        )
        for place, (first, end) in enumerate(SINCE[: rates.shape[1]])
    ]
    if len(found) < len(SINCE):
        return found
    rise, rise_by_session = (each[..., -1] - each[..., -3:-1].mean(-1) for each in (rates, by_session))
    return [*found, summarise("learning_rate_late_rise", rise, rise_by_session, labels=labels, units="1")]


def _fit(sessions: VolatileSessions, window: NDArray, rng: np.random.Generator) -> RateFit:
    n_agents, n_sessions, _ = sessions.choice.shape
    if not n_sessions:
        nothing = np.full((n_agents, 0, 2), np.nan)
        none = nothing.sum(1) * np.nan
        return RateFit(
            rate=none,
            inverse_temperature=none[:, 0],
            bic=none[:, 0],
            rate_by_session=nothing,
            inverse_temperature_by_session=nothing[..., 0],
        )
    outcomes = sessions.choice, sessions.reward
    fit = fit_model(_MODEL, *outcomes, window=window, rng=rng, n_starts=STARTS)
    by_session = spread_over_sessions(fit, *outcomes, window=window)
    predicted = fit.bic < 2 * np.log(2) * fit.n_trials  # BIC of a coin, which has no parameters
    rate, beta = fit.parameters["learning_rate"], fit.parameters["inverse_temperature"]
    return RateFit(
        rate=np.where(predicted[:, None], rate.reshape(n_agents, -1), np.nan),
        inverse_temperature=np.where(predicted, beta, np.nan),
        bic=np.where(predicted, fit.bic, np.nan),
        rate_by_session=by_session["learning_rate"].reshape(n_agents, n_sessions, -1),
        inverse_temperature_by_session=by_session["inverse_temperature"],
    )
