"""Variables of a recording by trial instead of by step, and their values on earlier trials.

One step of each trial belongs to the phase in which the choice is made (`choice_phase` of the recording); choice and
reward are stored at that step.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.errors import InputError, nearest
from pfc_da.recording_schema import get_choice_phase, is_choice_step


def per_trial(recording: xr.Dataset, name: str) -> xr.DataArray:
    """One variable of a recording at the choice step of every trial.

    Parameters
    ----------
    recording : xarray.Dataset
        With the dimension `step`, the coordinates `trial` and `phase` along it, and the attribute `choice_phase`.
    name : str
        A variable along `step`, e.g. "choice" (animal, condition, episode, step).

    Returns
    -------
    xarray.DataArray
        The same variable with `step` replaced by `trial`, e.g. (animal, condition, episode, trial).

    Raises
    ------
    InputError
        If there is no such variable, it has no steps, or the choice phase is not one step of every trial.
    """
    if name not in recording:
        names = sorted(map(str, recording.data_vars))
        raise InputError(f"the recording has no {name!r}, only {', '.join(names)}.{nearest(name, names)}")
    if "step" not in recording[name].dims:
        dims = ", ".join(map(str, recording[name].dims))
        raise InputError(f"{name!r} has the dimensions ({dims}) and no steps; use it as it is.")
    at_choice = recording[name].isel(step=np.flatnonzero(is_choice_step(recording)))
    trial = at_choice["trial"].values
    if not trial.size or len(np.unique(trial)) < len(trial):
        phase = get_choice_phase(recording)
        raise InputError(f"phase {phase!r} must be one step a trial, got {trial.size} steps for its trials.")
    return at_choice.swap_dims(step="trial").reset_coords(drop=True)


def lag_trials(values: NDArray, lag: int) -> NDArray:
    """Values of earlier trials; -1 (integers) or NaN (floats) before the first trial.

    Parameters
    ----------
    values : ndarray (session, trial, ...)
        Signed integers or floats; booleans are refused because they have no missing value.
    lag : int
        At least 0, in trials.

    Returns
    -------
    ndarray (session, trial, ...)

    Raises
    ------
    InputError
        For another type of values, or a negative lag.

    Examples
    --------
    >>> lag_trials(np.array([[3, 4, 5]]), 1).tolist()
    [[-1, 3, 4]]
    """
    if lag < 0 or values.dtype.kind not in "if":
        raise InputError(
            f"lag_trials takes signed integers or floats and lag >= 0, got {values.dtype}, {lag}."
        )
    past = np.full_like(values, -1 if values.dtype.kind == "i" else np.nan)
    past[:, lag:] = values[:, : values.shape[1] - lag] if lag < values.shape[1] else values[:, :0]
    return past
