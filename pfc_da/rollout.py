"""A network and a task in closed loop: all sessions advance together, step by step.

The network's input x is, in this order: the task's observation, the last action (one-hot, on the step after the
choice), and the feedback (the last reward, the last reward-prediction error, or both), also for one step. An error
needs the value that follows, so it is fed back one step later than the reward it belongs to.
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
from pfc_da.task import Step, Task

NOISE_BLOCK = 64
"""Steps of noise drawn at once: bounds memory, and keeps draws independent of how long a session is."""
BARRED = 1e4
"""Taken from the logit of an action that cannot be taken: its probability is then exactly 0, and all stays finite."""
FEEDBACK_CHANNELS = {"reward": 1, "rpe": 1, "both": 2, "none": 0}
NEEDS_RPE = ("rpe", "both")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """What is done to an animal in replay. Its weights are frozen unless it is `plastic`.

    Attributes
    ----------
    name
        Name in the recording.
    hidden_reset
        The state is set back to its initial value at the start of every trial.
    reward_input, action_input
        Whether the network sees feedback and its last action.
    after
        Replay the weights as they were after so many updates of training (0: as born), not those at its end.
    manipulations
        What is done to dopamine.
    plastic
        Whether the weights go on changing, from session to session, as in training.
    task
        Fields of the task that differ, as (name, value).
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
    """What happened in a batch of sessions; step first, then session.

    `state` has one entry more than there are steps: `state[t + 1]` is what step t leaves behind, and what step t + 1
    starts from unless the hidden state is reset to `state[0]` in between, as it is before the steps of `is_reset` (step,).
    `action` is -1 on steps without a choice, `is_choice` is (step,). `rpe` is what the agent computed, without `injected`.
    `problem` holds the labels fixed for a session, `labels` those of each step. `system` computed the error, and
    `channel_noise` is the noise of its channel, if it has one.
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
        """What reaches the synapses, (step, session), in rewards: `rpe` and `injected`, through the channel."""
        return self.system.deliver(self.rpe, self.injected, self.channel_noise)

    @property
    def reward_per_trial(self) -> Tensor:
        """Mean reward a trial of each session, dimension (session,)."""
        return self.reward.sum(0) / self.is_choice.sum()


def input_size(task: Task, feedback: str) -> int:
    """Number of input channels of a network on this task."""
    return task.observation_size + task.n_actions + FEEDBACK_CHANNELS[feedback]


ClosedLoop = Generator[tuple[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor], Rollout]
"""Gives state, input and noise of each step, is sent the next state and the drive, and returns what happened."""


def rollout(
    network: PFCNetwork, effective: Weights, task: Task, dopamine: DopamineSystem, **session: Any
) -> Rollout:
    """Run sessions of `task`, every step being `network.step`; arguments as for `close_loop`.

    Gradients flow where they are enabled.
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
    """Close the loop of `sessions` sessions around a network that is advanced elsewhere, as one of neurons is.

    Parameters
    ----------
    effective
        `network.effective(weights)`.
    task_rng, choice_rng, noise_rng
        Streams of the problems, of the choices given the policy, and of the network's noise. The noise of dopamine
        cells, where there are any, has a stream of its own, named by the seed of the network's.
    """
    n_steps, per_trial = task.n_steps, len(task.phases)
    choosing = [task.phase(t) == task.choice_phase for t in range(n_steps)]
    resetting = [condition.hidden_reset and t % per_trial == 0 for t in range(n_steps)]
    one_hot, zeros = torch.eye(task.n_actions), torch.zeros(sessions)
    no_action, no_input = torch.full((sessions,), -1), torch.zeros(sessions, task.n_actions)
    gumbel = -torch.empty(task.n_trials, sessions, task.n_actions).exponential_(generator=choice_rng).log_()

    channel_rng = torch_stream(noise_rng.initial_seed(), "dopamine")
    channel_noise = dopamine.draw_noise(channel_rng, n_steps, sessions)
    task_state, step = task.reset(task_rng, sessions)
    problem = task.problem_labels(task_state)
    state = start = network.initial_state(effective, sessions)
    action_input, last_injected, last_rpe, last_value = no_input, zeros, zeros, zeros
    tape: dict[str, list[Tensor]] = {"state": [start]}
    for t in range(n_steps):
        if t % NOISE_BLOCK == 0:
            noise = network.draw_noise(noise_rng, sessions, min(NOISE_BLOCK, n_steps - t))
        if resetting[t]:
            state, last_rpe = start, zeros  # an error still on its way is forgotten too
        x = _input(step, action_input, last_rpe, feedback, condition)
        state, drive = yield state, x, None if noise is None else noise[t % NOISE_BLOCK]
        action, action_input = no_action, no_input
        if choosing[t] or feedback in NEEDS_RPE:
            logits, value = network.read_out(effective, state)
            if t > 0 and feedback in NEEDS_RPE:
                drawn = None if channel_noise is None else channel_noise[t - 1]
                last_rpe = dopamine.deliver(
                    dopamine.rpe(step.reward, last_value, value), last_injected, drawn
                )
            last_value = value
        if choosing[t]:
            if step.barred is not None:
                logits = logits - BARRED * step.barred
            action = (logits.detach() + gumbel[t // per_trial]).argmax(1)
            action_input = one_hot[action]
        if step.barred is not None:
            tape.setdefault("barred", []).append(step.barred)
        task_state, step = task.step(task_state, action)
        last_injected = dopamine.injected(step.labels, step.reward)
        row = {"x": x, "state": state, "drive": drive, "action": action, "reward": step.reward}
        for name, tensor in (row | {"injected": last_injected} | dict(step.labels)).items():
            tape.setdefault(name, []).append(tensor)
    stacked = {name: torch.stack(tensors) for name, tensors in tape.items()}
    fixed = {
        "problem": problem,
        "system": dopamine,
        "channel_noise": channel_noise,
        "is_choice": torch.tensor(choosing),
        "is_reset": torch.tensor(resetting),
    }
    return _finish(network, effective, dopamine, fixed, stacked)


def _input(step: Step, action_input: Tensor, last_rpe: Tensor, feedback: str, condition: Condition) -> Tensor:
    parts = [step.observation, action_input if condition.action_input else torch.zeros_like(action_input)]
    if feedback in ("reward", "both"):
        parts.append((step.reward * condition.reward_input)[:, None])
    if feedback in NEEDS_RPE:
        parts.append((last_rpe.detach() * condition.reward_input)[:, None])
    return torch.cat(parts, 1)


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
