"""Sessions in NWB files: trials and units come back, old schemas too, and damage is told with file and field."""

import pickle

import h5py
import numpy as np
import pytest

from pfc_da.analysis.column_map import ColumnMap
from pfc_da.analysis.read_nwb import read_nwb
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


def test_windows_begin_with_the_trial_unless_told(session):
    np.testing.assert_array_equal(
        read_nwb(session).trials["event"], stored(session, "intervals/trials/start_time")
    )


def test_a_file_without_intervals_or_units_is_read(write_session, tmp_path):
    assert read_nwb(write_session(tmp_path / "a.nwb")).intervals is None
    alone = read_nwb(write_session(tmp_path / "b.nwb", units=0))
    assert alone.times == [] and len(alone.trials) == 120


def change(path, copy, how):
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
    file.create_dataset(name, data=["yes"] * len(old), dtype=h5py.string_dtype())


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


def loop(file):
    file["processing/again"] = file["processing"]


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
        "column 'reward' must hold numbers .* 'yes' in row 1",
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
    "loop": (loop, "damaged, or not NWB 2"),
    "no reward": (
        lambda file: file.__delitem__("intervals/trials/reward"),
        "cannot read it|has a choice and no reward",
    ),
    "no version": (lambda file: file.attrs.__delitem__("nwb_version"), "HDF5, but not NWB"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_with_file_and_field(session, tmp_path, damage):
    how, told = DAMAGE[damage]
    path = change(session, tmp_path / "damaged.nwb", how)
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"damaged\.nwb: .*({told})") as caught:
        read_nwb(path, ColumnMap(columns={"event": "cue_time"}))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"scale": (1000, 1)}, r"units/spike_times span 2399\d\d s, trials 239.8 s. Are times in ms"),
        ({"scale": (1, 1000)}, r"intervals/trials: trials last 1800 s \(median\). Are times in ms"),
        ({"scale": (1000, 1000)}, r"trials last 1800 s \(median\). Are times in ms"),
        ({"scale": (1000, 1000), "trial_s": 0.6}, "fastest unit fires at 0.01.* Hz. Are times in ms"),
        ({"scale": (0.001, 1)}, "units/spike_times span 0.2.* s, trials 239.8 s"),
        ({"rate": 0.0}, "units/spike_times holds no spike"),
    ],
)
def test_times_that_can_hardly_be_seconds_are_refused(write_session, tmp_path, settings, told):
    with pytest.raises(InputError, match=rf"x.nwb: .*{told}"):
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
    told = {
        pickle.dumps({"a": np.zeros(3)}): "it is no HDF5. It begins like a pickle, which is never opened",
        whole[: len(whole) // 2]: "damaged or cut short: HDF5 cannot read it .*truncated",
        b"": "it is no HDF5",
        b"trial,choice\n": "it is no HDF5",
    }
    for content, words in told.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"x.nwb: .*{words}"):
            read_nwb(path)


def test_columns_that_are_not_there_are_named(session):
    with pytest.raises(
        InputError, match="s1.nwb: intervals/trials has no column 'chioce'. Did you mean 'choice'"
    ):
        read_nwb(session, ColumnMap(columns={"choice": "chioce"}))
