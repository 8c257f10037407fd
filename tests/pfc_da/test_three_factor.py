"""The three-factor rule: bin by bin and synapse by synapse as its docstring says, and against the exact gradient."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pfc_da.clock import MAX_TICKS, Timing, cut_adaptively, cut_evenly, draw_durations
from pfc_da.dopamine import DopamineSystem
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.paradigms.monkey_juice import MonkeyJuice
from pfc_da.plasticity import discounted_sum
from pfc_da.plasticity.synaptic_step import STEPS
from pfc_da.plasticity.three_factor import (
    ACTOR_SHARE,
    HOMEOSTASIS_SESSIONS,
    ThreeFactor,
    tabulate_eligibility,
)
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN, Condition, input_size, rollout
from pfc_da.settings import RateNetworkSettings, ThreeFactorSettings

TASK, JUICE = Bandit(n_trials=3), MonkeyJuice(n_trials=3)
RESET = Condition(name="hidden_reset", hidden_reset=True)
every_condition = pytest.mark.parametrize("condition", [FROZEN, RESET], ids=lambda condition: condition.name)
QUIET = {"rate_penalty": 0.0, "peak_penalty": 0.0, "feedback_weights": "symmetric"}
"""Homeostasis off."""
FAINT = torch.full((8, 8), 1e-9)
"""Recurrent weights that move nothing, and still have a sign."""


def make(*, n_units=8, task=TASK, rule=QUIET, seed=0, **network_settings):
    """A network, a rule, and weights in which every term of the rule counts."""
    own = {"n_units": n_units, "read_out_gain": 1.0, "input_gain": 0.3, "tau_min": 0.2} | network_settings
    network = RateNetwork(input_size(task, "reward"), task.n_actions, RateNetworkSettings(**own))
    weights = network.init(torch_stream(seed, "birth"))
    for name in weights.keys() & {"w_gate", "b_gate"}:  # they begin at 0
        weights[name] = torch.randn(weights[name].shape, generator=torch_stream(seed, name)) * 0.4
    return network, ThreeFactor(ThreeFactorSettings(**rule)), weights


def arrange(task, sessions, *, bin_s=0.1, adaptively=False, seed=0):
    """Bins of sessions of different durations: some have bins of no time, or bins of their own size."""
    timing = Timing(pace=torch.linspace(0.6, 1.4, sessions))
    seconds = draw_durations(task.phases, task.n_trials, sessions, torch_stream(seed, "time"), timing)
    if adaptively:
        return cut_adaptively(seconds, len(task.phases), torch_stream(seed, "cut"))
    return cut_evenly((10 * seconds).round() / 10, bin_s)


def simulate(network, rule, weights, *, task=TASK, sessions=6, seed=0, condition=FROZEN, **cut):
    streams = {f"{name}_rng": torch_stream(seed, name) for name in ("task", "choice", "noise")}
    arguments = {"condition": condition, "schedule": arrange(task, sessions, seed=seed, **cut), **streams}
    dopamine = DopamineSystem(rule.settings.discount)
    return rollout(network, network.effective(weights), task, dopamine, **arguments)


def get_delta(rule, batch):
    """Dopamine of every bin (bin, session) by its definition."""
    value = batch.bin_value.double().numpy()
    seconds = batch.ticks.double().numpy() / 100
    delta = -value
    delta[:-1] += rule.settings.discount ** seconds[1:] * value[1:]
    for step, last in enumerate(batch.schedule.last.tolist()):
        delta[last] += (batch.reward + batch.injected)[step].double().numpy()
    return delta


def sum_dopamine(rule, batch, delta):
    """The discounted sum of dopamine (bin, session), in units of its s.d. over time."""
    settings, seconds = rule.settings, batch.ticks.double().numpy() / 100
    total = np.zeros_like(delta)
    for t in range(len(delta)):
        elapsed = np.zeros(delta.shape[1])
        for later in range(t, len(delta)):
            elapsed = elapsed + (seconds[later] if later > t else 0)
            total[t] += (settings.discount * settings.trace_decay) ** elapsed * delta[later]
    share = seconds / seconds.sum()
    mean = (share * total).sum()
    return total, settings.dopamine_gain / (math.sqrt((share * (total - mean) ** 2).sum()) + 1e-6)


def get_errors(batch, choice, session, entropy):
    """Learning signals with and without dopamine at a choice: (action,) each, then the same about objects."""
    policy = np.exp(batch.logits[batch.is_choice][choice, session].double().numpy())
    policy = policy / policy.sum()
    chosen = np.arange(len(policy)) == int(batch.action[batch.is_choice][choice, session])
    uncertainty = -sum(p * math.log(p) for p in policy)
    return chosen - policy, -entropy * policy * (np.log(policy) + uncertainty)


def about_objects(batch, choice, session, errors):
    """Errors about actions, each added to the object that the action would choose."""
    if batch.objects is None:
        return np.zeros(0)
    found = np.zeros(int(batch.objects.max()) + 1)
    for action, error in enumerate(errors):
        found[int(batch.objects[choice, session, action])] += error
    return found


def online_change(network, rule, weights, batch, entropy):
    """The rule as its docstring writes it, without homeostasis: session by session and bin by bin, forwards in time."""
    settings = rule.settings
    effective = {name: tensor.double().numpy() for name, tensor in network.effective(weights).items()}
    n_objects = 0 if batch.objects is None else int(batch.objects.max()) + 1
    to_units = rule.feedback(network, network.effective(weights), n_objects).double().numpy()
    n_actions, sessions = network.n_actions, batch.action.shape[1]
    slope_of_gate = network.settings.gate_gain
    gating, x, drive = (tensor.double().numpy() for tensor in (batch.gating, batch.x, batch.drive))
    delta = get_delta(rule, batch)
    (summed, gain), seconds = sum_dopamine(rule, batch, delta), batch.ticks.double().numpy() / 100
    choices = {last: choice for choice, last in enumerate(batch.schedule.last[batch.is_choice].tolist())}
    usual = gain * summed[list(choices)].mean()  # of all choices, from which the actor's dopamine counts
    resets = {
        first for first, reset in zip(batch.schedule.first, batch.is_reset.tolist(), strict=False) if reset
    }
    share = ACTOR_SHARE / (len(choices) * sessions)

    total = {name: np.zeros_like(array) for name, array in effective.items()}
    for session in range(sessions):
        local = ("w", "w_in", "b", *(("w_gate", "b_gate") if slope_of_gate else ()))
        eligibility = {name: np.zeros_like(effective[name]) for name in local}
        trace = {name: np.zeros_like(array) for name, array in effective.items()}
        for t, step in enumerate(batch.schedule.step_of_bin.tolist()):
            before = gating[t, session]
            if t in resets:
                before = gating[0, session]
                eligibility = {name: np.zeros_like(array) for name, array in eligibility.items()}
            d = seconds[t, session]
            learned, ungated = (
                np.zeros(n_actions + 1),
                np.zeros(n_actions + 1),
            )  # at the actions and the value
            objects, ungated_objects = np.zeros(n_objects), np.zeros(n_objects)
            learned[n_actions] = settings.value_weight * d / seconds.sum()
            if t in choices:
                errors, uncertain = get_errors(batch, choices[t], session, entropy)
                learned[:n_actions], ungated[:n_actions] = (
                    share * errors,
                    share * (uncertain - usual * errors),
                )
                objects = about_objects(batch, choices[t], session, learned[:n_actions])
                ungated_objects = about_objects(batch, choices[t], session, ungated[:n_actions])
            width = 0.1745
            slope = 11.621 / width / (1 + np.exp(-(drive[t, session] - 0.4051) / width))
            tau = network.tau.double().numpy()
            if slope_of_gate:
                opened = 1 / (
                    1
                    + np.exp(-slope_of_gate * (x[step, session] @ effective["w_gate"] + effective["b_gate"]))
                )
                per_input = 2 * slope_of_gate * opened * (1 - opened) / tau  # of 1 / tau
                tau = tau / (2 * opened)
                rate = 11.621 * np.logaddexp(0, (drive[t, session] - 0.4051) / width)
                decays = (rate / 10 - before) * np.exp(-d / tau) * d * per_input
            h, k = np.exp(-d / np.minimum(tau, settings.eligibility_window)), np.exp(-d / tau)
            signal, now = (
                np.append(learned, objects) @ to_units,
                np.append(ungated, ungated_objects) @ to_units,
            )
            decay = (settings.discount * settings.trace_decay) ** d
            dopamine = gain * delta[t, session]
            charge = (1 - k) * slope / 10
            arriving = {
                "w": (before, charge),
                "w_in": (x[step, session], charge),
                "b": (np.array(1.0), charge),
            }
            if slope_of_gate:
                arriving |= {"w_gate": (x[step, session], decays), "b_gate": (np.array(1.0), decays)}
            for name, (sources, own) in arriving.items():
                e = eligibility[name] = h * eligibility[name] + own * sources[..., None]
                trace[name] = decay * trace[name] + signal * e
                total[name] += dopamine * trace[name] + now * e
            for name, sources in {"w_read": gating[t + 1, session], "b_read": np.array(1.0)}.items():
                trace[name] = decay * trace[name] + learned * sources[..., None]
                total[name] += dopamine * trace[name] + ungated * sources[..., None]
    # a change of the signed weight is one of its magnitude, under Dale's law; absent synapses stay so
    total["w"] *= np.sign(effective["w"])
    total["w_read"] *= network.is_excitatory.numpy()[:, None]
    return total


@pytest.fixture(params=["plain", "compiled"])
def kernel(request, monkeypatch):
    """Both versions of the sum over bins."""
    if request.param == "plain":
        monkeypatch.setattr(RateNetwork, "kernel", None)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("adaptively", [False, True], ids=["even bins", "adaptive bins"])
@pytest.mark.parametrize("entropy", [0.0, 0.3])
@pytest.mark.parametrize(
    "own",
    [{}, {"feedback_weights": "random"}, {"eligibility_window": 0.5}, {"dopamine_gain": 2.5}],
    ids=["symmetric", "random", "window", "gain"],
)
@every_condition
def test_closed_form_is_the_online_rule(condition, own, entropy, adaptively):
    network, rule, weights = make(n_units=5, rule=QUIET | own)
    batch = simulate(network, rule, weights, sessions=3, condition=condition, adaptively=adaptively)
    assert (batch.ticks == 0).any() or adaptively
    batch = dataclasses.replace(batch, injected=0.3 * (batch.reward > 0))  # what is injected is dopamine too
    closed = rule.change(network, weights, batch, entropy)
    compare(closed, online_change(network, rule, weights, batch, entropy))


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("own", [{}, {"feedback_weights": "random", "eligibility_window": 0.5}], ids=str)
@every_condition
def test_closed_form_is_the_online_rule_with_a_memory_gate(condition, own):
    network, rule, weights = make(n_units=5, rule=QUIET | own, gate_gain=3.0)
    batch = simulate(network, rule, weights, sessions=3, condition=condition)
    closed = rule.change(network, weights, batch, 0.3)
    compare(closed, online_change(network, rule, weights, batch, 0.3), tolerance=1e-5)


def compare(closed, online, tolerance=3e-6):
    assert closed.keys() == online.keys()
    for name, array in online.items():
        assert np.abs(array).max() > 1e-5, name
        error = np.abs(closed[name].double().numpy() - array).max() / np.abs(array).max()
        assert error < tolerance, (name, error)


@pytest.mark.parametrize("feedback_weights", ["symmetric", "random"])
def test_closed_form_is_the_online_rule_with_errors_about_objects(feedback_weights):
    own = QUIET | {"feedback_weights": feedback_weights, "object_feedback": 0.5}
    network, rule, weights = make(n_units=5, task=JUICE, rule=own)
    batch = simulate(network, rule, weights, task=JUICE, sessions=3)
    closed = rule.change(network, weights, batch, 0.2)
    compare(closed, online_change(network, rule, weights, batch, 0.2))
    without = ThreeFactor(ThreeFactorSettings(**own | {"object_feedback": 0.0}))
    plain = without.change(network, weights, batch, 0.2)
    for name in ("w", "w_in", "b"):  # inhibitory units too
        assert (closed[name] - plain[name]).abs()[..., ~network.is_excitatory].max() > 1e-5
    for name in ("w_read", "b_read"):
        assert torch.equal(closed[name], plain[name])


def test_feedback_about_objects_is_that_of_all_objects_of_the_task():
    network, rule, weights = make(n_units=5, task=JUICE)
    batch = simulate(network, rule, weights, task=JUICE, sessions=3)
    seen = dataclasses.replace(
        batch, objects=torch.zeros_like(batch.objects)
    )  # of two objects, one is not there
    effective = network.effective(weights)
    all_seen, one_seen = (rule.collect_signals(network, effective, each, 0.2) for each in (batch, seen))
    assert torch.equal(one_seen.to_units, all_seen.to_units)
    assert (one_seen.read_out[..., -1] == 0).all() and (all_seen.read_out[..., -1] != 0).any()


def test_blocks_of_bins_do_not_show(monkeypatch):
    monkeypatch.setattr(RateNetwork, "kernel", None)
    network, rule, weights = make()
    batch = simulate(network, rule, weights)
    whole = rule.change(network, weights, batch, 0.1)
    for block in (1, 3, 7):
        monkeypatch.setattr("pfc_da.plasticity.three_factor.BLOCK", block)
        for name, tensor in rule.change(network, weights, batch, 0.1).items():
            torch.testing.assert_close(tensor, whole[name], rtol=1e-4, atol=1e-7)


def exact_gradient(network, rule, weights, batch, entropy=0.0, seed=0):
    """Gradient through time of the actor-critic objective, with the inputs, noise and A that were met."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    effective, weight = network.effective(leaves), batch.ticks / batch.ticks.sum()
    start = network.initial_state(effective, batch.action.shape[1])
    state, noise_rng, objective = start, torch_stream(seed, "noise"), 0.0
    advantage = rule.dopamine_sum(batch, weight)
    at_choice = advantage[batch.schedule.last] - advantage[batch.schedule.last[batch.is_choice]].mean()
    per_choice = ACTOR_SHARE / (batch.is_choice.sum() * batch.action.shape[1])
    for step, is_reset in enumerate(batch.is_reset.tolist()):
        bins = batch.schedule.get_bins(step)
        ticks = batch.ticks[bins]
        noise = network.draw_noise(noise_rng, ticks.shape[1], len(ticks))
        state, trace = network.advance(effective, start if is_reset else state, batch.x[step], ticks, noise)
        _, value = network.read_out(effective, trace.gating)
        objective = objective + (rule.settings.value_weight * advantage[bins] * weight[bins] * value).sum()
        if batch.is_choice[step]:
            log_policy = torch.log_softmax(network.read_out(effective, state[0])[0], -1)
            chosen = log_policy.gather(1, batch.action[step][:, None])[:, 0]
            objective = objective + per_choice * (at_choice[step] * chosen).sum()
            objective = objective - per_choice * entropy * (log_policy.exp() * log_policy).sum()
    gradients = torch.autograd.grad(objective, list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True))


