"""Spikes of one session of a spiking replay, neuron by neuron, as they were recorded."""

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.export.spikes import Spikes
from pfc_da.recording_schema import count_neurons

HOW_FIRED = (
    "Simulated spikes of leaky integrate-and-fire neurons in closed loop with the task. They have the weights of a "
    "trained rate network, {neurons} a unit; times are those of membranes advanced every millisecond."
)
RESOLUTION_S = 0.001
"""Membranes cross their threshold on a grid of this."""
COLUMNS = {
    "unit_of_network": "unit of the trained network whose weights the neuron has",
    "neuron_of_unit": "which of the neurons of that unit",
}


def read_spikes(recording: xr.Dataset, animal: int, episode: int) -> Spikes:
    """Spikes of one session of a spiking recording, open or in memory.

    Parameters
    ----------
    recording : xarray.Dataset
        Its spikes are sorted by animal, episode, unit, neuron and time.
    animal, episode : int
        As `spike_animal` and `spike_episode` name them.
    """
    whose, when = recording["spike_animal"].values, recording["spike_episode"].values  # kept once read
    first, last = np.searchsorted(whose, np.array([animal, animal + 1], whose.dtype))
    start, stop = first + np.searchsorted(when[first:last], np.array([episode, episode + 1], when.dtype))
    own = recording[["spike_unit", "spike_neuron", "spike_time"]].isel(spike=slice(start, stop)).load()
    per_unit = count_neurons(recording)
    neuron = own["spike_unit"].values.astype(int) * per_unit + own["spike_neuron"].values
    counts = np.bincount(neuron, minlength=recording.sizes["unit"] * per_unit)
    return Spikes(times=own["spike_time"].values, ends=counts.cumsum(), resolution_s=RESOLUTION_S)


def tabulate_neurons(units: pd.DataFrame, per_unit: int) -> pd.DataFrame:
    """One row a neuron from one row a unit; those of a unit follow one another.

    Parameters
    ----------
    units : DataFrame
        One row for each unit.
    per_unit : int
        Neurons of a unit.
    """
    neurons = units.loc[np.repeat(units.index, per_unit)].reset_index(drop=True)
    small = np.min_scalar_type(-per_unit)  # signed, one byte if that does
    return neurons.assign(
        unit_of_network=np.repeat(np.arange(len(units), dtype=np.int16), per_unit),
        neuron_of_unit=np.tile(np.arange(per_unit, dtype=small), len(units)),
    )
