"""What else a table may hold is proposed as a map that can be pasted, and never used by itself."""

import re

import pandas as pd
import pytest
import yaml

from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.errors import InputError

N = 40
ALTERNATE = [n % 2 for n in range(N)]


def words(a, b):
    return [(a, b)[n % 3 == 0] for n in range(N)]


@pytest.mark.parametrize(
    "columns, reported",
    [
        ({"response": ALTERNATE, "outcome": ALTERNATE}, {"choice": "response", "reward": "outcome"}),
        ({"side": ALTERNATE, "rewarded": ALTERNATE}, {"choice": "side", "reward": "rewarded"}),
        ({"choice_time": range(N), "chosen": ALTERNATE, "points": words(0, 10)}, {"choice": "chosen", "reward": "points"}),
        ({"response_rt": range(N), "key": words("f", "j"), "correct": ALTERNATE}, {"choice": "key", "reward": "correct"}),
        ({"port": ALTERNATE, "feedback": ALTERNATE}, {"choice": "port", "reward": "feedback"}),
        ({"choice": ALTERNATE}, {"reward": "NAME"}),
        ({"a": ALTERNATE, "b": ALTERNATE}, {"choice": "NAME", "reward": "NAME"}),
        ({"choice": ALTERNATE, "Feedback": ALTERNATE}, {"reward": "Feedback"}),
    ],
)  # fmt: skip
def test_columns_are_guessed_from_names_and_how_many_entries(columns, reported):
    table = pd.DataFrame({"subject": ["m1"] * N, "t": range(N), **columns})
    with pytest.raises(
        InputError, match="x.csv: no column is known as .*; there are subject, t, .*`"
    ) as caught:
        ColumnMap().translate(table, "x.csv", ("choice", "reward"))
    message = str(caught.value)
    found = yaml.safe_load(re.search("`(.*)`", message)[1])
    assert found["columns"] == reported and "\n" not in message
    if "NAME" not in reported.values():
        again = ColumnMap(**found).translate(table, "x.csv", ("choice", "reward"))
        assert again[["choice", "reward"]].notna().all(axis=None)


@pytest.mark.parametrize(
    "ours, entries, reported",
    [
        ("choice", ["B", "A"], {"A": 0, "B": 1}),
        ("choice", ["Right!", "Left!", "no response"], {"Left!": 0, "no response": "missing", "Right!": 1}),
        ("choice", ["0", "1", "late"], {0: 0, 1: 1, "late": "missing"}),
        ("choice", ["no", "yes"], {"no": 0, "yes": 1}),  # words that YAML takes for truth are quoted
        ("reward", ["correct", "incorrect"], {"correct": 1, "incorrect": 0}),
        ("reward", ["Hit", "error", "missed"], {"error": 0, "Hit": 1, "missed": "missing"}),
        (
            "reward",
            ["juice", "blank"],
            {"blank": "NUMBER", "juice": "NUMBER"},
        ),  # which one pays is not guessed
    ],
)
def test_words_are_proposed_with_what_they_may_stand_for(ours, entries, reported):
    with pytest.raises(
        InputError, match="must hold numbers .* in --columns FILE says what each stands for"
    ) as caught:
        ColumnMap().translate(pd.DataFrame({ours: entries * 3}), "x.csv")
    assert yaml.safe_load(re.search("`(.*)`", str(caught.value))[1]) == {"values": {ours: reported}}


def test_many_words_are_not_proposed():
    with pytest.raises(InputError, match="got 'w0' in row 1.$"):
        ColumnMap().translate(pd.DataFrame({"choice": [f"w{n}" for n in range(30)]}), "x.csv")
