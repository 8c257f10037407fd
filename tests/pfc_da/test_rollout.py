"""The closed loop: what the network sees, what is paired between conditions, what is forgotten at a reset."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from pfc_da.dopamine import Block, DopamineCells, DopamineSystem
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.monkey_juice import MonkeyJuice
from pfc_da.rng import torch_stream
from pfc_da.rollout import CONTROLS, FEEDBACK_CHANNELS, FROZEN, Condition, input_size, rollout
from pfc_da.settings import RateNetworkSettings
from pfc_da.task import Step, Task

TASKS = [Bandit(n_trials=5), MonkeyJuice(n_trials=5)]
BY_NAME = {condition.name: condition for condition in CONTROLS}
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)


def simulate(
    task,
    *,
    feedback="reward",
    condition=FROZEN,
    seed=0,
    noise_seed=0,
    sessions=12,
    manipulations=(),
    channel=None,
    kind=RateNetwork,
    change=None,
):
    """A network with inputs and read-outs large enough to matter, in closed loop."""
    settings = RateNetworkSettings(n_units=8, input_gain=0.3, read_out_gain=2.0)
    network = kind(input_size(task, feedback), task.n_actions, settings)
    weights = network.init(torch_stream(seed, "birth")) | (change or {})
    return rollout(
        network,
        network.effective(weights),
        task,
        DopamineSystem(0.8, manipulations, channel),
        sessions=sessions,
        task_rng=torch_stream(seed, "task"),
        choice_rng=torch_stream(seed, "choice"),
        noise_rng=torch_stream(noise_seed, "noise"),
        feedback=feedback,
        condition=condition,
    )


@every_task
@pytest.mark.parametrize("feedback", FEEDBACK_CHANNELS)
def test_input_is_observation_then_last_action_then_feedback(task, feedback):
    batch = simulate(task, feedback=feedback)
    assert batch.x.shape == (task.n_steps, 12, input_size(task, feedback))
    seen = batch.x[:, :, task.observation_size : task.observation_size + task.n_actions]
    assert (seen[0] == 0).all()
    for t in range(1, task.n_steps):
        action = batch.action[t - 1]
        expected = torch.eye(task.n_actions)[action] if batch.is_choice[t - 1] else torch.zeros_like(seen[t])
        assert torch.equal(seen[t], expected)
    received = batch.x[:, :, task.observation_size + task.n_actions :]
    assert received.shape[2] == FEEDBACK_CHANNELS[feedback]
    if feedback in ("reward", "both"):
        assert (received[0, :, 0] == 0).all()
        assert torch.equal(received[1:, :, 0], batch.reward[:-1])
        assert batch.reward.sum() > 0


@every_task
def test_observation_is_what_the_task_shows(task):
    """The same actions given to the task alone show, pay and label the same."""
    batch = simulate(task)
    state, step = task.reset(torch_stream(0, "task"), 12)
    for t in range(task.n_steps):
        assert torch.equal(batch.x[t, :, : task.observation_size], step.observation)
        state, step = task.step(state, batch.action[t])
        assert torch.equal(batch.reward[t], step.reward)
        for name, label in step.labels.items():
            assert torch.equal(batch.labels[name][t], label)


@every_task
@pytest.mark.parametrize("feedback", ["rpe", "both"])
def test_online_error_fed_back_is_the_one_recorded(task, feedback):
    """delta(t) needs V(t + 1), so the network meets it at t + 2, with what the experimenter added."""
    block = Block(0.7, lambda labels: torch.arange(12) % 3 == 0)
    batch = simulate(task, feedback=feedback, manipulations=(block,))
    blocked = torch.where(torch.arange(12) % 3 == 0, -0.7, 0.0)
    assert torch.equal(batch.injected, blocked.expand(task.n_steps, 12))
    received = batch.x[:, :, -1]
    assert (received[:2] == 0).all()
    torch.testing.assert_close(received[2:], (batch.rpe + batch.injected)[:-2])


@every_task
def test_cells_tell_network_and_synapses_the_same_dopamine(task):
    """One draw of noise an error: what is fed back is what plasticity gets, and the error itself stays as computed."""
    block = Block(0.7, lambda labels: torch.arange(12) % 3 == 0)
    batch = simulate(task, feedback="rpe", manipulations=(block,), channel=DopamineCells.calibrated())
    received = batch.x[:, :, -1]
    torch.testing.assert_close(received[2:], batch.dopamine[:-2])
    plain = batch.rpe + batch.injected
    assert (batch.dopamine - plain).abs().max() > 0.02  # noise and floor
    inside = (plain > -0.2) & (plain < 1.2)
    assert float((batch.dopamine - plain)[inside].abs().max()) < 0.3


@every_task
def test_cells_leave_all_other_draws_as_they_are(task):
    """Where dopamine is not fed back, the sessions are those of an animal without cells, bit for bit."""
    plain, through = simulate(task), simulate(task, channel=DopamineCells.calibrated())
    for name in ("x", "state", "action", "reward", "rpe", "injected"):
        assert torch.equal(getattr(plain, name), getattr(through, name)), name
    assert torch.equal(plain.dopamine, plain.rpe + plain.injected)


@every_task
def test_error_is_that_of_values_and_rewards(task):
    batch = simulate(task)
    following = torch.cat([batch.value[1:], torch.zeros(1, 12)])
    torch.testing.assert_close(batch.rpe, batch.reward + 0.8 * following - batch.value)


@every_task
def test_actions_fall_on_choice_steps_only(task):
    batch = simulate(task)
    phases = [task.phase(t) for t in range(task.n_steps)]
    assert batch.is_choice.tolist() == [phase == task.choice_phase for phase in phases]
    assert (batch.action[~batch.is_choice] == -1).all()
    assert ((batch.action[batch.is_choice] >= 0) & (batch.action[batch.is_choice] < task.n_actions)).all()
    assert (batch.reward[~batch.is_choice] == 0).all()
    torch.testing.assert_close(batch.reward_per_trial, batch.reward.sum(0) / 5)


@pytest.mark.parametrize("condition", CONTROLS, ids=lambda condition: condition.name)
@every_task
def test_conditions_are_paired(task, condition):
    """Same problems, same luck: where policies agree, as in a network without synapses, all agrees."""
    frozen, other = simulate(task), simulate(task, condition=condition)
    for name, tensor in frozen.problem.items():
        assert torch.equal(tensor, other.problem[name])
    mute = {"w_read": torch.zeros(8, 3), "b_read": torch.tensor([0.4, 0.0, 0.0])}
    frozen, other = simulate(task, change=mute), simulate(task, change=mute, condition=condition)
    assert torch.equal(frozen.action, other.action)
    assert torch.equal(frozen.reward, other.reward)


@every_task
def test_animals_share_problems_and_luck_but_not_noise(task):
    mute = {"w_read": torch.zeros(8, 3)}
    one, other = simulate(task, change=mute), simulate(task, change=mute, noise_seed=1)
    assert torch.equal(one.action, other.action)
    assert not torch.allclose(one.state[1:], other.state[1:])


@every_task
@pytest.mark.parametrize("kind", [RateNetwork, LSTMNetwork])
def test_hidden_reset_makes_a_trial_independent_of_those_before(task, kind):
    """Two sessions that differ in every choice and reward of the first trials meet trial 4 alike."""
    first = {"w_read": torch.zeros(8, 3), "b_read": torch.tensor([50.0, 0.0, 0.0])}
    second = {"w_read": torch.zeros(8, 3), "b_read": torch.tensor([0.0, 50.0, 0.0])}
    first_step = 3 * len(task.phases)

    def carried(condition):
        """Largest difference of the drive at the first step of trial 4, and whether its input was the same."""
        runs = [simulate(task, kind=kind, change=change, condition=condition) for change in (first, second)]
        assert (runs[0].action[runs[0].is_choice] != runs[1].action[runs[1].is_choice]).all()
        start = [run.drive[first_step] for run in runs]
        same_input = torch.equal(runs[0].x[first_step], runs[1].x[first_step])
        return float((start[0] - start[1]).abs().max()), same_input

    difference, same_input = carried(BY_NAME["hidden_reset"])
    assert same_input  # the outcome is seen within its own trial
    assert difference == 0
    assert carried(FROZEN)[0] > 1e-4


@every_task
@pytest.mark.parametrize("feedback", ["rpe", "both"])
def test_hidden_reset_forgets_an_error_on_its_way(task, feedback):
    """The error of a trial's last step would reach the network in the next trial: its input there is that of trial 1."""
    start = len(task.phases) * torch.arange(1, 5)
    reset, frozen = (
        simulate(task, feedback=feedback, condition=condition)
        for condition in (BY_NAME["hidden_reset"], FROZEN)
    )
    assert (reset.x[start, :, -1] == 0).all()
    assert (frozen.x[start, :, -1] != 0).any(-1).all()


