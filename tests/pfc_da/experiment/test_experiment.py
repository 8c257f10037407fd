"""An experiment end to end, tiny: what a run writes, that it repeats, and what is refused before it starts."""

import dataclasses
import functools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from safetensors.torch import load_file

from pfc_da import cli, paradigms
from pfc_da.analysis.comparison.extracts import compute_recorded_statistics
from pfc_da.analysis.comparison.published import QUICK
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.figures.panel import Panel, draw_panel, draw_svg
from pfc_da.analysis.figures.style import label_axes
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.statistic import summarise
from pfc_da.errors import InputError
from pfc_da.experiment import experiment as _experiment
from pfc_da.experiment.analyse import analyse_recording
from pfc_da.experiment.experiment import tabulate_by_animal, tabulate_statistics
from pfc_da.recording import read_recording, write_recording
from pfc_da.report.page import write_report
from pfc_da.rng import numpy_stream
from pfc_da.rollout import CONTROLS
from pfc_da.settings import RunSettings
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_folder import RunFolder
from pfc_da.storage.tables import read_table
from pfc_da.train import CURVE_COLUMNS

ROOT = Path(__file__).resolve().parents[3]
TINY = (
    "network.n_units=16",
    "train.updates=3",
    "train.sessions=8",
    "task.n_trials=12",
    "test_task.n_trials=12",
    "replay.held_out_sessions=8",
    "replay.sessions=8",
    "replay.unit_sessions=8",
)
STATISTICS = "key paradigm network rule condition estimate low high interval n n_of units".split()
COMPARISON = (
    "key condition simulated sim_low sim_high reference ref_low ref_high kind source doi locator verdict why"
).split()
FILES = {
    "config.yaml",
    "manifest.json",
    "recording.nc",
    "statistics.csv",
    "statistics_by_animal.csv",
    "headline.csv",
    "comparison.csv",
    "report.html",
    *(
        f"animals/{animal:03d}/{name}"
        for animal in (0, 1)
        for name in ("weights.safetensors", "clamped.safetensors", "learning_curve.csv")
    ),
}
FIGURES = {
    "bandit": "learning_curve within_session controls timings raster history dopamine_trace dopamine_shift selectivity "
    "selectivity_in_time decoding_in_time",
    # no panel of changes, as there are none in 12 trials
    "monkey_juice": "learning_curve within_session controls timings raster matching reaction_times history "
    "dopamine_trace dopamine_shift selectivity selectivity_in_time decoding_in_time",
}
NUMBERS_ONLY = {"units", "unit_activity", "unit_trials", "unit_spikes", "index"}


def command(name, out, *more, tiny=TINY):
    sets = [word for text in tiny for word in ("--set", text)]
    return ["run", name, "--quick", "--animals", "2", "--workers", "1", "--out", str(out), *sets, *more]


@pytest.fixture(scope="module", params=paradigms.names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def run(name, tmp_path_factory):
    """Folder of a tiny run."""
    out = tmp_path_factory.mktemp("runs") / name
    assert cli.exit_code(command(name, out)) == 0
    return out


@pytest.fixture(scope="module", autouse=True)
def _recorded_once():
    """Recorded data are the same for every run: analyse them once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            _experiment, "compute_recorded_statistics", functools.cache(compute_recorded_statistics)
        )
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Give the names of the figures that would be drawn, and do not draw them."""
    names = set()

    def note(panels, folder, tables):
        names.update(panel.name for panel in panels if len(panel.table))

    monkeypatch.setattr(_experiment, "write_figures", note)
    return names


def read_all(folder):
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_run_writes_every_file_and_nothing_else(run, name):
    files = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}
    drawn = FIGURES.get(name)
    assert FILES <= files
    figures = {file for file in files if file.startswith("figures/")}
    kept = RunSettings.model_validate(read_manifest(run).config).train.snapshot_updates
    snapshots = {f"animals/{animal}/after_{n:07d}.safetensors" for animal in ("000", "001") for n in kept}
    assert snapshots <= files
    assert files - FILES - figures - snapshots <= {".lock"}
    if drawn:
        expected = {f"figures/{each}.{suffix}" for each in drawn.split() for suffix in ("svg", "csv")}
        assert figures == expected | {f"figures/{each}.csv" for each in NUMBERS_ONLY}
        page = (run / "report.html").read_text()
        assert re.findall('<figure id="figure-([a-z_]+)"', page) == drawn.split()
    manifest = read_manifest(run)
    assert (manifest.status, manifest.paradigm, manifest.animals) == ("finished", name, 2)
    assert manifest.config["network"]["n_units"] == 16
    assert manifest.cpu_s > 0


