from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from scipy.stats import beta

from pfc_da.analysis.observers.bandit import (
    AntiCorrelatedOptimum,
    BayesOptimal,
    GreedyMean,
    Thompson,
    UpperConfidence,
    compute_regret,
)
from pfc_da.analysis.observers.base import simulate_choices

EPISODES, TRIALS = 4000, 100


def simulate(observer, p_reward, trials, rng):
    """Choices and rewards with arms that keep their probabilities (session, option)."""
    choices = simulate_choices(observer, p_reward[:, None].repeat(trials, 1), rng=rng)
    return choices.choice, choices.reward


def independent(counts, arm):
    """Chance that `arm` pays, arms independent and uniform."""
    return Fraction(counts[2 * arm] + 1, counts[2 * arm] + counts[2 * arm + 1] + 2)


def anti_correlated(counts, arm):
    """Chance that `arm` pays, p_2 = 1 - p_1 uniform: rewards here and failures there say the same."""
    good = counts[2 * arm] + counts[3 - 2 * arm]
    return Fraction(good + 1, sum(counts) + 2)


def outcomes(counts, arm):
    """Counts (s1, f1, s2, f2) after a reward on `arm`, and after a failure."""
    return [tuple(n + (i == 2 * arm + miss) for i, n in enumerate(counts)) for miss in (0, 1)]


def value_of(pick, chance, horizon):
    """Exact expected reward of an episode when the best of the arms in `pick(counts)` is taken."""

    @cache
    def value(counts):
        if sum(counts) == horizon:
            return Fraction(0)
        best = []
        for arm in pick(counts):
            p = chance(counts, arm)
            paid, failed = outcomes(counts, arm)
            best.append(p * (1 + value(paid)) + (1 - p) * value(failed))
        return max(best)

    return value((0, 0, 0, 0))


def picked_by(observer):
    def pick(counts):
        n = np.array([counts])
        return [int(observer.choose(n[:, ::2], n[:, 1::2], np.random.default_rng(0))[0])]

    return pick


@pytest.mark.parametrize("horizon", [1, 2, 3, 7])
def test_bayes_optimal_is_the_brute_force_optimum(horizon):
    optimum = value_of(lambda counts: (0, 1), independent, horizon)
    observer = BayesOptimal(horizon)
    assert observer.expected_reward == pytest.approx(float(optimum), abs=1e-12)
    assert (
        value_of(picked_by(observer), independent, horizon) == optimum
    )  # its choices too, not only its value


def test_greed_on_pooled_evidence_is_optimal_for_anti_correlated_arms():
    optimum = value_of(lambda counts: (0, 1), anti_correlated, 7)
    assert value_of(picked_by(AntiCorrelatedOptimum()), anti_correlated, 7) == optimum
    assert value_of(picked_by(GreedyMean()), anti_correlated, 7) < optimum  # the comparison can fail


def test_bayes_optimal_breaks_ties_evenly():
    start = np.zeros((2000, 2), dtype=int)
    assert BayesOptimal(5).choose(start, start, np.random.default_rng(0)).mean() == pytest.approx(
        0.5, abs=0.05
    )


def test_bayes_optimal_limits():
    with pytest.raises(ValueError, match=r"horizon must lie in 1\.\.200 trials, got 0"):
        BayesOptimal(0)
    with pytest.raises(ValueError, match="solved for 2 arms and 3 trials, got 2 arms, trial 4"):
        simulate(BayesOptimal(3), np.full((5, 2), 0.5), 4, np.random.default_rng(0))


def test_exact_regret_of_the_bayes_optimum():
    assert 200 / 3 - BayesOptimal(100).expected_reward == pytest.approx(1.75, abs=0.005)


def draw_arms(distribution, rng):
    if distribution == "independent":
        return rng.random((EPISODES, 2))
    low = {"uniform": None, "easy": 0.1, "medium": 0.25, "hard": 0.4}[distribution]
    first = rng.random(EPISODES) if low is None else rng.choice([low, 1 - low], EPISODES)
    return np.stack([first, 1 - first], axis=1)


# Expected cumulative regret over 100 trials, from 20,000 episodes a cell (standard error below 0.06).
REGRETS = {
    "independent": (BayesOptimal(100), [1.75, 2.80, 4.1, 5.6, 2.7]),
    "uniform": (AntiCorrelatedOptimum(), [1.21, 2.79, 4.2, 6.0, 2.15]),
    "easy": (AntiCorrelatedOptimum(), [0.62, 2.14, 3.9, 6.3, 0.63]),
    "medium": (AntiCorrelatedOptimum(), [1.00, 3.0, 4.7, 7.0, 1.9]),
    "hard": (AntiCorrelatedOptimum(), [2.25, 4.1, 4.9, 6.0, 4.7]),
}


