"""The distance by hand, what is left out of it, and that populations that are alike are about 1 apart."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pfc_da.analysis.comparison.distance import (
    OF_CELLS,
    OF_CHOICES,
    choose_statistics,
    compute_distance,
    compute_distance_interval,
    compute_scale,
    get_recorded,
)
from pfc_da.analysis.comparison.run import compare_recording
from pfc_da.analysis.comparison.simulated import get_choice_sessions
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.dataset import Recorded, read_recorded

N = {"sim_n": 4, "rec_n": 8}
REACH = tuple(stats.t.ppf(0.975, n - 1) for n in N.values())


def rows_of(**found):
    """A comparison from (simulated, its s.e., recorded, its s.e.) by key."""
    columns = "simulated sim_low sim_high recorded rec_low rec_high".split()
    rows = []
    for name, (simulated, sim_se, recorded, rec_se) in found.items():
        given = zip((simulated, recorded), (sim_se, rec_se), REACH, strict=True)
        sides = [(value, value - reach * se, value + reach * se) for value, se, reach in given]
        rows.append(
            {"key": name, "condition": "", "verdict": "different", "why": "", **N}
            | dict(zip(columns, sides[0] + sides[1], strict=True))
        )
    return pd.DataFrame(rows)


def test_the_distance_by_hand():
    """Scales 5 (3 and 4) and 1 (.6 and .8); differences 10 and 1."""
    rows = rows_of(win_stay=(20, 4, 10, 3), lose_shift=(1, 0.8, 0, 0.6))
    scale = compute_scale([rows], ["win_stay", "lose_shift"])
    assert scale.tolist() == pytest.approx([5, 1], rel=1e-5)
    assert compute_distance(rows, scale) == pytest.approx(math.sqrt((2**2 + 1**2) / 2), rel=1e-5)
    assert compute_distance(rows, scale[["lose_shift"]]) == pytest.approx(1, rel=1e-5)


def test_the_scale_takes_the_median_population_and_no_odd_one():
    tables = [rows_of(win_stay=(20, se, 10, 3)) for se in (4, 0.01, 900)]
    assert compute_scale(tables, ["win_stay"]).tolist() == pytest.approx([5], rel=1e-5)


def test_uncertainty_brings_no_population_nearer():
    sure, unsure = rows_of(win_stay=(20, 4, 10, 3)), rows_of(win_stay=(20, 40, 10, 3))
    scale = compute_scale([sure], ["win_stay"])
    assert compute_distance(sure, scale) == compute_distance(unsure, scale)


def test_a_statistic_that_animals_have_not_at_all_is_infinitely_far():
    scale = compute_scale([rows_of(win_stay=(20, 4, 10, 3))], ["win_stay"])
    assert compute_distance(rows_of(win_stay=(math.nan, 4, 10, 3)), scale) == math.inf


def test_what_may_not_be_compared_is_named_with_its_reason():
    rows = rows_of(win_stay=(1, 1, 1, 1), reward_per_trial=(1, 1, 1, 1))
    rows.loc[1, ["verdict", "why"]] = "not comparable", "rewards may have come in another way"
    more = rows_of(history_reward=(1, 1, 1, 1), lose_shift=(1, 1, 1, 1))
    lags = pd.concat([more.assign(condition=name) for name in ("lag_1", "lag_2")])
    asked = ["win_stay", "win_stay", "reward_per_trial", "history_reward lag_2", "firing_rate", "lose_shift"]
    kept, left_out = choose_statistics(pd.concat([rows, lags], ignore_index=True), asked)
    assert kept == ["win_stay", "history_reward lag_2", "lose_shift lag_1", "lose_shift lag_2"]
    assert left_out == {
        "reward_per_trial": "rewards may have come in another way",
        "firing_rate": "the recordings hold no such number",
    }


def test_the_interval_is_the_jackknife_of_a_mean():
    """Of a mean the jackknife gives the textbook's standard error: here sd / sqrt(n) = 1.2910 / 2; t(3) is 3.1824."""
    values = np.array([1.0, 2.0, 3.0, 4.0])
    without = [float(np.delete(values, each).mean()) for each in range(4)]
    low, high = compute_distance_interval(2.5, without)
    assert high - 2.5 == pytest.approx(3.18245 * values.std(ddof=1) / 2, rel=1e-4)
    assert low == pytest.approx(max(0, 5 - high))
    assert np.isnan(compute_distance_interval(2.5, [2.5])).all()
    assert np.isnan(compute_distance_interval(math.inf, without)).all()


@pytest.fixture(scope="module")
def recorded(build_recording):
    choices = get_choice_sessions(build_recording(stay=(0.8, 0.4), shape=(5, 20, 60), seed=99))
    return Recorded(choices=choices, cells=(), source="planted")


def test_populations_that_are_alike_are_about_one_apart_and_others_farther(build_recording, recorded):
    names = ["win_stay", "lose_shift", "history_reward lag_1"]

    def compare(stay, seed):
        recording = build_recording(stay=stay, shape=(5, 20, 60), seed=seed)
        return compare_recording(recording, recorded, known=known)

    known = ()
    tables = [compare((0.8, 0.4), 1)]
    known = get_recorded(tables[0])
    tables += [compare((0.8, 0.4), seed) for seed in range(2, 8)]
    scale = compute_scale(tables, names)
    alike = [compute_distance(rows, scale) for rows in tables]
    assert 0.4 < np.mean(alike) < 1.8
    near, far = (compute_distance(compare(stay, 20), scale) for stay in ((0.75, 0.4), (0.6, 0.4)))
    assert max(alike) < near < far


def test_recorded_numbers_are_not_computed_again(build_recording, recorded):
    recording = build_recording(shape=(3, 20, 60))
    first = compare_recording(recording, recorded)
    of_recorded = [column for column in first if column.startswith("rec")]
    known = get_recorded(first)
    again = compare_recording(recording, recorded, known=known)
    pd.testing.assert_frame_equal(
        again[["key", "condition", *of_recorded]], first[["key", "condition", *of_recorded]]
    )
    np.testing.assert_allclose(again["simulated"], first["simulated"], rtol=1e-4)  # fits start elsewhere


def test_cells_beside_known_choices_have_a_row_each(build_recording, write_session, tmp_path):
    columns = ColumnMap(columns={"event": "cue_time"})
    recorded = read_recorded([write_session(tmp_path / "s1.nwb", n_trials=40)], columns)
    recording = build_recording(shape=(2, 10, 40))
    first = compare_recording(recording, recorded)
    again = compare_recording(recording, recorded, known=get_recorded(first))
    assert again[["key", "condition"]].values.tolist() == first[["key", "condition"]].values.tolist()
    assert not again.duplicated(["key", "condition"]).any()
    kept, left_out = choose_statistics(again, ["firing_rate", "cv"])
    assert kept == ["firing_rate"] and "Poisson" in left_out["cv"]


def test_every_key_of_the_comparison_is_known():
    page = (Path(__file__).parents[3] / "docs" / "recorded-data.md").read_text()
    table = page.split("## What is compared")[1].split("\n\n")[1]
    named = {
        word
        for line in table.splitlines()
        for word in line.split("|")[1].replace("`", "").replace(",", " ").split()
    }
    assert named - {"key", "---"} == {*OF_CHOICES, *OF_CELLS}
