"""Verdicts by the stated rule, on pairs made by hand."""

import dataclasses
import math
import re

import numpy as np
import pytest

from pfc_da.analysis.comparison.published import QUICK, compare
from pfc_da.analysis.comparison.reference import ReferenceStatistic
from pfc_da.analysis.statistic import NO_WIDTH, Statistic, summarise
from pfc_da.errors import InputError
from pfc_da.storage.tables import MISSES, VERDICTS

NAN = math.nan


def simulated(estimate=0.5, low=0.4, high=0.6, *, units="fraction", n=4, n_of="animals", key="x"):
    fields = {"key": key, "labels": {"condition": "a"}, "interval": "95 % t over animals", "units": units}
    return Statistic(**fields, estimate=estimate, low=low, high=high, n=n, n_of=n_of)


def reference(estimate=0.55, low=0.5, high=0.6, **changes):
    fields = dict(
        key="x",
        condition="a",
        paradigm="bandit",
        interval="95 % Wilson",
        n=100,
        n_of="neurons",
        units="fraction",
        source="A paper",
        doi="10.1000/x",
        locator="Fig. 1",
        read_off="as printed",
        mark="found",
    )
    return ReferenceStatistic(**{**fields, "estimate": estimate, "low": low, "high": high, **changes})


def verdict(statistic, row):
    (comparison,) = compare([statistic], [row])
    return comparison.verdict, comparison.why


SAMPLES = "4 animals against 100 neurons"
OPEN = "within one standard error of the edge"


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.4, 0.6, ("inside", f"intervals overlap; {SAMPLES}")),
        (0.3, 0.53, ("open", f"intervals overlap, {OPEN}; {SAMPLES}")),
        (0.3, 0.5, ("open", f"intervals overlap, {OPEN}; {SAMPLES}")),  # they share the point 0.5
        (0.3, 0.49, ("open", f"simulated lies below, {OPEN}; {SAMPLES}")),
        (0.2, 0.4, ("outside", f"simulated lies below; {SAMPLES}")),
        (0.61, 0.8, ("open", f"simulated lies above, {OPEN}; {SAMPLES}")),
        (0.7, 0.8, ("outside", f"simulated lies above; {SAMPLES}")),
    ],
)
def test_intervals_that_share_a_point_are_inside_and_open_near_the_edge(low, high, expected):
    assert verdict(simulated((low + high) / 2, low, high), reference()) == expected


def test_another_draw_of_animals_hardly_ever_turns_inside_into_outside():
    """Planted: animals whose mean lies where half of all draws share a point with the reference and half do not."""
    rng = np.random.default_rng(0)
    of_draw = [
        verdict(
            summarise("x", rng.normal(0.5 - 0.145, 0.1, 4), labels={"variable": "a"}, units="fraction"),
            reference(),
        )[0]
        for _ in range(1000)
    ]
    share = {name: of_draw.count(name) / 1000 for name in ("inside", "open", "outside")}
    assert share["open"] > 0.3
    assert 2 * share["inside"] * share["outside"] < 0.25  # of two draws; without `open` it is half


def test_one_standard_error_never_turns_inside_into_outside():
    """Planted: the same animals, all shifted by the standard error of their mean."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        animals = rng.normal(rng.uniform(0.2, 0.9), 0.1, 4)
        error = animals.std(ddof=1) / 2
        found = {
            verdict(summarise("x", animals + shift, labels={"variable": "a"}, units="fraction"), reference())[
                0
            ]
            for shift in (-0.999 * error, 0, 0.999 * error)
        }
        assert not {"inside", "outside"} <= found


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.8, 0.95, "claim holds"),
        (0.8, 1.05, "claim open"),  # overlaps, which is not enough here
        (-0.1, 0.2, "claim open"),
        (-0.5, 1.5, "claim open"),
        (-0.3, -0.1, "claim fails"),
        (-0.3, 0.0, "claim fails"),  # at most 0 is not above 0
        (1.1, 1.2, "claim fails"),
    ],
)
def test_a_claim_in_words_has_verdicts_of_its_own(low, high, expected):
    claim = reference(NAN, 0, 1, interval="bound: slope between 0 and 1")
    found = verdict(simulated((low + high) / 2, low, high), claim)
    assert found == (expected, "slope between 0 and 1; 4 animals against 100 neurons")


def test_an_interval_without_width_is_no_certainty():
    """All animals equal: nothing is known of the next one. That no animal shows a change at all speaks against its sign."""
    same = dataclasses.replace(simulated(0.55, 0.55, 0.55), interval=NO_WIDTH)
    claim = reference(NAN, 0, 1, interval="bound: rarer")
    for row in (reference(), claim):
        found, why = verdict(same, row)
        assert found == "not comparable"
        assert "has no width: all animals equal (n = 4 animals)" in why
    nothing = dataclasses.replace(simulated(0.0, 0.0, 0.0), interval=NO_WIDTH)
    assert verdict(nothing, claim)[0] == "claim fails"
    assert verdict(nothing, reference())[0] == "not comparable"
    assert verdict(simulated(), reference(0.5, 0.5, 0.5, interval=NO_WIDTH))[0] == "not comparable"


def test_every_verdict_is_of_the_list():
    assert set(MISSES) < set(VERDICTS)
    assert {verdict(simulated(), reference())[0], verdict(simulated(1, 0.9, 1.1), reference())[0]} <= set(
        VERDICTS
    )


@pytest.mark.parametrize(
    "statistic, row, why",
    [
        (simulated(low=NAN, high=NAN, n=1), reference(), r"no interval \(n = 1 animals\)"),
        (
            simulated(),
            reference(low=NAN, high=NAN, interval="none: not printed"),
            "the reference has no interval",
        ),
        (simulated(units="Hz"), reference(), "units differ: Hz simulated, fraction in the reference"),
        (simulated(n_of="trials"), reference(), "runs over trials, no sample"),
        (simulated(), reference(n_of="trials"), "reference interval runs over trials"),
        (simulated(), reference(mark="memory"), "quoted from memory, unverified"),
        (simulated(), reference(mark="third-party"), "third-party, unverified"),
        (simulated(), reference(unlike="another schedule"), "^another schedule; simulated overlaps$"),
        (simulated(0.7, 0.65, 0.8), reference(unlike="a landmark"), "^a landmark; simulated lies above$"),
    ],
)
def test_what_may_not_be_compared_says_why(statistic, row, why):
    found, reported = verdict(statistic, row)
    assert found == "not comparable"
    assert re.search(why, reported)


def test_an_observer_needs_no_sample():
    observer = reference(0.5, 0.5, 0.5, interval="exact", n=None, n_of="none: exact", mark="derived")
    assert verdict(simulated(), observer) == (
        "inside",
        "intervals overlap; 4 animals against an exact number or claim",
    )


def test_every_reference_gets_its_row_even_without_a_simulated_number():
    rows = compare([simulated(key="y")], [reference()], [reference(mark="recorded")])
    assert [row.kind for row in rows] == ["published", "recorded"]
    assert all(math.isnan(row.simulated) and row.why == "this run holds no such number" for row in rows)


def test_no_number_of_a_quick_run_has_a_verdict():
    rows = compare([simulated()], [reference(), reference(key="y")], against=QUICK)
    assert [(row.verdict, row.why) for row in rows] == [
        ("not comparable", QUICK),
        ("not comparable", "this run holds no such number"),
    ]
    assert rows[0].simulated == 0.5


def test_a_statistic_given_twice_is_refused():
    with pytest.raises(InputError, match="is there twice"):
        compare([simulated(), simulated()], [])
