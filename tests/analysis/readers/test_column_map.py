"""The YAML file that says what somebody else's columns are: what it gives, and what it refuses in one line."""

import pandas as pd
import pytest

from pfc_da.analysis.readers.column_map import ColumnMap, read_column_map
from pfc_da.errors import InputError

TEXT = """
columns: {animal: subjID, reward: [left, right], event: cue_time}
values:
  choice: {0: 0, 1: 1, 2: missing}
baited: true
delay: 0.1
"""


def test_what_is_reported_is_read(tmp_path):
    path = tmp_path / "columns.yaml"
    path.write_text(TEXT)
    columns = read_column_map(path)
    assert columns.theirs("reward") == ["left", "right"] and columns.theirs("trial") == ["trial"]
    assert (columns.baited, columns.same_schedule, columns.delay, columns.options) == (True, False, 0.1, 2)
    table = pd.DataFrame(
        {
            "subjID": [7, 7, 8],
            "left": [1, 0, 0],
            "right": [0, 0.5, None],
            "choice": [0.0, 2.0, None],
            "more": 1,
        }
    ).assign(cue_time=1.5)
    found = columns.translate(table, "x.csv")
    assert found["animal"].tolist() == ["7", "7", "8"]
    assert found["reward"].tolist()[:2] == [1, 0.5] and found["reward"].isna().tolist()[2]
    assert found["choice"].isna().tolist() == [False, True, True]
    assert set(found) == {"animal", "reward", "choice", "event"}


def test_truth_is_a_number_also_where_some_is_missing():
    table = pd.DataFrame({"reward": ["TRUE", None, "False"], "trial": [True, False, True]})
    found = ColumnMap().translate(table, "x.csv")
    assert found["reward"].tolist()[::2] == [1, 0] and found["reward"].isna()[1]
    assert found["trial"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("value", ["9" * 400, 10**400, 1e300, "-inf", "0x1F", "1,5", "1_000"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="x.csv: column 'reward' must hold numbers .* in row 2"):
        ColumnMap().translate(pd.DataFrame({"reward": [1, value]}), "x.csv")


def test_what_a_value_stands_for_must_be_reported():
    table = pd.DataFrame({"choice": [0, 1, 9]})
    columns = ColumnMap(values={"choice": {0: 0, 1: 1}})
    with pytest.raises(
        InputError, match=r"x.csv: column 'choice' must hold 0, 1 \(empty .* got '9' in row 3"
    ):
        columns.translate(table, "x.csv")
    with pytest.raises(
        InputError, match="x.csv: column 'chioce', said to be choice, is missing. Did you mean 'choice'"
    ):
        ColumnMap(columns={"choice": "chioce"}).translate(table, "x.csv")


def test_words_are_looked_up_in_any_case_unless_it_makes_a_difference():
    table = pd.DataFrame({"choice": ["Left", "LEFT ", "right"]})
    columns = ColumnMap(values={"choice": {"left": 5, "Right": 6}})
    assert columns.translate(table, "x.csv")["choice"].tolist() == [5, 5, 6]
    table = pd.DataFrame({"choice": ["a", "A", "a"]})
    columns = ColumnMap(values={"choice": {"a": 0, "A": 1}})
    assert columns.translate(table, "x.csv")["choice"].tolist() == [0, 1, 0]


def test_our_names_are_known_in_other_capitals():
    found = ColumnMap().translate(pd.DataFrame({"Choice": [0], "REWARD": [1], "Trial": [2]}), "x.csv")
    assert found.iloc[0].to_dict() == {"trial": 2, "choice": 0, "reward": 1}


ROWS = pd.DataFrame(
    {
        "phase": ["practice", "real", "real ", None, "real"],
        "stage": ["1", "1.0", "2", "1", "3"],
        "ok": ["TRUE", "True", "true", "false", "TRUE"],
    }
)


@pytest.mark.parametrize(
    "rows, kept",
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"phase": "real"}, [1, 2, 4]),
        ({"stage": 1}, [0, 1, 3]),
        ({"stage": [1, 2]}, [0, 1, 2, 3]),
        ({"phase": "real", "stage": ["2", 3.0]}, [2, 4]),
        ({"phase": "*"}, [0, 1, 2, 4]),
        ({"phase": None}, [3]),
        ({"phase": ["practice", None]}, [0, 3]),
        ({"ok": True, "phase": ["practice", "real"]}, [0, 1, 2, 4]),
    ],
)
def test_rows_that_are_trials_are_kept(rows, kept):
    assert ColumnMap(rows=rows).select(ROWS, "x.csv").index.tolist() == kept


@pytest.mark.parametrize(
    "rows, reported",
    [
        (
            {"phse": "real"},
            "rows: there is no column 'phse'. Did you mean 'phase'. There are: phase, stage, ok",
        ),
        ({"phase": "rael"}, "rows: no row has phase: rael; the column holds practice, real"),
        ({"phase": "practice", "stage": [2, 3]}, "rows: no row has stage: 2, 3; the column holds 1"),
    ],
)
def test_rows_that_are_not_there_are_reported_with_what_is(rows, reported):
    with pytest.raises(InputError, match=f"x.csv: {reported}"):
        ColumnMap(rows=rows).select(ROWS, "x.csv")


def test_what_is_refused_has_its_row_in_the_file():
    table = pd.DataFrame({"phase": ["x", "x", "y", "y"], "reward": ["", "a", "1", "b"]})
    with pytest.raises(InputError, match="got 'b' in row 4"):
        columns = ColumnMap(rows={"phase": "y"})
        columns.translate(columns.select(table, "x.csv"), "x.csv")


@pytest.mark.parametrize(
    "text, reported",
    [
        ("", "must hold settings such as"),
        ("colums: {choice: a}", "no setting 'colums'. Did you mean 'columns'"),
        ("columns: {choise: a}", "columns: there is no 'choise'. Did you mean 'choice'"),
        ("columns: {choice: 3}", "columns.choice: Input should be a valid string"),
        ("values: {choice: {left: up}}", "values.choice.left: Input should be"),
        ("values: {trial: {1: 2}}", "values: there is no 'trial'. .*Ours are choice, reward"),
        ("options: 1", "options: Input should be greater than or equal to 2"),
        ("delay: .nan", "delay: Input should be"),
        ("columns: {choice: a", "is not YAML: while parsing"),
        ("a: !!python/object/apply:os.system [ls]", "tags are not read"),
        ("[" * 5000, "more than 20 levels"),
        ("&a {columns: *a}", "an alias refers to what it is part of"),
        ("rows: {phase: {a: b}}", "rows: phase must be an entry of that column or a list of entries"),
        ("rows: {phase: []}", "rows: phase must be an entry of that column or a list of entries"),
        ("path: '{animal}/{day}'", "path: there is no {day}; a pattern has {animal}, {session} or both"),
        (
            "path: '{animal}'\ncolumns: {animal: a}",
            "the animal is stated by columns and by path; leave one",
        ),
        ("trials_table: [a, b]", "trials_table: Input should be a valid string"),
        ("x: " + "y" * 200_000, "bytes are too many"),
        ("\x00", "is not YAML"),
    ],
)
def test_other_files_are_refused(tmp_path, text, reported):
    path = tmp_path / "columns.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"columns.yaml.*{reported}") as caught:
        read_column_map(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(InputError, match="cannot read the columns .*: No such file"):
        read_column_map(tmp_path / "columns.yaml")
