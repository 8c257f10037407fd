"""Recording of sessions: an `xarray.Dataset` of the choices of animals and the activity of their units. No torch here.

Dimensions are singular: animal, condition, episode, step, bin, unit, action, recorded_episode, and those of the task
(object). A step is one phase of one trial, with its onset and duration in s; a bin is one update of the network.
Every variable has `units` and `long_name`. Attributes of the dataset are strings and numbers; the configuration is one JSON
string. `activity` and the traces of value and dopamine are kept in time, for the first episodes of the condition `frozen`
only, along `recorded_episode`. Accessors of conditions, phases and units are in `pfc_da.recording_schema`.
"""

import contextlib
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from pfc_da.errors import InputError, damaged
from pfc_da.settings import name_kind
from pfc_da.storage.files import require_file, reserve

SCHEMA_VERSION = 2
CHUNK_BYTES = 1 << 16
"""Largest size of a compressed chunk, in bytes."""
PIECE_BYTES = 1 << 23
"""Largest part of a variable that is read or written at once, in bytes."""
MARGIN = 1 << 20
"""Bytes reserved for the metadata that HDF5 writes with a piece."""

DESCRIPTIONS = {
    "choice": ("1", "index of the chosen action, -1 on steps without a choice"),
    "reward": ("rewards", "reward earned on the step"),
    "value": ("rewards", "value read out by the critic"),
    "rpe": ("rewards", "reward-prediction error the agent computed, without the injected error"),
    "held_out_reward": ("rewards per trial", "mean reward of each held-out session"),
    "held_out_regret": ("rewards", "expected reward lost in each held-out session, the sum over its trials"),
    "dopamine_injected": ("rewards", "added by the experimenter to the reward-prediction error"),
    "policy": ("1", "probability of each action, nan on steps without a choice"),
    "trial": ("1", "trial of the step within its session, from 0"),
    "phase": ("1", "phase of the trial"),
    "onset": ("s", "time since the session began at which the step begins"),
    "duration": ("s", "duration of the step"),
    "time": ("s", "time since the session began at which the bin begins"),
    "value_trace": ("rewards", "value read out by the critic at the end of the bin"),
    "policy_trace": ("1", "probability of each action, were it chosen at the end of the bin"),
    "dopamine_trace": (
        "rewards",
        "reward-prediction error of the bin, of reward at its begin and value at its end, with what is injected then",
    ),
    "tau": ("s", "synaptic time constant of the unit"),
    "is_excitatory": ("1", "whether the unit is excitatory"),
    "is_critic": ("1", "whether the unit belongs to a separate critic"),
    "animal": ("1", "index of the animal"),
    "condition": ("1", "experimental condition"),
    "recorded_episode": ("1", "episodes whose unit activity is kept"),
    "dopamine_delivered": (
        "rewards",
        "reward-prediction error of a choice as delivered to the network, nan at steps without a choice",
    ),
    "dopamine_rate": ("Hz", "rate of the dopamine cells of the circuit in the bin, nan without a circuit"),
    "unit_rate": ("Hz", "mean firing rate of the unit over the recorded episodes"),
    "stimulated": ("1", "fraction of the neurons of the unit that receive the current"),
    "spike_animal": ("1", "animal of the spike"),
    "spike_episode": ("1", "episode of the spike, one of recorded_episode"),
    "spike_unit": ("1", "unit of the spike"),
    "spike_neuron": ("1", "neuron of the spike among those of its unit"),
    "spike_time": ("s", "time of the spike since its session began"),
    "membrane": ("1", "membrane potential, 0 at rest and 1 at threshold, of the first recorded episode"),
    "traced_unit": ("1", "unit whose first neuron's membrane is kept"),
    "sample_time": ("s", "time of the membrane sample since the session began"),
}


