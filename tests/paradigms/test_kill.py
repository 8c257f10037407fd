"""A run killed at random moments and started again ends with the bits of one that was left alone."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from pfc_da import cli
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.jobs.workers import LOCK, wait_for_workers
from pfc_da.recording import read_recording
from pfc_da.storage.manifest import read_manifest

SIZES = (
    "network.n_units=16",
    "train.sessions=4",
    "train.checkpoint_every=5",
    "task.n_trials=12",
    "replay.held_out_sessions=8",
    "replay.sessions=8",
    "replay.unit_sessions=8",
)


def command(kind, out, updates, workers):
    sets = [word for text in (*SIZES, f"train.updates={updates}") for word in ("--set", text)]
    return [kind, "bandit", "--animals", "2", "--workers", str(workers), "--out", str(out), *sets]


def assert_same_training(one, other):
    for animal in ("000", "001"):
        folders = [run / "animals" / animal for run in (one, other)]
        weights, others = (load_file(folder / "weights.safetensors") for folder in folders)
        assert weights.keys() == others.keys()
        assert all(torch.equal(weights[name], others[name]) for name in weights)
        curves = [pd.read_csv(folder / "learning_curve.csv").drop(columns="cpu_s") for folder in folders]
        pd.testing.assert_frame_equal(*curves)
        assert not (folders[1] / "state.safetensors").exists()


def test_training_killed_at_three_random_moments(tmp_path):
    """In new processes that have torch already, so that a kill falls into training and not into imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pfc_da.cli", "pfc_da.train", "pfc_da.paradigms.bandit"])
    rng, n_kills = np.random.default_rng(), 0  # other moments every time
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert cli.exit_code(command("train", whole, 300, 1)) == 0
    states = [killed / "animals" / animal / "state.safetensors" for animal in ("000", "001")]

    def stamps():
        return [state.stat().st_mtime_ns if state.exists() else None for state in states]

    for _ in range(3):
        before = stamps()
        worker = context.Process(target=cli.exit_code, args=(command("train", killed, 300, 1),))
        worker.start()
        while worker.is_alive() and stamps() == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.15))
        worker.kill()
        worker.join(60)
        n_kills += worker.exitcode == -signal.SIGKILL
    assert n_kills == 3
    assert cli.exit_code(command("train", killed, 300, 1)) == 0
    assert_same_training(whole, killed)


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments(tmp_path):
    """The whole command with its workers, the main process alone killed, anywhere from imports to the report."""
    program, whole = [sys.executable, "-m", "pfc_da"], tmp_path / "whole"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": (tmp_path / "stderr").open("w+")}
    started = time.monotonic()
    subprocess.run([*program, *command("run", whole, 1000, 2)], check=True, **quiet)
    duration = time.monotonic() - started
    rng, n_kills, n_finished, code = np.random.default_rng(), 0, 0, None
    while n_kills < 10 or code != 0:
        out = tmp_path / str(n_finished)  # a run that got to its end is followed by another
        process = subprocess.Popen([*program, *command("run", out, 1000, 2)], **quiet)
        try:
            process.wait(rng.uniform(0, duration) if n_kills < 10 else None)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL), (tmp_path / "stderr").read_text()[-500:]
        n_kills += code == -signal.SIGKILL
        if code == 0:
            n_finished += 1
            duration *= 0.8  # the machine may be less busy than it was
            assert_same_run(whole, out)
        reached = read_manifest(out) if (out / "manifest.json").exists() else None
        print(code, reached and (reached.status, *reached.stages))


def assert_same_run(one, other):
    assert_same_training(one, other)
    xr.testing.assert_identical(*(read_recording(run / "recording.nc") for run in (one, other)))
    for table in ("statistics", "statistics_by_animal", "comparison"):
        assert (one / f"{table}.csv").read_bytes() == (other / f"{table}.csv").read_bytes()
    assert read_manifest(other).status == "finished"
    assert not list(other.rglob(".writing-*"))


