"""Replay through the midbrain circuit: paired with arithmetic, stimulated as injected, continued, refused, reported."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.circuits import replay_circuit
from pfc_da.circuits.channel import MV_PER_UNIT
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_circuit import CircuitOptions, count_sessions, replay_circuit_animal
from pfc_da.cli import exit_code
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError
from pfc_da.experiment.replays import circuit as _circuit
from pfc_da.experiment.replays.circuit import CircuitReplay
from pfc_da.paradigms import lever_stimulation
from pfc_da.recording import read_recording
from pfc_da.replay import replay_animal
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN
from pfc_da.settings import resolve
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trained import Trained

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["frozen", "risky_win_blocked", "safe_reward_blocked", "risky_loss_stimulated"]
CONDITIONS = [each for each in lever_stimulation.CONDITIONS if each.name in NAMES[1:]]
SCALE, SESSIONS = 4.0, 12
NETWORK = {"n_units": 16, "critic": "separate", "feedback": "rpe", "input_gain": 1.0, "read_out_gain": 2.0}
FEW = {"held_out_sessions": SESSIONS, "sessions": SESSIONS, "unit_sessions": 2}


class Faithful:
    """In place of a circuit: cells that fire as the table says, a current moving them as `MV_PER_UNIT` promises."""

    gain = 1.0
    parameters = SimpleNamespace(cells=lambda population: {"da": slice(0, 3)}[population])

    def __init__(self, copies, *, seed):
        self.copies, self.sessions = copies, []
        made.append(self)

    def event_current(self, received, expected, **stimulation):
        return np.stack([received, expected, stimulation["lhb"], stimulation["vta"]], -1)

    def follow(self, drive, bin_s, n_bins):
        currents = [next(drive)]
        for place in range(n_bins):
            received, expected, lhb, vta = currents[-1].T
            moved = vta / MV_PER_UNIT["vta"] - lhb / MV_PER_UNIT["lhb"]
            hz = (
                DopamineCells.calibrated().rate(torch.tensor(received - expected + self.gain * moved)).numpy()
            )
            try:
                currents.append(drive.send(np.repeat(hz[:, None] * bin_s, 3, axis=1)))
            except StopIteration as ended:
                assert place == n_bins - 1
                self.sessions.append(np.array(currents))  # (bin, session, term)
                return ended.value


class Insensitive(Faithful):
    """To currents."""

    gain = 0.0


made: list[Faithful] = []


@pytest.fixture(scope="module", autouse=True)
def small():
    """On numpy, and without forced trials, which are ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        patch.setattr(lever_stimulation, "N_FORCED", 0)
        yield


@pytest.fixture(scope="module")
def settings():
    return resolve([{"paradigm": "lever_stimulation", "network": NETWORK, "replay": FEW}])


@pytest.fixture(scope="module")
def trained(settings):
    network = build_agent(settings, lever_stimulation.LeverStimulation()).network
    return Trained({None: network.init(torch_stream(0, "made"))}, diverged=False)


@pytest.fixture(scope="module")
def simulate(settings, trained):
    def simulate(circuit, n_trials=8):
        made.clear()
        task, options = (
            lever_stimulation.LeverStimulation(n_trials=n_trials),
            CircuitOptions(sessions=SESSIONS),
        )
        reports = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replay_circuit, "MidbrainCircuit", circuit)
            arguments = (settings, task, trained, 0, CONDITIONS, options, SCALE)
            found = replay_circuit_animal(*arguments, lambda done, note: reports.append(done))
        assert reports[-1] == count_sessions(CONDITIONS, options)
        return found

    return simulate


@pytest.fixture(scope="module")
def faithful(simulate):
    return simulate(Faithful), made[0].sessions


def test_every_condition_is_played_through_the_circuit_and_by_arithmetic(faithful, settings, trained):
    recording, _ = faithful
    assert list(recording["condition"].values) == [
        name for each in NAMES for name in (each, f"arithmetic_{each}")
    ]
    task = lever_stimulation.LeverStimulation(n_trials=8)
    plain = replay_animal(settings, task, trained, 0, (FROZEN, *CONDITIONS), lambda done, note: None)
    for name in NAMES:
        one, other = recording.sel(condition=f"arithmetic_{name}"), plain.sel(condition=name)
        for variable in ("choice", "reward", "rpe", "dopamine_injected", "policy", "p_win"):
            np.testing.assert_array_equal(one[variable].values, other[variable].values)


