"""The Bayesian observer of baited options against brute force and what it reduces to; the best rule without rewards."""

import itertools

import numpy as np
import pytest

from pfc_da.analysis.observers import baited
from pfc_da.analysis.observers.baited import (
    Alternation,
    BaitedObserver,
    FixedProbability,
    MomentaryMaximiser,
)
from pfc_da.analysis.observers.base import REPEATS, simulate_choices, simulate_repeatedly
from pfc_da.errors import InputError
from pfc_da.paradigms.monkey_juice import CHANCE, P0_SHARES, MonkeyJuice, build_observer
from pfc_da.rng import torch_stream

HIGH = build_observer(MonkeyJuice())


def draw(sessions, seed=0, **settings):
    """Base probabilities of sessions of the paradigm, (session, trial, option)."""
    state, _ = MonkeyJuice(**settings).reset(torch_stream(seed, "task"), sessions)
    return state.p0.transpose(0, 1).double().numpy()


def earn(agent, schedule, seed=0):
    """Expected reward a trial in every session."""
    made = simulate_choices(agent, schedule, baited=True, rng=np.random.default_rng(seed))
    return made.expected_reward.mean(1)


def enumerate_posterior(p0, lengths, choice, reward):
    """Probability of each value of p0 on the trial after the last, summed over all ways to divide trials into blocks."""
    n = len(choice)
    waited, waits = [0, 0], []
    for chosen in choice:
        waits.append(waited[chosen])
        waited = [0 if option == chosen else waited[option] + 1 for option in (0, 1)]
    posterior = np.zeros(len(p0))
    n_blocks = n // lengths[0] + 2
    for drawn in itertools.product(range(lengths[0], lengths[1] + 1), repeat=n_blocks):
        ends = np.cumsum(drawn)
        block = [int((trial >= ends).sum()) for trial in range(n + 1)]
        for values in itertools.product(range(len(p0)), repeat=max(block) + 1):
            weight = 1 / len(p0) ** (max(block) + 1)
            for trial in range(n):
                base = p0[values[block[trial]], choice[trial]]
                p = 1 - (1 - base) ** (waits[trial] + 1)
                weight *= p if reward[trial] else 1 - p
            posterior[values[block[n]]] += weight
    return posterior / posterior.sum()


@pytest.mark.parametrize("seed", range(4))
def test_beliefs_are_those_of_brute_force_over_all_blocks_and_values(monkeypatch, seed):
    monkeypatch.setattr(baited, "GRID", 2)
    observer = BaitedObserver(shares=((0.0, 0.2), (0.8, 1.0)), p0_sum=0.8, block_trials=(2, 3))
    rng = np.random.default_rng(seed)
    choice, reward = rng.integers(2, size=(2, 6))
    belief = observer.start(np.zeros((1, 6, 2)))
    for trial in range(6):
        expected = enumerate_posterior(observer.p0, (2, 3), choice[:trial], reward[:trial])
        assert belief.of_p0[0] == pytest.approx(expected, abs=1e-6)
        belief.update(choice[trial : trial + 1], reward[trial : trial + 1])