def describe(dataset: xr.Dataset, extra: Mapping[str, tuple[str, str]], activity_units: str) -> xr.Dataset:
    """Set `units` and `long_name` of every variable and coordinate.

    Parameters
    ----------
    dataset : xarray.Dataset
        Changed in place.
    extra : mapping of str to (str, str)
        Units and long name of the variables of the task.
    activity_units : str
        Units of the variable `activity`.

    Returns
    -------
    xarray.Dataset
        The same dataset.

    Raises
    ------
    KeyError
        For a variable without a description.
    """
    described = {
        **DESCRIPTIONS,
        **extra,
        "activity": (activity_units, "activity of each unit during the bin"),
    }
    for name in dataset.variables:
        dataset[name].attrs["units"], dataset[name].attrs["long_name"] = described[str(name)]
    return dataset


def set_provenance(dataset: xr.Dataset, *, config: Mapping[str, Any], choice_phase: str) -> xr.Dataset:
    """Store the configuration, and the phase that holds the choice of a trial.

    Parameters
    ----------
    dataset : xarray.Dataset
        Its attributes are changed in place.
    config : mapping
        Settings of the run, by group.
    choice_phase : str
        Phase of the step with the choice.

    Returns
    -------
    xarray.Dataset
        The same dataset.
    """
    dataset.attrs |= {
        "schema_version": SCHEMA_VERSION,
        "paradigm": config["paradigm"],
        "network": name_kind(config["network"]["kind"]),
        "rule": name_kind(config["rule"]["kind"]),
        "seed": config["seed"],
        "choice_phase": choice_phase,
        "config": json.dumps(config),
    }
    return dataset


class RecordingFile:
    """Recording that is written piece by piece, so that it may be larger than memory; netCDF4, lightly compressed.

    Space on the disk is reserved before every piece (`pfc_da.storage.files.reserve`). Leaving the context closes the file.

    Parameters
    ----------
    path : Path
        File to write.
    whole : xarray.Dataset
        Written at once: all coordinates and attributes, and variables that are not numeric.
    sizes : mapping of str to int
        Sizes of the dimensions; a dimension that is not given has its size in the first piece.
    """

    def __init__(self, path: Path, whole: xr.Dataset, sizes: Mapping[str, int]) -> None:
        import h5netcdf

        self._path, self._sizes = path, {**sizes, **{str(name): n for name, n in whole.sizes.items()}}
        content = whole.to_netcdf(engine="h5netcdf")  # in memory
        path.write_bytes(content)
        reserve(path, len(content) + MARGIN)
        self._file = h5netcdf.File(path, "r+")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import h5py

        self._file.close()
        h5py.File(self._path, "r+").close()  # HDF5 removes the unused reserved space

    def write(self, piece: xr.Dataset, **at: int) -> None:
        """Write numeric variables.

        Parameters
        ----------
        piece : xarray.Dataset
        **at : int
            Index at which the piece begins along a dimension, by name; 0 if not given.
        """
        for name, values in piece.data_vars.items():
            if not values.size:
                continue
            self._file.flush()
            reserve(self._path, self._get_size() + 2 * values.nbytes + MARGIN)
            if name not in self._file.variables:
                self._create(str(name), values)
            region = [at.get(str(dim), 0) for dim in values.dims]
            self._file[name][tuple(map(slice, region, np.add(region, values.shape)))] = values.values

    def _create(self, name: str, values: xr.DataArray) -> None:
        for dim, n in values.sizes.items():
            if dim not in self._file.dimensions:
                self._file.dimensions[dim] = self._sizes.get(str(dim), n)
        shape = [self._file.dimensions[dim].size for dim in values.dims]
        missing = values.dtype.type(np.nan) if values.dtype.kind == "f" else None
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if len(shape) > 1 else {}
        chunks = _choose_chunks(shape, values.dtype.itemsize)
        made = self._file.create_variable(
            name, values.dims, values.dtype, fillvalue=missing, chunks=chunks, **packed
        )
        made.attrs.update(values.attrs)

    def _get_size(self) -> int:
        """Size of the file in bytes without the reserved space."""
        size: int = self._file._h5file.id.get_filesize()
        return size


