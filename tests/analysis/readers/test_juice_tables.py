"""The tables of juice-choice cells: the cells are those of the MATLAB layout, and damage is named."""

import gzip

import numpy as np
import pytest

from pfc_da.analysis.readers.dataset import read_recorded
from pfc_da.analysis.readers.formats import find_reader
from pfc_da.analysis.readers.juice_tables import accepts, load_ofc, read, read_tables
from pfc_da.errors import InputError

# The cell that test_juice_choice writes in the MATLAB layout, as read_ofc_matlab gives it.
TABLES = {
    "trials": """session,trial,task,offer_a,offer_b,side_a,choice,fixation_ms,go_ms,saccade_ms,juice_ms
X1a,2,joint,2,6,-1,1,-1000,1200,1400,2000
X1a,3,joint,0,4,-1,1,-1000,1200,1400,2000
X1a,5,joint,3,1,1,0,-1000,1200,1400,2000
X1a,6,sequential,2,3,,1,,,,
""",
    "counts": "cell,trial,pre_offer,post_offer,late_delay,post_juice\nX1a11,3,1,1,1,1\nX1a11,5,1,0,0,0\nX1a12,3,2,0,0,0\n",
    "spikes": "cell,trial,spike_times_ms\nX1a11,3,-300 100 700\nX1a11,5,-960 -1\n",
}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


def write(folder, **changed):
    for name, text in {**TABLES, **changed}.items():
        with gzip.open(folder / f"{name}.csv.gz", "wt") as file:
            file.write(text)


def test_cells_are_those_of_the_matlab_layout_as_far_as_their_spikes_are_kept(folder):
    (cell,) = read(folder).cells
    assert (cell.animal, cell.session, cell.names) == ("X", "X1a", ("X1a11",))
    assert [train.tolist() for train in cell.trains[0]] == [[], [-0.3, 0.1, 0.7], [-0.96, -0.001]]
    np.testing.assert_array_equal(cell.seen_before[:, 0], [-np.inf, 1, 1])
    np.testing.assert_array_equal(cell.seen_after[:, 0], [-np.inf, 1, 1])
    np.testing.assert_array_equal(cell.regressors["choice"], [1, 1, -1])
    np.testing.assert_array_equal(cell.regressors["object_value_1"], [6, 4, 1])
    assert "offers show the values" in cell.unlike


def test_each_table_stands_for_the_folder_and_two_of_them_are_the_same_cells(folder):
    found = [read_recorded([folder]), *(read_recorded([folder / f"{name}.csv.gz"]) for name in TABLES)]
    assert [one.cells[0].names for one in found] == [("X1a11",)] * 4
    assert "only cells with spike times are compared (1 of 2 cells)" in found[0].notes[0]
    with pytest.raises(InputError, match=r"trials.csv.gz holds the same cells as .*spikes.csv.gz \(X1a11\)"):
        read_recorded([folder / "spikes.csv.gz", folder / "trials.csv.gz"])


def test_other_tables_of_these_names_are_tables_of_choices(folder):
    write(folder, trials="session,trial,choice,reward\na,1,0,1\n")
    assert not accepts(folder) and not accepts(folder / "trials.csv.gz")
    assert find_reader(folder / "trials.csv.gz").__name__.endswith("choice_table")
    write(folder)
    (folder / "counts.csv.gz").unlink()
    assert not accepts(folder)


@pytest.mark.parametrize(
    "name, old, new, reported",
    [
        ("trials", "choice,fixation", "took,fixation", "column 'choice' is missing"),
        ("trials", "X1a,3,joint,0", "X1a,3,joint,", "column 'offer_a' has no entry in row 2"),
        ("trials", "3,1,1,0", "3,one,1,0", "column 'offer_b'"),
        ("spikes", "-960 -1", "-1 -960", "spike times must rise from -1000 to 1000 ms, got '-1 -960'"),
        ("spikes", "-960", "-1960", "spike times must rise from -1000 to 1000 ms"),
        ("spikes", "-960", "early", "spike times must be numbers separated by blanks"),
        ("spikes", "X1a11,5", "X1a11,6", "trial 6 of session X1a is no joint trial of trials.csv.gz"),
        ("counts", "X1a11,5", "Y1a11,5", "trial 5 of session Y1a is no joint trial"),
    ],
)
def test_damage_is_named(folder, name, old, new, reported):
    write(folder, **{name: TABLES[name].replace(old, new)})
    with pytest.raises(InputError, match=f"{name}.csv.gz: {reported}") as caught:
        read_tables(folder)
    assert "\n" not in str(caught.value)


def test_the_extract_is_whole():
    extract = load_ofc()
    assert (len(extract.trials), extract.trials["session"].nunique()) == (16339, 26)
    assert (extract.counts["cell"].nunique(), extract.spikes["cell"].nunique()) == (120, 40)
    assert sum(map(len, extract.spikes["spike_times_ms"])) == 153341
