"""A run that grows ends with the bits of one that was asked for as much at once, wherever it is killed on the way."""

import functools
import multiprocessing
import os
import shutil
import signal

import pytest
import xarray as xr

from pfc_da import cli, paradigms
from pfc_da.analysis.comparison.extracts import compute_recorded_statistics
from pfc_da.experiment import experiment as _experiment
from pfc_da.recording import read_recording
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_files import STAGES
from pfc_da.storage.run_folder import RunFolder

SIZES = (
    "network.n_units=16",
    "train.updates=10",
    "train.sessions=4",
    "train.checkpoint_every=5",
    "train.snapshots=[.5]",
    "task.n_trials=12",
    "test_task.n_trials=12",
)
REPLAY = {"held_out_sessions": 8, "sessions": 8, "unit_sessions": 8}
MORE_SESSIONS = {"held_out_sessions": 12, "sessions": 11, "unit_sessions": 10}
TABLES = ("statistics.csv", "statistics_by_animal.csv", "comparison.csv")
GROWN = {"animals": (3, REPLAY), "sessions": (2, MORE_SESSIONS), "both": (3, MORE_SESSIONS)}
"""Animals and sessions of a run of two animals that has grown."""


def list_settings(replay):
    return [*SIZES, *(f"replay.{name}={count}" for name, count in replay.items())]


def command(stage, out, animals, replay):
    sets = [word for text in list_settings(replay) for word in ("--set", text)]
    return [stage, "bandit", "--animals", str(animals), "--workers", "1", "--out", str(out), *sets]


@pytest.fixture(scope="module", autouse=True)
def _recorded_once():
    """Recorded data are the same for every run: analyse them once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            _experiment, "compute_recorded_statistics", functools.cache(compute_recorded_statistics)
        )
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two animals, which no test changes."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert cli.exit_code(command("run", out, 2, REPLAY)) == 0
    return out


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to grow."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="module")
def ask_at_once(tmp_path_factory):
    """A function that makes a run of given size at once, each size once."""

    @functools.cache
    def ask(size):
        out = tmp_path_factory.mktemp(size) / "run"
        assert cli.exit_code(command("run", out, *GROWN[size])) == 0
        return out

    return ask


def assert_same_run(one, other):
    weights = sorted(path.relative_to(one) for path in one.glob("animals/*/*.safetensors"))
    figures = sorted(path.relative_to(one) for path in one.glob("figures/*"))
    assert len(weights) == 3 * read_manifest(one).animals and len(figures) > 5
    for name in (*weights, *figures, *TABLES):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    xr.testing.assert_identical(*(read_recording(run / "recording.nc") for run in (one, other)))
    manifests = [read_manifest(run) for run in (one, other)]
    assert manifests[0].config == manifests[1].config
    assert manifests[0].stages == manifests[1].stages
    assert {manifest.status for manifest in manifests} == {"finished"}
    assert list_files(one) == list_files(other)


def list_files(run):
    return {path.relative_to(run) for path in run.rglob("*") if path.is_file()}


def list_done(run):
    folder = RunFolder(run, read_manifest(run), None)
    return [stage for stage in STAGES if folder.is_done(stage)]


@pytest.mark.parametrize(
    "size, said",
    [
        ("animals", "{run} has 2 animals: 1 more is trained.\n"),
        (
            "sessions",
            "{run} has 2 animals: none is trained again; replay.held_out_sessions is 12 instead of 8; "
            "replay.sessions is 11 instead of 8; replay.unit_sessions is 10 instead of 8.\n",
        ),
    ],
)
def test_a_finished_run_grows_to_the_bits_of_one_asked_at_once(run, ask_at_once, capsys, size, said):
    trained = {path: path.stat().st_mtime_ns for path in run.glob("animals/*/*")}
    capsys.readouterr()
    assert cli.exit_code(command("run", run, *GROWN[size])) == 0
    assert capsys.readouterr().err.startswith(said.format(run=run))
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert_same_run(ask_at_once(size), run)
    assert cli.exit_code(command("run", run, *GROWN[size])) == 0
    assert "finished already" in capsys.readouterr().out


def test_animals_meet_the_same_sessions_however_many_they_are(finished, ask_at_once):
    two, three = (read_recording(run / "recording.nc") for run in (finished, ask_at_once("animals")))
    xr.testing.assert_equal(two, three.isel(animal=slice(2)))


def test_it_grows_from_python(run, ask_at_once, capsys):
    animals, replay = GROWN["both"]
    result = paradigms.load("bandit").run(animals=animals, sets=list_settings(replay), out=run, workers=1)
    assert result.recording.sizes["animal"] == 3
    assert f"{run} has 2 animals: 1 more is trained; replay.held_out_sessions" in capsys.readouterr().err
    assert list_done(run) == ["train", "replay", "compare"]  # it writes no report
    assert cli.exit_code(["report", str(run)]) == 0
    assert_same_run(ask_at_once("both"), run)


def test_an_interrupted_training_grows(tmp_path, ask_at_once):
    run = tmp_path / "run"
    assert kill_before("animals/001/weights.safetensors", command("run", run, 2, REPLAY))
    assert cli.exit_code(command("run", run, *GROWN["animals"])) == 0
    assert_same_run(ask_at_once("animals"), run)


def kill_before(name, words):
    """Give a command to a new process, which kills itself before the file `name` gets its place; whether it did."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pfc_da.cli", "pfc_da.paradigms.bandit"])
    process = context.Process(target=_command_killed_before, args=(name, words))
    process.start()
    process.join(120)
    return process.exitcode == -signal.SIGKILL


