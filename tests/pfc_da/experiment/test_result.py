"""From Python: a run kept in its folder, opened again, shown, drawn; its weights; settings as keywords."""

import shutil
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib import pyplot
from matplotlib.figure import Figure
from safetensors.torch import load_file

import pfc_da
from pfc_da import cli
from pfc_da.agent import build_agent
from pfc_da.analysis.units.psth import psth
from pfc_da.errors import DiskFull, InputError
from pfc_da.experiment.weights import label_weights
from pfc_da.jobs.cost import Cost
from pfc_da.recording import write_recording
from pfc_da.storage.manifest import format_manifest, read_manifest
from pfc_da.storage.run_folder import RunFolder

TINY = {
    "network": {"n_units": 10},
    "train": {"updates": 4, "sessions": 4, "snapshots": [0.5]},
    "task": {"n_trials": 12},
    "replay": {"held_out_sessions": 8, "sessions": 8, "unit_sessions": 8},
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder of a run of two animals on the bandit, made from Python."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pfc_da.load_paradigm("bandit").run(animals=2, workers=1, **TINY)
    return folder / "runs" / "bandit"


@pytest.fixture
def run(kept, tmp_path):
    """A copy, to be written to."""
    return shutil.copytree(kept, tmp_path / "run")


@pytest.fixture
def result(kept):
    return pfc_da.open_run(kept)


def rewrite_manifest(run, **changes):
    manifest = read_manifest(run)
    (run / "manifest.json").write_text(format_manifest(manifest.model_copy(update=changes)))


# The run is kept


def test_a_run_is_kept_and_continued_in_a_folder_that_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    experiment = pfc_da.load_paradigm("bandit")
    first = experiment.run(animals=1, workers=1, **TINY)
    assert capsys.readouterr().err.splitlines()[0] == "runs/bandit: train, replay, compare."
    assert str(first.path) == "runs/bandit"
    before = (tmp_path / "runs/bandit/manifest.json").read_bytes()
    again = experiment.run(animals=1, workers=1, **TINY)
    assert capsys.readouterr().err == "runs/bandit: finished already.\n"
    assert (tmp_path / "runs/bandit/manifest.json").read_bytes() == before
    pd.testing.assert_frame_equal(again.statistics, first.statistics)
    (tmp_path / "runs/bandit/statistics.csv").unlink()
    assert len(experiment.run(animals=1, workers=1, **TINY).statistics) == len(first.statistics)
    assert capsys.readouterr().err.splitlines()[0] == "runs/bandit: compare."


def test_another_run_in_the_folder_is_refused_unless_it_is_to_start_over(run):
    experiment = pfc_da.load_paradigm("bandit")
    settings = TINY | {"network": {"n_units": 8}}
    with pytest.raises(InputError, match="network.n_units is 10 there and 8 was asked for"):
        experiment.run(out=str(run), animals=2, workers=1, **settings)
    result = experiment.run(out=str(run), animals=2, workers=1, force=True, **settings)
    assert result.weights(0).sizes["presynaptic"] == 8


def test_the_command_finishes_what_python_began_and_the_other_way_round(run, capsys):
    assert cli.exit_code(["report", str(run)]) == 0
    assert read_manifest(run).status == "finished"
    assert pfc_da.open_run(run).report.read_text().startswith("<!")


def test_a_run_without_room_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    experiment = pfc_da.load_paradigm("bandit")
    monkeypatch.setattr(type(experiment), "estimate", lambda *_: Cost(1, 1, 1e6, 1e30))
    with pytest.raises((InputError, DiskFull), match="disk"):
        experiment.run(out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()


# Settings as keywords


@pytest.mark.parametrize(
    ("keywords", "sets"),
    [
        ({"network": {"n_units": 24}}, ["network.n_units=24"]),
        ({"network": "lstm"}, None),
        (
            {"rule": {"learning_rate": 0.01}, "train": {"updates": 7}},
            ["rule.learning_rate=0.01", "train.updates=7"],
        ),
        ({"animals": 3, "seed": 5}, ["animals=3", "seed=5"]),
        (
            {"task": {"n_trials": 30}, "test_task": {"n_trials": 50}},
            ["task.n_trials=30", "test_task.n_trials=50"],
        ),
        (
            {"dopamine": {"noise": 0.5}, "replay": {"sessions": 300}},
            "dopamine.noise=0.5 replay.sessions=300".split(),
        ),
    ],
)
def test_keywords_are_the_settings_of_the_command(keywords, sets):
    experiment = pfc_da.load_paradigm("bandit")
    given = experiment.settings(**keywords)
    if sets is None:
        assert given.network.kind == "lstm"
        return
    assert given == experiment.settings(sets=sets)
    assert given != experiment.settings()


def test_keywords_come_after_quick_and_the_file_and_before_sets(tmp_path):
    experiment = pfc_da.load_paradigm("bandit")
    file = tmp_path / "settings.yaml"
    file.write_text("train: {updates: 7, sessions: 9}\n")
    train = {"updates": 11}
    assert experiment.settings(config_file=str(file), train=train).train.updates == 11
    assert experiment.settings(config_file=str(file), train=train).train.sessions == 9
    quick = experiment.settings(quick=True, train=train)
    assert (quick.train.updates, quick.train.checkpoint_every) == (11, 10)
    assert experiment.settings(train=train, sets="train.updates=13").train.updates == 13
    assert experiment.settings(sets=("seed=2", "animals=3")).seed == 2


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"trian": {"updates": 3}}, "no setting 'trian'. Did you mean 'train'\\?"),
        ({"train": {"updats": 3}}, "no setting 'train.updats'. Did you mean 'train.updates'\\?"),
        ({"train": {"updates": -3}}, "setting 'train.updates' .*: got -3; it must be"),
        ({"train": 3}, "setting 'train': got 3; it is a group of settings"),
        ({"network": "lsmt"}, "'lsmt'"),
        ({"task": {"n_trails": 3}}, "no setting 'task.n_trails'. Did you mean 'n_trials'\\?"),
        ({"config_file": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_bad_keywords_are_refused_as_those_of_the_command(keywords, said):
    with pytest.raises(InputError, match=said):
        pfc_da.load_paradigm("bandit").settings(**keywords)


# Opened again


def test_it_is_opened_without_torch_and_without_reading_the_recording(kept):
    code = f"import sys, pfc_da; print(pfc_da.open_run({str(kept)!r})); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    recording = pfc_da.open_run(kept).recording
    assert recording["activity"].dims == ("animal", "recorded_episode", "bin", "unit")
    assert not recording["activity"].variable._in_memory


def test_tables_are_those_of_the_folder(kept, result):
    for name in ("statistics", "headline", "comparison"):
        pd.testing.assert_frame_equal(getattr(result, name), pd.read_csv(kept / f"{name}.csv"))
    assert result.settings == pfc_da.load_paradigm("bandit").settings(animals=2, **TINY)


def test_what_is_no_run_is_refused_in_one_line(tmp_path):
    (tmp_path / "notes.txt").touch()
    for path in (tmp_path, tmp_path / "absent", str(tmp_path)):
        with pytest.raises(InputError, match="is not a run folder: it has no manifest.json") as error:
            pfc_da.open_run(path)
        assert "\n" not in str(error.value)


def test_a_run_that_is_not_finished_opens_and_says_what_is_not_done(run):
    rewrite_manifest(run, stages={}, status="interrupted")
    (run / "animals/001/weights.safetensors").unlink()
    result = pfc_da.open_run(run)
    said = "statistics.csv needs train, which is not done \\(1 of 2 animals trained"
    with pytest.raises(InputError, match=said):
        _ = result.statistics
    with pytest.raises(InputError, match="recording.nc needs train"):
        _ = result.recording
    with pytest.raises(InputError, match="a panel needs train"):
        result.plot("learning_curve")
    with pytest.raises(InputError, match="report needs train"):
        result.write_report()
    with pytest.raises(InputError, match="animal 1 is not trained yet \\(1 of 2 animals trained"):
        result.weights(1)
    assert result.weights(0).sizes["presynaptic"] == 10
    assert "comparison.csv needs train, which is not done" in repr(result)
    assert "comparison.csv needs train, which is not done" in result._repr_html_()


@pytest.mark.parametrize("name", ["recording.nc", "statistics.csv", "figures/learning_curve.csv"])
def test_a_damaged_file_is_refused_with_the_command_that_makes_it_again(run, name):
    with (run / name).open("ab") as file:
        file.write(b"0")
    result = pfc_da.open_run(run)
    with pytest.raises(InputError, match=f"{name} is damaged: .*pfc-da (replay|compare) .* --force"):
        _ = result.recording
        result.plot("learning_curve")
    (run / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="manifest.json is damaged"):
        pfc_da.open_run(run)


def test_a_report_is_written_once_it_is_asked_for(run):
    result = pfc_da.open_run(run)
    with pytest.raises(InputError, match="has no report yet; write_report\\(\\)"):
        _ = result.report
    assert result.write_report() == run / "report.html" == result.report
    assert read_manifest(run).status == "finished"


# Shown


def test_a_terminal_shows_the_headline_with_n(result):
    lines = repr(result).splitlines()
    assert lines[0].endswith("bandit: bandit, rate network, rule three-factor, 2 animals, seed 0")
    for row in result.headline.itertuples():
        (shown,) = (line for line in lines if row.title in line)
        assert f"{row.estimate:.3g}" in shown and shown.endswith("2 animals")


def test_a_notebook_shows_it_escaped(run):
    path = run / "headline.csv"
    table = pd.read_csv(path)
    table.loc[0, "title"] = "<script>alert(1)</script> & more"
    table.to_csv(path, index=False)
    manifest = read_manifest(run)
    rewrite_manifest(run, files={name: sha for name, sha in manifest.files.items() if name != "headline.csv"})
    run = run.rename(run.parent / "<b>run")
    page = pfc_da.open_run(run)._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page and "<script" not in page
    assert "&lt;b&gt;run" in page and "<b>" not in page
    assert page.count("<tr") == len(table) + 1 and "<td>2 animals</td>" in page


# Weights


def test_weights_are_signed_by_hand(kept, result):
    stored = {
        name: tensor.numpy() for name, tensor in load_file(kept / "animals/001/weights.safetensors").items()
    }
    weights = result.weights(1)
    sign = np.where(np.arange(10) < 8, 1, -1)  # four fifths are excitatory, and they come first
    by_hand = np.abs(stored["w"]) * sign[:, None]
    np.fill_diagonal(by_hand, 0)
    np.testing.assert_array_equal(weights["w"], by_hand)
    np.testing.assert_array_equal(weights["w_raw"], stored["w"])
    np.testing.assert_array_equal(weights["w_read"], np.where(sign[:, None] > 0, stored["w_read"], 0))
    assert weights["w"].dims == ("presynaptic", "postsynaptic")
    assert weights["is_excitatory"].values.tolist() == [True] * 8 + [False] * 2
    assert weights["read_out"].values.tolist() == ["action_0", "action_1", "value"]
    assert weights["channel"].values.tolist()[-3:] == ["action_0", "action_1", "reward"]
    assert weights["w_in"].sizes == {"channel": len(weights["channel"]), "postsynaptic": 10}
    assert {f"{name}_raw" for name in stored} <= set(weights)


def test_weights_of_before_and_on_the_way(kept, result):
    start, half, end = (result.weights(0, after=after)["w_raw"] for after in (0, 2, None))
    np.testing.assert_array_equal(half, load_file(kept / "animals/000/after_0000002.safetensors")["w"])
    assert not half.equals(start) and not half.equals(end)
    assert not start.equals(result.weights(1, after=0)["w_raw"])
    with pytest.raises(InputError, match="no weights were kept after 3 updates. There are: 0, 2, and None"):
        result.weights(0, after=3)
    with pytest.raises(InputError, match="animal must be 0 to 1 in this run, got 2"):
        result.weights(2)


@pytest.mark.parametrize("listed", [True, False])
def test_weights_of_other_networks_are_named_too(listed, monkeypatch):
    if not listed:  # as in a network of a reader that does not name them
        monkeypatch.setattr(pfc_da.LSTMNetwork, "weight_dims", {})
    experiment = pfc_da.load_paradigm("bandit")
    settings = experiment.settings(network="lstm", sets="network.n_units=6")
    task = experiment.build_task(settings)
    weights = build_agent(settings, task).network.init(torch.Generator().manual_seed(0))
    found = label_weights(weights, settings, task)
    dims = ("presynaptic", "gate") if listed else ("w_0", "w_1")
    assert found["w"].sizes == dict(zip(dims, (6, 24), strict=True)) == found["w_raw"].sizes
    assert found["start"].shape == (12,)


# Drawings and PSTHs


def test_a_panel_is_drawn_on_the_axes_given_or_the_current_ones(result):
    matplotlib.use("Agg")
    figure, axes = pyplot.subplots(1, 2)
    assert result.plot("controls", ax=axes[0]) is axes[0]
    assert result.plot("learning_curve") is axes[1]
    assert [ax.has_data() for ax in axes] == [True, True]
    pyplot.close(figure)
    with pytest.raises(InputError, match="'controls'\\? There are: learning_curve, within_session, controls"):
        result.plot("contrls")
    pyplot.close("all")


def test_a_psth_is_that_of_the_recording(result):
    found = result.psth(event="outcome", by="reward", window=(-0.1, 0.2))
    xr.testing.assert_identical(found, psth(result.recording, "outcome", "reward", (-0.1, 0.2)))
    assert found.sizes == {"animal": 2, "reward": 2, "time": 6, "unit": 10}


def test_a_replay_on_demand_has_psths_and_drawings_of_its_own(run):
    result = pfc_da.open_run(run)
    with pytest.raises(
        InputError, match="has no replay 'spiking'. There are: rate. 'pfc-da replay .*run' makes"
    ):
        result.psth("outcome", "reward", replay="spiking")
    spiking = result.recording.load()
    spiking["activity"] = spiking["activity"] * 0 + 7
    with RunFolder.existing(run) as folder, folder.making("replays/spiking/*"):
        (run / "replays/spiking").mkdir(parents=True)
        write_recording(spiking, run / "replays/spiking/recording.nc")
    with RunFolder.existing(run) as folder, folder.making("replays/spiking/figures/*"):
        shutil.copytree(run / "figures", run / "replays/spiking/figures")
    np.testing.assert_allclose(result.psth("outcome", "reward", replay="spiking"), 7)
    assert result.plot("controls", Figure().subplots(), replay="spiking").has_data()
    with pytest.raises(InputError, match="has no replay 'spikign'. There are: rate, spiking"):
        result.plot("controls", replay="spikign")
    for name in ("recording.nc", "figures/controls.csv"):
        with (run / "replays/spiking" / name).open("ab") as file:
            file.write(b"0")
    again = "is damaged: .*'pfc-da replay .* --spiking --force' makes it anew"
    with pytest.raises(InputError, match=f"controls.csv {again}"):
        result.plot("controls", Figure().subplots(), replay="spiking")
    with pytest.raises(InputError, match=f"recording.nc {again}"):
        result.psth("outcome", "reward", replay="spiking")


def test_the_names_at_the_top_are_those_of_their_modules():
    for name in pfc_da.__all__:
        assert getattr(pfc_da, name) is not None
    assert pfc_da.open_run.__module__ == pfc_da.load_paradigm.__module__ == "pfc_da.paradigms"
