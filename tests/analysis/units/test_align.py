"""Windows around events: every number is the one of its bin, by hand and trial by trial."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.units.align import align, find_event_bins
from pfc_da.errors import InputError
from pfc_da.recording import open_recording, write_recording

BIN_S, DURATIONS = 0.05, [[4, 2, 3], [6, 1, 2]]  # of the phases of two trials, in bins
PHASES = ("fixation", "go", "outcome")


@pytest.fixture(scope="module")
def recording():
    """Two trials of 18 bins; activity tells animal, session, bin and unit."""
    n_bins = np.ravel(DURATIONS)
    seconds = np.tile(n_bins * BIN_S, (2, 1, 3, 1))
    index = np.indices((2, 3, n_bins.sum(), 4))
    steps = ("animal", "condition", "episode", "step")
    kept = ("animal", "recorded_episode", "bin")
    return xr.Dataset(
        {
            "choice": (steps, np.zeros(seconds.shape, int)),
            "reward": (steps, np.zeros(seconds.shape)),
            "onset": (steps, seconds.cumsum(-1) - seconds),
            "activity": ((*kept, "unit"), index[2] + 100.0 * index[0] + 1000 * index[1] + 0.1 * index[3]),
            "value_trace": (kept, index[2, ..., 0] * 2.0),
            "spike_time": ("spike", [0.05, 0.051, 0.299, 0.3, 0.1, 0.1]),
            "spike_unit": ("spike", [1, 1, 2, 1, 0, 0]),
            "spike_animal": ("spike", [1, 1, 1, 1, 1, 0]),
            "spike_episode": ("spike", [2, 2, 2, 2, 0, 0]),
        },
        coords={
            "condition": ["frozen"],
            "recorded_episode": np.arange(3),
            "trial": ("step", [0, 0, 0, 1, 1, 1]),
            "phase": ("step", list(PHASES) * 2),
            "time": ("bin", np.arange(n_bins.sum()) * BIN_S),
        },
        attrs={"choice_phase": "go", "schema_version": 2},
    )


@pytest.mark.parametrize(
    ("event", "bins"),
    [
        ("fixation", [0, 9]),
        ("cue", [4, 15]),
        ("go", [4, 15]),
        ("choice", [6, 16]),
        ("outcome", [6, 16]),
    ],
)
def test_events_are_at_their_bins(recording, event, bins):
    np.testing.assert_array_equal(find_event_bins(recording, event), np.broadcast_to(bins, (2, 3, 2)))


def test_a_choice_that_ends_the_session_is_after_its_last_bin(recording):
    own = recording.isel(step=slice(0, 5), bin=slice(0, 16))
    np.testing.assert_array_equal(find_event_bins(own, "choice")[0, 0], [6, 16])


def test_every_value_is_that_of_its_bin(recording):
    found = align(recording, "go", (-0.1, 0.1))
    assert found.dims == ("animal", "episode", "trial", "time", "unit")
    np.testing.assert_allclose(found["time"], [-0.075, -0.025, 0.025, 0.075])
    for animal, episode, trial, time, unit in np.ndindex(found.shape):
        at = (4, 15)[trial] - 2 + time
        expected = recording["activity"].values[animal, episode, at, unit]
        assert found.values[animal, episode, trial, time, unit] == np.float32(expected)
    trace = align(recording, "go", (-0.1, 0.1), "value_trace")
    assert trace.dims == found.dims[:-1]
    np.testing.assert_allclose(trace[1, 2, 1], 2.0 * np.arange(13, 17))


def test_trials_whose_window_leaves_the_session_are_counted_and_nan(recording):
    early, late = align(recording, "fixation", (-0.05, 0.1)), align(recording, "outcome", (0.1, 0.15))
    assert np.isnan(early[:, :, 0]).all() and np.isfinite(early[:, :, 1]).all()
    assert np.isfinite(late[:, :, 0]).all() and np.isnan(late[:, :, 1]).all()
    assert (early["n_left_out"] == 1).all() and early["n_left_out"].dims == ("animal", "episode")
    assert (align(recording, "go", (-0.1, 0.1))["n_left_out"] == 0).all()


def test_spikes_are_counted_in_the_bin_of_their_time(recording):
    found = align(recording, "fixation", (0.0, 0.35), "spikes")
    expected = np.zeros((2, 3, 2, 7, 4))
    expected[1, 2, 0, 1, 1], expected[1, 2, 0, 5, 2], expected[1, 2, 0, 6, 1] = 2, 1, 1
    expected[1, 0, 0, 2, 0] = expected[0, 0, 0, 2, 0] = 1
    np.testing.assert_array_equal(found, expected)


def test_sessions_of_a_file_are_read_one_at_a_time(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.nc")
    with open_recording(tmp_path / "recording.nc") as opened:
        np.testing.assert_array_equal(align(opened, "go", (-0.1, 0.1)), align(recording, "go", (-0.1, 0.1)))
        assert not opened["activity"].variable._in_memory


def test_values_that_are_not_in_time_are_refused(recording):
    with pytest.raises(InputError, match="no 'dopamine_trace' in time, only activity, value_trace, spikes"):
        align(recording, "go", values="dopamine_trace")


@pytest.mark.parametrize(
    "window", [(np.nan, 1), (0, np.inf), (0,), ("a", 1), (0.2, 0.1), (0, 0), None, (0, 1, 2)]
)
def test_a_window_that_is_none_is_refused_in_words(recording, window):
    with pytest.raises(
        InputError, match=r"window must be \(first, last\) in s, at least a bin of .* apart, got "
    ):
        align(recording, "cue", window)


def test_a_window_longer_than_any_session_leaves_all_trials_out(recording):
    assert np.isnan(align(recording, "cue", (-1e9, 1))).all()
