"""Fitted agents and observers in the sessions of the animals, and the references derived from them."""

import numpy as np
import pytest

from pfc_da.analysis.choice_models.fit import fit_model
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.observers.base import REPEATS, simulate_choices
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.volatility import agents, behaviour, rates
from pfc_da.analysis.volatility.sessions import VolatileSessions

IDEAL = ScheduleObserver(p_stable=0.75, p_volatile=0.8, run_trials=(20, 40), phase_trials=120)
MODEL = get_model("ab_coupled")


def test_fitted_agents_learn_as_their_animals_but_alike_in_both_phases(simulate, rng, by_name):
    sessions = simulate([[0.1, 0.3], [0.3, 0.6]])
    fitted = agents.simulate_fitted_agents(sessions, rng=rng)
    assert set(fitted) == {"fixed_alpha", "kalman", "pearce_hall"}
    fits = {name: rates.fit_rates(simulated, rng=rng) for name, simulated in fitted.items()}
    single = fit_model(MODEL, sessions.choice, sessions.reward, rng=rng).parameters["learning_rate"]
    assert fits["fixed_alpha"].rate.mean(axis=1) == pytest.approx(single, abs=0.04)
    found = by_name(agents.summarise_agents(fitted, fits, rng=rng))
    for name in ("fixed_alpha", "kalman"):
        assert found["learning_rate_ratio", name].estimate == pytest.approx(1, abs=0.15)
        assert found["bic_block_specific", name].estimate < 5
        assert (found["bic_block_specific", name].n, found["bic_block_specific", name].n_of) == (2, "animals")


def test_the_ideal_observer_learns_faster_where_the_world_changes(simulate, rng, by_name):
    sessions = simulate([[0.1, 0.3]])
    simulated = agents.simulate_observers(sessions, {"ideal": IDEAL}, rng=rng)
    fits = {name: rates.fit_rates(own, rng=rng) for name, own in simulated.items()}
    found = by_name(agents.summarise_agents(simulated, fits, rng=rng))
    ideal = found["learning_rate_ratio", "ideal"]
    assert ideal.low > 2 and (ideal.n, ideal.n_of) == (REPEATS, "simulations")
    assert "simulations" in ideal.interval and ideal.by_animal == ()
    assert found["bic_block_specific", "ideal"].low > 300
    assert found["learning_rate_ratio", "behrens"].estimate == pytest.approx(1.04, abs=0.15)


def test_who_expects_a_reversal_learns_faster_as_it_draws_near_and_a_constant_hazard_gives_no_rise(
    simulate, rng
):
    """Observers of runs of 15 to 35 trials, as animals were once trained on, and of a hazard of 1 in 25."""
    sessions = simulate([[0.1, 0.3]], n_sessions=80)
    known = {"p_stable": 0.75, "p_volatile": 0.8, "run_trials": (15, 35), "phase_trials": 120}
    observers = {runs: ScheduleObserver(**known, runs=runs) for runs in ("uniform", "geometric")}
    simulated = agents.simulate_observers(sessions, observers, rng=rng)
    rates_since, rise = {}, {}
    for runs in observers:
        *bins, rise[runs] = rates.summarise_since_switch(
            rates.fit_rates_since_switch(simulated[runs], rng=rng)
        )
        rates_since[runs] = [each.estimate for each in bins]
    assert rates_since["uniform"] == pytest.approx([0.42, 0.19, 0.13, 0.24], abs=0.05)
    assert rates_since["geometric"] == pytest.approx([0.26] * 4, abs=0.06)
    assert rise["uniform"].low > 0.03 and abs(rise["geometric"].estimate) < 0.04


@pytest.mark.parametrize(
    ("source", "observer"), [("knows the schedule", IDEAL), ("learns volatility", VolatilityLearner())]
)
def test_derived_rates_and_rewards_are_those_of_the_observers(draw_schedule, rng, source, observer, by_name):
    p_reward, volatile = draw_schedule(200, rng)
    made = simulate_choices(observer, p_reward, rng=rng)
    choice, reward = made.choice, made.reward
    sessions = VolatileSessions(
        choice=choice[None].astype(int),
        reward=reward[None].astype(float),
        p_reward=p_reward,
        volatile=volatile,
    )
    fit = rates.fit_rates(sessions, rng=rng)
    found = by_name(rates.summarise_rates(sessions, fit, rng=rng))
    found |= by_name(behaviour.summarise_rewards(sessions, {}))
    earned = {name: statistic.estimate for name, statistic in found.items()}
    halves = [earned["expected_reward", phase] for phase in ("stable", "volatile")]
    earned["reward_per_trial", ""] = sum(halves) / 2  # the phases are equally long
    rows = [row for row in load_references("volatility") if source in row.source]
    assert len(rows) == (9 if observer is IDEAL else 8)
    for row in rows:
        of_200_sessions = 3 * np.sqrt(20) * (row.high - row.estimate) / 2
        estimate = earned[row.key, row.condition]
        assert estimate == pytest.approx(row.estimate, abs=of_200_sessions), (row.key, row.condition)


def test_chance_is_that_of_choices_without_regard_to_reward():
    chance = {r.key: r.estimate for r in load_references("volatility") if r.source.startswith("chance")}
    assert chance == {
        "reward_per_trial": 0.5
    }  # of two options of which one pays with p, the other with 1 - p


def test_the_best_fixed_rate_earns_what_its_reference_says(draw_schedule, rng):
    p_reward, volatile = draw_schedule(200, rng)
    earned = {}
    for rate in (0.1, 0.15, 0.2, 0.25, 0.3):
        parameters = {"learning_rate": [rate], "inverse_temperature": [1e6]}
        choice, _ = simulate_model(MODEL, parameters, p_reward, rng=rng)
        p = np.take_along_axis(p_reward, choice[0][..., None].astype(int), -1)[..., 0]
        earned[rate] = p.mean(), p[volatile == 0].mean(), p[volatile == 1].mean()
    assert max(earned, key=lambda rate: earned[rate][0]) in (0.15, 0.2, 0.25)
    rows = {r.condition: r for r in load_references("volatility") if "best fixed rate" in r.source}
    assert earned[0.2][1:] == pytest.approx([rows["stable"].estimate, rows["volatile"].estimate], abs=0.005)


def test_humans_are_compared_as_published_and_behrens_as_a_direction():
    rows = [row for row in load_references("volatility") if row.kind == "published"]
    learning_rates = {row.condition: row.estimate for row in rows if row.key == "learning_rate"}
    assert learning_rates == {"stable": 0.16, "volatile": 0.47}
    (claim,) = [row for row in rows if "Behrens" in row.source]
    assert np.isnan(claim.estimate) and (claim.low, claim.high) == (0, 1) and "2.91" in claim.read_off
