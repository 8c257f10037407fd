"""Replay as neurons: paired with the rate network, recorded in the schema, continued, reported."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_spiking import (
    SpikingOptions,
    count_sessions,
    cut_recurrence,
    replay_spiking_animal,
)
from pfc_da.circuits.stimulation import Stimulation
from pfc_da.cli import exit_code
from pfc_da.errors import InputError
from pfc_da.experiment.replays.spiking import SpikingReplay
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.recording import read_recording
from pfc_da.replay import replay_animal
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN
from pfc_da.settings import RateNetworkSettings, RunSettings, resolve
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trained import WEIGHTS, Trained, load_trained

ROOT = Path(__file__).resolve().parents[2]
TASK = Bandit(n_trials=6)
SMALL = {
    "network": {"n_units": 8, "input_gain": 0.3, "read_out_gain": 2.0},
    "replay": {"held_out_sessions": 4, "sessions": 4, "unit_sessions": 2},
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
    """Four sessions, of which two are recorded, two neurons a unit, and current in the choice phase."""
    options = SpikingOptions(
        sessions=4,
        neurons_per_unit=2,
        stimulation=Stimulation(current=1.0, fraction=0.5, cells="excitatory", phase="choice"),
    )
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        found = replay_spiking_animal(
            settings, TASK, trained, 0, (), options, lambda done, note: reports.append((done, note))
        )
    assert reports[-1] == (count_sessions((), options), "stimulated")
    return found


def test_rate_network_is_played_as_by_a_replay_without_noise(settings, trained, recording):
    network = settings.network.model_copy(update={"neurons_per_unit": 0})
    silent = settings.model_copy(update={"network": network})
    rate = replay_animal(silent, TASK, trained, 0, (FROZEN,), lambda done, note: None)
    by_rate = recording.sel(condition="rate_frozen")
    for name in ("choice", "reward", "value", "policy", "held_out_reward"):
        np.testing.assert_array_equal(by_rate[name].values, rate[name].sel(condition="frozen").values)
    np.testing.assert_array_equal(recording["p_reward"], rate["p_reward"])


def test_conditions_and_what_is_kept_of_units(recording):
    assert list(recording["condition"].values) == ["frozen", "rate_frozen", "recurrence_cut", "stimulated"]
    assert recording["spike_count"].dims == ("recorded_episode", "step", "unit")
    np.testing.assert_allclose(recording["activity"], recording["spike_count"] / (2 * 0.1), rtol=1e-5)
    assert int(recording["spike_count"].sum()) == recording.sizes["spike"] > 20
    assert all(recording[name].attrs.keys() >= {"units", "long_name"} for name in recording.variables)


def test_stimulated_cells_are_half_of_the_excitatory_and_fire_more(recording):
    share, excitatory = recording["stimulated"].values, recording["is_excitatory"].values
    assert share[~excitatory].sum() == 0 and share.sum() * 2 == round(0.5 * 2 * excitatory.sum())
    more = recording["unit_rate"].sel(condition="stimulated") - recording["unit_rate"].sel(condition="frozen")
    assert more.values[share == 1].min() > 5


def test_cutting_recurrence_leaves_the_mean_current():
    network = RateNetwork(4, 2, RateNetworkSettings(n_units=6))
    effective = network.effective(network.init(torch_stream(0, "birth")))
    state = torch.rand(6)
    cut = cut_recurrence(effective, state)
    assert (cut["w"] == 0).all() and (effective["w"] != 0).any()
    x = torch.rand(1, 4)
    _, before = network.step(effective, state[None], x, None)
    _, after = network.step(cut, torch.rand(1, 6), x, None)
    torch.testing.assert_close(before, after)


def test_a_stimulation_is_given_by_its_keys():
    assert Stimulation.parse("current=-0.3, fraction=.2,phase=cue") == Stimulation(
        current=-0.3, fraction=0.2, phase="cue"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("current=0.3", "a stimulation needs fraction"),
        ("current=a,fraction=1", "current of a stimulation must be a number, got 'a'"),
        ("current=0,fraction=1", "current must be a number other than 0"),
        ("current=nan,fraction=1", "current of a stimulation must be a number, got 'nan'"),
        ("current=１,fraction=1", "current of a stimulation must be a number"),
        (
            "current=1e9,fraction=1",
            "current must be a number other than 0, -100 to 100 (thresholds), got 1000000000",
        ),
        ("current=1,current=2,fraction=1", "current of a stimulation is given twice"),
        ("fraction=,current=1", "fraction of a stimulation needs a value"),
        ("", "no KEY=VALUE of a stimulation: ''"),
        ("current=1,fraction=20", "fraction must be above 0 and at most 1"),
        ("current=1,fraction=1,cells=excitatry", "no cells 'excitatry'. Did you mean 'excitatory'"),
        ("current=1,fraction=1,phse=cue", "no KEY=VALUE of a stimulation: 'phse=cue'. Did you mean 'phase'"),
        ("current", "current of a stimulation needs a value, such as current=0.3,fraction=0.2."),
    ],
)
def test_what_is_no_stimulation_is_refused(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Stimulation.parse(text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two animals that were not trained."""
    out = tmp_path_factory.mktemp("run") / "bandit"
    small = ["train.updates=1", "train.sessions=2", "network.n_units=8", "task.n_trials=6"]
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
    per_animal = recording["spike_count"].sum(["recorded_episode", "step", "unit"]).values
    np.testing.assert_array_equal(np.bincount(recording["spike_animal"]), per_animal)
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
def test_an_interrupted_replay_keeps_the_animals_that_were_played(spoilt, run, monkeypatch, capfd):
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