def cosine(one, other):
    return float(torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0))


@pytest.mark.parametrize("adaptively", [False, True], ids=["even bins", "adaptive bins"])
@pytest.mark.parametrize("entropy", [0.0, 0.3])
@pytest.mark.parametrize("gate_gain", [0.0, 3.0], ids=["no gate", "gate"])
@every_condition
def test_without_recurrence_the_rule_is_the_exact_gradient(condition, gate_gain, entropy, adaptively):
    """Eligibility leaves out only what other units, and adaptation, do with a unit's activity."""
    network, rule, weights = make(adaptation=0.0, gate_gain=gate_gain)
    weights["w"] = FAINT
    batch = simulate(network, rule, weights, condition=condition, adaptively=adaptively)
    change = rule.change(network, weights, batch, entropy)
    for name, gradient in exact_gradient(network, rule, weights, batch, entropy).items():
        assert gradient.abs().max() > 1e-5
        torch.testing.assert_close(change[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@every_condition
def test_with_recurrence_the_rule_points_along_the_exact_gradient(condition):
    """Stated: with adaptation and recurrence, median cosine above .75 over networks, .9 within trials; read-outs exact."""
    found = []
    for seed in range(12):
        network, rule, weights = make(n_units=16, seed=seed)
        batch = simulate(network, rule, weights, sessions=30, seed=seed, condition=condition, adaptively=True)
        change, exact = (
            rule.change(network, weights, batch, 0.0),
            exact_gradient(network, rule, weights, batch, seed=seed),
        )
        found.append([cosine(change[name], exact[name]) for name in ("w", "w_in", "b")])
        for name in ("w_read", "b_read"):
            torch.testing.assert_close(change[name], exact[name], rtol=1e-3, atol=1e-6, msg=name)
    median, least = (0.9, 0.5) if condition.hidden_reset else (0.75, 0.1)
    assert (np.median(found, axis=0) > median).all()
    assert np.min(found) > least
    assert np.max(found) < 0.99999  # or recurrence was not there


def make_steady(**rule):
    """Units that receive constant input within a phase alone: how time is cut changes nothing that they do."""
    network, rule, weights = make(adaptation=0.0, neurons_per_unit=0, rule=QUIET | rule)
    return network, rule, weights | {"w": FAINT}


def test_the_actor_learns_the_same_however_time_is_cut():
    """Exactly, but for the s.d. of dopamine, where errors add up over bins (lambda 1)."""
    network, rule, weights = make_steady(trace_decay=1.0, value_weight=0.0)
    found = [
        rule.change(network, weights, simulate(network, rule, weights, bin_s=bin_s), 0.0)
        for bin_s in (0.01, 0.02, 0.05, 0.1)
    ]
    for name in ("w_in", "b", "w_read", "b_read"):
        for other in found[1:]:
            factor = other[name].norm() / found[0][name].norm()
            assert float(factor) == pytest.approx(1, abs=0.05)
            torch.testing.assert_close(other[name] / factor, found[0][name], rtol=1e-3, atol=1e-6)


def test_no_term_depends_on_how_time_is_cut():
    """With all terms on, changes approach those of 10-ms bins with the size of the bins."""
    every = {"rate_penalty": 0.02, "peak_penalty": 0.05, "value_weight": 1.0}
    network, rule, weights = make_steady(**every)
    weights["b"] = weights["b"] + torch.linspace(0, 1.5, 8)  # some fire above the peak
    fine, *found = (
        rule.change(network, weights, simulate(network, rule, weights, bin_s=bin_s), 0.1)
        for bin_s in (0.01, 0.02, 0.05, 0.1)
    )
    for name in ("w", "w_in", "b", "w_read", "b_read"):
        errors = [float((other[name] - fine[name]).norm() / fine[name].norm()) for other in found]
        assert errors[0] < 0.04 and errors[2] < 0.25, (name, errors)
        assert errors[0] < errors[1] < errors[2], (name, errors)


def join(one, other):
    """Sessions of two batches of equally many bins and steps, together."""
    schedule = dataclasses.replace(
        one.schedule, ticks=torch.cat([one.schedule.ticks, other.schedule.ticks], 1)
    )
    names = (
        *("x", "gating", "drive", "logits", "value", "bin_value"),
        *("action", "reward", "rpe", "injected"),
    )
    both = {name: torch.cat([getattr(one, name), getattr(other, name)], 1) for name in names}
    return dataclasses.replace(one, schedule=schedule, **both)


def test_a_change_is_a_mean_over_sessions():
    """The same sessions twice: the same change."""
    network, rule, weights = make(rule={"rate_penalty": 0.01})
    batch = simulate(network, rule, weights, sessions=HOMEOSTASIS_SESSIONS)
    once, twice = (rule.change(network, weights, each, 0.1) for each in (batch, join(batch, batch)))
    for name, tensor in once.items():
        torch.testing.assert_close(twice[name], tensor, rtol=1e-4, atol=1e-7)


def test_random_feedback_is_fixed_and_reaches_inhibition():
    network, rule, weights = make(rule=QUIET | {"feedback_weights": "random"})
    other = make(seed=1)[2]
    feedback = rule.feedback(network, network.effective(weights))
    assert torch.equal(feedback, rule.feedback(network, network.effective(other)))
    assert feedback.shape == (3, 8)  # two actions and the value
    assert (feedback[:, ~network.is_excitatory] != 0).all()
    assert abs(cosine(feedback.T, weights["w_read"])) < 0.6
    symmetric = make()[1].feedback(network, network.effective(weights))
    assert torch.equal(symmetric, network.effective(weights)["w_read"].T)
    assert not torch.equal(
        feedback, ThreeFactor(rule.settings, 1).feedback(network, network.effective(weights))
    )
    with_objects = rule.feedback(network, network.effective(weights), 2)
    assert torch.equal(with_objects[:3], feedback)


def test_weights_of_errors_about_objects_have_their_standard_deviation():
    network, rule, weights = make(n_units=2000, rule=QUIET | {"object_feedback": 0.3})
    objects = rule.feedback(network, weights | {"w_read": torch.zeros(2000, 3)}, 2)[3:]
    assert float(objects.std()) == pytest.approx(0.3, rel=0.05)
    assert objects[:, ~network.is_excitatory].std() > 0.25


def test_with_a_separate_critic_each_learns_from_its_own_signal():
    network, rule, weights = make(rule=QUIET | {"feedback_weights": "random"}, critic="separate")
    feedback, is_critic = rule.feedback(network, network.effective(weights), 2), network.wiring.is_critic
    assert (feedback[:2, is_critic] == 0).all() and (feedback[3:, is_critic] == 0).all()
    assert (feedback[2, ~is_critic] == 0).all() and (feedback[2, is_critic] != 0).all()


def test_random_feedback_leaves_the_read_outs_exact():
    network, rule, weights = make(rule=QUIET | {"feedback_weights": "random"})
    batch = simulate(network, rule, weights)
    change, exact = rule.change(network, weights, batch, 0.0), exact_gradient(network, rule, weights, batch)
    torch.testing.assert_close(change["w_read"], exact["w_read"], rtol=1e-4, atol=1e-6)
    assert cosine(change["w_in"], exact["w_in"]) < 0.99


def scale_dopamine(batch, factor):
    """The batch with rewards and values, and so every error, multiplied."""
    names = ("reward", "value", "bin_value", "rpe", "injected")
    return dataclasses.replace(batch, **{name: factor * getattr(batch, name) for name in names})


def clamp(batch):
    return dataclasses.replace(batch, system=dataclasses.replace(batch.system, clamped=True))


def test_without_dopamine_nothing_changes():
    network, rule, weights = make()
    batch = simulate(network, rule, weights)
    for silent in (clamp(batch), scale_dopamine(batch, 0.0)):
        assert all((tensor == 0).all() for tensor in rule.change(network, weights, silent, 0.0).values())
    assert all((tensor != 0).any() for tensor in rule.change(network, weights, batch, 0.0).values())


def test_a_constant_factor_on_dopamine_is_taken_out_by_its_gain():
    network, rule, weights = make()
    batch = simulate(network, rule, weights)
    louder = rule.change(network, weights, scale_dopamine(batch, 7.0), 0.0)
    for name, tensor in rule.change(network, weights, batch, 0.0).items():
        torch.testing.assert_close(louder[name], tensor, rtol=1e-3, atol=1e-7)


def test_dopamine_gain_scales_what_dopamine_does_and_nothing_else():
    """With homeostasis and entropy on."""
    own = {"rate_penalty": 0.1}
    network, rule, weights = make(rule=own)
    louder = ThreeFactor(ThreeFactorSettings(**own, dopamine_gain=3.0))
    batch = simulate(network, rule, weights)
    for name, alone in rule.change(network, weights, clamp(batch), 0.2).items():
        by_dopamine = rule.change(network, weights, batch, 0.2)[name] - alone
        assert (by_dopamine != 0).any()
        torch.testing.assert_close(
            louder.change(network, weights, batch, 0.2)[name], alone + 3 * by_dopamine, rtol=1e-4, atol=1e-6
        )
    weight = batch.ticks / batch.ticks.sum()
    total = discounted_sum(
        batch.bin_dopamine, (rule.settings.discount * rule.settings.trace_decay) ** (batch.ticks / 100)
    )
    mean = (weight * total).sum()
    sd = (weight * (total - mean) ** 2).sum().sqrt()
    torch.testing.assert_close(rule.dopamine_sum(batch, weight), total / sd, rtol=1e-4, atol=1e-5)


def test_reversed_dopamine_reverses_the_change():
    network, rule, weights = make()
    batch = simulate(network, rule, weights)
    reversed_ = rule.change(network, weights, scale_dopamine(batch, -1.0), 0.0)
    for name, tensor in rule.change(network, weights, batch, 0.0).items():
        torch.testing.assert_close(reversed_[name], -tensor)


@pytest.mark.parametrize("step", STEPS)
def test_structure_survives_many_updates(step):
    """Dale's law, no autapses, read-outs from excitation only, after weights have crossed zero."""
    network, rule, weights = make(rule={"rate_penalty": 1e-3})
    initial, memory = weights, {}
    for update in range(25):
        change = rule.change(network, weights, simulate(network, rule, weights, seed=update), 0.02)
        weights, memory = STEPS[step](weights, change, memory, {"sgd": 3.0, "adam": 0.05}[step])
    effective, excitatory = network.effective(weights), network.is_excitatory
    assert (torch.sign(weights["w"]) != torch.sign(initial["w"])).any()
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert (effective["w"][excitatory] >= 0).all()
    assert (effective["w"][~excitatory] <= 0).all()
    assert (weights["w"].diagonal() == 0).all()
    assert (effective["w"].diagonal() == 0).all()
    assert torch.equal(weights["w_read"][~excitatory], initial["w_read"][~excitatory])  # left alone
    assert (effective["w_read"][~excitatory] == 0).all()


def test_homeostasis_pulls_rates_to_rest_without_dopamine():
    network, rule, weights = make(rule=QUIET | {"rate_penalty": 1e-2}, adaptation=0.0, neurons_per_unit=0)
    weights |= {"w": FAINT, "w_in": torch.zeros_like(weights["w_in"])}
    rates = torch.tensor([0.5, 1, 2, 3, 5, 8, 16, 32])
    weights["b"] = torch.tensor([network.drive_at(float(rate_hz)) for rate_hz in rates])
    batch = clamp(simulate(network, rule, weights))
    weight = batch.ticks / batch.ticks.sum()
    pull = -1e-2 * torch.log((rates + 0.3) / 4.3)
    phases = pull.expand(len(TASK.phases), -1)
    torch.testing.assert_close(rule.hold_rates(network, batch, weight), phases, rtol=1e-3, atol=1e-5)
    change = rule.change(network, weights, batch, 0.0)
    torch.testing.assert_close(change["b"], pull, rtol=1e-3, atol=1e-5)
    before = (weight[..., None] * batch.gating_before).sum((0, 1))
    expected = before[:, None] * pull * network.sign[:, None]
    torch.testing.assert_close(change["w"], expected * network.mask, rtol=1e-3, atol=1e-5)


def test_homeostasis_is_of_the_mean_rate_in_every_phase():
    network, rule, weights = make(rule=QUIET | {"rate_penalty": 0.3}, adaptation=0.0)
    weights |= {"w": FAINT}
    batch = clamp(simulate(network, rule, weights, sessions=12))
    weight = batch.ticks / batch.ticks.sum()
    pull = rule.hold_rates(network, batch, weight)
    rate, phase, few = network.activity(batch.drive), batch.phase_of_bin, slice(0, HOMEOSTASIS_SESSIONS)
    for place in range(len(TASK.phases)):
        own, share = phase == place, weight[phase == place, few, None]
        mean = (share * rate[own, few]).sum((0, 1)) / share.sum()
        torch.testing.assert_close(pull[place], -0.3 * torch.log((mean + 0.3) / 4.3), rtol=1e-3, atol=1e-5)
    assert (pull.amax(0) - pull.amin(0) > 0.1).any()  # phases differ
    change = rule.change(network, weights, batch, 0.0)
    expected = torch.einsum("bs,bsk,bu->ku", weight, batch.x[batch.schedule.step_of_bin], pull[phase])
    torch.testing.assert_close(change["w_in"], expected, rtol=1e-3, atol=1e-5)


def test_only_rates_above_the_peak_are_pushed_down():
    network, rule, weights = make(rule=QUIET | {"peak_penalty": 0.1}, adaptation=0.0)
    weights |= {"w": torch.zeros(8, 8), "w_in": torch.zeros_like(weights["w_in"])}
    weights["b"] = torch.tensor([network.drive_at(rate_hz) for rate_hz in (4, 20, 50, 59, 61, 70, 80, 120)])
    batch = clamp(simulate(network, rule, weights))
    push = rule.change(network, weights, batch, 0.0)["b"]
    assert (push[:4] == 0).all()
    assert (push[4:] < 0).all()
    excess = weights["b"][4:] - network.drive_at(60)
    torch.testing.assert_close(push[4:], -0.1 * excess, rtol=1e-3, atol=1e-6)


def test_eligibility_decays_with_the_synapse_but_no_longer_than_the_window():
    network, rule, _ = make(rule=QUIET | {"eligibility_window": 2.0})
    table = tabulate_eligibility(network, rule.settings)
    assert table.shape == (MAX_TICKS + 1, 8)
    expected = torch.exp(-torch.tensor([0.0, 0.1, 0.5])[:, None] / network.tau.clamp(max=2.0))
    torch.testing.assert_close(table[[0, 10, 50]], expected)
    assert network.tau.max() > 2


def test_another_network_is_refused():
    _, rule, _ = make()
    with pytest.raises(TypeError, match="needs a RateNetwork, got object"):
        rule.change(object(), {}, None, 0.0)
