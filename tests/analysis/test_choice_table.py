"""Tidy tables of choices become sessions side by side; bad ones are refused with file and remedy."""

import gzip

import numpy as np
import pytest

from pfc_da.analysis.choice_table import read_choices
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


@pytest.mark.parametrize(
    "text, told",
    [
        ("session,trial,choise,reward\n1,0,0,1\n", "'choice' is missing; .*Did you mean 'choise'"),
        ("session,trial,choice,reward\n", "the table has no trial"),
        ("session,trial,choice,reward\n1,0,0,1\n1,1,1,1\n1,2,2,1\n", "two values .* got 0, 1, 2"),
        ("session,trial,choice,reward\n1,0,0,1\n1,1,0,1\n", "two values .* got 0"),
        ("session,trial,choice,reward\n1,0,left,1\n", "column 'choice' must hold numbers"),
        ("session,trial,choice,reward\n1,0,0,1\n1,0,1,1\n", "trial 0 of session 1 is there twice"),
        ("session,trial,choice,reward\n1,,0,1\n1,1,1,1\n", "every row needs a session and a trial"),
        ("", "cannot be read as CSV"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, told):
    path = tmp_path / "choices.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"choices\.csv: .*{told}") as caught:
        read_choices(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be \.csv or \.csv\.gz"):
        read_choices(tmp_path / "session.mat")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_choices(tmp_path / "absent.csv")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(TABLE.encode())[:-20])
    with pytest.raises(InputError, match="cut.csv.gz"):
        read_choices(cut)
