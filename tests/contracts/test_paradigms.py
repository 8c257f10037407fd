"""Every paradigm found in the folder keeps the contract of tasks and experiments."""

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.cli.settings_table import list_settings
from pfc_da.recording import DESCRIPTIONS, describe
from pfc_da.recording_schema import CLAMPED
from pfc_da.replay import replay_animal
from pfc_da.rng import torch_stream
from pfc_da.rollout import CONTROLS
from pfc_da.settings import RunSettings
from pfc_da.storage.run_folder import RunFolder
from pfc_da.task import Task
from pfc_da.trained import Trained

SESSIONS, TRIALS = 7, 12
SMALL = [
    f"task.n_trials={TRIALS}",
    f"test_task.n_trials={TRIALS}",
    "network.n_units=8",
    *(f"replay.{name}=8" for name in ("held_out_sessions", "sessions", "unit_sessions")),
]


EXAMPLE = (
    Path(__file__).resolve().parents[2] / "examples" / "drifting_bandit.py"
)  # three options, no references


@pytest.fixture(scope="module", params=[*paradigms.names(), str(EXAMPLE)], ids=lambda name: Path(name).stem)
def experiment(request):
    return paradigms.load(request.param)


@pytest.fixture(scope="module", params=["training", "test"])
def task(request, experiment):
    return experiment.build_task(experiment.settings(sets=SMALL), test=request.param == "test")


def simulate(task, seed=0, actions=0):
    """All that a session shows: the problem, and the Steps that follow the first and each action.

    `actions` seeds the choices; on steps without a choice the action is -1.
    """
    rng = torch.Generator().manual_seed(actions)
    state, step = task.reset(torch_stream(seed, "task"), SESSIONS)
    problem, steps = task.problem_labels(state), [step]
    for t in range(task.n_steps):
        action = torch.full((SESSIONS,), -1)
        if task.phase(t).choice:
            action = torch.randint(task.n_actions, (SESSIONS,), generator=rng)
        state, step = task.step(state, action)
        steps.append(step)
    return problem, steps


def same(one, other):
    """True if two lists of Steps are equal to the bit."""

    def tensors(step):
        return {"observation": step.observation, "reward": step.reward, **step.labels}

    pairs = [(tensors(a), tensors(b)) for a, b in zip(one, other, strict=True)]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)


def test_a_trial_has_phases_with_durations_and_a_choice(task):
    assert task.n_steps == TRIALS * len(task.phases)
    assert [task.phase(t) for t in range(task.n_steps)] == list(task.phases) * TRIALS
    assert len(set(task.phase_names)) == len(task.phases)
    for phase in task.phases:
        low, high = phase.seconds
        assert 0.05 <= low <= high
    choices = [place for place, phase in enumerate(task.phases) if phase.choice]
    assert task.choice_phase == task.phase_names[choices[-1]]
    for place in choices:  # what was chosen and what it brought can be seen
        assert any(phase.feedback for phase in task.phases[place + 1 :])
    assert task.n_actions >= 2


def test_objects_are_named_where_actions_choose_some(task):
    _, steps = simulate(task)
    for t, step in enumerate(steps[:-1]):
        if step.objects is not None:
            assert task.phase(t).choice
            assert step.objects.shape == (SESSIONS, task.n_actions)
            assert step.objects.min() >= 0 and step.objects.max() < task.n_objects
    named = [step.objects is not None for t, step in enumerate(steps[:-1]) if task.phase(t).choice]
    assert all(named) if task.n_objects else not any(named)


def test_observations_and_rewards_have_their_shapes(task):
    _, steps = simulate(task)
    for step in steps:
        assert step.observation.shape == (SESSIONS, task.observation_size)
        assert step.reward.shape == (SESSIONS,)
        assert step.observation.dtype == step.reward.dtype == torch.float32
        assert torch.isfinite(step.observation).all()
        assert torch.isfinite(step.reward).all()
    assert (steps[0].reward == 0).all()
    assert steps[0].labels == {}


