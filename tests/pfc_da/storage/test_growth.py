"""Configurations with which a run can be continued, and the messages."""

from pathlib import Path

import pytest

from pfc_da.errors import InputError
from pfc_da.settings import resolve
from pfc_da.storage.growth import GROWING, describe_growth, require_growth
from pfc_da.storage.request import flatten

RUN = Path("runs/x")
CONFIG = {
    "animals": 4,
    "seed": 0,
    "replay": {"held_out_sessions": 100, "sessions": 20, "unit_sessions": 10},
    "task": {},
}
HELD = {"animals": 4, "replay.sessions": 20}


def change(**values):
    return CONFIG | values


def replay(**values):
    return CONFIG | {"replay": CONFIG["replay"] | values}


def test_what_grows_are_settings_of_a_run():
    settings = flatten(resolve([{"paradigm": "bandit"}]).model_dump(mode="json"))
    assert {*GROWING} <= settings.keys()
    assert {name for name in settings if name.startswith("replay.")} - {"replay.bin"} <= {*GROWING}


@pytest.mark.parametrize(
    "now", [CONFIG, change(animals=5), replay(sessions=21), replay(held_out_sessions=50)]
)
def test_as_much_or_more_than_a_run_has_is_taken(now):
    require_growth(RUN, CONFIG, now, HELD)


@pytest.mark.parametrize(
    "now, words",
    [
        (
            change(animals=3),
            r"^runs/x has 4 animals, more than the 3 asked for; a run cannot shrink\. Give --animals 4 or more, or "
            r"another --out, whose animals will be the first of these\.$",
        ),
        (
            replay(sessions=19),
            r"^runs/x has a replay with replay\.sessions 20, more than the 19 asked for; a run cannot shrink\. "
            r"Give --set replay\.sessions=20 or more, another --out, or --force to start over\.$",
        ),
        (
            change(seed=1, animals=3),
            r"^runs/x holds a run with another configuration: seed is 0 there and 1 was asked for\. Give another "
            r"--out, or --force to start over; a run can only grow in animals and sessions of replay\.$",
        ),
        ({**CONFIG, "replay": {}}, r"replay\.\w+ is \d+ there and absent was asked for"),
    ],
)
def test_less_or_something_else_is_refused(now, words):
    with pytest.raises(InputError, match=words):
        require_growth(RUN, CONFIG, now, HELD)


@pytest.mark.parametrize(
    "now, animals, line",
    [
        (change(animals=8), 4, "runs/x has 4 animals: 4 more are trained."),
        (change(animals=2), 1, "runs/x has 1 animal: 1 more is trained."),
        (
            replay(sessions=40),
            4,
            "runs/x has 4 animals: none is trained again; replay.sessions is 40 instead of 20.",
        ),
        (
            replay(sessions=40) | {"animals": 8},
            4,
            "runs/x has 4 animals: 4 more are trained; replay.sessions is 40 instead of 20.",
        ),
    ],
)
def test_what_is_done_is_said_in_one_line(now, animals, line):
    assert describe_growth(RUN, CONFIG, now, animals) == line
