"""Numbers of the browser of units: each one stays with its unit, event, group and time."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from pfc_da.errors import InputError
from pfc_da.report.units import collect_units, unit_browser

TIMES = {"cue": [-0.05, 0.05, 0.15], "choice": [-0.1, 0.0]}
GROUPS = [("value", "low"), ("value", "high"), ("choice", "A")]


def code(animal, unit, event, group, time):
    """A number of its own for every place."""
    return 1000 * animal + 100 * unit + 10 * list(TIMES).index(event) + GROUPS.index(group) + time


@pytest.fixture
def tables():
    units = pd.DataFrame({"animal": [0, 0, 1, 1], "unit": [3, 7, 3, 7], "is_excitatory": [1, 0, 1, 0]})
    units = units.assign(tau=0.5, mean_rate_hz=[5.0, 6, 7, 8], p_choice=[0.2, 0.3, np.nan, 0.0004])
    rows = [
        (animal, unit, event, *group, time, code(animal, unit, event, group, time), 0.25)
        for event, times in TIMES.items()
        for time in times
        for group in GROUPS
        for animal in (1, 0)
        for unit in (7, 3)
    ]
    columns = "animal unit event group_kind group time_s mean_hz sem_hz".split()
    spikes = [(a, u, trial, f"{10 * a} {u + trial}") for a in (0, 1) for trial in (2, 0, 1) for u in (3, 7)]
    trials = pd.DataFrame({"animal": [1, 1, 1, 0, 0, 0], "trial": [2, 0, 1] * 2})
    trials = trials.assign(
        value=["low", "high", np.nan] * 2, choice="A", cue_s=0.0, choice_s=[0.2, 0.0, 0.1] * 2
    )
    listed = pd.DataFrame(spikes, columns=["animal", "unit", "trial", "spikes_ms"])
    return {
        "units": units,
        "activity": pd.DataFrame(rows, columns=columns),
        "trials": trials,
        "spikes": listed,
    }


def test_numbers_stay_with_their_unit_event_group_and_time(tables):
    shuffled = {
        name: own.sample(frac=1, random_state=0) for name, own in tables.items() if name != "activity"
    }
    data = collect_units(activity=tables["activity"], **shuffled)
    assert data["events"] == [{"name": name, "times": times} for name, times in TIMES.items()]
    assert data["groups"] == GROUPS
    assert sorted(animal["animal"] for animal in data["animals"]) == [0, 1]
    for animal in data["animals"]:
        assert sorted(unit["unit"] for unit in animal["units"]) == [3, 7]
        for unit in animal["units"]:
            for event, group, time in ((0, 1, 2), (1, 2, 0), (1, 0, 1)):
                name = list(TIMES)[event]
                expected = code(animal["animal"], unit["unit"], name, GROUPS[group], TIMES[name][time])
                assert unit["mean"][event][group][time] == pytest.approx(expected)
                assert unit["sem"][event][group][time] == 0.25
            assert unit["spikes"] == [[10 * animal["animal"], unit["unit"] + trial] for trial in range(3)]
        assert animal["trials"]["events"] == {"cue": [0, 0, 0], "choice": [0.0, 0.1, 0.2]}
        assert animal["trials"]["groups"] == {"value": [1, -1, 0], "choice": [2, 2, 2]}
    of_one = data["animals"][[a["animal"] for a in data["animals"]].index(1)]["units"]
    p = {unit["unit"]: unit["p"]["choice"] for unit in of_one}
    assert p == {3: None, 7: 0.0004}


def test_the_page_says_how_many_units_it_shows_and_of_how_many(tables):
    page = unit_browser(*tables.values())
    assert "All 2 units of each animal." in page
    some = tables["activity"].query("unit == 3")
    assert "The 1 most active of 2 units of each animal." in unit_browser(tables["units"], some)


def test_without_trials_there_is_no_raster(tables):
    data = collect_units(tables["units"], tables["activity"])
    assert all(unit["spikes"] == [] for animal in data["animals"] for unit in animal["units"])
    page = unit_browser(tables["units"], tables["activity"])
    payload = json.loads(re.search(r'id="units-data">(.*?)</script>', page, re.DOTALL)[1])
    assert payload["animals"][0]["trials"] == {"events": {}, "groups": {}}


@pytest.mark.parametrize("written", [12, 12.0, "12", None])
def test_trains_of_one_spike_or_none_are_read_whatever_the_type_of_the_column(tables, written):
    spikes = tables["spikes"].assign(spikes_ms=written)
    data = collect_units(tables["units"], tables["activity"], tables["trials"], spikes)
    assert data["animals"][0]["units"][0]["spikes"] == [[] if written is None else [12]] * 3


def test_two_rows_for_one_mark_are_refused(tables):
    doubled = pd.concat([tables["activity"]] * 2)
    with pytest.raises(InputError, match="two rows of the same animal, unit"):
        collect_units(tables["units"], doubled)


def test_units_of_another_recording_are_refused(tables):
    with pytest.raises(InputError, match="share no unit"):
        collect_units(tables["units"].assign(animal=7), tables["activity"])
