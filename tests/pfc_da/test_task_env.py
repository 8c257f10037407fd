"""Environments of a task made for the test: barred actions, ground truth, mistakes reported in one line."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from pfc_da.clock import Phase
from pfc_da.task import Step, Task
from pfc_da.task_env import TaskEnv, TaskVectorEnv


@dataclasses.dataclass(frozen=True, kw_only=True)
class ThirdOfThree(Task):
    """Three actions that pay 0, 0 and 1; on odd trials the last is barred, so that the first two are alike."""

    n_trials: int = 4

    phases: ClassVar = (
        Phase("look", (0.2, 0.4)),
        Phase("choose", (0.1, 0.1), choice=True),
        Phase("outcome", (0.3, 0.5), paced=False, feedback=True),
    )
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
        chose = self.phases[phase].choice
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Twice(Task):
    """Two choices a trial that pay 1 and 2 for action 1, the second one late; feedback is seen twice after the first."""

    n_trials: int = 3

    phases: ClassVar = (
        Phase("first", (0.1, 0.3), choice=True),
        Phase("result", (0.2, 0.2), feedback=True),
        Phase("dark", (0.1, 0.2)),
        Phase("echo", (0.1, 0.2), feedback=True),
        Phase("second", (0.1, 0.3), choice=True),
        Phase("wait", (0.1, 0.2), feedback=True),
        Phase("pay", (0.2, 0.2), feedback=True),
    )
    n_actions: ClassVar = 2
    observation_size: ClassVar = 1
    step_labels: ClassVar = {"regret": ()}

    def reset(self, rng, batch):
        return (0, torch.zeros(batch)), self.show(batch, 0.0)

    def problem_labels(self, state):
        return {}

    def step(self, state, action):
        (t, owed), name = state, self.phase(state[0]).name
        reward = torch.zeros(len(action))
        if name == "second":
            owed = 2.0 * (action == 1)
        elif name == "first":
            reward = (action == 1).float()
        elif name == "wait":
            reward = owed
        return (t + 1, owed), self.show(len(action), reward, (action == 0).float())

    def show(self, batch, reward, regret=None):
        labels = {} if regret is None else {"regret": regret}
        return Step(torch.ones(batch, 1), torch.zeros(batch) + reward, labels)


def test_the_last_action_and_reward_are_seen_in_phases_of_feedback_until_the_next_choice():
    env = TaskVectorEnv(Twice(), 2)
    observation, _ = env.reset(seed=0)
    seen = [observation]
    for action in ([1, 0], [0, 0], [0, 0], [0, 0], [1, 0], [1, 1], [1, 1]) * 2:
        seen.append(env.step(np.array(action))[0])
    nothing, first, second, paid = [0, 0, 0], [0, 1, 1], [0, 1, 0], [0, 1, 2]
    expected = [nothing, first, nothing, first, nothing, second, paid] * 2 + [nothing]
    assert [each[0, 1:].tolist() for each in seen] == expected
    lost = [1, 0, 0]
    expected = [nothing, lost, nothing, lost, nothing, lost, lost] * 2 + [nothing]
    assert [each[1, 1:].tolist() for each in seen] == expected


def test_every_choice_of_a_trial_has_a_ground_truth_and_performance_is_of_the_last():
    env = TaskEnv(Twice())
    env.reset(seed=0)
    infos = [env.step(action)[-1] for action in (1, 0, 0, 0, 0, 0, 0)]
    assert [info["gt"] for info in infos] == [1, -1, -1, -1, 1, -1, -1]
    assert infos[-1]["performance"] == 0.0
    infos = [env.step(action)[-1] for action in (0, 0, 0, 0, 1, 0, 0)]
    assert infos[-1]["performance"] == 1.0


def test_seconds_are_those_of_the_phase_that_begins():
    env = TaskVectorEnv(Twice(n_trials=200), 3)
    seconds = []
    for seed in (0, 0, 1):
        _, info = env.reset(seed=seed)
        own = [info["seconds"]]
        while not env._sessions.over:
            own.append(env.step(np.zeros(3, dtype=int))[-1]["seconds"])
        assert (own[-1] == 0).all()
        seconds.append(np.array(own[:-1]).reshape(200, 7, 3))
    np.testing.assert_array_equal(seconds[0], seconds[1])
    assert (seconds[0] != seconds[2]).any()
    for place, phase in enumerate(Twice.phases):
        low, high = phase.seconds
        own = seconds[0][:, place]
        assert low - 1e-6 <= own.min() and own.max() <= high + 1e-6
        assert own.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.1, abs=1e-6)


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