def get_outcome_bins(recording):
    """Bin in which each outcome begins, of any condition and session, (trial,)."""
    at_choice = (recording["phase"] == "levers").values
    return np.rint(recording["onset"].values[0, 0, np.roll(at_choice, 1)] / 0.05).astype(int)


def test_the_circuit_computes_the_error_from_reward_and_values(faithful, settings):
    """Bin by bin from the recorded value, as the equations have it."""
    recording, sessions = faithful
    value = recording["value_trace"].values  # (session, bin), of the control
    n_bins, outcomes = value.shape[1], get_outcome_bins(recording)
    reward = np.zeros_like(value)
    for trial, first in enumerate(outcomes):
        reward[:, first : first + 6] = recording["reward"].values[0, : len(value), 5 * trial + 1, None]
    change = settings.rule.discount**0.3 * value[:, 6:] - value[:, :-6]
    change = np.concatenate([np.zeros_like(value[:, :6]), change], 1)
    received, expected = (term.T[: len(value)] for term in np.moveaxis(sessions[0], 2, 0)[:2])
    np.testing.assert_allclose(received * SCALE, reward + change.clip(min=0), atol=1e-4)
    np.testing.assert_allclose(expected * SCALE, (-change).clip(min=0), atol=1e-4)
    rate = recording["dopamine_rate"].sel(condition="frozen").values[: len(value)]
    table = DopamineCells.calibrated(SCALE)
    np.testing.assert_allclose(rate, table.rate(torch.tensor(reward + change)), atol=1e-3)
    delivered = recording["dopamine_delivered"].sel(condition="frozen").values[: len(value)]
    for trial, first in enumerate(outcomes):
        hz = torch.tensor(rate[:, first + 1 : first + 7].mean(1))
        np.testing.assert_allclose(delivered[:, 5 * trial + 1], table.decode(hz), atol=1e-3)
    assert rate.shape[1] == n_bins == recording.sizes["bin"]


def test_dopamine_is_of_choices_alone_and_rates_of_the_circuit_alone(faithful):
    recording, _ = faithful
    at_choice = (recording["phase"] == "levers").values
    delivered = recording["dopamine_delivered"].values
    assert np.isfinite(delivered[..., at_choice]).all() and np.isnan(delivered[..., ~at_choice]).all()
    plain = recording.sel(condition=[f"arithmetic_{name}" for name in NAMES])
    due = (plain["rpe"] + plain["dopamine_injected"]).values[..., at_choice]
    np.testing.assert_allclose(plain["dopamine_delivered"].values[..., at_choice], due, rtol=1e-6)
    assert np.isnan(plain["dopamine_rate"]).all()
    assert np.isfinite(recording["dopamine_rate"].sel(condition=NAMES)).all()
    assert recording["dopamine_rate"].dims == ("condition", "episode", "bin")


def test_currents_are_what_is_injected_and_nothing_of_it_is_in_the_error(faithful):
    recording, sessions = faithful
    by_circuit, outcomes = recording.sel(condition=NAMES), get_outcome_bins(recording)
    injected, outcome = (by_circuit[name].values[..., 1::5] for name in ("dopamine_injected", "outcome"))
    blocked, safe, stimulated = 4.0 * (outcome[1] == 2), 1.0 * (outcome[2] == 1), 1.0 * (outcome[3] == 3)
    np.testing.assert_array_equal(injected, np.stack([0 * blocked, -blocked, -safe, stimulated]))
    assert blocked.any() and safe.any() and stimulated.any()
    lhb, vta = (
        np.stack([own[..., term].T for own in sessions]) for term in (2, 3)
    )  # (condition, session, bin)
    for port, found, mv in (("lhb", lhb, -32.0), ("vta", vta, 10.0)):
        due = np.zeros_like(found)
        for trial, first in enumerate(outcomes):
            due[..., first : first + 6] = (mv * injected[..., trial, None] / SCALE).clip(min=0)
        np.testing.assert_allclose(found, due, atol=1e-6, err_msg=port)


