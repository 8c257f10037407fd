"""Spiking replays of every paradigm found in the folder: what they hold is documented, and comes out of every export."""

import dataclasses
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pynapple as nap
import pynwb
import pytest
import xarray as xr
from nwbinspector import inspect_nwbfile, load_config

from pfc_da import paradigms
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_spiking import SpikingOptions
from pfc_da.experiment import replay as _replay
from pfc_da.experiment.replays.spiking import SpikingReplay
from pfc_da.export import export_run, read_session, to_neo, to_pynapple
from pfc_da.export.tables import SERIES
from pfc_da.jobs.progress import Progress
from pfc_da.recording import read_recording, write_recording
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trials import per_trial

SESSIONS, NEURONS, UNITS = 2, 2, 4
SMALL = [
    "task.n_trials=6",
    "test_task.n_trials=6",
    f"network.n_units={UNITS}",
    "train.updates=0",
    *(f"replay.{name}=12" for name in ("held_out_sessions", "sessions", "unit_sessions")),
]
WHOLE = "bandit"
"""The paradigm in which all is tested; in the others what depends on the paradigm."""
only_once = pytest.mark.parametrize("run", [WHOLE], indirect=True)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "recording.md"


@pytest.fixture(scope="module", params=paradigms.names())
def run(request, tmp_path_factory):
    """Folder of a run of an untrained animal, of one paradigm two, replayed as neurons under as few conditions as can be."""
    experiment = dataclasses.replace(paradigms.load(request.param), spiking=())
    settings = experiment.settings(sets=SMALL, animals=2 if request.param == WHOLE else 1)
    path = tmp_path_factory.mktemp("run") / "run"
    options = SpikingOptions(sessions=SESSIONS, neurons_per_unit=NEURONS)
    with (
        RunFolder.open(path, settings.model_dump(mode="json")) as folder,
        Progress() as progress,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(TARGET_VARIABLE, "numpy")
        patch.setattr(
            _replay, "write_figures", lambda *_, **__: None
        )  # a second of drawing, and nothing of it here
        with folder.doing("train"):
            experiment.train(settings, folder, progress, 1)
        SpikingReplay(experiment, settings, options).run(folder, progress, 1)
    return path


@pytest.fixture(scope="module")
def recording(run):
    return read_recording(run / "replays/spiking/recording.nc")


@pytest.fixture(scope="module")
def files(run):
    folder, files = export_run(run, "nwb", replay="spiking")
    assert folder == run / "replays/spiking/exports" / "nwb"
    return files


def get_trains(recording, animal, episode):
    """Spike times of every neuron of a session, row after row."""
    own = (recording["spike_animal"] == animal) & (recording["spike_episode"] == episode)
    row = (recording["spike_unit"] * NEURONS + recording["spike_neuron"])[own].values
    times = recording["spike_time"][own].values
    return [times[row == neuron] for neuron in range(UNITS * NEURONS)]


def test_the_page_names_what_a_recording_holds_and_nothing_else(recording):
    """But for what `recording.nc` has too; `test_docs` holds that against its page."""
    page = PAGE.read_text()
    before, section = page.split("## The spiking recording")
    named = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section.split("\n## ")[0], re.MULTILINE))
    common = set(re.findall(r"\| `(\w+)` \| (?:animal|episode)", before))
    assert set(named) == set(recording.data_vars) - common
    for name, dimensions in named.items():
        assert dimensions == ", ".join(map(str, recording[name].dims)), name
    assert all(f"`{name}" in page for name in recording.coords)
    assert "`spiking`" in section and "`neurons_per_unit`" in section


def test_inspector_and_validator_have_nothing_to_say(files):
    assert pynwb.validate(path=str(files[-1])) == []
    for config in (None, load_config("dandi")):
        messages = inspect_nwbfile(nwbfile_path=files[-1], config=config, skip_validate=True)
        found = [(m.check_function_name, m.object_name, m.message) for m in messages]
        # in so few trials an untrained animal may have a single reward
        assert [each for each in found if each[:2] != ("check_single_row", "reward")] == []


def test_every_session_is_read_back_from_nwb(files, recording):
    assert len(files) == recording.sizes["animal"] * SESSIONS
    for place, file in enumerate(files):
        animal, episode = divmod(place, SESSIONS)
        own = recording.isel(animal=animal, condition=0)
        with pynwb.NWBHDF5IO(str(file), "r") as io:
            nwb = io.read()
            units, trials = nwb.units.to_dataframe(), nwb.trials.to_dataframe()
            series = nwb.processing["behavior"]
            for train, times in zip(
                get_trains(recording, animal, episode), units["spike_times"], strict=True
            ):
                assert np.array_equal(train, times)
            assert units["unit_of_network"].tolist() == np.repeat(range(UNITS), NEURONS).tolist()
            assert units["neuron_of_unit"].tolist() == list(range(NEURONS)) * UNITS
            assert np.array_equal(units["tau"], np.repeat(recording["tau"].values, NEURONS))
            for name in ("choice", "reward", "value", "rpe", "dopamine_injected"):
                assert np.array_equal(trials[name], per_trial(own, name)[episode]), name
            for name in SERIES:
                assert np.array_equal(series[name].data[:], own[name][episode]), name
            assert nwb.units.resolution == 0.001
            assert f"{NEURONS} a unit" in nwb.units.description and "drawn" not in nwb.units.description
            assert json.loads(nwb.scratch["spiking"].data) == json.loads(recording.attrs["spiking"])
            exported = {*trials.columns, *series.data_interfaces, "onset", "duration"}
        labels = {
            name
            for name, values in own.data_vars.items()
            if "episode" in values.dims and name not in exported and f"{name}_0" not in exported
        }
        assert labels == set()


