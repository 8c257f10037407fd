"""Simulated units beside recorded cells: equal windows and trials, elephant as oracle, and what is not compared."""

import time

import elephant.statistics
import neo
import numpy as np
import pytest
import quantities as pq
import xarray as xr
from scipy.io import savemat

from pfc_da.analysis.cells.sessions import CellSession, cut_around, find_regressors, measure_observation
from pfc_da.analysis.cells.summary import tabulate_firing
from pfc_da.analysis.comparison.cells import compare_cells
from pfc_da.analysis.comparison.run import compare_recorded
from pfc_da.analysis.comparison.simulated import get_cell_sessions, get_windows
from pfc_da.analysis.readers.juice_tables import load_ofc
from pfc_da.errors import InputError


def test_what_was_observed_around_each_event():
    intervals = np.array([[0.0, 10.0], [20.0, 30.0]])
    event = np.array([1.0, 10.0, 15.0, 22.0, 31.0, np.nan])
    before, after = measure_observation(intervals, event)
    np.testing.assert_array_equal(before, [1, 10, -np.inf, 2, -np.inf, -np.inf])
    np.testing.assert_array_equal(after, [9, 0, -np.inf, 8, -np.inf, -np.inf])
    assert np.isinf(measure_observation(np.empty((0, 2)), event)[0]).all()


def test_spikes_are_reported_from_the_event():
    times = np.array([0.5, 1.0, 1.5, 4.0, 9.0])
    trains = cut_around(times, np.array([1.0, 3.0, np.nan]))
    assert [train.tolist() for train in trains] == [[-0.5, 0, 0.5], [-2.0, -1.5, 1.0], []]


def lay_out(rates, *, animal="m", seed=0, seen=2.0, period=2.0, choice=None, unlike=""):
    """A session of Poisson cells with rates (trial, unit) in Hz from 2 s before to 2 s after each event."""
    rng = np.random.default_rng(seed)
    n_trials, n_units = rates.shape
    choice = rng.integers(2, size=n_trials) if choice is None else choice
    return CellSession(
        animal=animal,
        session=str(seed),
        names=tuple(map(str, range(n_units))),
        trains=tuple(
            tuple(np.sort(rng.uniform(-2, 2, rng.poisson(4 * rate))) for rate in rates[:, unit])
            for unit in range(n_units)
        ),
        seen_before=np.full(rates.shape, seen),
        seen_after=np.full(rates.shape, seen),
        regressors=find_regressors(choice, rng.integers(2, size=n_trials).astype(float)),
        unlike=unlike,
    )


def by_name(rows):
    return {(row.key, row.condition): row for row in rows}


def lengthen(recording, phases, bins, shape=(2, 3)):
    """A recording with other phases, each trial with `bins` (trial, phase) of 50 ms; the choice is in ``go``."""
    n_trials, n_phases = np.shape(bins)
    onset = 0.05 * np.concatenate([[0], np.cumsum(bins)[:-1]]).astype(np.float32)
    by_step = ("animal", "condition", "episode", "step")
    choice = np.where(np.arange(n_trials * n_phases) % n_phases == phases.index("go"), 1, -1)
    whole = np.ones((shape[0], 1, shape[1], 1), np.float32)
    activity = np.full((*shape, int(np.sum(bins)), recording.sizes["unit"]), 20.0)
    return xr.Dataset(
        {
            "choice": (by_step, (whole * choice).astype(int)),
            "reward": (by_step, whole * (choice > 0)),
            "onset": (by_step, whole * onset),
            "duration": (by_step, whole * 0.05 * np.ravel(bins)),
            "activity": (("animal", "recorded_episode", "bin", "unit"), activity, {"units": "Hz"}),
        },
        coords={
            **{name: recording[name] for name in ("condition", "is_excitatory")},
            "animal": range(shape[0]),
            "recorded_episode": range(shape[1]),
            "trial": ("step", np.repeat(np.arange(n_trials), n_phases)),
            "phase": ("step", list(phases) * n_trials),
            "time": ("bin", 0.05 * np.arange(np.sum(bins))),
        },
        attrs=recording.attrs,
    ).assign_coords(action=[0, 1])


def test_windows_are_those_of_the_shortest_simulated_trial(build_recording):
    assert get_windows(build_recording()) == ((0.0, 0.4), (0.0, 0.2), (0.0, 0.0))
    bins = np.tile([12, 6, 4, 6, 20], (30, 1))
    bins[3, 0], bins[4, 1], bins[5, 2:], bins[6, 4] = 10, 5, [3, 6, 12], 14
    phases = ("fixation", "cue", "go", "juice", "interval")
    cue = lengthen(build_recording(), phases, bins)
    # before the cue .5 s in trial 3; from it the longest window; a cue of .25 s in trial 4
    assert get_windows(cue) == ((-0.5, 1.0), (0.0, 0.25), (-0.5, 0.0))
    go = lengthen(build_recording(), ("fixation", "lights", "go", "juice", "interval"), bins)
    assert get_windows(go) == ((-0.8, 1.0), (0.0, 0.15), (-0.8, 0.0))
    long = lengthen(build_recording(), phases, np.where(bins == 20, 90, bins))
    assert get_windows(long).trial == (-0.5, 1.0)


