"""Exports: sessions in seconds, files that are whole or not there, and the same numbers in every tool."""

import functools
import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pfc_da import cli
from pfc_da.analysis.readers.choice_table import read_choices
from pfc_da.analysis.readers.nwb import read as read_nwb
from pfc_da.errors import InputError
from pfc_da.export import (
    build_nwb,
    export_run,
    formats,
    list_sessions,
    read_session,
    to_neo,
    to_pynapple,
    write_nwb,
)
from pfc_da.recording import describe, read_recording, set_provenance, write_recording
from pfc_da.settings import resolve
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trials import per_trial

ANIMALS, EPISODES, RECORDED, TRIALS, UNITS = 2, 4, 3, 6, 5
PHASES = ("fixation", "choice", "outcome")
STEPS = TRIALS * len(PHASES)
BIN_S, COUNTS = 0.05, [10, 4, 6] * 3 + [14, 4, 6] * 3
"""Bins of every step: the fixation of the last three trials lasts .7 s and not .5 s."""
BINS = sum(COUNTS)
CONFIG = resolve([{"paradigm": "bandit", "seed": 5, "animals": ANIMALS}]).model_dump(mode="json")
DESCRIPTIONS = {
    "p_reward": ("1", "reward probability of each arm"),
    "outcome": ("1", "a label with a name that tables of choices use too"),
    "regret": ("rewards", "reward lost"),
    "held_out_reward": ("rewards per trial", "mean reward"),
}


