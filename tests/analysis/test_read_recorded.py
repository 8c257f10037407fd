"""Several files as one data set: what a file is, is told by its content, and choices and cells find their sessions."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from pfc_da.analysis.column_map import ColumnMap
from pfc_da.analysis.read_recorded import read_recorded
from pfc_da.errors import InputError

CSV = "animal,session,trial,choice,reward\n" + "".join(f"a,x,{t},{t % 2},{t % 3 > 0:d}\n" for t in range(30))


@pytest.fixture
def folder(tmp_path, write_session):
    """A session with cells, one without, and one of a table, in folders as archives lay them out."""
    (tmp_path / "sub-m1").mkdir()
    write_session(tmp_path / "sub-m1" / "s1.nwb", observed=[[0.0, 60.0]])
    write_session(tmp_path / "sub-m1" / "s2.nwb", units=0, n_trials=40, seed=1)
    (tmp_path / "table.csv").write_text(CSV)
    (tmp_path / "notes.txt").write_text("left alone")
    return tmp_path


def test_a_folder_of_sessions_is_one_data_set(folder):
    found = read_recorded([folder])
    assert sorted(zip(found.choices.animal, found.choices.session, strict=True)) == [
        ("a", "x"),
        ("m1", "s1"),
        ("m1", "s2"),
    ]
    assert found.source == str(folder) and len(found.cells) == 1


def test_cells_have_the_behaviour_of_their_session(folder):
    columns = ColumnMap(columns={"event": "cue_time"})
    found = read_recorded([folder / "sub-m1" / "s1.nwb"], columns)
    (cells,), path = found.cells, folder / "sub-m1" / "s1.nwb"
    with h5py.File(path) as file:
        choice, cue = file["intervals/trials/choice"][:], file["intervals/trials/cue_time"][:]
        times = file["units/spike_times"][: file["units/spike_times_index"][0]]
    np.testing.assert_array_equal(cells.regressors["choice"], 2.0 * choice - 1)
    own = times[(times >= cue[3] - 0.5) & (times < cue[3] + 0.5)] - cue[3]
    train = cells.trains[0][3]
    np.testing.assert_allclose(train[(train >= -0.5) & (train < 0.5)], own)
    # Of 120 trials of 2 s the first 60 s were observed.
    assert cells.is_seen((-0.5, 0.5)).sum(axis=0).tolist() == [30] * 3
    assert np.nanmean(cells.count((0, 0.3))[choice == 1, 0]) > 1.8 * np.nanmean(
        cells.count((0, 0.3))[choice == 0, 0]
    )


def test_choices_are_not_needed_where_there_are_cells(folder):
    path = folder / "sub-m1" / "s1.nwb"
    with h5py.File(path, "a") as file:
        file["intervals/trials"].move("choice", "picked")
        names = [
            name if name != "choice" else "picked" for name in file["intervals/trials"].attrs["colnames"]
        ]
        file["intervals/trials"].attrs["colnames"] = names
    found = read_recorded([path])
    assert found.choices is None and found.cells[0].regressors == {}
    told = read_recorded([path], ColumnMap(columns={"choice": "picked"}))
    assert told.choices is not None and told.cells[0].regressors


def test_what_is_neither_is_refused(folder, tmp_path):
    savemat(tmp_path / "x.mat", {"a": 1})
    for name, told in {
        "absent": "no file or folder .*absent",
        "x.mat": "x.mat: a MATLAB file; give the folder that holds celldata",
        "notes.txt": "notes.txt: column 'trial' is missing",
    }.items():
        with pytest.raises(InputError, match=told):
            read_recorded([tmp_path / name])
    with h5py.File(folder / "sub-m1" / "s2.nwb", "a") as file:
        file["intervals/trials"].move("choice", "picked")
        file["intervals/trials"].attrs["colnames"] = [
            "start_time",
            "stop_time",
            "picked",
            "reward",
            "cue_time",
        ]
    with pytest.raises(InputError, match="s2.nwb: neither choices nor cells; --columns FILE says which"):
        read_recorded([folder / "sub-m1" / "s2.nwb"])
