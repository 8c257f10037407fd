"""The run folder keeps whole files, one writer, and refuses what it cannot honestly continue."""

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pfc_da.errors import DiskFull, InputError
from pfc_da.storage import run_folder
from pfc_da.storage.files import write_atomic
from pfc_da.storage.manifest import Manifest, format_manifest, read_manifest
from pfc_da.storage.run_files import STAGES
from pfc_da.storage.run_folder import RunFolder
from pfc_da.storage.yaml_file import read_yaml

CONFIG = {
    "paradigm": "bandit",
    "seed": 3,
    "animals": 2,
    "train": {"updates": 30, "sessions": 8},
    "replay": {"sessions": 8},
    "task": {},
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "Läufe" / "été 1"


def write_outputs(folder: RunFolder, stage: str) -> None:
    """Write the files `stage` leaves."""
    names = {"replay": ["recording.nc"], "compare": ["comparison.csv"], "report": ["report.html"]}
    animals = [f"animals/{index:03d}/weights.safetensors" for index in range(folder.manifest.animals)]
    for name in names.get(stage, animals):
        folder.write_atomic(name, lambda file: file.write_text(stage))


def finish(out: Path) -> None:
    with RunFolder.open(out, CONFIG) as folder:
        for stage in STAGES:
            with folder.doing(stage):
                write_outputs(folder, stage)


def files(out: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def test_stages_are_remembered_and_end_in_finished(out):
    with RunFolder.open(out, CONFIG) as folder:
        with folder.doing("train"):
            assert read_manifest(out).status == "running"
            write_outputs(folder, "train")
    assert read_manifest(out).status == "waiting"

    with RunFolder.existing(out) as folder:
        assert [stage for stage in STAGES if folder.is_done(stage)] == ["train"]
        for stage in STAGES[1:]:
            with folder.doing(stage):
                write_outputs(folder, stage)
    manifest = read_manifest(out)
    assert manifest.status == "finished"
    assert (manifest.paradigm, manifest.seed, manifest.animals) == ("bandit", 3, 2)
    assert manifest.config == CONFIG
    assert manifest.versions["numpy"]


def test_a_stage_done_again_or_without_its_file_is_not_done(out):
    finish(out)
    with RunFolder.existing(out) as folder:
        (out / "animals/001/weights.safetensors").unlink()
        assert not folder.is_done("train")
        with folder.doing("replay"):
            assert not folder.is_done("replay")
        assert [stage for stage in STAGES[1:] if folder.is_done(stage)] == ["replay"]


def test_a_stage_that_fails_is_not_done(out):
    with pytest.raises(ZeroDivisionError, match="planted"):
        with RunFolder.open(out, CONFIG) as folder, folder.doing("train"):
            write_outputs(folder, "train")
            raise ZeroDivisionError("planted")
    assert read_manifest(out).status == "failed"
    assert read_manifest(out).stages == {}


@pytest.mark.parametrize("error", [MemoryError("planted"), KeyboardInterrupt("planted")])
def test_what_does_no_stage_leaves_the_status_as_it_was(out, error):
    for done, status in ((STAGES[:2], "waiting"), (STAGES[2:], "finished")):
        with RunFolder.open(out, CONFIG) as folder:
            for stage in done:
                with folder.doing(stage):
                    write_outputs(folder, stage)
        assert read_manifest(out).status == status
        with pytest.raises(type(error), match="planted"):
            with RunFolder.existing(out):
                assert read_manifest(out).status == status
                raise error
        assert read_manifest(out).status == status


def test_a_stage_refused_for_bad_input_leaves_a_finished_run_finished(out):
    finish(out)
    before = read_manifest(out)
    with pytest.raises(InputError, match="planted"):
        with RunFolder.existing(out) as folder, folder.doing("replay"):
            raise InputError("planted")
    after = read_manifest(out)
    assert (after.status, after.stages) == ("finished", before.stages)
    with pytest.raises(MemoryError, match="planted"):
        with RunFolder.existing(out) as folder, folder.doing("replay"):
            raise MemoryError("planted")
    assert read_manifest(out).status == "failed"


def test_the_manifest_is_read_once_the_folder_is_held(out, monkeypatch):
    finish(out)
    lock, manifest = run_folder.lock_folder, out / "manifest.json"

    def hold_late(path):
        manifest.write_text(format_manifest(read_manifest(path).model_copy(update={"status": "failed"})))
        return lock(path)

    monkeypatch.setattr(run_folder, "lock_folder", hold_late)
    with RunFolder.existing(out) as folder:
        assert folder.manifest.status == "failed"


def test_status_after_an_interrupt(out):
    with pytest.raises(KeyboardInterrupt, match="planted"):
        with RunFolder.open(out, CONFIG):
            raise KeyboardInterrupt("planted")
    assert read_manifest(out).status == "interrupted"


def test_times_add_up_over_continued_runs(out):
    spent = []
    for _ in range(2):
        with RunFolder.open(out, CONFIG):
            sum(range(2_000_000))
        spent.append(read_manifest(out))
    assert 0 < spent[0].cpu_s < spent[1].cpu_s
    assert 0 < spent[0].wall_s < spent[1].wall_s


def test_cpu_time_counts_workers_still_alive(out):
    busy = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True); time.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as worker:
        with RunFolder.open(out, CONFIG):
            worker.stdout.readline()
        worker.kill()
    assert 0.4 < read_manifest(out).cpu_s < 1.5


@pytest.mark.parametrize(
    "change, words",
    [
        ({"train": {"updates": 31, "sessions": 8}}, "train.updates is 30 there and 31 was asked for"),
        ({"paradigm": "monkey_juice"}, 'paradigm is "bandit" there and "monkey_juice" was asked for'),
        ({"task": {"n_arms": 2}}, "task.n_arms is absent there and 2 was asked for"),
        ({"train": {"updates": 30}}, "train.sessions is 8 there and absent was asked for"),
    ],
)
def test_another_configuration_is_refused_and_left_alone(out, change, words):
    finish(out)
    before = files(out)
    with pytest.raises(InputError, match=words) as caught:
        RunFolder.open(out, CONFIG | change)
    assert "another --out, or --force" in str(caught.value)
    assert files(out) == before


@pytest.mark.parametrize(
    "change, kept", [({"animals": 3}, []), ({"replay": {"sessions": 9}}, ["train"]), ({}, list(STAGES))]
)
def test_a_stage_is_done_again_if_what_it_depends_on_has_grown(out, change, kept):
    finish(out)
    with RunFolder.open(out, CONFIG | change) as folder:
        assert read_manifest(out).config == CONFIG | change
        assert read_manifest(out).status == ("waiting" if change else "finished")
        assert [stage for stage in STAGES if folder.is_done(stage)] == kept
        assert bool(folder.growth) == bool(change)
    assert read_manifest(out).status == ("waiting" if change else "finished")
    with RunFolder.existing(out) as folder:
        assert [stage for stage in STAGES if folder.is_done(stage)] == kept


def test_a_run_that_is_to_grow_is_as_it_was_until_work_begins(out):
    finish(out)
    before = files(out)
    RunFolder.open(out, CONFIG | {"animals": 3}).close()
    assert files(out) == before


def test_a_run_cannot_have_fewer_animals_than_were_begun(out):
    finish(out)
    with pytest.raises(InputError, match="has 2 animals, more than the 1 asked for; a run cannot"):
        RunFolder.open(out, CONFIG | {"animals": 1})
    with RunFolder.open(out, CONFIG | {"animals": 9}) as folder:
        folder.write_atomic("animals/003/state.safetensors", lambda file: file.touch())
    with pytest.raises(InputError, match="has 4 animals, more than the 3 asked for; a run cannot"):
        RunFolder.open(out, CONFIG | {"animals": 3})
    with RunFolder.open(out, CONFIG | {"animals": 4}) as folder:  # nothing is lost of the others
        assert folder.kept() == "2 of 4 animals trained and 1 part-way"


def test_fewer_sessions_are_refused_once_more_are_replayed(out):
    finish(out)
    with pytest.raises(InputError, match="replay.sessions 8, more than the 7 asked for; a run cannot"):
        RunFolder.open(out, CONFIG | {"replay": {"sessions": 7}})
    with RunFolder.open(out, CONFIG | {"replay": {"sessions": 9000}}):
        pass
    with RunFolder.open(out, CONFIG | {"replay": {"sessions": 7}}) as folder:
        assert folder.is_done("train") and not folder.is_done("replay")


def test_force_removes_the_run_and_nothing_else(out):
    finish(out)
    (out / "notes.txt").write_text("mine")
    with RunFolder.open(out, CONFIG | {"seed": 4}, force=True) as folder:
        assert not any(folder.is_done(stage) for stage in STAGES)
    left = {file.name for file in out.iterdir()}
    assert left == {"notes.txt", "manifest.json", "config.yaml", ".lock"}
    assert read_manifest(out).seed == 4


@pytest.mark.parametrize(
    "source, gone",
    [
        ("recording.nc", {"comparison_recorded.csv", "exports"}),
        (
            "replays/spiking/recording.nc",
            {
                "replays/spiking/statistics.csv",
                "replays/spiking/comparison.csv",
                "replays/spiking/exports",
                "replays/spiking/figures/share.csv",
            },
        ),
        ("replays/circuit/recording.nc", {"replays/circuit/statistics.csv"}),
    ],
)
def test_what_was_made_of_a_recording_goes_when_that_is_replaced(out, source, gone):
    finish(out)
    tables = (
        "replays/circuit/statistics.csv",
        "replays/spiking/statistics.csv",
        "replays/spiking/comparison.csv",
        "comparison_recorded.csv",
        "replays/spiking/figures/share.csv",
    )
    folders = ("exports", "replays/spiking/exports")
    made = {*tables, *folders}
    with RunFolder.existing(out) as folder:
        recordings = ("replays/spiking/recording.nc", "replays/circuit/recording.nc")
        for name in (*recordings, *tables, *(f"{name}/csv/table.csv" for name in folders)):
            folder.write_atomic(name, lambda file: file.write_text("first"))
        assert all((out / name).exists() for name in made)
        folder.write_atomic(source, lambda file: file.write_text("second"))
    assert {name for name in made if not (out / name).exists()} == gone
    assert (out / source).read_text() == "second"
    assert (out / "comparison.csv").exists()  # a stage makes it again


def test_training_anew_leaves_nothing_of_the_neurons_of_before(out):
    finish(out)
    with RunFolder.existing(out) as folder:
        figures = ("replays/spiking/figures/share.csv", "figures/matching.csv")
        for name in (
            "replays/spiking/recording.nc",
            "replays/spiking/statistics.csv",
            "replays/spiking/exports/csv/table.csv",
            *figures,
        ):
            folder.write_atomic(name, lambda file: file.write_text("first"))
        with folder.doing("train"):
            assert not (out / "replays").exists()
            assert [file.name for file in (out / "figures").iterdir()] == ["matching.csv"]


def _without(key):
    def change(content):
        del content[key]

    return change


def _with(**values):
    return lambda content: content.update(values)


@pytest.mark.parametrize(
    "change, words",
    [
        (_without("config"), "is damaged: config: Field required"),
        (_with(animals="four"), "is damaged: animals: Input should be a valid integer"),
        (_with(status="asleep"), "is damaged: status: Input should be"),
        (_with(extra=1), "is damaged: extra: Extra inputs"),
        (_with(wall_s=-1.0), "is damaged: wall_s: Input should be greater"),
        (_with(schema_version=99), "has schema_version 99; this version of pfc_da reads 3"),
        (_without("schema_version"), "has schema_version None"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_manifest_of_another_shape_is_named_and_left_alone(out, change, words, force):
    finish(out)
    content = json.loads((out / "manifest.json").read_text())
    change(content)
    (out / "manifest.json").write_text(json.dumps(content))
    before = files(out)
    with pytest.raises(InputError, match=words) as caught:
        RunFolder.open(out, CONFIG, force)
    assert str(out / "manifest.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files(out) == before


@pytest.mark.parametrize("content", [b"", b'{"schema_version": 1, "sta', b"\xff\xfe\x00", b"[1, 2]", b"null"])
def test_a_damaged_manifest_is_named_and_left_alone(out, content):
    finish(out)
    (out / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match="manifest.json is damaged: it (is not JSON|holds a)") as caught:
        RunFolder.existing(out)
    assert "\n" not in str(caught.value)
    assert (out / "manifest.json").read_bytes() == content


def test_a_folder_of_other_files_is_no_run_folder(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(thesis.tex\) and no manifest.json"):
        RunFolder.open(tmp_path, CONFIG, force=True)
    with pytest.raises(InputError, match="is not a run folder: it has no manifest.json"):
        RunFolder.existing(tmp_path)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for path in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(InputError, match="is not a folder: a file is in the way"):
            RunFolder.open(path, CONFIG)
        with pytest.raises(InputError, match="is not a run folder"):
            RunFolder.existing(path)


def test_a_folder_that_cannot_be_made():
    with pytest.raises(InputError, match="cannot write in /proc/pfc_da: .*Make it writable or give another"):
        RunFolder.open("/proc/pfc_da", CONFIG)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_read_only_file_is_named(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=f"cannot write {tmp_path}/a.csv: {os.strerror(number)}. Make it"):
        write_atomic(tmp_path / "a.csv", lambda file: file.write_text("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_previous_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    path.write_text("before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=f"no space left on the disk while writing {path}; .* is whole"):
        write_atomic(path, lambda file: file.write_text("after"))
    assert files(tmp_path) == {str(path): b"before"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_at_the_end_of_a_run_is_reported_in_its_manifest(out, number, monkeypatch):
    """The last manifest is written to room that was kept since the start."""
    reserved = []
    monkeypatch.setattr(run_folder, "reserve", lambda path, size: reserved.append((path.name, size)))
    with pytest.raises(DiskFull, match="while writing .*recording.nc; what was there before is whole"):
        with RunFolder.open(out, CONFIG) as folder:
            assert reserved == [(f".writing-{os.getpid()}-spare", run_folder.SPARE)]
            folder.write_atomic(
                "recording.nc", lambda file: raise_error(OSError(number, os.strerror(number)))
            )
    assert read_manifest(out).status == "failed"
    assert {file.name for file in out.iterdir()} == {"manifest.json", "config.yaml", ".lock"}


def test_a_disk_that_is_full_at_the_start_changes_nothing(out, monkeypatch):
    finish(out)
    before = files(out)
    monkeypatch.setattr(
        run_folder, "reserve", lambda *_: raise_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    )
    with pytest.raises(DiskFull, match="no space left on the disk"):
        with RunFolder.existing(out):
            pass
    assert files(out) == before
    RunFolder.existing(out).close()  # the lock was let go


def raise_error(error):
    raise error


def flip(file: Path, byte: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "name, stage, remedy",
    [
        ("animals/001/weights.safetensors", "train", "Remove it, and the command that made the run"),
        ("recording.nc", "replay", "'pfc-da replay .* --force' makes it anew"),
        ("comparison.csv", "compare", "'pfc-da compare .* --force' makes it anew"),
        ("report.html", "report", "'pfc-da report .* --force' makes it anew"),
    ],
)
def test_a_stage_whose_file_has_changed_is_refused_with_a_remedy(out, name, stage, remedy):
    finish(out)
    flip(out / name)
    before = files(out)
    with RunFolder.existing(out) as folder:
        assert all(folder.is_done(other) for other in STAGES if other != stage)
        with pytest.raises(InputError, match=rf"{name} is damaged: .*SHA-256.*left as it is. {remedy}"):
            folder.is_done(stage)
        with folder.doing(stage):  # made anew, it is whole
            write_outputs(folder, stage)
        assert folder.is_done(stage)
    assert before.keys() == files(out).keys()


def test_a_file_made_on_demand_is_known_too(out):
    finish(out)
    with RunFolder.existing(out) as folder, folder.making("comparison_recorded.csv"):
        folder.write_atomic("comparison_recorded.csv", lambda file: file.write_text("first"))
    with RunFolder.existing(out) as folder:
        folder.require_whole("comparison_recorded.csv")
    flip(out / "comparison_recorded.csv")
    with RunFolder.existing(out) as folder:
        with pytest.raises(
            InputError, match="comparison_recorded.csv is damaged.*'pfc-da compare .* --recorded"
        ):
            folder.require_whole("comparison_recorded.csv")
        with folder.doing("replay"):
            write_outputs(folder, "replay")
        folder.require_whole("comparison_recorded.csv")  # gone with the recording it was of
        assert "comparison_recorded.csv" not in folder.manifest.files


def test_every_flipped_bit_of_a_manifest_is_noticed_or_means_nothing(out):
    finish(out)
    file, rng = out / "manifest.json", np.random.default_rng(0)
    content, whole, refused = file.read_bytes(), read_manifest(out), 0
    for _ in range(300):
        spoilt = bytearray(content)
        spoilt[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        file.write_bytes(spoilt)
        try:
            assert read_manifest(out) == whole
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 250


def fill_csv(file: Path) -> None:
    file.write_text("0123456789\n" * 200_000)


def fill_netcdf(file: Path) -> None:
    import xarray as xr

    xr.Dataset({"activity": ("step", np.random.default_rng(0).normal(size=300_000))}).to_netcdf(
        file, engine="h5netcdf"
    )


def fill_safetensors(file: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(300_000)}, file)


@pytest.mark.parametrize("writer", [fill_csv, fill_netcdf, fill_safetensors])
def test_a_really_full_disk(tmp_path, writer):
    """A file system of 1 MB, written by each library that writes ours."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True
    ).returncode:
        pytest.skip("only root on Linux can mount a small file system to fill")
    try:
        with RunFolder.open(small / "run", CONFIG) as folder:
            folder.write_atomic("file.csv", lambda file: file.write_text("before"))
            with pytest.raises(DiskFull, match="no space left on the disk while writing .*file.csv"):
                folder.write_atomic("file.csv", writer)
            assert (folder.path / "file.csv").read_text() == "before"
        assert {file.name for file in (small / "run").iterdir()} == {
            "file.csv",
            "manifest.json",
            "config.yaml",
            ".lock",
        }
    finally:
        subprocess.run(["umount", small], check=True)


def test_files_have_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_atomic(tmp_path / "weights.safetensors", fill_safetensors)
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_any_other_error_of_the_writer_passes_through(tmp_path):
    def broken(file):
        file.write_text("half")
        raise TypeError("planted")

    with pytest.raises(TypeError, match="planted"):
        write_atomic(tmp_path / "a.csv", broken)
    assert list(tmp_path.iterdir()) == []


def test_half_written_files_of_a_killed_run_are_removed(out):
    finish(out)
    script = (
        "import os, sys; from pathlib import Path; from pfc_da.storage.files import write_atomic\n"
        "write_atomic(Path(sys.argv[1]), lambda file: (file.write_text('half'), os.kill(os.getpid(), 9)))"
    )
    target = out / "animals/001/state.safetensors"
    assert subprocess.run([sys.executable, "-c", script, target]).returncode == -9
    stale = {name for name in files(out) if ".writing-" in name}
    assert len(stale) == 1
    RunFolder.open(out, CONFIG).close()
    assert not {name for name in files(out) if ".writing-" in name}
    assert not target.exists()


def test_a_start_killed_before_its_manifest_can_be_repeated(out):
    out.mkdir(parents=True)
    (out / ".lock").touch()
    (out / ".writing-17-manifest.json").write_text("{")
    with RunFolder.open(out, CONFIG):
        pass
    assert read_manifest(out).status == "waiting"


def test_two_writers_cannot_hold_one_folder(out):
    with RunFolder.open(out, CONFIG):
        for attempt in (lambda: RunFolder.open(out, CONFIG), lambda: RunFolder.existing(out)):
            with pytest.raises(
                InputError, match=rf"is being written by another process \(process {os.getpid()}\)"
            ):
                attempt()
    RunFolder.existing(out).close()


def test_a_refused_open_lets_the_lock_go(out):
    finish(out)
    with pytest.raises(InputError, match="another configuration"):
        RunFolder.open(out, CONFIG | {"seed": 4})
    RunFolder.open(out, CONFIG).close()


def test_a_worker_gets_a_copy_that_writes_but_holds_no_lock(out):
    with RunFolder.open(out, CONFIG) as folder:
        copy = pickle.loads(pickle.dumps(folder))
        copy.write_atomic("animals/000/weights.safetensors", lambda file: file.write_text("w"))
        copy.close()
        with pytest.raises(InputError, match="is being written by another process"):
            RunFolder.existing(out)
        assert folder.kept() == "1 of 2 animals trained"
        copy.write_atomic("animals/001/state.safetensors", lambda file: file.write_text("s"))
        assert folder.kept() == "1 of 2 animals trained and 1 part-way"


def test_the_manifest_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Manifest.model_construct(status="running").status = "finished"


def test_it_loads_no_torch():
    code = "import sys, pfc_da.storage.run_folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_settings_are_kept_for_the_next_run_too(out):
    finish(out)
    file = out / "config.yaml"
    assert read_yaml(file, "settings") == CONFIG
    assert file.read_text().startswith("# Settings of this run.")
    written = file.read_bytes()
    for damaged in (b"", b"\xff", written.replace(b"30", b"31")):
        file.write_bytes(damaged)
        with RunFolder.existing(out) as folder:
            assert folder.is_finished
        assert file.read_bytes() == written
    other = CONFIG | {"seed": 4}
    with RunFolder.open(out, other, force=True):
        assert read_yaml(file, "settings") == other
