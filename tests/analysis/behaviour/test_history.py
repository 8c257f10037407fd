import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from pfc_da.analysis.behaviour.history import (
    compute_lose_shift,
    compute_win_stay,
    find_pairs,
    find_predicted,
    fit_history,
    fit_logistic,
)
from pfc_da.analysis.observers.baited import Alternation
from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.analysis.statistic import summarise_sessions

REWARD, CHOICE, BIAS = np.array([1.2, 0.6, 0.3]), np.array([-0.5, 0.2, 0.1]), 0.2


def plant(sessions, trials, *, rng, reward_kernel=REWARD, choice_kernel=CHOICE, bias=BIAS, p_missing=0.0):
    """Choices drawn from known kernels, rewarded with probability .4 on either side."""
    choice = np.full((sessions, trials), -1)
    reward = np.zeros((sessions, trials))
    signed = np.zeros((sessions, trials))
    for t in range(trials):
        pull = np.full(sessions, bias)
        for k in range(1, min(t, len(reward_kernel)) + 1):
            pull += signed[:, t - k] * (choice_kernel[k - 1] + reward_kernel[k - 1] * reward[:, t - k])
        drawn = rng.random(sessions) < expit(pull)
        made = rng.random(sessions) >= p_missing
        choice[:, t] = np.where(made, drawn, -1)
        signed[:, t] = np.where(made, 2 * drawn - 1, 0)
        reward[:, t] = made & (rng.random(sessions) < 0.4)
    return choice, reward


@pytest.mark.parametrize("p_missing", [0, 0.15])
def test_planted_kernels_are_recovered(p_missing):
    choice, reward = plant(300, 200, rng=np.random.default_rng(0), p_missing=p_missing)
    fit = fit_history(choice, reward, lags=5)
    assert fit.reward == pytest.approx([*REWARD, 0, 0], abs=0.08)
    assert fit.choice == pytest.approx([*CHOICE, 0, 0], abs=0.06)
    assert fit.bias == pytest.approx(BIAS, abs=0.04)
    assert fit.n_sessions == 300
    assert fit.n_trials == (choice[:, 5:] >= 0).sum()
    assert fit.interval == "95 % clustered by session"


@pytest.mark.parametrize("sessions", [4, 25])
def test_intervals_cover_the_planted_kernels(sessions):
    rng = np.random.default_rng(1)
    truth = np.r_[REWARD, CHOICE]
    covered = []
    for _ in range(60):
        fit = fit_history(*plant(sessions, 120, rng=rng), lags=3)
        low, high = np.r_[fit.reward_low, fit.choice_low], np.r_[fit.reward_high, fit.choice_high]
        covered.append((low < truth) & (truth < high))
    assert 0.92 < np.mean(covered) < 0.98  # 360 intervals


def design_of(sessions, trials, rng):
    """Regressors alike within a session and outcomes with an offset a session: dependent trials."""
    design = rng.standard_normal((sessions, trials, 3)) + rng.standard_normal((sessions, 1, 3))
    design[..., 0] = 1
    offset = 0.7 * rng.standard_normal((sessions, 1))
    outcome = rng.random((sessions, trials)) < expit(design @ [0.2, 0.8, -0.4] + offset)
    cluster = np.repeat(np.arange(sessions), trials)
    return design.reshape(-1, 3), outcome.ravel(), cluster


def test_weights_and_covariance_are_those_of_statsmodels():
    design, outcome, session = design_of(30, 80, np.random.default_rng(2))
    fit = fit_logistic(design, outcome, session)
    oracle = sm.Logit(outcome.astype(float), design).fit(
        disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": session}
    )
    assert fit.weights == pytest.approx(oracle.params, abs=1e-8)
    assert fit.covariance == pytest.approx(oracle.cov_params(), rel=1e-6)


def test_one_session_has_the_covariance_of_the_model():
    design, outcome, _ = design_of(1, 500, np.random.default_rng(3))
    design = design + np.random.default_rng(0).standard_normal(design.shape) * [0, 1, 1]
    fit = fit_logistic(design, outcome, np.zeros(500, dtype=int))
    oracle = sm.Logit(outcome.astype(float), design).fit(disp=0, tol=1e-12)
    assert fit.covariance == pytest.approx(oracle.cov_params(), rel=1e-6)
    assert np.stack([fit.low, fit.high], axis=1) == pytest.approx(oracle.conf_int(), rel=1e-6)
    assert fit.interval == "95 % of the model, one session"


def test_dependence_within_sessions_widens_the_interval():
    design, outcome, session = design_of(40, 100, np.random.default_rng(4))
    clustered = fit_logistic(design, outcome, session)
    model = fit_logistic(design, outcome, np.zeros_like(session))
    assert (clustered.high - clustered.low)[0] > 2 * (model.high - model.low)[0]


def test_swapping_the_options_keeps_the_kernels_and_turns_the_bias_round():
    choice, reward = plant(40, 100, rng=np.random.default_rng(5), p_missing=0.1)
    fit, swapped = fit_history(choice, reward), fit_history(np.where(choice < 0, -1, 1 - choice), reward)
    assert swapped.reward == pytest.approx(fit.reward, abs=1e-7)
    assert swapped.choice == pytest.approx(fit.choice, abs=1e-7)
    assert swapped.bias == pytest.approx(-fit.bias, abs=1e-7)


