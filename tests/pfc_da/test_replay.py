"""Replay: weights stay as they are, conditions are paired, and the recording is what was simulated."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.dopamine import Block
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.monkey_juice import MonkeyJuice
from pfc_da.recording import RecordingFile, join_recordings, read_recording, set_provenance, write_recording
from pfc_da.recording_schema import CLAMPED, get_bin_s, get_onset_bins
from pfc_da.replay import (
    PER_BIN,
    arrange_sessions,
    cut_recurrence,
    limit_sessions,
    record_animal,
    replay_animal,
)
from pfc_da.rng import torch_stream
from pfc_da.rollout import CONTROLS, FROZEN, TIMINGS, Condition, rollout
from pfc_da.settings import resolve
from pfc_da.train import take_step
from pfc_da.trained import Trained

TASKS = {"bandit": Bandit(n_trials=5), "monkey_juice": MonkeyJuice(n_trials=5)}
every_task = pytest.mark.parametrize("name", TASKS)
SMALL = {
    "network": {"n_units": 8, "input_gain": 0.3},
    "replay": {"held_out_sessions": 12, "sessions": 7, "unit_sessions": 3},
}


def settings_of(name, *sets):
    rate = {"network": {"kind": "rate", "read_out_gain": 2.0}}
    return resolve([{"paradigm": name}, rate], options=SMALL, sets=sets)


def an_animal(settings, name, animal=0):
    """Initial weights, and two others in place of trained ones."""
    network = build_agent(settings, TASKS[name]).network
    initial, trained, clamped = (
        network.init(torch_stream(animal, word)) for word in ("born", "trained", "clamped")
    )
    return Trained({0: initial, CLAMPED: clamped, None: trained}, diverged=False)


CUT = next(condition for condition in CONTROLS if not condition.recurrence)


def replay(name, *sets, animal=0, conditions=CONTROLS, report=lambda done, note: None, trained=None):
    settings = settings_of(name, *sets)
    trained = trained or an_animal(settings, name, animal)
    return replay_animal(settings, TASKS[name], trained, animal, conditions, report)


def copy(weights):
    return {name: tensor.clone() for name, tensor in weights.items()}


@every_task
@pytest.mark.parametrize("kind, rule", [("rate", "three-factor"), ("lstm", "bptt")])
def test_weights_are_the_same_bits_afterwards(name, kind, rule):
    sets = (f"network.kind={kind}", f"rule.kind={rule}")
    trained = an_animal(settings_of(name, *sets), name)
    before = {updates: copy(kept) for updates, kept in trained.after.items()}
    replay(name, *sets, trained=trained)
    for updates, kept in before.items():
        assert all(torch.equal(trained.after[updates][key], tensor) for key, tensor in kept.items())


def test_weights_that_move_are_an_error():
    trained = an_animal(settings_of("bandit"), "bandit")
    with pytest.raises(RuntimeError, match="weights of animal 3 changed while frozen"):
        replay(
            "bandit", animal=3, trained=trained, report=lambda done, note: trained.after[None]["b"].add_(1e-6)
        )


@every_task
def test_the_recording_has_the_dimensions_of_the_schema(name):
    recording, task = replay(name), TASKS[name]
    n_bins = round(float(recording["duration"].values[0, 0].sum()) / 0.05)
    sizes = {"condition": 7, "episode": 7, "step": task.n_steps, "action": 2, "unit": 8}
    sizes |= {"recorded_episode": 3, "held_out_episode": 12, "bin": n_bins}
    assert {dim: size for dim, size in recording.sizes.items() if dim != "object"} == sizes
    by_step = ("condition", "episode", "step")
    for variable in ("choice", "reward", "value", "rpe", "dopamine_injected", "onset", "duration"):
        assert recording[variable].dims == by_step
    assert recording["policy"].dims == (*by_step, "action")
    for variable, dims in PER_BIN.items():
        assert recording[variable].dims == ("recorded_episode", "bin", *dims)
    for label, dims in task.step_labels.items():
        assert recording[label].dims == (*by_step, *dims)
    for label, dims in task.session_labels.items():
        assert recording[label].dims == ("episode", *dims)
    assert recording["choice"].dtype == np.int8
    kept = ("reward", "value", "rpe", "activity", "onset", "duration", "value_trace", "dopamine_trace")
    assert all(recording[variable].dtype == np.float32 for variable in kept)
    assert recording["condition"].values.tolist() == [condition.name for condition in CONTROLS]


@every_task
def test_every_variable_has_units_and_a_long_name(name):
    recording = replay(name, conditions=[FROZEN])
    assert all(recording[variable].attrs["units"] for variable in recording.variables)
    assert all(recording[variable].attrs["long_name"] for variable in recording.variables)
    assert recording["activity"].attrs["units"] == "Hz"
    lstm = replay(name, "network.kind=lstm", "rule.kind=bptt", conditions=[FROZEN])
    assert lstm["activity"].attrs["units"] == "1"
    assert lstm["tau"].isnull().all()


@every_task
def test_steps_are_labelled_with_trial_and_phase(name):
    recording, task = replay(name, conditions=[FROZEN]), TASKS[name]
    per_trial = len(task.phases)
    assert recording["trial"].values.tolist() == [step // per_trial for step in range(task.n_steps)]
    assert recording["phase"].values.tolist() == list(task.phase_names) * 5
    assert recording["is_excitatory"].values.tolist() == [True] * 6 + [False] * 2


@every_task
@pytest.mark.parametrize("bin_s", [0.02, 0.05, 0.1])
def test_steps_follow_each_other_in_whole_bins(name, bin_s):
    recording, task = replay(name, f"replay.bin={bin_s}", conditions=(FROZEN, *TIMINGS)), TASKS[name]
    onset, duration = recording["onset"].values, recording["duration"].values.astype(float)
    assert (onset[..., 0] == 0).all()
    np.testing.assert_allclose(onset[..., 1:], duration.cumsum(-1)[..., :-1], rtol=1e-6)
    np.testing.assert_allclose(duration / bin_s, np.rint(duration / bin_s), atol=1e-4)
    assert (duration > bin_s / 2).all()
    assert (duration == duration[:, :1]).all()  # sessions that run together
    for place, phase in enumerate(task.phases):
        low, high = phase.seconds
        own = duration[0, 0, place :: len(task.phases)]
        assert low - bin_s / 2 - 1e-6 <= own.min() <= own.max() <= high + bin_s / 2 + 1e-6
    assert get_bin_s(recording) == pytest.approx(bin_s)
    np.testing.assert_allclose(recording["time"], bin_s * np.arange(recording.sizes["bin"]), rtol=1e-6)


@every_task
def test_bins_and_steps_are_of_the_same_time(name):
    """Value and policy at the end of a step are those of its last bin; dopamine until the end of the next step adds up to
    the error of the step, which begins to be known in the bin after it."""
    recording = replay(name, "rule.discount=.5", conditions=[FROZEN]).expand_dims("animal")
    onset_bin = get_onset_bins(recording)[0]  # (recorded_episode, step)
    last = np.append(onset_bin[:, 1:], np.full((3, 1), recording.sizes["bin"]), 1) - 1
    value, dopamine = (recording[f"{each}_trace"].values[0] for each in ("value", "dopamine"))
    own = recording.isel(animal=0, condition=0, episode=slice(3))
    np.testing.assert_allclose(np.take_along_axis(value, last, 1), own["value"], rtol=1e-5, atol=1e-6)
    for session in range(3):
        for step in range(TASKS[name].n_steps - 1):
            bins = np.arange(last[session, step], last[session, step + 1]) + 1
            total = (0.5 ** (0.05 * (bins - bins[0])) * dopamine[session, bins]).sum()
            assert total == pytest.approx(float(own["rpe"][session, step]), abs=1e-4)
    assert (dopamine[:, 0] == 0).all()
    policy = np.take_along_axis(recording["policy_trace"].values[0], last[..., None], 1)
    is_choice = own["choice"].values[0] >= 0
    np.testing.assert_allclose(policy[:, is_choice], own["policy"].values[:, is_choice], rtol=1e-4, atol=1e-6)


@every_task
def test_a_timing_changes_durations_and_nothing_that_is_drawn(name):
    """Each timing has the durations that it names; with a policy that is fixed, choices and rewards are the same."""
    trained = an_animal(settings_of(name), name)
    trained.after[None]["w_read"].zero_()
    recording, task = replay(name, trained=trained, conditions=(FROZEN, *TIMINGS)), TASKS[name]
    duration = recording["duration"].values.astype(float)[:, 0]  # (condition, step)
    usual = dict(zip(recording["condition"].values.tolist(), duration, strict=True))
    paced = np.array([phase.paced for phase in task.phases] * 5)
    for pace in (0.5, 2.0, 4.0):
        own = usual[f"pace_{pace:g}"]
        expected = np.where(paced, pace * usual["frozen"], usual["frozen"])
        np.testing.assert_allclose(own, expected, atol=0.025 * (1 + pace) + 1e-6)
    per_trial = len(task.phases)
    longer = usual["fixation_longer"] - usual["frozen"]
    np.testing.assert_allclose(longer, [1.0, *[0.0] * (per_trial - 1)] * 5, atol=1e-5)
    np.testing.assert_allclose(
        usual["pauses"] - usual["frozen"], [*[0.0] * (per_trial - 1), 5.0] * 5, atol=1e-5
    )
    for variable in ("choice", "reward", *task.step_labels):
        for condition in recording[variable].values[1:]:
            np.testing.assert_array_equal(condition, recording[variable].values[0])


@every_task
def test_choices_policies_and_rewards_fall_on_the_choice_step(name):
    recording = replay(name)
    at_choice = recording["phase"] == TASKS[name].choice_phase
    assert bool((recording["choice"].where(~at_choice, -1) == -1).all())
    assert bool((recording["choice"].where(at_choice, 0) >= 0).all())
    assert bool((recording["reward"].where(~at_choice, 0) == 0).all())
    assert bool(
        recording["policy"]
        .isnull()
        .all("action")
        .broadcast_equals(~at_choice.broadcast_like(recording["choice"]))
    )
    total = recording["policy"].sum("action", skipna=False)
    np.testing.assert_allclose(total.isel(step=at_choice.values), 1, rtol=1e-5)


@every_task
def test_problems_are_the_same_for_every_condition_and_animal(name):
    one, other = replay(name), replay(name, animal=1)
    problem = {"bandit": "p_reward", "monkey_juice": "p0"}[name]
    np.testing.assert_array_equal(one[problem], other[problem])
    if "condition" in one[problem].dims:
        for condition in one["condition"].values:
            xr.testing.assert_equal(
                one[problem].sel(condition=condition, drop=True),
                one[problem].sel(condition="frozen", drop=True),
            )
    assert not one["value"].equals(other["value"])
    assert not replay(name, "seed=1")[problem].equals(one[problem])


@every_task
def test_a_condition_does_not_depend_on_which_others_are_replayed(name):
    together = replay(name)
    for condition in (CONTROLS[0], CONTROLS[3]):
        alone = replay(name, conditions=[condition])
        for variable in ("choice", "value", "rpe", "policy"):
            xr.testing.assert_equal(
                alone[variable].isel(condition=0, drop=True),
                together[variable].sel(condition=condition.name, drop=True),
            )


@every_task
@pytest.mark.parametrize("condition, key", [("untrained", 0), ("dopamine_clamped", CLAMPED)])
def test_a_control_has_the_weights_that_it_names(name, condition, key):
    settings = settings_of(name)
    trained = an_animal(settings, name)
    only = Trained(dict.fromkeys((0, CLAMPED, None), trained.after[key]), diverged=False)
    xr.testing.assert_equal(
        replay(name, trained=trained)["value"].sel(condition=condition, drop=True),
        replay(name, trained=only)["value"].sel(condition="frozen", drop=True),
    )


@every_task
def test_with_recurrence_cut_units_receive_the_mean_current_of_the_frozen_animal(name):
    """With constant input, no noise and no adaptation, drives are then known."""
    sets = ("network.neurons_per_unit=0", "network.adaptation=0")
    settings = settings_of(name, *sets)
    trained, agent = an_animal(settings, name), build_agent(settings, TASKS[name])
    network, weights = agent.network, trained.after[None]
    effective, mean = network.effective(weights), torch.linspace(0, 1, 8)
    cut = cut_recurrence(effective, mean)
    assert (cut["w"] == 0).all()
    expected = weights["b"] + torch.stack([(mean * effective["w"][:, unit]).sum() for unit in range(8)])
    torch.testing.assert_close(cut["b"], expected)
    assert all(cut[key] is effective[key] for key in ("w_in", "w_read", "b_read"))
    assert (effective["w"] != 0).any()  # a copy was changed

    trained.after[None]["w_in"].zero_()
    recording = replay(name, *sets, trained=trained, conditions=(FROZEN, CUT))
    gating = np.full((3, 8), 0.4)
    keep, mean = np.exp(-0.05 / recording["tau"].values), []
    for rate in recording["activity"].values.transpose(1, 0, 2):
        gating = keep * gating + (1 - keep) * rate / 10
        mean.append(gating)
    bias = weights["b"] + torch.tensor(np.mean(mean, (0, 1)), dtype=torch.float32) @ effective["w"]
    rate = network.rate(bias).numpy() / 10
    elapsed = (recording["onset"] + recording["duration"]).values[1, 0]
    reached = rate + (0.4 - rate) * np.exp(-elapsed[:, None] / recording["tau"].values)
    read_out = effective["w_read"][:, -1].numpy()
    np.testing.assert_allclose(recording["value"].values[1, 0], reached @ read_out, rtol=1e-3, atol=1e-4)


@every_task
def test_hidden_reset_begins_like_the_frozen_animal_and_then_forgets(name):
    value = replay(name)["value"]
    per_trial = len(TASKS[name].phases)
    frozen, reset = (value.sel(condition=condition).values for condition in ("frozen", "hidden_reset"))
    np.testing.assert_array_equal(frozen[:, :per_trial], reset[:, :per_trial])
    assert (frozen[:, per_trial] != reset[:, per_trial]).all()


@every_task
def test_held_out_means_are_those_of_the_steps(name):
    recording = replay(name)
    mean = recording["reward"].sum("step") / 5
    np.testing.assert_allclose(recording["held_out_reward"][:, :7], mean, rtol=1e-6)
    if name == "bandit":
        np.testing.assert_allclose(
            recording["held_out_regret"][:, :7], recording["regret"].sum("step"), atol=1e-5
        )
        chosen = recording["choice"].clip(min=0)
        p_chosen = recording["p_reward"].isel(action=chosen)
        lost = (recording["p_reward"].max("action") - p_chosen).where(recording["choice"] >= 0, 0)
        np.testing.assert_allclose(recording["regret"], lost.transpose(*recording["regret"].dims), atol=1e-6)


@every_task
def test_controls_are_simulated_in_the_chunks_that_hold_recorded_sessions(name, monkeypatch):
    """As many sessions run together as under the first condition, or they would have other problems and draws."""
    monkeypatch.setattr("pfc_da.replay.CHUNK", 5)
    trained = an_animal(settings_of(name), name)
    trained.after[0]["w_read"].zero_()
    trained.after[None]["w_read"].zero_()
    recording = replay(name, trained=trained)
    untrained = recording.sel(condition="untrained")
    for variable in ("choice", "reward", *TASKS[name].step_labels):
        np.testing.assert_array_equal(recording[variable][0], untrained[variable])
    totals = [each for each in ("held_out_reward", "held_out_regret") if each in recording]
    for total in totals:
        assert not recording[total][0].isnull().any()
        assert not recording[total][1:, :10].isnull().any()
        assert recording[total][1:, 10:].isnull().all()


@every_task
def test_error_is_that_of_recorded_values_rewards_and_durations(name):
    recording = replay(name, "rule.discount=0.5")
    following = recording["value"].shift(step=-1, fill_value=0)
    discount = 0.5 ** recording["duration"].shift(step=-1, fill_value=0)
    expected = recording["reward"] + discount * following - recording["value"]
    np.testing.assert_allclose(recording["rpe"], expected, atol=1e-5)


def test_a_replay_on_demand_keeps_the_bins_of_the_run():
    settings = settings_of("bandit", "replay.bin=.02")
    limited = limit_sessions(settings, 5).replay
    assert (limited.bin, limited.held_out_sessions, limited.sessions, limited.unit_sessions) == (
        0.02,
        5,
        5,
        3,
    )


def test_values_can_be_computed_from_the_activity_recorded():
    """Without noise the synapses filter the recorded rates, and the read-outs are linear in them."""
    settings = settings_of("monkey_juice", "network.neurons_per_unit=0")
    trained = an_animal(settings, "monkey_juice")
    recording = replay("monkey_juice", "network.neurons_per_unit=0", trained=trained, conditions=[FROZEN])
    keep = np.exp(-0.05 / recording["tau"].values)
    excitatory = recording["is_excitatory"].values
    read_out = trained.after[None]["w_read"].numpy()[:, 2] * excitatory
    gating = np.full((3, 8), 0.4)
    for t in range(recording.sizes["bin"]):
        gating = keep * gating + (1 - keep) * recording["activity"].values[:, t] / 10
        np.testing.assert_allclose(recording["value_trace"].values[:, t], gating @ read_out, atol=2e-4)


def test_sessions_in_several_chunks_are_put_together(monkeypatch):
    """The first chunk is the same however many follow, and every session is kept once."""
    monkeypatch.setattr("pfc_da.replay.CHUNK", 5)
    several = replay("bandit")
    assert several.sizes["episode"] == 7
    assert several.sizes["recorded_episode"] == 3
    assert several.sizes["held_out_episode"] == 12
    one = replay("bandit", "replay.held_out_sessions=5", "replay.sessions=5")
    np.testing.assert_array_equal(several["value"][:, :5], one["value"])
    np.testing.assert_array_equal(several["activity"], one["activity"])
    np.testing.assert_array_equal(several["held_out_reward"][:, :5], one["held_out_reward"])
    problems = several["p_reward"].values
    assert len(np.unique(problems, axis=0)) == 7


def test_progress_counts_sessions_of_all_conditions():
    said = []
    replay("bandit", report=lambda done, note: said.append((done, note)))
    assert said == [(12 * (1 + i), condition.name) for i, condition in enumerate(CONTROLS)]


@every_task
def test_a_recording_goes_to_a_file_and_back(name, tmp_path):
    settings = settings_of(name)
    recording = replay(name).expand_dims("animal").assign_coords(animal=[0])
    recording["animal"].attrs |= {"units": "1", "long_name": "index of the animal"}
    config = settings.model_dump(mode="json")
    recording = set_provenance(recording, config=config, choice_phase=TASKS[name].choice_phase)
    write_recording(recording, tmp_path / "recording.nc")
    xr.testing.assert_identical(read_recording(tmp_path / "recording.nc"), recording)


PLASTIC = Condition(name="plastic", plastic=True)


@pytest.mark.parametrize("kind, rule", [("rate", "three-factor"), ("lstm", "bptt")])
def test_plastic_sessions_begin_as_frozen_ones_and_then_part_from_them(kind, rule, monkeypatch):
    monkeypatch.setattr("pfc_da.replay.PLASTIC_CHUNK", 3)
    monkeypatch.setattr("pfc_da.replay.CHUNK", 3)  # the same sessions from the same draws
    sets = (f"network.kind={kind}", f"rule.kind={rule}", "rule.learning_rate=1", "replay.sessions=6")
    recording = replay("bandit", *sets, conditions=(FROZEN, PLASTIC))
    value = recording["value"].values  # (condition, episode, step)
    np.testing.assert_array_equal(value[1, :3], value[0, :3])
    assert (value[1, 3:] != value[0, 3:]).any()


def test_plastic_sessions_change_nothing_at_a_learning_rate_of_zero(monkeypatch):
    monkeypatch.setattr("pfc_da.replay.PLASTIC_CHUNK", 3)
    monkeypatch.setattr("pfc_da.replay.CHUNK", 3)
    recording = replay("bandit", "rule.learning_rate=0", conditions=(FROZEN, PLASTIC))
    for name in ("choice", "value", "reward"):
        frozen, plastic = recording[name].values
        np.testing.assert_array_equal(frozen, plastic)


@pytest.mark.parametrize("kind, rule", [("rate", "three-factor"), ("lstm", "bptt")])
def test_a_plastic_chunk_is_one_update_of_the_rule_without_entropy_at_the_last_learning_rate(
    kind, rule, monkeypatch
):
    """Chunk by chunk with `change` and `take_step`, whose memory is carried from one to the next."""
    monkeypatch.setattr("pfc_da.replay.PLASTIC_CHUNK", 3)
    sets = (f"network.kind={kind}", f"rule.kind={rule}", "rule.entropy=0.5", "rule.final_learning_rate=0.3")
    settings = settings_of("bandit", *sets, "rule.learning_rate=0.2")
    trained, task = an_animal(settings, "bandit"), TASKS["bandit"]
    recording = replay(
        "bandit", *sets, "rule.learning_rate=0.2", trained=trained, conditions=(FROZEN, PLASTIC)
    )
    agent, weights, memory = build_agent(settings, task), copy(trained.after[None]), {}
    for first in (0, 3, 6):
        arranged = arrange_sessions(agent, settings, task, PLASTIC, 0, first, 3)
        weights = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
        batch = rollout(agent.network, agent.network.effective(weights), task, **arranged)
        kept = recording["value"].values[1, first : first + 3]
        np.testing.assert_allclose(kept, batch.value.detach().T[: len(kept)], rtol=1e-4, atol=1e-6)
        change = agent.rule.change(agent.network, weights, batch, 0.0)
        before = {name: tensor.detach() for name, tensor in weights.items()}
        change = {name: tensor.detach() for name, tensor in change.items()}
        weights, memory, _ = take_step(settings.rule, before, change, memory, 0.06)


def test_a_moment_of_training_is_replayed_with_the_weights_of_then():
    settings = settings_of("bandit")
    trained = an_animal(settings, "bandit")
    trained = Trained({0: trained.after[0], 5: trained.after[None], None: trained.after[None]}, False)
    after = Condition(name="after_5", after=5)
    untrained = Condition(name="untrained", after=0)
    recording = replay("bandit", trained=trained, conditions=(FROZEN, after, untrained))
    value = recording["value"].values
    np.testing.assert_array_equal(value[1], value[0])
    assert (value[2] != value[0]).any()


def test_a_manipulation_is_recorded_with_the_error_and_changes_only_a_network_that_receives_it():
    block = Condition(name="blocked", manipulations=(Block(2.0, lambda labels: labels["regret"] > 0),))
    for feedback, same in (("reward", True), ("rpe", False)):
        sets = (f"network.feedback={feedback}", "network.read_out_gain=.1")
        recording = replay("monkey_juice", *sets, conditions=(FROZEN, block))
        injected, regret = recording["dopamine_injected"].values, recording["regret"].values
        assert (injected[0] == 0).all()
        np.testing.assert_array_equal(injected[1], -2.0 * (regret[1] > 0))
        assert (injected[1] != 0).any()
        value = recording["value"].values
        assert np.array_equal(value[0], value[1]) == same


def test_a_condition_may_change_the_task():
    shorter = Condition(name="medium", task=(("arms", "correlated_medium"),))
    recording = replay("bandit", "network.read_out_gain=.1", conditions=(FROZEN, shorter))
    regret = recording["regret"].values
    assert set(np.unique(regret[1]).round(6)) == {0.0, 0.5}
    assert len(np.unique(regret[0])) > 2


@every_task
def test_a_recording_written_chunk_by_chunk_is_the_one_in_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr("pfc_da.replay.CHUNK", 3)
    settings, n_written, parts = settings_of(name), [], [tmp_path / f"{animal}.nc" for animal in range(2)]
    write = RecordingFile.write
    monkeypatch.setattr(
        RecordingFile,
        "write",
        lambda file, piece, **at: (n_written.append(piece.nbytes), write(file, piece, **at)),
    )
    for animal, part in enumerate(parts):
        trained = an_animal(settings, name, animal)
        record_animal(part, settings, TASKS[name], trained, animal, CONTROLS, lambda done, note: None)
    by_bin = sum(read_recording(parts[0])[each].nbytes for each in PER_BIN)
    assert max(n_written) < by_bin + read_recording(parts[0]).nbytes / 8  # never all steps at once
    join_recordings(parts, tmp_path / "recording.nc", TASKS[name].session_labels)
    joined = read_recording(tmp_path / "recording.nc")
    for animal in range(2):
        own = joined.isel(animal=animal, drop=True)
        xr.testing.assert_equal(own, replay(name, animal=animal))
    assert all(joined[each].attrs["units"] for each in joined.variables)
    assert json.loads(joined.attrs["config"]) == settings.model_dump(mode="json")


PEAK = """
import resource, sys
from pathlib import Path
from pfc_da.replay import record_animal
from pfc_da.paradigms.bandit import Bandit
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN
from pfc_da.settings import resolve
from pfc_da.agent import build_agent
from pfc_da.trained import Trained

small = {"network": {"n_units": 8}, "replay": {"unit_sessions": 3}}
n = sys.argv[2]
settings = resolve([{"paradigm": "bandit"}, small], sets=[f"replay.sessions={n}", f"replay.held_out_sessions={n}"])
task = Bandit(n_trials=100)
initial = build_agent(settings, task).network.init(torch_stream(0, "born"))
record_animal(Path(sys.argv[1]), settings, task, Trained({0: initial, None: initial}, False), 0, [FROZEN], lambda *_: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sessions(tmp_path):
    few, many = (
        int(subprocess.check_output([sys.executable, "-c", PEAK, tmp_path / n, n])) for n in ("500", "6000")
    )
    assert many < 1.2 * few
