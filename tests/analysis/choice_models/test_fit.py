import numpy as np
import pytest
import statsmodels.api as sm

from pfc_da.analysis.choice_models.fit import (
    fit_model,
    spread_over_sessions,
)
from pfc_da.analysis.choice_models.likelihood import arrange_trials, compute_likelihood
from pfc_da.analysis.choice_models.models import MODELS, get_model, simulate_model


def reversals(sessions, trials, every=25):
    """80/20, the better option changing every so often and beginning with either."""
    better = (np.arange(trials) // every + np.arange(sessions)[:, None]) % 2
    first = np.where(better == 0, 0.8, 0.2)
    return np.stack([first, 1 - first], axis=-1), better


def simulate(name, parameters, rng, sessions=20, trials=100, window=None):
    p_reward, _ = reversals(sessions, trials)
    return simulate_model(get_model(name), parameters, p_reward, window=window, rng=rng)


@pytest.mark.parametrize("name", MODELS)
def test_planted_parameters_are_recovered_as_well_as_their_information_allows(name):
    rng = np.random.default_rng(0)
    model = get_model(name)
    true = {each.name: np.linspace(*each.typical, 4)[rng.permutation(4)] for each in model.parameters}
    choice, reward = simulate(name, true, rng, sessions=100)
    fit = fit_model(model, choice, reward, rng=rng)
    assert (fit.n_parameters, fit.n_trials.tolist()) == (len(true), [10_000] * 4)
    columns = {each: slice(i, i + 1) for i, each in enumerate(true)}
    theta = np.stack(list(true.values()), axis=1)
    trials = arrange_trials(model, choice, reward, None)
    at_truth, _, information = compute_likelihood(model, columns, trials, theta)
    standard_error = np.sqrt(np.einsum("aii->ai", np.linalg.inv(information)))
    error = np.stack(list(fit.parameters.values()), axis=1) - theta
    assert np.abs(error / standard_error).max() < 4
    gain = 2 * (fit.log_likelihood - at_truth)  # chi-square, as many degrees of freedom as parameters
    assert (gain >= 0).all() and gain.max() < 25


def test_half_learning_rate_is_logistic_regression():
    """With the rate fixed the values are data, and the inverse temperature a weight: statsmodels has the model."""
    rng = np.random.default_rng(1)
    choice, reward = simulate("b", {"inverse_temperature": 3.0}, rng, sessions=4, trials=80)
    fit = fit_model(get_model("b"), choice, reward, rng=rng)
    differences = []
    for session in range(4):
        v = np.full(2, 0.5)
        for c, r in zip(choice[0, session], reward[0, session], strict=True):
            differences.append(v[1] - v[0])
            v[c] += 0.5 * (r - v[c])
    oracle = sm.Logit(choice.ravel().astype(float), np.array(differences)).fit(disp=False)
    assert fit.parameters["inverse_temperature"][0] == pytest.approx(oracle.params[0], abs=1e-3)
    assert fit.log_likelihood[0] == pytest.approx(oracle.llf, abs=1e-5)
    assert fit.bic[0] == pytest.approx(oracle.bic, abs=1e-4)


def test_maximum_is_that_of_a_brute_force_grid():
    rng = np.random.default_rng(2)
    model = get_model("ab")
    choice, reward = simulate(
        "ab", {"learning_rate": 0.4, "inverse_temperature": 4.0}, rng, sessions=1, trials=40
    )
    fit = fit_model(model, choice, reward, rng=rng)
    rates, temperatures = np.linspace(0, 1, 201), np.linspace(0, 20, 201)
    best = -np.inf, None
    for rate in rates:
        v, total = np.full(2, 0.5), np.zeros(len(temperatures))
        for c, r in zip(choice[0, 0], reward[0, 0], strict=True):
            total -= np.log1p(np.exp(-temperatures * (v[c] - v[1 - c])))
            v[c] += rate * (r - v[c])
        best = max(best, (total.max(), (rate, temperatures[total.argmax()])))
    assert 0 <= fit.log_likelihood[0] - best[0] < 0.02
    assert fit.parameters["learning_rate"][0] == pytest.approx(best[1][0], abs=0.01)
    assert fit.parameters["inverse_temperature"][0] == pytest.approx(best[1][1], abs=0.2)


def test_a_model_within_another_is_never_more_likely():
    rng = np.random.default_rng(3)
    values = {"learning_rate": rng.uniform(0.1, 0.9, 20), "inverse_temperature": 4.0, "lapse": 0.2}
    choice, reward = simulate("abe", values, rng, sessions=1, trials=120)
    reached = {
        name: fit_model(get_model(name), choice, reward, rng=rng, n_starts=8).log_likelihood
        for name in ("b", "ab", "be", "abe", "perseveration", "pearce_hall")
    }
    within = (
        ("b", "ab"),
        ("b", "be"),
        ("ab", "abe"),
        ("be", "abe"),
        ("ab", "perseveration"),
        ("ab", "pearce_hall"),
    )
    for small, large in within:
        assert (reached[large] - reached[small]).min() > -1e-4, (small, large)


def test_block_specific_rates_win_for_two_planted_rates_and_lose_for_one():
    rng = np.random.default_rng(4)
    window = (np.arange(100) >= 50).astype(int)
    model = get_model("ab_coupled")
    preferred = []
    for rates in ([0.15, 0.45], [0.3, 0.3]):
        parameters = {"learning_rate": np.tile(rates, (20, 1)), "inverse_temperature": 5.0}
        choice, reward = simulate("ab_coupled", parameters, rng, sessions=20, window=window)
        one = fit_model(model, choice, reward, rng=rng)
        two = fit_model(model, choice, reward, window=window, rng=rng)
        assert (two.n_parameters, two.parameters["learning_rate"].shape) == (3, (20, 2))
        preferred.append((two.bic < one.bic).sum())
        assert two.parameters["learning_rate"].mean(axis=0) == pytest.approx(rates, abs=0.02)
    assert preferred[0] == 20
    assert preferred[1] <= 1


def test_windows_may_differ_between_sessions():
    rng = np.random.default_rng(5)
    window = np.broadcast_to(np.arange(40)[:, None] % 2, (40, 100))
    parameters = {"learning_rate": np.array([[0.15, 0.6]]), "inverse_temperature": 4.0}
    choice, reward = simulate("ab", parameters, rng, sessions=40, window=window)
    fit = fit_model(get_model("ab"), choice, reward, window=window, rng=rng)
    assert fit.parameters["learning_rate"][0] == pytest.approx([0.15, 0.6], abs=0.08)
    assert fit.parameters["inverse_temperature"] == pytest.approx([4], rel=0.15)


def test_a_window_that_is_everywhere_is_no_window():
    rng = np.random.default_rng(6)
    choice, reward = simulate("ab", {"learning_rate": 0.3, "inverse_temperature": 4.0}, rng)
    with_window = fit_model(get_model("ab"), choice, reward, window=0, rng=np.random.default_rng(0))
    without = fit_model(get_model("ab"), choice, reward, rng=np.random.default_rng(0))
    assert with_window.parameters["learning_rate"].shape == (1, 1)
    assert with_window.bic == pytest.approx(without.bic)


@pytest.mark.parametrize("name", ["perseveration", "kalman", "abe_coupled"])
def test_missing_trials_are_skipped(name):
    rng = np.random.default_rng(7)
    model = get_model(name)
    choice, reward = simulate(
        name, {each.name: np.mean(each.typical) for each in model.parameters}, rng, 5, 60
    )
    at = np.sort(rng.integers(0, 61, size=12))
    holes = np.insert(choice, at, -1, axis=-1), np.insert(reward, at, 1.0, axis=-1)
    blanks = np.insert(choice, at, 1, axis=-1), np.insert(reward, at, np.nan, axis=-1)
    whole = fit_model(model, choice, reward, rng=np.random.default_rng(0))
    for gappy in (holes, blanks):
        fit = fit_model(model, *gappy, rng=np.random.default_rng(0))
        assert fit.n_trials == whole.n_trials == 300
        assert fit.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_relabelled_options_and_reordered_sessions_change_nothing(name):
    rng = np.random.default_rng(8)
    model = get_model(name)
    choice, reward = simulate(
        name, {each.name: np.mean(each.typical) for each in model.parameters}, rng, 10, 60
    )
    fit = fit_model(model, choice, reward, rng=np.random.default_rng(0))
    turned = fit_model(model, 1 - choice[:, ::-1], reward[:, ::-1], rng=np.random.default_rng(0))
    assert turned.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-5)
    for each in fit.parameters:
        assert turned.parameters[each] == pytest.approx(fit.parameters[each], rel=0.01), each


