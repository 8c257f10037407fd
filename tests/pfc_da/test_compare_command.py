"""`pfc-da compare RUN --recorded`: what it writes, what it shows, and that bad input leaves the run as it was."""

import pickle
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from pfc_da import cli
from pfc_da.analysis.comparison.published import QUICK
from pfc_da.analysis.comparison.run import compare_recorded
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_folder import RunFolder

COLUMNS = (
    "key condition units simulated sim_low sim_high sim_n sim_n_of recorded rec_low rec_high rec_n rec_n_of "
    "difference diff_low diff_high verdict why matched source"
).split()


@pytest.fixture
def run(replayed_run):
    return replayed_run


@pytest.fixture
def choices(tmp_path, build_recording):
    """Recorded mice that stay after a win less often than the simulated animals."""
    recording = build_recording(stay=(0.7, 0.4), shape=(4, 20, 80), seed=1)
    grid = recording["choice"].values[:, 0, :, ::2]
    animal, session, trial = np.indices(grid.shape).reshape(3, -1)
    table = {"animal": animal, "session": session, "trial": trial, "choice": grid.ravel()}
    path = tmp_path / "choices.csv"
    pd.DataFrame(table | {"reward": recording["reward"].values[:, 0, :, ::2].ravel()}).to_csv(
        path, index=False
    )
    return path


