import numpy as np
import pytest

from pfc_da.analysis.choice_models.likelihood import arrange_trials, compute_likelihood
from pfc_da.analysis.choice_models.models import MODELS, get_model, simulate_model

AGENTS, SESSIONS, TRIALS = 3, 2, 40
MISSING = 0.15


def typical(model, rng, agents=AGENTS):
    return {each.name: rng.uniform(*each.typical, agents) for each in model.parameters}


def simulate(model, rng):
    """Choices of drawn agents with some trials missing, and the parameters they were drawn with."""
    parameters = typical(model, rng)
    p_reward = np.where(np.arange(TRIALS)[:, None] // 10 % 2, [0.2, 0.8], [0.7, 0.3])
    choice, reward = simulate_model(model, parameters, np.tile(p_reward, (SESSIONS, 1, 1)), rng=rng)
    choice[rng.random(choice.shape) < MISSING] = -1
    reward[rng.random(choice.shape) < MISSING] = np.nan
    return choice, reward, parameters


def lay_out(model, n_windows):
    columns, first = {}, 0
    for parameter in model.parameters:
        columns[parameter.name] = slice(first, first + n_windows)
        first += n_windows
    return columns


def naive_log_likelihood(name, choice, reward, window, values):
    """One agent, one session at a time, written from the equations of the docstrings and from nothing else."""
    coupled = name.endswith("_coupled")
    kind = name.removesuffix("_coupled")
    total = 0.0
    for session in range(len(choice)):
        v, associability, variance, last = [0.5, 0.5], [1.0, 1.0], [0.5, 0.5], 0
        p_first = 0.5  # of win-stay-lose-shift
        for c, r, w in zip(choice[session], reward[session], window[session], strict=True):
            if c < 0 or np.isnan(r):
                continue
            now = {key: value[w] for key, value in values.items()}
            lapse, alpha = now.get("lapse", 0.0), now.get("learning_rate", 0.5)
            if kind == "win_stay_lose_shift":
                p = [p_first, 1 - p_first]
            else:
                logit = now["inverse_temperature"] * (v[1] - v[0]) + now.get("perseveration", 0.0) * last
                p = [1 / (1 + np.exp(logit)), 1 / (1 + np.exp(-logit))]
            total += np.log((1 - lapse) * p[c] + lapse / 2)
            p_first, last = float((c == 0) == (r == 1)), 2 * c - 1
            for option in (0, 1):
                updated = option == c or coupled
                error = (r if option == c else 1 - r) - v[option]
                if kind == "pearce_hall" and updated:
                    v[option] += alpha * associability[option] * error
                    eta = now["associability_rate"]
                    associability[option] += eta * (abs(error) - associability[option])
                elif kind == "kalman":
                    gain = variance[option] / (variance[option] + 1)
                    if updated:
                        v[option] += gain * error
                        variance[option] = gain
                    variance[option] += alpha**2 / (1 - alpha)
                elif updated:
                    v[option] += alpha * error
    return total


@pytest.mark.parametrize("name", MODELS)
def test_likelihood_is_that_of_a_naive_loop_with_missing_trials_skipped(name):
    rng = np.random.default_rng(0)
    model = get_model(name)
    choice, reward, parameters = simulate(model, rng)
    window = rng.integers(2, size=choice.shape)
    columns = lay_out(model, 2)
    theta = np.stack([parameters[each.name] for each in model.parameters], axis=1).repeat(2, axis=1)
    theta[:, 1::2] *= 0.9
    log_likelihood, _, _ = compute_likelihood(
        model, columns, arrange_trials(model, choice, reward, window), theta
    )
    for agent in range(AGENTS):
        values = {key: theta[agent, column] for key, column in columns.items()}
        naive = naive_log_likelihood(name, choice[agent], reward[agent], window[agent], values)
        assert log_likelihood[agent] == pytest.approx(naive, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_score_is_the_finite_difference(name):
    rng = np.random.default_rng(1)
    model = get_model(name)
    choice, reward, parameters = simulate(model, rng)
    trials = arrange_trials(model, choice, reward, rng.integers(2, size=choice.shape))
    columns = lay_out(model, 2)
    theta = np.stack([parameters[each.name] for each in model.parameters], axis=1).repeat(2, axis=1)
    theta[:, 1::2] *= 0.9
    _, score, _ = compute_likelihood(model, columns, trials, theta)
    step = 1e-5
    for column in range(theta.shape[1]):
        moved = [
            compute_likelihood(
                model, columns, trials, theta + sign * step * (np.arange(theta.shape[1]) == column)
            )
            for sign in (1, -1)
        ]
        difference = (moved[0][0] - moved[1][0]) / (2 * step)
        assert score[:, column] == pytest.approx(difference, rel=1e-5, abs=1e-5)


def test_information_is_the_mean_outer_product_of_scores():
    """At the parameters that choices were drawn with, scores have mean 0 and the information as covariance."""
    rng = np.random.default_rng(2)
    model = get_model("abe_coupled")
    values = {"learning_rate": 0.3, "inverse_temperature": 4.0, "lapse": 0.2}
    p_reward = np.tile([0.3, 0.7], (1, 60, 1))
    many = {name: np.full(4000, value) for name, value in values.items()}
    choice, reward = simulate_model(model, many, p_reward, rng=rng)
    theta = np.tile(list(values.values()), (4000, 1))
    _, score, information = compute_likelihood(
        model, lay_out(model, 1), arrange_trials(model, choice, reward, None), theta
    )
    error = score.std(axis=0) / np.sqrt(4000)
    assert (np.abs(score.mean(axis=0)) < 4 * error).all()
    assert np.cov(score.T) == pytest.approx(information.mean(axis=0), rel=0.15, abs=1)


def test_certain_choices_have_a_finite_likelihood_and_score():
    model = get_model("abe_coupled")
    choice = np.zeros((1, 1, 30), dtype=int)  # always the option that never pays
    trials = arrange_trials(model, choice, np.zeros(choice.shape), None)
    found = compute_likelihood(model, lay_out(model, 1), trials, np.array([[1.0, 50.0, 0.0]]))
    assert all(np.isfinite(each).all() for each in found)
    assert found[0] == pytest.approx([np.log(0.5) - 29 * 50])


def refuse(match, choice=((0, 1, 1),), reward=((0, 1, 0),), window=None):
    choice, reward = np.array([choice]), np.array([reward], dtype=float)
    with pytest.raises(ValueError, match=match):
        arrange_trials(get_model("ab"), choice, reward, window)


def test_input_that_means_something_else_is_refused():
    refuse(r"must both be \(agent, session, trial\), got \(1, 1, 3\), \(1, 1, 2\)", reward=((0, 1),))
    refuse(r"take integers 0, 1 or -1, got \[1 2\]", choice=((1, 2, 1),))
    refuse(r"take integers 0, 1 or -1", choice=((0.0, 1.0, 1.0),))
    refuse(r"rewards must lie in \[0, 1\], got 0 to 4; divide them", reward=((0, 4, 0),))
    refuse("agent 0 has no choice with a reward", choice=((-1, -1, -1),))
    refuse(r"window \(2,\) does not broadcast to choice \(1, 1, 3\)", window=[0, 1])
    refuse("window must hold integers from 0", window=[0, -1, 1])
    refuse("window must hold integers from 0", window=[0.0, 1.0, 1.0])
    refuse("agent 0 has no trial in window 1", window=[0, 2, 2])
