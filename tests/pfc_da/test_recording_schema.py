"""Accessors of a small recording made by hand."""

import numpy as np
import pytest
import xarray as xr

from pfc_da import recording_schema as schema

PHASES = ["cue", "cue", "choice"]


@pytest.fixture
def recording():
    """Two conditions and two trials of three steps of 0.1 s."""
    return xr.Dataset(
        {"activity": ("step", np.zeros(6), {"units": "Hz"})},
        coords={
            "condition": [schema.FROZEN, schema.RATE_PREFIX + schema.FROZEN],
            "phase": ("step", PHASES * 2),
            "trial": ("step", [0, 0, 0, 1, 1, 1]),
            "time_in_trial": ("step", [0.1, 0.2, 0.3] * 2),
        },
        attrs={"choice_phase": "choice", "seed": 7},
    )


def test_steps_phases_and_conditions(recording):
    assert schema.get_condition_names(recording) == ["frozen", "rate_frozen"]
    assert schema.get_phases(recording) == ("cue", "choice")
    assert schema.get_phase_of_steps(recording) == PHASES
    assert schema.get_choice_phase(recording) == "choice"
    assert np.flatnonzero(schema.is_choice_step(recording)).tolist() == [2, 5]
    assert schema.get_step_s(recording) == 0.1
    assert schema.get_seed(recording) == 7


def test_kind_of_units_and_task(recording):
    assert schema.has_rates(recording)
    assert not schema.has_spikes(recording) and not schema.is_baited(recording)
    assert schema.count_neurons(recording) == 0
    other = recording.assign(spike_time=("spike", [0.5]), p_object=("object", [0.2, 0.8]))
    other["activity"].attrs["units"], other.attrs["neurons_per_unit"] = "1", 4
    assert schema.has_spikes(other) and schema.is_baited(other) and not schema.has_rates(other)
    assert schema.count_neurons(other) == 4