def test_a_circuit_that_is_insensitive_to_currents_shifts_nothing(simulate):
    recording = simulate(Insensitive)
    np.testing.assert_array_equal(*(recording["dopamine_rate"].sel(condition=each) for each in NAMES[:2]))
    policy, arithmetic = recording["policy"], "arithmetic_{}".format
    for name in NAMES[1:]:
        np.testing.assert_array_equal(policy.sel(condition=name), policy.sel(condition="frozen"))
        apart = policy.sel(condition=arithmetic(name)) - policy.sel(condition=arithmetic("frozen"))
        assert np.abs(apart).max() > 0.05


def make_run(out, paradigm="lever_stimulation", animals=2, **more):
    """A run with animals that were not trained."""
    small = {"train": {"updates": 1, "sessions": 2}, "task": {"n_trials": 2}, "replay": FEW}
    experiment = paradigms.load(paradigm)
    layers = [{"paradigm": paradigm, "animals": animals}, experiment.defaults, {"network": NETWORK}]
    settings = resolve([*layers, small, more])
    with RunFolder.open(out, settings.model_dump(mode="json")) as folder, folder.doing("train"):
        from pfc_da.jobs.progress import Progress

        with Progress() as progress:
            experiment.train(settings, folder, progress, 1)
    return out


def replay(run, *options):
    return exit_code(["replay", str(run), "--workers", "1", *options])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "levers")


