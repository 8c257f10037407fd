"""The closed loop: what the network sees and when, what is paired between conditions, what is forgotten at a reset."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from pfc_da.clock import TICK_S, Phase, Timing, cut_evenly, draw_durations, keep_whole
from pfc_da.dopamine import Block, DopamineCells, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.lever_stimulation import LeverStimulation
from pfc_da.paradigms.monkey_juice import MonkeyJuice
from pfc_da.rng import torch_stream
from pfc_da.rollout import CONTROLS, FEEDBACK_CHANNELS, FROZEN, Condition, input_size, name_channels, rollout
from pfc_da.settings import RateNetworkSettings
from pfc_da.task import Step, Task

SESSIONS = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoChoices(Task):
    """Three actions, twice a trial; the second is paid later, and on odd trials its first action is not available."""

    phases: ClassVar = (
        Phase("look", (0.2, 0.4)),
        Phase("first", (0.1, 0.3), choice=True),
        Phase("result", (0.2, 0.2), paced=False, feedback=True),
        Phase("echo", (0.1, 0.2), feedback=True),
        Phase("second", (0.1, 0.3), choice=True),
        Phase("wait", (0.1, 0.2), feedback=True),
        Phase("pay", (0.2, 0.3), feedback=True),
        Phase("rest", (0.1, 0.3)),
    )
    n_actions: ClassVar = 3
    observation_size: ClassVar = 2

    def reset(self, rng, batch):
        pays = torch.rand(self.n_trials, batch, generator=rng).round(decimals=2) + 0.5
        return (pays, 0, torch.zeros(batch)), self.show(0, batch, torch.zeros(batch))

    def step(self, state, action):
        pays, step, owed = state
        trial, own = step // len(self.phases), pays[step // len(self.phases)]
        name, reward = self.phase(step).name, torch.zeros_like(own)
        if name == "first":
            reward = own * (action == 1)
        elif name == "second":
            owed = own + action + trial
        elif name == "wait":
            reward = owed
        return (pays, step + 1, owed), self.show(step + 1, len(own), reward)

    def show(self, step, batch, reward):
        trial, place = divmod(step, len(self.phases))
        barred = torch.zeros(batch, 3)
        if self.phases[place].name == "second":
            barred[:, 0] = trial % 2
        return Step(torch.full((batch, 2), (place + 1) / 10), reward, {}, barred)

    def problem_labels(self, state):
        return {}


TASKS = [Bandit(n_trials=5), MonkeyJuice(n_trials=5), LeverStimulation(n_trials=5), TwoChoices(n_trials=5)]
BY_NAME = {condition.name: condition for condition in CONTROLS}
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
after_feedback = pytest.mark.parametrize(  # with two phases of feedback one after another
    "task", TASKS[1:], ids=lambda task: type(task).__name__
)


def schedule_of(task, *, sessions=SESSIONS, bin_s=0.1, seed=0, timing=None):
    rng = torch_stream(seed, "time")
    return cut_evenly(draw_durations(task.phases, task.n_trials, sessions, rng, timing or Timing()), bin_s)


def simulate(
    task,
    *,
    feedback="reward",
    condition=FROZEN,
    seed=0,
    noise_seed=0,
    sessions=SESSIONS,
    manipulations=(),
    channel=None,
    clamped=False,
    kind=RateNetwork,
    change=None,
    schedule=None,
    kept=None,
    **network_settings,
):
    """A network with inputs and read-outs large enough to matter, in closed loop."""
    own = {"n_units": 8, "input_gain": 0.3, "read_out_gain": 2.0} | network_settings
    network = kind(input_size(task, feedback), task.n_actions, RateNetworkSettings(**own, feedback=feedback))
    weights = network.init(torch_stream(seed, "birth")) | (change or {})
    return rollout(
        network,
        network.effective(weights),
        task,
        DopamineSystem(0.8, manipulations, channel, clamped),
        schedule=schedule_of(task, sessions=sessions, timing=condition.timing)
        if schedule is None
        else schedule,
        task_rng=torch_stream(seed, "task"),
        choice_rng=torch_stream(seed, "choice"),
        noise_rng=torch_stream(noise_seed, "noise"),
        feedback=feedback,
        condition=condition,
        kept=kept,
    )


def mute(task, *bias):
    """Weights with which the policy is the same whatever happens."""
    n = task.n_actions
    bias = torch.tensor([*bias, *[0.0] * (n + 1 - len(bias))])
    return {"w_read": torch.zeros(8, n + 1), "b_read": bias}


def is_shown(task):
    """Steps whose phase shows action and feedback."""
    return [task.phase(step).feedback for step in range(task.n_steps)]


def split(task, x):
    """Observation, last action and feedback of an input (..., channel)."""
    return x.split(
        [task.observation_size, task.n_actions, x.shape[-1] - task.observation_size - task.n_actions], -1
    )


@every_task
@pytest.mark.parametrize("feedback", FEEDBACK_CHANNELS)
def test_the_last_action_and_reward_are_shown_in_phases_of_feedback_only(task, feedback):
    """Reward by reward: kept until the next choice, or until another reward."""
    batch = simulate(task, feedback=feedback)
    assert batch.x.shape == (task.n_steps, SESSIONS, input_size(task, feedback))
    _, seen, received = split(task, batch.x)
    assert received.shape[2] == FEEDBACK_CHANNELS[feedback]
    assert len(name_channels(task, feedback)) == batch.x.shape[2]
    action, reward = torch.zeros(SESSIONS, task.n_actions), torch.zeros(SESSIONS)
    for t, shown in enumerate(is_shown(task)):
        assert torch.equal(seen[t], action * shown)
        if feedback in ("reward", "both"):
            assert torch.equal(received[t, :, 0], reward * shown)
        if batch.is_choice[t]:
            action, reward = torch.eye(task.n_actions)[batch.action[t]], batch.reward[t]
        reward = torch.where(batch.reward[t] != 0, batch.reward[t], reward)
    assert (batch.reward > 0).any()
    assert (seen[is_shown(task)].sum(-1) == 1).all()


@every_task
def test_observation_is_what_the_task_shows(task):
    """The same actions given to the task alone show, pay and label the same."""
    batch = simulate(task)
    state, step = task.reset(torch_stream(0, "task"), SESSIONS)
    for t in range(task.n_steps):
        assert torch.equal(split(task, batch.x[t])[0], step.observation)
        state, step = task.step(state, batch.action[t])
        assert torch.equal(batch.reward[t], step.reward)
        for name, label in step.labels.items():
            assert torch.equal(batch.labels[name][t], label)


def expected_error_fed_back(task, batch):
    """The dopamine of each choice from two phases later on, until the next choice, in phases of feedback."""
    error, expected = torch.zeros(SESSIONS), []
    for t, shown in enumerate(is_shown(task)):
        if t >= 2 and batch.is_choice[t - 2]:
            error = batch.dopamine[t - 2]
        if t >= 1 and batch.is_choice[t - 1]:
            error = torch.zeros(SESSIONS)
        expected.append(error * shown)
    return torch.stack(expected)


@after_feedback
@pytest.mark.parametrize("feedback", ["rpe", "both"])
def test_the_error_of_a_choice_is_fed_back_one_phase_after_its_reward(task, feedback):
    """delta needs the value at the end of the next phase; what the experimenter added is fed back with it."""
    block = Block(0.7, lambda labels: torch.arange(SESSIONS) % 3 == 0)
    batch = simulate(task, feedback=feedback, manipulations=(block,))
    blocked = torch.where(torch.arange(SESSIONS) % 3 == 0, -0.7, 0.0)
    assert torch.equal(batch.injected, blocked.expand(task.n_steps, SESSIONS))
    torch.testing.assert_close(batch.dopamine, batch.rpe + batch.injected)
    expected = expected_error_fed_back(task, batch)
    torch.testing.assert_close(batch.x[:, :, -1], expected)
    assert (expected != 0).any(1).sum() >= task.n_trials


@after_feedback
def test_cells_give_network_and_synapses_the_same_dopamine(task):
    """One draw of noise an error: what is fed back is what plasticity gets, and the error itself stays as computed."""
    block = Block(0.7, lambda labels: torch.arange(SESSIONS) % 3 == 0)
    batch = simulate(task, feedback="rpe", manipulations=(block,), channel=DopamineCells.calibrated())
    torch.testing.assert_close(batch.x[:, :, -1], expected_error_fed_back(task, batch))
    plain = batch.rpe + batch.injected
    assert (batch.dopamine - plain).abs().max() > 0.02  # noise and floor
    inside = (plain > -0.2) & (plain < 1.2)
    assert float((batch.dopamine - plain)[inside].abs().max()) < 0.3


@every_task
def test_cells_leave_all_other_draws_as_they_are(task):
    """Where dopamine is not fed back, the sessions are those of an animal without cells, bit for bit."""
    plain, through = simulate(task), simulate(task, channel=DopamineCells.calibrated())
    for name in ("x", "gating", "action", "reward", "rpe", "injected"):
        assert torch.equal(getattr(plain, name), getattr(through, name)), name
    assert torch.equal(plain.dopamine, plain.rpe + plain.injected)


@every_task
def test_error_is_that_of_values_rewards_and_the_time_between(task):
    batch = simulate(task)
    seconds = batch.schedule.duration_ticks * TICK_S
    for t in range(task.n_steps):
        following = 0.8 ** seconds[t + 1] * batch.value[t + 1] if t + 1 < task.n_steps else 0.0
        torch.testing.assert_close(batch.rpe[t], batch.reward[t] + following - batch.value[t])
    assert seconds.std(1).max() > 0.05  # sessions have durations of their own


@pytest.mark.parametrize("channel", [None, DopamineCells.calibrated()], ids=["plain", "cells"])
@every_task
def test_dopamine_from_bin_to_bin_adds_up_to_that_of_the_step(task, channel):
    """Discounted from the last bin of a step to the bin before the last one of the next step."""
    block = Block(0.7, lambda labels: torch.arange(SESSIONS) % 3 == 0)
    batch = simulate(task, manipulations=(block,), channel=channel, schedule=schedule_of(task, bin_s=0.05))
    ticks, last = batch.ticks, batch.schedule.last.tolist()
    for step, (begin, end) in enumerate(zip(last, [*last[1:], len(ticks)], strict=True)):
        elapsed = torch.zeros(SESSIONS)
        total = torch.zeros(SESSIONS)
        for t in range(begin, end):
            elapsed = elapsed + (ticks[t] * TICK_S if t > begin else 0)
            total = total + 0.8**elapsed * batch.bin_dopamine[t]
        torch.testing.assert_close(total, batch.dopamine[step], atol=2e-5, rtol=1e-4)


def test_between_rewards_dopamine_is_the_change_of_value():
    batch = simulate(TASKS[0])
    inside = torch.ones(len(batch.ticks), dtype=torch.bool)
    inside[batch.schedule.last] = False
    inside = inside.nonzero()[:, 0]
    later = 0.8 ** (batch.ticks[inside + 1] * TICK_S) * batch.bin_value[inside + 1]
    torch.testing.assert_close(batch.bin_dopamine[inside], later - batch.bin_value[inside])


@every_task
def test_clamped_dopamine_is_zero_everywhere_and_the_error_as_computed(task):
    plain, clamped = simulate(task), simulate(task, clamped=True)
    assert (clamped.dopamine == 0).all() and (clamped.bin_dopamine == 0).all()
    assert torch.equal(clamped.rpe, plain.rpe)
    fed_back = simulate(task, clamped=True, feedback="rpe")
    assert (fed_back.x[..., -1] == 0).all()


@every_task
def test_actions_fall_on_the_ends_of_choice_phases(task):
    batch = simulate(task)
    assert batch.is_choice.tolist() == [phase.choice for phase in task.phases] * 5
    assert (batch.action[~batch.is_choice] == -1).all()
    assert ((batch.action[batch.is_choice] >= 0) & (batch.action[batch.is_choice] < task.n_actions)).all()
    torch.testing.assert_close(batch.reward_per_trial, batch.reward.sum(0) / 5)


def test_every_choice_of_a_trial_has_draws_of_its_own():
    task = TwoChoices(n_trials=20)
    batch = simulate(task, change=mute(task), sessions=500)
    first, second = batch.action[batch.is_choice].unflatten(0, (20, 2)).unbind(1)
    even = slice(0, None, 2)  # nothing is barred
    assert float((first[even] == second[even]).float().mean()) == pytest.approx(1 / 3, abs=0.03)


def test_a_barred_action_is_never_chosen():
    task = TwoChoices(n_trials=20)
    batch = simulate(task, change=mute(task, 5.0), sessions=50)
    second = batch.action[batch.is_choice].unflatten(0, (20, 2))[:, 1]
    assert (second[1::2] > 0).all()
    assert (second[0::2] == 0).float().mean() > 0.95
    policy = torch.softmax(batch.logits[batch.is_choice], -1).unflatten(0, (20, 2))[:, 1]
    assert (policy[1::2, :, 0] == 0).all()
    torch.testing.assert_close(policy[1::2, :, 1:], torch.full_like(policy[1::2, :, 1:], 0.5))


def test_objects_are_recorded_at_choices():
    """Image A is chosen by the action of its side."""
    batch = simulate(TASKS[1])
    side = batch.labels["side_of_a"][batch.is_choice]
    assert torch.equal(batch.objects, torch.stack([side, 1 - side], -1))
    assert simulate(TASKS[0]).objects is None


@pytest.mark.parametrize("condition", CONTROLS, ids=lambda condition: condition.name)
@every_task
def test_conditions_are_paired(task, condition):
    """Same problems, same draws: where policies agree, as in a network without read-out, all agrees."""
    frozen, other = simulate(task), simulate(task, condition=condition)
    for name, tensor in frozen.problem.items():
        assert torch.equal(tensor, other.problem[name])
    fixed = mute(task, 0.4)
    frozen, other = simulate(task, change=fixed), simulate(task, change=fixed, condition=condition)
    assert torch.equal(frozen.action, other.action)
    assert torch.equal(frozen.reward, other.reward)


@pytest.mark.parametrize("timing", [Timing(pace=3.0), Timing(pauses=2), Timing(longer_s=0.7)])
@pytest.mark.parametrize("bin_s", [0.02, 0.1])
@every_task
def test_choices_and_rewards_have_the_same_draws_at_any_timing_and_bin(task, bin_s, timing):
    fixed = mute(task, 0.4)
    usual = simulate(task, change=fixed)
    other = simulate(task, change=fixed, schedule=schedule_of(task, bin_s=bin_s, timing=timing))
    assert torch.equal(usual.action, other.action)
    assert torch.equal(usual.reward, other.reward)
    assert len(other.ticks) != len(usual.ticks)


@every_task
def test_animals_share_problems_and_draws_but_not_noise(task):
    one, other = simulate(task, change=mute(task)), simulate(task, change=mute(task), noise_seed=1)
    assert torch.equal(one.action, other.action)
    assert not torch.allclose(one.gating[1:], other.gating[1:])


@pytest.mark.parametrize("feedback", ["reward", "rpe", "both"])
@every_task
@pytest.mark.parametrize("kind", [RateNetwork, LSTMNetwork])
def test_hidden_reset_makes_a_trial_independent_of_those_before(task, kind, feedback):
    """Two animals that differ in every free choice of the first trials meet the last trial with the same state and input."""
    task = dataclasses.replace(task, n_trials=12)  # the first ten of levers are forced
    first, later = mute(task, 0.0, 50.0), mute(task, 50.0)
    first_step = 11 * len(task.phases)

    def carried(condition):
        """Largest difference of the drive and of the input in the first step of the last trial."""
        runs = [
            simulate(
                task, kind=kind, feedback=feedback, change=change, condition=condition, neurons_per_unit=0
            )
            for change in (first, later)
        ]
        assert (runs[0].action[runs[0].is_choice] != runs[1].action[runs[1].is_choice]).any()
        bins = runs[0].schedule.get_bins(first_step)
        drive, x = ([run.drive[bins] for run in runs], [run.x[first_step] for run in runs])
        return float((drive[0] - drive[1]).abs().max()), float((x[0] - x[1]).abs().max())

    assert carried(BY_NAME["hidden_reset"]) == (0, 0)
    assert carried(FROZEN)[0] > 1e-4


def test_phases_of_one_name_are_refused():
    class Twice(TwoChoices):
        phases: ClassVar = (
            Phase("wait", (0.1, 0.2)),
            Phase("go", (0.1, 0.2), choice=True),
            Phase("wait", (0.1, 0.2)),
        )

    with pytest.raises(InputError, match="phases need names of their own, got wait, go, wait"):
        Twice()


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtOnce(TwoChoices):
    """The second choice follows the first without a phase in between."""

    phases: ClassVar = (
        Phase("look", (0.2, 0.4)),
        Phase("first", (0.1, 0.3), choice=True),
        Phase("second", (0.1, 0.3), choice=True),
        Phase("wait", (0.1, 0.2), feedback=True),
        Phase("pay", (0.2, 0.3), feedback=True),
    )


def test_errors_of_choices_in_a_row_are_all_fed_back():
    task = AtOnce(n_trials=6)
    batch = simulate(task, feedback="rpe")
    error, n = batch.x[..., -1], len(task.phases)
    shown = error.unflatten(0, (-1, n))
    due = batch.rpe.unflatten(0, (-1, n))
    torch.testing.assert_close(shown[:, 3:5], due[:, 1:3])
    assert due[:, 1:3].abs().min() > 0 and (shown[:, :3] == 0).all()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LateFeedback(TwoChoices):
    """The trial ends with its choice: its outcome and error arrive in the next one."""

    phases: ClassVar = (
        Phase("result", (0.1, 0.2), feedback=True),
        Phase("echo", (0.1, 0.2), feedback=True),
        Phase("first", (0.1, 0.3), choice=True),
    )


@pytest.mark.parametrize("feedback", FEEDBACK_CHANNELS)
def test_hidden_reset_forgets_feedback_on_its_way(feedback):
    """The input of every trial is then that of the first one."""
    task = LateFeedback(n_trials=5)
    change = mute(task, 0.0, 1.0)
    reset, frozen = (
        simulate(task, feedback=feedback, condition=condition, change=change).x.unflatten(0, (5, 3))
        for condition in (BY_NAME["hidden_reset"], FROZEN)
    )
    assert torch.equal(reset, reset[:1].expand_as(reset))
    assert (frozen[1:, 0, :, 2:5].sum(-1) == 1).all()
    if feedback in ("rpe", "both"):
        assert (frozen[1:, 1, :, -1] != 0).any()
        assert (frozen[:, 0, :, -1] == 0).all()


@every_task
@pytest.mark.parametrize("kind", [RateNetwork, LSTMNetwork])
def test_the_gating_before_a_bin_is_that_of_the_bin_before_or_the_initial_one(task, kind):
    frozen, reset = (
        simulate(task, kind=kind, condition=condition) for condition in (FROZEN, BY_NAME["hidden_reset"])
    )
    starts = [trial * len(task.phases) for trial in range(5)]
    assert not frozen.is_reset.any()
    assert torch.equal(frozen.gating_before, frozen.gating[:-1])
    assert reset.is_reset.nonzero()[:, 0].tolist() == starts
    first_bins = {reset.schedule.first[step] for step in starts}
    for t, before in enumerate(reset.gating_before):
        assert torch.equal(before, reset.gating[0 if t in first_bins else t])


def lucky(task, luck):
    """The task with every choice rewarded (1) or none (0)."""

    class Fixed(type(task)):
        def step(self, state, action):
            state, step = super().step(state, action)
            reward = torch.full_like(step.reward, luck) * (action >= 0)
            return state, dataclasses.replace(step, reward=reward)

    return Fixed(**{field.name: getattr(task, field.name) for field in dataclasses.fields(task)})


@after_feedback
@pytest.mark.parametrize("feedback", ["reward", "rpe", "both"])
def test_without_reward_input_activity_does_not_depend_on_reward(task, feedback):
    def difference(condition):
        won, lost = (
            simulate(lucky(task, luck), feedback=feedback, condition=condition) for luck in (1.0, 0.0)
        )
        assert won.reward.sum() == SESSIONS * won.is_choice.sum()
        assert lost.reward.sum() == 0
        return float((won.gating - lost.gating).abs().max())

    assert difference(BY_NAME["no_reward_input"]) == 0
    assert difference(FROZEN) > 1e-3


@every_task
def test_without_action_input_the_action_is_not_seen(task):
    batch = simulate(task, condition=BY_NAME["no_action_input"])
    assert (split(task, batch.x)[1] == 0).all()
    assert (batch.action[batch.is_choice] == 1).any()


def test_no_feedback_is_no_channel():
    task = TASKS[0]
    assert input_size(task, "none") == task.observation_size + task.n_actions
    won, lost = (simulate(lucky(task, luck), feedback="none") for luck in (1.0, 0.0))
    assert torch.equal(won.gating, lost.gating)


def test_choices_follow_the_policy():
    """A policy of .2 and .8, and each of many: expected and observed choices agree within their error."""
    batch = simulate(TASKS[0], change=mute(TASKS[0], 0.0, float(np.log(4))), sessions=4000, kept=0)
    chosen = batch.action[batch.is_choice]
    assert chosen.float().mean() == pytest.approx(0.8, abs=4 * (0.16 / 20_000) ** 0.5)
    assert abs(np.corrcoef(chosen[0], chosen[1])[0, 1]) < 4 / 4000**0.5  # every trial its own draw

    varied = simulate(TASKS[0], sessions=4000, kept=0, input_gain=1.0)
    policy = torch.softmax(varied.logits[varied.is_choice], -1)[..., 1].flatten()
    chosen = varied.action[varied.is_choice].flatten().float()
    assert policy.std() > 0.05
    for inside in policy.argsort().chunk(5):  # from the least to the most inclined
        error = 4 * (policy[inside] * (1 - policy[inside])).sum().sqrt() / len(inside)
        assert chosen[inside].mean() == pytest.approx(float(policy[inside].mean()), abs=float(error))


def test_choices_among_three_follow_the_policy():
    """Two noises of opposite skew choose alike between two actions, but not among three."""
    policy = torch.tensor([0.1, 0.2, 0.7])
    batch = simulate(TASKS[3], change=mute(TASKS[3], *policy.log().tolist()), sessions=4000, kept=0)
    chosen = batch.action[batch.is_choice].unflatten(0, (5, 2))[:, 0].flatten()
    error = 4 * (policy * (1 - policy) / len(chosen)).sqrt()
    assert ((chosen.bincount(minlength=3) / len(chosen) - policy).abs() < error).all()


def test_a_long_session_begins_like_a_short_one():
    """How long a session is does not change how it begins."""
    blind = {"w_in": torch.zeros(input_size(TASKS[0], "reward"), 8)}
    short, long = (simulate(Bandit(n_trials=n), change=blind).gating for n in (3, 6))
    assert torch.equal(short, long[: len(short)])
    assert not torch.equal(short[1:10], short[11:20])


def test_only_sessions_asked_for_are_kept_and_the_others_run_alike():
    whole, some = simulate(TASKS[1]), simulate(TASKS[1], kept=3)
    assert some.gating.shape[1] == some.drive.shape[1] == some.bin_value.shape[1] == some.ticks.shape[1] == 3
    for name in ("gating", "drive", "bin_value", "bin_logits", "bin_dopamine", "ticks"):
        torch.testing.assert_close(getattr(some, name), getattr(whole, name)[:, :3])
    for name in ("x", "value", "action", "reward", "rpe"):
        assert torch.equal(getattr(some, name), getattr(whole, name))


def test_what_is_kept_is_what_each_step_leaves_behind():
    """Step by step with `advance`: durations of each session, and values at the ends of steps and bins."""
    task = TASKS[1]
    batch = simulate(task)
    network = RateNetwork(
        input_size(task, "reward"), 2, RateNetworkSettings(n_units=8, input_gain=0.3, read_out_gain=2.0)
    )
    effective = network.effective(network.init(torch_stream(0, "birth")))
    state, rng = network.initial_state(effective, SESSIONS), torch_stream(0, "noise")
    schedule = schedule_of(task)
    assert torch.equal(batch.ticks, schedule.ticks)
    for t in range(task.n_steps):
        bins = schedule.get_bins(t)
        ticks = schedule.ticks[bins]
        noise = network.draw_noise(rng, SESSIONS, len(ticks))
        state, trace = network.advance(effective, state, batch.x[t], ticks, noise)
        torch.testing.assert_close(batch.gating[1:][bins], trace.gating)
        torch.testing.assert_close(batch.drive[bins], trace.drive)
        logits, value = network.read_out(effective, state[0])
        torch.testing.assert_close(batch.logits[t], logits)
        torch.testing.assert_close(batch.value[t], value)
        torch.testing.assert_close(batch.bin_value[batch.schedule.last[t]], value)


def test_finer_bins_converge():
    """Without noise values at the ends of steps approach those of 10-ms bins, and rewards hardly depend on bins."""
    task = Bandit(n_trials=8)
    seconds = draw_durations(task.phases, 8, 200, torch_stream(0, "time")).mul(10).round() / 10

    def run(bin_s, **settings):
        schedule = cut_evenly(seconds, bin_s)
        return simulate(
            task, schedule=schedule, kept=0, sessions=200, neurons_per_unit=0, n_units=32, **settings
        )

    same_actions = {"b_read": torch.tensor([50.0, 0.0, 0.0])}
    exact = run(0.01, change=same_actions).value
    errors = [
        float((run(bin_s, change=same_actions).value - exact).abs().mean()) for bin_s in (0.1, 0.05, 0.02)
    ]
    assert errors[1] < 0.15 * exact.std()
    assert errors[1] < 0.5 * errors[0] and errors[2] < 0.3 * errors[1]  # first order: .44 and .25

    free = [run(bin_s) for bin_s in (0.1, 0.05, 0.02, 0.01)]
    reward = [float(batch.reward_per_trial.mean()) for batch in free]
    assert max(reward) - min(reward) < 0.02
    unlike = [(batch.action != free[-1].action).float().mean() for batch in free]
    assert unlike[0] < 0.05 and unlike[2] <= unlike[0]


def test_a_network_without_time_runs_once_a_phase():
    task = TASKS[0]
    seconds = draw_durations(task.phases, 5, SESSIONS, torch_stream(0, "time"))
    whole = simulate(task, kind=LSTMNetwork, schedule=keep_whole(seconds))
    fine = simulate(task, kind=LSTMNetwork, schedule=cut_evenly(seconds, 0.05))
    assert len(whole.ticks) == task.n_steps
    for name in ("x", "value", "action", "reward"):
        assert torch.equal(getattr(whole, name), getattr(fine, name))


def test_the_same_streams_give_the_same_bits():
    one, other = simulate(TASKS[1], feedback="both"), simulate(TASKS[1], feedback="both")
    for field in ("x", "gating", "drive", "logits", "value", "action", "reward", "rpe", "bin_dopamine"):
        assert torch.equal(getattr(one, field), getattr(other, field))


def test_the_first_control_is_the_frozen_animal():
    assert CONTROLS[0] == FROZEN == Condition(name="frozen")
    assert list(BY_NAME) == [
        "frozen",
        "hidden_reset",
        "no_reward_input",
        "no_action_input",
        "recurrence_cut",
        "untrained",
        "dopamine_clamped",
    ]
