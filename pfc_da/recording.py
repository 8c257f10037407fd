"""The recording: an `xarray.Dataset` of what frozen animals did and what their units did. No torch here.

Dimensions are singular: animal, condition, episode, step, unit, action, recorded_episode, and what a task adds (object).
Every variable has `units` and `long_name`; dataset attributes are strings and numbers, the configuration one JSON string.
`activity` is kept for the first episodes of the condition `frozen` only, along `recorded_episode`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from pfc_da.errors import InputError, damaged

SCHEMA_VERSION = 1

DESCRIPTIONS = {
    "choice": ("1", "index of the chosen action, -1 on steps without a choice"),
    "reward": ("rewards", "reward earned on the step"),
    "value": ("rewards", "value read out by the critic"),
    "rpe": ("rewards", "reward-prediction error the agent computed, without what was injected"),
    "dopamine_injected": ("rewards", "what the experimenter added to the reward-prediction error"),
    "policy": ("1", "probability of each action, nan on steps without a choice"),
    "trial": ("1", "trial of the step within its session, from 0"),
    "phase": ("1", "phase of the trial"),
    "time_in_trial": ("s", "time of the end of the step within its trial"),
    "tau": ("s", "synaptic time constant of the unit"),
    "is_excitatory": ("1", "whether the unit is excitatory"),
    "is_critic": ("1", "whether the unit belongs to a critic of its own"),
    "animal": ("1", "index of the animal"),
    "condition": ("1", "what was done to the animal"),
    "recorded_episode": ("1", "episodes whose unit activity is kept"),
    "dopamine_told": (
        "rewards",
        "reward-prediction error the network was told, nan for one that comes too late",
    ),
    "dopamine_rate": ("Hz", "rate of the circuit's dopamine cells at it, nan without a circuit"),
    "unit_rate": ("Hz", "mean firing rate of the unit over all sessions"),
    "stimulated": ("1", "share of the unit's neurons that current is injected into"),
    "spike_animal": ("1", "animal of the spike"),
    "spike_episode": ("1", "episode of the spike, one of recorded_episode"),
    "spike_unit": ("1", "unit of the spike"),
    "spike_neuron": ("1", "neuron of the spike among those of its unit"),
    "spike_time": ("s", "time of the spike since its session began"),
    "spike_count": ("1", "spikes of all neurons of the unit during the step"),
    "membrane": ("1", "membrane potential, 0 at rest and 1 at threshold, of the first recorded episode"),
    "traced_unit": ("1", "unit whose first neuron's membrane is kept"),
    "sample_time": ("s", "time of the membrane sample since the session began"),
}


def describe(dataset: xr.Dataset, extra: Mapping[str, tuple[str, str]], activity_units: str) -> xr.Dataset:
    """Give every variable and coordinate its `units` and `long_name`; raise KeyError for one without."""
    described = {
        **DESCRIPTIONS,
        **extra,
        "activity": (activity_units, "activity of each unit during the step"),
    }
    for name in dataset.variables:
        dataset[name].attrs["units"], dataset[name].attrs["long_name"] = described[str(name)]
    return dataset


def set_provenance(dataset: xr.Dataset, *, config: Mapping[str, Any], choice_phase: str) -> xr.Dataset:
    """Store the configuration and what a reader needs to find trials."""
    dataset.attrs |= {
        "schema_version": SCHEMA_VERSION,
        "paradigm": config["paradigm"],
        "network": config["network"]["kind"],
        "rule": config["rule"]["kind"],
        "seed": config["seed"],
        "choice_phase": choice_phase,
        "config": json.dumps(config),
    }
    return dataset


def write_recording(dataset: xr.Dataset, path: Path) -> None:
    """Write as netCDF4, lightly compressed."""
    packed = {
        name: {"zlib": True, "complevel": 1, "shuffle": True}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "fiu" and variable.ndim > 1
    }
    dataset.to_netcdf(path, engine="h5netcdf", encoding=packed)


def open_recording(path: str | Path) -> xr.Dataset:
    """Open a recording without reading its numbers, for one larger than memory; close it, or use it with `with`.

    Raises
    ------
    InputError
        If the file is missing, damaged or not a recording; it is left as it is.
    """
    path = Path(path)
    with _telling_damage(path):
        dataset = xr.open_dataset(path, engine="h5netcdf")
    missing = [name for name in ("choice", "reward", "trial", "phase") if name not in dataset.variables]
    if dataset.attrs.get("schema_version") != SCHEMA_VERSION or missing:
        dataset.close()
        reason = f"it lacks {missing[0]!r}" if missing else f"its schema_version is not {SCHEMA_VERSION}"
        raise damaged(path, reason)
    return dataset


def load(part: xr.Dataset) -> xr.Dataset:
    """Read a part of an open recording into memory; errors as in `open_recording`."""
    with _telling_damage(Path(part.encoding.get("source", "the recording"))):
        return part.load()


def read_recording(path: str | Path) -> xr.Dataset:
    """Open a recording, loaded into memory; errors as in `open_recording`."""
    with open_recording(path) as dataset:
        return load(dataset)


@contextlib.contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"no recording {path}. Name the recording.nc of a run that has been replayed."
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise damaged(path, f"it cannot be read as netCDF4 ({' '.join(str(error).split())})") from error
