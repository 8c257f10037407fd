"""The bandit by hand: arms of every variant, what is paid and seen when, and what an ideal observer earns on it."""

import numpy as np
import pytest
import torch

from pfc_da.analysis.observers.bandit import AntiCorrelatedOptimum, GreedyMean, Thompson
from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.errors import InputError
from pfc_da.paradigms.bandit import ARMS, CHANCE, Bandit
from pfc_da.rng import torch_stream

VALUES = {"correlated_easy": {0.1, 0.9}, "correlated_medium": {0.25, 0.75}, "correlated_hard": {0.4, 0.6}}


def reset(arms="independent", n_trials=100, sessions=2000):
    return Bandit(arms=arms, n_trials=n_trials).reset(torch_stream(0, "task"), sessions)[0]


def take(task, state, action):
    """A whole trial: the state after it, and the steps that end its phases, by name of the phase."""
    ended = {}
    for t in range(state.step, state.step + len(task.phases)):
        phase = task.phase(t)
        state, ended[phase.name] = task.step(state, action if phase.choice else torch.full_like(action, -1))
    return state, ended


def simulate(choose, arms="independent", n_trials=100, sessions=1000):
    """Choices and rewards (session, trial), arms (session, action) and regret (session, trial).

    `choose` maps rewards and failures of each arm so far, (session, action), to arms (session,).
    """
    task = Bandit(arms=arms, n_trials=n_trials)
    state, _ = task.reset(torch_stream(0, "task"), sessions)
    p, rows = state.p_reward.numpy(), np.arange(sessions)
    counts = np.zeros((2, sessions, 2), dtype=int)
    found = []
    for _ in range(n_trials):
        action = np.asarray(choose(counts[1], counts[0]))
        state, ended = take(task, state, torch.from_numpy(action).long())
        paid = ended["go"]
        reward = paid.reward.numpy()
        counts[reward.astype(int), rows, action] += 1
        found.append((action, reward, paid.labels["regret"].numpy()))
    choice, reward, regret = (np.stack(each, 1) for each in zip(*found, strict=True))
    return choice, reward, p, regret


@pytest.mark.parametrize("arms", ARMS)
def test_arms_are_those_of_the_variant(arms):
    p = reset(arms).p_reward.double().numpy()
    first, error = p[:, 0], 4 / np.sqrt(len(p))
    if arms == "independent":
        assert abs(np.corrcoef(p.T)[0, 1]) < error
    else:
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    if arms in VALUES:
        assert set(first.round(6)) == VALUES[arms]
        assert (first > 0.5).mean() == pytest.approx(0.5, abs=error / 2)
    else:
        for column in p.T:  # uniform: every tenth as often
            counts = np.histogram(column, bins=10, range=(0, 1))[0]
            assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-squared of 9 degrees at .001
    assert p.mean() == pytest.approx(CHANCE, abs=error / 2)


def test_an_arm_pays_as_often_as_its_probability_says():
    state = reset("independent", n_trials=100, sessions=1000)
    p, paid = state.p_reward.numpy(), state.pays.mean(0).numpy()
    z = (paid - p) / np.sqrt(p * (1 - p) / 100).clip(1e-3)
    assert z.mean() == pytest.approx(0, abs=4 / np.sqrt(z.size))
    assert z.std() == pytest.approx(1, abs=0.1)
    assert set(np.unique(state.pays)) == {0.0, 1.0}


def test_every_trial_and_arm_is_a_draw_of_its_own():
    pays = reset("correlated_hard", n_trials=50).pays.numpy()  # (trial, session, arm), all of p near 1/2
    p = reset("correlated_hard", n_trials=50).p_reward.numpy()
    luck = pays - p
    for one, other in ((luck[1:], luck[:-1]), (luck[..., 0], luck[..., 1]), (luck[:, 1:], luck[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)


def test_the_arm_chosen_pays_its_own_draw_and_costs_its_own_regret():
    task = Bandit(n_trials=20)
    state, _ = task.reset(torch_stream(1, "task"), 5)
    p, pays = state.p_reward.tolist(), state.pays.tolist()
    actions = torch.randint(2, (20, 5), generator=torch.Generator().manual_seed(0))
    for trial, action in enumerate(actions):
        state, ended = take(task, state, action)
        paid = ended.pop("go")
        for session, chosen in enumerate(action.tolist()):
            assert float(paid.reward[session]) == pays[trial][session][chosen]
            lost = max(p[session]) - p[session][chosen]
            assert float(paid.labels["regret"][session]) == pytest.approx(lost)
        for other in ended.values():
            assert (other.reward == 0).all() and (other.labels["regret"] == 0).all()


def test_lights_say_when_an_arm_is_to_be_taken_and_nothing_else():
    task = Bandit(n_trials=3)
    state, first = task.reset(torch_stream(0, "task"), 4)
    seen, action = [first.observation], torch.tensor([0, 1, 0, 1])
    for _ in range(3):
        state, ended = take(task, state, action)
        seen += [step.observation for step in ended.values()]
    lights = {"fixation": [1.0, 0.0], "go": [0.0, 1.0]}
    for t, observation in enumerate(seen):
        phase = task.phase(t)
        assert observation.tolist() == [lights.get(phase.name, [0.0, 0.0])] * 4
        assert (phase.name == "go") == phase.choice


def test_chance_is_what_blind_choices_earn():
    for arms in ARMS:
        rng = np.random.default_rng(0)
        _, reward, *_ = simulate(lambda won, lost, rng=rng: rng.integers(2, size=1000), arms)
        by_session = reward.mean(1)
        assert by_session.mean() == pytest.approx(CHANCE, abs=4 * by_session.std() / np.sqrt(1000))


@pytest.mark.parametrize(
    "observer, arms",
    [
        (Thompson(), "independent"),
        (GreedyMean(), "correlated_medium"),
        (AntiCorrelatedOptimum(), "correlated_uniform"),
    ],
    ids=["Thompson", "greedy", "optimum"],
)
def test_an_observer_earns_on_the_task_what_it_earns_on_its_own_sessions(observer, arms):
    """The regrets of the table of references are of `simulate_choices`; animals perform the task."""
    rng = np.random.default_rng(3)
    _, reward, p, regret = simulate(lambda won, lost: observer.choose(won, lost, rng), arms)
    own = simulate_choices(observer, p[:, None].repeat(100, 1), rng=rng)
    choice, own_reward = own.choice, own.reward
    own_regret = (p.max(1, keepdims=True) - np.take_along_axis(p, choice.astype(int), 1)).sum(1)
    for one, other in ((reward.sum(1), own_reward.sum(1)), (regret.sum(1), own_regret)):
        difference = one - other  # the same arms: paired
        assert difference.mean() == pytest.approx(0, abs=4 * difference.std() / np.sqrt(len(difference)))


def test_a_misspelt_variant_is_named():
    with pytest.raises(InputError, match="no arms 'corelated_easy'. Did you mean 'correlated_easy'"):
        Bandit(arms="corelated_easy")
