import numpy as np
import pytest

from pfc_da.analysis.choice_models.learners import Kalman, PearceHall, RescorlaWagner
from pfc_da.analysis.choice_models.models import MODELS, NO_NOISE, get_model, simulate_model

ONE = np.ones(1)


def run(learner, outcomes, *parameters):
    """Value of one option after every outcome."""
    state = tuple(np.full(1, start) for start in learner.start)
    values = []
    for outcome in outcomes:
        state, _, _ = learner.update(state, outcome - 0.5 * ONE, ONE, *parameters)
        values.append(0.5 + state[0][0])
    return np.array(values)


def schedule(p, trials, sessions=1):
    return np.tile([1 - p, p], (sessions, trials, 1))


# --- learners ---


def test_learners_by_hand():
    assert run(RescorlaWagner(), [1, 1, 0], 0.2) == pytest.approx([0.6, 0.68, 0.544])
    # errors .5, then .4 with associability 1 - .5 (1 - .5) = .75: .6 + .2 x .75 x .4
    assert run(PearceHall(), [1, 1], 0.2, 0.5) == pytest.approx([0.6, 0.66])


def test_without_learning_nothing_is_learnt():
    outcomes = np.random.default_rng(0).integers(2, size=20)
    for learner, rates in ((RescorlaWagner(), (0,)), (PearceHall(), (0, 0.5))):
        assert (run(learner, outcomes, *rates) == 0.5).all()


def test_pearce_hall_that_keeps_its_associability_is_rescorla_wagner():
    outcomes = np.random.default_rng(1).integers(2, size=50)
    assert run(PearceHall(), outcomes, 0.3, 0) == pytest.approx(run(RescorlaWagner(), outcomes, 0.3))


def test_pearce_hall_learns_faster_after_surprise():
    calm, upset = np.ones(30), np.tile([1, 0], 15)
    step = [run(PearceHall(), [*before, 1], 0.4, 0.3)[-2:] for before in (calm, upset)]
    share = [(after - before) / (1 - before) for before, after in step]
    assert share[1] > 3 * share[0]


def test_kalman_without_drift_is_the_mean_under_a_uniform_prior():
    """The first outcomes of a coin: (s + 1)/(n + 2), which the filter of equal variances meets exactly."""
    outcomes = np.random.default_rng(2).integers(2, size=40)
    counts = np.arange(1, 41)
    assert run(Kalman(), outcomes, 0.0) == pytest.approx((np.cumsum(outcomes) + 1) / (counts + 2))


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_kalman_settles_at_its_learning_rate(rate):
    values = run(Kalman(), [0] * 200 + [1], rate)
    assert (values[-1] - values[-2]) / (1 - values[-2]) == pytest.approx(rate, rel=1e-6)


def test_kalman_learns_faster_about_what_it_has_not_seen_for_long():
    state = (np.zeros(2), np.full(2, 0.1))
    for _ in range(20):
        state, _, _ = Kalman().update(state, np.zeros(2), np.array([1.0, 0.0]), 0.2)
    after, _, _ = Kalman().update(state, np.full(2, 0.5), np.ones(2), 0.2)
    seen, unseen = after[0] / 0.5
    assert seen == pytest.approx(0.2, abs=0.01)
    assert unseen > 0.5


def test_only_the_chosen_option_learns_unless_coupled():
    choice, reward = np.array([[1, 0]]), np.array([[1.0, 1.0]])
    target, chosen = get_model("ab").encode(choice, reward)
    assert chosen.tolist() == [[[0, 1]], [[1, 0]]] and target.tolist() == [[[0.5, 0.5]]] * 2
    target, chosen = get_model("ab_coupled").encode(choice, reward)
    assert chosen.tolist() == [[[1, 1]]] and target.tolist() == [[[0.5, -0.5]]]


# --- choices ---


def test_win_stay_lose_shift_does_what_it_says():
    rng = np.random.default_rng(3)
    model = get_model("win_stay_lose_shift")
    choice, reward = simulate_model(model, {"lapse": 0.0}, schedule(0.6, 500), rng=rng)
    stayed = choice[0, 0, 1:] == choice[0, 0, :-1]
    assert (stayed == (reward[0, 0, :-1] == 1)).all()
    choice, reward = simulate_model(model, {"lapse": 0.4}, schedule(0.6, 200, 100), rng=rng)
    stayed = choice[..., 1:] == choice[..., :-1]
    assert (stayed == (reward[..., :-1] == 1)).mean() == pytest.approx(0.8, abs=0.01)