def test_events_are_the_onsets_of_the_options(build_recording):
    """Units fire in the second after the onset of the cue, wherever it is in its trial."""
    bins = np.random.default_rng(0).integers([10, 20, 4, 6, 10], [21, 21, 9, 7, 40], (60, 5))
    recording = lengthen(build_recording(), ("fixation", "cue", "go", "juice", "interval"), bins)
    onset = recording["onset"].values[0, 0, 0][recording["phase"] == "cue"]
    time = recording["time"].values
    since = time - onset[np.searchsorted(onset, time + 1e-3).clip(1) - 1]
    inside = (time > onset[0] - 1e-3) & (since < 1 - 1e-3)
    recording["activity"][:] = np.where(inside, 30.0, 0.0)[:, None]
    for session in get_cell_sessions(recording, 3, rng=np.random.default_rng(1)):
        assert np.nansum(session.count((-0.5, 0.0))) == 0
        assert np.nanmean(session.count((0.0, 1.0))) == pytest.approx(30, rel=0.1)
        np.testing.assert_allclose(session.seen_before[:, 0], onset, atol=1e-4)
        np.testing.assert_allclose(session.seen_after[:, 0], bins.sum() * 0.05 - onset, atol=1e-4)


def test_a_foreperiod_of_half_a_second_is_compared(build_recording):
    bins = np.tile([12, 8, 6, 10], (60, 1))
    bins[::2, 0] = 10
    recording = lengthen(build_recording(), ("fixation", "go", "feedback", "interval"), bins)
    rows = by_name(compare_cells(recording, [lay_out(np.full((60, 8), 20.0))], rng=np.random.default_rng(0)))
    assert (
        rows["fano", ""].matched == "-0.5 to 0 s around the event, 60 trials a cell, spikes drawn from rates"
    )
    assert "drawn from rates" in rows["fano", ""].why and rows["fano", ""].simulated == pytest.approx(
        1, abs=0.2
    )
    assert "a simulated trial has" not in rows["timescale_population", ""].why


def test_spikes_drawn_from_rates_have_these_rates(build_recording):
    recording = build_recording(shape=(2, 12, 60))
    sessions = get_cell_sessions(recording, 10, rng=np.random.default_rng(0))
    assert [session.session for session in sessions] == [str(session) for session in range(10)] * 2
    counts = np.concatenate([session.count((0.0, 0.2)) for session in sessions])  # in the phase of the choice
    choice = np.concatenate([session.regressors["choice"] for session in sessions])
    assert counts[choice > 0, 0].mean() == pytest.approx(16, rel=0.05)  # 80 Hz
    assert counts[choice < 0, 0].mean() == pytest.approx(8, rel=0.05)
    later = np.concatenate([session.count((0.3, 0.4)) for session in sessions])
    assert later.mean() == pytest.approx(2, rel=0.1)  # 20 Hz after every choice
    assert not sessions[0].is_seen((-0.1, 0.1))[0].any() and sessions[0].is_seen((-0.1, 0.1))[1].all()


def test_spikes_of_neurons_are_taken_as_they_are(build_recording):
    recording = build_recording(shape=(2, 12, 60), n_units=3)
    rng = np.random.default_rng(0)
    session_s = recording.sizes["bin"] * 0.05
    n = round(35 * 2 * 12 * session_s * 3 * 2)  # 2 animals, 12 sessions, 3 units, 2 neurons: 35 Hz a neuron
    table = {
        "spike_animal": rng.integers(2, size=n),
        "spike_episode": rng.integers(12, size=n),
        "spike_unit": rng.integers(3, size=n),
        "spike_neuron": rng.integers(2, size=n),
        "spike_time": rng.uniform(0, session_s, n).round(6),
    }
    spiking = recording.assign({name: ("spike", values) for name, values in table.items()})
    spiking.attrs["neurons_per_unit"] = 2
    first = get_cell_sessions(spiking, 2, rng=rng)[3]  # second session of the second animal
    own = (table["spike_animal"] == 1) & (table["spike_episode"] == 1) & (table["spike_neuron"] == 0)
    times = table["spike_time"][own & (table["spike_unit"] == 2)]
    begins = recording["onset"].values[1, 0, 1, ::2]
    expected = [((times >= begin) & (times < begin + 0.4)).sum() for begin in begins.round(6)]
    assert first.count((0.0, 0.4))[:, 2].tolist() == expected
    rows = by_name(compare_cells(spiking, [lay_out(np.full((60, 8), 35.0))], rng=rng))
    for key in ("firing_rate", "cv", "cv2", "lv"):
        assert rows[key, ""].simulated == pytest.approx(rows[key, ""].recorded, rel=0.06)
        assert rows[key, ""].verdict != "not comparable"


