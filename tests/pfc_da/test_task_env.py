"""Environments of a task made for the test: barred actions, ground truth, mistakes reported in one line."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from pfc_da.task import Step, Task
from pfc_da.task_env import TaskEnv, TaskVectorEnv


@dataclasses.dataclass(frozen=True, kw_only=True)
class ThirdOfThree(Task):
    """Three actions that pay 0, 0 and 1; on odd trials the last is barred, so that the first two are alike."""

    n_trials: int = 4

    phases: ClassVar = ("look", "choose", "outcome")
    choice_phase: ClassVar = "choose"
    n_actions: ClassVar = 3
    observation_size: ClassVar = 2
    session_labels: ClassVar = {"hue": ("step",), "name": ()}
    step_labels: ClassVar = {"regret": (), "pair": ("object",)}

    def reset(self, rng, batch):
        return 0, Step(torch.zeros(batch, 2), torch.zeros(batch), {}, torch.zeros(batch, 3))

    def problem_labels(self, state):
        return {"hue": torch.arange(self.n_steps).repeat(2, 1), "name": torch.tensor([5, 6])}

    def step(self, state, action):
        batch, (trial, phase) = len(action), divmod(state, 3)
        chose = self.phases[phase] == "choose"
        assert ((action >= 0) == chose).all()  # the task receives -1 where no action counts
        reward = (action == 2).float()
        barred = torch.zeros(batch, 3)
        barred[:, 2] = float((state + 1) // 3 % 2)
        labels = {"regret": chose * (1 - trial % 2) * (1 - reward), "pair": torch.ones(batch, 2) * state}
        return state + 1, Step(torch.full((batch, 2), (state + 1) / 10), reward, labels, barred)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoRegret(ThirdOfThree):
    """The same, for an experimenter who does not know what is best."""

    step_labels: ClassVar = {}

    def step(self, state, action):
        after, step = super().step(state, action)
        return after, dataclasses.replace(step, labels={}, barred=None)


def simulate(env, actions):
    return [env.step(action) for action in actions]


def test_an_action_counts_in_the_choice_phase_and_is_seen_on_the_step_after():
    env = TaskVectorEnv(ThirdOfThree(), 2)
    env.reset(seed=0)
    steps = simulate(env, [np.array([2, 2]), np.array([2, 0]), np.array([1, 1]), np.array([1, 1])])
    assert [list(reward) for _, reward, *_ in steps] == [[0, 0], [1, 0], [0, 0], [0, 0]]
    seen = [observation for observation, *_ in steps]
    np.testing.assert_allclose(seen[0], [[0.1, 0.1, 0, 0, 0, 0]] * 2)
    np.testing.assert_allclose(seen[1], [[0.2, 0.2, 0, 0, 1, 1], [0.2, 0.2, 1, 0, 0, 0]])
    np.testing.assert_allclose(seen[2], [[0.3, 0.3, 0, 0, 0, 0]] * 2)


def test_ground_truth_and_performance_follow_regret():
    env = TaskVectorEnv(ThirdOfThree(), 2)
    env.reset(seed=0)
    infos = [step[-1] for step in simulate(env, [np.array([0, 2])] * 3)]
    assert [list(info["gt"]) for info in infos] == [[-1, -1], [2, 2], [-1, -1]]
    assert [list(info["new_trial"]) for info in infos] == [[False] * 2, [False] * 2, [True] * 2]
    assert list(infos[2]["performance"]) == [0.0, 1.0]
    assert list(infos[2]["_performance"]) == [True, True]


def test_labels_are_those_of_the_choice():
    env = TaskVectorEnv(ThirdOfThree(), 2)
    env.reset(seed=0)
    trial = simulate(env, [np.array([0, 2])] * 6)[-1][-1]["trial"]
    assert list(trial["hue"]) == [4, 4]  # of the fifth step, the choice of the second trial
    assert list(trial["name"]) == [5, 6]
    np.testing.assert_array_equal(trial["pair"], np.full((2, 2), 4))


def test_a_barred_action_is_replaced_and_never_the_ground_truth():
    env = TaskEnv(ThirdOfThree())
    _, info = env.reset(seed=0)
    assert list(info["action_mask"]) == [1, 1, 1]
    for _ in range(4):
        *_, info = env.step(2)
    assert list(info["action_mask"]) == [1, 1, 0]
    observation, reward, _, _, info = env.step(2)
    assert reward == 0
    assert list(observation[2:5]) == [1, 0, 0]
    assert info["gt"] == 0
    *_, info = env.step(2)
    assert info["performance"] == 1.0


def test_without_regret_there_is_no_ground_truth():
    env = TaskEnv(NoRegret())
    env.reset(seed=0)
    infos = [env.step(2)[-1] for _ in range(3)]
    assert all("gt" not in info and "performance" not in info for info in infos)
    assert infos[2]["trial"] == {"hue": 1, "name": 5}
    assert list(infos[2]["action_mask"]) == [1, 1, 1]


def test_a_session_ends_once():
    env = TaskEnv(ThirdOfThree(n_trials=1))
    with pytest.raises(ValueError, match=r"no session is under way; call reset\(\) first"):
        env.step(0)
    env.reset(seed=0)
    assert [env.step(0)[2] for _ in range(3)] == [False, False, True]
    with pytest.raises(ValueError, match="no session is under way"):
        env.step(0)
    with pytest.raises(ValueError, match="no session is under way"):
        TaskVectorEnv(ThirdOfThree(), 2).step(np.zeros(2, dtype=int))


@pytest.mark.parametrize("action", [3, -1, 0.5])
def test_actions_that_do_not_exist_are_refused(action):
    env = TaskEnv(ThirdOfThree())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions must be whole numbers from 0 to 2, 1 in all, got"):
        env.step(action)


def test_a_batch_takes_one_seed_one_action_a_session_and_at_least_one_session():
    env = TaskVectorEnv(ThirdOfThree(), 2)
    with pytest.raises(ValueError, match="seed must be one whole number for the whole batch, got list"):
        env.reset(seed=[1, 2])
    env.reset(seed=0)
    with pytest.raises(ValueError, match="0 to 2, 2 in all"):
        env.step(np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="num_envs must be at least 1, got 0"):
        TaskVectorEnv(ThirdOfThree(), 0)
