import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.behaviour.reversals import count_since_switch
from pfc_da.analysis.choice_models.fit import fit_model
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.analysis.observers.behrens import VolatilityLearner
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.volatility import numbers as volatility
from pfc_da.analysis.volatility.numbers import VolatileSessions

IDEAL = ScheduleObserver(p_stable=0.75, p_volatile=0.8, run_trials=(20, 40), phase_trials=120)
MODEL = get_model("ab_coupled")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def simulate(draw_schedule, rng):
    """Sessions of Rescorla-Wagner agents of given rates (agent, phase)."""

    def play(rates, *, beta=6.0, n_sessions=60, **schedule):
        rates = np.asarray(rates, float)
        p_reward, volatile = draw_schedule(n_sessions, rng, **schedule)
        parameters = {"learning_rate": rates, "inverse_temperature": np.full(len(rates), beta)}
        choice, reward = simulate_model(MODEL, parameters, p_reward, window=volatile, rng=rng)
        return VolatileSessions(
            choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile
        )

    return play


def by_name(statistics):
    return {(s.key, s.condition): s for s in statistics}


# --- learning rates ---


def test_planted_rates_are_recovered_and_two_are_worth_their_price(simulate, rng):
    sessions = simulate([[0.1, 0.3], [0.15, 0.45], [0.4, 0.2]])
    fit = volatility.fit_rates(sessions, rng=rng)
    assert fit.rate == pytest.approx(np.array([[0.1, 0.3], [0.15, 0.45], [0.4, 0.2]]), abs=0.04)
    assert fit.inverse_temperature == pytest.approx(6, abs=0.5)
    assert fit.ratio == pytest.approx([3, 3, 0.5], rel=0.25)
    assert (volatility.compute_bic_gain(sessions, fit, rng=rng) > 50).all()


def test_a_fixed_rate_gives_ratio_one_and_one_rate_is_preferred(simulate, rng):
    sessions = simulate(np.full((6, 2), 0.2))
    fit = volatility.fit_rates(sessions, rng=rng)
    found = by_name(volatility.summarise_rates(sessions, fit, rng=rng))
    for order in ("", "stable_first", "volatile_first"):
        assert found["learning_rate_ratio", order].estimate == pytest.approx(1, abs=0.15)
    assert found["learning_rate_difference", ""].estimate == pytest.approx(0, abs=0.02)
    gain = found["bic_block_specific", ""]
    assert gain.estimate < 0 and np.sum(np.array(gain.by_animal) < 0) >= 5


def test_orders_of_phases_are_fitted_apart(simulate, rng):
    slow, fast = simulate([[0.1, 0.3]] * 3, n_sessions=80), simulate([[0.1, 0.1]] * 3, n_sessions=80)
    mixed = VolatileSessions(  # volatility speeds learning up only where it comes second
        choice=np.concatenate([slow.choice[:, slow.stable_first], fast.choice[:, ~fast.stable_first]], 1),
        reward=np.concatenate([slow.reward[:, slow.stable_first], fast.reward[:, ~fast.stable_first]], 1),
        p_reward=np.concatenate([slow.p_reward[slow.stable_first], fast.p_reward[~fast.stable_first]]),
        volatile=np.concatenate([slow.volatile[slow.stable_first], fast.volatile[~fast.stable_first]]),
    )
    fit = volatility.fit_rates(mixed, rng=rng)
    found = by_name(volatility.summarise_rates(mixed, fit, rng=rng))
    assert found["learning_rate_ratio", "stable_first"].estimate == pytest.approx(3, rel=0.25)
    assert found["learning_rate_ratio", "volatile_first"].estimate == pytest.approx(1, rel=0.2)


def test_who_chooses_at_random_has_no_learning_rate(simulate, rng):
    sessions = simulate([[0.2, 0.2], [0.2, 0.2]])
    sessions.choice[1] = rng.integers(0, 2, sessions.choice.shape[1:])
    fit = volatility.fit_rates(sessions, rng=rng)
    assert np.isfinite(fit.rate[0]).all() and np.isnan(fit.rate[1]).all() and np.isnan(fit.ratio[1])
    (stable, *_) = volatility.summarise_rates(sessions, fit, rng=rng)
    assert stable.n == 1 and stable.estimate == pytest.approx(fit.rate[0, 0])


