"""Sessions in NWB files: trials and units come back, old schemas too, and damage is reported with file and field."""

import json
import os
import pickle
import re

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
import zarr

from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.nwb import read as read_nwb
from pfc_da.errors import InputError


@pytest.fixture(scope="module")
def session(write_session, tmp_path_factory):
    return write_session(tmp_path_factory.mktemp("nwb") / "s1.nwb", observed=[[0.0, 100.0], [101.0, 240.0]])


def stored(path, name):
    with h5py.File(path) as file:
        return file[name][:]


def test_trials_and_units_come_back(session):
    found = read_nwb(session, ColumnMap(columns={"event": "cue_time"}))
    for ours, theirs in {"choice": "choice", "reward": "reward", "event": "cue_time"}.items():
        np.testing.assert_array_equal(found.trials[ours], stored(session, f"intervals/trials/{theirs}"))
    assert found.trials["trial"].tolist() == list(range(120))
    assert set(found.trials["animal"]) == {"m1"} and set(found.trials["session"]) == {"s1"}
    np.testing.assert_array_equal(np.concatenate(found.times), stored(session, "units/spike_times"))
    np.testing.assert_array_equal(
        np.cumsum([len(t) for t in found.times]), stored(session, "units/spike_times_index")
    )
    np.testing.assert_array_equal(found.intervals[2], [[0, 100], [101, 240]])


def test_windows_begin_with_the_trial_unless_reported(session):
    np.testing.assert_array_equal(
        read_nwb(session).trials["event"], stored(session, "intervals/trials/start_time")
    )


def test_a_file_without_intervals_or_units_is_read(write_session, tmp_path):
    assert read_nwb(write_session(tmp_path / "a.nwb")).intervals is None
    alone = read_nwb(write_session(tmp_path / "b.nwb", units=0))
    assert alone.times == () and len(alone.trials) == 120


def change(path, copy, how):
    if path != copy:
        copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        how(file)
    return copy


@pytest.mark.parametrize("version", ["2.0.2", "2.1.0"])
def test_an_old_schema_without_its_specification_is_read(session, tmp_path, version):
    def age(file):
        del file["specifications"], file.attrs[".specloc"]
        file.attrs["nwb_version"] = version

    found = read_nwb(change(session, tmp_path / "old.nwb", age))
    np.testing.assert_array_equal(np.concatenate(found.times), stored(session, "units/spike_times"))
    assert len(found.trials) == 120


def put(name, place, value):
    def how(file):
        file[name][place] = value

    return how


def replace(name, make):
    """Put another dataset in the place of one, with the attributes of the old."""

    def how(file):
        attributes, old = dict(file[name].attrs), file[name][:]
        del file[name]
        make(file, name, old)
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs.update(attributes)

    return how


def as_text(file, name, old):
    file.create_dataset(name, data=["much"] * len(old), dtype=h5py.string_dtype())


def as_link(file, name, old):
    file[name] = h5py.ExternalLink("other.nwb", name)


def as_outer_bytes(file, name, old):
    file.create_dataset(name, shape=old.shape, dtype="f8", external=[("raw.bin", 0, old.nbytes)])


def as_many(file, name, old):
    file.create_dataset(name, shape=(10**13,), dtype="f8", chunks=(10**6,))


def as_table(file, name, old):
    file[name] = np.stack([old, old], axis=1)


def widen(file):
    for column in range(1001):
        file[f"intervals/trials/more_{column}"] = h5py.SoftLink("/intervals/trials/id")


def as_links(file):
    file["acquisition/other"] = h5py.ExternalLink(file.attrs["elsewhere"], "/intervals/trials/reward")
    del file["intervals/trials/reward"]
    file["intervals/trials/reward"] = h5py.SoftLink("/acquisition/other")


def as_codes(file):
    file["intervals/trials"].create_dataset("choice_elements", data=["left"], dtype=h5py.string_dtype())


