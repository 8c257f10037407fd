"""Small made-up data that several test files use: a replayed run without training, and a session as an NWB file."""

import contextlib
import datetime
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pfc_da.recording import SCHEMA_VERSION
from pfc_da.settings import resolve
from pfc_da.storage.run_files import STAGES
from pfc_da.storage.run_folder import RunFolder


def simulate(rng, stay, shape):
    """Choices and rewards (animal, session, trial): half of all trials pay, and a win and a loss keep with `stay`."""
    reward = (rng.random(shape) < 0.5).astype(float)
    choice = np.zeros(shape, int)
    for trial in range(1, shape[-1]):
        kept = rng.random(shape[:2]) < np.where(reward[..., trial - 1] > 0, *stay)
        choice[..., trial] = np.where(kept, choice[..., trial - 1], 1 - choice[..., trial - 1])
    return choice, reward


@pytest.fixture(scope="session")
def find_processes():
    """A function that lists the processes alive which were begun with PFC_DA_TEST set to a text, workers among them."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("only Linux tells the environment of a process")

    def find(text):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended since
                alive = (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if alive and f"PFC_DA_TEST={text}".encode() in (process / "environ").read_bytes().split(
                    b"\0"
                ):
                    found.append(int(process.name))
        return found

    return find


@pytest.fixture(scope="session")
def build_recording():
    """A function that makes a recording of two arms: a choice phase of .2 to .3 s and an outcome of .2 s, bins of 50 ms.

    Units fire at 20 Hz, and in the choice phase unit 0 at 40 or 80 Hz with the choice, unit 1 with the last choice.
    Sessions have the same durations.
    """

    def build(stay=(0.9, 0.4), shape=(3, 30, 60), seed=0, n_units=6):
        rng = np.random.default_rng(seed)
        choice, reward = simulate(rng, stay, shape)
        n_bins = np.stack([rng.integers(4, 7, shape[2]), np.full(shape[2], 4)], -1).ravel()
        last = np.concatenate([choice[..., :1], choice[..., :-1]], axis=-1)
        by_step = np.full((*shape, 2, n_units), 20.0)
        by_step[..., 0, 0] = 40 + 40 * choice
        by_step[..., 0, 1] = 40 + 40 * last
        activity = np.repeat(by_step.reshape(*shape[:2], -1, n_units), n_bins, axis=2)
        steps, nothing = ("animal", "condition", "episode", "step"), np.zeros_like(choice)
        kept = ("animal", "recorded_episode", "bin", "unit")
        seconds = np.tile(n_bins * 0.05, (shape[0], 1, shape[1], 1))
        return xr.Dataset(
            {
                "choice": (steps, np.stack([choice, nothing - 1], -1).reshape(*shape[:2], -1)[:, None]),
                "reward": (steps, np.stack([reward, nothing], -1).reshape(*shape[:2], -1)[:, None]),
                "onset": (steps, seconds.cumsum(-1) - seconds),
                "duration": (steps, seconds),
                "p_reward": (("episode", "action"), np.tile([0.6, 0.4], (shape[1], 1))),
                "activity": (kept, activity, {"units": "Hz"}),
            },
            coords={
                "animal": np.arange(shape[0]),
                "condition": ["frozen"],
                "trial": ("step", np.repeat(np.arange(shape[2]), 2)),
                "phase": ("step", ["go", "outcome"] * shape[2]),
                "time": ("bin", np.arange(n_bins.sum()) * 0.05),
                "recorded_episode": np.arange(shape[1]),
                "is_excitatory": ("unit", np.arange(n_units) < n_units - 1),
            },
            attrs={
                "schema_version": SCHEMA_VERSION,
                "choice_phase": "go",
                "seed": 0,
                "paradigm": "bandit",
            },
        )

    return build


@pytest.fixture
def replayed_run(tmp_path, finished_run):
    """A copy, to be written to, of a finished run with that recording."""
    return shutil.copytree(finished_run, tmp_path / "run")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, build_recording):
    """A finished run; but for the recording its files hold only what the stages are known by."""
    config = resolve([{"paradigm": "bandit", "animals": 3, "seed": 0}]).model_dump(mode="json")
    path = tmp_path_factory.mktemp("finished") / "run"
    columns = "key,condition,simulated,sim_low,sim_high,reference,ref_low,ref_high,kind,source,doi,locator,verdict,why"
    with RunFolder.open(path, config) as folder:
        for animal in range(3):
            folder.write_atomic(f"animals/{animal:03d}/weights.safetensors", lambda file: file.touch())
        recording = build_recording()
        folder.write_atomic("recording.nc", lambda file: recording.to_netcdf(file, engine="h5netcdf"))
        folder.write_atomic("comparison.csv", lambda file: file.write_text(columns + "\n"))
        folder.write_atomic("report.html", lambda file: file.touch())
        for stage in STAGES:
            with folder.doing(stage):
                pass
    return path


@pytest.fixture(scope="session")
def write_session():
    """A function that writes a session as NWB: trials of `trial_s` with a cue after .5 s, Poisson units of 8 Hz.

    Unit 0 fires at three times that rate for .3 s after the cue of trials with choice 1. `scale` multiplies times of
    spikes and of trials, `units` is how many there are.
    """
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    def write(path, *, n_trials=120, units=3, rate=8.0, trial_s=2.0, scale=(1.0, 1.0), observed=None, seed=0):
        rng = np.random.default_rng(seed)
        file = NWBFile(
            session_description="made up",
            identifier=path.name,
            session_start_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
            session_id=path.stem,
            subject=Subject(subject_id="m1", species="Mus musculus", sex="U", age="P90D"),
        )
        start, choice = trial_s * np.arange(n_trials), rng.integers(2, size=n_trials)
        for name in ("choice", "reward", "cue_time"):
            file.add_trial_column(name, name)
        for trial in range(n_trials):
            file.add_trial(
                start_time=float(start[trial] * scale[1]),
                stop_time=float((start[trial] + 0.9 * trial_s) * scale[1]),
                choice=int(choice[trial]),
                reward=float(rng.random() < 0.5),
                cue_time=float((start[trial] + 0.5) * scale[1]),
            )
        for unit in range(units):
            times = rng.uniform(0, n_trials * trial_s, rng.poisson(rate * n_trials * trial_s))
            if unit == 0:
                more = [
                    at + 0.5 + rng.uniform(0, 0.3, rng.poisson(2 * rate * 0.3))
                    for at in start[choice == 1].tolist()
                ]
                times = np.concatenate([times, *more])
            if observed is not None:
                times = np.concatenate([times[(times >= a) & (times <= b)] for a, b in observed])
            given = {} if observed is None else {"obs_intervals": np.array(observed, dtype=float)}
            file.add_unit(spike_times=np.sort(times) * scale[0], **given)
        with NWBHDF5IO(str(path), "w") as opened:
            opened.write(file)
        return path

    return write
