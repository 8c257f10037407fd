"""A whole recording of planted learners: every number and table of the volatility schedule, in one call."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.figures.panel import draw_svg
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.volatility import training as volatility_training
from pfc_da.analysis.volatility.analyse import analyse_volatility
from pfc_da.analysis.volatility.sessions import VolatileSessions
from pfc_da.settings import resolve

N_SESSIONS, N_TRIALS, N_UNITS, UPDATES = 40, 120, 10, 300
KNOWN = {"p_stable": 0.75, "p_volatile": 0.8, "run_trials": (10, 20), "phase_trials": 60}
OBSERVERS = {
    "ideal": ScheduleObserver(**KNOWN),
    "ideal_of_training": ScheduleObserver(**KNOWN, runs="geometric"),
}
SETTINGS = resolve([{"paradigm": "volatility", "train": {"updates": UPDATES}}])
RATES = {  # of the learners planted at every moment: stable, volatile, inverse temperature
    "frozen": (0.1, 0.4, 8.0),
    "untrained": (0.3, 0.3, 0.0),
    "after_30": (0.3, 0.3, 3.0),
    "after_100": (0.2, 0.4, 6.0),
}
OURS = [
    *(f"volatility_{name}" for name in ("rates", "reversals", "since_switch", "training")),
    "selectivity",
    *(f"volatility_{name}" for name in ("direction", "decoding")),
]


def spread(values, rest):
    """Trials (..., trial) to steps (..., step), two a trial."""
    steps = np.stack([values, np.full_like(values, rest)], axis=-1)
    return steps.reshape(*values.shape[:-1], -1)


@pytest.fixture(scope="module")
def recording(draw_schedule):
    rng = np.random.default_rng(1)
    p_reward, volatile = draw_schedule(N_SESSIONS, rng, N_TRIALS, runs=(10, 20))
    choice, reward = [], []
    for stable, fast, beta in RATES.values():
        parameters = {"learning_rate": [[stable, fast]] * 2, "inverse_temperature": [beta] * 2}
        simulated = simulate_model(get_model("ab_coupled"), parameters, p_reward, window=volatile, rng=rng)
        choice.append(spread(simulated[0].astype(int), -1))
        reward.append(spread(simulated[1], 0.0))
    activity = rng.gamma(4.0, 1.0, (2, 20, 2 * N_TRIALS, N_UNITS))
    activity[..., :5] += np.repeat(volatile[:20], 2, axis=1)[..., None]
    by_step = ("animal", "condition", "episode", "step")
    n_bins = np.tile([6, 10], N_TRIALS)
    onset = np.broadcast_to((n_bins.cumsum() - n_bins) * 0.05, (2, len(RATES), N_SESSIONS, 2 * N_TRIALS))
    in_time = np.repeat(activity, n_bins, axis=2)
    found = xr.Dataset(
        {
            "choice": (by_step, np.stack(choice, axis=1)),
            "reward": (by_step, np.stack(reward, axis=1)),
            "p_reward": (("episode", "step", "action"), np.repeat(p_reward, 2, axis=1)),
            "volatile": (("episode", "step"), np.repeat(volatile, 2, axis=1)),
            "onset": (by_step, onset),
            "activity": (("animal", "recorded_episode", "bin", "unit"), in_time, {"units": "Hz"}),
        },
        {
            "condition": list(RATES),
            "recorded_episode": np.arange(20),
            "time": ("bin", np.arange(n_bins.sum()) * 0.05),
            "trial": ("step", np.arange(2 * N_TRIALS) // 2),
            "phase": ("step", np.tile(["go", "feedback"], N_TRIALS)),
            "is_excitatory": ("unit", np.arange(N_UNITS) < 8),
            "tau": ("unit", np.ones(N_UNITS)),
        },
        {"choice_phase": "go"},
    )
    return found


@pytest.fixture(scope="module")
def analysed(recording):
    curve = pd.DataFrame({"update": np.arange(UPDATES) + 1, "reward_per_trial": 0.5})
    curve.loc[curve["update"] > 100, "reward_per_trial"] = 0.7
    return analyse_volatility(recording, [curve] * 2, SETTINGS, OBSERVERS, rng=np.random.default_rng(2))


@pytest.fixture(scope="module")
def found(analysed):
    statistics = analysed.statistics
    assert len({(s.key, s.condition) for s in statistics}) == len(statistics)  # no key twice
    return {(s.key, s.condition): s for s in statistics}


def test_the_planted_numbers_come_out(found):
    assert found["learning_rate", "stable"].estimate == pytest.approx(0.1, abs=0.03)
    assert found["learning_rate", "volatile"].estimate == pytest.approx(0.4, abs=0.06)
    assert found["bic_block_specific", ""].low > 0 > found["bic_block_specific", "fixed_alpha"].high - 8
    assert found["learning_rate_ratio", "fixed_alpha"].estimate == pytest.approx(1, abs=0.25)
    assert 0.5 < found["reward_share", "ideal"].estimate < 1
    assert found["fraction_selective", "volatile"].estimate == pytest.approx(0.5, abs=0.15)
    decoded, wrong = (found["decoding_volatile", which].by_animal for which in ("", "wrong_sessions"))
    assert min(decoded) > max(wrong) + 0.1
    assert found["direction_volatile", "volatile"].estimate > 0.4


def test_rates_over_training_are_those_planted_at_each_moment(found):
    for name in ("after_30", "after_100"):
        stable, fast, _ = RATES[name]
        assert found["learning_rate", f"stable_{name}"].estimate == pytest.approx(stable, abs=0.08)
        assert found["learning_rate", f"volatile_{name}"].estimate == pytest.approx(fast, abs=0.08)
    ratios = [found["learning_rate_ratio", name].estimate for name in ("after_30", "after_100", "")]
    assert ratios == sorted(ratios) and ratios[0] == pytest.approx(1, abs=0.3)
    assert found["learning_rate", "stable_after_0"].n == 0  # choices at random have no rate
    assert np.isnan(found["trials_to_criterion", "after_0"].estimate)
    assert found["expected_reward", "after_0"].estimate == pytest.approx(0.5, abs=0.02)
    trials = [found["trials_to_criterion", name].estimate for name in ("after_30", "")]
    assert trials[1] < trials[0]


def test_updates_to_criterion_count_from_the_learning_curve(found, recording):
    # The mean of the last 20 updates passes .7 of the better option, .61 of reward, when 11 or 12 of them earn .7.
    assert found["updates_to_criterion", ""].estimate in (111, 112)
    flat = pd.DataFrame({"update": [1, 2], "reward_per_trial": [0.5, 0.5]})
    sessions = VolatileSessions(
        choice=np.zeros((1, 1, 1), int),
        reward=np.zeros((1, 1, 1)),
        p_reward=np.array([[[0.8, 0.2]]]),
        volatile=np.ones((1, 1), int),
    )
    (never,) = volatility_training.summarise_updates_to_criterion([flat], sessions).by_animal
    assert np.isnan(never)


def test_moments_of_training_are_read_from_the_names_of_conditions(recording):
    moments = volatility_training.find_moments(recording, UPDATES)
    assert moments == {0: "untrained", 30: "after_30", 100: "after_100", 300: "frozen"}
    alone = recording.sel(condition=["frozen"])
    assert volatility_training.find_moments(alone, UPDATES) == {300: "frozen"}


def test_tables_have_what_their_panels_draw(analysed):
    assert [panel.name for panel in analysed.figures] == OURS
    figures = {panel.name: panel.table for panel in analysed.figures} | analysed.tables
    assert all(len(table) for table in figures.values())
    rates = figures["volatility_rates"]
    assert set(rates["who"]) == {
        "animals", "fixed_alpha", "kalman", "pearce_hall", "behrens", "ideal", "ideal_of_training", "humans",
    }  # fmt: skip
    assert (rates.query("who == 'humans'")["learning_rate"] == [0.16, 0.47]).all()
    training = figures["volatility_training"].query("measure == 'learning_rate_stable'")
    assert list(training["update"]) == [0, 30, 100, 300]
    reversals = figures["volatility_reversals"].query("who == 'ideal'").set_index("trial")["mean"]
    assert reversals[-5] < 0.2 and reversals[9] > 0.8
    assert {"p_volatile", "p_believed_volatility"} <= set(figures["units"])
    assert "phase" in set(figures["unit_activity"]["group_kind"])


@pytest.mark.parametrize("name", OURS)
def test_panels_are_drawn_as_editable_text(analysed, name):
    svg = draw_svg(next(panel for panel in analysed.figures if panel.name == name))
    words = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert len(words) > 4 and not any("$" in (word or "") for word in words)


def test_a_recording_of_the_frozen_condition_alone_is_analysed_too(recording):
    alone = recording.sel(condition=["frozen"]).isel(animal=[0], episode=slice(20))
    curves = [pd.DataFrame({"update": [], "reward_per_trial": []}, dtype=float)]
    found = analyse_volatility(alone, curves, SETTINGS, OBSERVERS, rng=np.random.default_rng(3))
    keys = {s.key for s in found.statistics}
    assert {"learning_rate_ratio", "updates_to_criterion"} <= keys
    assert not any(s.condition.startswith("after") for s in found.statistics)
    training = next(panel.table for panel in found.figures if panel.name == "volatility_training")
    assert list(training["update"].unique()) == [UPDATES]
