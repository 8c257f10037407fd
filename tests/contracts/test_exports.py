"""Exports of every paradigm found in the folder: inspected, validated, and the numbers that went in come out."""

import dataclasses

import numpy as np
import pynwb
import pytest
import xarray as xr
from nwbinspector import inspect_nwbfile, load_config

from pfc_da import paradigms
from pfc_da.analysis.readers.choice_table import read_choices
from pfc_da.export import export_run
from pfc_da.export.tables import SERIES
from pfc_da.jobs.progress import Progress
from pfc_da.recording import read_recording
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trials import per_trial

SMALL = [
    "task.n_trials=10",
    "test_task.n_trials=10",
    "network.n_units=8",
    "train.updates=0",
    *(f"replay.{name}=8" for name in ("held_out_sessions", "sessions", "unit_sessions")),
]


KINDS = [*((name, "rate") for name in paradigms.names()), ("bandit", "lstm")]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def run(request, tmp_path_factory):
    """Folder of a run of one untrained animal, replayed under two conditions."""
    name, kind = request.param
    experiment = paradigms.load(name)
    experiment = dataclasses.replace(experiment, conditions=experiment.conditions[:2])
    settings = experiment.settings(sets=SMALL, animals=1, network=kind)
    path = tmp_path_factory.mktemp("run")
    with RunFolder.open(path, settings.model_dump(mode="json")) as folder, Progress() as progress:
        for stage in ("train", "replay"):
            with folder.doing(stage):
                getattr(experiment, stage)(settings, folder, progress, 1)
    return path


@pytest.fixture(scope="module")
def recording(run):
    return read_recording(run / "recording.nc")


@pytest.fixture(scope="module")
def file(run):
    _, (path,) = export_run(run, "nwb", sessions=1)
    return path


def test_inspector_and_validator_have_nothing_to_say(file):
    assert pynwb.validate(path=str(file)) == []
    for config in (None, load_config("dandi")):
        messages = inspect_nwbfile(nwbfile_path=file, config=config, skip_validate=True)
        assert [(m.check_function_name, m.object_name, m.message) for m in messages] == []


def test_what_happened_is_read_back_from_nwb(file, recording):
    spiking = recording["activity"].attrs["units"] == "Hz"
    labels = {str(name) for name in recording.data_vars if not str(name).startswith("held_out")}
    with pynwb.NWBHDF5IO(str(file), "r") as io:
        nwb = io.read()
        trials, series = nwb.trials.to_dataframe(), nwb.processing["behavior"]
        for name in ("choice", "reward", "value", "rpe"):
            own = per_trial(recording, name)[0, 0, 0].values
            assert np.array_equal(trials[name].to_numpy(), own), name
        ends = per_trial(recording, "onset") + per_trial(recording, "duration")
        assert np.allclose(trials["response_time"], ends[0, 0, 0], atol=1e-3, rtol=0)
        onset, phases = recording["onset"][0, 0, 0].values, recording["phase"].values
        for phase in np.unique(phases):
            assert np.allclose(
                nwb.events[f"{phase}_onset"]["timestamp"].data[:], onset[phases == phase], atol=1e-3
            )
        for name in SERIES:
            assert np.array_equal(series[name].data[:], recording[name][0, 0]), name
            assert series[name].rate == pytest.approx(1 / recording["time"].values[1])
        assert (nwb.units is not None) == spiking == ("ecephys" in file.name)
        exported = {*trials.columns, *series.data_interfaces, "onset", "duration"}
    assert {name for name in labels if name not in exported and f"{name}_0" not in exported} == set()


def test_tables_of_choices_are_read_back_by_our_own_reader(run, recording):
    _, files = export_run(run, "csv")
    assert len(files) == recording.sizes["condition"]
    table = read_choices(files[0])
    choice = per_trial(recording, "choice").sel(condition="frozen").isel(animal=0).values
    assert np.array_equal(table.choice, choice)
    assert np.array_equal(table.reward, per_trial(recording, "reward").isel(animal=0, condition=0))


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_arrays_are_the_recording(run, recording, format):
    _, (path,) = export_run(run, format)
    back = read_recording(path) if format == "netcdf" else xr.open_zarr(path, chunks=None).load()
    assert back.attrs.keys() - recording.attrs.keys() == {"commit", "versions"}
    xr.testing.assert_equal(back, recording)
    for name in recording.variables:
        assert back[name].attrs == recording[name].attrs
