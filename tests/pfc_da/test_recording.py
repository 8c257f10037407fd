"""The recording file: described, written and read back whole, refused when it is not one."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from pfc_da.errors import InputError
from pfc_da.recording import (
    MARGIN,
    SCHEMA_VERSION,
    describe,
    open_recording,
    read_recording,
    set_provenance,
    write_recording,
)
from pfc_da.settings import resolve

TRIALS = 3


@pytest.fixture
def recording():
    """A small recording made by hand: two animals, two conditions, one unit."""
    rng = np.random.default_rng(0)
    shape = (2, 2, 4, 2 * TRIALS)
    dims = ("animal", "condition", "episode", "step")
    dataset = xr.Dataset(
        {
            "choice": (dims, rng.integers(-1, 2, shape).astype(np.int8)),
            "reward": (dims, rng.integers(0, 2, shape).astype(np.float32)),
            "value": (dims, rng.standard_normal(shape).astype(np.float32)),
            "policy": ((*dims, "action"), np.full((*shape, 2), np.nan, dtype=np.float32)),
            "activity": (("animal", "recorded_episode", "step", "unit"), rng.random((2, 1, 2 * TRIALS, 1))),
            "p_reward": (("episode", "action"), rng.random((4, 2))),
        },
        coords={
            "animal": [0, 1],
            "condition": ["frozen", "untrained"],
            "trial": ("step", np.arange(2 * TRIALS) // 2),
            "phase": ("step", ["choice", "outcome"] * TRIALS),
            "tau": ("unit", [0.1]),
            "is_excitatory": ("unit", [True]),
        },
    )
    dataset = describe(dataset, {"p_reward": ("1", "reward probability of each arm")}, "Hz")
    config = resolve([{"paradigm": "bandit", "seed": 5}]).model_dump(mode="json")
    return set_provenance(dataset, config=config, choice_phase="choice")


def test_every_variable_says_its_units_and_what_it_is(recording):
    for name in recording.variables:
        assert set(recording[name].attrs) == {"units", "long_name"}, name
        assert all(isinstance(text, str) and text for text in recording[name].attrs.values()), name
    assert recording["activity"].attrs["units"] == "Hz"
    assert recording["tau"].attrs["units"] == "s"


def test_a_variable_without_description_is_refused():
    with pytest.raises(KeyError, match="mystery"):
        describe(xr.Dataset({"mystery": ("step", [1, 2])}), {}, "Hz")


def test_provenance_is_strings_and_numbers_and_gives_the_settings_back(recording):
    assert {type(value) for value in recording.attrs.values()} <= {str, int, float}
    assert recording.attrs["schema_version"] == SCHEMA_VERSION
    assert {key: recording.attrs[key] for key in ("paradigm", "network", "rule", "seed", "choice_phase")} == {
        "paradigm": "bandit",
        "network": "rate",
        "rule": "three-factor",
        "seed": 5,
        "choice_phase": "choice",
    }
    assert resolve([json.loads(recording.attrs["config"])]).seed == 5


def test_what_is_written_is_read_back(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.nc")
    back = read_recording(tmp_path / "recording.nc")
    xr.testing.assert_identical(back, recording)
    for name in recording.variables:
        if recording[name].dtype.kind != "U":
            assert back[name].dtype == recording[name].dtype, name
    back.to_netcdf(tmp_path / "again.nc", engine="h5netcdf")  # what was read can be written again
    xr.testing.assert_identical(read_recording(tmp_path / "again.nc"), recording)


@pytest.mark.parametrize("how", ["cut", "empty", "text"])
def test_a_damaged_file_is_named_and_left_as_it_is(recording, how, tmp_path):
    file = tmp_path / "recording.nc"
    write_recording(recording, file)
    content = file.read_bytes()
    spoilt = {"cut": content[: len(content) // 2], "empty": b"", "text": b"animal,choice\n0,1\n"}[how]
    file.write_bytes(spoilt)
    with pytest.raises(
        InputError, match=r"recording\.nc is damaged: it cannot be read as netCDF4.*left as it is"
    ):
        read_recording(file)
    assert file.read_bytes() == spoilt


def test_pieces_of_any_size_make_the_same_recording(recording, tmp_path, monkeypatch):
    whole, small = tmp_path / "whole.nc", tmp_path / "small.nc"
    write_recording(recording, whole)
    monkeypatch.setattr("pfc_da.recording.PIECE_BYTES", 8)
    with open_recording(whole) as opened:
        write_recording(opened, small)
    xr.testing.assert_identical(read_recording(small), recording)
    assert list(read_recording(small).variables) == list(read_recording(whole).variables)
    assert small.stat().st_size < MARGIN  # the room that was kept is given back


def test_a_recording_has_the_same_bytes_every_time(recording, tmp_path):
    for name in ("one.nc", "two.nc"):
        write_recording(recording, tmp_path / name)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()


def test_without_room_hdf5_is_not_asked_to_write(recording, tmp_path, monkeypatch):
    """A write that fails inside of HDF5 may end the process."""
    room = []

    def reserve(path, size):
        room.append(size)
        if len(room) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pfc_da.recording.reserve", reserve)
    with pytest.raises(OSError, match="No space left"):
        write_recording(recording, tmp_path / "recording.nc")
    assert len(room) == 4


def test_a_file_that_is_no_recording_is_refused(recording, tmp_path):
    other = tmp_path / "other.nc"
    write_recording(recording.drop_vars("reward"), other)
    with pytest.raises(InputError, match=r"other\.nc is damaged: it lacks 'reward'"):
        read_recording(other)
    recording.attrs["schema_version"] = SCHEMA_VERSION + 1
    write_recording(recording, other)
    with pytest.raises(InputError, match=rf"other\.nc .* schema_version is not {SCHEMA_VERSION}"):
        read_recording(other)


def test_a_missing_file_is_reported_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no recording .*none\.nc\. Name the recording\.nc of a run"):
        read_recording(tmp_path / "none.nc")


def test_reading_a_recording_needs_no_simulator():
    code = "import sys, pfc_da.recording, pfc_da.settings; print([m for m in ('torch', 'brian2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
