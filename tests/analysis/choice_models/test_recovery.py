from itertools import chain

import numpy as np
import pytest

from benchmarks.model_recovery import DISTINGUISHABLE
from pfc_da.analysis.choice_models.models import MODELS, get_model
from pfc_da.analysis.choice_models.recovery import (
    ModelRecovery,
    draw_volatile_schedules,
    recover_models,
    recover_parameters,
)


def recover_sets(agents, rng):
    """The sets of models that one session tells apart, from one recovery of all that are in them."""
    models = [get_model(name) for name in dict.fromkeys(chain(*DISTINGUISHABLE))]
    recovery = recover_models(models, draw_volatile_schedules(agents, rng=rng), rng=rng)
    return [recovery.among(names) for names in DISTINGUISHABLE]


def test_schedules_are_those_of_the_experiment():
    p = draw_volatile_schedules(200, 2, rng=np.random.default_rng(0))
    assert p.shape == (200, 2, 240, 2)
    assert np.allclose(p.sum(axis=-1), 1)
    first = p[..., 0].reshape(400, 2, 120)
    stable_first = np.isin(first[:, 0, 0], (0.25, 0.75))
    assert 0.4 < stable_first.mean() < 0.6
    stable = np.where(stable_first[:, None], first[:, 0], first[:, 1])
    volatile = np.where(stable_first[:, None], first[:, 1], first[:, 0])
    assert (stable == stable[:, :1]).all() and np.isin(stable, (0.25, 0.75)).all()
    assert np.isin(volatile.round(9), (0.2, 0.8)).all()
    for session in volatile:
        lengths = np.diff(np.flatnonzero(np.diff(session, prepend=0) != 0))
        assert ((lengths >= 20) & (lengths <= 40)).all()
    assert 2.5 < (np.diff(volatile) != 0).sum(axis=1).mean() < 4


def test_confusion_counts_the_lowest_bic_and_forgets_models_left_out():
    bic = np.array(
        [[[1, 5, 3], [2, 1, 9], [0, 9, 9.0]], [[4, 4, 4], [3, 5, 3], [9, 9, 9]], [[5] * 3, [6] * 3, [4] * 3]]
    )
    recovery = ModelRecovery(names=("x", "y", "z"), bic=bic)
    assert recovery.confusion.tolist() == [[1, 1, 1], [1, 2, 0], [0, 0, 3]]
    assert recovery.found == pytest.approx([1 / 3, 2 / 3, 1])
    assert recovery.among(["y", "x"]).confusion.tolist() == [[2, 1], [1, 2]]
    with pytest.raises(ValueError, match=r"\['w'\] were not recovered; there are x, y, z"):
        recovery.among(["x", "w"])


@pytest.mark.parametrize("name", ["ab", "ab_coupled"])
def test_parameters_are_recovered_from_one_session(name):
    """Quick form; 200 agents are in the slow test."""
    rng = np.random.default_rng(1)
    recovery = recover_parameters(get_model(name), draw_volatile_schedules(80, rng=rng), rng=rng)
    assert recovery.correlate_ranks("learning_rate") >= 0.8
    assert recovery.correlate_ranks("inverse_temperature") >= 0.8
    assert abs(np.corrcoef(recovery.true["learning_rate"], recovery.true["inverse_temperature"])[0, 1]) < 0.3


def test_models_that_differ_enough_are_told_apart_in_one_session():
    """Quick form; 200 agents are in the slow test."""
    for recovery in recover_sets(25, np.random.default_rng(2)):
        assert (recovery.confusion.sum(axis=1) == 25).all()
        assert recovery.found.min() >= 0.7 and recovery.found.mean() >= 0.8, recovery.names


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ab", "ab_coupled"])
def test_parameters_of_200_agents_are_recovered_from_240_trials(name):
    """Over 12 draws of 200 agents; one agent whose inverse temperature runs off to its bound can halve a Pearson."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        recovery = recover_parameters(get_model(name), draw_volatile_schedules(200, rng=rng), rng=rng)
        pair = "learning_rate", "inverse_temperature"
        found.append(
            [compute(each) for compute in (recovery.correlate, recovery.correlate_ranks) for each in pair]
        )
    assert (np.median(found, axis=0)[:2] >= (0.85, 0.8)).all()
    assert (np.min(found, axis=0)[2:] >= (0.85, 0.8)).all()


@pytest.mark.slow
def test_models_of_200_agents_are_told_apart_in_240_trials():
    for recovery in recover_sets(200, np.random.default_rng(4)):
        assert recovery.found.min() >= 0.8, recovery.names


@pytest.mark.slow
def test_twenty_sessions_tell_apart_what_one_does_not():
    """So it is not the fit that confuses models, but that one session says too little."""
    rng = np.random.default_rng(5)
    names = ["b", "ab", "be", "abe", "pearce_hall", "kalman", "perseveration"]
    p_reward = draw_volatile_schedules(40, 20, rng=rng)
    found = dict(
        zip(names, recover_models([get_model(name) for name in names], p_reward, rng=rng).found, strict=True)
    )
    assert min(found.values()) >= 0.55
    assert min(found[name] for name in ("b", "pearce_hall", "kalman", "perseveration")) >= 0.9


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"p_reward must be \(agent, session, trial, action\), got \(3, 2\)"):
        recover_parameters(MODELS["ab"], np.ones((3, 2)), rng=np.random.default_rng(0))
