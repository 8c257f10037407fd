"""Coding of choice, reward and object value by units before a choice, and the conversion of value into choice."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.figures.panel import Panel
from pfc_da.analysis.figures.units import (
    make_decoding_in_time_panel,
    make_selectivity_in_time_panel,
    make_selectivity_panel,
)
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.units.browser import group_trials, tabulate_browser
from pfc_da.analysis.units.summary import (
    compute_selectivity,
    compute_value_decoding,
    compute_value_to_choice,
    get_activity,
    regress_phases,
    tabulate_selectivity,
    tabulate_unit_properties,
)
from pfc_da.analysis.units.time_course import (
    TimeCourse,
    compute_time_course,
    summarise_time_course,
    tabulate_decoding_in_time,
    tabulate_selectivity_in_time,
)
from pfc_da.recording_schema import get_choice_phase, get_phases


def analyse_coding(
    recording: xr.Dataset,
    choice: NDArray,
    reward: NDArray,
    published: Mapping[str, tuple[float, float, float]],
    *,
    rng: np.random.Generator,
) -> Findings:
    """Selectivity of units in the phase before the choice and in time, value before the options, value to choice.

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
    activity, phases = get_activity(recording), get_phases(recording)
    p = [regress_phases(*own, rng=rng) for own in zip(activity, choice, reward, strict=True)]
    at_choice = phases.index(get_choice_phase(recording))
    before = max(at_choice - 1, 0)
    selectivity = compute_selectivity(p, before)
    value = []
    if at_choice > 0:
        value += compute_value_to_choice(p, at_choice + 1)
        value += compute_value_decoding(activity[..., 0, :], choice, reward, rng=rng)
    animals = enumerate(zip(choice, reward, strict=True))
    in_time = [compute_time_course(recording, animal, *own, rng=rng) for animal, own in animals]
    tables = {
        "units": tabulate_unit_properties(recording, p, before, latency=[own.latency for own in in_time]),
        **tabulate_browser(recording, group_trials(choice, reward), rng=rng),
    }
    panel = make_selectivity_panel(tabulate_selectivity(selectivity, published), selectivity)
    found = [*selectivity, *value, *summarise_time_course(in_time)]
    return Findings(found, [panel, *_draw_time_course(recording, in_time)], tables)


def _draw_time_course(recording: xr.Dataset, in_time: Sequence[TimeCourse]) -> list[Panel]:
    return [
        make_selectivity_in_time_panel(tabulate_selectivity_in_time(recording, in_time)),
        make_decoding_in_time_panel(tabulate_decoding_in_time(recording, in_time)),
    ]
