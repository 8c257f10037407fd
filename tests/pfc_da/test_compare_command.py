"""`pfc-da compare RUN --recorded`: what it writes, what it shows, and that bad input leaves the run as it was."""

import re

import numpy as np
import pandas as pd
import pytest

from pfc_da import cli
from pfc_da.run_folder import RunFolder, read_manifest

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
        return code, *capsys.readouterr()

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
    assert stay["matched"] == "first 60 trials of 20 sessions an animal" and stay["source"] == str(choices)
    assert len(out.splitlines()) == len(table) + 2
    assert f"{run}: wrote comparison_recorded.csv, report in {run}/report.html." in out
    page = (run / "report.html").read_text()
    assert 'id="recorded-table"' in page and str(choices) in page and page.count("not told apart") > 0
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
    "arguments, told",
    [
        (["--recorded", "absent.csv"], "no file or folder absent.csv"),
        (["--recorded", "empty"], r"empty: no file in it is called"),
        (["--recorded", "{choices}", "--columns", "absent.yaml"], "cannot read the columns absent.yaml"),
        (["--recorded", "{choices}", "{choices}"], "choices.csv is named twice"),
        (
            ["--recorded", "{choices}", "{copy}"],
            "session '0' of animal '0' is in both .*choices.csv and .*copy.csv",
        ),
        (["{choices}"], "choices.csv needs --recorded before the paths"),
        (["--columns", "c.yaml"], "--columns needs --recorded"),
    ],
)
def test_bad_input_leaves_the_run_as_it_was(call, run, choices, arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    copy = tmp_path / "copy.csv"
    copy.write_bytes(choices.read_bytes())
    before = contents(run)
    code, out, err = call("compare", run, *(word.format(choices=choices, copy=copy) for word in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(told, err), err
    assert contents(run) == before
    assert call("compare", run)[0] == 0  # and lets the folder go


def test_it_goes_with_the_recording_it_was_made_with(call, run, choices):
    assert call("compare", run, "--recorded", choices)[0] == 0
    with RunFolder.existing(run) as folder, folder.doing("compare"):
        assert (run / "comparison_recorded.csv").exists()
    with RunFolder.existing(run) as folder, folder.doing("replay"):
        assert not (run / "comparison_recorded.csv").exists()


def test_it_needs_a_replayed_run(call, run, choices):
    with pytest.raises(KeyError, match="planted"):
        with RunFolder.existing(run) as folder, folder.doing("replay"):
            raise KeyError("planted")
    code, out, err = call("compare", run, "--recorded", choices)
    assert (code, out) == (2, "") and "compare needs replay, which is not done" in err
