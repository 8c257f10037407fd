"""A disk that is full, or files that may not grow: one line, nothing lost, and the same command goes on afterwards."""

import json
import multiprocessing
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from pfc_da import cli

SIZES = (
    "network.n_units=16",
    "train.updates=6",
    "train.checkpoint_every=2",
    "task.n_trials=20",
    "replay.held_out_sessions=300",
    "replay.sessions=300",
    "replay.unit_sessions=100",
)
RUN = ["run", "bandit", "--animals", "2", "--workers", "1", *(f"--set={text}" for text in SIZES)]
COMMANDS = {
    "run": RUN,
    "replay": ["replay", "--force", "--workers", "1"],
    "spiking": ["replay", "--spiking", "--sessions", "40", "--workers", "1"],
    "nwb": ["export", "--format", "nwb", "--sessions", "4"],
    "netcdf": ["export", "--format", "netcdf"],
    "zarr": ["export", "--format", "zarr"],
    "csv": ["export", "--format", "csv"],
}
CHANGING = (
    "manifest.json",
    "report.html",
    "learning_curve.csv",
    "learning_curve.svg",
    ".json",
    ".lock",
    ".sha256",
)
"""Files with times in them, or the SHA-256 of such files."""


def words(name, out):
    return [*RUN, "--out", str(out)] if name == "run" else [COMMANDS[name][0], str(out), *COMMANDS[name][1:]]


def work(arguments, output, limit):
    """Run the command line in this process, its output to the file `output`; no file may be larger than `limit` bytes."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(descriptor, number)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    os._exit(cli.exit_code(arguments))


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """A function that runs a command in a process of its own; its exit code and what it said."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pfc_da.cli", "pfc_da.train", "pfc_da.paradigms.bandit", "pfc_da.export"])
    output = tmp_path_factory.mktemp("output") / "output.txt"

    def run(name, out, limit=0):
        process = context.Process(target=work, args=(words(name, out), output, limit))
        process.start()
        process.join(300)
        return process.exitcode, output.read_text(errors="replace")

    return run


@pytest.fixture(scope="module")
def finished(call, tmp_path_factory):
    """A finished run."""
    path = tmp_path_factory.mktemp("finished") / "run"
    code, output = call("run", path)
    assert code == 0, output
    return path


def read(folder):
    """Files that must have the same bits at the end, by path."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.endswith(CHANGING)]
    return {
        str(file.relative_to(folder)): b"ids by chance" if file.suffix == ".nwb" else file.read_bytes()
        for file in files
    }


def assert_one_line(code, output):
    lines = [line for line in output.splitlines() if line and " 1/" not in line]
    errors = [line for line in lines if line.startswith("error:")]
    assert code == 2, (code, output[-2000:])
    assert len(errors) == 1 and "Traceback" not in output and "Error in" not in output, output[-2000:]


def assert_kept(out, before):
    """Nothing is lost, nothing half-written, and the run is not marked as running."""
    if (out / "manifest.json").exists():
        assert json.loads((out / "manifest.json").read_text())["status"] != "running"
    assert not list(out.rglob(".writing-*"))
    now = read(out)
    gone = {name for name in before if now.get(name) != before[name]}
    assert not gone, gone


@pytest.mark.parametrize("name", ["replay", "netcdf", "nwb"])
def test_a_file_that_may_not_grow(name, call, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "run")
    before = read(out)
    limit = 150_000 if name == "nwb" else 400_000
    code, output = call(name, out, limit)
    assert_one_line(code, output)
    assert "file too large for the disk or for 'ulimit -f' while writing" in output
    assert_kept(out, before)
    assert call(name, out)[0] == 0
    assert read(out).items() >= before.items()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.15, 0.4, 0.7])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_really_full_disk(name, share, call, finished, tmp_path):
    whole = tmp_path / "whole"
    if name != "run":
        shutil.copytree(finished, whole)
    start = measure(whole)
    code, output = call(name, whole)
    assert code == 0, output
    more = measure(finished / "recording.nc") if name == "replay" else measure(whole) - start
    disk = tmp_path / "disk"
    disk.mkdir()
    size = start + int(share * more) + 16_384
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("only root on Linux can mount a small file system to fill")
    try:
        out = disk / "run"
        if name != "run":
            shutil.copytree(finished, out)
        before = read(out)
        code, output = call(name, out)
        assert_one_line(code, output)
        assert "no space left on the disk" in output
        assert_kept(out, before)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        code, output = call(name, out)
        assert code == 0, output
        assert read(out) == read(whole)
    finally:
        subprocess.run(["umount", disk], check=True)


def measure(path: Path) -> int:
    """Bytes that a file or folder takes in pages of 4096."""
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in (path, *path.rglob("*")) if file.is_file())
