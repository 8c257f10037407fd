"""Recorded numbers: planted effects come back, and the extracts give what animals are known for."""

import numpy as np
import pandas as pd
import pytest

from pfc_da.analysis.comparison.extracts import (
    MACAQUE_REVERSAL,
    MOUSE_FORAGING,
    compute_choice_statistics,
    compute_ofc_coding,
    compute_recorded_statistics,
)
from pfc_da.analysis.readers.choice_table import stack_choices
from pfc_da.analysis.readers.juice_choice import OFCRecording, compute_ofc_regressors
from pfc_da.analysis.readers.juice_tables import load_ofc


@pytest.fixture(scope="module")
def rows():
    return compute_recorded_statistics()


@pytest.fixture(scope="module")
def numbers(rows):
    """Numbers of the monkey_juice runs by (first word of the source, key, condition)."""
    shown = [row for row in rows if row.paradigm == "monkey_juice"]
    return {(row.source.split()[0].strip(","), row.key, row.condition): row for row in shown}


def test_every_number_has_interval_sample_source_and_licence(numbers):
    for row in numbers.values():
        assert row.low <= row.estimate <= row.high and row.low < row.high
        assert row.n > 1 and row.n_of in ("animals", "sessions", "units")
        assert row.kind == "recorded" and row.doi and row.locator.startswith("data/recorded/")
        assert row.licence in ("MIT", "Apache-2.0")


def test_a_paradigm_gets_its_own_numbers_the_same_in_every_report(rows):
    bandit = compute_recorded_statistics("bandit")
    assert bandit == [row for row in rows if row.paradigm == "bandit"]
    assert bandit and not any(row.source == MOUSE_FORAGING.source for row in bandit)


def test_monkeys_stay_after_a_win_and_choose_the_better_picture(numbers):
    assert numbers["macaques", "win_stay", ""].low > 0.9
    assert numbers["macaques", "lose_shift", ""].high < 0.35
    assert numbers["macaques", "fraction_better", ""].low > 0.75
    assert numbers["macaques", "reward_per_trial", ""].low > 0.6  # 0.5 by chance, 0.75 at most
    rewards = [numbers["macaques", "history_reward", f"lag_{lag}"].estimate for lag in range(1, 6)]
    assert (np.diff(rewards) < 0).all() and rewards[-1] > 0


def test_mice_undermatch_and_turn_away_from_the_last_choice_on_the_baited_schedule(numbers):
    slope = numbers["mice", "matching_slope", ""]
    assert 0 < slope.low and slope.high < 1 and slope.n == 8
    lags = [numbers["mice", "history_choice", f"lag_{lag}"] for lag in (1, 2)]
    assert lags[0].estimate < -0.2 and lags[0].high < 0.01  # as in the monkeys of Lau & Glimcher 2005; 8 mice
    assert lags[1].low > 0


def test_recorded_cells_fire_like_cortex(numbers):
    cells = {key: row for (source, key, _), row in numbers.items() if source == "orbitofrontal"}
    assert 1 < cells["firing_rate"].estimate < 10
    assert cells["cv2"].low < 1.05 and cells["cv2"].high > 0.95
    assert cells["lv"].estimate == pytest.approx(1, abs=0.1)
    assert cells["fano"].low > 1


def test_offer_values_are_coded_beyond_chance(numbers):
    # 0.05 of the cells would pass the test if none coded anything.
    assert numbers["orbitofrontal", "fraction_selective", "object_value"].low > 0.05
    assert numbers["orbitofrontal", "fraction_selective", "choice"].low > 0.05


def plant_animal(rng, animal, sessions, trials=120, stay=(0.9, 0.4)):
    """Choices that stay after a win and after a loss with given probabilities, at a reward rate of 1/2."""
    rows = []
    for session in range(sessions):
        choice = 0
        for trial in range(trials):
            reward = int(rng.random() < 0.5)
            rows.append((animal, session, trial, 2 * choice - 1, reward))
            if rng.random() >= stay[0 if reward else 1]:
                choice = 1 - choice
    return pd.DataFrame(rows, columns=["animal", "session", "trial", "choice", "reward"])


@pytest.mark.parametrize("animals", [1, 5])
def test_planted_stay_probabilities_come_back(animals):
    rng = np.random.default_rng(1)
    table = pd.concat([plant_animal(rng, f"animal {i}", 20) for i in range(animals)])
    rows = compute_choice_statistics(stack_choices(table), MACAQUE_REVERSAL, rng=rng)
    found = {(row.key, row.condition): row for row in rows}
    assert found["win_stay", ""].estimate == pytest.approx(0.9, abs=0.02)
    assert found["lose_shift", ""].estimate == pytest.approx(0.6, abs=0.03)
    assert found["reward_per_trial", ""].estimate == pytest.approx(0.5, abs=0.03)
    assert (found["win_stay", ""].n, found["win_stay", ""].n_of) == (
        (20, "sessions") if animals == 1 else (5, "animals")
    )
    # Log odds of staying after a loss are choice_1, after a win choice_1 + reward_1; nothing further back.
    after_loss = np.log(0.4 / 0.6)
    assert found["history_choice", "lag_1"].estimate == pytest.approx(after_loss, abs=0.25)
    assert found["history_reward", "lag_1"].estimate == pytest.approx(np.log(9) - after_loss, abs=0.3)
    assert found["history_reward", "lag_3"].estimate == pytest.approx(0, abs=0.2)
    assert ("fraction_better", "") not in found and ("matching_slope", "") not in found


def test_planted_codes_of_cells_are_told_apart():
    # Real offers and choices, made-up cells: one for each variable, and some for none.
    trials = load_ofc().trials
    trials = trials[trials["session"] == "G180910a"]
    table = compute_ofc_regressors(trials)
    rng = np.random.default_rng(3)
    planted = {
        "chosen_value": "chosen_value",
        "choice": "choice",
        "last_reward": "last_reward",
        "object_value": "offer_value_b",
    }
    counts = []
    for cell, drive in enumerate([*planted.values(), *[None] * 30]):
        z = 0 if drive is None else (table[drive] - table[drive].mean()) / table[drive].std()
        rate = np.clip(60 + 25 * np.nan_to_num(z), 0.1, None) * np.ones(len(table))
        fired = pd.DataFrame(
            {"cell": f"G180910a{cell + 10}", "trial": table.index, "post_offer": rng.poisson(rate)}
        )
        counts.append(fired)
    p = compute_ofc_coding(OFCRecording(trials=trials, counts=pd.concat(counts), spikes=pd.DataFrame()))
    for cell, name in enumerate(planted):
        assert p[name][cell] < 1e-4
        others = [other for other in planted if other != name]
        assert all(p[other][cell] > 1e-3 for other in others)
    null = np.concatenate([values[len(planted) :] for values in p.values()])
    assert np.mean(null < 0.05) == pytest.approx(0.05, abs=0.04)


def test_one_session_has_no_interval_and_says_so():
    table = plant_animal(np.random.default_rng(0), "x", 1)
    rows = compute_choice_statistics(stack_choices(table), MACAQUE_REVERSAL, rng=np.random.default_rng(0))
    row = next(row for row in rows if row.key == "win_stay")
    assert row.interval == "none: n is 1" and np.isnan(row.low)
