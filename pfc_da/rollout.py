"""Closed loop of a network and a task; all sessions advance together, step by step.

The input x of the network consists of, in this order: the observation of the task, the last action (one-hot, on the step
after the choice), and the feedback (the last reward, the last reward-prediction error, or both), also for one step. An
error depends on the next value, so it is fed back one step later than the reward it belongs to.
"""

import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor

from pfc_da import recording_schema
from pfc_da.dopamine import DopamineSystem, Manipulation
from pfc_da.network import PFCNetwork, Weights
from pfc_da.rng import torch_stream
from pfc_da.task import Task

NOISE_BLOCK = 64
"""Steps of noise that are drawn together. Limits memory; makes the draws independent of the length of a session."""
BARRED = 1e4
"""Subtracted from the logit of an unavailable action: its probability is then exactly 0 and all numbers stay finite."""
FEEDBACK_CHANNELS = {"reward": 1, "rpe": 1, "both": 2, "none": 0}
NEEDS_RPE = ("rpe", "both")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """Experimental condition of a replay. The weights are frozen unless `plastic`.

    Attributes
    ----------
    name : str
        Name in the recording.
    hidden_reset : bool
        Reset the hidden state to its initial value at the start of every trial.
    reward_input, action_input : bool
        Whether the network receives feedback and its last action as input.
    after : int, optional
        Use the weights after this number of updates of training (0: initial weights) instead of the final ones.
    manipulations : tuple of Manipulation
        Manipulations of dopamine.
    plastic : bool
        Whether the weights continue to change from session to session, as in training.
    task : tuple of (str, value)
        Settings of the task that differ in this condition.
    """

    name: str = recording_schema.FROZEN
    hidden_reset: bool = False
    reward_input: bool = True
    action_input: bool = True
    after: int | None = None
    manipulations: tuple[Manipulation, ...] = ()
    plastic: bool = False
    task: tuple[tuple[str, Any], ...] = ()


FROZEN = Condition()
CONTROLS = (
    FROZEN,
    Condition(name=recording_schema.HIDDEN_RESET, hidden_reset=True),
    Condition(name="no_reward_input", reward_input=False),
    Condition(name="no_action_input", action_input=False),
    Condition(name=recording_schema.UNTRAINED, after=0),
)
"""Frozen test and the controls of Wang et al. 2016 (arXiv 1611.05763) and 2018 (doi 10.1038/s41593-018-0147-8)."""


@dataclasses.dataclass(frozen=True)
class Rollout:
    """Record of a batch of sessions; the first dimension is step, the second session.

    Attributes
    ----------
    x : Tensor (step, session, channel)
        Input of the network.
    state : Tensor (step + 1, session, unit)
        `state[t + 1]` follows step t. Step t + 1 starts from it unless the hidden state is reset to `state[0]` in between.
    drive : Tensor (step, session, unit)
        Input current of each unit (rate network), or its output (LSTM).
    logits : Tensor (step, session, action)
    value, reward, rpe, injected : Tensor (step, session)
        In rewards. `rpe` is the error that the agent computed, without `injected`.
    action : Tensor (step, session)
        -1 on steps without a choice.
    is_choice, is_reset : Tensor (step,)
        Steps with a choice; steps before which the hidden state is reset.
    labels : mapping of str to Tensor (step, session, ...)
        Labels of each step.
    problem : mapping of str to Tensor (session, ...)
        Labels that are fixed for a session.
    system : DopamineSystem
        Computed the error.
    channel_noise : Tensor (step, session), optional
        Noise of the dopamine channel, if there is one.
    """

    x: Tensor
    state: Tensor
    drive: Tensor
    logits: Tensor
    value: Tensor
    action: Tensor
    reward: Tensor
    rpe: Tensor
    injected: Tensor
    is_choice: Tensor
    is_reset: Tensor
    labels: Mapping[str, Tensor]
    problem: Mapping[str, Tensor]
    system: DopamineSystem
    channel_noise: Tensor | None = None

    @property
    def state_before(self) -> Tensor:
        """The state that each step starts from, (step, session, unit)."""
        if not self.is_reset.any():
            return self.state[:-1]
        return torch.where(self.is_reset[:, None, None], self.state[0], self.state[:-1])

    @property
    def dopamine(self) -> Tensor:
        """Dopamine at the synapses, (step, session), in rewards: `rpe` and `injected` after the channel."""
        return self.system.deliver(self.rpe, self.injected, self.channel_noise)

    @property
    def reward_per_trial(self) -> Tensor:
        """Mean reward a trial of each session, dimension (session,)."""
        return self.reward.sum(0) / self.is_choice.sum()