@pytest.mark.parametrize("distribution", REGRETS)
def test_regrets_of_the_observers(distribution):
    rng = np.random.default_rng(1)
    p_reward = draw_arms(distribution, rng)
    optimum, expected = REGRETS[distribution]
    observers = [optimum, Thompson(), UpperConfidence(1), UpperConfidence(2), GreedyMean()]
    for observer, reference in zip(observers, expected, strict=True):
        choice, _ = simulate(observer, p_reward, TRIALS, rng)
        regret = compute_regret(choice, p_reward)
        error = regret.std() / np.sqrt(EPISODES)
        assert regret.mean() == pytest.approx(reference, abs=3 * np.hypot(error, 0.03) + 0.05), observer


def test_regret_counts_what_reward_lacks():
    rng = np.random.default_rng(2)
    p_reward = rng.random((EPISODES, 2))
    choice, reward = simulate(Thompson(), p_reward, TRIALS, rng)
    lacking = TRIALS * p_reward.max(axis=1) - reward.sum(axis=1)
    assert (lacking - compute_regret(choice, p_reward)).mean() == pytest.approx(
        0, abs=4 * 4.1 / np.sqrt(EPISODES)
    )


def test_thompson_chooses_with_the_posterior_probability_of_being_best():
    rewards, failures = np.tile([3, 1], (20_000, 1)), np.tile([2, 4], (20_000, 1))
    p = np.linspace(0, 1, 10_001)
    second_best = np.trapezoid(beta.pdf(p, 2, 5) * beta.cdf(p, 4, 3), p)
    chosen = Thompson().choose(rewards, failures, np.random.default_rng(3))
    assert chosen.mean() == pytest.approx(second_best, abs=0.01)


def test_upper_confidence_by_hand():
    # Means .6 and .5, bonus sqrt(ln 14 / n) = .51 and .81: the less tried arm. At chi 0 the better one.
    rewards, failures, rng = np.array([[6, 2]]), np.array([[4, 2]]), np.random.default_rng(0)
    assert UpperConfidence(1).choose(rewards, failures, rng) == 1
    assert UpperConfidence(0).choose(rewards, failures, rng) == 0
    # They are equal at chi = (.1 / (1/sqrt 4 - 1/sqrt 10))^2 / ln 14 = .1122.
    assert UpperConfidence(0.1115).choose(rewards, failures, rng) == 0
    assert UpperConfidence(0.1130).choose(rewards, failures, rng) == 1
    untried = np.array([[5, 0, 0]])
    drawn = [UpperConfidence(0).choose(untried, untried * 0, rng).item() for _ in range(50)]
    assert set(drawn) == {1, 2}  # every arm once, first


def test_simulation_is_repeatable_and_counts_its_own_choices():
    p_reward = np.tile([0.0, 1.0], (50, 1))
    twice = [simulate(GreedyMean(), p_reward, 20, np.random.default_rng(7)) for _ in range(2)]
    assert (twice[0][0] == twice[1][0]).all()
    choice, reward = twice[0]
    assert (reward == choice).all()  # arm 1 always pays, arm 0 never
    assert (choice[:, 1:] == 1).all()  # one failure, or one reward, is enough


def test_regret_by_hand():
    p_reward = np.array([[0.2, 0.7], [0.5, 0.5], [0.9, 0.1]])
    choice = np.array([[0, 1, 0, -1], [0, 1, 0, 1], [-1, -1, -1, -1]])
    regret = compute_regret(choice, p_reward)
    assert regret[:2] == pytest.approx([1.0, 0.0])
    assert np.isnan(regret[2])
    relabelled = np.where(choice < 0, -1, 1 - choice)
    assert compute_regret(relabelled, p_reward[:, ::-1])[:2] == pytest.approx([1.0, 0.0])


def test_regret_follows_drifting_arms():
    p_reward = np.array([[[0.2, 0.8], [0.9, 0.1]]])  # the best arm changes after the first trial
    assert compute_regret(np.array([[1, 1]]), p_reward) == pytest.approx([0.8])


def test_regret_refuses_arms_that_do_not_fit():
    with pytest.raises(ValueError, match=r"p_reward \(1, 2\) does not fit choice \(1, 1\) with arms up to 2"):
        compute_regret(np.array([[2]]), np.array([[0.1, 0.9]]))
