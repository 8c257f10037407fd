"""Accessors of a small recording made by hand."""

import numpy as np
import pytest
import xarray as xr

from pfc_da import recording_schema as schema

PHASES = ["cue", "choice", "juice"]


@pytest.fixture
def recording():
    """Two conditions and two trials of three steps, the second recorded session in bins of 50 ms."""
    duration = np.array([[0.2, 0.1, 0.3, 0.4, 0.1, 0.3], [0.1, 0.2, 0.3, 0.3, 0.2, 0.3]])
    onset = np.concatenate([np.zeros((2, 1)), duration.cumsum(1)[:, :-1]], 1)
    return xr.Dataset(
        {
            "activity": ("bin", np.zeros(28), {"units": "Hz"}),
            "onset": (("animal", "condition", "episode", "step"), np.tile(onset, (1, 2, 1, 1))),
        },
        coords={
            "condition": [schema.FROZEN, schema.RATE_PREFIX + schema.FROZEN],
            "phase": ("step", PHASES * 2),
            "trial": ("step", [0, 0, 0, 1, 1, 1]),
            "time": ("bin", np.arange(28) * 0.05),
            "recorded_episode": [1],
        },
        attrs={"choice_phase": "choice", "seed": 7},
    )


def test_steps_phases_and_conditions(recording):
    assert schema.get_condition_names(recording) == ["frozen", "rate_frozen"]
    assert schema.get_phases(recording) == tuple(PHASES)
    assert schema.get_choice_phase(recording) == "choice"
    assert np.flatnonzero(schema.is_choice_step(recording)).tolist() == [1, 4]
    assert schema.get_seed(recording) == 7


def test_steps_begin_in_bins(recording):
    assert schema.get_bin_s(recording) == pytest.approx(0.05)
    bins = schema.get_onset_bins(recording)
    assert bins.tolist() == [[[0, 2, 6, 12, 18, 22]]]  # of the recorded session, the second


def test_kind_of_units_and_task(recording):
    assert schema.has_rates(recording)
    assert not schema.has_spikes(recording) and not schema.is_baited(recording)
    assert schema.count_neurons(recording) == 0
    other = recording.assign(spike_time=("spike", [0.5]), p_object=("object", [0.2, 0.8]))
    other["activity"].attrs["units"], other.attrs["neurons_per_unit"] = "1", 4
    assert schema.has_spikes(other) and schema.is_baited(other) and not schema.has_rates(other)
    assert schema.count_neurons(other) == 4