def test_one_start_finds_what_eight_find(simulate, rng):
    sessions = simulate(rng.uniform(0.03, 0.8, (20, 2)), beta=4.0, n_sessions=30)
    eight = fit_model(MODEL, sessions.choice, sessions.reward, window=sessions.volatile, rng=rng, n_starts=8)
    one = volatility.fit_rates(sessions, rng=rng)
    assert one.bic == pytest.approx(eight.bic, abs=0.02)


def test_an_order_that_never_came_has_no_ratio(simulate, rng):
    sessions = simulate([[0.1, 0.3]])
    sessions = sessions.select(sessions.stable_first)
    fit = volatility.fit_rates(sessions, rng=rng)
    found = by_name(volatility.summarise_rates(sessions, fit, rng=rng))
    assert np.isnan(found["learning_rate_ratio", "volatile_first"].estimate)
    assert found["learning_rate_ratio", "volatile_first"].n == 0


# --- players beside the animals ---


def test_twins_learn_as_their_animals_but_alike_in_both_phases(simulate, rng):
    sessions = simulate([[0.1, 0.3], [0.3, 0.6]])
    twins = volatility.simulate_fitted_agents(sessions, rng=rng)
    assert set(twins) == {"fixed_alpha", "kalman", "pearce_hall"}
    fits = {name: volatility.fit_rates(played, rng=rng) for name, played in twins.items()}
    single = fit_model(MODEL, sessions.choice, sessions.reward, rng=rng).parameters["learning_rate"]
    assert fits["fixed_alpha"].rate.mean(axis=1) == pytest.approx(single, abs=0.04)
    found = by_name(volatility.summarise_players(twins, fits, rng=rng))
    for name in ("fixed_alpha", "kalman"):
        assert found["learning_rate_ratio", name].estimate == pytest.approx(1, abs=0.15)
        assert found["bic_block_specific", name].estimate < 5
        assert (found["bic_block_specific", name].n, found["bic_block_specific", name].n_of) == (2, "animals")


def test_the_ideal_observer_learns_faster_where_the_world_changes(simulate, rng):
    sessions = simulate([[0.1, 0.3]])
    played = volatility.simulate_observers(sessions, IDEAL, rng=rng)
    fits = {name: volatility.fit_rates(own, rng=rng) for name, own in played.items()}
    found = by_name(volatility.summarise_players(played, fits, rng=rng))
    ideal = found["learning_rate_ratio", "ideal"]
    assert ideal.low > 2 and (ideal.n, ideal.n_of) == (volatility.PLAYS, "plays")
    assert "plays" in ideal.interval and ideal.by_animal == ()
    assert found["bic_block_specific", "ideal"].low > 300
    assert found["learning_rate_ratio", "behrens"].estimate == pytest.approx(1.04, abs=0.15)


def test_the_share_of_the_observers_gain(simulate, rng):
    sessions = simulate([[0.1, 0.3], [0.2, 0.2]])
    played = volatility.simulate_observers(sessions, IDEAL, rng=rng)
    sessions.choice[0] = played["ideal"].choice[0]  # one animal is as good as the ideal
    sessions.choice[1] = rng.integers(0, 2, sessions.choice.shape[1:])  # and one plays at random
    found = by_name(volatility.summarise_rewards(sessions, played))
    assert found["reward_share", "ideal"].by_animal == pytest.approx([1, 0], abs=0.03)
    assert found["reward_share", "behrens"].by_animal[0] == pytest.approx(0.24 / 0.209, abs=0.06)
    assert found["expected_reward", "stable"].by_animal == pytest.approx([0.739, 0.5], abs=0.01)


def test_expected_reward_by_hand():
    p_reward = np.array([[[0.75, 0.25], [0.2, 0.8]]])
    sessions = VolatileSessions(
        choice=np.array([[[0, 1]], [[1, -1]]]),
        reward=np.zeros((2, 1, 2)),
        p_reward=p_reward,
        volatile=np.array([[0, 1]]),
    )
    np.testing.assert_array_equal(sessions.expected_reward, [[[0.75, 0.8]], [[0.25, np.nan]]])
    assert sessions.better.tolist() == [[0, 1]]


# --- after a reversal ---


