"""A file of a run that was damaged is named in one line, whatever file and whatever damage: never used, never waited for."""

import os
import shutil
import signal

import numpy as np
import pytest

from pfc_da import cli

SIZES = (
    "network.n_units=8",
    "train.updates=12",
    "train.checkpoint_every=5",
    "train.snapshots=[.5]",
    "task.n_trials=20",
    "replay.held_out_sessions=20",
    "replay.sessions=20",
    "replay.unit_sessions=8",
)
RUN = "run bandit --animals 2 --workers 1 --out {run} " + " ".join(f"--set {text}" for text in SIZES)
SPIKING = "replay {run} --spiking --sessions 8 --workers 1"
EXPORT = "export {run} --format "
CHOICES = "{run}/exports/csv/*_frozen.csv"
KINDS = {  # file -> commands that read it
    "manifest.json": (RUN, "report {run}"),
    "animals/001/weights.safetensors": (RUN, "replay {run} --force --workers 1", "compare {run} --force"),
    "animals/000/after_*.safetensors": (RUN, "replay {run} --force --workers 1"),
    "animals/001/learning_curve.csv": (RUN, "compare {run} --force"),
    "recording.nc": (RUN, "compare {run} --force", EXPORT + "csv --out {run}/more"),
    "statistics.csv": (RUN, "report {run} --force"),
    "statistics_by_animal.csv": (RUN, "compare {run}"),
    "headline.csv": (RUN, "report {run} --force"),
    "comparison.csv": (RUN, "report {run} --force"),
    "comparison_recorded.csv": ("report {run} --force",),
    "figures/[c-w]*.csv": (RUN, "report {run} --force"),
    "figures/[c-w]*.svg": (RUN, "report {run} --force"),
    "replays/spiking/figures/*.csv": (SPIKING, "report {run} --force"),
    "report.html": (RUN, "report {run}"),
    "replays/spiking/recording.nc": (SPIKING, EXPORT + "csv --spiking --out {run}/more"),
    "replays/spiking/statistics.csv": (SPIKING, "report {run} --force"),
    "replays/spiking/comparison.csv": (SPIKING, "report {run} --force"),
    "exports/csv/*.csv": (EXPORT + "csv",),
    "exports/csv/*.json": (EXPORT + "csv",),
    "exports/csv/*.sha256": (EXPORT + "csv",),
    "exports/nwb/*/*.nwb": (EXPORT + "nwb --sessions 1",),
    "exports/netcdf/*.nc": (EXPORT + "netcdf",),
    "exports/zarr/*.zarr/rpe/c/*/*/*/*": (EXPORT + "zarr",),
    "exports/zarr/*.zarr/zarr.json": (EXPORT + "zarr",),
}  # fmt: skip
HOW = ("flip", "flip", "flip", "cut", "empty", "other", "pipe", "folder", "loop")
SLOW = ("spiking", "neurons", "nwb", "netcdf", "zarr")
PLAIN = {kind: commands for kind, commands in KINDS.items() if not any(word in kind for word in SLOW)}
QUICK, ALL = 20, 230


def call(command, run):
    return cli.exit_code(command.format(run=run).split())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with what is made of it fast."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert call(RUN, run) == 0
    assert call(EXPORT + "csv", run) == 0
    (choices,) = run.glob("exports/csv/*_frozen.csv")
    assert call(f"compare {{run}} --recorded {choices}", run) == 0
    return run


@pytest.fixture(scope="module")
def with_all(whole, tmp_path_factory):
    """The same replayed as neurons too, and in every format."""
    run = shutil.copytree(whole, tmp_path_factory.mktemp("all") / "run")
    for words in ("nwb --sessions 1", "netcdf", "zarr"):
        assert call(EXPORT + words, run) == 0
    assert call(SPIKING, run) == 0
    (choices,) = run.glob("exports/csv/*_frozen.csv")
    assert call(f"compare {{run}} --recorded {choices}", run) == 0
    return run


def damage(file, how, rng):
    """Change a file; what it was stays in no part of it."""
    content = bytearray(file.read_bytes())
    if how == "flip":
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    elif how == "cut":
        del content[int(rng.integers(len(content))) :]
    elif how == "empty":
        content.clear()
    elif how == "other":
        content = bytearray(rng.bytes(len(content)))
    file.unlink()
    if how == "pipe":
        os.mkfifo(file)
    elif how == "folder":
        file.mkdir()
    elif how == "loop":
        file.symlink_to(file)
    else:
        file.write_bytes(content)


def too_long(number, frame):
    raise TimeoutError("the command hangs")


def run_case(number, kinds, whole, folder, capsys):
    """One kind of damage to one kind of file, and a command that reads it."""
    rng = np.random.default_rng(number)
    kind = list(kinds)[number % len(kinds)]
    how = HOW[int(rng.integers(len(HOW)))]
    command = kinds[kind][int(rng.integers(len(kinds[kind])))]
    run = shutil.copytree(whole, folder / str(number))
    file = sorted(run.glob(kind))[0]
    before = file.read_bytes()
    damage(file, how, rng)
    capsys.readouterr()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    try:
        code = call(command, run)
    finally:
        signal.alarm(0)
    out, err = capsys.readouterr()
    case = f"case {number}: {how} of {kind}, then {command.split(' --')[0]}: {code}, {err[-500:]}"
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in err, case
    if code == 0:  # only if what was damaged was made again, or is no longer the file it was
        # NWB has ids by chance in it, learning curves have CPU times
        assert file.is_file(), case
        assert file.read_bytes() == before or file.name.endswith((".sha256", ".nwb", "curve.csv")), case
    else:
        assert code == 2 and len(lines) == 1, case
        # a link to itself is as good as no file; of a store any part may be named
        named = file.name in err or "is not done" in err or (".zarr" in kind and ".zarr" in err)
        assert named or kind.endswith(".sha256"), case
    shutil.rmtree(run)


def test_damage_is_named(whole, tmp_path, capsys):
    for number in range(QUICK):
        run_case(number, PLAIN, whole, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_damage_of_every_kind_is_named(part, with_all, tmp_path, capsys):
    for number in range(QUICK + part, QUICK + ALL, 10):
        run_case(number, KINDS, with_all, tmp_path, capsys)
