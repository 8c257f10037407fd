"""Replay as neurons: paired with the rate network, recorded in the schema, continued, reported."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_spiking import SpikingOptions, count_sessions, replay_spiking_animal
from pfc_da.circuits.spiking_pfc import DT_S
from pfc_da.circuits.stimulation import Stimulation
from pfc_da.cli import exit_code
from pfc_da.errors import InputError
from pfc_da.experiment.replays.spiking import SpikingReplay
from pfc_da.paradigms.bandit import Bandit
from pfc_da.recording import read_recording
from pfc_da.replay import replay_animal
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN
from pfc_da.settings import RunSettings, resolve
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trained import WEIGHTS, Trained, load_trained

ROOT = Path(__file__).resolve().parents[2]
TASK = Bandit(n_trials=3)
SMALL = {
    "network": {"n_units": 8, "input_gain": 0.3, "read_out_gain": 2.0},
    "replay": {"bin": 0.1, "held_out_sessions": 4, "sessions": 4, "unit_sessions": 2},
}


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


@pytest.fixture(scope="module")
def settings():
    return resolve([{"paradigm": "bandit"}, SMALL])


@pytest.fixture(scope="module")
def trained(settings):
    network = build_agent(settings, TASK).network
    return Trained({None: network.init(torch_stream(0, "made"))}, diverged=False)


@pytest.fixture(scope="module")
def recording(settings, trained):
    """Four sessions, of which two are recorded, two neurons a unit, and current between trials."""
    options = SpikingOptions(
        sessions=4,
        neurons_per_unit=2,
        stimulation=Stimulation(current=1.0, fraction=0.5, cells="excitatory", phase="interval"),
    )
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        found = replay_spiking_animal(
            settings, TASK, trained, 0, (), options, lambda done, note: reports.append((done, note))
        )
    assert reports[-1] == (count_sessions((), options), "stimulated")
    return found


def test_the_rate_network_is_that_of_a_replay_without_noise(settings, trained, recording):
    network = settings.network.model_copy(update={"neurons_per_unit": 0})
    silent = settings.model_copy(update={"network": network})
    rate = replay_animal(silent, TASK, trained, 0, (FROZEN,), lambda done, note: None)
    by_rate = recording.sel(condition="rate_frozen")
    for name in ("choice", "reward", "value", "policy", "onset", "duration", "held_out_reward"):
        np.testing.assert_array_equal(by_rate[name].values, rate[name].sel(condition="frozen").values)
    np.testing.assert_array_equal(recording["p_reward"], rate["p_reward"])


def test_conditions_and_what_is_kept_of_units(recording):
    assert list(recording["condition"].values) == ["frozen", "rate_frozen", "recurrence_cut", "stimulated"]
    np.testing.assert_array_equal(
        recording["duration"].sel(condition="frozen"), recording["duration"].sel(condition="rate_frozen")
    )
    assert all(recording[name].attrs.keys() >= {"units", "long_name"} for name in recording.variables)


def test_activity_in_time_is_that_of_the_spikes(recording):
    """In bins of .1 s, as the settings of the run say, of two neurons a unit."""
    activity = recording["activity"]
    assert activity.dims == ("recorded_episode", "bin", "unit")
    seconds = recording["duration"].sel(condition="frozen").sum("step").values[:2]
    np.testing.assert_allclose(seconds, activity.sizes["bin"] * 0.1, rtol=1e-5)
    bins = np.floor((recording["spike_time"].values + DT_S / 2) / 0.1).astype(int)
    counts = np.zeros(activity.shape)
    np.add.at(counts, (recording["spike_episode"].values, bins, recording["spike_unit"].values), 1)
    np.testing.assert_allclose(activity, counts / (2 * 0.1), rtol=1e-5)
    assert counts.sum() == recording.sizes["spike"] > 100
    frozen = recording["unit_rate"].sel(condition="frozen")
    np.testing.assert_allclose(frozen, activity.mean(["recorded_episode", "bin"]), rtol=1e-5)


def test_value_in_time_ends_every_step_at_its_value(recording):
    frozen = recording.sel(condition="frozen").isel(episode=recording["recorded_episode"].values)
    last = np.rint((frozen["onset"] + frozen["duration"]) / 0.1).astype(int).values - 1
    trace = np.take_along_axis(recording["value_trace"].values, last, 1)
    np.testing.assert_allclose(trace, frozen["value"], rtol=1e-5)
    error = np.take_along_axis(recording["dopamine_trace"].values, last, 1)[:, :-1]
    follows = np.take_along_axis(recording["value_trace"].values, last[:, :-1] + 1, 1)
    discount = resolve([{"paradigm": "bandit"}]).rule.discount ** 0.1
    expected = frozen["reward"].values[:, :-1] + discount * follows - trace[:, :-1]
    np.testing.assert_allclose(error, expected, atol=1e-5)


def test_membranes_are_those_of_the_first_seconds(recording):
    v, time = recording["membrane"].values, recording["sample_time"].values
    assert v.shape == (6, round(4 / DT_S)) and time[-1] == pytest.approx(4 - DT_S)
    first = recording["spike_episode"].values == 0
    for unit, trace in zip(recording["traced_unit"].values, v, strict=True):
        own = first & (recording["spike_unit"].values == unit) & (recording["spike_neuron"].values == 0)
        spikes = recording["spike_time"].values[own]
        resets = np.searchsorted(time, spikes[spikes < 3.9] + 1.5 * DT_S)
        np.testing.assert_allclose(trace[resets], 0.5, atol=1e-6)


def test_stimulated_cells_are_half_of_the_excitatory_and_fire_more(recording):
    share, excitatory = recording["stimulated"].values, recording["is_excitatory"].values
    assert share[~excitatory].sum() == 0 and share.sum() * 2 == round(0.5 * 2 * excitatory.sum())
    more = recording["unit_rate"].sel(condition="stimulated") - recording["unit_rate"].sel(condition="frozen")
    assert more.values[share == 1].min() > 5


@pytest.fixture(autouse=True)
def short_phases(request, monkeypatch):
    """A tenth of the time, for the tests of whole runs."""
    if "run" in request.fixturenames:
        phases = [dataclasses.replace(phase, seconds=(0.05, 0.15)) for phase in Bandit.phases]
        monkeypatch.setattr(Bandit, "phases", tuple(phases))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two animals that were not trained."""
    out = tmp_path_factory.mktemp("run") / "bandit"
    small = [
        "train.updates=1",
        "train.sessions=2",
        "network.n_units=8",
        "task.n_trials=6",
        "test_task.n_trials=6",
    ]
    small += [f"replay.{name}=12" for name in ("held_out_sessions", "sessions", "unit_sessions")]
    experiment = paradigms.load("bandit")
    settings = experiment.settings(sets=small, animals=2)
    with RunFolder.open(out, settings.model_dump(mode="json")) as folder, folder.doing("train"):
        from pfc_da.jobs.progress import Progress

        with Progress() as progress:
            experiment.train(settings, folder, progress, 1)
    return out


