"""The tables of the panels of a spiking replay: shares of the optimum, spikes of a session, membranes."""

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.cells.conversion import CONTROLS
from pfc_da.analysis.cells.neurons import find_times

SHOWN_S, MEMBRANES_S = 12.0, 3.0
"""Part of the first session that is drawn."""


def tabulate_shares(conversion: pd.DataFrame) -> pd.DataFrame:
    """Share of the optimum of every animal by condition: columns condition, animal, share.

    Parameters
    ----------
    conversion : DataFrame
        Of `pfc_da.analysis.cells.conversion.tabulate_conversion`.
    """
    names = ["rate", "neurons", *(name for name in CONTROLS if name in conversion)]
    return conversion.melt("animal", names, "condition", "share")[["condition", "animal", "share"]]


def tabulate_raster(recording: xr.Dataset) -> pd.DataFrame:
    """Spikes of the first session of the first animal, the first neuron of each unit.

    Returns
    -------
    DataFrame
        row (excitatory neurons first, within each kind those that fire earlier in a trial first), is_excitatory, time
        (s), trial_start (begin of its trial, s).
    """
    first = recording["spike_animal"].values == recording["animal"].values[0]
    first &= (recording["spike_episode"].values == 0) & (recording["spike_neuron"].values == 0)
    unit, time = recording["spike_unit"].values[first].astype(int), recording["spike_time"].values[first]
    steps = find_times(recording, 0)[0].steps
    edges = steps[[*np.unique(recording["trial"].values, return_index=True)[1], -1]]
    trial = np.searchsorted(edges[1:-1], time, side="right")
    angle = 2 * np.pi * (time - edges[trial]) / np.diff(edges)[trial]
    n_units = recording.sizes["unit"]
    east, north = (np.bincount(unit, weights, n_units) for weights in (np.cos(angle), np.sin(angle)))
    phase = np.arctan2(north, east) % (2 * np.pi)
    excitatory = recording["is_excitatory"].values.astype(bool)
    row = np.empty(n_units, dtype=int)
    row[np.lexsort((phase, ~excitatory))] = np.arange(n_units)
    shown = time < SHOWN_S
    unit, time, start = unit[shown], time[shown], edges[trial[shown]]
    columns = {"row": row[unit], "is_excitatory": excitatory[unit], "time": time, "trial_start": start}
    return pd.DataFrame(columns).sort_values(["row", "time"], ignore_index=True)


def tabulate_membranes(recording: xr.Dataset) -> pd.DataFrame:
    """Potentials of the traced neurons of the first animal: columns unit, is_excitatory, time (s), v (thresholds)."""
    own = recording["membrane"].isel(animal=0)
    own = own.isel(sample=np.flatnonzero(recording["sample_time"].values < MEMBRANES_S))
    excitatory = recording["is_excitatory"].values.astype(bool)
    parts = [
        pd.DataFrame({"time": own["sample_time"].values, "v": trace}).assign(
            unit=unit, is_excitatory=excitatory[unit]
        )
        for unit, trace in zip(own["traced_unit"].values.tolist(), own.values, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)[["unit", "is_excitatory", "time", "v"]]
