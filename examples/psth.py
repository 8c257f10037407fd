"""PSTH of a run or of an export of it: the unit of the first animal that distinguishes reward best.

python examples/psth.py runs/bandit/recording.nc             # or runs/bandit/replays/spiking/recording.nc
python examples/psth.py runs/bandit/exports/netcdf/*.nc      # or an export as zarr
"""

import sys

import xarray as xr

from pfc_da.analysis.units.psth import psth

path = sys.argv[1]
recording = xr.open_zarr(path) if path.endswith(".zarr") else xr.open_dataset(path, engine="h5netcdf")

rates = psth(recording, event="outcome", by="reward", window=(-0.2, 0.5)).isel(animal=0)
best = abs(rates.sel(reward=1) - rates.sel(reward=0)).mean("time").argmax("unit")

print(f"unit {int(best)}, activity in {rates.units}, trials by reward: {rates['n_trials'].values.tolist()}")
print(rates.isel(unit=best).transpose("time", "reward").to_pandas().round(2))
