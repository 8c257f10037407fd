"""A task as Gymnasium environments: one session, or a batch of sessions that advance together.

A step of the environment is a step of the task (100 ms), an episode is a session, which ends after its last trial
(`terminated`, never `truncated`). An agent sees what the networks of this package see with `feedback = reward`: the task's
observation, its last action (one-hot) and the last reward, the last two on the step after the choice. Without them no
agent could learn within a session. An action counts on the steps of the choice phase only; one that is barred then (a
forced trial) is replaced by the first that is not.

`info` has the keys of NeuroGym and one of ours:

new_trial     whether the step just taken ended a trial; False where a session has just begun
gt            the best action of the step just taken, -1 where none counted or a session has just begun: the one of least
              regret, which the agent cannot know from what it saw
action_mask   1 for every action that can be taken now, as `Discrete.sample(mask=...)` takes it
performance   at the end of a trial: 1.0 if no allowed action had less regret, else 0.0
trial         at the end of a trial: what the experimenter knows of it, by label

`gt` and `performance` are there for tasks that label `regret`. Reference for the keys: Molano-Mazon et al. 2022, NeuroGym,
doi 10.31234/osf.io/aqc9n.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.errors import InputError
from pfc_da.task import Step, Task

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(f"{error}: the environments need gymnasium; pip install 'pfc_da[tasks]'.") from None

LARGEST = 10.0
"""No observation and no reward of a paradigm is larger; a contract test holds it for all of them."""


class TaskEnv(gymnasium.Env[Any, Any]):
    """One session of `task`.

    Parameters
    ----------
    task
        Whose problems `reset` draws; sessions are as long as it says.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, task: Task) -> None:
        self.task = task
        self.observation_space, self.action_space = build_spaces(task)
        self._sessions = _Sessions(task, 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a problem; the same seed draws the same one."""
        super().reset(seed=seed)
        observation, info = self._sessions.reset(self.np_random)
        return observation[0], _first(info)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Advance by one step of the task."""
        observation, reward, info = self._sessions.step(np.asarray(action).reshape(1))
        return observation[0], float(reward[0]), self._sessions.over, False, _first(info)


class TaskVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` sessions of `task`, one tensor operation for all of them.

    All sessions are equally long and end together; the step after the last begins new ones, whatever its actions
    (Gymnasium's next-step mode). A session here is not the one that `TaskEnv` would draw from the same seed: the batch is
    drawn as one.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, task: Task, num_envs: int = 1) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs must be at least 1, got {num_envs}.")
        self.task, self.num_envs = task, num_envs
        self.single_observation_space, self.single_action_space = build_spaces(task)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._sessions = _Sessions(task, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a problem a session; one seed serves the whole batch."""
        if seed is not None and not isinstance(seed, int):
            raise InputError(f"seed must be one whole number for the whole batch, got {type(seed).__name__}.")
        super().reset(seed=seed)
        observation, info = self._sessions.reset(self.np_random)
        return observation, _with_masks(info, self.num_envs)

    def step(
        self, actions: Any
    ) -> tuple[NDArray[np.float32], NDArray, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Advance every session by one step of the task."""
        if self._sessions.over and self._sessions.t > 0:
            observation, info = self._sessions.reset(self.np_random)
            reward = np.zeros(self.num_envs)
        else:
            observation, reward, info = self._sessions.step(np.asarray(actions))
        ended = np.full(self.num_envs, self._sessions.over)
        return observation, reward, ended, np.zeros_like(ended), _with_masks(info, self.num_envs)


def build_spaces(task: Task) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Discrete]:
    """Spaces of observations (task, last action, last reward) and of actions."""
    size = task.observation_size + task.n_actions + 1
    box = gymnasium.spaces.Box(-LARGEST, LARGEST, shape=(size,), dtype=np.float32)
    return box, gymnasium.spaces.Discrete(task.n_actions)


class _Sessions:
    """A batch of sessions of a task, numpy in and out."""

    def __init__(self, task: Task, batch: int) -> None:
        self.task, self.batch = task, batch
        self.t = -1  # steps taken; -1 before the first reset
        self.state: Any = None
        self.barred = torch.zeros(batch, task.n_actions)
        self.problem: dict[str, Tensor] = {}
        self.chosen: dict[str, Any] = {}  # of this trial's choice: performance and labels

    @property
    def over(self) -> bool:
        return self.t in (-1, self.task.n_steps)

    def reset(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], dict[str, Any]]:
        drawn = torch.Generator().manual_seed(int(rng.integers(2**63)))
        self.state, step = self.task.reset(drawn, self.batch)
        self.problem = self.task.problem_labels(self.state)
        self.t, self.chosen = 0, {}
        observation = self._observe(step, torch.zeros(self.batch, self.task.n_actions))
        return observation, self._tell(False, torch.full((self.batch,), -1))

    def step(self, action: NDArray) -> tuple[NDArray[np.float32], NDArray, dict[str, Any]]:
        if self.over:
            raise InputError("no session is under way; call reset() first.")
        taken, seen = self._take(action)
        gt = torch.full((self.batch,), -1)
        counts = self.task.phase(self.t) == self.task.choice_phase
        regret = self._regrets() if counts and "regret" in self.task.step_labels else None
        self.state, step = self.task.step(self.state, taken)
        if counts:
            self.chosen = {"trial": self._describe(step)}
        if regret is not None:
            gt = regret.argmin(1)
            missed = regret.gather(1, taken[:, None])[:, 0] - regret.amin(1)
            self.chosen["performance"] = (missed < 1e-6).double().numpy()
        self.t += 1
        ended = self.t % len(self.task.phases) == 0
        observation = self._observe(step, seen)
        info = self._tell(ended, gt) | (self.chosen if ended else {})
        return observation, step.reward.double().numpy(), info

    def _tell(self, new_trial: bool, gt: Tensor) -> dict[str, Any]:
        """What `info` holds whenever there is an observation, a session's first one among them."""
        info: dict[str, Any] = {"new_trial": np.full(self.batch, new_trial), "action_mask": self._mask()}
        return info | {"gt": gt.numpy()} if "regret" in self.task.step_labels else info

    def _take(self, action: NDArray) -> tuple[Tensor, Tensor]:
        """What the task is told (-1 on steps without a choice), and how the agent sees its own action, one-hot."""
        n_actions = self.task.n_actions
        whole = action.shape == (self.batch,) and np.issubdtype(action.dtype, np.integer)
        if not whole or ((action < 0) | (action >= n_actions)).any():
            raise InputError(
                f"actions must be whole numbers from 0 to {n_actions - 1}, {self.batch} in all, got {action!r}."
            )
        if self.task.phase(self.t) != self.task.choice_phase:
            return torch.full((self.batch,), -1), torch.zeros(self.batch, n_actions)
        asked = torch.as_tensor(action, dtype=torch.int64)
        barred = self.barred.gather(1, asked[:, None])[:, 0] > 0
        taken = torch.where(barred, self.barred.argmin(1), asked)
        return taken, torch.eye(n_actions)[taken]

    def _regrets(self) -> Tensor:
        """Regret of every action now, (session, action), infinite where barred.

        Steps of a task draw nothing and change no state, so each action can be tried.
        """
        tried = []
        for action in range(self.task.n_actions):
            _, step = self.task.step(self.state, torch.full((self.batch,), action))
            tried.append(step.labels["regret"])
        return torch.stack(tried, 1).masked_fill(self.barred > 0, torch.inf)

    def _describe(self, step: Step) -> dict[str, NDArray]:
        """Labels of this trial's choice, and those of the session at this step of it."""
        fixed = {
            name: tensor[:, self.t] if self.task.session_labels[name][:1] == ("step",) else tensor
            for name, tensor in self.problem.items()
        }
        return {name: tensor.clone().numpy() for name, tensor in (fixed | dict(step.labels)).items()}

    def _observe(self, step: Step, seen: Tensor) -> NDArray[np.float32]:
        self.barred = torch.zeros(self.batch, self.task.n_actions) if step.barred is None else step.barred
        return torch.cat([step.observation, seen, step.reward[:, None]], 1).numpy()

    def _mask(self) -> NDArray[np.int8]:
        return (self.barred == 0).numpy().astype(np.int8)


def _first(info: dict[str, Any]) -> dict[str, Any]:
    """`info` of a batch of one as that of its only session: plain numbers, and arrays of what is not one number."""
    plain: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, dict):
            plain[name] = _first(value)
        else:
            plain[name] = value[0].item() if value.ndim == 1 else value[0].copy()
    return plain


def _with_masks(info: dict[str, Any], n: int) -> dict[str, Any]:
    """Gymnasium's layout: beside each key, `_key` tells which sessions have it, here all."""
    masked: dict[str, Any] = {}
    for name, value in info.items():
        masked[name] = _with_masks(value, n) if isinstance(value, dict) else value
        masked[f"_{name}"] = np.ones(n, dtype=bool)
    return masked
