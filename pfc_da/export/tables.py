"""Tables of an exported session: its steps, its trials, its units, and what their columns are."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from pfc_da.export.neurons import COLUMNS, tabulate_neurons
from pfc_da.export.spikes import TICKS_PER_S
from pfc_da.recording_schema import count_neurons, get_bin_s, get_phases, is_choice_step
from pfc_da.trials import per_trial

SERIES = ("activity", "value_trace", "policy_trace", "dopamine_trace")
"""Variables kept bin by bin."""
NOT_OF_TRIALS = (*SERIES, "onset", "duration")
"""Variables that are no column of the trials table, which has the times of its phases."""
AREA = "PFC"


def to_seconds(bins: ArrayLike, bin_s: float, *, ticks: int = 0) -> NDArray:
    """Start times of bins, and `ticks` of the clock later, in s.

    Parameters
    ----------
    bins : (...,) int
    bin_s : float
        Duration of a bin, s.
    ticks : int

    Returns
    -------
    (...,)
        In s.
    """
    return (np.asarray(bins) * round(bin_s * TICKS_PER_S) + ticks) / TICKS_PER_S


def tabulate_steps(own: xr.Dataset) -> pd.DataFrame:
    """Phases of the trials of a session, in their order (`Session.steps`).

    Parameters
    ----------
    own : xarray.Dataset
        Dimensions (step, ...), and `time` in s.
    """
    bin_s = get_bin_s(own)
    begin = np.rint(own["onset"].values / bin_s).astype(np.int64)
    count = np.rint(own["duration"].values / bin_s).astype(np.int64)
    return pd.DataFrame(
        {
            "trial": own["trial"].values,
            "phase": [str(name) for name in own["phase"].values],
            "start_time": to_seconds(begin, bin_s),
            "stop_time": to_seconds(begin + count, bin_s),
            "choice": own["choice"].values,
            "reward": _shrink("reward", own["reward"].values),
        }
    )


def tabulate_trials(own: xr.Dataset, steps: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The trials of a session, and what their columns are.

    Parameters
    ----------
    own : xarray.Dataset
        Dimensions (step, ...).
    steps : DataFrame
        Of `tabulate_steps`.
    """
    by_trial = steps.groupby("trial", sort=False)
    last = np.rint(by_trial["stop_time"].last() * TICKS_PER_S) - 1
    table = {
        "start_time": by_trial["start_time"].first().to_numpy(),
        "stop_time": last.to_numpy() / TICKS_PER_S,
    }
    columns = {"start_time": "begin of the trial (s)", "stop_time": "last microsecond of the trial (s)"}
    for phase in get_phases(own):
        table[f"{phase}_time"] = steps.loc[steps["phase"] == phase, "start_time"].to_numpy()
        columns[f"{phase}_time"] = f"begin of the phase {phase} (s)"
    table["response_time"] = steps.loc[is_choice_step(own), "stop_time"].to_numpy()
    columns["response_time"] = "end of the phase of the choice, when the outcome begins (s)"
    for name, values in iterate_columns(own):
        table[name], columns[name] = _shrink(name, values.values), describe(values)
    return pd.DataFrame(table), columns


def iterate_columns(own: xr.Dataset) -> Iterator[tuple[str, xr.DataArray]]:
    """Everything there is one number a trial of, by name; what has more is split: policy_0, policy_1.

    Dimensions (trial,), or (episode, trial) if `own` has several episodes.
    """
    trials = np.unique(own["trial"].values)
    for name in map(str, own.data_vars):
        if name in NOT_OF_TRIALS:
            continue
        steps = "step" in own[name].dims
        values = per_trial(own, name) if steps else own[name].expand_dims(trial=trials)
        values = values.transpose("episode", "trial", ..., missing_dims="ignore")
        more = [str(dim) for dim in values.dims if dim not in ("episode", "trial")]
        if not more:
            yield name, values
        for place in range(values.sizes[more[0]]) if more else ():
            part = values.isel({more[0]: place})
            yield f"{name}_{place}", part.assign_attrs(long_name=f"{part.long_name}, {more[0]} {place}")


def describe(values: xr.DataArray) -> str:
    """Description of a variable, with its units if it has any."""
    units = values.attrs["units"]
    return str(values.attrs["long_name"]) + (f" ({units})" if units != "1" else "")


def _shrink(name: str, values: NDArray) -> NDArray:
    """Labels, rewards and sure policies in one byte if whole: readers take longer ones of 0 and 1 for bad booleans."""
    small = values.astype(np.int8)
    kept = np.array_equal(small, values)
    is_label = values.dtype.kind in "iu" or name == "reward"
    return small if kept and (is_label or set(small.tolist()) == {0, 1}) else values


def tabulate_units(own: xr.Dataset) -> tuple[pd.DataFrame, dict[str, str]]:
    """The units of a recording, or its neurons, and what their columns are."""
    cell_type = np.where(own["is_excitatory"].values, "excitatory", "inhibitory")
    table = {"area": np.full(own.sizes["unit"], AREA), "cell_type": cell_type}
    columns = {"area": "modelled area", "cell_type": "by the sign of all its output (Dale's law)"}
    for name, values in own.coords.items():
        if values.dims == ("unit",) and name != "is_excitatory":
            table[str(name)], columns[str(name)] = values.values, describe(values)
    if neurons := count_neurons(own):
        return tabulate_neurons(pd.DataFrame(table), neurons), columns | COLUMNS
    return pd.DataFrame(table), columns
