"""The two levers by hand: forced and free trials, what pays, and what each manipulation adds to dopamine where."""

import numpy as np
import pytest
import torch

from pfc_da.agent import build_agent
from pfc_da.clock import cut_evenly, draw_durations
from pfc_da.errors import InputError
from pfc_da.network import wire
from pfc_da.paradigms.lever_stimulation import (
    CHANCE,
    CONDITIONS,
    EXPERIMENT,
    MANIPULATIONS,
    N_FORCED,
    P_WIN,
    RISKY_LOSS,
    RISKY_WIN,
    SAFE_WIN,
    LeverStimulation,
)
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout

SETTINGS = EXPERIMENT.settings(sets=("network.n_units=16",))
SESSIONS = 200


def simulate(condition=CONDITIONS[0], task=None, settings=SETTINGS):
    """Sessions of an untrained animal."""
    task = task or LeverStimulation(n_trials=20, p_win="test")
    agent = build_agent(settings, task)
    weights = agent.network.init(torch_stream(1, "birth"))
    dopamine = type(agent.dopamine)(agent.dopamine.discount, condition.manipulations)
    seconds = draw_durations(task.phases, task.n_trials, 1, torch_stream(0, "clock")).expand(-1, SESSIONS)
    streams = {f"{name}_rng": torch_stream(0, name) for name in ("task", "choice", "noise")}
    return rollout(
        agent.network,
        agent.network.effective(weights),
        task,
        dopamine,
        schedule=cut_evenly(seconds, 0.1),
        feedback=settings.network.feedback_channels,
        condition=condition,
        **streams,
    )


def at_choices(batch, name):
    return batch.labels[name][batch.is_choice]


@pytest.fixture(scope="module")
def frozen():
    """The control."""
    return simulate()


def test_every_session_opens_with_five_forced_trials_on_each_lever(frozen):
    forced, lever, side = (at_choices(frozen, name) for name in ("forced", "chosen_lever", "risky_side"))
    assert (forced[: 2 * N_FORCED] == 1).all() and (forced[2 * N_FORCED :] == 0).all()
    assert (lever[: 2 * N_FORCED].sum(0) == N_FORCED).all()
    first = lever[0].float().mean()
    assert first == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(SESSIONS))
    assert side.float().mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(SESSIONS))


def test_a_barred_action_has_probability_zero_and_free_levers_do_not(frozen):
    policy = torch.softmax(frozen.logits, -1)[frozen.is_choice]
    assert ((policy[: 2 * N_FORCED] == 0).sum(-1) == 1).all()
    assert (policy[2 * N_FORCED :] > 0).all()
    assert torch.isfinite(frozen.logits).all()


def test_what_is_out_and_pressed_is_what_is_seen(frozen):
    fixation, levers, outcome, dopamine, interval = (
        frozen.x[..., :5].unflatten(0, (-1, 5)).unbind(1)
    )  # each (trial, session, feature)
    pressed = torch.eye(2)[frozen.action[frozen.is_choice]]
    assert (fixation == torch.eye(5)[0]).all() and (interval == 0).all()
    torch.testing.assert_close(levers[: 2 * N_FORCED, :, 1:3], pressed[: 2 * N_FORCED])
    assert (levers[2 * N_FORCED :, :, 1:3] == 1).all()
    assert (levers[..., 0] == 0).all() and (levers[..., 3:] == 0).all()
    for shown in (outcome, dopamine):
        torch.testing.assert_close(shown[..., 3:], pressed)
        assert (shown[..., :3] == 0).all()


def test_levers_pay_what_they_should(frozen):
    lever, outcome, p = (at_choices(frozen, name) for name in ("chosen_lever", "outcome", "p_win"))
    reward = frozen.reward[frozen.is_choice]
    assert set(reward[lever == 0].tolist()) == {1.0}
    assert set(reward[lever == 1].tolist()) == {0.0, 4.0}
    assert (
        outcome == torch.where(lever == 0, SAFE_WIN, torch.where(reward > 0, RISKY_WIN, RISKY_LOSS))
    ).all()
    assert set(p.unique().tolist()) == {0.125, 0.5}
    for chance in P_WIN["test"]:
        won = (reward[(lever == 1) & (p == chance)] > 0).float()
        assert won.mean() == pytest.approx(chance, abs=4.5 * np.sqrt(chance * (1 - chance) / len(won)))
    assert np.mean([1, *(4 * p for p in P_WIN["test"]), 1]) == CHANCE