def test_tables_have_their_columns(run, name):
    statistics, comparison = (pd.read_csv(run / f"{each}.csv") for each in ("statistics", "comparison"))
    assert list(statistics) == STATISTICS
    assert list(comparison) == COMPARISON
    assert list(pd.read_csv(run / "statistics_by_animal.csv")) == ["animal", "key", "condition", "estimate"]
    for animal in (0, 1):
        curve = pd.read_csv(run / "animals" / f"{animal:03d}" / "learning_curve.csv")
        assert list(curve) == list(CURVE_COLUMNS)
        assert curve["update"].tolist() == [1, 2, 3]
    assert set(statistics["paradigm"]) == {name}
    assert set(statistics["network"]) == {"rate"}
    assert set(statistics["rule"]) == {"three-factor"}
    assert not statistics.duplicated(["key", "condition"]).any()
    assert set(comparison["kind"]) <= {"published", "recorded", "derived", "unverified"}
    assert set(comparison["verdict"]) == {"not comparable"}  # of a quick run
    assert set(comparison.loc[comparison["simulated"].notna(), "why"]) == {QUICK}
    assert read_manifest(run).config["quick"] is True


def test_every_key_is_in_the_documentation(run):
    page = (ROOT / "docs" / "statistics.md").read_text()
    documented = {
        key
        for line in page.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`([\w.]+)`", line.split("|")[1])
    }
    assert set(pd.read_csv(run / "statistics.csv")["key"]) <= documented


def make_hit_panel(table):
    """A panel as a paradigm would add one: fraction of rewarded trials of every animal."""
    return Panel(
        name="hits", table=table, title="Hits & misses", caption="One bar an animal.", plots=(plot_hits,)
    )


def plot_hits(numbers, ax):
    ax.bar(numbers["animal"], numbers["hits"])
    return label_axes(ax, "animal", "fraction of steps rewarded")


def test_a_paradigm_gains_a_panel_and_a_headline_in_its_own_file(run, name, tmp_path):
    """From what the analysis returns to the files, the index and the page; nothing else has to know of it."""

    def analyse(recording, curves, settings, rng):
        hits = (recording["reward"].sel(condition="frozen") > 0).mean(["episode", "step"]).values
        table = pd.DataFrame({"animal": np.arange(len(hits)), "hits": hits})
        return Findings([summarise("hits", hits, units="fraction")], [make_hit_panel(table)])

    headline = {("hits", ""): "Rewarded & paid"}
    experiment = dataclasses.replace(paradigms.load(name), analyse=analyse, headline=headline)
    settings = experiment.settings(animals=2, quick=True, sets=TINY)
    out = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(out / "figures")
    with RunFolder.open(out, settings.model_dump(mode="json")) as folder, folder.doing("compare"):
        experiment.compare(settings, folder)
    assert {"hits.csv", "hits.svg", "index.csv"} <= {file.name for file in (out / "figures").iterdir()}
    page = write_report(out).read_text()
    figures = dict(re.findall('<figure id="figure-([a-z_]+)".*?<h3>(.*?)</h3>', page, re.DOTALL))
    assert figures["hits"] == "Hits &amp; misses"
    titles = re.findall("<dt>(.*?)</dt>", page)
    assert titles[0] == "Reward per trial, weights frozen" and titles[3] == "Rewarded &amp; paid"
    assert "fraction of steps rewarded" in page and "One bar an animal." in page
    assert pd.read_csv(out / "figures" / "hits.csv")["hits"].between(0.01, 1).all()


def test_a_statistic_is_the_mean_of_its_animals(run):
    statistics = pd.read_csv(run / "statistics.csv", keep_default_na=False, na_values=[""])
    by_animal = pd.read_csv(run / "statistics_by_animal.csv")
    for row in statistics.fillna({"condition": ""}).itertuples():
        same = (by_animal["key"] == row.key) & (by_animal["condition"].fillna("") == row.condition)
        own = by_animal[same]
        if row.n_of != "animals":  # an observer's
            assert own.empty
            continue
        assert own["animal"].tolist() == [0, 1]
        assert own["estimate"].mean() == pytest.approx(row.estimate, nan_ok=True)
        assert row.n == own["estimate"].notna().sum()
        assert np.isnan(row.estimate) or np.isnan(row.low) or row.low <= row.estimate <= row.high


