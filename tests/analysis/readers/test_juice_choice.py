"""The juice-choice cells: the MATLAB layout is read as reported, and the extract means what its columns say."""

import numpy as np
import pytest
from scipy.io import savemat

from pfc_da.analysis.readers.juice_choice import (
    SPIKES_MS,
    WINDOWS,
    accepts,
    compute_ofc_regressors,
    fit_relative_value,
    read_ofc_cells,
    read_ofc_matlab,
)
from pfc_da.analysis.readers.juice_tables import load_ofc
from pfc_da.errors import InputError


@pytest.fixture(scope="module")
def extract():
    return load_ofc()


@pytest.fixture(scope="module")
def joint(extract):
    return extract.trials[extract.trials["task"] == "joint"]


def test_choices_follow_the_ratio_of_the_amounts(joint):
    # If the columns were mistaken (choice, amounts, or juices swapped) the curve would not rise from 0 to 1.
    for _, session in joint.groupby("session"):
        both = session[(session["offer_a"] > 0) & (session["offer_b"] > 0)]
        ratio = (both["offer_b"] / both["offer_a"]).round(3)
        p_b = both["choice"].groupby(ratio).mean()
        assert p_b.iloc[0] < 0.2 and p_b.iloc[-1] > 0.8
        assert np.corrcoef(np.argsort(np.argsort(p_b)), np.arange(len(p_b)))[0, 1] > 0.8
        rho, steepness = fit_relative_value(
            *(both[name].to_numpy() for name in ("offer_a", "offer_b", "choice"))
        )
        assert 1 <= rho < 4 and steepness > 3  # A is by convention the juice preferred
        assert p_b.index[0] < rho < p_b.index[-1]


def test_a_single_offer_is_the_one_taken(joint):
    single = joint[(joint["offer_a"] == 0) | (joint["offer_b"] == 0)]
    assert len(single) > 1000
    assert ((single["offer_b"] > 0) == (single["choice"] == 1)).all()


def test_events_come_in_their_order(joint):
    times = joint[["fixation_ms", "go_ms", "saccade_ms", "juice_ms"]].to_numpy()
    assert np.isfinite(times).all()
    assert (np.diff(times, axis=1) > 0).all()
    assert (times[:, 0] < 0).all() and (times[:, 1] >= 950).all()  # fixation before, at least a second to see


def test_counts_and_spike_times_of_the_extract_agree(extract):
    spikes = extract.spikes.set_index(["cell", "trial"])["spike_times_ms"]
    counts = extract.counts.set_index(["cell", "trial"]).loc[spikes.index]
    for name in ("pre_offer", "post_offer"):
        _, start, end = WINDOWS[name]
        counted = np.array([((times >= start) & (times < end)).sum() for times in spikes])
        off = np.abs(counted - counts[name].to_numpy())
        assert off.max() <= 1 and off.mean() < 0.01  # spike times are rounded to the ms, event times are not
    every = np.concatenate(spikes.to_list())
    assert (every.min() >= SPIKES_MS[0]) and (every.max() <= SPIKES_MS[1])


def test_planted_relative_value_is_recovered():
    rng = np.random.default_rng(0)
    offer_a, offer_b = rng.integers(1, 5, 4000), rng.integers(1, 11, 4000)
    p_b = 1 / (1 + np.exp(-4 * (np.log(offer_b / offer_a) - np.log(2.3))))
    rho, steepness = fit_relative_value(offer_a, offer_b, rng.random(4000) < p_b)
    assert (rho, steepness) == (pytest.approx(2.3, rel=0.04), pytest.approx(4, rel=0.08))
    assert np.isnan(fit_relative_value(offer_a, offer_b, np.ones(4000, bool))).all()


def test_regressors_look_back_over_both_tasks(extract):
    session = extract.trials[extract.trials["session"] == "G180910a"]
    table = compute_ofc_regressors(session)
    rho, _ = fit_relative_value(
        *(
            session.loc[session["task"] == "joint", name].to_numpy()
            for name in ("offer_a", "offer_b", "choice")
        )
    )
    # Trial 8: offered 4 A and 8 B, took B. The trial before, 6, was a joint one: 4 A or 6 B, took A.
    row = table.loc[8]
    assert (row["offer_value_a"], row["offer_value_b"]) == (pytest.approx(4 * rho), 8)
    assert (row["chosen_value"], row["choice"], row["last_choice"]) == (8, 1, -1)
    assert row["last_reward"] == pytest.approx(4 * rho)
    # Trial 6 looks back on trial 5, a sequential one: 3 A or 4 B, took A.
    assert table.loc[6, "last_reward"] == pytest.approx(3 * rho)


