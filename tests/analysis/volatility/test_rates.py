"""Learning rates by phase and by trials since a reversal: planted ones are recovered."""

from dataclasses import replace

import numpy as np
import pytest

from pfc_da.analysis.behaviour.reversals import count_since_switch
from pfc_da.analysis.choice_models.fit import fit_model
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.volatility import rates
from pfc_da.analysis.volatility.sessions import VolatileSessions
from pfc_da.analysis.volatility.tables import tabulate_since_switch

MODEL = get_model("ab_coupled")


def test_planted_rates_are_recovered_and_two_are_worth_their_price(simulate, rng):
    sessions = simulate([[0.1, 0.3], [0.15, 0.45], [0.4, 0.2]])
    fit = rates.fit_rates(sessions, rng=rng)
    assert fit.rate == pytest.approx(np.array([[0.1, 0.3], [0.15, 0.45], [0.4, 0.2]]), abs=0.04)
    assert fit.inverse_temperature == pytest.approx(6, abs=0.5)
    assert fit.ratio == pytest.approx([3, 3, 0.5], rel=0.25)
    assert (rates.compute_bic_gain(sessions, fit, rng=rng) > 50).all()


def test_a_fixed_rate_gives_ratio_one_and_one_rate_is_preferred(simulate, rng, by_name):
    sessions = simulate(np.full((6, 2), 0.2))
    fit = rates.fit_rates(sessions, rng=rng)
    found = by_name(rates.summarise_rates(sessions, fit, rng=rng))
    for order in ("", "stable_first", "volatile_first"):
        assert found["learning_rate_ratio", order].estimate == pytest.approx(1, abs=0.15)
    assert found["learning_rate_difference", ""].estimate == pytest.approx(0, abs=0.02)
    gain = found["bic_block_specific", ""]
    assert gain.estimate < 0 and np.sum(np.array(gain.by_animal) < 0) >= 5


def test_orders_of_phases_are_fitted_apart(simulate, rng, by_name):
    slow, fast = simulate([[0.1, 0.3]] * 3, n_sessions=80), simulate([[0.1, 0.1]] * 3, n_sessions=80)
    mixed = VolatileSessions(  # volatility speeds learning up only where it comes second
        choice=np.concatenate([slow.choice[:, slow.stable_first], fast.choice[:, ~fast.stable_first]], 1),
        reward=np.concatenate([slow.reward[:, slow.stable_first], fast.reward[:, ~fast.stable_first]], 1),
        p_reward=np.concatenate([slow.p_reward[slow.stable_first], fast.p_reward[~fast.stable_first]]),
        volatile=np.concatenate([slow.volatile[slow.stable_first], fast.volatile[~fast.stable_first]]),
    )
    fit = rates.fit_rates(mixed, rng=rng)
    found = by_name(rates.summarise_rates(mixed, fit, rng=rng))
    assert found["learning_rate_ratio", "stable_first"].estimate == pytest.approx(3, rel=0.25)
    assert found["learning_rate_ratio", "volatile_first"].estimate == pytest.approx(1, rel=0.2)


def test_who_chooses_at_random_has_no_learning_rate(simulate, rng):
    sessions = simulate([[0.2, 0.2], [0.2, 0.2]])
    sessions.choice[1] = rng.integers(0, 2, sessions.choice.shape[1:])
    fit = rates.fit_rates(sessions, rng=rng)
    assert np.isfinite(fit.rate[0]).all() and np.isnan(fit.rate[1]).all() and np.isnan(fit.ratio[1])
    (stable, *_) = rates.summarise_rates(sessions, fit, rng=rng)
    assert stable.n == 1 and stable.estimate == pytest.approx(fit.rate[0, 0])


def test_one_start_finds_what_eight_find(simulate, rng):
    sessions = simulate(rng.uniform(0.03, 0.8, (20, 2)), beta=4.0, n_sessions=30)
    eight = fit_model(MODEL, sessions.choice, sessions.reward, window=sessions.volatile, rng=rng, n_starts=8)
    one = rates.fit_rates(sessions, rng=rng)
    assert one.bic == pytest.approx(eight.bic, abs=0.02)