def test_a_rate_planted_after_a_reversal_is_found_and_a_fixed_one_stays_level(draw_schedule, rng):
    p_reward, volatile = draw_schedule(100, rng)
    since = count_since_switch(p_reward.argmax(-1))
    soon = ((volatile == 1) & (since >= 0) & (since < 5)).astype(int)
    for rates, expected in ((([0.1, 0.5],), (0.5, 0.1)), (([0.2, 0.2],), (0.2, 0.2))):
        parameters = {"learning_rate": np.tile(rates, (4, 1)), "inverse_temperature": np.full(4, 6.0)}
        choice, reward = simulate_model(MODEL, parameters, p_reward, window=soon, rng=rng)
        sessions = VolatileSessions(
            choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile
        )
        rate = volatility.fit_rates_since_switch(sessions, rng=rng)
        statistics = volatility.summarise_since_switch(rate)
        assert [s.condition for s in statistics] == ["0_4", "5_9", "10_14", "15_19"]
        assert statistics[0].estimate == pytest.approx(expected[0], abs=0.06)
        assert [s.estimate for s in statistics[1:]] == pytest.approx([expected[1]] * 3, abs=0.06)


def test_without_reversals_in_the_volatile_phase_nothing_is_said(simulate, rng):
    sessions = simulate([[0.1, 0.3]], n_sessions=10, n_trials=10)
    assert volatility.fit_rates_since_switch(sessions, rng=rng) is None
    assert volatility.summarise_since_switch(None) == []


def test_fast_learners_reach_the_criterion_sooner(simulate, rng):
    slow, fast = (simulate([[0.1, rate]] * 2, beta=20.0) for rate in (0.1, 0.5))
    trials = [volatility.summarise_reversals(own).estimate for own in (fast, slow)]
    assert trials[0] < trials[1] - 2


# --- a recording ---


def test_sessions_of_a_recording_are_those_of_the_condition_asked_for(simulate):
    sessions = simulate([[0.1, 0.3], [0.2, 0.2]], n_sessions=5, n_trials=40)
    steps = {"step": np.arange(80)}
    twice = {name: np.repeat(getattr(sessions, name), 2, axis=1) for name in ("p_reward", "volatile")}
    choice = np.full((2, 2, 5, 80), -1)
    choice[:, 1, :, ::2] = sessions.choice
    reward = np.zeros(choice.shape)
    reward[:, 1, :, ::2] = sessions.reward
    recording = xr.Dataset(
        {
            "choice": (("animal", "condition", "episode", "step"), choice),
            "reward": (("animal", "condition", "episode", "step"), reward),
            "p_reward": (("episode", "step", "action"), twice["p_reward"]),
            "volatile": (("episode", "step"), twice["volatile"]),
        },
        {"condition": ["untrained", "frozen"], "trial": ("step", np.arange(80) // 2), **steps},
        {"choice_phase": "choice"},
    ).assign_coords(phase=("step", np.tile(["choice", "outcome"], 40)))
    found = volatility.get_sessions(recording)
    for name in ("choice", "reward", "p_reward", "volatile"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sessions, name))
    assert (volatility.get_sessions(recording, "untrained").choice == -1).all()


# --- references ---


@pytest.mark.parametrize(
    ("source", "player"), [("knows the schedule", IDEAL), ("learns volatility", VolatilityLearner())]
)
def test_derived_rates_and_rewards_are_those_of_the_observers(draw_schedule, rng, source, player):
    p_reward, volatile = draw_schedule(200, rng)
    made = simulate_choices(player, p_reward, rng=rng)
    choice, reward = made.choice, made.reward
    sessions = VolatileSessions(
        choice=choice[None].astype(int),
        reward=reward[None].astype(float),
        p_reward=p_reward,
        volatile=volatile,
    )
    fit = volatility.fit_rates(sessions, rng=rng)
    found = by_name(volatility.summarise_rates(sessions, fit, rng=rng))
    found |= by_name(volatility.summarise_rewards(sessions, {}))
    earned = {name: statistic.estimate for name, statistic in found.items()}
    halves = [earned["expected_reward", phase] for phase in ("stable", "volatile")]
    earned["reward_per_trial", ""] = sum(halves) / 2  # the phases are equally long
    rows = [row for row in load_references("volatility") if source in row.source]
    assert len(rows) == (9 if player is IDEAL else 8)
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


def test_humans_are_held_against_as_published_and_behrens_as_a_direction():
    rows = [row for row in load_references("volatility") if row.kind == "published"]
    rates = {row.condition: row.estimate for row in rows if row.key == "learning_rate"}
    assert rates == {"stable": 0.16, "volatile": 0.47}
    (claim,) = [row for row in rows if "Behrens" in row.source]
    assert np.isnan(claim.estimate) and (claim.low, claim.high) == (0, 1) and "2.91" in claim.read_off
