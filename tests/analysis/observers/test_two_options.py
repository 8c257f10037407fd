import itertools
from functools import cache

import numpy as np
import pytest
from scipy import stats

from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.two_options import encode_outcome, filter_outcomes
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.errors import InputError

SCHEDULE = ScheduleObserver(p_stable=0.75, p_volatile=0.8, run_trials=(20, 40), phase_trials=120)
OUTCOMES = np.array(list(itertools.product([0, 1], repeat=4)))


def likelihood(outcome, p_first):
    return np.prod([p if y else 1 - p for y, p in zip(outcome, p_first, strict=True)])


# --- the learner of Behrens et al. ---


def paths_of_learner(learner, n_trials):
    """Every path of (r, v) under every k with its prior probability, by the densities of the paper."""
    r, v, k = learner.r, learner.v, learner.k

    @cache
    def step_r(new, old, v):
        density = stats.beta.pdf(r, 1 + np.exp(-v) * old, 1 + np.exp(-v) * (1 - old))
        return density[list(r).index(new)] / density.sum()

    @cache
    def step_v(new, old, k):
        density = stats.norm.pdf(v, old, np.exp(k))
        return density[list(v).index(new)] / density.sum()

    for speed in k:
        for path in itertools.product(itertools.product(r, v), repeat=n_trials):
            p = 1 / (len(r) * len(v) * len(k))
            for (r0, v0), (r1, v1) in itertools.pairwise(path):
                p *= step_v(v1, v0, speed) * step_r(r1, r0, v1)
            yield p, np.array(path)


def test_the_learner_is_the_sum_over_every_path_of_its_hidden_world():
    class Coarse(VolatilityLearner):  # few points, and ranges in which every step has some chance
        v = -np.log([2.0, 30.0])
        k = np.log([0.5, 3.0])

    learner = Coarse(n_r=3, n_v=2, n_k=2)
    beliefs = filter_outcomes(learner, OUTCOMES)
    p, paths = map(np.array, zip(*paths_of_learner(learner, 4), strict=True))
    assert p.sum() == pytest.approx(1)
    for outcome, p_first, volatility in zip(OUTCOMES, beliefs.p_first, beliefs.volatility, strict=True):
        for trial in range(4):
            seen = [likelihood(outcome[:trial], path[:trial, 0]) for path in paths]
            weight = p * seen / (p @ seen)
            assert p_first[trial] == pytest.approx(weight @ paths[:, trial, 0], abs=1e-5)
            assert volatility[trial] == pytest.approx(weight @ paths[:, trial, 1], abs=1e-5)


def test_nothing_seen_nothing_learned_and_missing_trials_only_pass():
    blank = filter_outcomes(VolatilityLearner(), np.full((1, 30), -1))
    assert blank.p_first == pytest.approx(0.5, abs=1e-5)
    outcome = np.array([[1, 1, np.nan, 1, 0, 0.0]])
    gap = filter_outcomes(VolatilityLearner(), outcome).p_first[0]
    assert gap[2] > gap[3] > 0.5  # on the way back while nothing is seen


def test_options_are_alike():
    rng = np.random.default_rng(0)
    outcome = rng.integers(0, 2, (3, 40))
    one, other = (filter_outcomes(VolatilityLearner(), y) for y in (outcome, 1 - outcome))
    assert one.p_first == pytest.approx(1 - other.p_first, abs=1e-4)
    assert one.volatility == pytest.approx(other.volatility, abs=1e-3)


def test_a_finer_grid_believes_the_same(draw_schedule):
    p_reward, _ = draw_schedule(12, np.random.default_rng(1))
    outcome = (np.random.default_rng(2).random((12, 240)) < p_reward[..., 0]).astype(int)
    coarse = filter_outcomes(VolatilityLearner(), outcome)
    fine = filter_outcomes(VolatilityLearner(n_r=40, n_v=30, n_k=20), outcome)
    assert np.abs(coarse.p_first - fine.p_first).max() < 0.05
    assert np.sqrt(np.mean((coarse.p_first - fine.p_first) ** 2)) < 0.01
    assert np.corrcoef(coarse.volatility.ravel(), fine.volatility.ravel())[0, 1] > 0.99