def test_labels_declared_are_labels_given(task):
    problem, steps = simulate(task)
    assert problem.keys() == task.session_labels.keys()
    for name, dims in task.session_labels.items():
        assert problem[name].ndim == 1 + len(dims)
        assert len(problem[name]) == SESSIONS
    for step in steps[1:]:
        assert step.labels.keys() == task.step_labels.keys()
        for name, dims in task.step_labels.items():
            assert step.labels[name].ndim == 1 + len(dims)
            assert len(step.labels[name]) == SESSIONS
            assert step.labels[name].shape == steps[1].labels[name].shape
            assert step.labels[name].dtype == steps[1].labels[name].dtype


def test_every_label_has_units_and_a_long_name(task):
    labels = {**task.session_labels, **task.step_labels}
    assert not labels.keys() & DESCRIPTIONS.keys()  # what every recording has is described there
    for name in labels:
        units, long_name = task.descriptions[name]
        assert units
        assert len(long_name) > 8


def test_rewards_are_paid_on_choices_only(task):
    _, steps = simulate(task)
    paid = torch.stack([step.reward for step in steps[1:]])  # (step, session)
    is_choice = torch.tensor([task.phase(t).choice for t in range(task.n_steps)])
    assert (paid[~is_choice] == 0).all()
    assert (paid[is_choice] != 0).any()


def test_the_same_seed_and_actions_are_the_same_session(task):
    assert same(simulate(task)[1], simulate(task)[1])
    assert not same(simulate(task)[1], simulate(task, seed=1)[1])
    assert not same(simulate(task)[1], simulate(task, actions=1)[1])


def test_stepping_draws_nothing_and_changes_no_state(task):
    """All luck is drawn by reset, so that a state can be stepped from again, by another agent."""
    rng = torch_stream(0, "task")
    state, _ = task.reset(rng, SESSIONS)
    drawn, global_state = rng.get_state(), torch.get_rng_state()
    for t in range(task.n_steps):
        action = torch.full((SESSIONS,), 0 if task.phase(t).choice else -1)
        after, step = task.step(state, action)
        _, again = task.step(state, action)
        assert same([step], [again])
        state = after
    assert torch.equal(rng.get_state(), drawn)
    assert torch.equal(torch.get_rng_state(), global_state)