def test_values_of_training_and_test_are_apart_and_each_as_frequent():
    assert not set(P_WIN["training"]) & set(P_WIN["test"])
    state, _ = LeverStimulation().reset(torch_stream(3, "task"), 4000)
    values, counts = state.p_win.double().numpy().round(6), []
    for p in P_WIN["training"]:
        counts.append((values == p).sum())
    assert sum(counts) == 4000
    assert np.abs(np.array(counts) - 1000).max() < 4.5 * np.sqrt(4000 * 0.25 * 0.75)
    assert EXPERIMENT.defaults["test_task"] == {"p_win": "test"}


def test_regret_is_that_of_the_free_trials(frozen):
    lever, p, regret = (at_choices(frozen, name) for name in ("chosen_lever", "p_win", "regret"))
    mean = torch.where(lever == 1, 4 * p, 1.0)
    expected = torch.maximum(4 * p, torch.tensor(1.0)) - mean
    expected[: 2 * N_FORCED] = 0
    torch.testing.assert_close(regret, expected)


@pytest.mark.parametrize(
    "name, outcome, size",
    [
        ("risky_win_blocked", RISKY_WIN, -4.0),
        ("safe_reward_blocked", SAFE_WIN, -1.0),
        ("risky_loss_stimulated", RISKY_LOSS, 1.0),
    ],
)
def test_a_manipulation_changes_dopamine_at_its_outcome_alone(name, outcome, size):
    batch = simulate(next(condition for condition in CONDITIONS if condition.name == name))
    torch.testing.assert_close(batch.injected, size * (batch.labels["outcome"] == outcome).float())
    assert (batch.injected != 0).any()


def test_the_actor_receives_the_manipulated_error_after_the_outcome_and_the_critic_the_reward(frozen):
    batch = simulate(next(condition for condition in CONDITIONS if condition.name == "risky_win_blocked"))
    reward, error = batch.x[..., -2:].unflatten(0, (-1, 5)).unbind(-1)  # each (trial, phase, session)
    paid = batch.reward[batch.is_choice]
    for place, name in enumerate(phase.name for phase in LeverStimulation.phases):
        shown = paid if name in ("outcome", "dopamine") else torch.zeros_like(paid)
        torch.testing.assert_close(reward[:, place], shown)
    delivered = (batch.rpe + batch.injected)[batch.is_choice]
    torch.testing.assert_close(error[:, 3], delivered, atol=1e-5, rtol=1e-5)
    assert (error[:, [0, 1, 2, 4]] == 0).all()


def test_actor_and_critic_share_nothing():
    wiring = wire(8, 2, SETTINGS.network)
    critic = wiring.is_critic
    assert critic.sum() == 8
    assert (wiring.recurrent[critic][:, ~critic] == 0).all()
    assert (wiring.recurrent[~critic][:, critic] == 0).all()
    assert (wiring.inputs[-2] == critic.float()).all(), "reward goes to the critic"
    assert (wiring.inputs[-1] == (~critic).float()).all(), "the error goes to the actor"
    assert (wiring.read_out[critic] == torch.tensor([0.0, 0.0, 1.0])).all()
    assert (wiring.read_out[~critic] == torch.tensor([1.0, 1.0, 0.0])).all()


def test_an_actor_that_receives_the_reward_is_not_affected_by_a_manipulation():
    settings = EXPERIMENT.settings(sets=("network.n_units=16", "network.feedback=reward"))
    control = simulate(settings=settings)
    for name in MANIPULATIONS:
        done = simulate(
            next(condition for condition in CONDITIONS if condition.name == name), settings=settings
        )
        assert torch.equal(done.action, control.action)
        assert (done.injected != 0).any()


def test_an_actor_that_receives_the_error_is(frozen):
    done = simulate(next(condition for condition in CONDITIONS if condition.name == "risky_win_blocked"))
    assert not torch.equal(done.action, frozen.action)


def test_a_risky_side_of_its_own_holds_for_all_sessions():
    batch = simulate(task=LeverStimulation(n_trials=12, risky_side="left"))
    assert (batch.labels["risky_side"] == 0).all()
    with pytest.raises(InputError, match="no risky_side 'lft'. Did you mean 'left'"):
        LeverStimulation(risky_side="lft")
