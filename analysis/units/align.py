"""Values in time around an event of every trial: the activity of units, their spikes, or the traces of value and dopamine.

An event is the onset of a phase, or one of

``cue``      the onset of the first phase that is called cue, levers or go: the options appear;
``choice``   the end of the phase of the choice, at which the animal acts;
``outcome``  the onset of the phase after it. Phases follow one another without a gap, so this is the time of the choice.

Times are those of bins. Sessions are read one at a time, so that a recording may be larger than memory.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.errors import InputError, nearest, show
from pfc_da.recording import load
from pfc_da.recording_schema import get_bin_s, get_choice_phase, get_onset_bins, get_phases

CUES = ("cue", "levers", "go")
EVENTS = ("cue", "choice", "outcome")
"""Events that every paradigm has."""
SPIKES = "spikes"
TRACES = ("activity", "value_trace", "dopamine_trace")
WINDOW_S = (-0.5, 1.0)


def align(
    recording: xr.Dataset, event: str, window: tuple[float, float] = WINDOW_S, values: str = "activity"
) -> xr.DataArray:
    """Values of every trial around an event.

    Parameters
    ----------
    recording : xarray.Dataset
        Open or in memory.
    event : str
        A phase, "cue", "choice" or "outcome".
    window : (float, float)
        Begin and end in s from the event, rounded to bins.
    values : str
        "activity", "value_trace", "dopamine_trace", or "spikes", those of all neurons of a unit in each bin.

    Returns
    -------
    xarray.DataArray (animal, episode, trial, time, unit)
        Traces are without `unit`. `time` in s is the middle of a bin. Trials whose window leaves the session are NaN;
        `n_left_out` (animal, episode) counts them.

    Raises
    ------
    InputError
        For an event or values that the recording lacks, or an empty window.
    """
    event_bins, offsets = find_event_bins(recording, event), find_offsets(recording, window)
    inside = find_inside(recording, event_bins, offsets)
    per_unit = () if values.endswith("_trace") else (recording.sizes["unit"],)
    aligned = np.empty((*event_bins.shape, len(offsets), *per_unit), np.float32)
    for animal, episode, session in iterate_sessions(recording, values):
        aligned[animal, episode] = cut_windows(session, event_bins[animal, episode], offsets)
    attrs = {"units": "1"} if values == SPIKES else recording[values].attrs
    counted = {"units": "1", "long_name": "trials whose window leaves the session"}
    return xr.DataArray(
        aligned,
        dims=("animal", "episode", "trial", "time", "unit")[: aligned.ndim],
        coords={
            "time": label_time(recording, event, offsets),
            "n_left_out": (("animal", "episode"), (~inside).sum(-1), counted),
        },
        name=values,
        attrs=attrs,
    )


def find_event_bins(recording: xr.Dataset, event: str) -> NDArray[np.int64]:
    """Bin at whose begin an event happens, (animal, recorded_episode, trial); the number of bins for the end of the session.

    Raises
    ------
    InputError
        If the recording has no such event.
    """
    phases, onset = get_phases(recording), get_onset_bins(recording)
    if event in ("choice", "outcome"):
        phase = get_choice_phase(recording)
        last = np.full((*onset.shape[:2], 1), recording.sizes["bin"])
        onset = np.concatenate([onset[..., 1:], last], -1)
    else:
        phase = next((name for name in phases if name in CUES), event) if event == "cue" else event
    if phase not in phases:
        names = list(dict.fromkeys((*phases, *EVENTS)))
        raise InputError(
            f"no event {show(event)} in a trial.{nearest(event, names)} There are: {', '.join(names)}."
        )
    return onset[..., np.flatnonzero(recording["phase"].values == phase)]


def find_offsets(recording: xr.Dataset, window: tuple[float, float]) -> NDArray[np.int64]:
    """Bins of a window, counted from the one that begins at the event."""
    bin_s = get_bin_s(recording)
    longest = recording.sizes["bin"] + 1  # no session holds a window that reaches so far
    try:
        first, last = (float(end) / bin_s for end in window)
    except (TypeError, ValueError):
        first = last = np.nan
    finite = np.isfinite([first, last]).all()
    ends = np.clip([first, last], -longest, longest) if finite else [0, 0]
    offsets = np.arange(*np.rint(ends).astype(int))
    if not len(offsets):
        raise InputError(
            f"window must be (first, last) in s, at least a bin of {bin_s:g} s apart, got {show(window)}."
        )
    return offsets


def find_inside(recording: xr.Dataset, event_bins: NDArray, offsets: NDArray) -> NDArray[np.bool_]:
    """True for trials whose window lies within the session, of the shape of `event_bins`."""
    return (event_bins + offsets[0] >= 0) & (event_bins + offsets[-1] < recording.sizes["bin"])


def cut_windows(session: NDArray, event_bins: NDArray, offsets: NDArray) -> NDArray:
    """Windows of one session.

    Parameters
    ----------
    session : (bin, ...)
    event_bins : (trial,) int
    offsets : (time,) int
        In bins from the event.

    Returns
    -------
    (trial, time, ...)
        NaN for a window that leaves the session.
    """
    bins = event_bins[:, None] + offsets
    inside = (bins >= 0) & (bins < len(session))
    cut = session[np.where(inside, bins, 0)].astype(np.float32)
    cut[~inside.all(1)] = np.nan
    return cut


def iterate_sessions(
    recording: xr.Dataset, values: str = "activity"
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Animal, place along `recorded_episode`, and values (bin, unit) or (bin,) of every session, read one at a time.

    Raises
    ------
    InputError
        If the recording has no such values.
    """
    has = [name for name in TRACES if name in recording] + [SPIKES] * ("spike_time" in recording)
    if values not in has:
        raise InputError(
            f"the recording has no {show(values)} in time, only {', '.join(has)}.{nearest(values, has)}"
        )
    read = _count_spikes if values == SPIKES else _read_session
    for animal in range(recording.sizes["animal"]):
        for episode in range(recording.sizes["recorded_episode"]):
            yield animal, episode, read(recording, values, animal, episode)


def label_time(recording: xr.Dataset, event: str, offsets: NDArray) -> tuple[str, NDArray, dict[str, str]]:
    """Coordinate `time`: middles of bins, in s from the event."""
    named = {"units": "s", "long_name": f"time from {event}"}
    return "time", np.round((offsets + 0.5) * get_bin_s(recording), 6), named


def _read_session(recording: xr.Dataset, values: str, animal: int, episode: int) -> NDArray:
    own = load(recording[[values]].isel(animal=animal, recorded_episode=episode))[values]
    return own.transpose("bin", ...).values


def _count_spikes(recording: xr.Dataset, values: str, animal: int, episode: int) -> NDArray:
    """Spikes (bin, unit) of one session."""
    of_animal = recording["spike_animal"].values == recording["animal"].values[animal]
    of_session = of_animal & (
        recording["spike_episode"].values == recording["recorded_episode"].values[episode]
    )
    own = load(recording[["spike_time", "spike_unit"]].isel(spike=np.flatnonzero(of_session)))
    shape = recording.sizes["bin"], recording.sizes["unit"]
    bins = np.floor(own["spike_time"].values / get_bin_s(recording) + 1e-6).astype(int)
    flat = np.minimum(bins, shape[0] - 1) * shape[1] + own["spike_unit"].values
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