def test_pynapple_and_neo_give_back_what_went_in(files, recording):
    session = read_session(recording, animal=recording.sizes["animal"] - 1, session=SESSIONS - 1)
    last = recording.isel(animal=-1, condition=0)
    trains = get_trains(recording, int(last["animal"]), SESSIONS - 1)
    choice, rpe = (per_trial(last, name)[SESSIONS - 1].values for name in ("choice", "rpe"))
    with warnings.catch_warnings(action="error"):  # a train of one spike is no reason for one
        ours = to_pynapple(session)
    for tool in (nap.load_file(str(files[-1])), ours):
        for neuron, train in enumerate(trains):
            assert np.array_equal(tool["units"][neuron].t, train)
        assert np.array_equal(tool["units"]["unit_of_network"], np.repeat(range(UNITS), NEURONS))
        assert np.array_equal(tool["trials"]["choice"], choice)
        assert np.array_equal(tool["trials"]["rpe"], rpe)
        assert np.array_equal(np.asarray(tool["value_trace"].d), last["value_trace"][SESSIONS - 1])
    (segment,) = to_neo(session).segments
    for train, times in zip(segment.spiketrains, trains, strict=True):
        assert np.array_equal(train.rescale("s").magnitude, times)
    epoch = segment.epochs[0]
    assert np.array_equal(epoch.array_annotations["rpe"], rpe)
    assert np.array_equal(epoch.array_annotations["choice"], choice)


def read_array(format, path):
    return read_recording(path) if format == "netcdf" else xr.open_zarr(path, chunks=None).load()


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_arrays_are_the_recording(run, recording, format):
    _, (path,) = export_run(run, format, replay="spiking")
    xr.testing.assert_equal(read_array(format, path), recording)


@only_once
@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_the_first_sessions_come_with_their_spikes_and_no_others(run, recording, tmp_path, format):
    _, (path,) = export_run(run, format, replay="spiking", sessions=1, out=tmp_path)
    first = read_array(format, path)
    assert set(first["spike_episode"].values) == {0} and set(first["spike_animal"].values) == {0, 1}
    counted = recording["activity"].isel(recorded_episode=0).sum() * NEURONS * float(recording["time"][1])
    assert first.sizes["spike"] == round(float(counted)) > 0
    ours, whole = read_session(first, animal=1), read_session(recording, animal=1)
    xr.testing.assert_equal(ours.series, whole.series)
    assert np.array_equal(ours.spikes.times, whole.spikes.times)


def test_tables_of_choices_hold_what_neurons_and_their_rate_network_chose(run, recording):
    _, files = export_run(run, "csv", replay="spiking")
    conditions = list(map(str, recording["condition"].values))
    assert all(file.stem.endswith(f"_{name}") for file, name in zip(files, conditions, strict=True))
    for place in (conditions.index("frozen"), conditions.index("rate_frozen")):
        table = pd.read_csv(files[place])
        for name, shift in (("choice", 1), ("rpe", 0), ("value", 0)):
            own = per_trial(recording, name)[:, place].values
            assert np.array_equal(table[name].astype(own.dtype), own.ravel() + shift), name


@only_once
def test_what_an_export_does_not_know_is_left_out_of_tables_and_kept_in_arrays(run, recording, tmp_path):
    """A later recording may hold more, such as spikes of another kind."""
    more = recording.assign(
        foreperiod_spike_time=("foreperiod_spike", np.arange(5.0), {"units": "s", "long_name": "spikes"}),
        foreperiod_count=(
            ("animal", "episode", "unit"),
            np.ones((2, SESSIONS, UNITS)),
            {"units": "1", "long_name": "n"},
        ),
    )
    kept = (run / "replays/spiking/recording.nc").read_bytes()
    try:
        with RunFolder.existing(run) as folder, folder.making("replays/spiking/recording.nc"):
            write_recording(more, run / "replays/spiking/recording.nc")
        for format in ("nwb", "csv", "netcdf"):
            _, files = export_run(run, format, replay="spiking", sessions=1, out=tmp_path / format)
        assert read_recording(files[0])["foreperiod_spike_time"].values.tolist() == [0, 1, 2, 3, 4]
        ours = read_session(recording), read_session(read_recording(run / "replays/spiking/recording.nc"))
        pd.testing.assert_frame_equal(*(each.trials for each in ours))
        pd.testing.assert_frame_equal(*(each.units for each in ours))
    finally:
        with RunFolder.existing(run) as folder, folder.making("replays/spiking/recording.nc"):
            (run / "replays/spiking/recording.nc").write_bytes(kept)