@every_task
@pytest.mark.parametrize("kind", [RateNetwork, LSTMNetwork])
def test_the_state_before_a_step_is_that_of_the_step_before_or_the_initial_one(task, kind):
    start = (torch.arange(task.n_steps) % len(task.phases) == 0).tolist()
    frozen, reset = (
        simulate(task, kind=kind, condition=condition) for condition in (FROZEN, BY_NAME["hidden_reset"])
    )
    assert not frozen.is_reset.any()
    assert torch.equal(frozen.state_before, frozen.state[:-1])
    assert reset.is_reset.tolist() == start
    for t, is_start in enumerate(start):
        assert torch.equal(reset.state_before[t], reset.state[0 if is_start else t])


def lucky(task, luck):
    """The task with every choice rewarded (1) or none (0)."""

    class Fixed(type(task)):
        def step(self, state, action):
            state, step = super().step(state, action)
            reward = torch.full_like(step.reward, luck) * (action >= 0)
            return state, dataclasses.replace(step, reward=reward)

    return Fixed(**{field.name: getattr(task, field.name) for field in dataclasses.fields(task)})


@every_task
@pytest.mark.parametrize("feedback", ["reward", "rpe", "both"])
def test_without_reward_input_activity_knows_nothing_of_reward(task, feedback):
    def difference(condition):
        won, lost = (
            simulate(lucky(task, luck), feedback=feedback, condition=condition) for luck in (1.0, 0.0)
        )
        assert won.reward.sum() == 60
        assert lost.reward.sum() == 0
        return float((won.state - lost.state).abs().max())

    assert difference(BY_NAME["no_reward_input"]) == 0
    assert difference(FROZEN) > 1e-3