DAMAGE = {
    "no trials table": (
        lambda file: file.__delitem__("intervals/trials"),
        r"no trials table \(intervals/trials\)",
    ),
    "not sorted": (
        put("units/spike_times", 9, 0.0),
        "units/spike_times of unit 0: times must be sorted; entry 9",
    ),
    "negative": (
        put("units/spike_times", 0, -2.0),
        "units/spike_times of unit 0: .* must not be negative, got -2",
    ),
    "NaN spike": (put("units/spike_times", 5, np.nan), "units/spike_times of unit 0: entry 5 is nan"),
    "infinite spike": (put("units/spike_times", -1, np.inf), "units/spike_times of unit 2: entry .* is inf"),
    "NaN start": (
        put("intervals/trials/start_time", 3, np.nan),
        "trials/start_time must hold .* row 4 has none",
    ),
    "NaN event": (put("intervals/trials/cue_time", slice(None), np.nan), "trials/cue_time holds no time"),
    "backwards": (put("intervals/trials/stop_time", 3, 0.0), "trial 4 stops at 0 s, before its start"),
    "index": (put("units/spike_times_index", slice(None), 7), "units/spike_times_index does not fit"),
    "intervals in ms": (
        put("units/obs_intervals", slice(None), 1e6),
        "units/obs_intervals of unit 0 leave out",
    ),
    "intervals backwards": (
        put("units/obs_intervals", 0, [9.0, 1.0]),
        "obs_intervals of unit 0: .* ascending",
    ),
    "text": (
        replace("intervals/trials/reward", as_text),
        "column 'reward' must hold numbers .* 'much' in row 1",
    ),
    "table": (
        replace("intervals/trials/reward", as_table),
        "trials/reward must hold one value a trial|cannot read",
    ),
    "link": (
        replace("units/spike_times", as_link),
        "units/spike_times links to 'other.nwb' outside the file",
    ),
    "bytes elsewhere": (replace("units/spike_times", as_outer_bytes), "links to .*raw.bin' outside the file"),
    "too large": (replace("units/spike_times", as_many), "units/spike_times claims 80000000000000 bytes"),
    "wide": (widen, r"intervals/trials has 10\d\d columns; at most 1000"),
    "link to a link": (as_links, "intervals/trials/reward links to .*outside the file"),
    "no reward": (
        lambda file: file.__delitem__("intervals/trials/reward"),
        "no column is known as reward; there are start_time, stop_time, choice, cue_time",
    ),
    "words beyond": (as_codes, "trials/choice points beyond the 1 words of choice_elements"),
    "no version": (lambda file: file.attrs.__delitem__("nwb_version"), "HDF5, but not NWB"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_reported_with_file_and_field(session, tmp_path, damage):
    how, reported = DAMAGE[damage]
    path = change(
        session, tmp_path / "damaged.nwb", lambda file: file.attrs.create("elsewhere", str(session))
    )
    path = change(path, path, how)
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"damaged\.nwb: .*({reported})") as caught:
        read_nwb(path, ColumnMap(columns={"event": "cue_time"}))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "settings, reported",
    [
        ({"scale": (1000, 1)}, r"units/spike_times span 2399\d\d s, trials 239.8 s. Are times in ms"),
        ({"scale": (1, 1000)}, r"intervals/trials: trials last 1800 s \(median\). Are times in ms"),
        ({"scale": (1000, 1000)}, r"trials last 1800 s \(median\). Are times in ms"),
        ({"scale": (1000, 1000), "trial_s": 0.6}, "fastest unit fires at 0.01.* Hz. Are times in ms"),
        ({"scale": (0.001, 1)}, "units/spike_times span 0.2.* s, trials 239.8 s"),
    ],
)
def test_times_that_can_hardly_be_seconds_are_refused(write_session, tmp_path, settings, reported):
    with pytest.raises(InputError, match=rf"x.nwb: .*{reported}"):
        read_nwb(write_session(tmp_path / "x.nwb", **settings))


def test_times_on_two_clocks_are_refused(session, tmp_path):
    def shift(file):
        for name in ("start_time", "stop_time", "cue_time"):
            file[f"intervals/trials/{name}"][:] += 5000

    path = change(session, tmp_path / "x.nwb", shift)
    with pytest.raises(
        InputError, match="x.nwb: units/spike_times .* do not overlap; are they on two clocks"
    ):
        read_nwb(path)


def test_other_files_are_refused(session, tmp_path):
    whole, path = session.read_bytes(), tmp_path / "x.nwb"
    reported = {
        pickle.dumps({"a": np.zeros(3)}): "it is no HDF5. It begins like a pickle, which is never opened",
        whole[: len(whole) // 2]: "damaged or cut short: it cannot be read .*truncated",
        b"": "it is no HDF5",
        b"trial,choice\n": "it is no HDF5",
    }
    for content, words in reported.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"x.nwb: .*{words}"):
            read_nwb(path)


def test_columns_that_are_not_there_are_named(session):
    with pytest.raises(
        InputError,
        match="s1.nwb: intervals/trials has no column 'chioce'. Did you mean 'choice'. There are: start",
    ):
        read_nwb(session, ColumnMap(columns={"choice": "chioce"}))
    with pytest.raises(InputError, match="intervals/trials has no column 'phase'"):
        read_nwb(session, ColumnMap(rows={"phase": "real"}))


def break_other_parts(file):
    file["acquisition/raw"] = h5py.ExternalLink("gone.nwb", "/acquisition/raw")
    file["processing/again"] = file["processing"]
    file["units/electrodes"] = np.arange(3)  # of a table that is not there
    file["units/electrodes_index"] = np.array([1, 2, 9])
    file["intervals/trials/note"] = np.zeros((4, 4, 4))
    file["intervals/trials/stop_time"][-1] = np.nan  # a session that was stopped in a trial
    del file["general/subject/species"], file["session_start_time"], file["specifications"]


