"""Reward of a spiking replay relative to the rate network.

Share of the optimum = (x - chance) / (optimum - chance), where x is the regret of a session, which varies least between
problems, or the reward per trial where no observer's regret is known. Neurons and rate network have the same problems and
draws, so the difference of their shares is taken session by session. Where the recording holds the reward probability of
the chosen option, this is used instead of the reward: the mean is the same and the variance smaller.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.statistic import Statistic, summarise
from pfc_da.recording_schema import FROZEN, HIDDEN_RESET, RATE_PREFIX, RECURRENCE_CUT
from pfc_da.trials import per_trial

BY_NEURONS, BY_RATES = FROZEN, RATE_PREFIX + FROZEN
CONTROLS = (RECURRENCE_CUT, HIDDEN_RESET)
"""Neurons without synapses between them; neurons whose synapses forget at every trial."""
MAX_LOSS = 0.05
"""Largest loss of share of the optimum with which a network counts as converted; our choice."""
OPTIONS = (("p_object", "chosen_object"), ("p_reward", "choice"))
"""Labels of the reward probability of each option, and of the option chosen."""


def compute_expected_reward(recording: xr.Dataset) -> xr.DataArray:
    """Mean reward a trial of each session, (animal, condition, episode), expected given the choices where it is known."""
    for name, chosen in OPTIONS:
        if name in recording:
            p = per_trial(recording, name) if "step" in recording[name].dims else recording[name]
            option = "object" if "object" in p.dims else "action"
            taken = per_trial(recording, chosen) == xr.DataArray(np.arange(p.sizes[option]), dims=option)
            return (p * taken).sum(option).mean("trial")
    return recording["held_out_reward"].rename(held_out_episode="episode")


class Span(NamedTuple):
    """Chance and optimum of a share, in `measure`: ``reward`` per trial, or ``regret`` of a session."""

    measure: str
    chance: float
    optimum: float


def compute_shares(recording: xr.Dataset, span: Span) -> xr.DataArray:
    """Share of the optimum of each session, (condition, animal, episode).

    Parameters
    ----------
    recording : xarray.Dataset
    span : Span
        Chance and optimum of the task.

    Returns
    -------
    xarray.DataArray (condition, animal, episode)
        0 at chance, 1 at the optimum.
    """
    if span.measure == "regret":
        reached = recording["held_out_regret"].rename(held_out_episode="episode")
    else:
        reached = compute_expected_reward(recording)
    share = (reached - span.chance) / (span.optimum - span.chance)
    return share.transpose("condition", "animal", "episode")


def summarise_conversion(shares: xr.DataArray) -> list[Statistic]:
    """`share_of_optimum` under every condition, and `share_lost` by neurons to the rate network."""
    found = [
        summarise(
            "share_of_optimum", shares.sel(condition=name), labels={"condition": str(name)}, units="fraction"
        )
        for name in shares["condition"].values
    ]
    lost = shares.sel(condition=BY_RATES) - shares.sel(condition=BY_NEURONS)
    return [*found, summarise("share_lost", lost.values, units="fraction")]


def tabulate_conversion(shares: xr.DataArray) -> pd.DataFrame:
    """One row an animal: shares, the loss with its interval over sessions, and whether the network converts."""
    lost = (shares.sel(condition=BY_RATES) - shares.sel(condition=BY_NEURONS)).values  # (animal, episode)
    low, high = compute_mean_interval(lost.T)
    means = shares.mean("episode")
    controls = [name for name in CONTROLS if name in shares["condition"]]
    return pd.DataFrame(
        {
            "animal": shares["animal"].values,
            "rate": means.sel(condition=BY_RATES).values,
            "neurons": means.sel(condition=BY_NEURONS).values,
            "lost": lost.mean(1),
            "lost_low": low,
            "lost_high": high,
            **{name: means.sel(condition=name).values for name in controls},
            "converts": lost.mean(1) <= MAX_LOSS,
        }
    )
