"""Reference agents of baited rewards against numbers worked out for them."""

import numpy as np
import pytest

from pfc_da.analysis.observers.baited import (
    Alternation,
    FixedProbability,
    MomentaryMaximiser,
    compute_best_fixed_probability,
)
from pfc_da.analysis.observers.base import simulate_choices

EPISODES, TRIALS = 4000, 100


def hold(p0, trials):
    """Base probabilities (session, option) that stay over all trials."""
    return np.asarray(p0)[:, None].repeat(trials, 1)


def simulate(agent, p0, rng):
    """Expected reward a trial, fraction of choices and of income from the richer object (object 0)."""
    made = simulate_choices(agent, hold(p0, TRIALS), baited=True, rng=rng)
    choice, reward, expected = made.choice, made.reward, made.expected_reward
    assert reward.mean() == pytest.approx(expected.mean(), abs=4 * 0.5 / np.sqrt(reward.size))
    return expected.mean(), (choice == 0).mean(), reward[choice == 0].sum() / reward.sum()


# p0 of the richer object: reward per trial of the momentary maximiser, best fixed probability, always rich,
# 50/50; then the first one's choices and income from the richer object. From 4,000 x 100 trials, standard
# errors below .005.
JUICE = {
    0.45: ([0.470, 0.463, 0.449, 0.357], [0.92, 0.92]),
    0.40: ([0.448, 0.435, 0.400, 0.375], [0.80, 0.82]),
    0.35: ([0.437, 0.415, 0.350, 0.387], [0.67, 0.71]),
    0.25: ([0.437, 0.399, 0.250, 0.397], [0.50, 0.50]),
}


@pytest.mark.parametrize("rich", JUICE)
def test_agents_of_the_baited_schedule(rich):
    rng = np.random.default_rng(4)
    p0 = np.tile([rich, 0.5 - rich], (EPISODES, 1))
    best = FixedProbability(compute_best_fixed_probability(p0, TRIALS))
    agents = [MomentaryMaximiser(), best, FixedProbability(1.0), FixedProbability(0.5)]
    measured = [simulate(agent, p0, rng) for agent in agents]
    reward, fractions = JUICE[rich]
    assert [m[0] for m in measured] == pytest.approx(reward, abs=0.005)
    assert measured[0][1:] == pytest.approx(fractions, abs=0.01)
    assert measured[1][1] == pytest.approx(measured[1][2], abs=0.01)  # the best fixed probability matches


def test_players_over_the_full_range_of_p0():
    rng = np.random.default_rng(5)
    first = (np.arange(EPISODES) + 0.5) / EPISODES / 2  # p0 of object 0 evenly over 0 to .5
    p0 = np.stack([first, 0.5 - first], axis=1)
    best = FixedProbability(compute_best_fixed_probability(p0, TRIALS))
    agents = [FixedProbability(0.5), Alternation(), best, MomentaryMaximiser()]
    reward = [simulate(agent, p0, rng)[0] for agent in agents]
    assert reward == pytest.approx([0.376, 0.415, 0.431, 0.451], abs=0.002)


def test_best_fixed_probability_beats_its_neighbours_in_simulation():
    p0 = np.tile([0.4, 0.1], (EPISODES, 1))
    best = compute_best_fixed_probability(p0[:1], TRIALS)
    earned = [
        simulate(FixedProbability(best + shift), p0, np.random.default_rng(6))[0] for shift in (-0.1, 0, 0.1)
    ]
    assert earned[1] == max(earned)
    swapped = compute_best_fixed_probability(p0[:1, ::-1], TRIALS)
    assert swapped == pytest.approx(1 - best)


def test_juice_waits():
    # .4/.1: object 1 reaches 1 - .9^5 = .41 > .4 after four trials away, so every fifth choice goes to it.
    schedule = hold([[0.4, 0.1]], 10)
    made = simulate_choices(MomentaryMaximiser(), schedule, baited=True, rng=np.random.default_rng(0))
    choice, p_object = made.choice, made.p_option
    assert choice.tolist() == [[0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]
    assert p_object[0, :6, 1] == pytest.approx([*(1 - 0.9 ** np.arange(1, 6)), 0.1])
    assert p_object[0, :6, 0] == pytest.approx([0.4] * 5 + [1 - 0.6**2])


def test_alternation_alternates_from_either_object():
    schedule = np.tile([0.4, 0.1], (400, 9, 1))
    choice = simulate_choices(Alternation(), schedule, baited=True, rng=np.random.default_rng(0)).choice
    assert (np.abs(np.diff(choice, axis=1)) == 1).all()
    assert 150 < choice[:, 0].sum() < 250