def test_choices_without_temperature_or_with_lapse_are_random():
    rng = np.random.default_rng(4)
    p = schedule(0.9, 200, 100)
    blind, reward = simulate_model(get_model("b"), {"inverse_temperature": 0.0}, p, rng=rng)
    assert blind.mean() == pytest.approx(0.5, abs=0.02)
    assert reward[blind == 1].mean() == pytest.approx(0.9, abs=0.02)
    assert reward[blind == 0].mean() == pytest.approx(0.1, abs=0.02)
    sure = {"learning_rate": 0.1, "inverse_temperature": NO_NOISE}
    lapsing, _ = simulate_model(get_model("abe_coupled"), {**sure, "lapse": 0.3}, p, rng=rng)
    assert lapsing.mean() == pytest.approx(0.85, abs=0.02)


def test_perseveration_is_the_log_odds_of_repeating():
    rng = np.random.default_rng(5)
    parameters = {"learning_rate": 0.0, "inverse_temperature": 5.0, "perseveration": np.array([1.5, -1.0])}
    choice, _ = simulate_model(get_model("perseveration"), parameters, schedule(0.5, 200, 100), rng=rng)
    stay = (choice[..., 1:] == choice[..., :-1]).mean(axis=(1, 2))
    assert np.log(stay / (1 - stay)) == pytest.approx([1.5, -1.0], abs=0.08)


def test_coupled_agents_turn_sooner_after_a_reversal():
    rng = np.random.default_rng(6)
    p = np.concatenate([schedule(0.9, 30, 2000), schedule(0.1, 30, 2000)], axis=1)
    values = {"learning_rate": 0.3, "inverse_temperature": 6.0}
    late = [
        simulate_model(get_model(name), values, p, rng=rng)[0][0, :, 35:40].mean()
        for name in ("ab", "ab_coupled")
    ]
    assert late[1] < late[0] - 0.1


def test_windows_switch_the_parameters_of_an_agent():
    rng = np.random.default_rng(7)
    window = np.arange(2000) >= 1000
    parameters = {"inverse_temperature": np.array([[0.0, NO_NOISE]]), "learning_rate": 0.1}
    choice, _ = simulate_model(
        get_model("ab"), parameters, schedule(1.0, 2000), window=window.astype(int), rng=rng
    )
    assert choice[0, 0, :1000].mean() == pytest.approx(0.5, abs=0.05)
    assert choice[0, 0, 1000:].mean() > 0.99


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_draws_the_same_choices_again(name):
    model = get_model(name)
    values = {each.name: np.mean(each.typical) for each in model.parameters}
    twice = [
        simulate_model(model, values, schedule(0.7, 30, 3), rng=np.random.default_rng(8)) for _ in range(2)
    ]
    assert twice[0][0].shape == (1, 3, 30)
    assert (twice[0][0] == twice[1][0]).all() and (twice[0][1] == twice[1][1]).all()


def test_every_parameter_lies_in_its_bounds_and_is_free_or_fixed():
    for model in MODELS.values():
        names = {each.name for each in model.parameters}
        assert all(each.low <= each.typical[0] < each.typical[1] <= each.high for each in model.parameters), (
            model
        )
        needed = {*model.learner.parameters, "inverse_temperature", "lapse", "perseveration"}
        assert names | set(model.fixed) == needed and not names & set(model.fixed), model.name


def test_wrong_names_and_shapes_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no model of choice is called 'kalmann'; .* Did you mean 'kalman'"):
        get_model("kalmann")
    with pytest.raises(ValueError, match="ab takes inverse_temperature, learning_rate; got learning_rate"):
        simulate_model(get_model("ab"), {"learning_rate": 0.1}, schedule(0.5, 3), rng=rng)
    with pytest.raises(ValueError, match=r"p_reward must be .* 2 actions\), got \(3, 2\)"):
        simulate_model(get_model("b"), {"inverse_temperature": 1}, np.ones((3, 2)), rng=rng)
    with pytest.raises(ValueError, match="parameters are of 3 agents and p_reward is of 2"):
        simulate_model(get_model("b"), {"inverse_temperature": np.ones(3)}, np.ones((2, 1, 5, 2)), rng=rng)
