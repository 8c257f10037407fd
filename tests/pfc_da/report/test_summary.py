"""What is said of a run first: animals that did not learn, a quick run, and how comparisons came out."""

import pandas as pd
import pytest

from pfc_da.report.summary import QUICK, count_verdicts, describe_verdicts, list_warnings
from pfc_da.storage.manifest import new_manifest
from pfc_da.storage.tables import VERDICTS

SETTINGS = {"paradigm": "bandit", "seed": 0, "animals": 3}
STATISTICS = pd.DataFrame({"key": ["reward_chance"], "estimate": [0.5]})


def manifest(**config):
    return new_manifest({**SETTINGS, **config})


def by_animal(learned):
    rows = [
        (animal, key, "independent", value)
        for animal, own in enumerate(learned)
        for key, value in {
            "fraction_learned": float(own),
            "reward_per_trial": 0.65 if own else 0.51,
            "reward_untrained": 0.5,
        }.items()
    ]
    return pd.DataFrame(rows, columns=["animal", "key", "condition", "estimate"])


@pytest.mark.parametrize(
    "learned, reported",
    [
        ((1, 1, 1), []),
        (
            (1, 0, 0),
            ["2 of 3 animals (1, 2) did not learn: reward 0.510 a trial, untrained 0.500, chance 0.500."],
        ),
        ((0, 0), ["2 of 2 animals did not learn: reward 0.510 a trial, untrained 0.500, chance 0.500."]),
    ],
)
def test_animals_that_did_not_learn_are_named_with_their_reward(learned, reported):
    assert list_warnings(manifest(), STATISTICS, by_animal(learned)) == reported
    assert list_warnings(manifest(quick=True), STATISTICS, by_animal(learned)) == [*reported, QUICK]


def test_a_run_without_such_numbers_has_no_warning():
    assert list_warnings(manifest(), STATISTICS.iloc[:0], by_animal(())) == []
    assert list_warnings(manifest(quick=True), None, None) == [QUICK]
    assert describe_verdicts(manifest(), None) == []


def test_verdicts_are_counted_without_controls_at_chance():
    rows = [("recorded", "mice", verdict) for verdict in (*VERDICTS, "outside")]
    rows += [("derived", "chance: either object with probability 1/2", "inside")]
    rows += [("derived", "observer: alternates blindly", "outside")]
    comparison = pd.DataFrame(rows, columns=["kind", "source", "verdict"])
    assert count_verdicts(comparison) == dict.fromkeys(VERDICTS, 1) | {"outside": 3}
    assert describe_verdicts(manifest(), comparison) == [
        "Numbers compared with a reference: 5, of which 1 inside, 3 outside, 1 open.",
        "Claims in words: 3, of which 1 holds, 1 fails, 1 open.",
    ]
    assert describe_verdicts(manifest(quick=True), comparison) == []
    assert describe_verdicts(manifest(), comparison.iloc[:0]) == []