def test_the_grid_is_the_middle_of_equal_cells_of_every_range():
    p0 = HIGH.p0
    assert p0.shape == (baited.GRID, 2) and p0.sum(1) == pytest.approx(0.8)
    share = p0[:, 0] / 0.8
    assert share[: baited.GRID // 2].mean() == pytest.approx(0.125)
    assert share[baited.GRID // 2 :].mean() == pytest.approx(0.875)
    assert ((share > 0.05) & (share < 0.2) | (share > 0.8) & (share < 0.95)).all()


def test_an_observer_that_is_sure_of_p0_is_the_momentary_maximiser():
    sure = BaitedObserver(shares=((0.8, 0.8),), p0_sum=0.5, block_trials=None)
    schedule = np.tile([0.4, 0.1], (3, 40, 1))
    made = [
        simulate_choices(agent, schedule, baited=True, rng=np.random.default_rng(1)).choice
        for agent in (sure, MomentaryMaximiser())
    ]
    np.testing.assert_array_equal(*made)


def test_an_observer_to_whom_both_are_alike_alternates():
    equal = BaitedObserver(shares=((0.5, 0.5),), p0_sum=0.8, block_trials=(5, 9))
    made = simulate_choices(equal, np.full((20, 30, 2), 0.4), baited=True, rng=np.random.default_rng(2))
    assert (np.diff(made.choice, axis=1) != 0).all()


def test_options_are_alike_to_it():
    schedule = draw(200, n_trials=60)
    one, other = earn(HIGH, schedule), earn(HIGH, schedule[..., ::-1])
    difference = one - other
    assert difference.mean() == pytest.approx(0, abs=4 * difference.std() / np.sqrt(200))


@pytest.mark.parametrize(
    "settings, rewards",
    [
        ({}, (0.501, 0.548, 0.720, 0.705)),
        ({"p0_sum": 0.5}, (0.362, 0.401, 0.466, 0.456)),
        ({"p0": "full", "p0_sum": 0.5}, (0.377, 0.416, 0.451, 0.441)),
        ({"p0": "full", "p0_sum": 0.5, "changes": False, "n_trials": 100}, (0.376, 0.415, 0.451, 0.444)),
    ],
    ids=["high contrast", "high contrast, less juice", "full range", "full range without changes"],
)
def test_the_room_for_choices_by_reward(settings, rewards):
    """Chance, blind alternation, p0 known, p0 learned; from thousands of sessions, standard errors below .001."""
    schedule = draw(200, seed=5, **settings)
    agents = (
        FixedProbability(0.5),
        Alternation(),
        MomentaryMaximiser(),
        build_observer(MonkeyJuice(**settings)),
    )
    for agent, reward in zip(agents, rewards, strict=True):
        earned = earn(agent, schedule)
        assert earned.mean() == pytest.approx(reward, abs=0.001 + 4 * earned.std() / np.sqrt(200))
        assert earned.std() / np.sqrt(200) < 0.003


def test_knowing_the_ranges_and_the_blocks_is_worth_something():
    schedule = draw(150, seed=6)
    best = earn(HIGH, schedule)
    vague = BaitedObserver(shares=P0_SHARES["full"], p0_sum=0.8, block_trials=(50, 150))
    stubborn = BaitedObserver(shares=P0_SHARES["high"], p0_sum=0.8, block_trials=None)
    for other in (vague, stubborn):
        gain = best - earn(other, schedule)
        assert gain.mean() > 4 * gain.std() / np.sqrt(150)


def test_no_rule_that_ignores_rewards_earns_more_than_alternation():
    """All sequences of ten choices; p0 from either range of the paradigm, so that both options have one prior."""
    low, high = np.array(P0_SHARES["high"]).T
    share = np.concatenate([np.linspace(*ends, 101) for ends in zip(low, high, strict=True)])
    pays = [1 - ((1 - 0.8 * share) ** (wait + 1)).mean() for wait in range(11)]

    def expect(choices):
        waited, earned = [0, 0], 0.0
        for chosen in choices:
            earned += pays[waited[chosen]]
            waited = [0 if option == chosen else waited[option] + 1 for option in (0, 1)]
        return earned

    rewards = {choices: expect(choices) for choices in itertools.product((0, 1), repeat=10)}
    best = max(rewards.values())
    winners = {choices for choices, earned in rewards.items() if earned > best - 1e-9}
    assert winners == {(0, 1) * 5, (1, 0) * 5}


def test_chance_is_the_exact_mean_over_waits_and_p0():
    """Waits at 50/50 choices are geometric, cut at the begin of the session."""
    share = np.concatenate(
        [low + (high - low) * (np.arange(2000) + 0.5) / 2000 for low, high in P0_SHARES["high"]]
    )
    pays = np.array([1 - ((1 - 0.8 * share) ** (wait + 1)).mean() for wait in range(200)])
    by_trial = [
        (0.5 ** (np.arange(trial) + 1) * pays[:trial]).sum() + 0.5**trial * pays[trial]
        for trial in range(200)
    ]
    assert np.mean(by_trial) == pytest.approx(CHANCE, abs=5e-5)


def test_repeated_simulations_are_of_the_same_sessions():
    schedule = draw(60, n_trials=8)
    made = simulate_repeatedly(Alternation(), schedule, baited=True, rng=np.random.default_rng(0))
    assert made.choice.shape == made.reward.shape == (REPEATS, 60, 8)
    first = made.p_option[:, :, 0]  # before any choice: p0 itself
    np.testing.assert_allclose(first, np.broadcast_to(schedule[:, 0], first.shape), atol=1e-6)
    assert made.expected_reward.shape == (REPEATS, 60, 8)
    assert len({own.tobytes() for own in made.choice}) == REPEATS  # draws of their own


def test_blocks_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"block_trials must be the shortest and the longest, got \(9, 5\)"):
        BaitedObserver(shares=((0.0, 1.0),), p0_sum=0.5, block_trials=(9, 5))
