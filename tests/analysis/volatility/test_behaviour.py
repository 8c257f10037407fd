"""Reward as a share of that of observers, and trials to criterion."""

import pytest

from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.volatility import agents, behaviour

IDEAL = ScheduleObserver(p_stable=0.75, p_volatile=0.8, run_trials=(20, 40), phase_trials=120)


def test_the_share_of_the_observers_gain(simulate, rng, by_name):
    sessions = simulate([[0.1, 0.3], [0.2, 0.2]])
    simulated = agents.simulate_observers(sessions, {"ideal": IDEAL}, rng=rng)
    sessions.choice[0] = simulated["ideal"].choice[0]  # one animal is as good as the ideal
    sessions.choice[1] = rng.integers(0, 2, sessions.choice.shape[1:])  # and one chooses at random
    found = by_name(behaviour.summarise_rewards(sessions, simulated))
    assert found["reward_share", "ideal"].by_animal == pytest.approx([1, 0], abs=0.03)
    assert found["reward_share", "behrens"].by_animal[0] == pytest.approx(0.24 / 0.209, abs=0.06)
    assert found["expected_reward", "stable"].by_animal == pytest.approx([0.739, 0.5], abs=0.01)


def test_fast_learners_reach_the_criterion_sooner(simulate, rng):
    slow, fast = (simulate([[0.1, rate]] * 2, beta=20.0) for rate in (0.1, 0.5))
    trials = [behaviour.summarise_reversals(own).estimate for own in (fast, slow)]
    assert trials[0] < trials[1] - 2
