"""Gymnasium environments of a task: one session, or a batch of sessions that advance together.

A step of the environment is a step of the task, a phase of a trial, however long the phase lasts. An episode is a session,
which ends after its last trial (`terminated`, never `truncated`). The observation is the input of the networks of this
package with `feedback = reward`: the observation of the task, the last action (one-hot) and the last reward, the latter two
in phases of feedback. They are necessary for learning within a session. Only the action on a step with a choice counts. An
unavailable action (on a forced trial) is replaced by the first available one.

`info` has the keys of NeuroGym and two more, `action_mask` and `seconds`:

new_trial     whether the step ended a trial; False at the start of a session
gt            the best action of the step, -1 where none counted or a session has just begun: the one of least
              regret, which the agent cannot know from its observations
action_mask   1 for every available action, in the format of `Discrete.sample(mask=...)`
seconds       duration of the phase that begins, in s, drawn for every trial; 0 after the last one
performance   at the end of a trial: 1.0 if, at its last choice, no available action had less regret, else 0.0
trial         at the end of a trial: the variables of its last choice that the experimenter knows, by label

`gt` and `performance` exist for tasks that label `regret`. Reference for the keys: Molano-Mazon et al. 2022, NeuroGym,
doi 10.31234/osf.io/aqc9n.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.clock import draw_durations
from pfc_da.errors import InputError
from pfc_da.task import Step, Task

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(f"{error}: the environments need gymnasium; pip install 'pfc_da[tasks]'.") from None

LARGEST = 10.0
"""Bound of all observations and rewards; a contract test checks it for every paradigm."""


class TaskEnv(gymnasium.Env[Any, Any]):
    """One session of `task`.

    Parameters
    ----------
    task : Task
        Its problems are drawn by `reset`; it sets the length of a session.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, task: Task) -> None:
        self.task = task
        self.observation_space, self.action_space = build_spaces(task)
        self._sessions = _Sessions(task, 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a problem.

        Parameters
        ----------
        seed : int, optional
            The same seed draws the same problem.
        options : dict, optional
            Not used.

        Returns
        -------
        observation : ndarray (feature,)
        info : dict
        """
        super().reset(seed=seed)
        observation, info = self._sessions.reset(self.np_random)
        return observation[0], _first(info)

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Advance by one step of the task."""
        observation, reward, info = self._sessions.step(np.asarray(action).reshape(1))
        return observation[0], float(reward[0]), self._sessions.over, False, _first(info)


class TaskVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` sessions of `task`, computed together.

    All sessions have the same length and end together; the step after the last one begins new sessions, whatever its actions
    (next-step mode of Gymnasium). A session differs from the one that `TaskEnv` draws from the same seed, because the
    batch is
    drawn as one.

    Parameters
    ----------
    task : Task
    num_envs : int
        At least 1.

    Raises
    ------
    InputError
        If `num_envs` is below 1.
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
        """Draw a problem for every session.

        Parameters
        ----------
        seed : int, optional
            One seed for the whole batch.
        options : dict, optional
            Not used.

        Returns
        -------
        observation : ndarray (num_envs, feature)
        info : dict

        Raises
        ------
        InputError
            If `seed` is a list.
        """
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
    """Spaces of the observations (task, last action, last reward) and of the actions."""
    size = task.observation_size + task.n_actions + 1
    box = gymnasium.spaces.Box(-LARGEST, LARGEST, shape=(size,), dtype=np.float32)
    return box, gymnasium.spaces.Discrete(task.n_actions)


class _Sessions:
    """A batch of sessions of a task, with NumPy arrays as input and output."""

    def __init__(self, task: Task, batch: int) -> None:
        self.task, self.batch = task, batch
        self.t = -1  # steps taken; -1 before the first reset
        self.state: Any = None
        self.barred = torch.zeros(batch, task.n_actions)
        self.problem: dict[str, Tensor] = {}
        self.chosen: dict[str, Any] = {}  # of this trial's last choice: performance and labels
        self.last_action, self.last_reward = torch.zeros(batch, task.n_actions), torch.zeros(batch)
        self.seconds = torch.zeros(task.n_steps + 1, batch)  # of each step; 0 after the last

    @property
    def over(self) -> bool:
        return self.t in (-1, self.task.n_steps)

    def reset(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], dict[str, Any]]:
        problem_rng, time_rng = (torch.Generator().manual_seed(int(rng.integers(2**63))) for _ in range(2))
        self.state, step = self.task.reset(problem_rng, self.batch)
        self.problem = self.task.problem_labels(self.state)
        self.seconds[:-1] = draw_durations(self.task.phases, self.task.n_trials, self.batch, time_rng)
        self.t, self.chosen = 0, {}
        self.last_action, self.last_reward = torch.zeros(self.batch, self.task.n_actions), step.reward
        return self._observe(step), self._get_info(False, torch.full((self.batch,), -1))

    def step(self, action: NDArray) -> tuple[NDArray[np.float32], NDArray, dict[str, Any]]:
        if self.over:
            raise InputError("no session is under way; call reset() first.")
        taken = self._take(action)
        gt = torch.full((self.batch,), -1)
        is_choice = self.task.phase(self.t).choice
        regret = self._regrets() if is_choice and "regret" in self.task.step_labels else None
        self.state, step = self.task.step(self.state, taken)
        if is_choice:
            self.chosen = {"trial": self._describe(step)}
            self.last_action = torch.eye(self.task.n_actions)[taken]
        if regret is not None:
            gt = regret.argmin(1)
            missed = regret.gather(1, taken[:, None])[:, 0] - regret.amin(1)
            self.chosen["performance"] = (missed < 1e-6).double().numpy()
        kept = torch.zeros_like(step.reward) if is_choice else self.last_reward
        self.last_reward = torch.where(step.reward == 0, kept, step.reward)
        self.t += 1
        ended = self.t % len(self.task.phases) == 0
        observation = self._observe(step)
        info = self._get_info(ended, gt) | (self.chosen if ended else {})
        return observation, step.reward.double().numpy(), info

    def _get_info(self, new_trial: bool, gt: Tensor) -> dict[str, Any]:
        """Parts of `info` that exist at every step, also at the start of a session."""
        info: dict[str, Any] = {"new_trial": np.full(self.batch, new_trial), "action_mask": self._mask()}
        info["seconds"] = self.seconds[self.t].double().numpy()
        return info | {"gt": gt.numpy()} if "regret" in self.task.step_labels else info

    def _take(self, action: NDArray) -> Tensor:
        """Actions for the task; -1 on steps without a choice."""
        n_actions = self.task.n_actions
        whole = action.shape == (self.batch,) and np.issubdtype(action.dtype, np.integer)
        if not whole or ((action < 0) | (action >= n_actions)).any():
            raise InputError(
                f"actions must be whole numbers from 0 to {n_actions - 1}, {self.batch} in all, got {action!r}."
            )
        if not self.task.phase(self.t).choice:
            return torch.full((self.batch,), -1)
        asked = torch.as_tensor(action, dtype=torch.int64)
        barred = self.barred.gather(1, asked[:, None])[:, 0] > 0
        return torch.where(barred, self.barred.argmin(1), asked)

    def _regrets(self) -> Tensor:
        """Regret of every action at this step, (session, action), infinite if unavailable.

        A step of a task draws no random number and does not change the state, so every action can be evaluated.
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

    def _observe(self, step: Step) -> NDArray[np.float32]:
        self.barred = torch.zeros(self.batch, self.task.n_actions) if step.barred is None else step.barred
        last = torch.cat([self.last_action, self.last_reward[:, None]], 1)
        return torch.cat([step.observation, last * self.task.phase(self.t).feedback], 1).numpy()

    def _mask(self) -> NDArray[np.int8]:
        return (self.barred == 0).numpy().astype(np.int8)


def _first(info: dict[str, Any]) -> dict[str, Any]:
    """`info` of a batch of one as that of its only session: plain numbers, and arrays otherwise."""
    plain: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, dict):
            plain[name] = _first(value)
        else:
            plain[name] = value[0].item() if value.ndim == 1 else value[0].copy()
    return plain


def _with_masks(info: dict[str, Any], n: int) -> dict[str, Any]:
    """Layout of Gymnasium: for each key, `_key` marks the sessions that have it, here all."""
    masked: dict[str, Any] = {}
    for name, value in info.items():
        masked[name] = _with_masks(value, n) if isinstance(value, dict) else value
        masked[f"_{name}"] = np.ones(n, dtype=bool)
    return masked