def test_an_agent_is_fitted_as_if_alone():
    rng = np.random.default_rng(9)
    parameters = {"learning_rate": np.linspace(0.1, 0.8, 6), "inverse_temperature": 4.0}
    choice, reward = simulate("ab", parameters, rng, sessions=3)
    together = fit_model(get_model("ab"), choice, reward, rng=np.random.default_rng(0))
    alone = fit_model(get_model("ab"), choice[3:4], reward[3:4], rng=np.random.default_rng(0))
    assert together.parameters["learning_rate"][3] == pytest.approx(alone.parameters["learning_rate"][0])


def test_parameters_at_a_bound_are_named():
    rng = np.random.default_rng(10)
    lapsing = {"lapse": np.array([0.0, 0.3])}
    fit = fit_model(get_model("win_stay_lose_shift"), *simulate("win_stay_lose_shift", lapsing, rng), rng=rng)
    assert fit.at_bound["lapse"].tolist() == [True, False]
    choice, reward = simulate("b", {"inverse_temperature": np.array([0.0, 4.0])}, rng)
    fit = fit_model(get_model("b"), choice, 1 - reward, rng=rng)  # the second runs away from reward
    assert fit.at_bound["inverse_temperature"][1] and fit.parameters["inverse_temperature"][1] == 0
    assert fit.log_likelihood[1] == pytest.approx(2000 * np.log(0.5))