LEVER = [text for text in SIZES if not text.startswith("task.")]
MACAQUE = Path(__file__).resolve().parents[2] / "data" / "recorded" / "macaque_what_reversal.csv.gz"
TRAIN = [*command("train", "{run}", 20, 1), "--force"], "animals/001/weights.safetensors"
REPLAY = ["replay", "{run}", "--workers", "2"], "recording.nc"
SPIKING = (
    ["replay", "{run}", "--force", "--spiking", "--sessions", "2", "--workers", "2"],
    "replays/spiking/recording.nc",
)
CIRCUIT = ["replay", "{run}", "--force", "--circuit", "--workers", "2"], "replays/circuit/recording.nc"
FIT = ["fit", "volatility", "--recorded", str(MACAQUE), "--candidates", "1", "--animals", "2"], "ranking.csv"
FIT[0].extend(["--force", "--out", "{run}", "--workers", "2"])
FIT[0].extend(word for text in (*SIZES[:3], "train.updates=200") for word in ("--set", text))
SHORT_CIRCUIT = [*CIRCUIT[0], "--sessions", "2"], CIRCUIT[1]
STIMULATED = [*SPIKING[0], "--stimulate", "current=0.3,fraction=0.5"]
slow = pytest.mark.slow


def begin(out, paradigm, sizes, *stages):
    sets = [word for text in (*sizes, "train.updates=20") for word in ("--set", text)]
    for stage in stages:
        what = [paradigm, "--animals", "2", "--out", str(out), *sets] if stage == "train" else [str(out)]
        assert cli.exit_code([stage, *what, "--workers", "1"]) == 0


@pytest.mark.parametrize(
    "paradigm, stages, killed, then",
    [
        ("bandit", (), command("train", "{run}", 5000, 2), TRAIN),
        ("bandit", ("train", "replay"), STIMULATED, SPIKING),
        pytest.param("bandit", ("train",), REPLAY[0], REPLAY, marks=slow),
        pytest.param(
            "lever_stimulation",
            ("train", "replay"),
            [*CIRCUIT[0], "--sessions", "4"],
            SHORT_CIRCUIT,
            marks=slow,
        ),
        pytest.param("volatility", (), [*FIT[0], "--seed", "1"], FIT, marks=slow),
    ],
)
def test_a_parent_killed_alone_leaves_no_process_and_no_file(
    tmp_path, monkeypatch, find_processes, paradigm, stages, killed, then
):
    """The command after it, which asks for something else, makes what it makes where nothing was killed."""
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")
    then, file = then
    runs, tag = [tmp_path / "undisturbed", tmp_path / "killed"], str(tmp_path)
    begin(runs[0], paradigm, LEVER if paradigm == "lever_stimulation" else SIZES, *stages)
    if stages:
        shutil.copytree(*runs)
    fill = [lambda words, run=run: [word.format(run=run) for word in words] for run in runs]
    assert cli.exit_code(fill[0](then)) == 0

    words = [sys.executable, "-m", "pfc_da", *fill[1](killed)]
    process = subprocess.Popen(words, env={**os.environ, "PFC_DA_TEST": tag}, stderr=subprocess.DEVNULL)
    while process.poll() is None and all(wait_for_workers(lock.parent, 0) for lock in runs[1].rglob(LOCK)):
        time.sleep(0.02)
    time.sleep(np.random.default_rng().uniform(0, 0.5))  # another moment every time
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait()
    until = time.monotonic() + 5
    while find_processes(tag) and time.monotonic() < until:
        time.sleep(0.02)
    assert find_processes(tag) == []
    assert cli.exit_code(fill[1](then)) == 0
    one, other = (run / file for run in runs)
    if file.endswith(".nc"):
        xr.testing.assert_identical(read_recording(one), read_recording(other))
    else:
        assert one.read_bytes() == other.read_bytes()