def _choose_chunks(shape: Sequence[int], itemsize: int, size: int = CHUNK_BYTES) -> tuple[int, ...]:
    """Chunks of at most `size` bytes that hold whole trailing dimensions."""
    chunks, room = [], max(size // itemsize, 1)
    for n in reversed(shape):
        chunks.append(max(min(n, room), 1))
        room = max(room // chunks[-1], 1)
    return tuple(reversed(chunks))


def iterate_pieces(dataset: xr.Dataset) -> Iterator[tuple[xr.Dataset, dict[str, int]]]:
    """Numeric variables in pieces of at most `PIECE_BYTES`, each with its first indices (`RecordingFile.write`)."""
    for name in list_numbers(dataset):
        values = dataset[name].variable
        steps = _choose_chunks(values.shape, values.dtype.itemsize, PIECE_BYTES)
        ranges = (range(0, n, step) for n, step in zip(values.shape, steps, strict=True))
        for begin in itertools.product(*ranges):
            at = dict(zip(map(str, values.dims), begin, strict=True))
            cut = {dim: slice(at[dim], at[dim] + step) for dim, step in zip(at, steps, strict=True)}
            yield dataset[[name]].isel(cut), at


def list_numbers(dataset: xr.Dataset) -> list[str]:
    """Names of the numeric variables, which are written in pieces."""
    return [str(name) for name, values in dataset.data_vars.items() if values.dtype.kind in "fiu"]


def write_recording(dataset: xr.Dataset, path: Path) -> None:
    """Write a recording as netCDF4, lightly compressed.

    Parameters
    ----------
    dataset : xarray.Dataset
        In memory, or open.
    path : Path
        File to write.
    """
    sizes = {str(name): n for name, n in dataset.sizes.items()}
    with RecordingFile(path, dataset.drop_vars(list_numbers(dataset)), sizes) as file:
        for piece, at in iterate_pieces(dataset):
            file.write(load(piece), **at)


def join_recordings(parts: Sequence[Path], path: Path, shared: Collection[str]) -> None:
    """Join recordings of one animal each into one file, piece by piece.

    Parameters
    ----------
    parts : sequence of Path
        Files of one animal each, without the dimension `animal`.
    path : Path
        File to write.
    shared : collection of str
        Variables that are the same for all animals; those of the first are kept.
    """
    with open_recording(parts[0]) as first:
        labels = load(first.drop_vars(list_numbers(first)))
    named = {"units": "1", "long_name": "index of the animal"}
    labels = labels.assign_coords(animal=("animal", np.arange(len(parts)), named))
    with RecordingFile(path, labels, {}) as file:
        for animal, part in enumerate(parts):
            with open_recording(part) as own:
                for piece, at in iterate_pieces(own.drop_vars(shared) if animal else own):
                    joined = load(piece)
                    if not joined.keys() & set(shared):
                        joined = joined.expand_dims("animal")
                    file.write(joined, animal=animal, **at)


def open_recording(path: str | Path) -> xr.Dataset:
    """Open a recording without reading its arrays, for a recording larger than memory. Close it, or use it in a `with`
    statement.

    Raises
    ------
    InputError
        If the file is missing, damaged or not a recording; it is left unchanged.
    """
    path = Path(path)
    with _reporting_damage(path):
        require_file(path)
        dataset = xr.open_dataset(path, engine="h5netcdf")
    missing = [name for name in ("choice", "reward", "trial", "phase") if name not in dataset.variables]
    if dataset.attrs.get("schema_version") != SCHEMA_VERSION or missing:
        dataset.close()
        reason = f"it lacks {missing[0]!r}" if missing else f"its schema_version is not {SCHEMA_VERSION}"
        raise damaged(path, reason)
    return dataset


def load(part: xr.Dataset) -> xr.Dataset:
    """Read a part of an open recording into memory; errors as in `open_recording`."""
    with _reporting_damage(Path(part.encoding.get("source", "the recording"))):
        return part.load()


def read_recording(path: str | Path) -> xr.Dataset:
    """Open a recording, loaded into memory; errors as in `open_recording`."""
    with open_recording(path) as dataset:
        return load(dataset)


@contextlib.contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"no recording {path}. Name the recording.nc of a run that has been replayed."
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise damaged(path, f"it cannot be read as netCDF4 ({' '.join(str(error).split())})") from error