def input_size(task: Task, feedback: str) -> int:
    """Number of input channels of a network on a task.

    Parameters
    ----------
    task : Task
    feedback : {"reward", "rpe", "both", "none"}

    Returns
    -------
    int
    """
    return task.observation_size + task.n_actions + FEEDBACK_CHANNELS[feedback]


def name_channels(task: Task, feedback: str) -> list[str]:
    """Names of the input channels of a network on a task, in their order.

    Parameters
    ----------
    task : Task
    feedback : {"reward", "rpe", "both", "none"}

    Returns
    -------
    list of str
        ``observation_0``..., ``action_0``... (the last action), and of ``reward`` and ``rpe`` those that there are.
    """
    observations = (f"observation_{place}" for place in range(task.observation_size))
    actions = (f"action_{place}" for place in range(task.n_actions))
    feedbacks = {"none": (), "both": ("reward", "rpe")}.get(feedback, (feedback,))
    return [*observations, *actions, *feedbacks]


ClosedLoop = Generator[tuple[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor], Rollout]
"""Yields state, input and noise of each step, receives the next state and the drive, and returns the `Rollout`."""


def rollout(
    network: PFCNetwork, effective: Weights, task: Task, dopamine: DopamineSystem, **session: Any
) -> Rollout:
    """Run sessions of `task` with `network.step` at every step. Gradients are kept where they are enabled.

    Parameters
    ----------
    network : PFCNetwork
    effective : Weights
        `network.effective(weights)`.
    task : Task
    dopamine : DopamineSystem
    **session
        The keyword arguments of `close_loop`.

    Returns
    -------
    Rollout
    """
    loop = close_loop(network, effective, task, dopamine, **session)
    state, x, noise = next(loop)
    try:
        while True:
            state, x, noise = loop.send(network.step(effective, state, x, noise))
    except StopIteration as ended:
        return ended.value


def close_loop(
    network: PFCNetwork,
    effective: Weights,
    task: Task,
    dopamine: DopamineSystem,
    *,
    sessions: int,
    task_rng: torch.Generator,
    choice_rng: torch.Generator,
    noise_rng: torch.Generator,
    feedback: str = "reward",
    condition: Condition = FROZEN,
) -> ClosedLoop:
    """Run sessions around a network that the caller advances, for example one of spiking neurons.

    Parameters
    ----------
    network : PFCNetwork
        Gives the initial state, the noise and the read-out.
    effective : Weights
        `network.effective(weights)`.
    task : Task
    dopamine : DopamineSystem
    sessions : int
        Sessions that run together.
    task_rng, choice_rng, noise_rng : torch.Generator
        Random streams of the problems, of the choices given the policy, and of the noise of the network. The noise of a
        dopamine channel has its own stream, derived from the seed of `noise_rng`.
    feedback : {"reward", "rpe", "both", "none"}
        Feedback channels of the input.
    condition : Condition

    Yields
    ------
    tuple of (state, x, noise)
        Tensors of the step; the caller sends the next state and the drive.

    Returns
    -------
    Rollout
    """
    run = _Sessions(network, effective, task, dopamine, feedback, condition)
    state = run.begin(sessions, task_rng, choice_rng, noise_rng)
    for t in range(task.n_steps):
        if t % NOISE_BLOCK == 0:
            noise = network.draw_noise(noise_rng, sessions, min(NOISE_BLOCK, task.n_steps - t))
        state, x = run.prepare_step(t, state)
        state, drive = yield state, x, None if noise is None else noise[t % NOISE_BLOCK]
        run.finish_step(t, x, state, drive)
    return run.get_rollout()


