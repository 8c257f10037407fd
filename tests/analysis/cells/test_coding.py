"""Coding of cells in short windows: planted codes are found, drift is not, and too few trials say so."""

import numpy as np
import pytest

from pfc_da.analysis.cells.coding import LEVEL, compute_coding, compute_floor
from pfc_da.analysis.cells.sessions import find_regressors

N = 300


@pytest.fixture(scope="module")
def regressors():
    rng = np.random.default_rng(0)
    p = np.where(np.arange(N) // 60 % 2, 0.8, 0.2)
    choice = (rng.random(N) < p).astype(int)
    return find_regressors(choice, (rng.random(N) < np.where(choice == 1, p, 1 - p)).astype(float))


def draw(rates, seed=1):
    return np.random.default_rng(seed).poisson(np.maximum(rates, 0.1)).astype(float)


@pytest.mark.parametrize("corrected", [True, False])
def test_planted_codes_are_told_apart(regressors, corrected):
    planted = ("last_choice", "choice", "last_reward")
    rates = np.stack([8 + 4 * np.nan_to_num(regressors[name]) for name in planted], axis=1)
    p = compute_coding(draw(rates), regressors, n_trials=N, corrected=corrected, rng=np.random.default_rng(0))
    assert set(p) == {*planted, "last_interaction", "object_value", "chosen_value"}
    for unit, name in enumerate(planted):
        assert p[name][unit] < 0.02
    assert (
        np.mean([p[name][unit] > LEVEL for unit, own in enumerate(planted) for name in p if name != own])
        > 0.8
    )


def test_drift_passes_the_t_test_and_not_the_correction(regressors):
    rng = np.random.default_rng(2)
    walks = np.cumsum(rng.normal(size=(N, 150)), axis=0)
    rates = 10 + 4 * (walks - walks.mean(0)) / walks.std(0)
    found = {
        corrected: compute_coding(draw(rates), regressors, n_trials=N, corrected=corrected, rng=rng)
        for corrected in (True, False)
    }
    by_t_test, corrected = (np.mean(found[c]["object_value"] < LEVEL) for c in (False, True))
    assert by_t_test > 0.3
    assert corrected < 0.1


def test_cells_seen_on_other_trials_are_fitted_on_their_own(regressors):
    rates = np.stack([8 + 4 * regressors["choice"]] * 3, axis=1)
    counts = draw(rates)
    counts[:90, 1] = np.nan
    counts[50:, 2] = np.nan
    rng = np.random.default_rng(0)
    p = compute_coding(counts, regressors, n_trials=200, corrected=False, rng=rng)
    alone = {name: values[90:290] for name, values in regressors.items()}
    late = compute_coding(counts[90:290, 1:2], alone, n_trials=200, corrected=False, rng=rng)
    for name in p:
        assert p[name][1] == pytest.approx(late[name][0])  # its first 200 trials
        assert np.isnan(p[name][2])  # it has 50


def test_behaviour_that_tells_nothing_apart_gives_no_p_value():
    regressors = find_regressors(np.zeros(N, int), np.ones(N))
    p = compute_coding(
        draw(np.full((N, 2), 5.0)), regressors, n_trials=N, corrected=True, rng=np.random.default_rng(0)
    )
    assert all(np.isnan(values).all() for values in p.values())


def test_the_smallest_p_value_is_reached_and_no_smaller(regressors):
    for n_trials in (100, 200):
        strong = draw(20 + 19 * regressors["choice"][:n_trials, None])
        own = {name: values[:n_trials] for name, values in regressors.items()}
        p = compute_coding(strong, own, n_trials=n_trials, corrected=True, rng=np.random.default_rng(0))
        assert p["choice"][0] == pytest.approx(compute_floor("choice", n_trials))
        assert p["object_value"][0] >= compute_floor("object_value", n_trials)
    assert compute_floor("object_value", 100) > LEVEL > compute_floor("choice", 100)