def test_rewards_are_those_of_the_recording(run):
    """From the file to the table, by hand."""
    recording = read_recording(run / "recording.nc")
    statistics = pd.read_csv(run / "statistics.csv").set_index("key")["estimate"]
    reward = recording["reward"].sum("step").mean(["animal", "episode"]) / 12
    for condition in (control.name for control in CONTROLS):
        key = "reward_per_trial" if condition == "frozen" else f"reward_{condition}"
        assert statistics[key] == pytest.approx(float(reward.sel(condition=condition)), rel=1e-5)


def test_every_reference_is_in_the_comparison(run, name):
    comparison = pd.read_csv(run / "comparison.csv", keep_default_na=False)
    rows = {(row.key, row.condition, row.source) for row in load_references(name)}
    assert rows <= set(zip(comparison["key"], comparison["condition"], comparison["source"], strict=True))
    recorded = comparison[comparison["kind"] == "recorded"]
    assert len(comparison) == len(load_references(name)) + len(recorded)


def test_replayed_again_it_is_the_same_recording_from_the_same_weights(run):
    before, weights = read_recording(run / "recording.nc"), sorted(run.glob("animals/*/weights.safetensors"))
    bits = [file.read_bytes() for file in weights]
    assert len(bits) == 2
    assert bits[0] != bits[1]
    assert cli.exit_code(["replay", str(run), "--force", "--workers", "1"]) == 0
    xr.testing.assert_identical(read_recording(run / "recording.nc"), before)
    assert [file.read_bytes() for file in weights] == bits
    tables = {each: (run / f"{each}.csv").read_bytes() for each in ("statistics", "comparison")}
    assert cli.exit_code(["compare", str(run)]) == 0
    assert read_manifest(run).status == "waiting"
    assert cli.exit_code(["report", str(run)]) == 0
    assert tables == {each: (run / f"{each}.csv").read_bytes() for each in tables}
    assert read_manifest(run).status == "finished"


def test_a_finished_run_is_left_alone(run, name, capsys):
    before = read_all(run)
    assert cli.exit_code(command(name, run)) == 0
    assert "finished already" in capsys.readouterr().out
    assert {file: content for file, content in read_all(run).items() if file in before} == before


def test_animals_have_weights_of_their_own_but_problems_in_common(run):
    recording = read_recording(run / "recording.nc")
    assert recording.sizes["animal"] == 2
    value = recording["value"].sel(condition="frozen")
    assert not value.isel(animal=0).equals(value.isel(animal=1))
    label = next(each for each in ("p_reward", "p0", "p_win") if each in recording)
    if "animal" in recording[label].dims:
        np.testing.assert_array_equal(recording[label].isel(animal=0), recording[label].isel(animal=1))
    assert json.loads(recording.attrs["config"]) == read_manifest(run).config


def test_one_worker_or_two_give_the_same(tmp_path):
    weights = []
    for workers in ("1", "2"):
        arguments = command("bandit", tmp_path / workers)
        arguments[0], arguments[arguments.index("--workers") + 1] = "train", workers
        assert cli.exit_code(arguments) == 0
        folders = [tmp_path / workers / "animals" / animal for animal in ("000", "001")]
        weights += [[load_file(folder / "weights.safetensors") for folder in folders]]
    for one, two in zip(*weights, strict=True):
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_run_returns_what_the_files_hold(run, name):
    result = paradigms.load(name).run(animals=2, quick=True, sets=TINY, out=run, workers=1)
    pd.testing.assert_frame_equal(result.statistics, pd.read_csv(run / "statistics.csv"))
    pd.testing.assert_frame_equal(result.comparison, pd.read_csv(run / "comparison.csv"))
    xr.testing.assert_identical(result.recording, read_recording(run / "recording.nc"))
    assert result.settings.paradigm == name
    assert "This is a quick run" in repr(result)


