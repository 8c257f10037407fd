"""Reaction times: when the policy read out of a network crosses a bound between the cue and the end of the choice phase.

A network acts at the end of the choice phase, whenever its policy was settled. The time of its decision is the end of the
first bin in which the probability of the action taken is at least `BOUND` and stays so until the choice. It is measured from
the cue, the onset of the first phase in which the options are seen, and is missing where the policy never stays above the
bound.
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.statistic import OVER_ANIMALS, POSITIVE, SHARE, Statistic, summarise
from pfc_da.recording_schema import FROZEN, get_bin_s, get_onset_bins, is_choice_step

BOUND = 0.75
"""Probability of the action at which it counts as decided; a declared choice."""
WIDTH_S, LONGEST_S = 0.05, 1.4
"""About the width of the bins of the distribution, whole bins of the recording, and where it ends."""


def find_reaction_times(recording: xr.Dataset, cue: str) -> NDArray:
    """Reaction time of every trial, (animal, recorded_episode, trial), in s from the onset of phase `cue`; NaN if none.

    Parameters
    ----------
    recording : xarray.Dataset
        With `policy_trace`.
    cue : str
        Phase in which the options appear.

    Returns
    -------
    ndarray (animal, recorded_episode, trial)
    """
    onset, bin_s = get_onset_bins(recording), get_bin_s(recording)
    at_choice = np.flatnonzero(is_choice_step(recording))
    first = onset[..., recording["phase"].values == cue]
    n_bins = recording.sizes["bin"]
    ends = np.concatenate([onset, np.full_like(onset[..., :1], n_bins)], -1)[..., at_choice + 1]
    own = recording["choice"].sel(condition=FROZEN).isel(episode=recording["recorded_episode"].values)
    choice = own.transpose("animal", "episode", "step").values[..., at_choice]
    policy = recording["policy_trace"].transpose("animal", "recorded_episode", "bin", "action").values
    times = np.full(choice.shape, np.nan)
    for place in np.ndindex(choice.shape):
        taken = policy[place[:2]][first[place] : ends[place], choice[place]]
        undecided = np.flatnonzero(taken < BOUND)
        decided = undecided[-1] + 1 if len(undecided) else 0
        if decided < len(taken):
            times[place] = (decided + 1) * bin_s
    return times


def summarise_reaction_times(times: NDArray) -> list[Statistic]:
    """Median reaction time, and the fraction of trials that have one.

    Parameters
    ----------
    times : (animal, episode, trial)
        From `find_reaction_times`, in s.
    """
    decided = np.isfinite(times)
    medians = [
        np.median(own[known]) if known.any() else np.nan for own, known in zip(times, decided, strict=True)
    ]
    return [
        summarise("reaction_time", medians, units="s", within=POSITIVE),
        summarise("fraction_decided", decided.mean((1, 2)), units="fraction", within=SHARE),
    ]


def tabulate_reaction_times(times: NDArray, bin_s: float) -> pd.DataFrame:
    """Distribution of reaction times: share of all trials in bins of about `WIDTH_S`, with its interval over animals.

    Parameters
    ----------
    times : (animal, episode, trial)
        In s, whole bins of the recording.
    bin_s : float
        Duration of these in s.

    Returns
    -------
    DataFrame
        time (middle of the bin, in s), mean, low, high, interval, n, n_of.
    """
    width = bin_s * max(round(WIDTH_S / bin_s), 1)
    edges = bin_s / 2 + width * np.arange(round(LONGEST_S / width) + 1)  # between the times there can be
    counts = np.stack([np.histogram(own[np.isfinite(own)], edges)[0] / own.size for own in times])
    low, high = np.clip(compute_mean_interval(counts), *SHARE)
    columns = {"time": (edges[:-1] + edges[1:]) / 2, "mean": counts.mean(0), "low": low, "high": high}
    return pd.DataFrame({**columns, "interval": OVER_ANIMALS, "n": len(times), "n_of": "animals"})
