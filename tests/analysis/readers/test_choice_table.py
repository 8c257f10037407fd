"""Tidy tables of choices become sessions side by side; bad ones are refused with file and remedy."""

import gzip
import re
import shlex

import numpy as np
import pandas as pd
import pytest
import yaml

from pfc_da.analysis.readers.choice_table import read_choices
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.errors import InputError

TABLE = """animal,session,trial,block,choice,reward,better_side
x,b,1,0,1,1,1
x,b,0,0,-1,0,1
x,b,2,1,,,-1
y,a,5,0,-1,1,-1
y,b,7,0,1,0.5,
"""


def test_sessions_stand_side_by_side(tmp_path):
    path = tmp_path / "choices.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    sessions = read_choices(path)
    # Session b of x and session b of y are two; rows of a session are put in the order of trial.
    np.testing.assert_array_equal(sessions.choice, [[0, 1, -1], [0, -1, -1], [1, -1, -1]])
    np.testing.assert_array_equal(
        sessions.reward, [[0, 1, np.nan], [1, np.nan, np.nan], [0.5, np.nan, np.nan]]
    )
    np.testing.assert_array_equal(sessions.better, [[1, 1, 0], [0, -1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(sessions.block, [[0, 0, 1], [0, -1, -1], [0, -1, -1]])
    assert sessions.animal.tolist() == ["x", "y", "y"]
    assert sessions.session.tolist() == ["b", "a", "b"]


def test_optional_columns_may_be_missing(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("session,trial,choice,reward\n1,0,0,1\n1,1,1,0\n")
    sessions = read_choices(path)
    assert (sessions.better == -1).all() and (sessions.block == -1).all()
    assert sessions.animal.tolist() == [""]


def test_other_names_and_codes_are_reported(tmp_path):
    path = tmp_path / "choices.txt"
    path.write_text(
        "subj\tt\tkey\tleft_pay\tright_pay\nx\t0\tL\tTrue\tFalse\nx\t1\tR\tFalse\tFalse\nx\t2\tno\tFalse\tTrue\n"
    )
    columns = ColumnMap(
        columns={"animal": "subj", "trial": "t", "choice": "key", "reward": ["left_pay", "right_pay"]},
        values={"choice": {"L": 0, "R": 1, "no": "missing"}},
    )
    sessions = read_choices(path, columns)
    np.testing.assert_array_equal(sessions.choice, [[0, 1, -1]])
    np.testing.assert_array_equal(sessions.reward, [[1, 0, 1]])
    assert sessions.session.tolist() == sessions.animal.tolist() == ["x"]


@pytest.mark.parametrize(
    "words", ["left right none", "Left RIGHT None", "L R none", "l r none", "' left' 'Right ' NONE"]
)
@pytest.mark.parametrize("outcomes", ["rewarded unrewarded", "Win LOSS", "yes No", "TRUE False", "1.0 0"])
def test_sides_and_outcomes_are_known_by_their_words(tmp_path, words, outcomes):
    path = tmp_path / "choices.csv"
    (left, right, none), (won, lost) = shlex.split(words), outcomes.split()
    path.write_text(
        f"session,trial,choice,reward,better_side\n1,0,{right},{won},{left}\n1,1,{none},,{left}\n"
        f"1,2,{left},{lost},{right}\n"
    )
    sessions = read_choices(path)
    np.testing.assert_array_equal(sessions.choice, [[1, -1, 0]])
    np.testing.assert_array_equal(sessions.reward, [[1, np.nan, 0]])
    np.testing.assert_array_equal(sessions.better, [[0, 0, 1]])


def test_other_words_end_with_what_may_be_pasted(tmp_path):
    path, choices = tmp_path / "choices.csv", ["up", "down", "up", "omission"]
    path.write_text("choice,reward\n" + "".join(f"{choice},{n % 2}\n" for n, choice in enumerate(choices)))
    with pytest.raises(InputError, match="got 'up' in row 1. `values: {.*` in --columns FILE says") as caught:
        read_choices(path)
    reported = yaml.safe_load(re.search("`(.*)`", str(caught.value))[1])
    assert reported == {"values": {"choice": {"down": 0, "omission": "missing", "up": 1}}}
    np.testing.assert_array_equal(read_choices(path, ColumnMap(**reported)).choice, [[1, 0, 1, -1]])


def test_rows_without_numbers_are_trials_in_their_order(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("session,choice,reward\n2,0,1\n1,1,1\n2,1,0\n1,0,\n2,1,1\n")
    sessions = read_choices(path)
    np.testing.assert_array_equal(sessions.choice, [[0, 1, 1], [1, 0, -1]])
    assert sessions.session.tolist() == ["2", "1"]


def test_blocks_may_have_labels(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("choice,reward,block\n0,1,A\n1,1,A\n0,1,B\n1,0,A\n")
    np.testing.assert_array_equal(read_choices(path).block, [[0, 0, 1, 2]])


@pytest.mark.parametrize(
    "column, reported",
    [("Subject ID", "animal"), ("mouse_name", "animal"), ("date", "session"), ("session_id", "session")],
)
def test_a_column_that_seems_to_hold_animals_or_sessions_must_be_reported(tmp_path, column, reported):
    path = tmp_path / "choices.csv"
    path.write_text(f"{column},choice,reward\n" + "".join(f"{n // 2},{n % 2},1\n" for n in range(4)))
    with pytest.raises(
        InputError, match=f"'{column}' seems to hold several {reported}s, .*{{{reported}: {column}}}"
    ):
        read_choices(path)
    found = read_choices(path, ColumnMap(columns={reported: column}))
    assert getattr(found, reported).tolist() == ["0", "1"]


def test_probabilities_tell_the_better_option(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("session,trial,choice,reward,p_0,p_1\n1,0,-1,1,.4,.1\n1,1,1,0,.1,.4\n1,2,1,0,.2,.2\n")
    np.testing.assert_array_equal(read_choices(path).better, [[0, 1, -1]])


def test_more_than_two_options_are_read_where_reported(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("session,trial,choice,reward,better_side\n1,0,3,1,2\n1,1,1,0,2\n1,2,3,0,2\n")
    sessions = read_choices(path, ColumnMap(options=3))
    np.testing.assert_array_equal(sessions.choice, [[2, 0, 2]])  # the option never chosen keeps its place
    np.testing.assert_array_equal(sessions.better, [[1, 1, 1]])
    assert sessions.n_options == 3


HEAD = "session,trial,choice,reward\n"


@pytest.mark.parametrize(
    "text, reported",
    [
        (
            "session,trial,choise,reward\n1,0,0,1\n1,1,1,1\n",
            "no column is known as choice; .* {choice: choise}",
        ),
        (HEAD, "the table has no trial"),
        (HEAD + "1,0,0,1\n1,1,1,1\n1,2,2,1\n", "two values .* got 0, 1, 2"),
        (HEAD + "1,0,0,1\n1,1,0,1\n", "two values .* got 0"),
        (HEAD + "1,0,0,1\n", "two values .* got 0"),
        (HEAD + "1,0,0,1\n1,1,up,1\n", "'choice' must hold numbers .* got 'up' in row 2"),
        (HEAD + "1,0,0,1\n1,1,1,much\n", "'reward' must hold numbers .* got 'much' in row 2"),
        (HEAD + "1,0,0,1\n1,1,1,inf\n", "'reward' must hold numbers .* got 'inf' in row 2"),
        (HEAD + "1,0,0,1\n1,0,1,1\n", r"trial 0 of session 1 is there twice, again in row 2.* {session: \["),
        (HEAD + "1,,0,1\n1,1,1,1\n", "every row needs a trial; row 1 has none.*`rows:"),
        (HEAD + ",0,0,1\n1,1,1,1\n", "every row needs a session; row 1 has none"),
        (
            HEAD[:-1] + ",block\n1,0,0,1,0\n1,1,1,1,1.5\n",
            "'block' must hold whole numbers .* got 1.5 in row 2",
        ),
        (HEAD + "1,0,0,1,5,6,7\n1,1,1,1\n", "cannot be read as a table"),
        (",".join(map(str, range(1_000_000))) + "\n", "the header is longer than 1000000 characters"),
        (",".join("abc") * 999 + "\n", "1999 columns; at most 1000 are read"),
        ("a" * 9 + "\x00\n", "no table of text, it holds NUL bytes"),
        ("", "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, reported):
    path = tmp_path / "choices.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"choices\.csv: .*({reported})") as caught:
        read_choices(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be \.csv, \.tsv, \.txt, plain or \.gz"):
        read_choices(tmp_path / "session.mat")
    with pytest.raises(InputError, match="absent.csv: cannot be read as a table"):
        read_choices(tmp_path / "absent.csv")
    cut = tmp_path / "cut.csv.gz"
    whole = gzip.compress(TABLE.encode() * 99)
    for content in (whole[:-20], whole[:40] + b"xx" + whole[42:], b"no gzip"):
        cut.write_bytes(content)
        with pytest.raises(InputError, match="cut.csv.gz: (the gzip file is cut short|cannot be read)"):
            read_choices(cut)


def test_a_table_in_memory_is_read_as_its_file(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text(TABLE)
    table = pd.read_csv(path)
    from_file, from_memory = (
        read_choices(path),
        read_choices(table[table["trial"] >= 0].set_index("block", drop=False)),
    )
    for name, values in vars(from_file).items():
        np.testing.assert_array_equal(getattr(from_memory, name), values, err_msg=name)


def test_a_table_in_memory_may_hold_words_truth_and_categories():
    table = pd.DataFrame({"choice": ["left", "right", None], "reward": [True, False, True]})
    table["session"] = pd.Categorical(["a", "a", "b"])
    sessions = read_choices(table)
    np.testing.assert_array_equal(sessions.choice, [[0, 1], [-1, -1]])
    np.testing.assert_array_equal(sessions.reward, [[1, 0], [1, np.nan]])
    renamed = read_choices(table.rename(columns={"choice": "side"}), ColumnMap(columns={"choice": "side"}))
    np.testing.assert_array_equal(renamed.choice, sessions.choice)


def test_a_bad_table_in_memory_is_refused_with_its_row():
    table = pd.DataFrame({"choice": [0, 1, 1], "reward": ["0", "1", "x?"]}, index=[7, 8, 9])
    with pytest.raises(
        InputError, match="the table: column 'reward' must hold numbers .*, got 'x\\?' in row 3"
    ):
        read_choices(table)
    with pytest.raises(InputError, match="the table: no column is known as reward"):
        read_choices(table[["choice"]])