def test_planted_rates_and_codes_come_back(build_recording):
    rng = np.random.default_rng(0)
    choice = rng.integers(2, size=200)
    rates = np.full((200, 40), 8.0)
    rates[:, :20] = np.where(choice, 100, 60)[:, None]
    recording = build_recording(shape=(4, 20, 60))
    recording["activity"][3, ..., 0] = 20  # of animals that are all alike the interval has no width
    rows = by_name(compare_cells(recording, [lay_out(rates, choice=choice)], source="mice", rng=rng))
    rate = rows["firing_rate", ""]
    # Median simulated unit: 20 Hz over both steps; median recorded cell: between 8 and 60 Hz or more.
    assert rate.simulated == pytest.approx(20, rel=0.1) and rate.recorded > 8
    assert rate.matched == "0 to 0.4 s around the event, 200 trials a cell, spikes drawn from rates"
    assert (rate.sim_n, rate.sim_n_of, rate.rec_n, rate.rec_n_of) == (4, "animals", 40, "units")
    code = rows["fraction_selective", "choice"]
    assert code.recorded == pytest.approx(0.5, abs=0.1)  # half of the cells
    assert code.simulated == pytest.approx(1 / 8, abs=0.1)  # unit 0 of 6 in three animals of four
    assert code.verdict == "different" and code.diff_low < 1 / 8 - 1 / 2 < code.diff_high
    assert rows["fraction_selective", "last_choice"].simulated == pytest.approx(1 / 6, abs=0.1)
    assert "slow drift passes" in rows["fraction_selective_t_test", "choice"].why


def test_equal_cells_are_not_told_apart(build_recording):
    rows = by_name(
        compare_cells(build_recording(), [lay_out(np.full((150, 30), 20.0))], rng=np.random.default_rng(0))
    )
    assert rows["firing_rate", ""].verdict == "not told apart"


def test_what_windows_and_spikes_do_not_allow_is_said(build_recording):
    recording, cells = build_recording(), lay_out(np.full((60, 8), 20.0))
    rows = by_name(compare_cells(recording, [cells], rng=np.random.default_rng(0)))
    for key in ("cv", "cv2", "lv"):
        assert rows[key, ""].verdict == "not comparable" and "drawn from rates" in rows[key, ""].why
    for key in ("fano", "timescale", "timescale_population"):
        assert rows[key, ""].why == "a simulated trial has 0 s before its event; 0.5 s are needed"
        assert np.isnan(rows[key, ""].simulated)
    assert rows["fano", ""].recorded == pytest.approx(1, abs=0.2)
    assert rows["fano", ""].matched == "-1 to 0 s around the event, 60 trials a cell, spikes drawn from rates"
    assert rows["fraction_selective", "choice"].why == "60 trials are too few for a p-value below 0.05"
    shown = by_name(
        compare_cells(
            recording, [lay_out(np.full((60, 8), 20.0), unlike="shown")], rng=np.random.default_rng(0)
        )
    )
    assert shown["fraction_selective", "choice"].why == "shown"


def test_units_without_rates_are_not_compared(build_recording):
    recording = build_recording()
    recording["activity"].attrs["units"] = "1"
    rows = compare_cells(recording, [lay_out(np.full((60, 8), 20.0))], rng=np.random.default_rng(0))
    assert {row.verdict for row in rows} == {"not comparable"}
    assert {row.why for row in rows} == {"units of this network have no firing rates"}


def test_what_was_not_observed_before_the_event_is_not_looked_at(build_recording):
    rows = by_name(
        compare_cells(
            build_recording(), [lay_out(np.full((60, 8), 20.0), seen=0.45)], rng=np.random.default_rng(0)
        )
    )
    assert rows["firing_rate", ""].recorded == pytest.approx(20, rel=0.1)
    assert np.isnan(rows["fano", ""].recorded) and np.isnan(rows["timescale", ""].recorded)


def test_cells_seen_too_shortly_are_refused(build_recording):
    cells = lay_out(np.full((60, 2), 20.0), seen=0.1)
    with pytest.raises(
        InputError, match="mice: no cell was observed from 0 to 0.4 s around the event on 20 trials"
    ):
        compare_cells(build_recording(), [cells], source="mice", rng=np.random.default_rng(0))