def test_whatever_is_chosen_the_problems_are_the_same(task):
    """Hidden probabilities and luck do not depend on the actions: who acts alike is paid alike."""
    (problem, steps), (other_problem, other_steps) = simulate(task), simulate(task, actions=1)
    for name, tensor in problem.items():
        assert torch.equal(tensor, other_problem[name])
    first_choice = next(place for place, phase in enumerate(task.phases) if phase.choice)
    assert same(steps[: first_choice + 1], other_steps[: first_choice + 1])
    for name in ("p0", "side_of_a", "block"):  # what the world does by itself, where a task labels it so
        if name in task.step_labels:
            assert all(
                torch.equal(a.labels[name], b.labels[name])
                for a, b in zip(steps[1:], other_steps[1:], strict=True)
            )
    alike = steps[first_choice + 1].reward, other_steps[first_choice + 1].reward
    actions = [
        torch.randint(task.n_actions, (SESSIONS,), generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    ]
    equal = actions[0] == actions[1]
    assert equal.any() and not equal.all()
    assert torch.equal(alike[0][equal], alike[1][equal])


def test_sessions_of_a_batch_do_not_touch(task):
    """A session changes nothing in another."""
    state, _ = task.reset(torch_stream(0, "task"), SESSIONS)
    other = state
    for t in range(task.n_steps):
        choice = task.phase(t).choice
        action = torch.full((SESSIONS,), 0 if choice else -1)
        changed = action.clone()
        changed[0] = 1 if choice else -1
        (state, step), (other, other_step) = task.step(state, action), task.step(other, changed)
        assert torch.equal(step.observation[1:], other_step.observation[1:])
        assert torch.equal(step.reward[1:], other_step.reward[1:])
        for name, tensor in step.labels.items():
            assert torch.equal(tensor[1:], other_step.labels[name][1:])


def test_a_task_is_its_fields(task):
    assert dataclasses.is_dataclass(task)
    with pytest.raises(dataclasses.FrozenInstanceError, match="n_trials"):
        task.n_trials = 3
    assert task == dataclasses.replace(task)
    for field in dataclasses.fields(task):
        assert isinstance(field.type, type)  # what `--set task.NAME=VALUE` is checked against
        assert isinstance(getattr(task, field.name), field.type)


def test_settings_resolve_and_go_to_a_manifest_and_back(experiment):
    for arguments in ({}, {"quick": True}, {"network": "lstm"}, {"rule": "bptt"}):
        settings = experiment.settings(**arguments)
        assert settings.paradigm == experiment.name
        assert RunSettings.model_validate_json(settings.model_dump_json()) == settings
    lstm = experiment.settings(network="lstm")
    assert (lstm.network.kind, lstm.rule.kind) == ("lstm", "bptt")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"network": "lstm"},
        {"network": "rate", "rule": "bptt"},
        {"quick": True, "animals": 2, "sets": ["rule.learning_rate=1e-5", "train.snapshots=[.1, .25]"]},
    ],
)
def test_the_config_of_a_run_gives_the_same_settings(experiment, arguments, tmp_path):
    settings = experiment.settings(**arguments)
    with RunFolder.open(tmp_path / "run", settings.model_dump(mode="json")):
        pass
    assert experiment.settings(config_file=tmp_path / "run" / "config.yaml") == settings


def test_every_setting_of_a_task_says_what_it_does(experiment):
    rows = list_settings(experiment.settings(), experiment.task)
    assert [row.name for row in rows if not row.does or not row.allowed] == []
    own = {f"task.{field.name}" for field in dataclasses.fields(experiment.task)}
    assert own <= {row.name for row in rows}


def test_an_experiment_is_found_by_its_own_name(experiment):
    assert paradigms.load(experiment.file or experiment.name) is experiment
    assert issubclass(experiment.task, Task)
    assert inspect.getmodule(experiment.task).EXPERIMENT is experiment


def test_there_are_reference_numbers(experiment):
    rows = load_references(experiment.name)
    assert rows or experiment.file
    assert {row.paradigm for row in rows} <= {experiment.name}


def test_controls_are_replayed_after_the_frozen_animal(experiment):
    names = [condition.name for condition in experiment.conditions]
    assert names[0] == "frozen"
    assert len(set(names)) == len(names)
    assert set(CONTROLS) <= set(experiment.conditions)
    settings = experiment.settings(sets=SMALL)
    task = experiment.build_task(settings, test=True)
    initial = build_agent(settings, task).network.init(torch_stream(0, "birth"))
    trained = Trained({0: initial, CLAMPED: initial, None: initial}, diverged=False)
    recording = replay_animal(settings, task, trained, 0, experiment.conditions, lambda *_: None)
    assert [str(name) for name in recording["condition"].values] == names
    assert set(task.step_labels) | set(task.session_labels) <= set(recording.data_vars)
    assert np.isfinite(recording["held_out_reward"]).all()


def test_a_label_without_a_description_would_be_refused(experiment):
    settings = experiment.settings(sets=SMALL)
    task = experiment.build_task(settings, test=True)
    initial = build_agent(settings, task).network.init(torch_stream(0, "birth"))
    conditions = experiment.conditions[:1]
    trained = Trained({0: initial, None: initial}, diverged=False)
    recording = replay_animal(settings, task, trained, 0, conditions, lambda *_: None)
    name = next(iter({**task.session_labels, **task.step_labels}))
    less = {label: description for label, description in task.descriptions.items() if label != name}
    with pytest.raises(KeyError, match=name):
        describe(recording, less, "Hz")