def test_windows_need_a_free_learning_rate():
    rng = np.random.default_rng(0)
    choice, reward = simulate("b", {"inverse_temperature": 2.0}, rng, sessions=1, trials=20)
    with pytest.raises(ValueError, match="b has no free learning_rate to fit by window"):
        fit_model(get_model("b"), choice, reward, window=np.arange(20) % 2, rng=rng)


def test_what_sessions_say_has_the_fit_as_its_mean_and_its_scatter_is_that_of_refits():
    """Against the jackknife that leaves out each session and fits anew, planted rates by window."""
    rng = np.random.default_rng(3)
    model, window = get_model("ab_coupled"), np.arange(120) // 60
    p_reward, _ = reversals(30, 120)
    simulated = {
        "learning_rate": np.array([[0.2, 0.5], [0.4, 0.3]]),
        "inverse_temperature": np.array([4.0, 5.0]),
    }
    choice, reward = simulate_model(model, simulated, p_reward, window=window, rng=rng)
    choice = choice.astype(int)
    fit = fit_model(model, choice, reward, window=window, rng=rng)
    found = spread_over_sessions(fit, choice, reward, window=window)
    kept = [np.delete(np.arange(30), session) for session in range(30)]
    refits = [
        fit_model(model, choice[:, own], reward[:, own], window=window, rng=rng, n_starts=1) for own in kept
    ]
    for name, values in fit.parameters.items():
        np.testing.assert_allclose(found[name].mean(1), values, atol=0.02)
        jackknife = np.stack([refit.parameters[name] for refit in refits], 1)
        error = np.sqrt(29 * jackknife.var(axis=1))
        np.testing.assert_allclose(found[name].std(axis=1, ddof=1) / np.sqrt(30), error, rtol=0.25)
