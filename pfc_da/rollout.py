"""Closed loop of a network and a task; all sessions advance together, a phase of a trial at a time.

The input x of the network consists of, in this order: the observation of the task, the last action (one-hot), and the
feedback (the last reward, the prediction error of the last choice, or both). Action and reward are inputs in the phases that
the task marks so, as a rule a short one after the choice. An error depends on the value at the end of the phase after the
choice, so it is the input of the phase that follows.
"""

import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor

from pfc_da import recording_schema
from pfc_da.clock import TICK_S, USUAL, Schedule, Timing
from pfc_da.dopamine import DopamineSystem, Manipulation
from pfc_da.network import FEEDBACK_CHANNELS, PFCNetwork, Trace, Weights
from pfc_da.rng import torch_stream
from pfc_da.task import Task

BARRED = 1e4
"""Subtracted from the logit of an unavailable action: its probability is then exactly 0 and all numbers stay finite."""
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
    recurrence : bool
        Whether units receive each other; if not, each receives the constant mean of that current instead.
    after : int or str, optional
        Use the weights after this number of updates of training (0: initial weights), or those of a training of another
        kind (`pfc_da.trained.CLAMPED`), instead of the final ones.
    timing : Timing
        Durations of the phases.
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
    recurrence: bool = True
    after: int | str | None = None
    timing: Timing = USUAL
    manipulations: tuple[Manipulation, ...] = ()
    plastic: bool = False
    task: tuple[tuple[str, Any], ...] = ()


FROZEN = Condition()
CONTROLS = (
    FROZEN,
    Condition(name=recording_schema.HIDDEN_RESET, hidden_reset=True),
    Condition(name="no_reward_input", reward_input=False),
    Condition(name="no_action_input", action_input=False),
    Condition(name=recording_schema.RECURRENCE_CUT, recurrence=False),
    Condition(name=recording_schema.UNTRAINED, after=0),
    Condition(name=recording_schema.CLAMPED, after=recording_schema.CLAMPED),
)
"""Frozen test and the controls of Wang et al. 2016 (arXiv 1611.05763) and 2018 (doi 10.1038/s41593-018-0147-8), and two of
ours: no recurrent input, and a training without dopamine."""
TIMINGS = (
    Condition(name="pace_0.5", timing=Timing(pace=0.5)),
    Condition(name="pace_2", timing=Timing(pace=2.0)),
    Condition(name="pace_4", timing=Timing(pace=4.0)),
    Condition(name="pauses", timing=Timing(pauses=10, pause_s=5.0)),
    Condition(name="fixation_longer", timing=Timing(longer_s=1.0)),
)
"""Frozen animals in trials of other durations than those of training."""