@dataclasses.dataclass
class _Sessions:
    """Running sessions: state of the task, parts of the next input, and the record so far."""

    network: PFCNetwork
    effective: Weights
    task: Task
    dopamine: DopamineSystem
    feedback: str
    condition: Condition

    def begin(
        self,
        sessions: int,
        task_rng: torch.Generator,
        choice_rng: torch.Generator,
        noise_rng: torch.Generator,
    ) -> Tensor:
        """Draw all random numbers except the noise of the network; return the initial state."""
        task, n_steps = self.task, self.task.n_steps
        gumbel = torch.empty(task.n_trials, sessions, task.n_actions)
        self.gumbel = -gumbel.exponential_(generator=choice_rng).log_()
        channel_rng = torch_stream(noise_rng.initial_seed(), "dopamine")
        self.channel_noise = self.dopamine.draw_noise(channel_rng, n_steps, sessions)
        self.task_state, self.step = task.reset(task_rng, sessions)
        self.problem = task.problem_labels(self.task_state)
        self.is_choice = [task.phase(t) == task.choice_phase for t in range(n_steps)]
        self.is_reset = [self.condition.hidden_reset and t % len(task.phases) == 0 for t in range(n_steps)]
        self.no_action, self.zeros = torch.full((sessions,), -1), torch.zeros(sessions)
        self.no_action_input = self.action_input = torch.zeros(sessions, task.n_actions)
        self.one_hot = torch.eye(task.n_actions)
        self.injected = self.delivered = self.value = self.zeros
        self.start = self.network.initial_state(self.effective, sessions)
        self.tape: dict[str, list[Tensor]] = {"state": [self.start]}
        return self.start

    def prepare_step(self, t: int, state: Tensor) -> tuple[Tensor, Tensor]:
        """State that step t starts from, and its input (session, channel)."""
        if self.is_reset[t]:
            state, self.delivered = self.start, self.zeros  # an error not yet fed back is forgotten too
        action, feedback = self.action_input, self.feedback
        parts = [self.step.observation, action if self.condition.action_input else torch.zeros_like(action)]
        if feedback in ("reward", "both"):
            parts.append((self.step.reward * self.condition.reward_input)[:, None])
        if feedback in NEEDS_RPE:
            parts.append((self.delivered.detach() * self.condition.reward_input)[:, None])
        return state, torch.cat(parts, 1)

    def finish_step(self, t: int, x: Tensor, state: Tensor, drive: Tensor) -> None:
        """Choose, advance the task and record the step."""
        action, self.action_input = self.no_action, self.no_action_input
        if self.is_choice[t] or self.feedback in NEEDS_RPE:
            logits, value = self.network.read_out(self.effective, state)
            if t > 0 and self.feedback in NEEDS_RPE:
                self.delivered = self._deliver(t - 1, value)
            self.value = value
        if self.step.barred is not None:
            self._record("barred", self.step.barred)
        if self.is_choice[t]:
            if self.step.barred is not None:
                logits = logits - BARRED * self.step.barred
            action = (logits.detach() + self.gumbel[t // len(self.task.phases)]).argmax(1)
            self.action_input = self.one_hot[action]
        self.task_state, self.step = self.task.step(self.task_state, action)
        self.injected = self.dopamine.injected(self.step.labels, self.step.reward)
        row = {"x": x, "state": state, "drive": drive, "action": action, "reward": self.step.reward}
        for name, tensor in (row | {"injected": self.injected} | dict(self.step.labels)).items():
            self._record(name, tensor)

    def get_rollout(self) -> Rollout:
        """The record, after the last step."""
        fixed = {
            "problem": self.problem,
            "system": self.dopamine,
            "channel_noise": self.channel_noise,
            "is_choice": torch.tensor(self.is_choice),
            "is_reset": torch.tensor(self.is_reset),
        }
        stacked = {name: torch.stack(tensors) for name, tensors in self.tape.items()}
        return _finish(self.network, self.effective, self.dopamine, fixed, stacked)

    def _deliver(self, t: int, next_value: Tensor) -> Tensor:
        """Dopamine of step t, in rewards, once the value that follows is known."""
        rpe = self.dopamine.rpe(self.step.reward, self.value, next_value)
        noise = None if self.channel_noise is None else self.channel_noise[t]
        return self.dopamine.deliver(rpe, self.injected, noise)

    def _record(self, name: str, tensor: Tensor) -> None:
        self.tape.setdefault(name, []).append(tensor)


def _finish(
    network: PFCNetwork,
    effective: Weights,
    dopamine: DopamineSystem,
    fixed: Mapping[str, Any],
    tape: dict[str, Tensor],
) -> Rollout:
    """Read policy and value out of all steps at once and compute the prediction errors."""
    after = tape["state"][1:]
    logits, value = network.read_out(effective, after.flatten(0, 1))
    logits, value = logits.unflatten(0, after.shape[:2]), value.unflatten(0, after.shape[:2])
    if "barred" in tape:
        logits = logits - BARRED * tape.pop("barred")
    next_value = torch.cat([value[1:], torch.zeros_like(value[:1])])
    fields: dict[str, Any] = {
        name: tape.pop(name) for name in ("x", "state", "drive", "action", "reward", "injected")
    }
    rpe = dopamine.rpe(fields["reward"], value, next_value).detach()
    return Rollout(**fields, **fixed, logits=logits, value=value, rpe=rpe, labels=tape)