@every_task
def test_without_action_input_the_action_is_not_seen(task):
    batch = simulate(task, condition=BY_NAME["no_action_input"])
    seen = batch.x[:, :, task.observation_size : task.observation_size + task.n_actions]
    assert (seen == 0).all()
    assert (batch.action[batch.is_choice] == 1).any()


def test_no_feedback_is_no_channel():
    task = TASKS[0]
    assert input_size(task, "none") == task.observation_size + task.n_actions
    won, lost = (simulate(lucky(task, luck), feedback="none") for luck in (1.0, 0.0))
    assert torch.equal(won.state, lost.state)


def test_choices_follow_the_policy():
    """A policy of .2 and .8, and each of many: expected and observed choices agree within their error."""
    fixed = {"w_read": torch.zeros(8, 3), "b_read": torch.tensor([0.0, float(np.log(4)), 0.0])}
    batch = simulate(TASKS[0], change=fixed, sessions=4000)
    chosen = batch.action[batch.is_choice]
    assert chosen.float().mean() == pytest.approx(0.8, abs=4 * (0.16 / 20_000) ** 0.5)
    assert abs(np.corrcoef(chosen[0], chosen[1])[0, 1]) < 4 / 4000**0.5  # every trial its own draw

    varied = simulate(TASKS[0], sessions=4000)
    policy = torch.softmax(varied.logits[varied.is_choice], -1)[..., 1].flatten()
    chosen = varied.action[varied.is_choice].flatten().float()
    assert policy.std() > 0.05
    for inside in policy.argsort().chunk(5):  # from the least to the most inclined
        error = 4 * (policy[inside] * (1 - policy[inside])).sum().sqrt() / len(inside)
        assert chosen[inside].mean() == pytest.approx(float(policy[inside].mean()), abs=float(error))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ThreeArms(Task):
    """One step a trial, three actions, nothing to see and nothing to get."""

    phases: ClassVar[tuple[str, ...]] = ("choice",)
    choice_phase: ClassVar[str] = "choice"
    n_actions: ClassVar[int] = 3
    observation_size: ClassVar[int] = 1

    def reset(self, rng, batch):
        return None, Step(torch.zeros(batch, 1), torch.zeros(batch), {})

    def step(self, state, action):
        return None, Step(torch.zeros(len(action), 1), torch.zeros(len(action)), {})

    def problem_labels(self, state):
        return {}