def test_a_panel_drawn_again_from_its_table_is_the_one_of_the_run(run, name):
    recording = read_recording(run / "recording.nc")
    curves = [pd.read_csv(run / "animals" / animal / "learning_curve.csv") for animal in ("000", "001")]
    experiment = paradigms.load(name)
    settings = experiment.settings(animals=2, quick=True, sets=TINY)
    rng = numpy_stream(settings.seed, "analysis")
    for panel in analyse_recording(experiment, recording, curves, settings, rng).figures:
        if len(panel.table):
            written = dataclasses.replace(panel, table=read_table(run / "figures" / f"{panel.name}.csv"))
            again, numbers = split_numbers(draw_svg(written))
            before, numbers_before = split_numbers((run / "figures" / f"{panel.name}.svg").read_text())
            assert again == before, panel.name
            np.testing.assert_allclose(numbers, numbers_before, atol=1e-4, err_msg=panel.name)
            ax = Figure().subplots()
            assert draw_panel(run / "figures", panel.name, ax) is ax
            drawings = ax.child_axes or [ax]
            assert [drawing.get_xlabel() for drawing in drawings] == list_labels(panel)


def list_labels(panel):
    """What is written along the drawings of a panel."""
    return [plot(panel.table, Figure().subplots()).get_xlabel() for plot in panel.plots]


def split_numbers(svg):
    """A drawing without its numbers and the names that are made of them, and the numbers."""
    svg = re.sub(r"\b[a-z][0-9a-f]{10}\b", "", svg)
    number = r"-?\d+\.?\d*"
    return re.sub(number, "", svg), np.array(re.findall(number, svg), dtype=float)


def test_the_reference_agent_runs(name, undrawn, tmp_path):
    out = tmp_path / "run"
    result = paradigms.load(name).run(animals=1, network="lstm", rule="bptt", sets=TINY, workers=1, out=out)
    assert set(result.statistics["network"]) == {"lstm"}
    assert set(result.statistics["rule"]) == {"bptt"}
    rates = result.statistics.set_index("key").loc[["firing_rate", "firing_rate_max"]]
    assert set(rates["units"]) == {"1"}  # h of an LSTM is no rate
    verdicts = result.comparison.query("key == 'firing_rate'")["verdict"]
    assert set(verdicts) <= {"not comparable"}


def test_without_training_there_is_no_learning_curve_but_all_else(name, undrawn, tmp_path):
    out = tmp_path / "run"
    arguments = command(name, out, tiny=[*TINY, "train.updates=0"])
    assert cli.exit_code(arguments) == 0
    assert (out / "report.html").exists()
    assert undrawn >= {"within_session", "controls"}
    assert "learning_curve" not in undrawn
    statistics = pd.read_csv(out / "statistics.csv").set_index("key")["estimate"]
    assert statistics["reward_per_trial"] == statistics["reward_untrained"]


STUBBORN = {
    "always the first": [0],
    "always the second": [1],
    "alternating": [0, 1],
}


@pytest.mark.parametrize("how", STUBBORN)
@pytest.mark.parametrize("n_stubborn", [1, 2])
def test_animals_that_always_do_the_same_do_not_end_the_analysis(run, name, how, n_stubborn, tmp_path):
    """Their units are reported nothing of (variables cannot be told apart), the others' are."""
    recording = read_recording(run / "recording.nc")
    labels = ("chosen_object", "chosen_lever", "choice")
    label = next(each for each in labels if each in recording)
    at_choice = np.flatnonzero(recording["phase"].values == recording.attrs["choice_phase"])
    recording[label].values[:n_stubborn, ..., at_choice] = np.resize(STUBBORN[how], 12)
    experiment = paradigms.load(name)
    settings = experiment.settings(animals=2, quick=True, sets=TINY)
    curves = [pd.read_csv(run / "animals" / animal / "learning_curve.csv") for animal in ("000", "001")]
    findings = analyse_recording(experiment, recording, curves, settings, np.random.default_rng(0))
    fractions = [each for each in findings.statistics if each.key == "fraction_selective"]
    assert fractions
    if name != "lever_stimulation":  # there units are asked about the error, which varies all the same
        for each in fractions:
            assert np.isnan(each.by_animal[:n_stubborn]).all()
            assert np.isfinite(each.by_animal[n_stubborn:]).all()
            assert each.n == 2 - n_stubborn
        stay = next(each for each in findings.statistics if each.key == "win_stay")
        assert stay.by_animal[0] == (0 if how == "alternating" else 1)
    write_recording(recording, tmp_path / "recording.nc")  # and the tables can be written
    table = tabulate_statistics(findings.statistics, settings)
    assert list(table) == STATISTICS
    assert len(tabulate_by_animal(findings.statistics)) == 2 * sum(table["n_of"] == "animals")


