"""Prediction errors and activity of an exported run, with xarray alone; netCDF and zarr open alike.

pfc-da export runs/bandit --format netcdf
python examples/open_export_xarray.py runs/bandit/exports/netcdf/*.nc
"""

import sys

import numpy as np
import xarray as xr

path = sys.argv[1]
recording = xr.open_zarr(path) if path.endswith(".zarr") else xr.open_dataset(path, engine="h5netcdf")

# choice, reward and prediction error are on the step whose phase is `choice_phase`
trials = recording.isel(step=recording["phase"] == recording.attrs["choice_phase"]).sel(condition="frozen")
paid = trials["reward"] > 0
errors = xr.concat([trials["rpe"].where(paid), trials["rpe"].where(~paid)], "outcome")
errors = errors.mean(["episode", "step"]).assign_coords(outcome=["reward", "none"])
print(f"mean prediction error ({recording['rpe'].units}), weights frozen")
print(errors.to_pandas().round(3))

# sessions with activity have the same durations, so the phase of a bin is that in any of them
onset = recording["onset"].sel(condition="frozen").isel(animal=0, episode=0).values
middle = recording["time"].values + recording["time"].values[1] / 2
phase = recording["phase"].values[np.searchsorted(onset, middle) - 1]
by_phase = recording["activity"].assign_coords(phase=("bin", phase)).groupby("phase")
kinds = by_phase.mean(["animal", "recorded_episode", "bin"])
kinds = kinds.assign_coords(unit=recording["is_excitatory"].values).groupby("unit").mean()
print(f"mean activity ({recording['activity'].units}) by phase; columns: whether the unit is excitatory")
print(kinds.to_pandas().round(2))
