"""Several files as one data set: what a file is, is reported by its content, and choices and cells find their sessions."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from pfc_da.analysis.behaviour.sessions import compute_choice_numbers
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.dataset import read_datasets, read_recorded
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
    np.testing.assert_allclose(train[(train >= -0.5) & (train < 0.5)], own, atol=1e-6)
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
    reported = read_recorded([path], ColumnMap(columns={"choice": "picked"}))
    assert reported.choices is not None and reported.cells[0].regressors


def test_what_is_neither_is_refused(folder, tmp_path):
    savemat(tmp_path / "x.mat", {"a": 1})
    for name, reported in {
        "absent": "no file or folder .*absent",
        "x.mat": "x.mat: a MATLAB file; give the folder that holds celldata",
        "notes.txt": "notes.txt: no column is known as choice and reward",
    }.items():
        with pytest.raises(InputError, match=reported):
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
    with pytest.raises(
        InputError, match="s2.nwb: intervals/trials: no column is known as choice; .*choice: picked"
    ):
        read_recorded([folder / "sub-m1" / "s2.nwb"])


# Numbers of small files as labs write them: win-stay and lose-shift, means over animals or of all sessions of one.
DATA = Path(__file__).parents[2] / "data" / "recorded"
FILES = {
    "one_folder_a_day": ({}, (3, 60), 0.5055, 0.5465),
    "M07_20240301.csv": ({"columns": {"choice": "side", "reward": "rewarded"}}, (1, 60), 0.6176, 0.44),
    "semicolon.csv": ({}, (4, 40), 0.751, 0.517),
    "words.csv": ({}, (2, 40), 0.9167, 0.5),
    "jspsych.csv": (
        {
            "columns": {"animal": "subject", "trial": "trial_index"},
            "rows": {"trial_type": "two-choice", "phase": "real"},
        },
        (1, 54),
        0.5455,
        0.55,
    ),
}


def measure(found):
    rows = compute_choice_numbers(found.choices, rng=np.random.default_rng(0))
    return [next(row.estimate for row in rows if row.key == key) for key in ("win_stay", "lose_shift")]


@pytest.mark.parametrize("name", FILES)
def test_files_as_labs_write_them_give_their_numbers(name):
    settings, shape, win_stay, lose_shift = FILES[name]
    found = read_recorded([DATA / name], ColumnMap(**settings))
    assert found.choices.choice.shape == shape
    assert measure(found) == pytest.approx([win_stay, lose_shift], abs=5e-5)


def test_rows_without_a_choice_are_counted():
    columns = {"animal": "subject", "trial": "trial_index"}
    found = read_recorded([DATA / "jspsych.csv"], ColumnMap(columns=columns))
    (note,) = found.notes
    assert note.startswith("60 of 120 rows have no choice") and "`rows: " in note
    assert read_recorded([DATA / "jspsych.csv"], ColumnMap(**FILES["jspsych.csv"][0])).notes == ()


def test_files_of_one_name_are_told_apart_by_their_paths():
    found = read_recorded([DATA / "one_folder_a_day"])
    days = ["M1/2024-03-01/trials", "M1/2024-03-02/trials", "M2/2024-03-01/trials"]
    assert found.choices.session.tolist() == days and set(found.choices.animal) == {""}
    apart, animals = found.notes
    assert "several files name a session alike (such as 'trials', in 3 of them)" in apart
    assert "no animal is named for 3 sessions of 3 files: they count as those of one animal" in animals
    pattern = re.search("`path: '(.*?)'`", animals)[1]
    reported = read_recorded([DATA / "one_folder_a_day"], ColumnMap(path=pattern))
    assert reported.choices.animal.tolist() == ["M1", "M1", "M2"] and reported.notes == ()
    assert reported.choices.session.tolist() == ["2024-03-01", "2024-03-02", "2024-03-01"]
    with pytest.raises(
        InputError, match=r"M1/2024-03-01/trials.csv: its path does not end as `path: sub-{animal}"
    ):
        read_recorded([DATA / "one_folder_a_day"], ColumnMap(path="sub-{animal}"))


def test_animals_are_known_from_names_as_archives_give_them(tmp_path):
    for animal in "AB":
        (tmp_path / f"sub-{animal}").mkdir()
        rows = "".join(f"{n % 2},{(n + (animal == 'A')) % 3 // 2}\n" for n in range(30))
        (tmp_path / f"sub-{animal}" / f"sub-{animal}_ses-1_beh.csv").write_text("choice,reward\n" + rows)
    found = read_recorded([tmp_path])
    assert found.choices.animal.tolist() == ["A", "B"] and found.notes == ()


def test_links_are_not_followed_for_names(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "sub-A").mkdir()
    (tmp_path / "objects" / "sub-X.csv").write_text(CSV.replace("animal,", "a,"))
    (tmp_path / "sub-A" / "day1.csv").symlink_to(tmp_path / "objects" / "sub-X.csv")
    assert read_recorded([tmp_path / "sub-A"]).choices.animal.tolist() == ["A"]
    columns = ColumnMap(path="sub-{animal}/*")
    assert read_recorded([tmp_path / "sub-A" / "day1.csv"], columns).choices.animal.tolist() == ["A"]


def test_a_session_is_read_once(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text(CSV)
    with pytest.raises(InputError, match="b.csv is a copy of .*a.csv; give one of the two"):
        read_recorded([tmp_path])
    (tmp_path / "b.csv").write_text(CSV + "a,y,0,1,1\n")  # an export of the day after, with a session more
    with pytest.raises(
        InputError, match="session 'x' of animal 'a' is in both .*a.csv and .*b.csv with the same tri"
    ):
        read_recorded([tmp_path])
    (tmp_path / "b.csv").write_text(CSV.replace(",0,0\n", ",0,1\n"))  # another day of the same name
    found = read_recorded([tmp_path])
    assert found.choices.session.tolist() == ["a", "b"] and "told apart" in found.notes[0]


def test_hidden_files_are_left_out(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a-checkpoint.csv").write_text(CSV)
    (tmp_path / "._a.csv").write_bytes(b"\x00\x05")
    assert len(read_recorded([tmp_path]).choices.session) == 1


def test_a_file_without_a_row_that_is_kept_is_noted(tmp_path):
    head, *rows = CSV.splitlines()
    for name, phase in {"a": "practice", "b": "real"}.items():
        text = [f"{head},phase", *(f"{row.replace('a,x', f'{name},x')},{phase}" for row in rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join(text))
    found = read_recorded([tmp_path], ColumnMap(rows={"phase": "real"}))
    assert found.choices.animal.tolist() == ["b"]
    assert re.search(
        "a.csv: rows: no row has phase: real; the column holds practice. Nothing of", found.notes[0]
    )
    with pytest.raises(InputError, match="no row has phase: reel; the column holds practice"):
        read_recorded([tmp_path], ColumnMap(rows={"phase": "reel"}))


def add_column(path, name, entries):
    with h5py.File(path, "a") as file:
        group, column = name.rsplit("/", 1)
        text = isinstance(entries[0], str)
        file[group].create_dataset(column, data=entries, dtype=h5py.string_dtype() if text else None)
    return path


DAY = (  # choices and rewards of two runs of a day
    "110001111101011100000001010101111110010110111001000010111111",
    "100011111110101011000011101111100110011010100101011010000100",
)


@pytest.mark.parametrize("labels", [["a"] * 30 + ["b"] * 30, [1] * 30 + [2] * 30])
def test_runs_of_a_day_in_one_file_are_sessions_of_the_same_cells(tmp_path, write_session, labels):
    path = write_session(tmp_path / "day.nwb", n_trials=60, observed=[[0.0, 120.0]])
    with h5py.File(path, "a") as file:
        for name, digits in zip(("choice", "reward"), DAY, strict=True):
            file[f"intervals/trials/{name}"][:] = [int(digit) for digit in digits]
    whole = read_recorded([path]).cells[0]
    found = read_recorded([add_column(path, "intervals/trials/session", labels)])
    assert found.choices.choice.shape == (2, 30) and found.choices.session.tolist() == [
        str(labels[0]),
        str(labels[-1]),
    ]
    assert measure(found) == pytest.approx([0.4839, 0.3704], abs=5e-5)  # pairs across the two are left out
    (cells,) = found.cells
    assert cells.is_seen((0, 0.3)).sum(axis=0).tolist() == [60] * 3
    for one, other in zip(cells.trains[1], whole.trains[1], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(cells.regressors["choice"], whole.regressors["choice"])
    last = np.array(cells.regressors["last_choice"])
    assert np.flatnonzero(~(last == whole.regressors["last_choice"])).tolist() in ([30], [0, 30])


def test_the_path_names_the_day_and_the_table_its_runs(tmp_path, write_session):
    path = write_session(tmp_path / "M1_day3.nwb", n_trials=60)
    add_column(path, "intervals/trials/session", [1] * 30 + [2] * 30)
    found = read_recorded([path], ColumnMap(path="{animal}_{session}"))
    assert found.choices.session.tolist() == ["day3/1", "day3/2"] and set(found.choices.animal) == {"M1"}
    add_column(path, "intervals/trials/animal", ["a"] * 30 + ["b"] * 30)
    with pytest.raises(
        InputError, match="M1_day3.nwb: its trials are of 2 animals, and `path` .* gives it one"
    ):
        read_recorded([path], ColumnMap(path="{animal}_{session}"))


def test_a_column_of_trials_that_seems_to_hold_animals_must_be_reported(tmp_path, write_session):
    path = write_session(tmp_path / "two.nwb", n_trials=60)
    add_column(path, "intervals/trials/mouse", ["a"] * 30 + ["b"] * 30)
    with pytest.raises(InputError, match="column 'mouse' seems to hold several animals"):
        read_recorded([path])
    found = read_recorded([path], ColumnMap(columns={"animal": "mouse"}))
    assert found.choices.animal.tolist() == ["a", "b"]


def test_sessions_that_are_mixed_keep_spikes_and_choices_together(tmp_path, write_session):
    path = write_session(tmp_path / "day.nwb", n_trials=60)
    add_column(path, "intervals/trials/session", [t % 2 for t in range(60)])
    (cells,) = read_recorded([path], ColumnMap(columns={"event": "cue_time"})).cells
    choice, counts = cells.regressors["choice"], cells.count((0, 0.3))[:, 0]
    assert counts[choice == 1].mean() > 1.8 * counts[choice == -1].mean()  # unit 0 fires for choice 1


def test_cells_of_two_animals_in_a_file_need_an_owner(tmp_path, write_session):
    path = write_session(tmp_path / "two.nwb", n_trials=80)
    add_column(path, "intervals/trials/animal", ["a"] * 40 + ["b"] * 40)
    found = read_recorded([path])
    assert found.choices.animal.tolist() == ["a", "b"] and found.cells == ()
    assert re.search(
        r"two.nwb: its trials are of 2 animals \(a, b\), and its units have no column", found.notes[0]
    )
    found = read_recorded([add_column(path, "units/animal", ["b", "a", "b"])])
    assert [(cells.animal, cells.names) for cells in found.cells] == [("a", ("1",)), ("b", ("0", "2"))]
    assert [len(cells.trains[0]) for cells in found.cells] == [40, 40] and found.notes == ()


@pytest.mark.parametrize("at, n", [(0.3, 0), (-0.1, 1), (0.299, 1), (-0.101, 0)])
def test_a_spike_on_an_edge_of_the_window_counts_the_same_in_every_trial(tmp_path, write_session, at, n):
    path = write_session(tmp_path / "edge.nwb", n_trials=60, units=1, trial_s=4.1)
    start = np.round(4.1 * np.arange(60) + 2.1, 3)
    with h5py.File(path, "a") as file:
        for name, times in {"start_time": start, "stop_time": np.round(start + 3, 3)}.items():
            file[f"intervals/trials/{name}"][:] = times
        del file["units/spike_times"]
        file["units/spike_times"] = np.round(start + at, 3)
        file["units/spike_times_index"][:] = 60
    (cells,) = read_recorded([path]).cells
    assert cells.count((-0.1, 0.3))[:, 0].tolist() == [n] * 60


def test_days_of_one_session_id_are_told_apart(tmp_path, write_session):
    for day in (1, 2):
        path = write_session(tmp_path / f"day{day}.nwb", n_trials=60, seed=day)
        with h5py.File(path, "a") as file:
            file["general/session_id"][()] = "1"
    found = read_recorded([tmp_path])
    assert found.choices.session.tolist() == ["day1", "day2"] and len(found.cells) == 2
    assert [cells.session for cells in found.cells] == ["day1", "day2"]
    with h5py.File(tmp_path / "day2.nwb", "a") as file, h5py.File(tmp_path / "day1.nwb") as first:
        for name in ("choice", "reward"):
            file[f"intervals/trials/{name}"][:] = first[f"intervals/trials/{name}"][:]
    with pytest.raises(
        InputError, match="session '1' of animal 'm1' is in both .*with the same trials; give one"
    ):
        read_recorded([tmp_path])


def write_choices(path, rewards=(1, 0), name="choice"):
    path.write_text(f"{name},reward\n" + "".join(f"{side},{reward}\n" for side, reward in enumerate(rewards)))


def test_a_file_with_a_map_of_its_own_is_a_data_set_by_itself(tmp_path):
    write_choices(tmp_path / "m1.csv")
    write_choices(tmp_path / "m2.csv", rewards=(0, 1))
    write_choices(tmp_path / "rats.csv", rewards=(1, 1), name="port")
    (tmp_path / "rats.columns.yaml").write_text("columns: {choice: port}\nbaited: true\n")
    rats, others = read_datasets([tmp_path])
    assert (rats.source, others.source) == (str(tmp_path / "rats.csv"), f"{tmp_path / 'm1.csv'} and 1 more")
    assert rats.columns.baited and not others.columns.baited
    assert (len(rats.choices.session), len(others.choices.session)) == (1, 2)

    (alone,) = read_datasets([tmp_path / "rats.csv"])
    assert alone.columns == rats.columns
    reported = ColumnMap(columns={"choice": "port"})
    assert (
        read_datasets([tmp_path / "rats.csv"], reported)[0].columns == reported
    )  # --columns replaces the map

    (tmp_path / "rats.columns.yaml").unlink()
    (tmp_path / "rats.csv").unlink()
    (together,) = read_datasets([tmp_path])
    assert together.source == str(tmp_path) and len(together.choices.session) == 2


def test_a_damaged_map_beside_a_file_is_named(tmp_path):
    write_choices(tmp_path / "m1.csv")
    (tmp_path / "m1.columns.yaml").write_text("column: {choice: port}\n")
    with pytest.raises(InputError, match="m1.columns.yaml: no setting 'column'"):
        read_datasets([tmp_path])
