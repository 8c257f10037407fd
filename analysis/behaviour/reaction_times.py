"""Reaction times: when the policy read out of a network crosses a bound between the cue and the end of the choice phase.

A network acts at the end of the choice phase, whenever its policy was settled. The time of its decision is the end of the
first bin in which the probability of the action taken is at least `BOUND` and stays so until the choice. It is measured from
the cue, the onset of the first phase in which the options are seen, and is missing where the policy never stays above the
bound.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.statistic import POSITIVE, SHARE, Statistic, summarise
from pfc_da.recording_schema import FROZEN, get_bin_s, get_onset_bins, is_choice_step

BOUND = 0.75
"""Probability of the action at which it counts as decided; a declared choice."""
EDGES_S = np.arange(0, 1.45, 0.05)
"""Bins of the distribution, in s."""


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


def tabulate_reaction_times(times: NDArray) -> pd.DataFrame:
    """Distribution of reaction times: share of all trials in each bin of `EDGES_S`, with its interval over animals.

    Parameters
    ----------
    times : (animal, episode, trial)
        In s.

    Returns
    -------
    DataFrame
        time (middle of the bin, in s), mean, low, high, interval, n, n_of.
    """
    counts = np.stack([np.histogram(own[np.isfinite(own)], EDGES_S)[0] / own.size for own in times])
    rows: Sequence[Statistic] = [
        summarise("share", counts[:, place], units="fraction", within=SHARE)
        for place in range(counts.shape[1])
    ]
    columns = {
        "time": (EDGES_S[:-1] + EDGES_S[1:]) / 2,
        "mean": [row.estimate for row in rows],
        **{name: [getattr(row, name) for row in rows] for name in ("low", "high", "interval", "n", "n_of")},
    }
    return pd.DataFrame(columns)