@pytest.fixture
def call(capsys):
    def run(*arguments):
        code = cli.exit_code([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, re.sub(r"^(compare|report): .*\n", "", err, flags=re.MULTILINE)  # progress

    return run


def contents(folder):
    return {
        file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != ".lock"
    }


def test_it_writes_a_table_of_its_own_shows_it_and_renews_the_report(call, run, choices):
    before = contents(run)
    code, out, err = call("compare", run, "--recorded", choices)
    assert (code, err) == (0, "")
    table = pd.read_csv(run / "comparison_recorded.csv")
    assert list(table) == COLUMNS
    stay = table.set_index("key").loc["win_stay"]
    assert stay["verdict"] == "different" and stay["diff_low"] < 0.2 < stay["diff_high"]
    assert stay["matched"].startswith("first 60 trials of 20 sessions an animal; ")
    assert stay["source"] == str(choices)
    assert len(out.splitlines()) == len(table) + 3
    assert (
        f"note: {choices}: recorded sessions have 80 trials (median), simulated ones 60: the first 60 are compared."
        in out
    )
    assert f"{run}: wrote comparison_recorded.csv, report in {run}/report.html." in out
    page = (run / "report.html").read_text()
    assert 'id="recorded-source-0"' in page and str(choices) in page and page.count("not told apart") > 0
    changed = {name for name, content in contents(run).items() if before.get(name) != content}
    assert changed == {"comparison_recorded.csv", "report.html", "manifest.json"}
    assert read_manifest(run).status == "finished"

    first = (run / "comparison_recorded.csv").read_bytes()
    assert call("compare", run, "--recorded", choices)[0] == 0
    assert (run / "comparison_recorded.csv").read_bytes() == first


def test_several_files_are_one_data_set(call, run, choices, tmp_path):
    table = pd.read_csv(choices)
    (tmp_path / "mice").mkdir()
    for animal, own in table.groupby("animal"):
        own.drop(columns="animal").rename(columns={"choice": "key"}).assign(who=animal).to_csv(
            tmp_path / "mice" / f"mouse_{animal}.csv", index=False
        )
    columns = tmp_path / "columns.yaml"
    columns.write_text("columns: {animal: who, choice: key}")
    files = sorted((tmp_path / "mice").iterdir())
    assert call("compare", run, "--recorded", choices)[0] == 0
    whole = pd.read_csv(run / "comparison_recorded.csv").drop(columns="source")
    for paths in (files, [tmp_path / "mice"]):
        assert call("compare", run, "--recorded", *paths, "--columns", columns)[0] == 0
        pd.testing.assert_frame_equal(
            pd.read_csv(run / "comparison_recorded.csv").drop(columns="source"), whole
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--recorded", "absent.csv"], "no file or folder absent.csv"),
        (["--recorded", "empty"], r"empty: no file in it is called"),
        (["--recorded", "{choices}", "--columns", "absent.yaml"], "cannot read the columns absent.yaml"),
        (["--recorded", "{choices}", "{choices}"], "choices.csv is named twice"),
        (
            ["--recorded", "{choices}", "{copy}"],
            "copy.csv is a copy of .*choices.csv; give one of the two",
        ),
        (["{choices}"], "choices.csv needs --recorded before the paths"),
        (["--columns", "c.yaml"], "--columns needs --recorded"),
    ],
)
def test_bad_input_leaves_the_run_as_it_was(call, run, choices, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    copy = tmp_path / "copy.csv"
    copy.write_bytes(choices.read_bytes())
    before = contents(run)
    code, out, err = call("compare", run, *(word.format(choices=choices, copy=copy) for word in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err), err
    assert contents(run) == before
    assert call("compare", run)[0] == 0  # and lets the folder go


def change(path, name, place, value):
    with h5py.File(path, "a") as file:
        file[name][place] = value


def put_text(path):
    with h5py.File(path, "a") as file:
        kept = dict(file["intervals/trials/reward"].attrs)
        del file["intervals/trials/reward"]
        file.create_dataset("intervals/trials/reward", data=["much"] * 40, dtype=h5py.string_dtype())
        file["intervals/trials/reward"].attrs.update(kept)


def put_link(path):
    with h5py.File(path, "a") as file:
        del file["units/spike_times"]
        file["units/spike_times"] = h5py.ExternalLink("elsewhere.nwb", "/units/spike_times")


def drop_trials(path):
    with h5py.File(path, "a") as file:
        del file["intervals/trials"]


SPIKES = "units/spike_times"
DAMAGED = {  # what -> (how the session is written, what is done to the file, the message)
    "truncated": ({}, lambda path: path.write_bytes(path.read_bytes()[:99_000]), "damaged or cut short"),
    "no trials table": ({}, drop_trials, "no trials table .intervals/trials."),
    "unsorted spikes": (
        {},
        lambda path: change(path, SPIKES, 3, 0.0),
        "spike_times of unit 0: times must be sorted",
    ),
    "negative spikes": (
        {},
        lambda path: change(path, SPIKES, 0, -1.0),
        "spike_times of unit 0: .* not be negative",
    ),
    "NaN": ({}, lambda path: change(path, SPIKES, 0, np.nan), "spike_times of unit 0: entry 0 is nan"),
    "spikes in ms": ({"scale": (1000, 1)}, None, "spike_times span .* Are times in ms"),
    "all in ms": ({"scale": (1000, 1000)}, None, "intervals/trials: trials last .* Are times in ms"),
    "1 trial": ({"n_trials": 1}, None, "choice must take two values"),
    "text for numbers": ({}, put_text, "column 'reward' must hold numbers .* got 'much' in row 1"),
    "external link": ({}, put_link, "units/spike_times links to 'elsewhere.nwb' outside the file"),
    "a pickle": ({}, lambda path: path.write_bytes(pickle.dumps([1])), "no HDF5. It begins like a pickle"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_ends_in_one_line(call, run, write_session, tmp_path, damage):
    settings, how, message = DAMAGED[damage]
    path = write_session(tmp_path / "damaged.nwb", **{"n_trials": 40, **settings})
    if how:
        how(path)
    before, file = contents(run), path.read_bytes()
    code, out, err = call("compare", run, "--recorded", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(rf"^error: .*damaged\.nwb: .*{message}", err), err
    assert contents(run) == before and path.read_bytes() == file


@pytest.mark.parametrize(
    "text, message",
    [
        (",".join(map(str, range(10**6))) + "\n", "the header is longer than"),
        ("session,trial,choice,reward\n1,0,0,1\n", "choice must take two values"),
        ("session,trial,choice,reward\n1,0,0,much\n1,1,1,0\n", "column 'reward' .* got 'much' in row 1"),
    ],
)
def test_a_damaged_table_ends_in_one_line(call, run, tmp_path, text, message):
    path, before = tmp_path / "damaged.csv", contents(run)
    path.write_text(text)
    code, out, err = call("compare", run, "--recorded", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(rf"^error: .*damaged\.csv: .*{message}", err), err
    assert contents(run) == before


def test_cells_are_compared_too(call, run, write_session, tmp_path):
    path, columns = write_session(tmp_path / "s1.nwb", n_trials=200), tmp_path / "columns.yaml"
    columns.write_text("columns: {event: cue_time}\nsame_schedule: true\n")
    code, out, err = call("compare", run, "--recorded", path, "--columns", columns)
    assert (code, err) == (0, "")
    table = (
        pd.read_csv(run / "comparison_recorded.csv").fillna({"condition": ""}).set_index(["key", "condition"])
    )
    rate = table.loc[("firing_rate", "")]
    # Median units: 20 Hz simulated; 8 Hz recorded, in the .2 s after the cue.
    assert rate["simulated"] == pytest.approx(20, rel=0.1) and rate["recorded"] == pytest.approx(8, rel=0.15)
    assert rate["verdict"] in ("different", "not told apart")  # three animals of six units say little
    assert table.loc[("fraction_selective", "choice"), "recorded"] == pytest.approx(1 / 3)  # unit 0 of 3
    assert (table.loc["win_stay"]["why"] == "the recorded number has no interval (n = 1 sessions)").all()
    assert "firing_rate" in out


def test_what_is_not_used_is_noted(call, run, write_session, tmp_path):
    silent = write_session(tmp_path / "silent.nwb", rate=0.0)
    code, out, err = call("compare", run, "--recorded", silent)
    assert (code, err) == (0, "") and "win_stay" in out and "firing_rate" not in out
    assert (
        f"note: {silent}: units/spike_times holds no spike; its choices are compared, its cells are not.\n"
        in out
    )

    short = write_session(tmp_path / "short.nwb", observed=[[0.0, 20.0]])  # ten trials
    code, out, err = call("compare", run, "--recorded", short)
    assert (code, err) == (0, "") and "win_stay" in out and "firing_rate" not in out
    assert re.search(
        r"note: .*short.nwb: no cell was observed .* on 20 trials.* Cells are not compared.\n", out
    )

    with h5py.File(short, "a") as file:
        for name, column in {"choice": "response", "reward": "outcome"}.items():
            file["intervals/trials"].move(name, column)
    code, out, err = call("compare", run, "--recorded", short)
    assert (code, out, err.count("\n")) == (2, "", 1) and "no cell was observed" in err

    other = write_session(tmp_path / "other.nwb")
    with h5py.File(other, "a") as file:
        for name, column in {"choice": "response", "reward": "outcome"}.items():
            file["intervals/trials"].move(name, column)
    code, out, err = call("compare", run, "--recorded", other)
    assert (code, err) == (0, "") and "win_stay" not in out and "firing_rate" in out
    assert "no column is known as choice and reward" in out
    assert (
        "`columns: {choice: response, reward: outcome}` in --columns FILE may mend it. Its cells are comp"
        in out
    )


def test_cells_are_compared_with_spiking_neurons_where_there_are_some(
    call, run, write_session, tmp_path, build_recording
):
    recording, rng = build_recording(), np.random.default_rng(0)
    session_s = float(recording["onset"][0, 0, 0, -1] + recording["duration"][0, 0, 0, -1])
    n = round(9 * session_s * 3 * 30 * 6)  # 9 Hz in every session of every unit of every animal
    ends = {"animal": 3, "episode": 30, "unit": 6, "neuron": 1}
    spikes = {f"spike_{name}": ("spike", rng.integers(end, size=n)) for name, end in ends.items()}
    spikes["spike_time"] = ("spike", rng.uniform(0, session_s, n))
    spiking = recording.assign(spikes).assign_attrs(neurons_per_unit=1)
    (run / "replays/spiking").mkdir(parents=True)
    spiking.to_netcdf(run / "replays/spiking/recording.nc", engine="h5netcdf")
    assert call("compare", run, "--recorded", write_session(tmp_path / "s1.nwb", n_trials=200))[0] == 0
    table = pd.read_csv(run / "comparison_recorded.csv").set_index("key")
    assert table.loc["firing_rate", "simulated"] == pytest.approx(9, rel=0.1)
    assert table.loc["firing_rate", "matched"].endswith("spiking neurons")
    assert table.loc["cv2", "verdict"] != "not comparable"


def test_it_goes_with_the_recording_it_was_made_with(call, run, choices):
    assert call("compare", run, "--recorded", choices)[0] == 0
    with RunFolder.existing(run) as folder, folder.doing("compare"):
        assert (run / "comparison_recorded.csv").exists()
    with RunFolder.existing(run) as folder, folder.doing("replay"):
        folder.write_atomic("recording.nc", lambda file: file.touch())
        assert not (run / "comparison_recorded.csv").exists()


def test_it_needs_a_replayed_run(call, run, choices):
    with pytest.raises(KeyError, match="planted"):
        with RunFolder.existing(run) as folder, folder.doing("replay"):
            raise KeyError("planted")
    code, out, err = call("compare", run, "--recorded", choices)
    assert (code, out) == (2, "") and "compare needs replay, which is not done" in err


def test_a_quick_run_has_no_verdicts(tmp_path, build_recording, choices):
    build_recording().assign_attrs(config='{"quick": true}').to_netcdf(tmp_path / "recording.nc")
    table = compare_recorded(tmp_path, [choices])
    assert set(table["verdict"]) == {"not comparable"} and set(table["why"]) == {QUICK}
    assert table["difference"].notna().any()


EXTRACTS = Path(__file__).resolve().parents[2] / "data" / "recorded"
SOURCES = ("macaque_what_reversal.csv.gz", "mouse_foraging.csv.gz", "ofc_macaque")


@pytest.mark.parametrize("path", [*sorted(EXTRACTS.rglob("*.gz")), EXTRACTS], ids=lambda path: path.name)
def test_every_recording_of_the_package_is_compared(call, run, path):
    code, out, err = call("compare", run, "--recorded", path)
    assert (code, err) == (0, "")
    table = pd.read_csv(run / "comparison_recorded.csv")
    sources = [str(path)] if path != EXTRACTS else [str(EXTRACTS / name) for name in SOURCES]
    assert list(dict.fromkeys(table["source"])) == sources
    assert all(f" {source}\n" in out for source in sources)
    page = (run / "report.html").read_text()
    assert [page.find(f">{source}</h3>") > 0 for source in sources] == [True] * len(sources)
    for source, rows in table.groupby("source"):
        of_cells = "ofc_macaque" in source
        assert ("firing_rate" in set(rows["key"]), "win_stay" in set(rows["key"])) == (of_cells, not of_cells)
        assert rows["recorded"].notna().any() and not rows.duplicated(["key", "condition"]).any()
    animals = table[table["key"] == "win_stay"].set_index("source")["rec_n_of"].to_dict()
    assert set(animals.items()) <= {
        (str(EXTRACTS / SOURCES[0]), "sessions"),
        (str(EXTRACTS / SOURCES[1]), "animals"),
    }