def test_parts_that_are_not_needed_are_not_in_the_way(session, tmp_path):
    whole, broken = read_nwb(session), read_nwb(change(session, tmp_path / "s1.nwb", break_other_parts))
    pd.testing.assert_frame_equal(broken.trials, whole.trials)
    np.testing.assert_array_equal(np.concatenate(broken.times), np.concatenate(whole.times))


def as_labels(file):
    for name in ("spike_times", "spike_times_index"):
        del file[f"units/{name}"]


@pytest.mark.parametrize("units", ["labels", "silent", "none at all"])
def test_units_without_spikes_leave_the_choices(write_session, tmp_path, units):
    path = write_session(tmp_path / "x.nwb", rate=0.0 if units == "silent" else 8.0)
    if units != "silent":
        change(path, path, as_labels if units == "labels" else lambda file: file["units"].clear())
    found = read_nwb(path)
    assert found.times == () and len(found.trials) == 120
    assert found.notes == (
        f"{path}: units/spike_times holds no spike; its choices are compared, its cells are not.",
    )
    with pytest.raises(InputError, match="x.nwb: intervals/trials: no column is known as choice and reward"):
        read_nwb(change(path, path, hide_choices))


def hide_choices(file):
    for ours, theirs in {"choice": "response", "reward": "outcome"}.items():
        file["intervals/trials"].move(ours, theirs)
    names = ["start_time", "stop_time", "response", "outcome", "cue_time"]
    file["intervals/trials"].attrs["colnames"] = names


def test_cells_without_known_choices_are_read_with_a_proposal(session, tmp_path):
    path = change(session, tmp_path / "x.nwb", hide_choices)
    found = read_nwb(path)
    assert len(found.times) == 3 and "choice" not in found.trials
    (note,) = found.notes
    assert (
        "no column is known as choice and reward; there are start_time, stop_time, response, outcome" in note
    )
    reported = ColumnMap(**yaml.safe_load(re.search("`(.*)`", note)[1]))
    pd.testing.assert_frame_equal(
        read_nwb(path, reported).trials[["choice", "reward"]], read_nwb(session).trials[["choice", "reward"]]
    )


@pytest.mark.parametrize(
    "place, reported",
    [("intervals/epochs", "epochs"), ("processing/behavior/trials", "processing/behavior/trials")],
)
def test_tables_of_intervals_are_named_and_can_be_reported(session, tmp_path, place, reported):
    def move(file):
        file.copy("intervals/trials", "intervals/stimuli")
        for name in ("choice", "reward"):
            del file[f"intervals/stimuli/{name}"]
        file.move("intervals/trials", place)

    path = change(session, tmp_path / "s1.nwb", move)
    with pytest.raises(
        InputError,
        match=rf"s1.nwb: no trials table \(intervals/trials\).*stimuli .*`trials_table: {reported}` in --columns",
    ):
        read_nwb(path)
    pd.testing.assert_frame_equal(
        read_nwb(path, ColumnMap(trials_table=reported)).trials, read_nwb(session).trials
    )
    with pytest.raises(InputError, match="no trials table .*stimulli.* Did you mean 'stimuli'"):
        read_nwb(path, ColumnMap(trials_table="stimulli"))


def test_rows_that_are_no_trials_are_left_out(session, tmp_path):
    def stage(file):
        words = ["practice"] * 20 + ["real"] * 100
        file["intervals/trials"].create_dataset("phase", data=words, dtype=h5py.string_dtype())
        file["intervals/trials/start_time"][3] = np.nan

    path = change(session, tmp_path / "s1.nwb", stage)
    found, whole = read_nwb(path, ColumnMap(rows={"phase": "real"})), read_nwb(session)
    np.testing.assert_array_equal(found.trials["event"], whole.trials["event"][20:])


def test_codes_of_words_and_tables_of_one_column_are_read(session, tmp_path):
    def encode(file):
        file["intervals/trials"].create_dataset(
            "choice_elements", data=["right", "left"], dtype=h5py.string_dtype()
        )
        replace(
            "intervals/trials/reward", lambda file, name, old: file.create_dataset(name, data=old[:, None])
        )(file)

    found, whole = read_nwb(change(session, tmp_path / "s1.nwb", encode)), read_nwb(session)
    np.testing.assert_array_equal(found.trials["choice"], 1 - whole.trials["choice"])
    np.testing.assert_array_equal(found.trials["reward"], whole.trials["reward"])


