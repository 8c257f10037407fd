"""Coding of choice, reward and object value by units before a choice, and the conversion of value into choice."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.figures.units import make_selectivity_panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.units.summary import (
    compute_selectivity,
    compute_value_decoding,
    compute_value_to_choice,
    get_activity,
    regress_phases,
    tabulate_selectivity,
    tabulate_unit_activity,
    tabulate_unit_properties,
)
from pfc_da.recording_schema import get_choice_phase, get_phase_of_steps


def analyse_coding(
    recording: xr.Dataset,
    choice: NDArray,
    reward: NDArray,
    published: Mapping[str, tuple[float, float, float]],
    *,
    rng: np.random.Generator,
) -> Findings:
    """Selectivity of units in the phase before the choice; where a trial has phases before it, value there too.

    Parameters
    ----------
    recording : xarray.Dataset
        With the activity of units.
    choice, reward : (animal, episode, trial)
        Choice between two objects, 0 or 1, in the sessions recorded with units.
    published : mapping of (estimate, low, high)
        Published fraction of selective cells by variable, drawn with those of units.
    rng : numpy.random.Generator
        Draws the pairings with other sessions.

    Returns
    -------
    Findings
        With the tables of the browser of units.
    """
    activity, phases = get_activity(recording), get_phase_of_steps(recording)
    p = [regress_phases(*own, rng=rng) for own in zip(activity, choice, reward, strict=True)]
    at_choice = phases.index(get_choice_phase(recording))
    before = max(at_choice - 1, 0)
    selectivity = compute_selectivity(p, before)
    value = []
    if at_choice > 0:
        value += compute_value_to_choice(p, at_choice + 1)
        value += compute_value_decoding(activity[..., 0, :], choice, reward, rng=rng)
    tables = {
        "units": tabulate_unit_properties(recording, p, before),
        "unit_activity": tabulate_unit_activity(activity, choice, reward, phases),
    }
    panel = make_selectivity_panel(tabulate_selectivity(selectivity, published), selectivity)
    return Findings([*selectivity, *value], [panel], tables)
