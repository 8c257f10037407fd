"""Names and accessors of a recording: its conditions, its phases, its bins, what kind of units it has.

`pfc_da.recording` writes and reads the file, `pfc_da.trials` gives a variable trial by trial. Every other reader of a
recording asks the functions here instead of parsing names of conditions or attributes. No torch here.
"""

import json

import numpy as np
import xarray as xr
from numpy.typing import NDArray

FROZEN, HIDDEN_RESET, UNTRAINED = "frozen", "hidden_reset", "untrained"
"""Conditions: trained weights, held fixed; the same with the hidden state reset at every trial; initial weights."""
RECURRENCE_CUT, CLAMPED = "recurrence_cut", "dopamine_clamped"
"""Conditions: units receive the constant mean of each other's activity; weights trained with dopamine clamped to 0."""
STIMULATED = "stimulated"
"""Condition of the spiking replay alone: current into some of the neurons."""
RATE_PREFIX = "rate_"
"""Begins the name of a condition that the spiking replay ran with the rate network."""
ARITHMETIC_PREFIX = "arithmetic_"
"""Begins the name of a condition that the circuit replay ran with the computed error instead of the circuit."""


def get_condition_names(recording: xr.Dataset) -> list[str]:
    """Names along `condition`, in their order."""
    return [str(name) for name in recording["condition"].values]


def get_phases(recording: xr.Dataset) -> tuple[str, ...]:
    """Phases of a trial in their order, each once, however many steps it lasts.

    Examples
    --------
    >>> steps = xr.Dataset(coords={"phase": ("step", ["cue", "cue", "choice", "cue", "cue", "choice"])})
    >>> get_phases(steps)
    ('cue', 'choice')
    """
    return tuple(dict.fromkeys(map(str, recording["phase"].values)))


def get_choice_phase(recording: xr.Dataset) -> str:
    """Phase whose step holds the choice and the reward of the trial."""
    return str(recording.attrs["choice_phase"])


def is_choice_step(recording: xr.Dataset) -> NDArray[np.bool_]:
    """True at steps with a choice, dimension (step,)."""
    return np.asarray(recording["phase"].values == recording.attrs["choice_phase"])


def get_bin_s(recording: xr.Dataset) -> float:
    """Duration of a bin in s."""
    return float(recording["time"][1] - recording["time"][0])


def get_onset_bins(recording: xr.Dataset) -> NDArray[np.int64]:
    """Bin in which each step of a recorded session begins, (animal, recorded_episode, step)."""
    own = recording["onset"].sel(condition=FROZEN).isel(episode=recording["recorded_episode"].values)
    onset = own.transpose("animal", "episode", "step").values
    return np.asarray(np.rint(onset / get_bin_s(recording)), dtype=np.int64)


def is_baited(recording: xr.Dataset) -> bool:
    """True if a reward of the task stays available until it is collected."""
    return "p_object" in recording


def has_spikes(recording: xr.Dataset) -> bool:
    """True if the recording is of spiking neurons."""
    return "spike_time" in recording


def has_rates(recording: xr.Dataset) -> bool:
    """True if activity is a firing rate in Hz; that of an LSTM is not."""
    return str(recording["activity"].attrs["units"]) == "Hz"


def count_neurons(recording: xr.Dataset) -> int:
    """Spiking neurons per unit; 0 for a recording of a rate network."""
    return int(recording.attrs.get("neurons_per_unit", 0))


def is_quick(recording: xr.Dataset) -> bool:
    """Whether the recording is from a quick run, whose numbers have no verdicts."""
    return bool(json.loads(recording.attrs.get("config", "{}")).get("quick"))


def get_seed(recording: xr.Dataset) -> int:
    """Seed of the run that the recording is from."""
    return int(recording.attrs["seed"])