def write_cell(folder, cell="X1a11"):
    """One cell with three joint trials and one sequential trial; offers appear at 1000 ms."""
    (folder / "celldata").mkdir(exist_ok=True)
    codes = {25: 0, 30: 1000, 35: 2200, 39: 2400, 43: 3000, 60: 4000}
    events = [[time, trial, code, trial * 9.0] for trial in (2, 3, 5, 6) for code, time in codes.items()]
    spikes = [
        [1700, 3, 1, 1],
        [700, 3, 1, 1],
        [1100, 3, 1, 1],
        [3200, 3, 1, 1],
        [999, 5, 1, 1],
        [40, 5, 1, 1],
    ]
    tables = {
        "celldata": np.array(spikes, dtype=np.uint16),
        "psyphydata": np.array(events),
        "goodTrials_JC": np.array([[2, -2, 6, 2, 1], [3, 0, 4, 2, 1], [5, 3, -1, 1, 1]], dtype=np.int16),
        "goodTrials_SO": np.array([[6, -2, 3, 1, 2]], dtype=np.int16),
    }
    savemat(folder / "celldata" / f"{cell}_data.mat", tables)
    return tables


def test_the_matlab_layout_is_read(tmp_path):
    write_cell(tmp_path)
    recording = read_ofc_matlab(tmp_path)
    trials = recording.trials.set_index("trial")
    assert trials["task"].to_dict() == {2: "joint", 3: "joint", 5: "joint", 6: "sequential"}
    assert trials[["offer_a", "offer_b", "choice"]].to_numpy().tolist() == [
        [2, 6, 1],
        [0, 4, 1],
        [3, 1, 0],
        [2, 3, 1],
    ]
    assert trials["side_a"].tolist()[:3] == [-1, -1, 1] and np.isnan(trials.loc[6, "side_a"])
    assert trials.loc[2, ["fixation_ms", "go_ms", "saccade_ms", "juice_ms"]].tolist() == [
        -1000,
        1200,
        1400,
        2000,
    ]
    # Trial 2 lies before the first spike: the cell was not held yet.
    counts = recording.counts[["trial", *WINDOWS]].to_numpy().tolist()
    assert counts == [[3, 1, 1, 1, 1], [5, 1, 0, 0, 0]]
    assert [times.tolist() for times in recording.spikes["spike_times_ms"]] == [[-300, 100, 700], [-960, -1]]


def test_folders_and_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no celldata/\*_data.mat in it"):
        read_ofc_matlab(tmp_path)
    tables = write_cell(tmp_path)
    path = tmp_path / "celldata" / "X1a11_data.mat"
    savemat(path, {name: table for name, table in tables.items() if name != "goodTrials_SO"})
    with pytest.raises(InputError, match="X1a11_data.mat: goodTrials_SO is missing"):
        read_ofc_matlab(tmp_path)
    path.write_bytes(b"no matlab here, only text that goes on for a while" * 9)
    with pytest.raises(InputError, match="X1a11_data.mat: cannot be read as a MATLAB file"):
        read_ofc_matlab(tmp_path)


def test_cells_are_laid_around_the_offers(tmp_path):
    write_cell(tmp_path)
    write_cell(tmp_path, "X1a12")
    assert accepts(tmp_path) and not accepts(tmp_path / "celldata")
    first, second = read_ofc_cells(tmp_path)
    assert (first.animal, first.session, first.names, second.names) == ("X", "X1a", ("X1a11",), ("X1a12",))
    assert [train.tolist() for train in first.trains[0]] == [[], [-0.3, 0.1, 0.7, 2.2], [-0.96, -0.001]]
    # Trial 2 lies before the first spike: the cell was not held. Trials end with their last event, at 4 s.
    np.testing.assert_array_equal(first.seen_before[:, 0], [-np.inf, 1, 1])
    np.testing.assert_array_equal(first.seen_after[:, 0], [-np.inf, 3, 3])
    np.testing.assert_array_equal(first.regressors["choice"], [1, 1, -1])
    np.testing.assert_array_equal(first.regressors["object_value_1"], [6, 4, 1])
    assert "offers show the values" in first.unlike


@pytest.mark.parametrize(
    "name, change, reported",
    [
        ("celldata", lambda table: table[:0], "celldata is empty"),
        ("celldata", lambda table: table[:, :2], "celldata must be a table of numbers with 4 columns"),
        ("celldata", lambda table: np.full(table.shape, "x"), "celldata must be a table of numbers"),
        ("psyphydata", lambda table: np.where(table == 1000, np.nan, table), "psyphydata: row 2 holds NaN"),
        (
            "psyphydata",
            lambda table: table - [5000, 0, 0, 0],
            "psyphydata: times in the trial must not be negative",
        ),
        (
            "psyphydata",
            lambda table: table / [1000, 1, 1, 1],
            r"psyphydata: offers come at 1 ms \(median\). Are times in s\?",
        ),
        (
            "psyphydata",
            lambda table: table[table[:, 2] != 30],
            "psyphydata has no offer .code 30. on trial 2 of goodTrials_JC",
        ),
        ("goodTrials_JC", lambda table: table[:0], "goodTrials_JC is empty"),
    ],
)
@pytest.mark.parametrize("read", [read_ofc_cells, read_ofc_matlab])
def test_damaged_tables_are_named(tmp_path, name, change, reported, read):
    tables = write_cell(tmp_path)
    tables[name] = change(tables[name].astype(float))
    savemat(tmp_path / "celldata" / "X1a11_data.mat", tables)
    with pytest.raises(InputError, match=f"X1a11_data.mat: {reported}") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
