"""Cells around an event of each trial, recorded or simulated, and when each was observed.

Spike times are relative to the event, as windows are. A trial counts for a cell if the whole window was observed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.cells.firing import count_spikes
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.summary import HALF_LIFE

REACH_S = 2.0  # kept before and after the event
TICK_S = 1e-6  # times are no finer than a clock of 1 MHz

Window = tuple[float, float]
"""Begin and end in s after the event."""


@dataclass(frozen=True, kw_only=True)
class CellSession:
    """Cells of one session.

    Attributes
    ----------
    animal, session : str
    names : (unit,) tuple of str
    trains : by unit, by trial
        Spike times after the event in s, sorted; those within `REACH_S`, maybe more.
    seen_before, seen_after : (trial, unit)
        For how long before and after the event the cell was observed, in s; -inf where not at all.
    regressors : mapping of (trial,)
        What cells could fire for (`regressors.compute_regressors`); empty where it is not known.
    unlike : str
        Why what the cells code cannot be compared with simulated cells; "" if it can.
    """

    animal: str
    session: str
    names: tuple[str, ...]
    trains: tuple[tuple[NDArray, ...], ...]
    seen_before: NDArray
    seen_after: NDArray
    regressors: Mapping[str, NDArray]
    unlike: str = ""

    def is_seen(self, window: Window) -> NDArray:
        """True where the whole window was observed, (trial, unit)."""
        return (self.seen_before >= -window[0] - TICK_S) & (self.seen_after >= window[1] - TICK_S)

    def select(self, unit: int, window: Window) -> list[NDArray]:
        """Trains of a cell on the trials on which the whole window was observed.

        Parameters
        ----------
        unit : int
        window : (begin, end)
            In s after the event.

        Returns
        -------
        list of arrays
            Spike times in s after the event.
        """
        seen = self.is_seen(window)[:, unit]
        return [train for train, there in zip(self.trains[unit], seen, strict=True) if there]

    def count(self, window: Window) -> NDArray:
        """Spikes in the window, (trial, unit); NaN where not all of it was observed."""
        counts = [count_spikes(trains, window[0], window[1] - window[0])[:, 0] for trains in self.trains]
        return np.where(self.is_seen(window), np.stack(counts, axis=1), np.nan)


def cut_around(times: NDArray, event: NDArray) -> tuple[NDArray, ...]:
    """Spike times within `REACH_S` of each event, relative to it.

    Parameters
    ----------
    times : (spike,)
        In s, sorted.
    event : (trial,)
        In s; nothing is kept around an event that is NaN.

    Returns
    -------
    (trial,) tuple of arrays
        In s, in whole `TICK_S`: 2.4 - 2.1 is a little less than .3, and a spike on the edge of a window would be counted
        after one event and not after another.
    """
    starts, ends = np.searchsorted(times, event - REACH_S), np.searchsorted(times, event + REACH_S)
    return tuple(to_ticks(times[start:end] - at) for start, end, at in zip(starts, ends, event, strict=True))


def to_ticks(times: NDArray) -> NDArray:
    """Times in s as the nearest whole number of `TICK_S`."""
    return np.round(times, 6)


def measure_observation(intervals: NDArray, event: NDArray) -> tuple[NDArray, NDArray]:
    """Time before and after each event (trial,) for which a cell was observed, in s; -inf where it was not.

    Parameters
    ----------
    intervals : (interval, 2)
        Begin and end of what was observed, sorted, in s.
    event : (trial,)
        In s.

    Returns
    -------
    before, after : (trial,)
        In s.
    """
    bounds = np.concatenate([[[-np.inf, -np.inf]], intervals])  # so that there is always one before
    begin, end = bounds[np.searchsorted(bounds[:, 0], event, side="right") - 1].T
    inside = np.isfinite(begin) & (event <= end)
    return np.where(inside, event - begin, -np.inf), np.where(inside, end - event, -np.inf)


def find_regressors(choice: NDArray, reward: NDArray) -> Mapping[str, NDArray]:
    """Regressors of one session (`regressors.compute_regressors`).

    Parameters
    ----------
    choice : (trial,) int
        0 or 1; -1 where missing.
    reward : (trial,)

    Returns
    -------
    mapping of (trial,)
    """
    value = compute_object_value(choice[None], reward[None], HALF_LIFE)
    return {name: row[0] for name, row in compute_regressors(choice[None], reward[None], value).items()}