def replay(run, *options):
    return exit_code(["replay", str(run), "--workers", "1", "--spiking", *options])


def test_the_command_writes_a_recording_and_statistics_and_tells_which_convert(run, capfd):
    assert replay(run, "--sessions", "2") == 0
    out = capfd.readouterr().out
    assert (
        "converts" in out
        and "replays/spiking/recording.nc, replays/spiking/statistics.csv, replays/spiking/comparison.csv"
        in out
    )
    estimates = pd.read_csv(run / "replays/spiking/statistics.csv").set_index(["key", "condition"])[
        "estimate"
    ]
    assert np.isfinite(estimates["win_stay", "rate_"]) and ("firing_rate", "DLPFC") in estimates.index
    areas = pd.read_csv(run / "replays/spiking/comparison.csv")
    assert set(areas.loc[areas["simulated"].notna(), "condition"]) == {"DLPFC", "ACC", "OFC"}
    for panel in ("spiking_share", "spiking_raster", "spiking_membrane"):
        assert (run / "replays/spiking/figures" / f"{panel}.svg").exists()
    recording = read_recording(run / "replays/spiking/recording.nc")
    assert recording.sizes["animal"] == 2 and recording.sizes["episode"] == 2
    assert set(recording["spike_animal"].values) == {0, 1}
    per_animal = recording["activity"].sum(["recorded_episode", "bin", "unit"]) * recording["time"][1]
    np.testing.assert_allclose(np.bincount(recording["spike_animal"]), per_animal, rtol=1e-5)
    assert json.loads(recording.attrs["spiking"])["sessions"] == 2
    assert not list(run.glob("animals/*/spiking.nc"))
    kept = (run / "replays/spiking/recording.nc").read_bytes()
    assert replay(run, "--sessions", "2") == 0
    assert "the spiking replay is done already" in capfd.readouterr().out
    assert replay(run, "--sessions", "4") == 2
    assert "another spiking replay: sessions is 2 there and 4 was asked for." in capfd.readouterr().err
    assert (run / "replays/spiking/recording.nc").read_bytes() == kept


