"""A format is one module in the folder of readers: found, asked in order, read, and compared like the others."""

import os
import sys
import textwrap
import threading

import numpy as np
import pytest

from pfc_da.analysis import readers
from pfc_da.analysis.comparison.run import compare_recorded
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.dataset import read_recorded
from pfc_da.analysis.readers.formats import begins_with, find_reader, find_readers
from pfc_da.errors import InputError

MODULE = '''
"""Choices of a lever box: two lines of text, the sides pressed and the drops given."""

import pandas as pd

from pfc_da.analysis.readers.formats import RecordedFile
from pfc_da.errors import InputError

ENDINGS = (".levers",)


def accepts(path):
    return path.name.endswith(".levers") and path.is_file()


def read(path, columns):
    lines = path.read_text().split()
    if len(lines) != 2:
        raise InputError(f"{path}: two lines are needed, got {len(lines)}.")
    sides, drops = lines
    return RecordedFile(
        trials=pd.DataFrame(
            {
                "animal": path.stem,
                "session": "1",
                "trial": range(len(sides)),
                "choice": [float(side == "R") for side in sides],
                "reward": [float(drop) for drop in drops],
            }
        ),
        notes=("levers are read",),
    )
'''


@pytest.fixture
def lever_reader(tmp_path, monkeypatch):
    """A reader of a format of its own, in one file of a folder that is searched for readers."""
    folder = tmp_path / "more_readers"
    folder.mkdir()
    (folder / "levers.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(folder)])
    yield
    sys.modules.pop("pfc_da.analysis.readers.levers", None)
    if hasattr(readers, "levers"):
        del readers.levers


def write_levers(folder, name, seed):
    rng = np.random.default_rng(seed)
    sides, drops = ("".join(rng.choice(list(words), 60)) for words in ("LR", "01"))
    (folder / f"{name}.levers").write_text(f"{sides}\n{drops}\n")


def name(reader):
    return reader.__name__.rpartition(".")[2]


def test_readers_are_asked_in_a_stated_order_and_tables_come_last(lever_reader):
    found = [name(reader) for reader in find_readers()]
    assert found == ["juice_choice", "juice_tables", "levers", "nwb", "choice_table"]


def test_a_format_of_its_own_is_compared_with_a_run(lever_reader, tmp_path, build_recording):
    recorded, run = tmp_path / "recorded", tmp_path / "run"
    recorded.mkdir()
    run.mkdir()
    for seed, animal in enumerate(("m1", "m2", "m3")):
        write_levers(recorded, animal, seed)
    (recorded / "m4.csv").write_text("choice,reward\n" + "0,1\n1,0\n" * 30)
    build_recording(shape=(3, 4, 60)).to_netcdf(run / "recording.nc")
    found = read_recorded([recorded])
    assert found.choices.animal.tolist() == ["m1", "m2", "m3", ""] and "levers are read" in found.notes
    sides = (recorded / "m2.levers").read_text().split()[0]
    assert found.choices.choice[1].tolist() == [side == "R" for side in sides]
    table = compare_recorded(run, [recorded / f"m{n}.levers" for n in (1, 2, 3)]).set_index("key")
    assert table.loc["win_stay", "rec_n"] == 3 and table.loc["win_stay", "rec_n_of"] == "animals"
    assert "levers are read" in table.attrs["notes"]


def test_without_the_reader_the_format_is_refused(tmp_path):
    write_levers(tmp_path, "m1", 0)
    with pytest.raises(InputError, match=r"m1.levers: a table of choices must be .csv, .tsv, .txt"):
        read_recorded([tmp_path / "m1.levers"])
    with pytest.raises(InputError, match=r"no file in it is called \*.nwb, \*.nwb.zarr, \*.csv"):
        read_recorded([tmp_path])


def test_what_a_reader_refuses_is_reported(lever_reader, tmp_path):
    (tmp_path / "m1.levers").write_text("LLRR\n")
    with pytest.raises(InputError, match="m1.levers: two lines are needed, got 1"):
        read_recorded([tmp_path / "m1.levers"], ColumnMap())


@pytest.mark.parametrize("called", ["a.nwb", "a.csv", "a"])
def test_no_reader_opens_a_pipe(tmp_path, called):
    """One that does waits for ever; the thread is left behind then."""
    os.mkfifo(tmp_path / called)
    asked = threading.Thread(target=find_reader, args=(tmp_path / called,), daemon=True)
    asked.start()
    asked.join(10)
    assert not asked.is_alive()
    assert find_reader(tmp_path / called) is None


def test_formats_are_reported_by_the_first_bytes(tmp_path):
    (tmp_path / "b").write_bytes(b"\x89HDF and more")
    assert begins_with(tmp_path / "b", b"\x89HDF") and not begins_with(tmp_path / "b", b"MATLAB")
    assert not begins_with(tmp_path, b"") and not begins_with(tmp_path / "absent", b"")
    assert name(find_reader(tmp_path / "b")) == "nwb"


def test_a_folder_called_nwb_is_searched_and_one_of_cells_is_read_as_a_whole(tmp_path):
    inner = tmp_path / "day.nwb"
    (inner / "celldata").mkdir(parents=True)
    assert name(find_reader(inner)) == "juice_choice"
    (inner / "celldata").rmdir()
    (inner / "m1.csv").write_text("choice,reward\n0,1\n1,0\n")
    assert find_reader(inner) is None
    assert read_recorded([tmp_path]).choices.choice.tolist() == [[0, 1]]