def test_an_order_that_never_came_has_no_ratio(simulate, rng, by_name):
    sessions = simulate([[0.1, 0.3]])
    sessions = sessions.select(sessions.stable_first)
    fit = rates.fit_rates(sessions, rng=rng)
    found = by_name(rates.summarise_rates(sessions, fit, rng=rng))
    assert np.isnan(found["learning_rate_ratio", "volatile_first"].estimate)
    assert found["learning_rate_ratio", "volatile_first"].n == 0


def test_a_rate_planted_after_a_reversal_is_found_and_a_fixed_one_stays_level(draw_schedule, rng):
    p_reward, volatile = draw_schedule(100, rng)
    since = count_since_switch(p_reward.argmax(-1))
    soon = ((volatile == 1) & (since >= 0) & (since < 5)).astype(int)
    for planted, expected in ((([0.1, 0.5],), (0.5, 0.1)), (([0.2, 0.2],), (0.2, 0.2))):
        parameters = {"learning_rate": np.tile(planted, (4, 1)), "inverse_temperature": np.full(4, 6.0)}
        choice, reward = simulate_model(MODEL, parameters, p_reward, window=soon, rng=rng)
        sessions = VolatileSessions(
            choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile
        )
        rate = rates.fit_rates_since_switch(sessions, rng=rng)
        *statistics, rise = rates.summarise_since_switch(rate)
        assert [s.condition for s in statistics] == ["0_4", "5_9", "10_14", "15_19"]
        assert rise.key == "learning_rate_late_rise" and rise.low < 0 < rise.high
        assert statistics[0].estimate == pytest.approx(expected[0], abs=0.06)
        assert [s.estimate for s in statistics[1:]] == pytest.approx([expected[1]] * 3, abs=0.06)


def test_a_late_rise_is_found_where_it_was_planted(draw_schedule, rng):
    p_reward, volatile = draw_schedule(100, rng)
    since = count_since_switch(p_reward.argmax(-1))
    late = ((volatile == 1) & (since >= 15)).astype(int)
    parameters = {"learning_rate": np.tile([0.15, 0.4], (4, 1)), "inverse_temperature": np.full(4, 6.0)}
    choice, reward = simulate_model(MODEL, parameters, p_reward, window=late, rng=rng)
    sessions = VolatileSessions(
        choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile
    )
    *_, rise = rates.summarise_since_switch(rates.fit_rates_since_switch(sessions, rng=rng))
    assert rise.low > 0 and rise.estimate == pytest.approx(0.25, abs=0.08)
    named = rates.summarise_since_switch(rates.fit_rates_since_switch(sessions, rng=rng), {"agent": "ideal"})
    assert [s.condition for s in named] == ["0_4 ideal", "5_9 ideal", "10_14 ideal", "15_19 ideal", "ideal"]


def test_runs_too_short_for_the_later_bins_have_the_earlier_ones_and_no_rise(simulate, rng):
    sessions = simulate([[0.2, 0.2]] * 2, runs=(6, 10))
    fit = rates.fit_rates_since_switch(sessions, rng=rng)
    found = rates.summarise_since_switch(fit)
    assert [each.condition for each in found] == ["0_4", "5_9"]
    assert [each.estimate for each in found] == pytest.approx([0.2, 0.2], abs=0.06)
    table = tabulate_since_switch({"animals": fit})
    assert table["trial"].tolist() == [2, 7]


def test_without_reversals_in_the_volatile_phase_nothing_is_said(simulate, rng):
    sessions = simulate([[0.1, 0.3]], n_sessions=10, n_trials=10)
    still = np.broadcast_to(sessions.p_reward[:, :1], sessions.p_reward.shape)
    sessions = replace(sessions, p_reward=still)
    assert rates.fit_rates_since_switch(sessions, rng=rng) is None
    assert rates.summarise_since_switch(None) == []