def test_volatility_rises_where_the_world_changes_and_falls_where_it_does_not():
    rng = np.random.default_rng(3)
    steady = rng.random((30, 240)) < 0.8
    changing = rng.random((30, 240)) < np.where(np.arange(240) // 15 % 2, 0.95, 0.05)
    calm, busy = (filter_outcomes(VolatilityLearner(), y.astype(int)) for y in (steady, changing))
    assert calm.volatility[:, -1].mean() < calm.volatility[:, 0].mean() - 1
    assert busy.volatility[:, -1].mean() > calm.volatility[:, -1].mean() + 2
    assert calm.p_first[:, -20:].mean() == pytest.approx(0.8, abs=0.04)


# --- the observer that knows the schedule ---


def worlds(n_trials, phase_trials, run_trials, p_stable, p_volatile):
    """Every course of p_first that the schedule allows, with its probability and the phases."""
    lengths = range(run_trials[0], run_trials[1] + 1)
    n_runs = phase_trials // run_trials[0] + 1
    for order, *starts in itertools.product([0, 1], repeat=3):
        for runs in itertools.product(lengths, repeat=n_runs):
            p_first, phases = [], []
            for trial in range(n_trials):
                second = trial >= phase_trials
                volatile = order != second
                into = trial - phase_trials * second
                changes = int((into >= np.cumsum(runs)).sum()) if volatile else 0
                p = p_volatile if volatile else p_stable
                p_first.append(p if (starts[second] + changes) % 2 == 0 else 1 - p)
                phases.append(volatile)
            yield 1 / 8 / len(lengths) ** n_runs, p_first, phases


@pytest.mark.parametrize("run_trials", [(1, 3), (2, 2), (2, 3)])
def test_the_schedule_observer_is_the_sum_over_every_schedule(run_trials):
    n_trials = 7
    observer = ScheduleObserver(p_stable=0.7, p_volatile=0.9, run_trials=run_trials, phase_trials=4)
    outcomes = np.random.default_rng(0).integers(0, 2, (3, n_trials))
    beliefs = filter_outcomes(observer, outcomes)
    p, p_first, volatile = map(np.array, zip(*worlds(n_trials, 4, run_trials, 0.7, 0.9), strict=True))
    assert p.sum() == pytest.approx(1)
    for session, outcome in enumerate(outcomes):
        for trial in range(n_trials):
            seen = np.where(outcome[:trial], p_first[:, :trial], 1 - p_first[:, :trial]).prod(axis=1)
            weight = p * seen / (p @ seen)
            assert beliefs.p_first[session, trial] == pytest.approx(weight @ p_first[:, trial])
            assert beliefs.volatility[session, trial] == pytest.approx(weight @ volatile[:, trial])


def test_with_a_constant_hazard_it_is_the_sum_over_every_way_to_change():
    observer = ScheduleObserver(
        p_stable=0.7, p_volatile=0.9, run_trials=(2, 4), phase_trials=3, runs="geometric"
    )
    outcomes = np.random.default_rng(1).integers(0, 2, (3, 6))
    beliefs = filter_outcomes(observer, outcomes)
    weights, p_first, phases = [], [], []
    for order, *starts in itertools.product([0, 1], repeat=3):
        for changes in itertools.product(
            [0, 1], repeat=2
        ):  # after each but the last trial of the volatile phase
            n = sum(changes)
            weights.append(1 / 8 * (1 / 3) ** n * (2 / 3) ** (2 - n))
            volatile = [order != (trial >= 3) for trial in range(6)]
            since = [0, changes[0], n]
            better = [
                (starts[trial >= 3] + (since[trial % 3] if volatile[trial] else 0)) % 2 for trial in range(6)
            ]
            p = [0.9 if each else 0.7 for each in volatile]
            p_first.append([own if side == 0 else 1 - own for own, side in zip(p, better, strict=True)])
            phases.append(volatile)
    p, p_first, volatile = map(np.array, (weights, p_first, phases))
    assert p.sum() == pytest.approx(1)
    for session, outcome in enumerate(outcomes):
        for trial in range(6):
            seen = np.where(outcome[:trial], p_first[:, :trial], 1 - p_first[:, :trial]).prod(axis=1)
            weight = p * seen / (p @ seen)
            assert beliefs.p_first[session, trial] == pytest.approx(weight @ p_first[:, trial])
            assert beliefs.volatility[session, trial] == pytest.approx(weight @ volatile[:, trial])


def test_who_knows_the_schedule_tells_the_phases_apart(draw_schedule):
    p_reward, volatile = draw_schedule(100, np.random.default_rng(4))
    outcome = (np.random.default_rng(5).random(volatile.shape) < p_reward[..., 0]).astype(int)
    believed = filter_outcomes(SCHEDULE, outcome).volatility > 0.5
    right = believed == volatile
    assert right[:, :5].mean() < 0.65 < 0.95 < right[:, 80:].mean()


# --- choices ---


def both(observer, p_reward, rng):
    made = simulate_choices(observer, p_reward, rng=rng)
    return made.choice, made.reward


def earn(choice, p_reward):
    return np.take_along_axis(p_reward, choice[..., None].astype(int), -1)[..., 0]


def test_the_ideal_earns_most_and_the_learner_more_than_chance(draw_schedule):
    rng = np.random.default_rng(6)
    p_reward, volatile = draw_schedule(200, rng)
    gain = {}
    for name, observer in (("ideal", SCHEDULE), ("learner", VolatilityLearner())):
        choice, reward = both(observer, p_reward, rng)
        gain[name] = earn(choice, p_reward)
        assert reward.mean() == pytest.approx(gain[name].mean(), abs=4 * 0.5 / np.sqrt(reward.size))
    assert gain["ideal"].mean() == pytest.approx(0.7405, abs=0.004)
    assert gain["learner"].mean() == pytest.approx(0.7073, abs=0.0075)  # 3 standard errors
    assert gain["ideal"][volatile == 1].mean() > gain["learner"][volatile == 1].mean() + 0.03


def test_observers_take_the_better_option_and_draw_ties_evenly():
    p_reward = np.broadcast_to([0.9, 0.1], (2000, 2, 2))
    choice, reward = both(VolatilityLearner(), p_reward, np.random.default_rng(7))
    assert choice[:, 0].mean() == pytest.approx(0.5, abs=0.045)  # a tie
    outcome = encode_outcome(choice, reward)[:, 0]
    assert (choice[:, 1] == np.where(outcome == 1, 0, 1)).all()


def test_observers_repeat_themselves_with_the_same_seed(draw_schedule):
    p_reward, _ = draw_schedule(3, np.random.default_rng(8))
    twice = [both(VolatilityLearner(), p_reward, np.random.default_rng(9)) for _ in range(2)]
    assert (twice[0][0] == twice[1][0]).all() and (twice[0][1] == twice[1][1]).all()


def test_outcomes_by_hand():
    choice = np.array([[0, 0, 1, 1, -1]])
    assert encode_outcome(choice, np.array([[1, 0, 1, 0, 0.0]])).tolist() == [[1, 0, 0, 1, -1]]


def test_what_is_not_an_outcome_or_an_option_is_refused():
    with pytest.raises(InputError, match=r"outcome must be \(session, trial\) of 0 and 1.*\[0\.5\]"):
        filter_outcomes(VolatilityLearner(), np.full((1, 2), 0.5))
    with pytest.raises(
        InputError, match=r"schedule must be \(session, trial, option\), got the shape \(2, 3\)"
    ):
        both(VolatilityLearner(), np.ones((2, 3)), np.random.default_rng(0))
    with pytest.raises(InputError, match=r"run_trials must be the fewest and the most, got \(5, 3\)"):
        ScheduleObserver(p_stable=0.7, p_volatile=0.8, run_trials=(5, 3), phase_trials=10)