def test_the_command_writes_a_recording_and_statistics_through_spikes(tmp_path, capfd):
    run = make_run(tmp_path / "levers", animals=1, task={"n_trials": 1})
    assert replay(run, "--circuit", "--sessions", "4") == 0
    out = capfd.readouterr().out
    assert "Shift of P(risky)" in out and "Dopamine cells, Hz" in out
    assert f"{run}: wrote replays/circuit/recording.nc, replays/circuit/statistics.csv." in out
    recording = read_recording(run / "replays/circuit/recording.nc")
    assert recording.sizes["animal"] == 1 and recording.sizes["episode"] == 4
    rates = recording["dopamine_rate"].sel(condition=NAMES)
    assert 0 <= rates.min() and rates.max() < 60 and 3 < rates.sel(condition="frozen").mean() < 10
    assert recording.attrs["dopamine_scale"] == 4.0
    assert json.loads(recording.attrs["circuit"]) == {"sessions": 4, "mv_per_unit": MV_PER_UNIT}
    assert not list(run.glob("animals/*/circuit.nc"))
    page = (ROOT / "docs" / "recording.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:1] == "|"]
    for name, variable in recording.data_vars.items():
        dims = ", ".join(map(str, variable.dims))
        assert any(f"`{name}`" in row and dims in row for row in rows), (name, dims)


def test_a_finished_one_is_left_alone_and_another_is_refused(run, monkeypatch, capfd):
    monkeypatch.setattr(replay_circuit, "MidbrainCircuit", Faithful)
    assert replay(run, "--circuit", "--sessions", "12") == 0
    kept = (run / "replays/circuit/recording.nc").read_bytes()
    statistics = pd.read_csv(run / "replays/circuit/statistics.csv")
    page = (ROOT / "docs" / "statistics.md").read_text()
    assert all(f"`{key}`" in page for key in set(statistics["key"]))
    assert {"risky_win_blocked p=0.5", "arithmetic_risky_win_blocked p=0.5"} <= set(statistics["condition"])
    assert replay(run, "--circuit", "--sessions", "12") == 0
    assert "the circuit replay is done already" in capfd.readouterr().out
    assert replay(run, "--circuit", "--sessions", "8") == 2
    assert "another circuit replay: sessions is 12 there and 8 was asked for." in capfd.readouterr().err
    assert (run / "replays/circuit/recording.nc").read_bytes() == kept


def test_an_interrupted_replay_keeps_the_animals_that_were_played(run, monkeypatch, capfd):
    monkeypatch.setattr(replay_circuit, "MidbrainCircuit", Faithful)
    replayed = []

    def simulate(settings, task, trained, animal, *rest):
        replayed.append(animal)
        if animal == 1 and len(replayed) == 2:
            raise KeyboardInterrupt
        return replay_circuit_animal(settings, task, trained, animal, *rest)

    monkeypatch.setattr(_circuit, "replay_circuit_animal", simulate)
    assert replay(run, "--circuit", "--sessions", "6", "--force") == 130
    assert (run / "animals/000/circuit.nc").exists() and not (run / "animals/001/circuit.nc").exists()
    assert replay(run, "--circuit", "--sessions", "6", "--force") == 0
    assert replayed == [0, 1, 1]


def test_the_estimate_grows_with_sessions_and_animals():
    experiment = paradigms.load("lever_stimulation")

    def estimate(sessions, animals):
        settings = experiment.settings(quick=True, animals=animals)
        return CircuitReplay(experiment, settings, CircuitOptions(sessions=sessions)).estimate(1).cpu_s

    assert 2.5 * 60 < estimate(24, 1) < 6 * 60  # four minutes
    assert estimate(200, 1) > 6 * estimate(24, 1)
    assert estimate(24, 100) > 90 * estimate(24, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--circuit", "--sessions", "1"], "must be 2 to 100000 sessions, got 1"),
        (["--circuit", "--sessions", "201"], "sessions through the circuit must be 2 to 200, got 201"),
        (["--circuit", "--spiking"], "--circuit and --spiking are two replays"),
        (["--circuit", "--neurons", "4"], "--neurons is an option of --spiking; give --spiking with it"),
        (
            ["--sessions", "4"],
            "--sessions is an option of --circuit or --spiking; give --circuit or --spiking with it",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(run, capfd, options, message):
    assert replay(run, *options) == 2
    err = capfd.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "paradigm, feedback, message",
    [
        (
            "bandit",
            "rpe",
            "paradigm 'bandit' stimulates no dopamine; --circuit is for runs of lever_stimulation",
        ),
        ("lever_stimulation", "reward", "--circuit is for runs with network.feedback=rpe or both"),
    ],
)
def test_runs_without_an_effective_stimulation_are_refused(tmp_path, capfd, paradigm, feedback, message):
    run = make_run(tmp_path / "run", paradigm, 1, network=NETWORK | {"feedback": feedback})
    capfd.readouterr()
    assert replay(run, "--circuit") == 2
    err = capfd.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (run / "replays/circuit/recording.nc").exists()


@pytest.mark.parametrize("bin_s", [0.1, 0.04, 0.03])
def test_runs_with_bins_that_do_not_divide_the_window_are_refused(settings, bin_s):
    experiment, options = paradigms.load("lever_stimulation"), CircuitOptions()
    replay = settings.replay.model_copy(update={"bin": bin_s})
    long = CircuitReplay(experiment, settings.model_copy(update={"replay": replay}), options)
    words = rf"replay\.bin={bin_s}; --circuit is for runs with bins of at most 0\.05 s that divide it"
    with pytest.raises(InputError, match=words):
        long.check()


def test_a_network_that_advances_once_a_phase_is_refused():
    experiment = paradigms.load("lever_stimulation")
    settings = experiment.settings(network="lstm", sets=["network.feedback=rpe"])
    with pytest.raises(InputError, match="network 'lstm' has no time constants; --circuit is for runs of"):
        CircuitReplay(experiment, settings, CircuitOptions()).check()


def test_cells_take_for_1_what_they_were_trained_with_or_the_largest_reward(settings):
    experiment, options = paradigms.load("lever_stimulation"), CircuitOptions()
    assert CircuitReplay(experiment, settings, options).scale == lever_stimulation.RISKY_REWARD
    cells = settings.dopamine.model_copy(update={"channel": "cells", "scale": 2.5})
    trained_so = settings.model_copy(update={"dopamine": cells})
    assert CircuitReplay(experiment, trained_so, options).scale == 2.5