def make_recording(units="Hz"):
    """A recording made by hand; one trial of the first session is without a choice."""
    rng = np.random.default_rng(0)
    step = ("animal", "condition", "episode", "step")
    shape = (ANIMALS, 2, EPISODES, STEPS)
    is_choice = np.tile(np.array(PHASES) == "choice", TRIALS)
    choice = np.where(is_choice, rng.integers(0, 2, shape), -1).astype(np.int8)
    choice[0, 0, 0, 4] = -1
    begin = np.cumsum([0, *COUNTS[:-1]])
    seconds = {"onset": BIN_S * begin, "duration": BIN_S * np.array(COUNTS)}
    by_bin = ("animal", "recorded_episode", "bin")
    reward = np.where(choice >= 0, rng.integers(0, 2, shape), 0).astype(np.float32)
    floats = {
        name: (step, rng.standard_normal(shape).astype(np.float32)) for name in ("value", "rpe", "regret")
    }
    dataset = xr.Dataset(
        {
            "choice": (step, choice),
            "reward": (step, reward),
            **floats,
            **{
                name: (step, np.broadcast_to(times, shape).astype(np.float32))
                for name, times in seconds.items()
            },
            **{
                name: (by_bin, rng.standard_normal((ANIMALS, RECORDED, BINS)).astype(np.float32))
                for name in ("value_trace", "dopamine_trace")
            },
            "outcome": (step, rng.integers(0, 2, shape).astype(np.int16)),
            "policy": ((*step, "action"), rng.random((*shape, 2)).astype(np.float32)),
            "p_reward": (("episode", "action"), rng.random((EPISODES, 2)).astype(np.float32)),
            "held_out_reward": (("animal", "condition", "held_out_episode"), rng.random((ANIMALS, 2, 7))),
            "activity": (
                (*by_bin, "unit"),
                rng.gamma(2.0, 5.0, (ANIMALS, RECORDED, BINS, UNITS)).astype(np.float32),
            ),
            "policy_trace": (
                (*by_bin, "action"),
                rng.random((ANIMALS, RECORDED, BINS, 2)).astype(np.float32),
            ),
        },
        coords={
            "animal": range(ANIMALS),
            "condition": ["frozen", "hidden_reset"],
            "recorded_episode": range(RECORDED),
            "trial": ("step", np.arange(STEPS) // len(PHASES)),
            "phase": ("step", list(PHASES * TRIALS)),
            "time": ("bin", np.arange(BINS) * BIN_S),
            "tau": ("unit", np.linspace(0.1, 1, UNITS)),
            "is_excitatory": ("unit", np.arange(UNITS) < UNITS - 1),
        },
    )
    dataset["activity"][..., 2] = 0.0  # a silent unit
    return set_provenance(describe(dataset, DESCRIPTIONS, units), config=CONFIG, choice_phase="choice")


def make_run(path, recording):
    """A run folder whose animals are trained and replayed."""
    folder = RunFolder.open(path, CONFIG)
    for animal in range(ANIMALS):
        folder.write_atomic(f"animals/{animal:03d}/weights.safetensors", lambda file: file.write_text("w"))
    for stage in ("train", "replay"):
        with folder.doing(stage):
            folder.write_atomic("recording.nc", functools.partial(write_recording, recording))
    folder.close()
    return path


@pytest.fixture(scope="module")
def recording():
    return make_recording()


@pytest.fixture
def run(tmp_path, recording):
    return make_run(tmp_path / "run", recording)


@pytest.fixture(scope="module")
def session(recording):
    return read_session(recording, animal=1, session=2)


@pytest.fixture(scope="module")
def nwb_file(session, tmp_path_factory):
    path = tmp_path_factory.mktemp("nwb") / "session.nwb"
    write_nwb(session, path)
    return path


# A session


def test_events_are_in_seconds(session):
    trials = session.trials
    assert trials["start_time"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.2, 5.4]
    assert trials["stop_time"].tolist() == [0.999999, 1.999999, 2.999999, 4.199999, 5.399999, 6.599999]
    assert trials["fixation_time"].equals(trials["start_time"].rename("fixation_time"))
    assert trials["choice_time"].tolist() == [0.5, 1.5, 2.5, 3.7, 4.9, 6.1]
    assert trials["response_time"].tolist() == [0.7, 1.7, 2.7, 3.9, 5.1, 6.3]
    assert trials["response_time"].equals(trials["outcome_time"].rename("response_time"))
    assert (session.phases, session.bin_s, session.stop_s) == (PHASES, BIN_S, 6.6)


def test_every_phase_begins_as_the_one_before_ends(session):
    steps = session.steps
    assert (steps["trial"].tolist(), steps["phase"].tolist()) == (
        np.repeat(range(TRIALS), len(PHASES)).tolist(),
        list(PHASES * TRIALS),
    )
    assert steps["start_time"].tolist() == [0.0, *steps["stop_time"][:-1]]
    assert steps["stop_time"].iloc[-1] == session.stop_s
    lasts = (steps["stop_time"] - steps["start_time"]) / BIN_S
    assert np.allclose(lasts, COUNTS, atol=1e-9, rtol=0)


def test_choices_and_rewards_are_events_at_the_end_of_their_phase(session):
    trials = session.trials
    assert session.responses["time"].tolist() == trials["response_time"].tolist()
    assert session.responses["choice"].tolist() == trials["choice"].tolist()
    assert session.rewards["time"].tolist() == trials["outcome_time"][trials["reward"] > 0].tolist()
    assert (session.rewards["reward"] == 1).all() and 0 < len(session.rewards) < TRIALS


def test_a_session_of_hours_is_exact_to_the_bin(recording):
    """The onset of a step has single precision, .5 ms after two hours."""
    late = recording.copy(deep=True)
    late["onset"] = (late["onset"] + 7200).astype(np.float32)
    starts = read_session(late, animal=1, session=2).steps["start_time"]
    assert starts.tolist() == (np.cumsum([0, *COUNTS[:-1]]) * 50_000 / 1e6 + 7200).tolist()


def test_the_trials_table_holds_what_the_recording_holds(session, recording):
    for name in ("choice", "reward", "value", "rpe", "regret", "outcome"):
        own = per_trial(recording, name)[1, 0, 2].values
        assert np.array_equal(session.trials[name], own), name
    assert np.array_equal(session.trials["policy_1"], per_trial(recording, "policy")[1, 0, 2, :, 1])
    assert (session.trials["p_reward_0"] == recording["p_reward"].values[2, 0]).all()
    assert set(session.trials) | set(session.units) == set(session.columns)
    assert session.columns["rpe"].endswith("(rewards)")
    assert session.columns["p_reward_1"] == "reward probability of each arm, action 1"
    assert not {"onset", "duration", "value_trace", "held_out_reward"} & set(session.trials)


def test_columns_of_0_and_1_are_kept_in_one_byte(recording):
    """An inspector takes longer ones for careless booleans: the policy of a session of forced choices alone, for one."""
    sure = recording.copy(deep=True)
    sure["policy"] = np.round(sure["policy"])
    own, other = read_session(sure).trials, read_session(recording).trials
    assert own["policy_0"].dtype == own["choice"].dtype == np.int8
    assert np.array_equal(own["policy_0"], np.round(other["policy_0"]))
    assert other["policy_0"].dtype == other["rpe"].dtype == np.float32


def test_units_are_told_apart(session):
    assert session.units["cell_type"].tolist() == ["excitatory"] * 4 + ["inhibitory"]
    assert (session.units["area"] == "PFC").all()
    assert session.units["tau"].tolist() == pytest.approx(np.linspace(0.1, 1, UNITS))


def test_spikes_come_from_the_rates_of_their_session_and_are_the_same_every_time(recording, session):
    again = read_session(recording, animal=1, session=2)
    assert np.array_equal(session.spikes.times, again.spikes.times)
    assert len(session.spikes.trains()[2]) == 0
    others = [read_session(recording, animal=a, session=s) for a, s in list_sessions(recording)]
    starts = {round(other.spikes.times[0], 6) for other in others}
    assert len(starts) == len(others) == ANIMALS * RECORDED
    expected = float(recording["activity"].sum()) * BIN_S
    found = sum(len(other.spikes.times) for other in others)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_a_place_that_is_not_there_is_refused(recording):
    with pytest.raises(InputError, match="animal must lie from 0 to 1 in this recording, got 2"):
        read_session(recording, animal=2)
    with pytest.raises(InputError, match="recorded_episode must lie from 0 to 2 in this recording, got -1"):
        read_session(recording, session=-1)


def test_rates_that_are_none_are_refused_with_their_session(recording):
    broken = recording.copy(deep=True)
    broken["activity"][1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match="animal 1, episode 2: spikes can be drawn from finite rates"):
        read_session(broken, animal=1, session=2)


def test_activity_wider_than_long_comes_in_parts_that_inspectors_take_for_what_they_are(recording, tmp_path):
    import pynwb
    from nwbinspector import inspect_nwbfile

    few = recording.isel(step=slice(0, len(PHASES)), bin=slice(0, 3))  # 5 units
    write_nwb(read_session(few), file := tmp_path / "short.nwb")
    with pynwb.NWBHDF5IO(str(file), "r") as io:
        series = io.read().processing["behavior"].data_interfaces
        assert [name for name in series if name.startswith("activity")] == ["activity_0", "activity_1"]
        parts = [series[f"activity_{part}"].data[:] for part in range(2)]
        assert series["activity_1"].description.endswith(", columns 3 to 4 of 5")
    assert np.array_equal(np.concatenate(parts, 1), few["activity"][0, 0])
    found = {
        message.check_function_name for message in inspect_nwbfile(nwbfile_path=file, skip_validate=True)
    }
    assert "check_data_orientation" not in found


def test_activity_that_is_no_rate_gives_no_spikes(tmp_path):
    import pynwb

    session = read_session(make_recording(units="1"))
    assert session.spikes is None
    write_nwb(session, tmp_path / "lstm.nwb")
    with pynwb.NWBHDF5IO(str(tmp_path / "lstm.nwb"), "r") as io:
        nwb = io.read()
        assert nwb.units is None
        assert "no firing rate, so there are neither spikes nor units" in nwb.session_description
        assert nwb.processing["behavior"]["activity"].data.shape == (BINS, UNITS)
    assert len(to_neo(session).segments[0].spiketrains) == 0
    assert "units" not in to_pynapple(session)


# The same numbers in every tool


def test_nwb_gives_back_what_went_in(nwb_file, session):
    import pynwb

    with pynwb.NWBHDF5IO(str(nwb_file), "r") as io:
        nwb = io.read()
        assert np.array_equal(nwb.units["spike_times"].target.data[:], session.spikes.times)
        for unit, train in enumerate(session.spikes.trains()):
            assert np.array_equal(nwb.units["spike_times"][unit], train)
        assert np.array_equal(nwb.units["obs_intervals"][3], [[0.0, 6.6]])
        assert nwb.units["cell_type"].data[:].tolist() == session.units["cell_type"].tolist()
        read = nwb.trials.to_dataframe()
        assert np.array_equal(read.to_numpy(), session.trials.to_numpy())
        for name, values in session.series.items():
            series = nwb.processing["behavior"][name]
            assert np.array_equal(series.data[:], values)
            assert (series.rate, series.starting_time) == (20.0, 0.0)
        for phase in PHASES:
            onset = nwb.events[f"{phase}_onset"]
            assert onset["timestamp"].data[:].tolist() == session.trials[f"{phase}_time"].tolist()
            assert onset["duration"].data[:].tolist() == [
                round(BIN_S * n, 6) for n in COUNTS[PHASES.index(phase) :: len(PHASES)]
            ]
        for name, events in (("response", session.responses), ("reward", session.rewards)):
            read = nwb.events[name].to_dataframe().rename(columns={"timestamp": "time"})
            for column in events:
                assert read[column].tolist() == events[column].tolist(), (name, column)


def test_our_own_reader_of_recordings_reads_an_export(nwb_file, session):
    read = read_nwb(nwb_file)
    for train, times in zip(read.times, session.spikes.trains(), strict=True):
        assert np.array_equal(train, times)
    assert np.array_equal(read.trials["choice"], session.trials["choice"])
    assert np.array_equal(read.trials["reward"], session.trials["reward"])


def test_a_trial_without_a_choice_has_no_response(recording):
    nwb = build_nwb(read_session(recording))
    assert len(nwb.events["response"]) == TRIALS - 1
    assert -1 not in nwb.events["response"]["choice"].data
    assert nwb.trials["choice"].data[1] == -1


def test_an_nwb_file_says_that_it_was_simulated(session):
    nwb = build_nwb(session)
    for text in (
        nwb.session_description,
        nwb.experiment_description,
        nwb.subject.description,
        nwb.units.description,
    ):
        assert "no animal was recorded" in text
    assert "drawn from the firing rates" in nwb.units.description
    assert "doubly stochastic Poisson" in nwb.units["spike_times"].target.description
    assert {"simulation", "in silico"} <= set(nwb.keywords)
    assert (nwb.subject.species, nwb.subject.sex) == ("Macaca mulatta", "U")
    assert json.loads(nwb.scratch["settings"].data) == CONFIG


def test_pynapple_gives_back_what_went_in(nwb_file, session):
    import pynapple as nap

    for tool in (nap.load_file(str(nwb_file)), to_pynapple(session)):
        for unit, train in enumerate(session.spikes.trains()):
            assert np.array_equal(tool["units"][unit].t, train)
        assert tool["units"]["cell_type"].tolist() == session.units["cell_type"].tolist()
        assert np.array_equal(tool["trials"].start, session.trials["start_time"])
        assert np.array_equal(tool["trials"].end, session.trials["stop_time"])
        for name in ("choice", "reward", "rpe", "value", "choice_time"):
            assert np.array_equal(np.asarray(tool["trials"][name]), session.trials[name]), name
        assert np.array_equal(np.asarray(tool["value_trace"].d), session.series["value_trace"])
        assert np.allclose(tool["value_trace"].t, np.arange(BINS) / 20, atol=1e-9, rtol=0)
        assert np.array_equal(np.asarray(tool["activity"].d), session.series["activity"])


def test_neo_gives_back_what_went_in(session):
    (segment,) = to_neo(session).segments
    for train, times in zip(segment.spiketrains, session.spikes.trains(), strict=True):
        assert np.array_equal(train.rescale("s").magnitude, times)
        assert float(train.t_stop) == 6.6
    assert [train.annotations["cell_type"] for train in segment.spiketrains] == session.units[
        "cell_type"
    ].tolist()
    trials, *phases = segment.epochs
    assert np.array_equal(trials.times.magnitude, session.trials["start_time"])
    for name in ("choice", "reward", "rpe", "value"):
        assert np.array_equal(trials.array_annotations[name], session.trials[name]), name
    signals = {signal.name: signal for signal in segment.analogsignals}
    assert np.array_equal(signals["dopamine_trace"].magnitude[:, 0], session.series["dopamine_trace"])
    assert np.array_equal(signals["activity"].magnitude, session.series["activity"])
    assert [phase.name for phase in phases] == list(PHASES)
    for phase in phases:
        assert phase.times.magnitude.tolist() == session.trials[f"{phase.name}_time"].tolist()
    assert np.allclose(phases[0].durations.magnitude, [0.5] * 3 + [0.7] * 3)
    response, reward = segment.events
    assert response.times.magnitude.tolist() == session.trials["response_time"].tolist()
    assert np.array_equal(response.array_annotations["choice"], session.trials["choice"])
    assert reward.times.magnitude.tolist() == session.rewards["time"].tolist()


# Files


def test_nwb_files_are_laid_out_as_on_dandi(run):
    folder, files = export_run(run, "nwb", sessions=2)
    assert folder == run / "exports" / "nwb"
    assert len(files) == ANIMALS * 2
    name = files[-1].parent.name
    assert files[-1].name == f"{name}_ses-bandit-0001_behavior+ecephys.nwb"
    assert name.startswith("sub-simmonkey-") and name.endswith("-001")
    (description,) = folder.glob("*.json")
    assert json.loads(description.read_text())["config"] == CONFIG
    assert json.loads(description.read_text())["export"]["format"] == "nwb"


def test_an_export_is_done_once_and_goes_on_with_more_sessions(run):
    folder, first = export_run(run, "nwb", sessions=1)
    written = {file: file.stat().st_mtime_ns for file in first}
    assert export_run(run, "nwb", sessions=1) == (folder, [])
    _, more = export_run(run, "nwb")
    assert len(more) == ANIMALS * (RECORDED - 1)
    assert {file: file.stat().st_mtime_ns for file in first} == written
    _, again = export_run(run, "nwb", sessions=1, force=True)
    assert again == first
    assert set(folder.rglob("*.nwb")) == set(first)  # those of the export before are gone


KILLED = """
import sys, time
from pfc_da.export import export_run
from pfc_da.export.formats import nwb
whole = nwb.write_nwb

def slow(session, path):
    whole(session, path)
    print(path, flush=True)
    if session.episode == 1:
        time.sleep(60)

nwb.write_nwb = slow
export_run(sys.argv[1], "nwb")
"""


def test_a_killed_export_leaves_whole_files_and_is_continued(run):
    child = subprocess.Popen([sys.executable, "-c", KILLED, run], stdout=subprocess.PIPE, text=True)
    asides = [child.stdout.readline().strip() for _ in range(2)]
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    folder = run / "exports" / "nwb"
    assert ".writing-" in asides[1]
    assert [file.name[-30:] for file in folder.rglob("sub-*.nwb")] == [
        "ses-bandit-0000_behavior+ecephys.nwb"[-30:]
    ]
    _, files = export_run(run, "nwb")
    assert len(files) == ANIMALS * RECORDED - 1
    assert list(folder.rglob(".writing-*")) == []


def test_what_fails_leaves_nothing_half_written(run, monkeypatch):
    from pfc_da.export.formats import nwb, zarr

    def half(session, path):
        path.write_text("half")
        raise OSError("planted")

    monkeypatch.setattr(nwb, "write_nwb", half)
    monkeypatch.setattr(zarr, "load", half_store)
    for format, kind in (("nwb", "*.nwb"), ("zarr", "*.zarr")):
        with pytest.raises(OSError, match="planted"):
            export_run(run, format)
        assert list((run / "exports").rglob(kind)) == []


def half_store(part):
    if int(part["animal"][0]):
        raise OSError("planted")
    return part.load()


def test_what_a_kill_left_of_a_store_is_removed_and_a_new_run_removes_exports(run):
    half = run / "exports" / "csv" / ".writing-1-half.zarr" / "rpe"
    half.mkdir(parents=True)
    folder, files = export_run(run, "csv")
    assert len(files) == 2
    assert not half.parent.exists()
    RunFolder.open(run, CONFIG, force=True).close()
    assert not folder.exists()


def test_an_export_of_something_else_is_not_mixed_in(run, recording, tmp_path):
    out = tmp_path / "out"
    export_run(run, "csv", out=out, sessions=2)
    with pytest.raises(
        InputError,
        match="holds another export of this run: sessions is 2 there and 3 was asked for. Give another --out, or",
    ):
        export_run(run, "csv", out=out, sessions=3)
    with pytest.raises(InputError, match='format is "csv" there and "netcdf" was asked for'):
        export_run(run, "netcdf", out=out)
    other = recording.assign(rpe=recording["rpe"] + 1)
    with RunFolder.existing(run) as folder, folder.doing("replay"):
        folder.write_atomic("recording.nc", functools.partial(write_recording, other))
    with pytest.raises(InputError, match='recording_sha256 is "[0-9a-f]+" there and'):
        export_run(run, "csv", out=out, sessions=2)
    assert len(export_run(run, "csv", out=out, force=True)[1]) == 2


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_arrays_are_the_first_sessions_of_the_recording(run, recording, format):
    _, (path,) = export_run(run, format, sessions=2)
    back = read_recording(path) if format == "netcdf" else xr.open_zarr(path, chunks=None).load()
    first = dict.fromkeys(("episode", "recorded_episode", "held_out_episode"), slice(2))
    xr.testing.assert_equal(back, recording.isel(first))
    assert back.attrs["config"] == recording.attrs["config"]
    assert json.loads(back.attrs["versions"])["python"]
    assert back["activity"].attrs["units"] == "Hz"


def test_choices_are_a_long_table(run, recording):
    _, files = export_run(run, "csv")
    assert [file.name.split("_", 1)[1] for file in files] == ["frozen.csv", "hidden_reset.csv"]
    table = pd.read_csv(files[0])
    choice, reward = (per_trial(recording, name)[:, 0].values.ravel() for name in ("choice", "reward"))
    made = choice >= 0
    assert len(table) == ANIMALS * EPISODES * TRIALS
    assert table["subjID"].nunique() == ANIMALS * EPISODES  # one learning history each
    assert (table.groupby("subjID").size() == TRIALS).all()
    assert np.array_equal(table["choice"][made], choice[made] + 1)
    assert np.array_equal(table["response"][made], 2 * choice[made] - 1)
    assert np.array_equal(table["outcome"][made], np.where(reward[made] > 0, 1, -1))
    assert table[["choice", "response", "outcome"]][~made].isna().all(axis=None)
    assert np.array_equal(table["gain"], reward) and (table["loss"] == 0).all()
    assert np.array_equal(table["rpe"].astype("float32"), per_trial(recording, "rpe")[:, 0].values.ravel())
    assert table["response_time"][: 2 * TRIALS].tolist() == [0.7, 1.7, 2.7, 3.9, 5.1, 6.3] * 2
    assert np.array_equal(table["outcome_of_task"], per_trial(recording, "outcome")[:, 0].values.ravel())
    assert np.array_equal(
        table["p_reward_1"][:TRIALS].astype("float32"), [recording["p_reward"].values[0, 1]] * TRIALS
    )
    ours = read_choices(files[0])
    assert np.array_equal(ours.choice, choice.reshape(-1, TRIALS))
    assert np.array_equal(ours.reward, reward.reshape(-1, TRIALS))


# The command line


@pytest.fixture
def call(capsys):
    def run(*arguments):
        code = cli.exit_code([str(argument) for argument in ("export", *arguments)])
        return code, *capsys.readouterr()

    return run


def test_the_command_says_what_it_wrote(run, call):
    code, out, _ = call(run, "--format", "csv", "--sessions", 2)
    assert (code, out) == (0, f"{run}/exports/csv: 2 files written.\n")
    code, out, err = call(run, "--format", "csv", "--sessions", 2)
    assert (code, out, err) == (0, f"{run}/exports/csv: exported already; --force does it again.\n", "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--format nbw", "no format 'nbw'. Did you mean 'nwb'? There are: csv, netcdf, nwb, zarr."),
        ("", "Missing option '--format'"),
        ("--format nwb --sessions 4", "--sessions must lie from 1 to 3, the sessions kept an animal, got 4."),
        ("--format csv --sessions 5", "--sessions must lie from 1 to 4, the sessions kept an animal, got 5."),
        ("--format csv --sessions 0", "'--sessions': must be 1 to 100000 sessions, got 0."),
        ("--format csv --spiking", "needs the spiking replay, which is not done; 'pfc-da replay"),
        ("--format csv --out taken", "taken is not a folder: a file is in the way"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run, call, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    code, out, err = call(run, *arguments.split())
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("error: ") and words in err
    assert not (run / "exports").exists()


def test_a_run_that_was_not_replayed_is_refused(call, tmp_path):
    RunFolder.open(tmp_path / "new", CONFIG).__enter__().close()
    code, _, err = call(tmp_path / "new", "--format", "csv")
    assert code == 2
    assert "export needs replay, which is not done; 'pfc-da replay" in err


def test_a_damaged_recording_is_refused_and_left(run, call):
    file = run / "recording.nc"
    file.write_bytes(file.read_bytes()[:-3000])
    code, _, err = call(run, "--format", "nwb")
    assert (code, err.count("\n")) == (2, 1)
    assert "recording.nc is damaged" in err


@pytest.mark.parametrize("format, extra, module", [("nwb", "nwb", "pynwb"), ("zarr", "zarr", "zarr")])
def test_a_missing_extra_is_named(run, call, monkeypatch, format, extra, module):
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = call(run, "--format", format)
    assert code == 2
    assert f"{module} is not installed; this needs the extra '{extra}': pip install 'pfc_da[{extra}]'." in err
    assert not (run / "exports").exists()


def test_a_missing_extra_of_objects_is_named(session, monkeypatch):
    for tool, module in ((to_neo, "neo"), (to_pynapple, "pynapple")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InputError, match=f"{module} is not installed; this needs the extra 'ephys'"):
            tool(session)


def test_an_interrupted_command_says_that_it_goes_on(run, call, monkeypatch):
    from pfc_da.export.formats import nwb

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(nwb, "write_nwb", stop)
    code, _, err = call(run, "--format", "nwb")
    assert code == 130
    assert err.endswith("interrupted: what is written is whole; the same command continues.\n")


def test_exporting_needs_no_simulator():
    code = "import sys, pfc_da.export; print(sorted({'torch', 'brian2', 'pynwb', 'neo', 'zarr'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sessions_are_read_one_at_a_time(run, monkeypatch):
    """Streaming: no more than one session's activity is in memory."""
    from pfc_da.export import session as module
    from pfc_da.export.formats import nwb

    sizes = []

    def watch(part):
        sizes.append(part["activity"].size)
        return part.load()

    monkeypatch.setattr(module, "load", watch)
    monkeypatch.setattr(nwb, "write_nwb", lambda session, path: None)
    export_run(run, "nwb")
    assert sizes == [BINS * UNITS] * ANIMALS * RECORDED


FORMAT = '''"""Sums of reward, one file."""

from pathlib import Path

from pfc_da.export.jobs import Job


def plan(recording, sessions):
    total = float(recording["reward"].isel(episode=slice(sessions)).sum())
    yield Job(Path("total.txt"), lambda path: path.write_text(str(total)))
'''


def test_a_format_is_a_file_in_the_folder(run, recording, call, tmp_path, monkeypatch):
    (tmp_path / "total.py").write_text(FORMAT)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert formats.names() == ("csv", "netcdf", "nwb", "total", "zarr")
    assert call(run, "--format", "total", "--sessions", "2")[0] == 0
    written = float((run / "exports" / "total" / "total.txt").read_text())
    assert written == float(recording["reward"].isel(episode=slice(2)).sum())
    assert "There are: csv, netcdf, nwb, total, zarr." in call(run, "--format", "nwa")[2]


def test_a_replay_that_was_not_made_is_refused(run):
    with pytest.raises(
        InputError, match=r"export needs the circuit replay, which is not done; .* --circuit' does"
    ):
        export_run(run, "csv", replay="circuit")