def test_a_unit_with_no_interval_was_observed_throughout(session, tmp_path):
    def forget(file):
        file["units/obs_intervals_index"][:] = [0, 2, 2]
        intervals = file["units/obs_intervals"][:2]
        del file["units/obs_intervals"]
        file["units/obs_intervals"] = intervals

    found = read_nwb(change(session, tmp_path / "s1.nwb", forget))
    assert found.intervals[0].tolist() == found.intervals[2].tolist() == [[0, np.inf]]
    assert found.intervals[1].tolist() == [[0, 100], [101, 240]]


def write_zarr(path, folder, version):
    """An HDF5 file as zarr in the layout of hdmf-zarr: texts of one entry (version 2) or of no dimension (3)."""
    root = zarr.open_group(folder, mode="w", zarr_format=version)

    def copy(name, item):
        if isinstance(item, h5py.Group):
            root.require_group(name).attrs.update(
                {key: np.asarray(value).tolist() for key, value in item.attrs.items() if key == "colnames"}
            )
        elif name.startswith(("intervals", "units", "general")) and not h5py.check_ref_dtype(item.dtype):
            text = h5py.check_string_dtype(item.dtype) is not None
            values = np.asarray(item.asstr()[()] if text else item[()])
            values = np.atleast_1d(values) if version == 2 else values
            root.create_array(name, data=values.astype(np.dtypes.StringDType()) if text else values)

    with h5py.File(path) as file:
        root.attrs["nwb_version"] = file.attrs["nwb_version"]
        names: list[str] = []
        file.visit(names.append)  # zarr writes in other threads, and within a visit HDF5 is locked to them
        for name in names:
            copy(name, file[name])
    return folder


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_gives_what_hdf5_does(session, tmp_path, version):
    path = write_zarr(session, tmp_path / "s1.nwb.zarr", version)
    found, whole = read_nwb(path), read_nwb(session)
    pd.testing.assert_frame_equal(found.trials, whole.trials)
    np.testing.assert_array_equal(np.concatenate(found.times), np.concatenate(whole.times))
    np.testing.assert_array_equal(found.intervals, whole.intervals)


def test_a_part_that_zarr_cannot_open_is_not_in_the_way(session, tmp_path):
    path = write_zarr(session, tmp_path / "s1.nwb.zarr", 2)
    # hdmf-zarr writes texts with a fill value that zarr 3 refuses.
    (path / "session_start_time").mkdir()
    described = {"zarr_format": 2, "shape": [1], "chunks": [1], "order": "C", "dtype": "|O", "fill_value": 0}
    described |= {"filters": [{"id": "vlen-bytes"}], "compressor": None}
    (path / "session_start_time" / ".zarray").write_text(json.dumps(described))
    metadata = {name: json.loads((path / name).read_text()) for name in (".zgroup", ".zattrs")}
    summary = metadata | {"session_start_time/.zarray": described}
    (path / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": summary}))
    assert len(read_nwb(path).trials) == 120


@pytest.mark.parametrize(
    "how, reported",
    [
        (
            lambda root: root.attrs.pop("nwb_version"),
            "zarr, but not NWB: the attribute nwb_version is missing",
        ),
        (lambda root: root["intervals"].__delitem__("trials"), "no trials table"),
        (
            lambda root: root.create_array("units/spike_times", shape=(10**12,), dtype="f8", overwrite=True),
            "units/spike_times claims 8000000000000 bytes",
        ),
    ],
)
def test_damaged_zarr_is_reported(session, tmp_path, how, reported):
    path = write_zarr(session, tmp_path / "x.nwb.zarr", 3)
    root = zarr.open_group(path)
    how(root)
    if "nwb_version" in reported:
        root.attrs.put({})
    with pytest.raises(InputError, match=f"x.nwb.zarr: .*{reported}"):
        read_nwb(path)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_pickles_in_zarr_are_never_opened(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_zarr(session, tmp_path / "x.nwb.zarr", 2)

    def pickle_array(name):
        kept = json.loads((path / name / ".zarray").read_text())
        kept |= {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}], "fill_value": None}
        (path / name / ".zarray").write_text(json.dumps(kept | {"compressor": None}))
        (path / name / "0").write_bytes(pickle.dumps(Trap()))

    pickle_array("general/subject/subject_id")
    assert set(read_nwb(path).trials["animal"]) == {""}  # the path may say it
    pickle_array("intervals/trials/choice")
    with pytest.raises(
        InputError, match="x.nwb.zarr: intervals/trials/choice is stored as a pickle, .*to HDF5"
    ):
        read_nwb(path)
    assert not (tmp_path / "sprung").exists()


def test_zarr_that_is_cut_short_is_reported(session, tmp_path):
    path = write_zarr(session, tmp_path / "x.nwb.zarr", 3)
    (path / "units" / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="x.nwb.zarr: damaged or cut short: it cannot be read"):
        read_nwb(path)
