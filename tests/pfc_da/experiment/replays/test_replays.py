"""Replays are found by their files, and resume animal by animal."""

import json

import pytest
import xarray as xr

from pfc_da import paradigms
from pfc_da.cli import exit_code
from pfc_da.errors import InputError
from pfc_da.experiment import replays
from pfc_da.experiment.replays import rate
from pfc_da.export import export_run
from pfc_da.jobs.progress import Progress
from pfc_da.recording import read_recording
from pfc_da.replay import record_animal
from pfc_da.report.page import write_report
from pfc_da.storage.manifest import new_manifest
from pfc_da.storage.run_folder import RunFolder

SMALL = ["network.n_units=12", "train.updates=0", "task.n_trials=8"]
SMALL += [f"replay.{name}=12" for name in ("held_out_sessions", "sessions", "unit_sessions")]


def test_every_replay_is_found_by_its_file_and_has_a_folder_of_its_name():
    assert {"spiking", "circuit"} <= set(replays.names())
    for name in replays.names():
        assert replays.load(name).name == name
        assert len(replays.describe(name)) > 20


def test_a_name_that_is_no_replay_is_refused():
    with pytest.raises(InputError, match="no replay 'spikin'. Did you mean 'spiking'?"):
        replays.load("spikin")


@pytest.fixture
def run(tmp_path):
    sets = [word for text in SMALL for word in ("--set", text)]
    assert exit_code(["train", "bandit", "--animals", "3", "--out", str(tmp_path / "run"), *sets]) == 0
    return tmp_path / "run"


TWICE = '''"""Twice as many neurons a unit as asked for, to see what more of them keep."""

from pfc_da.experiment.replays.spiking import SpikingReplay


class Twice(SpikingReplay):
    name = "twice"

    @classmethod
    def parse(cls, sessions=2, neurons=1):
        return super().parse(sessions=sessions, neurons=2 * neurons)


REPLAY = Twice
'''


def test_a_replay_is_one_file_and_its_recording_and_figures_are_found(run, tmp_path, monkeypatch):
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "twice.py").write_text(TWICE)
    monkeypatch.setattr(replays, "__path__", [*replays.__path__, str(tmp_path / "added")])
    assert "twice" in replays.names() and replays.describe("twice").startswith("Twice as many neurons")
    for stage in ("replay", "compare"):
        assert exit_code([stage, str(run), *(["--workers", "1"] if stage == "replay" else [])]) == 0
    experiment = paradigms.load("bandit")
    replay = replays.load("twice")
    own = replay(experiment, experiment.settings(animals=3, sets=SMALL), replay.parse())
    with RunFolder.existing(run) as folder, Progress({}) as progress, progress.stage("replay"):
        own.run(folder, progress, 1)
    assert read_recording(run / "replays/twice/recording.nc").attrs["neurons_per_unit"] == 2
    assert "replays/twice/figures/spiking_share.csv" in write_report(run).read_text()
    exported, _ = export_run(run, "csv", replay="twice")
    assert exported == run / "replays/twice/exports/csv"


@pytest.mark.parametrize("spoilt", [None, "recording", "request", "weights"])
def test_the_replay_of_the_rate_network_resumes_with_the_next_animal(run, monkeypatch, spoilt):
    command = ["replay", str(run), "--workers", "1", "--force"]
    assert exit_code(command) == 0
    whole, replayed = read_recording(run / "recording.nc"), []

    def record(path, settings, task, trained, animal, *rest):
        replayed.append(animal)
        if len(replayed) == 3:
            raise KeyboardInterrupt
        record_animal(path, settings, task, trained, animal, *rest)

    monkeypatch.setattr(rate, "record_animal", record)
    assert exit_code(command) == 130
    part = run / "animals" / "001" / "rate.nc"
    request = part.with_name("rate.nc.json")
    assert part.exists() and not (run / "animals" / "002" / "rate.nc").exists()
    kept = json.loads(request.read_text())
    if spoilt == "recording":
        part.write_bytes(part.read_bytes()[:-1] + b"\0\0")
    elif spoilt:
        kept["weights_sha256" if spoilt == "weights" else "config"] = "another"
        request.write_text(json.dumps(kept))
    assert exit_code(command) == 0
    assert replayed == [0, 1, 2, *([1] if spoilt else []), 2]
    xr.testing.assert_identical(whole, read_recording(run / "recording.nc"))
    assert not list(run.glob("animals/*/rate.nc*"))


def test_a_replay_on_demand_is_another_one_once_its_settings_have_grown(tmp_path, build_recording):
    experiment, folder = (
        paradigms.load("bandit"),
        RunFolder(tmp_path, new_manifest({"paradigm": "bandit", "seed": 0, "animals": 3}), None),
    )

    def ask(unit_sessions):
        settings = experiment.settings(sets=[*SMALL, f"replay.unit_sessions={unit_sessions}"])
        return replays.load("spiking")(experiment, settings, replays.load("spiking").parse(sessions=12))

    replay = ask(10)
    recording = build_recording().assign_attrs(config=json.dumps(replay.config), **replay.attributes)
    own = tmp_path / "replays" / "spiking"
    own.mkdir(parents=True)
    recording.to_netcdf(own / "recording.nc", engine="h5netcdf")
    (own / "statistics.csv").touch()
    assert replay.is_done(folder)
    with pytest.raises(InputError, match=r"config\.replay\.unit_sessions is 10 there and 12 was asked for"):
        ask(12).is_done(folder)
