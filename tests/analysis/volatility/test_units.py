import numpy as np
import pytest

from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.observers.two_options import encode_outcome, filter_outcomes
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.units import summary as units
from pfc_da.analysis.volatility import units as volatility_units
from pfc_da.analysis.volatility.sessions import VolatileSessions

OBSERVER = ScheduleObserver(p_stable=0.75, p_volatile=0.8, run_trials=(20, 40), phase_trials=60)
N_SESSIONS, N_TRIALS, N_UNITS = 20, 120, 40


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def sessions(draw_schedule, rng):
    """Two animals that learn with a fixed rate."""
    p_reward, volatile = draw_schedule(N_SESSIONS, rng, N_TRIALS)
    parameters = {"learning_rate": [0.2, 0.3], "inverse_temperature": [5.0, 5.0]}
    choice, reward = simulate_model(get_model("ab_coupled"), parameters, p_reward, rng=rng)
    return VolatileSessions(choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile)


def draw_drift(rng):
    """Units that drift slowly in every session and code nothing, in part locked to the trial (session, trial, unit)."""
    walk = rng.standard_normal((N_SESSIONS, N_TRIALS, N_UNITS)).cumsum(axis=1)
    locked = np.sin(np.arange(N_TRIALS) / 40)[:, None] * rng.standard_normal(N_UNITS)
    return walk / walk.std() + 3 * locked + 0.5 * rng.standard_normal(walk.shape)


def plant(rng, code, n_coding):
    """The same units, of which the first `n_coding` go with `code` (session, trial)."""
    activity = draw_drift(rng)
    activity[..., :n_coding] += 1.5 * (code - code.mean())[..., None]
    return activity


def regress(activity, sessions, belief, rng):
    regressors = sessions.choice[0], sessions.reward[0], sessions.volatile, belief[0]
    return volatility_units.regress_volatility(activity[:, :, None], *regressors, rng=rng)


def test_belief_is_the_observers_of_the_animals_own_outcomes(sessions):
    belief = volatility_units.compute_believed_volatility(sessions, OBSERVER)
    for animal in range(2):
        outcome = encode_outcome(sessions.choice[animal], sessions.reward[animal])
        np.testing.assert_allclose(belief[animal], filter_outcomes(OBSERVER, outcome).volatility)


def test_planted_units_are_found_and_drifting_ones_are_not(sessions, rng):
    belief = volatility_units.compute_believed_volatility(sessions, OBSERVER)
    p = regress(plant(rng, sessions.volatile, 10), sessions, belief, rng)
    assert p["volatile"].shape == (1, N_UNITS)
    found = p["volatile"][0] < units.LEVEL
    assert found[:10].mean() >= 0.9 and found[10:].mean() <= 0.2
    (fraction,) = units.compute_selectivity([p], 0, variables=("volatile",))
    assert (fraction.condition, fraction.n, fraction.n_of) == ("volatile", N_UNITS, "units")
    assert fraction.estimate == pytest.approx(found.mean())


def test_units_that_code_what_behaviour_explains_are_not_counted(sessions, rng):
    belief = volatility_units.compute_believed_volatility(sessions, OBSERVER)
    chose_last = np.roll(sessions.choice[0], 1, axis=1)
    p = regress(plant(rng, chose_last, 20), sessions, belief, rng)
    assert (p["volatile"][0][:20] < units.LEVEL).mean() <= 0.2


def test_an_animal_that_never_changes_its_mind_has_no_p_value(sessions, rng):
    always = np.zeros_like(sessions.choice[0])
    regressors = always, sessions.reward[0], sessions.volatile, sessions.volatile * 0.5
    p = volatility_units.regress_volatility(draw_drift(rng)[:, :, None], *regressors, rng=rng)
    assert np.isnan(p["volatile"]).all() and np.isnan(p["believed_volatility"]).all()


