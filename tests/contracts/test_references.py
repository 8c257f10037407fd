"""Rows of data/reference_statistics.csv: where they stand, what they are worth; derived ones are right."""

import importlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

from pfc_da.analysis.comparison.published import compare
from pfc_da.analysis.comparison.reference import BOUND, NONE, load_references
from pfc_da.analysis.interval import compute_wilson_interval
from pfc_da.analysis.observers.baited import Alternation, FixedProbability, MomentaryMaximiser
from pfc_da.analysis.observers.bandit import (
    AntiCorrelatedOptimum,
    BanditObserver,
    BayesOptimal,
    GreedyMean,
    Thompson,
    UpperConfidence,
    compute_regret,
)
from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.analysis.statistic import Statistic
from pfc_da.paradigms.monkey_juice import MonkeyJuice, build_observer
from pfc_da.rng import torch_stream

ROOT = Path(__file__).resolve().parents[2]
ROWS = load_references()
IDS = [f"{row.paradigm}-{row.key}-{row.condition}-{row.source}" for row in ROWS]
TRIALS = 100
CODE = re.compile(r"pfc_da(?:\.\w+)+")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_row_says_where_it_stands_and_what_carries_it(row):
    assert row.doi or row.locator
    assert row.mark in (
        "found",
        "derived",
        "memory",
        "third-party",
    )  # "recorded" is for computed numbers only
    assert row.mark == "derived" or row.doi
    assert row.interval and row.interval != NONE.strip() and row.interval != BOUND.strip()
    assert (row.n or 0) > 0 or row.n_of.removeprefix(NONE).strip()
    assert row.paradigm in {path.stem for path in (ROOT / "paradigms").iterdir()} | {"monkey_juice", "bandit"}


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in CODE.findall(row.locator)}))
def test_the_code_that_a_derived_number_names_is_there(name):
    module, _, attribute = name.rpartition(".")
    if attribute[0].isupper():
        assert hasattr(importlib.import_module(module), attribute)
    else:
        importlib.import_module(name)


def test_no_two_rows_say_the_same():
    names = [(row.paradigm, row.key, row.condition, row.source, row.mark) for row in ROWS]
    assert len(set(names)) == len(names)


def simulated(row):
    """A statistic that agrees with the row to the digit, so that only its mark can stand in the way."""
    middle = row.estimate if math.isfinite(row.estimate) else (row.low + row.high) / 2
    low, high = (row.low, row.high) if math.isfinite(row.low) else (middle, middle)
    if row.interval.startswith(BOUND):  # whose ends are no part of the claim
        low, high = (middle + low) / 2, (middle + high) / 2
    fields = {"key": row.key, "labels": {"condition": row.condition}, "units": row.units, "interval": "95 %"}
    return Statistic(**fields, estimate=middle, low=low, high=high, n=8, n_of="animals")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_what_is_called_published_was_found(row):
    (comparison,) = compare([simulated(row)], [row])
    allowed = {
        "found": "published",
        "derived": "derived",
        "memory": "unverified",
        "third-party": "unverified",
    }
    assert comparison.kind == allowed[row.mark]
    if comparison.kind == "unverified":
        assert (comparison.verdict, "unverified" in comparison.why) == ("not comparable", True)
    elif math.isfinite(row.low) and not row.unlike:
        assert comparison.verdict == ("claim holds" if row.interval.startswith(BOUND) else "inside")


def test_the_table_holds_a_row_of_each_mark_that_the_rules_speak_of():
    assert {"found", "derived", "memory"} <= {row.mark for row in ROWS}


def test_wilson_intervals_follow_from_their_n():
    rows = [row for row in ROWS if "Wilson" in row.interval]
    assert rows
    for row in rows:
        low, high = compute_wilson_interval(round(row.estimate * row.n), row.n)
        assert (row.low, row.high) == pytest.approx((low, high), abs=1e-4)


def derived(paradigm, key, condition, source):
    (row,) = [
        row
        for row in ROWS
        if (row.paradigm, row.key, row.condition, row.mark) == (paradigm, key, condition, "derived")
        and source in row.source
    ]
    return row.estimate


def arms(condition, n, rng):
    """Arm probabilities (episode, action) of a bandit distribution."""
    if condition == "independent":
        return rng.random((n, 2))
    better = {"correlated_easy": 0.9, "correlated_medium": 0.75, "correlated_hard": 0.6}.get(condition)
    first = rng.random(n) if better is None else np.where(rng.random(n) < 0.5, better, 1 - better)
    return np.stack([first, 1 - first], axis=1)


class Random(BanditObserver):
    def choose(self, rewards, failures, rng):
        return rng.integers(2, size=len(rewards))


OBSERVERS = {
    "probability 1/2": Random(),
    "Thompson": Thompson(),
    "chi = 1": UpperConfidence(1.0),
    "chi = 2": UpperConfidence(2.0),
    "greedy": GreedyMean(),
    "Bayes-optimal": AntiCorrelatedOptimum(),
}
DISTRIBUTIONS = (
    "independent",
    "correlated_uniform",
    "correlated_easy",
    "correlated_medium",
    "correlated_hard",
)


@pytest.mark.parametrize("condition", DISTRIBUTIONS)
@pytest.mark.parametrize("source", OBSERVERS)
def test_derived_regrets_are_those_of_the_observers(condition, source):
    rng = np.random.default_rng(11)
    p = arms(condition, 2000, rng)
    if condition == "independent" and source == "Bayes-optimal":
        best = TRIALS * 2 / 3 - BayesOptimal(horizon=TRIALS).expected_reward
        assert derived("bandit", "regret", condition, source) == pytest.approx(best, abs=1e-4)
        return
    schedule = p[:, None].repeat(TRIALS, 1)
    regret = compute_regret(simulate_choices(OBSERVERS[source], schedule, rng=rng).choice, p)
    error = regret.std() / math.sqrt(len(regret))
    assert derived("bandit", "regret", condition, source) == pytest.approx(regret.mean(), abs=4 * error)


AGENTS = {
    "probability 1/2": FixedProbability(0.5),
    "alternates": Alternation(),
    "more likely to pay now, knowing p0": MomentaryMaximiser(),
    "learns it from its rewards": build_observer(MonkeyJuice()),
}


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in ROWS
        if (row.paradigm, row.key, row.mark) == ("monkey_juice", "reward_per_trial", "derived")
    ],
    ids=lambda row: row.source,
)
def test_derived_juice_is_that_of_the_agents(row):
    state, _ = MonkeyJuice().reset(torch_stream(12, "task"), 250)
    schedule, rng = state.p0.transpose(0, 1).double().numpy(), np.random.default_rng(12)
    (agent,) = [agent for words, agent in AGENTS.items() if words in row.source]
    earned = simulate_choices(agent, schedule, baited=True, rng=rng).expected_reward.mean(1, float)
    error = earned.std() / math.sqrt(len(earned))
    assert row.estimate == pytest.approx(earned.mean(), abs=4 * error)
    assert 4 * error < 0.008