def test_choices_among_three_follow_the_policy():
    """Two noises of opposite skew choose alike between two actions, but not among three."""
    policy = torch.tensor([0.1, 0.2, 0.7])
    fixed = {"w_read": torch.zeros(8, 4), "b_read": torch.cat([policy.log(), torch.zeros(1)])}
    chosen = simulate(ThreeArms(n_trials=5), change=fixed, sessions=4000).action.flatten()
    error = 4 * (policy * (1 - policy) / len(chosen)).sqrt()
    assert ((chosen.bincount(minlength=3) / len(chosen) - policy).abs() < error).all()


def test_a_long_session_begins_like_a_short_one():
    """Noise is drawn in blocks, so that how long a session is does not change how it begins."""
    blind = {"w_in": torch.zeros(input_size(TASKS[0], "reward"), 8)}
    short, long = (simulate(Bandit(n_trials=n), change=blind).state for n in (70, 100))
    assert torch.equal(short[:129], long[:129])  # two blocks of 64
    assert not torch.equal(short[1:65], short[65:129])


def test_the_state_kept_is_what_each_step_leaves_behind():
    batch = simulate(TASKS[1])
    assert batch.state.shape == (21, 12, 8)
    settings = RateNetworkSettings(n_units=8, input_gain=0.3, read_out_gain=2.0)
    network = RateNetwork(input_size(TASKS[1], "reward"), 2, settings)
    effective = network.effective(network.init(torch_stream(0, "birth")))
    noise = network.draw_noise(torch_stream(0, "noise"), 12, 20)
    for t in range(20):
        state, drive = network.step(effective, batch.state[t], batch.x[t], noise[t])
        torch.testing.assert_close(batch.state[t + 1], state)
        torch.testing.assert_close(batch.drive[t], drive)
        logits, value = network.read_out(effective, state)
        torch.testing.assert_close(batch.logits[t], logits)
        torch.testing.assert_close(batch.value[t], value)


def test_the_same_streams_give_the_same_bits():
    one, other = simulate(TASKS[1], feedback="both"), simulate(TASKS[1], feedback="both")
    for field in ("x", "state", "drive", "logits", "value", "action", "reward", "rpe"):
        assert torch.equal(getattr(one, field), getattr(other, field))


def test_the_first_control_is_the_frozen_animal():
    assert CONTROLS[0] == FROZEN == Condition(name="frozen")
    assert list(BY_NAME) == ["frozen", "hidden_reset", "no_reward_input", "no_action_input", "untrained"]