def test_firing_statistics_of_recorded_cells_are_elephants():
    spikes = load_ofc().spikes
    window, baseline = (-1.0, 1.0), (-1.0, 0.0)
    cells = [list(own["spike_times_ms"]) for _, own in list(spikes.groupby("cell", sort=False))[:8]]
    cells = [[np.sort(train) / 1000 for train in trains] for trains in cells]
    ours = tabulate_firing(cells, window=window, baseline=baseline)
    for row, trains in zip(ours.itertuples(), cells, strict=True):
        theirs = [
            neo.SpikeTrain(train[train < 1] * pq.s, t_start=-1 * pq.s, t_stop=1 * pq.s) for train in trains
        ]
        rate = np.mean([float(elephant.statistics.mean_firing_rate(train).rescale("Hz")) for train in theirs])
        assert row.firing_rate == pytest.approx(rate)
        late = [
            neo.SpikeTrain(t[(t >= -0.5) & (t < 0)] * pq.s, t_start=-0.5 * pq.s, t_stop=0) for t in trains
        ]
        n = len(late)
        assert row.fano == pytest.approx(
            elephant.statistics.fanofactor(late) * n / (n - 1)
        )  # theirs divides by n
        isi = [np.diff(train[train < 1]) for train in trains]
        # Each interval with a zero would be theirs to divide by; pairs of every trial, weighted by their number.
        pairs = [(i[:-1], i[1:]) for i in isi if len(i) > 1 and ((i[:-1] + i[1:]) > 0).all()]
        weights = [len(before) for before, _ in pairs]
        joined = [np.append(before, after[-1]) for before, after in pairs]
        cv2 = np.average([elephant.statistics.cv2(i * pq.s) for i in joined], weights=weights)
        lv = np.average([elephant.statistics.lv(i * pq.s) for i in joined], weights=weights)
        assert row.cv2 == pytest.approx(cv2) and row.lv == pytest.approx(lv)


def write_juice_cells(folder, n_sessions, n_cells, n_trials):
    """Poisson cells at 5 Hz in the MATLAB layout of the juice-choice recordings; trials of 6 s, offers after 1.5 s."""
    rng = np.random.default_rng(0)
    (folder / "celldata").mkdir()
    codes, trial = {25: 500, 30: 1500, 35: 3000, 39: 3500, 43: 4000, 60: 6000}, np.arange(1, n_trials + 1)
    events = [(time, number, code, 0) for number in trial.tolist() for code, time in codes.items()]
    for session in range(n_sessions):
        amounts = rng.integers(1, 6, size=(n_trials, 2)) * [-1, 1]
        chose_b = rng.random(n_trials) < amounts[:, 1] / (amounts[:, 1] - 2 * amounts[:, 0])
        joint = np.column_stack([trial, amounts, 1 + chose_b, 1 + chose_b])
        for cell in range(n_cells):
            n = rng.poisson(30 * n_trials)
            spikes = np.column_stack(
                [rng.integers(6000, size=n), rng.integers(1, n_trials + 1, size=n), np.ones((n, 2))]
            )
            tables = {
                "celldata": spikes,
                "psyphydata": np.array(events),
                "goodTrials_JC": joint[::2],
                "goodTrials_SO": joint[1::2],
            }
            savemat(folder / "celldata" / f"X2001{session:02d}a{cell}1_data.mat", tables)
    return folder


def compare_juice_cells(run, folder):
    began = time.process_time()
    table = compare_recorded(run, [folder]).fillna({"condition": ""}).set_index(["key", "condition"])
    return table, time.process_time() - began


def test_a_folder_of_juice_cells_goes_from_files_to_a_table(finished_run, tmp_path):
    table, _ = compare_juice_cells(finished_run, write_juice_cells(tmp_path, 2, 2, 200))
    rate = table.loc[("firing_rate", "")]
    assert rate["recorded"] == pytest.approx(5, rel=0.1) and (rate["rec_n"], rate["rec_n_of"]) == (4, "units")
    assert rate["matched"] == "0 to 0.4 s around the event, 100 trials a cell, spikes drawn from rates"
    assert "offers show the values" in table.loc[("fraction_selective", "choice"), "why"]
    assert not set(table.index.get_level_values("key")) & {"win_stay", "learning_rate"}


@pytest.mark.slow
def test_ten_sessions_of_juice_cells_take_less_than_a_minute(finished_run, tmp_path):
    table, took = compare_juice_cells(finished_run, write_juice_cells(tmp_path, 10, 9, 600))
    assert table.loc[("firing_rate", ""), "rec_n"] == 90
    assert took < 60