@dataclasses.dataclass(frozen=True)
class Rollout:
    """Record of a batch of sessions. Steps are phases of trials, bins are updates of the network.

    Attributes
    ----------
    schedule : Schedule
        Bins of every step.
    x : Tensor (step, session, channel)
        Input of the network.
    gating : Tensor (bin + 1, kept session, unit)
        `gating[t + 1]` follows bin t. Bin t + 1 starts from it unless the hidden state is reset to `gating[0]` in between.
    drive : Tensor (bin, kept session, unit)
        Input current of each unit (rate network), or its output (LSTM).
    logits : Tensor (step, session, action)
    value, reward, rpe, injected : Tensor (step, session)
        In rewards. `rpe` is the error that the agent computed from values at the ends of steps, without `injected`.
    bin_value : Tensor (bin, kept session)
        Value after each bin, in rewards.
    bin_logits : Tensor (bin, kept session, action)
        Policy after each bin, without actions that are not available being barred.
    action : Tensor (step, session)
        -1 on steps without a choice.
    is_choice, is_reset : Tensor (step,)
        Steps with a choice; steps before which the hidden state is reset.
    objects : Tensor (choice, session, action), optional
        Object that each action would choose, at every choice; below `n_objects`.
    labels : mapping of str to Tensor (step, session, ...)
        Labels of each step.
    problem : mapping of str to Tensor (session, ...)
        Labels that are fixed for a session.
    n_trials, n_objects : int
        Trials of a session; objects of the task.
    system : DopamineSystem
        Computed the error.
    channel_noise : Tensor (step, session), optional
        Noise of the dopamine channel, if there is one.
    """

    schedule: Schedule
    x: Tensor
    gating: Tensor
    drive: Tensor
    logits: Tensor
    value: Tensor
    bin_value: Tensor
    bin_logits: Tensor
    action: Tensor
    reward: Tensor
    rpe: Tensor
    injected: Tensor
    is_choice: Tensor
    is_reset: Tensor
    labels: Mapping[str, Tensor]
    problem: Mapping[str, Tensor]
    n_trials: int
    system: DopamineSystem
    n_objects: int = 0
    objects: Tensor | None = None
    channel_noise: Tensor | None = None

    @property
    def gating_before(self) -> Tensor:
        """The gating that each bin starts from, (bin, kept session, unit)."""
        if not self.is_reset.any():
            return self.gating[:-1]
        before = self.gating[:-1].clone()
        before[self.is_reset_bin] = self.gating[0]
        return before

    @property
    def is_reset_bin(self) -> Tensor:
        """Bins before which the hidden state is reset, dimension (bin,)."""
        reset = torch.zeros(len(self.drive), dtype=torch.bool)
        reset[torch.tensor(self.schedule.first[:-1])[self.is_reset]] = True
        return reset

    @property
    def phase_of_bin(self) -> Tensor:
        """Place in the trial of the phase that each bin is part of, dimension (bin,)."""
        return self.schedule.step_of_bin % (len(self.x) // self.n_trials)

    @property
    def ticks(self) -> Tensor:
        """Duration of the bins of kept sessions, (bin, kept session)."""
        return self.schedule.ticks[:, : self.drive.shape[1]]

    @property
    def dopamine(self) -> Tensor:
        """Dopamine of each step at the synapses, (step, session), in rewards: `rpe` and `injected` after the channel."""
        return self.system.deliver(self.rpe, self.injected, self.channel_noise)

    @property
    def bin_dopamine(self) -> Tensor:
        """Dopamine in each bin, (bin, kept session), in rewards.

        The error from bin to bin; what is injected comes with the reward of a step, in its last bin. A channel transforms
        the error of a whole step, which then comes in this bin alone.
        """
        if self.system.clamped:
            return torch.zeros_like(self.bin_value)
        kept, last = self.drive.shape[1], self.schedule.last
        if self.system.channel is not None:
            delivered = torch.zeros_like(self.bin_value)
            delivered[last] = self.dopamine[:, :kept]
            return delivered
        error = -self.bin_value
        later = self.ticks[1:] * TICK_S
        error[:-1] += self.system.discount**later * self.bin_value[1:]
        error[last] += (self.reward + self.injected)[:, :kept]
        return error

    @property
    def reward_per_trial(self) -> Tensor:
        """Mean reward a trial of each session, dimension (session,)."""
        return self.reward.sum(0) / self.n_trials


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


ClosedLoop = Generator[tuple[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Trace], Rollout]
"""Yields state, input, ticks and noise of each step, receives the state after it and the trace, and returns the
`Rollout`."""


def rollout(
    network: PFCNetwork, effective: Weights, task: Task, dopamine: DopamineSystem, **session: Any
) -> Rollout:
    """Run sessions of `task` with `network.advance` at every step. Gradients are kept where they are enabled.

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
    state, x, ticks, noise = next(loop)
    try:
        while True:
            state, x, ticks, noise = loop.send(network.advance(effective, state, x, ticks, noise))
    except StopIteration as ended:
        return ended.value


def close_loop(
    network: PFCNetwork,
    effective: Weights,
    task: Task,
    dopamine: DopamineSystem,
    *,
    schedule: Schedule,
    task_rng: torch.Generator,
    choice_rng: torch.Generator,
    noise_rng: torch.Generator,
    feedback: str = "reward",
    condition: Condition = FROZEN,
    kept: int | None = None,
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
    schedule : Schedule
        Bins of all steps of the sessions that run together.
    task_rng, choice_rng, noise_rng : torch.Generator
        Random streams of the problems, of the choices given the policy, and of the noise of the network. The noise of a
        dopamine channel has its own stream, derived from the seed of `noise_rng`.
    feedback : {"reward", "rpe", "both", "none"}
        Feedback channels of the input.
    condition : Condition
    kept : int, optional
        Sessions of which every bin is kept, the first ones; all unless given.

    Yields
    ------
    tuple of (state, x, ticks, noise)
        Tensors of the step; the caller sends the next state and the trace.

    Returns
    -------
    Rollout
    """
    sessions = schedule.ticks.shape[1]
    run = _Sessions(network, effective, task, dopamine, schedule, feedback, condition)
    state = run.begin(sessions if kept is None else kept, task_rng, choice_rng, noise_rng)
    for step in range(task.n_steps):
        ticks = schedule.ticks[schedule.get_bins(step)]
        noise = network.draw_noise(noise_rng, sessions, len(ticks))
        state, x = run.prepare_step(step, state)
        state, trace = yield state, x, ticks, noise
        run.finish_step(step, x, state, trace)
    return run.get_rollout()


@dataclasses.dataclass
class _Sessions:
    """Running sessions: state of the task, parts of the next input, and the record so far."""

    network: PFCNetwork
    effective: Weights
    task: Task
    dopamine: DopamineSystem
    schedule: Schedule
    feedback: str
    condition: Condition

    def begin(
        self,
        kept: int,
        task_rng: torch.Generator,
        choice_rng: torch.Generator,
        noise_rng: torch.Generator,
    ) -> Tensor:
        """Draw all random numbers except the noise of the network; return the initial state."""
        task, sessions = self.task, self.schedule.ticks.shape[1]
        self.kept = kept
        self.is_choice = [task.phase(step).choice for step in range(task.n_steps)]
        self.is_reset = [
            self.condition.hidden_reset and t % len(task.phases) == 0 for t in range(task.n_steps)
        ]
        gumbel = torch.empty(sum(self.is_choice), sessions, task.n_actions)
        self.gumbel = iter(-gumbel.exponential_(generator=choice_rng).log_())
        channel_rng = torch_stream(noise_rng.initial_seed(), "dopamine")
        self.channel_noise = self.dopamine.draw_noise(channel_rng, task.n_steps, sessions)
        self.task_state, self.step = task.reset(task_rng, sessions)
        self.problem = task.problem_labels(self.task_state)
        self.no_action, self.zeros = torch.full((sessions,), -1), torch.zeros(sessions)
        self.no_action_input = torch.zeros(sessions, task.n_actions)
        self.last_action, self.last_reward, self.last_rpe = self.no_action_input, self.zeros, self.zeros
        self.one_hot = torch.eye(task.n_actions)
        self.start = self.network.initial_state(self.effective, sessions)
        self.tape: dict[str, list[Tensor]] = {"gating": [self.start[:1, :kept]]}
        return self.start

    def prepare_step(self, step: int, state: Tensor) -> tuple[Tensor, Tensor]:
        """State that a step starts from, and its input (session, channel)."""
        if self.is_reset[step]:  # feedback that is still to come is forgotten too
            state, self.last_action = self.start, self.no_action_input
            self.last_reward = self.last_rpe = self.zeros
        shown, known = self.task.phase(step).feedback, step > 1 and self.is_choice[step - 2]
        rewarded = self.condition.reward_input
        action = shown and self.condition.action_input
        parts = [self.step.observation, self.last_action if action else self.no_action_input]
        if self.feedback in ("reward", "both"):
            parts.append((self.last_reward if shown and rewarded else self.zeros)[:, None])
        if self.feedback in NEEDS_RPE:
            parts.append((self.last_rpe if known and rewarded else self.zeros)[:, None])
        return state, torch.cat(parts, 1)

    def finish_step(self, step: int, x: Tensor, state: Tensor, trace: Trace) -> None:
        """Choose, advance the task and record the step."""
        logits, value = self.network.read_out(self.effective, state[0])
        if self.step.barred is not None:
            logits = logits - BARRED * self.step.barred
        known = step > 0 and self.is_choice[step - 1] and not self.is_reset[step]
        if self.feedback in NEEDS_RPE and known:
            self.last_rpe = self._deliver(step - 1, value).detach()
        action = self.no_action
        if self.is_choice[step]:
            if self.step.objects is not None:
                self._record("objects", self.step.objects)
            action = (logits.detach() + next(self.gumbel)).argmax(1)
            self.last_action = self.one_hot[action]
        self.task_state, self.step = self.task.step(self.task_state, action)
        reward = self.step.reward
        self.last_reward = (
            reward if self.is_choice[step] else torch.where(reward == 0, self.last_reward, reward)
        )
        injected = self.dopamine.injected(self.step.labels, reward)
        self.dopamine.receive(reward, injected)
        row = {"x": x, "logits": logits, "value": value, "action": action, "reward": reward}
        row |= {"gating": self._keep(trace.gating), "drive": self._keep(trace.drive)}
        for name, tensor in (row | {"injected": injected} | dict(self.step.labels)).items():
            self._record(name, tensor)

    def get_rollout(self) -> Rollout:
        """The record, after the last step."""
        bins = {name: torch.cat(self.tape.pop(name)) for name in ("gating", "drive")}
        steps = {name: torch.stack(tensors) for name, tensors in self.tape.items()}
        own = {name: steps.pop(name) for name in ("x", "logits", "value", "action", "reward", "injected")}
        later = self.schedule.duration_ticks * TICK_S
        after = torch.cat([own["value"][1:], torch.zeros_like(own["value"][:1])])
        rpe = self.dopamine.rpe(own["reward"], own["value"], after, later.roll(-1, 0))
        bin_logits, bin_value = self.network.read_out(self.effective, bins["gating"][1:])
        return Rollout(
            schedule=self.schedule,
            **own,
            **bins,
            bin_value=bin_value.detach(),
            bin_logits=bin_logits.detach(),
            rpe=rpe.detach(),
            is_choice=torch.tensor(self.is_choice),
            is_reset=torch.tensor(self.is_reset),
            objects=steps.pop("objects", None),
            labels=steps,
            problem=self.problem,
            n_trials=self.task.n_trials,
            n_objects=self.task.n_objects,
            system=self.dopamine,
            channel_noise=self.channel_noise,
        )

    def _deliver(self, step: int, next_value: Tensor) -> Tensor:
        """Dopamine of a step, in rewards, once the value that follows is known."""
        own = {name: self.tape[name][step] for name in ("reward", "value", "injected")}
        seconds = self.schedule.duration_ticks[step + 1] * TICK_S
        rpe = self.dopamine.rpe(own["reward"], own["value"], next_value, seconds)
        noise = None if self.channel_noise is None else self.channel_noise[step]
        return self.dopamine.deliver(rpe, own["injected"], noise)

    def _keep(self, tensor: Tensor) -> Tensor:
        """The kept sessions of a tensor (bin, session, unit); a copy, because a view would hold all sessions in memory."""
        return tensor if self.kept == tensor.shape[1] else tensor[:, : self.kept].clone()

    def _record(self, name: str, tensor: Tensor) -> None:
        self.tape.setdefault(name, []).append(tensor)
