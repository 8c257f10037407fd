"""The examples run as a reader would run them."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pfc_da.export import export_run, read_session, write_nwb
from pfc_da.recording import describe, set_provenance
from pfc_da.settings import resolve

ROOT = Path(__file__).resolve().parents[2]


def run_example(name, *arguments):
    command = [sys.executable, ROOT / "examples" / name, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bandit(tmp_path_factory):
    """Run folder of the first example, and what it printed."""
    folder = tmp_path_factory.mktemp("examples") / "bandit"
    return folder, run_example("run_bandit.py", "--quick", "--out", folder)


def test_run_bandit_prints_the_comparison_and_every_condition(bandit):
    _, printed = bandit
    assert re.search("regret +independent", printed)
    assert all(name in printed for name in ("frozen", "hidden_reset", "untrained"))


def test_own_statistic_reads_that_run(bandit):
    first, last = run_example("own_statistic.py", bandit[0]).splitlines()
    assert first.startswith("first five trials: ") and last.startswith("last five trials: ")
    assert "n = 2 animals" in last


@pytest.fixture(scope="module")
def exported(bandit):
    """Path of what `pfc-da export` writes of that run, by format."""
    return {format: export_run(bandit[0], format, sessions=1)[1][0] for format in ("nwb", "netcdf", "zarr")}


def read_rates(printed):
    """Rows (s after the outcome, rate if rewarded, if not) that the example prints."""
    _, _, *rows = printed.splitlines()
    return np.array([row.split() for row in rows], dtype=float)


def test_pynapple_opens_an_export(exported):
    printed = run_example("open_export_pynapple.py", exported["nwb"])
    assert re.match(r"unit \d+, (ex|in)\w+, \d+ rewarded and \d+ unrewarded trials\n", printed)
    rates = read_rates(printed)
    np.testing.assert_allclose(rates[:, 0], np.arange(-0.45, 1.0, 0.1), atol=0.01)
    apart = np.abs(rates[:, 1] - rates[:, 2])
    assert (
        apart[5:8].mean() > apart[:5].mean()
    )  # the feedback, .3 s; before it nothing is known of the reward


def test_pynapple_finds_the_unit_that_was_planted(build_recording, tmp_path):
    """Of six units at 20 Hz one fires at 60 Hz in the first .2 s of rewarded outcomes; all but it are as before."""
    recording = build_recording(shape=(1, 1, 200))
    n_bins = np.rint(recording["duration"].values[0, 0, 0] / 0.05).astype(int)
    rewarded = np.repeat(recording["reward"].values[0, 0, 0, ::2] > 0, 2) & (
        recording["phase"].values == "outcome"
    )
    activity = np.full(recording["activity"].shape, 20.0)
    activity[0, 0, :, 3] = np.where(np.repeat(rewarded, n_bins), 60.0, 20.0)
    traces = dict.fromkeys(
        ("value_trace", "dopamine_trace"), (recording["activity"].dims[:-1], activity[..., 0])
    )
    traces["policy_trace"] = ((*recording["activity"].dims[:-1], "action"), activity[..., :2])
    planted = recording.assign(activity=(recording["activity"].dims, activity), **traces)
    config = resolve([{"paradigm": "bandit"}]).model_dump(mode="json")
    describe(planted, {"p_reward": ("1", "reward probability")}, "Hz")
    set_provenance(planted, config=config, choice_phase="go")
    write_nwb(read_session(planted), tmp_path / "planted.nwb")
    printed = run_example("open_export_pynapple.py", tmp_path / "planted.nwb")
    assert printed.startswith("unit 3, excitatory, ")
    rates = read_rates(printed)
    during = (rates[:, 0] > 0) & (rates[:, 0] < 0.2)
    error = 4 * np.sqrt(60 / 0.1 / 40)  # of a bin of .1 s, over 40 trials or more: 15 Hz
    np.testing.assert_allclose(rates[during, 1], 60, atol=error)
    np.testing.assert_allclose(
        rates[(rates[:, 0] > -0.2) & ~during & (rates[:, 0] < 0.3), 1:], 20, atol=error
    )
    np.testing.assert_allclose(rates[during, 2], 20, atol=error)


def test_elephant_opens_an_export(exported):
    _, *lines = run_example("open_export_elephant.py", exported["nwb"]).splitlines()
    numbers = np.array([line.split()[2:] for line in lines], dtype=float)  # rate, CV2, LV, Fano
    assert numbers.shape == (10, 4)
    assert (np.abs(np.median(numbers[:, 1:3], axis=0) - 1) < 0.15).all()  # Poisson
    assert np.median(numbers[:, 3]) > 0.9  # and rates that vary


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_xarray_opens_an_export(exported, format):
    printed = run_example("open_export_xarray.py", exported[format])
    errors = {
        line.split()[0]: float(line.split()[1])
        for line in printed.splitlines()
        if line[:4] in ("rewa", "none")
    }
    assert errors["reward"] > 0 > errors["none"]


@pytest.mark.parametrize("file", ["recording", "netcdf", "zarr"])
def test_psth_reads_a_recording_and_an_export(bandit, exported, file):
    path = bandit[0] / "recording.nc" if file == "recording" else exported[file]
    first, _, _, *rows = run_example("psth.py", path).splitlines()
    assert re.match(r"unit \d+, activity in Hz, trials by reward: \[\d+, \d+\]", first)
    rates = np.array([row.split() for row in rows], dtype=float)  # time, unrewarded, rewarded
    np.testing.assert_allclose(rates[:, 0], np.arange(-0.175, 0.5, 0.05), atol=0.01)
    assert abs(rates[:, 1] - rates[:, 2])[4:].max() > 1  # from the outcome


def test_recorded_choices_shows_every_mouse():
    lines = run_example("recorded_choices.py").splitlines()
    assert len(lines) == 8
    assert all("matching slope 0." in line for line in lines)  # mice undermatch on this schedule


needs_sb3 = pytest.mark.skipif(
    importlib.util.find_spec("sb3_contrib") is None,
    reason="sb3-contrib is not installed (pip install sb3-contrib)",
)


@needs_sb3
def test_recurrent_ppo_is_tested_before_and_after_training():
    before, after = run_example("recurrent_ppo.py", "--steps", 1600).splitlines()
    assert before.startswith("before 0 steps: better arm on trial 1 0.")
    assert after.startswith("after 1600 steps: ")
    assert before.split(":")[1] != after.split(":")[1]


@needs_sb3
@pytest.mark.slow
def test_recurrent_ppo_learns_to_find_the_better_arm_within_a_session():
    _, after = run_example("recurrent_ppo.py").splitlines()
    first, last = (float(word.rstrip(",")) for word in after.split() if re.fullmatch(r"[01]\.\d\d,?", word))
    assert abs(first - 0.5) < 0.15
    assert last > 0.85