def test_unknown_rewards_take_out_the_trials_that_look_back_on_them():
    choice, reward = plant(20, 60, rng=np.random.default_rng(6))
    whole = fit_history(choice, reward, lags=2)
    reward[3, 10] = np.nan
    assert fit_history(choice, reward, lags=2).n_trials == whole.n_trials - 2


def test_sessions_padded_to_the_same_length_change_nothing():
    choice, reward = plant(20, 60, rng=np.random.default_rng(7))
    padded = fit_history(
        np.pad(choice, ((0, 0), (0, 9)), constant_values=-1),
        np.pad(reward, ((0, 0), (0, 9)), constant_values=np.nan),
    )
    assert padded.reward == pytest.approx(fit_history(choice, reward).reward)


def test_certain_choices_have_no_finite_weights():
    schedule = np.full((20, 60, 2), 0.25)
    made = simulate_choices(Alternation(), schedule, baited=True, rng=np.random.default_rng(8))
    choice, reward = made.choice, made.reward
    fit = fit_history(choice, reward, lags=2)
    assert np.isnan([*fit.choice, *fit.reward, *fit.choice_low, fit.bias]).all()


def test_a_regressor_that_never_varies_has_no_weight():
    choice, reward = plant(20, 60, rng=np.random.default_rng(9))
    assert np.isnan(fit_history(choice, 0 * reward).reward).all()


@pytest.mark.parametrize("n_sessions", range(14))
def test_sessions_of_six_trials_predict_one_trial_each_and_never_crash(n_sessions):
    rng = np.random.default_rng(n_sessions)
    choice, reward = rng.integers(2, size=(2, n_sessions, 6))
    fit = fit_history(choice, reward.astype(float))
    assert (fit.n_trials, fit.n_sessions) == (n_sessions, n_sessions)
    assert np.isnan(
        [*fit.choice, *fit.reward, *fit.choice_low, fit.bias]
    ).all()  # at most 13 trials, 11 weights
    assert (fit.interval == f"none: {n_sessions} trials for 11 weights") == (n_sessions <= 11)


def test_as_many_trials_as_weights_have_no_interval_also_where_the_likelihood_has_a_maximum():
    design = np.stack([np.ones(2), [1.0, 1.0 + 1e-3]], axis=1)
    fit = fit_logistic(design, np.array([True, False]), np.arange(2))
    assert np.isnan([*fit.weights, *fit.low, *fit.high, *fit.covariance.ravel()]).all()


def test_what_is_counted_is_what_a_loop_over_trials_finds():
    rng = np.random.default_rng(11)
    choice = rng.integers(-1, 2, size=(6, 30))
    reward = np.where(rng.random(choice.shape) < 0.1, np.nan, rng.integers(2, size=choice.shape))
    predicted, pairs, wins = 0, 0, 0
    for own_choice, own_reward in zip(choice, reward, strict=True):
        for t in range(1, 30):
            pair = own_choice[t] >= 0 and own_choice[t - 1] >= 0 and not np.isnan(own_reward[t - 1])
            pairs += pair
            wins += pair and own_reward[t - 1] > 0
            known = all(own_choice[t - k] < 0 or not np.isnan(own_reward[t - k]) for k in range(1, 6))
            predicted += t >= 5 and own_choice[t] >= 0 and known
    found, won = find_pairs(choice, reward)
    assert (found.sum(), (found & won).sum()) == (pairs, wins)
    assert find_predicted(choice, reward).sum() == fit_history(choice, reward).n_trials == predicted


def test_win_stay_and_lose_shift_are_recovered():
    rng = np.random.default_rng(10)
    choice, reward = np.zeros((200, 300), dtype=int), (rng.random((200, 300)) < 0.5).astype(float)
    for t in range(1, 300):
        stay = rng.random(200) < np.where(reward[:, t - 1] > 0, 0.85, 0.3)
        choice[:, t] = np.where(stay, choice[:, t - 1], 1 - choice[:, t - 1])
    assert compute_win_stay(choice, reward) == pytest.approx(0.85, abs=0.01)
    assert compute_lose_shift(choice, reward) == pytest.approx(0.70, abs=0.01)
    few = [choice[:40], reward[:40]]  # the interval over the sessions of one animal
    statistic = summarise_sessions("win_stay", compute_win_stay, few, units="probability", rng=rng)
    error = np.sqrt(0.85 * 0.15 / (reward[:40, :-1] > 0).sum())  # pairs are independent here
    assert statistic.high - statistic.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_win_stay_and_lose_shift_by_hand():
    choice = np.array([[0, 0, 1, -1, 1, 1, 2]])
    reward = np.array([[1, 0, 1, 1, np.nan, 0, 1]])
    # pairs: 0-0 win stay, 0-1 lose shift, 1-2 lose shift (three options); the others have a missing half
    assert compute_win_stay(choice, reward) == 1
    assert compute_lose_shift(choice, reward) == 1
    assert np.isnan(compute_lose_shift(choice, np.ones((1, 7))))


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"must both be \(session, trial\), got \(3, 4\), \(3, 5\)"):
        fit_history(np.zeros((3, 4), dtype=int), np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"lags must lie in 1\.\.3 for this many trials, got 4"):
        fit_history(np.zeros((3, 4), dtype=int), np.zeros((3, 4)), lags=4)
    with pytest.raises(ValueError, match="history kernels take choices 0, 1 or -1, got choices up to 2"):
        fit_history(np.full((3, 9), 2), np.zeros((3, 9)))
