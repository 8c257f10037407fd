"""The reference rule against an objective written out step by step, and by finite differences."""

import dataclasses

import pytest
import torch

from pfc_da.agent import NETWORKS
from pfc_da.clock import TICK_S, cut_evenly, draw_durations
from pfc_da.dopamine import DopamineSystem
from pfc_da.paradigms.bandit import Bandit
from pfc_da.plasticity.actor_critic_bptt import ActorCriticBPTT
from pfc_da.rng import torch_stream
from pfc_da.rollout import input_size, rollout
from pfc_da.settings import BPTTSettings, find_kind

TASK = Bandit(n_trials=5)
SESSIONS = 7


def make(kind, **rule):
    settings = find_kind("network", kind)(n_units=6, **({"read_out_gain": 1.0} if kind == "rate" else {}))
    network = NETWORKS[kind](input_size(TASK, "reward"), TASK.n_actions, settings)
    weights = network.init(torch_stream(0, "birth"))
    weights["b_read"] = torch.tensor([0.3, -0.2, 0.4])
    return (
        network,
        ActorCriticBPTT(BPTTSettings(**{"discount": 0.9, "trace_decay": 0.9} | rule), len(TASK.phases)),
        weights,
    )


def simulate(network, rule, weights):
    """A rollout in which gradients flow, and the leaves they flow to."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    streams = {f"{name}_rng": torch_stream(0, name) for name in ("task", "choice", "noise")}
    dopamine = DopamineSystem(rule.settings.discount)
    schedule = cut_evenly(draw_durations(TASK.phases, TASK.n_trials, SESSIONS, torch_stream(0, "time")), 0.1)
    effective = network.effective(leaves)
    return rollout(network, effective, TASK, dopamine, schedule=schedule, **streams), leaves


def written_out(rule, batch, entropy, *, logits=None, value=None):
    """The objective of the docstring, in plain loops; dopamine from `batch` is a number, not a function."""
    logits = batch.logits if logits is None else logits
    value = batch.value if value is None else value
    per_second = rule.settings.discount * rule.settings.trace_decay
    end = (batch.schedule.duration_ticks.cumsum(0) * TICK_S).tolist()
    delta = (batch.rpe + batch.injected).tolist()
    fixed_value = batch.value.tolist()
    n_steps = len(delta)
    advantage = {
        (t, s): sum(per_second ** (end[k][s] - end[t][s]) * delta[k][s] for k in range(t, n_steps))
        for t in range(n_steps)
        for s in range(SESSIONS)
    }
    met = [(t, s) for t, s in advantage if batch.is_choice[t]]
    mean = sum(advantage[key] for key in met) / len(met)
    sd = (sum((advantage[key] - mean) ** 2 for key in met) / (len(met) - 1)) ** 0.5
    actor = critic = uncertainty = 0.0
    for t, s in met:
        log_policy = logits[t, s] - torch.logsumexp(logits[t, s], 0)
        actor = actor + log_policy[batch.action[t, s]] * (advantage[t, s] - mean) / (sd + 1e-6)
        uncertainty = uncertainty - (log_policy.exp() * log_policy).sum()
    for t, s in advantage:
        target = advantage[t, s] + fixed_value[t][s]
        critic = critic - 0.5 * (target - value[t, s]) ** 2
    taught = actor / len(met) + rule.settings.value_weight * critic / len(advantage)
    return rule.settings.dopamine_gain * taught + entropy * uncertainty / len(met)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("entropy, gain", [(0.0, 1.0), (0.2, 1.0), (0.2, 3.0)])
def test_change_is_the_gradient_of_the_objective_written_out(kind, entropy, gain):
    network, rule, weights = make(kind, dopamine_gain=gain)
    batch, leaves = simulate(network, rule, weights)
    batch = dataclasses.replace(batch, injected=0.5 * (batch.reward > 0))
    objective = written_out(rule, batch, entropy)
    gradients = torch.autograd.grad(objective, list(leaves.values()), retain_graph=True, allow_unused=True)
    change = rule.change(network, leaves, batch, entropy)
    torch.testing.assert_close(rule.objective(batch, entropy), objective, rtol=1e-4, atol=1e-6)
    for (name, tensor), gradient in zip(change.items(), gradients, strict=True):
        torch.testing.assert_close(tensor, gradient, rtol=1e-3, atol=1e-6, msg=name)
        assert tensor.abs().max() > 1e-6, name


def test_the_critic_learns_with_its_target_held_fixed():
    """Finite difference of -1/2 (G - V)^2 in the bias of V, with G a number: mean of G - V, and not zero."""
    network, rule, weights = make("lstm", value_weight=1.0)
    batch, leaves = simulate(network, rule, weights)
    change = float(rule.change(network, leaves, batch, 0.0)["b_read"][2])
    still = dataclasses.replace(batch, logits=batch.logits.detach(), value=batch.value.detach())
    higher, lower = (
        float(written_out(rule, still, 0.0, value=still.value.double() + step)) for step in (1e-3, -1e-3)
    )
    assert change == pytest.approx((higher - lower) / 2e-3, rel=1e-3)
    assert abs(change) > 0.01
    # were the target moved along with V, only the last steps' bootstrap would be left
    through_target = change_if_target_moved(rule, batch)
    assert abs(change - through_target) > 0.1 * abs(change)


def change_if_target_moved(rule, batch):
    """The same finite difference with delta, and so G, computed anew from the shifted value."""
    discount = rule.settings.discount ** (batch.schedule.duration_ticks * TICK_S)
    decay = discount * rule.settings.trace_decay ** (batch.schedule.duration_ticks * TICK_S)

    def objective(shift):
        value = batch.value.detach().double() + shift
        following = torch.cat([value[1:], torch.zeros_like(value[:1])])
        delta = batch.reward + discount.roll(-1, 0) * following - value
        advantage = torch.zeros_like(value)
        for t in reversed(range(len(value))):
            advantage[t] = delta[t] + (decay[t + 1] * advantage[t + 1] if t + 1 < len(value) else 0)
        return float(-0.5 * (advantage**2).mean())

    return (objective(1e-3) - objective(-1e-3)) / 2e-3


def test_the_actor_does_not_move_the_critic():
    network, rule, weights = make("lstm", value_weight=0.0)
    batch, leaves = simulate(network, rule, weights)
    change = rule.change(network, leaves, batch, 0.1)
    assert change["b_read"][2] == 0
    assert (change["w_read"][:, 2] == 0).all()
    assert (change["w_read"][:, :2] != 0).any()


def test_dale_and_absent_synapses_hold_under_the_exact_gradient():
    network, rule, weights = make("rate")
    batch, leaves = simulate(network, rule, weights)
    change = rule.change(network, leaves, batch, 0.1)
    assert (change["w"].diagonal() == 0).all()
    assert (change["w_read"][~network.is_excitatory] == 0).all()


def test_no_gradient_is_left_in_what_the_animal_met():
    network, rule, weights = make("rate")
    batch, _ = simulate(network, rule, weights)
    assert not any(tensor.requires_grad for tensor in (batch.rpe, batch.reward, batch.action, batch.x))
    assert batch.logits.requires_grad