BAD = {
    "task.n_trils=5": "no setting 'task.n_trils'. Did you mean 'n_trials'\\? There are: n_trials",
    "test_task.n_trils=5": "no setting 'test_task.n_trils'. Did you mean 'n_trials'\\?",
    "task.n_trials=ten": "setting 'task.n_trials' must be of type int, got 'ten'",
    "task.n_trials=20.5": "setting 'task.n_trials' must be of type int, got 20.5",
    "task.n_trials=true": "setting 'task.n_trials' must be of type int, got True",
    "task.n_trials=0": "setting 'task': n_trials must be 1 to 100000 trials, got 0",
    "test_task.n_trials=-3": "setting 'test_task': n_trials must be 1 to 100000 trials, got -3",
    "test_task.n_trials=5": "setting task.n_trials in test must be at least 6 \\(history reaches 5 trials back\\)",
    "replay.unit_sessions=7": "setting replay.unit_sessions must be at least 8",
    "network.kind=gru": "setting 'network.kind': got 'gru'; it should be 'rate' or 'lstm'",
    "paradigm=other": "the settings are for paradigm 'other'",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_run_is_refused_in_one_line_before_anything_is_written(name, text, tmp_path, capsys):
    with pytest.raises(InputError, match=BAD[text]):
        paradigms.load(name).settings(sets=[text])
    out = tmp_path / "run"
    assert cli.exit_code(command(name, out, tiny=[text])) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(f"error: {BAD[text]}.*\n", said.err)
    assert not out.exists()


@pytest.mark.parametrize(
    "paradigm, text, words",
    [
        (
            "bandit",
            "task.arms=corelated_easy",
            "setting 'task': no arms 'corelated_easy'. Did you mean 'correlated_easy'\\?",
        ),
        ("bandit", "task.arm=independent", "no setting 'task.arm'. Did you mean 'arms'\\?"),
        ("bandit", "task.arms=3", "setting 'task.arms' must be of type str, got 3"),
        ("monkey_juice", "task.p0=gap", "no p0 'gap'. Did you mean 'gaps'\\?"),
        ("monkey_juice", "test_task.p0=fll", "setting 'test_task': no p0 'fll'. Did you mean 'full'\\?"),
        ("monkey_juice", "task.images=1", "setting 'task.images' must be of type bool, got 1"),
        ("monkey_juice", "task.changes=maybe", "setting 'task.changes' must be of type bool, got 'maybe'"),
    ],
)
def test_a_setting_of_a_task_that_is_none_is_refused(paradigm, text, words):
    with pytest.raises(InputError, match=words):
        paradigms.load(paradigm).settings(sets=[text])


def test_training_and_test_have_settings_of_their_own():
    experiment = paradigms.load("monkey_juice")
    settings = experiment.settings(sets=["task.n_trials=3", "test_task.n_trials=30", "task.changes=true"])
    training, test = (experiment.build_task(settings, test=test) for test in (False, True))
    assert (training.n_trials, training.longest_block, training.changes) == (3, 75, True)
    assert (test.n_trials, test.longest_block, test.changes) == (30, 150, True)


@pytest.mark.parametrize("conditions, given", [((), "none"), (CONTROLS[1:], "hidden_reset")])
def test_the_first_condition_is_the_frozen_animal(conditions, given):
    with pytest.raises(
        InputError, match=f"first condition of 'bandit' must be pfc_da.rollout.FROZEN, got '{given}'"
    ):
        dataclasses.replace(paradigms.load("bandit"), conditions=conditions)


def test_the_frozen_animal_alone_is_analysed(tmp_path):
    experiment = dataclasses.replace(paradigms.load("bandit"), conditions=CONTROLS[:1])
    result = experiment.run(out=tmp_path / "run", animals=2, quick=True, sets=TINY, workers=1)
    keys = set(result.statistics["key"])
    assert "reward_per_trial" in keys and not keys & {"reward_gain", "reward_untrained", "reward_pauses"}


def test_later_sources_win(tmp_path):
    experiment = paradigms.load("bandit")
    file = tmp_path / "settings.yaml"
    file.write_text("train: {updates: 7, sessions: 9}\nanimals: 3\n")
    settings = experiment.settings(config_file=file, sets=["train.updates=5"])
    assert (settings.train.updates, settings.train.sessions, settings.animals) == (5, 9, 3)
    typed = experiment.settings(config_file=file, animals=2, quick=True)  # what is typed comes after the file
    assert (typed.animals, typed.train.updates, typed.train.sessions) == (2, 40, 32)
    lstm = experiment.settings(network="lstm", quick=True, sets=["network.n_units=5"])
    assert (lstm.network.n_units, lstm.train.updates) == (5, 40)