def _command_killed_before(name, words):
    replace = os.replace

    def kill_or_replace(source, target):
        if str(target).endswith(name):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = kill_or_replace
    cli.exit_code(words)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "size, killed_before, done",
    [
        ("animals", "animals/002/state.safetensors", []),
        pytest.param("animals", "animals/002/after_0000005.safetensors", [], marks=slow),
        pytest.param("animals", "animals/002/weights.safetensors", [], marks=slow),
        ("animals", "animals/001/rate.nc", ["train"]),
        pytest.param("animals", "recording.nc", ["train"], marks=slow),
        pytest.param("animals", "statistics.csv", ["train", "replay"], marks=slow),
        pytest.param("animals", "report.html", ["train", "replay", "compare"], marks=slow),
        pytest.param("sessions", "animals/001/rate.nc", ["train"], marks=slow),
        ("sessions", "recording.nc", ["train"]),
        pytest.param("sessions", "statistics.csv", ["train", "replay"], marks=slow),
        pytest.param("both", "animals/002/state.safetensors", [], marks=slow),
        pytest.param("both", "animals/000/rate.nc", ["train"], marks=slow),
    ],
)
def test_growth_killed_on_the_way_goes_on(run, ask_at_once, capsys, size, killed_before, done):
    """Files of the run of before are not taken for those of the grown run.

    The spiking replay does not depend on how many sessions the rate network replays.
    """
    words = command("run", run, *GROWN[size])
    made_of_it = [run / name for name in ("comparison_recorded.csv", "replays/spiking/recording.nc")]
    for path in made_of_it:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert kill_before(killed_before, words)
    manifest = read_manifest(run)
    assert manifest.status == "running"
    animals, replay = GROWN[size]
    assert manifest.animals == animals and manifest.config["replay"].items() >= replay.items()
    assert list_done(run) == done
    for stage, reading in (("replay", ["export", "--format", "csv"]), ("compare", ["report"])):
        if stage not in done:
            assert cli.exit_code([*reading, str(run)]) == 2
            assert f"{reading[0]} needs" in capsys.readouterr().err
    assert cli.exit_code(words) == 0
    assert [path.exists() for path in made_of_it] == [False, size == "sessions"]
    shutil.rmtree(run / "replays", ignore_errors=True)
    assert_same_run(ask_at_once(size), run)


def test_killed_before_it_begins_the_run_is_as_it_was(run, finished):
    assert kill_before("manifest.json", command("run", run, *GROWN["both"]))
    assert read_manifest(run) == read_manifest(finished)
    assert list_done(run) == list(STAGES)


def test_spikes_of_fewer_animals_are_not_exported_once_the_run_is_to_grow(run, capsys):
    """The one moment when they are still there: killed after the manifest has changed, before the training."""
    animals, replay = GROWN["animals"]
    settings = paradigms.load("bandit").settings(animals=animals, sets=list_settings(replay))
    (run / "replays/spiking").mkdir(parents=True, exist_ok=True)
    (run / "replays/spiking/recording.nc").touch()
    RunFolder.open(run, settings.model_dump(mode="json")).__enter__().close()
    assert cli.exit_code(["export", str(run), "--spiking", "--format", "csv"]) == 2
    assert "export needs the spiking replay, which is not done" in capsys.readouterr().err


def test_training_alone_grows_in_animals_and_takes_the_sessions_of_replays_to_come(run, ask_at_once, capsys):
    assert cli.exit_code(command("train", run, *GROWN["sessions"])) == 0
    assert (read_manifest(run).status, list_done(run)) == ("waiting", ["train"])
    assert cli.exit_code(command("train", run, *GROWN["both"])) == 0
    assert list_done(run) == ["train"]
    for stage in (["replay", "--workers", "1"], ["compare"], ["report"]):
        assert cli.exit_code([*stage, str(run)]) == 0
    assert_same_run(ask_at_once("both"), run)


def test_a_damaged_animal_is_refused_before_more_are_trained(run, capsys):
    weights = run / "animals" / "001" / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert cli.exit_code(command("run", run, *GROWN["animals"])) == 2
    assert "001/weights.safetensors is damaged" in capsys.readouterr().err
    assert list_done(run) == []
    assert not (run / "animals" / "002").exists()