def test_the_phase_is_decoded_where_it_is_planted_and_at_chance_where_not(sessions, rng):
    belief = volatility_units.compute_believed_volatility(sessions, OBSERVER)
    activity = np.stack([plant(rng, sessions.volatile, 20), draw_drift(rng)])
    statistics = volatility_units.summarise_decoding(activity, sessions.volatile, belief, rng=rng)
    found = {s.condition: s for s in statistics}
    assert found[""].by_animal[0] > 0.8
    assert found[""].by_animal[1] == pytest.approx(0.5, abs=0.12)
    assert found["wrong_sessions"].estimate == pytest.approx(0.5, abs=0.08)
    believed = belief > 0.5
    right = [np.mean(believed[:, sessions.volatile == phase] == phase, axis=1) for phase in (0, 1)]
    assert found["ideal"].by_animal == pytest.approx(np.mean(right, axis=0))
    table = volatility_units.tabulate_decoding(statistics)
    assert list(table["decoder"]) == ["all units", "labels of wrong sessions", "ideal observer"]


def test_a_planted_direction_is_found_in_other_sessions_and_none_in_drift(sessions, rng):
    belief = volatility_units.compute_believed_volatility(sessions, OBSERVER)
    activity = [plant(rng, belief[0], 10), draw_drift(rng)]
    projection = [volatility_units.project_on_direction(own, sessions.volatile, rng=rng) for own in activity]
    statistics = volatility_units.summarise_direction(projection, sessions.volatile, belief)
    with_phase, with_belief = statistics
    assert (with_phase.condition, with_belief.condition) == ("volatile", "believed_volatility")
    assert with_phase.by_animal[0] > 0.4
    assert with_belief.by_animal[0] > with_phase.by_animal[0]  # belief is what was planted
    assert abs(with_phase.by_animal[1]) < 0.3
    table = volatility_units.tabulate_direction(projection[:1], sessions.stable_first)
    by_half = table.assign(second=table["trial"] >= 60).groupby(["order", "second"])["mean"].mean()
    assert by_half["stable_first", True] > by_half["stable_first", False] + 0.5
    assert by_half["volatile_first", True] < by_half["volatile_first", False] - 0.5


def test_no_direction_is_read_from_drift_on_the_average(draw_schedule, rng):
    _, volatile = draw_schedule(N_SESSIONS, rng, N_TRIALS)
    with_phase = [
        volatility_units.summarise_direction(
            [volatility_units.project_on_direction(draw_drift(rng), volatile, rng=rng)],
            volatile,
            volatile[None],
        )[0].estimate
        for _ in range(40)
    ]
    error = np.std(with_phase) / np.sqrt(40)
    assert np.mean(with_phase) == pytest.approx(0, abs=3 * error)


def test_halves_share_out_every_kind_of_session(rng):
    kind = np.array([0] * 7 + [1] * 5)
    first, second = volatility_units.split_halves(kind, rng)
    assert sorted([*first, *second]) == list(range(12))
    for value in (0, 1):
        assert abs((kind[first] == value).sum() - (kind[second] == value).sum()) <= 1


def test_sessions_of_one_order_have_no_direction(rng):
    volatile = np.tile(np.arange(N_TRIALS) >= 60, (N_SESSIONS, 1)).astype(int)
    projection = volatility_units.project_on_direction(draw_drift(rng), volatile, rng=rng)
    assert np.isnan(projection).all()
    statistics = volatility_units.summarise_direction([projection], volatile, volatile[None])
    assert [s.n for s in statistics] == [0, 0]
    order = np.ones(N_SESSIONS, bool)
    assert volatility_units.tabulate_direction([projection], order).empty


def test_trials_of_the_browser_are_those_of_their_phase(sessions):
    (members,) = volatility_units.group_phases(sessions).values()
    assert list(members) == ["stable", "volatile"]
    for label, own in enumerate(members.values()):
        assert own.shape == sessions.choice.shape
        np.testing.assert_array_equal(own[1], sessions.volatile == label)
