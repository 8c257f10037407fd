import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from pfc_da.analysis.choice_models.fisher_scoring import maximise

FAR = np.full(3, 20.0)


def plant(problems, rng, trials=200):
    design = rng.standard_normal((problems, trials, 3))
    weights = rng.uniform(-1.5, 1.5, (problems, 3))
    outcome = rng.random((problems, trials)) < 1 / (1 + np.exp(-np.einsum("ptk,pk->pt", design, weights)))
    return design, outcome


def logistic(design, outcome):
    """The `restrict` of logistic regressions, one a problem."""

    def restrict(rows):
        x, y = design[rows], outcome[rows]

        def likelihood(theta):
            logit = np.einsum("ptk,pk->pt", x, theta)
            p = 1 / (1 + np.exp(-logit))
            value = -np.logaddexp(0, np.where(y, -logit, logit)).sum(axis=1)
            score = np.einsum("ptk,pt->pk", x, y - p)
            return value, score, np.einsum("ptk,pt,ptl->pkl", x, p * (1 - p), x)

        return likelihood

    return restrict


def test_maximum_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    design, outcome = plant(12, rng)
    end, reached = maximise(logistic(design, outcome), rng.uniform(-3, 3, (12, 3)), -FAR, FAR)
    for x, y, weights, value in zip(design, outcome, end, reached, strict=True):
        oracle = sm.Logit(y.astype(float), x).fit(disp=False)
        assert weights == pytest.approx(oracle.params, abs=2e-3)
        assert value == pytest.approx(oracle.llf, abs=1e-5)


def test_maximum_at_the_bounds_is_that_of_scipy():
    rng = np.random.default_rng(1)
    design, outcome = plant(12, rng)
    low, high = np.array([-0.4, -20.0, 0.0]), np.array([0.4, 20.0, 0.3])
    start = np.tile([0.1, 0.0, 0.1], (12, 1))
    end, reached = maximise(logistic(design, outcome), start, low, high)
    at_bound = (end == low) | (end == high)
    assert at_bound[:, 0].sum() > 3 and at_bound[:, 2].sum() > 3 and not at_bound[:, 1].any()
    for row in range(12):
        one = logistic(design, outcome)(np.array([row]))
        oracle = minimize(
            lambda theta, one=one: -one(theta[None])[0][0],
            start[row],
            jac=lambda theta, one=one: -one(theta[None])[1][0],
            bounds=list(zip(low, high, strict=True)),
            method="L-BFGS-B",
        )
        assert reached[row] == pytest.approx(-oracle.fun, abs=1e-4)
        assert end[row] == pytest.approx(oracle.x, abs=0.02)


def test_a_problem_does_not_feel_its_neighbours():
    rng = np.random.default_rng(2)
    design, outcome = plant(8, rng)
    start = rng.uniform(-3, 3, (8, 3))
    together, _ = maximise(logistic(design, outcome), start, -FAR, FAR)
    alone, _ = maximise(logistic(design[5:6], outcome[5:6]), start[5:6], -FAR, FAR)
    assert together[5] == pytest.approx(alone[0], abs=1e-12)


def test_a_parameter_without_information_stays_where_it_was():
    rng = np.random.default_rng(3)
    design, outcome = plant(3, rng)
    design[:, :, 1] = 0
    start = np.tile([0.0, 1.7, 0.0], (3, 1))
    end, _ = maximise(logistic(design, outcome), start, -FAR, FAR)
    assert (end[:, 1] == 1.7).all()
    assert (end[:, [0, 2]] != 0).all()