def test_every_variable_is_documented(run):
    if not (run / "replays/spiking/recording.nc").exists():
        assert replay(run, "--sessions", "2") == 0
    page = (ROOT / "docs" / "recording.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:1] == "|"]
    recording = read_recording(run / "replays/spiking/recording.nc")
    for name, variable in recording.data_vars.items():
        dims = ", ".join(map(str, variable.dims))
        assert any(f"`{name}`" in row and dims in row for row in rows), (name, dims)
    assert all(f"`{name}" in page for name in recording.coords)


@pytest.mark.parametrize("spoilt", [False, True])
def test_an_interrupted_replay_keeps_the_animals_that_were_simulated(spoilt, run, monkeypatch, capfd):
    """One whose file has changed since is simulated again."""
    from pfc_da.experiment.replays import spiking as _spiking

    replayed = []

    def simulate(settings, task, trained, animal, *rest):
        replayed.append(animal)
        if animal == 1 and len(replayed) == 2:
            raise KeyboardInterrupt
        return replay_spiking_animal(settings, task, trained, animal, *rest)

    monkeypatch.setattr(_spiking, "replay_spiking_animal", simulate)
    assert replay(run, "--sessions", "2", "--force") == 130
    part = run / "animals/000/spiking.nc"
    assert part.exists() and not (run / "animals/001/spiking.nc").exists()
    if spoilt:
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    assert replay(run, "--sessions", "2", "--force") == 0
    assert replayed == ([0, 1, 0, 1] if spoilt else [0, 1, 1])
    assert not list(run.glob("animals/*/spiking.nc*"))


def test_the_estimate_grows_with_sessions_and_neurons():
    experiment = paradigms.load("monkey_juice")
    settings = experiment.settings(quick=True, animals=1)

    def estimate(**asked):
        return SpikingReplay(experiment, settings, SpikingReplay.parse(**asked)).estimate(1)

    assert estimate(sessions=2000).cpu_s > 7 * estimate(sessions=200).cpu_s
    assert estimate(neurons=100).cpu_s > 20 * estimate(neurons=1).cpu_s
    assert estimate(neurons=1000).memory > 5 * estimate(neurons=1).memory
    assert estimate(sessions=2000).disk > 2 * estimate(sessions=200).disk


def test_a_part_of_another_request_is_made_anew_and_never_joined(run, monkeypatch, capfd):
    def ask(**asked):
        return SpikingReplay(experiment, settings, SpikingReplay.parse(sessions=2, **asked))

    experiment = paradigms.load("bandit")
    settings = RunSettings.model_validate(read_manifest(run).config)
    plain, stimulated = ask(), ask(stimulate="current=0.3,fraction=0.5")
    part, weights = run / "animals/001/spiking.nc", run / "animals/001" / WEIGHTS
    trained = load_trained(settings, plain.task, 1, part.parent)
    stimulated.replay_part(trained, 1, lambda *_: None, part)
    assert stimulated.holds(part) and not plain.holds(part)
    with pytest.raises(InputError, match="spiking.nc is damaged: it is not of this replay"):
        plain.require_part(part)

    kept = weights.read_bytes()
    weights.write_bytes((run / "animals/000" / WEIGHTS).read_bytes())
    assert not stimulated.holds(part)
    weights.write_bytes(kept)
    assert replay(run, "--sessions", "2", "--force") == 0
    recording = read_recording(run / "replays/spiking/recording.nc")
    assert "stimulated" not in recording["condition"] and "weights_sha256" not in recording.attrs


@pytest.mark.parametrize(
    "options, message",
    [
        (["--spiking", "--sessions", "1"], "must be 2 to 100000 sessions, got 1"),
        (["--spiking", "--sessions", "100000000000"], "must be 2 to 100000 sessions, got 100000000000"),
        (["--spiking", "--neurons", "100000000000"], "must be 1 to 1000 neurons, got 100000000000"),
        (["--neurons", "4"], "--neurons is an option of --spiking; give --spiking with it"),
        (["--spiking", "--stimulate", "current=1,fraction=1,phase=cue"], "no phase 'cue'."),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(run, capfd, options, message):
    assert exit_code(["replay", str(run), *options]) == 2
    err = capfd.readouterr().err
    assert message in err and err.count("\n") == 1


def test_an_lstm_is_refused_in_one_line(tmp_path, capfd):
    settings = paradigms.load("bandit").settings(network="lstm", animals=1)
    with RunFolder.open(tmp_path / "run", settings.model_dump(mode="json")) as folder:
        folder.write_atomic("animals/000/weights.safetensors", lambda file: file.touch())
        with folder.doing("train"):
            pass
    assert exit_code(["replay", str(tmp_path / "run"), "--spiking"]) == 2
    assert "network LSTMNetwork has no spiking counterpart" in capfd.readouterr().err
