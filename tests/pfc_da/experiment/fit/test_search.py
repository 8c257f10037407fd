"""Fits: planted settings are found again, an interruption does not show, and bad input ends in one line."""

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from scipy.stats import spearmanr

from pfc_da import cli, paradigms
from pfc_da.analysis.comparison import choices as compare_choices
from pfc_da.analysis.statistic import Statistic, missing_statistic
from pfc_da.errors import InputError
from pfc_da.experiment.experiment import Experiment
from pfc_da.experiment.fit import search as _fit
from pfc_da.experiment.fit.ranking import DistanceMetric
from pfc_da.experiment.fit.search import Fit, find_learners
from pfc_da.experiment.fit.space import PILOTS, Space, draw_values, read_space
from pfc_da.jobs.progress import Progress
from pfc_da.recording import read_recording

ROOT = Path(__file__).parents[4]
SPACE = """
settings: {rule.discount: {low: .1, high: .9}, rule.trace_decay: {low: .1, high: .9}}
fitted: [win_stay, lose_shift]
held_out: [history_reward, reward_per_trial]
"""
SHAPE = (3, 12, 40)
N = PILOTS + 6
BUILD, INTERRUPT, KEPT = [], [], {}


class PlantedAnimals(Experiment):
    """Animals that were not trained: they stay after a win as `rule.discount` says, after a loss as `rule.trace_decay`."""

    def train(self, settings, folder, progress, workers):
        progress.task("train", 1)(1)
        for animal in range(settings.animals):
            folder.write_atomic(f"animals/{animal:03d}/weights.safetensors", lambda file: file.touch())

    def replay(self, settings, folder, progress, workers):
        if INTERRUPT and INTERRUPT.pop(0):
            raise KeyboardInterrupt
        stay, rng = (settings.rule.discount, settings.rule.trace_decay), np.random.default_rng(0)
        recording = BUILD[0](stay=stay, shape=SHAPE, seed=settings.seed)
        recording = recording.isel(condition=[0, 0]).assign_coords(condition=["frozen", "untrained"])
        reward = rng.normal(
            [[[0.6], [0.5]]] * 2 + [[[0.5], [0.5]]], 0.05, (3, 2, 50)
        )  # the third does not learn
        recording["held_out_reward"] = ("animal", "condition", "held_out_episode"), reward
        folder.write_atomic("recording.nc", lambda file: file.touch())
        KEPT[folder.path / "recording.nc"] = recording

    def count_diverged(self, settings, folder):
        texts = dict.fromkeys(("key", "interval", "n_of", "units"), "")
        return Statistic(**texts, estimate=0, low=0, high=0, n=3, by_animal=(1.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def planted(build_recording):
    BUILD[:] = [build_recording]
    bandit = paradigms.load("bandit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            _fit, "read_recording", lambda file: KEPT[file] if file in KEPT else read_recording(file)
        )
        # Nothing here goes by learning rates, which would take most of the time.
        patch.setattr(
            compare_choices,
            "compute_fitted_rate",
            lambda sessions, rng: missing_statistic("learning_rate", {"model": "perseveration"}, "1"),
        )
        yield PlantedAnimals(
            **{field.name: getattr(bandit, field.name) for field in dataclasses.fields(bandit)}
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, build_recording):
    """Recordings of animals with known settings, and the space."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, stay in (("a", (0.75, 0.3)), ("b", (0.3, 0.7))):
        grid = build_recording(stay=stay, shape=(4, 12, 40), seed=77)
        choice, reward = (grid[key].values[:, 0, :, ::2] for key in ("choice", "reward"))
        animal, session, trial = np.indices(choice.shape).reshape(3, -1)
        table = {"animal": animal, "session": session, "trial": trial}
        table |= {"choice": choice.ravel(), "reward": reward.ravel()}
        pd.DataFrame(table).to_csv(folder / f"{name}.csv", index=False)
    (folder / "space.yaml").write_text(SPACE)
    return folder


def fit(planted, folder, out, name="a", candidates=N, **more):
    asked = Fit.ask(
        planted, [folder / f"{name}.csv"], out=out, space_file=folder / "space.yaml", animals=3, **more
    )
    with Progress() as progress:
        return asked.run(candidates, progress, workers=1)


@pytest.fixture(scope="module")
def whole(planted, folder, tmp_path_factory):
    """A fit that was left alone."""
    out = tmp_path_factory.mktemp("whole") / "fit"
    return out, fit(planted, folder, out)


def tables(out):
    return {name: (out / name).read_bytes() for name in ("ranking.csv", "fresh.csv", "best.yaml")}


def planted_distance(ranking, stay):
    return np.hypot(ranking["rule.discount"] - stay[0], ranking["rule.trace_decay"] - stay[1])


def test_several_data_sets_are_refused(planted, folder, tmp_path):
    recordings = shutil.copytree(folder, tmp_path / "recordings")
    (recordings / "b.columns.yaml").write_text("baited: true\n")
    with pytest.raises(
        InputError, match=r"a fit needs one data set, got 2: .*b.csv, .*a.csv. Give one of them."
    ):
        Fit.ask(planted, [recordings], out=tmp_path / "fit", space_file=folder / "space.yaml")
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize("name, stay, n", [("a", (0.75, 0.3), N), ("b", (0.3, 0.7), PILOTS)])
def test_planted_settings_are_found_again(planted, folder, whole, tmp_path, name, stay, n):
    out = whole[0] if name == "a" else tmp_path / "fit"
    if name == "b":
        fit(planted, folder, out, name, n)
    ranking = pd.read_csv(out / "ranking.csv")
    assert len(ranking) == n + 1 and ranking["distance"].is_monotonic_increasing
    off = planted_distance(ranking, stay)
    assert off[0] <= off.nsmallest(3).iloc[-1] and spearmanr(off, ranking["distance"]).statistic > 0.75
    blind = ranking["candidate"].isin([str(number) for number in range(1, PILOTS + 1)])
    guided = ~blind & (ranking["candidate"] != "default")
    assert guided.sum() == n - PILOTS and not off[guided].median() >= off[blind].median()


def test_the_nearest_and_the_default_are_simulated_again_with_other_seeds(whole):
    out, (worked, text) = whole
    ranking, fresh = pd.read_csv(out / "ranking.csv"), pd.read_csv(out / "fresh.csv")
    assert worked and "left out: reward_per_trial: rewards may have come in another way" in text
    again = ranking[ranking["fresh_distance"].notna()].set_index("candidate")
    assert list(again.index) == [ranking["candidate"][0], "default"]
    assert (again["fresh_distance"] != again["distance"]).all()
    low, middle, high = again[["fresh_low", "fresh_distance", "fresh_high"]].to_numpy().T
    assert (low < middle).all() and (middle < high).all() and middle[0] < middle[1]
    assert set(fresh["role"]) == {"fitted", "held out", "left out", "not asked for"}
    assert set(fresh.loc[fresh["role"] == "held out", "key"]) == {"history_reward"}
    kept = [json.loads((out / kind / "0000.json").read_text()) for kind in ("candidates", "fresh")]
    assert kept[0]["values"] == kept[1]["values"] == {} and kept[0]["rows"] != kept[1]["rows"]


def test_simulated_animals_taken_for_recordings_find_their_own_settings(planted, folder, whole):
    ranking = pd.read_csv(whole[0] / "ranking.csv").set_index("candidate")
    assert ranking.loc["default", "fresh_place"] == 1  # far from all others
    asked = Fit.ask(planted, [folder / "a.csv"], out=whole[0], space_file=folder / "space.yaml", animals=3)
    found = [asked._read("candidates", number) for number in range(5)]
    ruler, exact = DistanceMetric(asked.space, found), [dataclasses.replace(each) for each in found]
    assert [ruler.recovery_rank(each, found) for each in exact] == [1] * 5
    moved = [found[0], found[3], *found[2:]]  # number 1 is not itself
    assert ruler.recovery_rank(exact[1], moved) > 1


def test_held_out_statistics_do_not_move_the_distance(planted, folder, whole):
    asked = Fit.ask(planted, [folder / "a.csv"], out=whole[0], space_file=folder / "space.yaml", animals=3)
    found = [asked._read("candidates", number) for number in range(4)]
    for population in found[1:]:
        rows = population.rows.copy()
        rows.loc[rows["key"] == "history_reward", ["simulated", "sim_high"]] += 100
        other = dataclasses.replace(population, rows=rows)
        ruler, moved = DistanceMetric(asked.space, found), DistanceMetric(asked.space, [found[0], other])
        assert ruler.measure(other) == ruler.measure(population)
        assert moved.held_out and "history_reward" not in " ".join(moved.fitted)


def test_failed_animals_are_counted_and_kept(whole):
    """One of three diverged and another earns no more than untrained."""
    out, (_, text) = whole
    ranking = pd.read_csv(out / "ranking.csv")
    assert (ranking["animals_failed"] == 2).all() and (ranking["animals"] == 3).all()
    assert f"{N} of {N} candidates have animals that learned nothing (all animals: 0)" in text


def test_an_animal_learned_if_it_earns_more_than_untrained_in_the_same_sessions():
    untrained = np.random.default_rng(0).normal(0.5, 0.2, 100)
    frozen = [untrained + 0.01 * np.random.default_rng(1).normal(1, 1, 100), untrained, untrained - 0.1]
    reward = np.stack([np.stack([own, untrained]) for own in frozen])
    recording = xr.Dataset(
        {"held_out_reward": (("animal", "condition", "held_out_episode"), reward)},
        {"condition": ["frozen", "untrained"]},
    )
    assert find_learners(recording).tolist() == [True, False, False]


def test_neither_interruptions_nor_more_candidates_later_show(planted, folder, whole, tmp_path):
    out = tmp_path / "fit"
    for done_before, candidates in ((0, 3), (2, 3), (PILOTS, N), (N - PILOTS, N)):
        INTERRUPT[:] = [*[False] * done_before, True]
        with pytest.raises(KeyboardInterrupt):
            fit(planted, folder, out, candidates=candidates)
        assert INTERRUPT == [] and list((out / "running").iterdir())
    worked, text = fit(planted, folder, out)
    assert worked and tables(out) == tables(whole[0]) and text == whole[1][1]
    assert not (out / "running").exists()
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.json")}
    assert fit(planted, folder, out) == (False, text)
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.json")} == before


def test_another_fit_is_not_mixed_in(planted, folder, whole):
    before = tables(whole[0])
    with pytest.raises(ValueError, match=r"holds another fit: settings\.seed is 0 there and 1 was asked for"):
        fit(planted, folder, whole[0], seed=1)
    with pytest.raises(ValueError, match="holds another fit: recordings is "):
        fit(planted, folder, whole[0], name="b")
    assert tables(whole[0]) == before


def test_what_is_drawn_depends_on_what_came_before_alone():
    space = read_space(None)
    before = []
    for number in range(PILOTS + 2):
        values = draw_values(space, (), before, seed=3)
        assert values == draw_values(space, (), before, seed=3) != draw_values(space, (), before, seed=4)
        before.append((values, float("inf") if number == 2 else abs(values["dopamine.asymmetry"])))
    assert -0.9 <= min(values["dopamine.asymmetry"] for values, _ in before) < 0
    assert draw_values(space, ("dopamine.noise",), [], seed=3)["dopamine.noise"] in (0, 1, 2)


@pytest.mark.parametrize("name", paradigms.names())
def test_the_default_space_is_one_for_every_paradigm(name):
    space = read_space(None)
    for setting in space.settings:
        for value in space.ends(setting):
            paradigms.load(name).settings(sets=[f"{setting}={value}"])


def test_the_page_shows_the_default_space():
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "fit.md").read_text(), re.DOTALL)
    assert Space.model_validate(yaml.safe_load(shown[1])) == read_space(None)


SIZES = (
    "network.n_units=10 train.updates=3 train.sessions=4 task.n_trials=20 replay.held_out_sessions=12".split()
)
SIZES += ["replay.sessions=12", "replay.unit_sessions=8"]


def call(folder, out, *more):
    sets = [word for text in SIZES for word in ("--set", text)]
    words = [
        "fit",
        "bandit",
        "--recorded",
        folder / "a.csv",
        "--animals",
        "2",
        "--workers",
        "1",
        "--out",
        out,
    ]
    return cli.exit_code([str(word) for word in (*words, *sets, *more)])


def test_the_command_trains_and_its_best_settings_run(folder, tmp_path, capsys):
    out = tmp_path / "fit"
    assert call(folder, out, "--candidates", "1") == 0
    assert "finished. ranking.csv, fresh.csv and best.yaml hold it." in capsys.readouterr().out
    assert {file.name for file in out.iterdir()} == {
        ".lock", "fit.json", "candidates", "fresh", "ranking.csv", "fresh.csv", "best.yaml"
    }  # fmt: skip
    ranking = pd.read_csv(out / "ranking.csv")
    assert set(ranking["candidate"]) == {"default", "1"} and (ranking["animals"] == 2).all()
    settings = paradigms.load("bandit").settings(config_file=out / "best.yaml")
    assert settings.dopamine.noise == ranking["dopamine.noise"][0]
    assert call(folder, out, "--candidates", "1") == 0
    assert "finished already; --force does it again" in capsys.readouterr().out


@pytest.mark.parametrize(
    "space, message",
    [
        (None, "cannot read the space .*: No such file"),
        ("- 1", "space.yaml: .*valid dictionary"),
        ("{fitted: [win_stay], settings: {dopamine.nose: {low: 0, high: 1}}}", "no setting 'dopamine.nose'"),
        ("{fitted: [win_stay], settings: {dopamine.noise: {low: -1, high: 1}}}", "must be 0 to 1000000"),
        ("{fitted: [win_stay], settings: {dopamine.noise: {low: 1, high: 0}}}", "low must lie below high"),
        ("{fitted: [win_stay], settings: {dopamine.noise: {low: 0, high: 1, log: true}}}", "low must lie above 0"),
        ("{fitted: [win_stay], settings: {rule.feedback_weights: [random]}}", "at least two values"),
        ("{fitted: [win_stay], settings: {replay.sessions: {low: 5, high: 9}}}", "replay.sessions must be alike"),
        ("{fitted: [win_sty], settings: {dopamine.noise: {low: 0, high: 1}}}", "Did you mean 'win_stay'"),
        ("{fitted: [], settings: {dopamine.noise: {low: 0, high: 1}}}", "fitted: .* at least 1 item"),
        (
            "{fitted: [win_stay], held_out: [win_stay], settings: {dopamine.noise: {low: 0, high: 1}}}",
            "win_stay is fitted and held out",
        ),
        ("{fitted: [win_stay], settings: {network.n_unts: [8, 16]}}", "Did you mean 'network.n_units'"),
        ("{fitted: [win_stay], settings: {'rule.kind ': [8, 16]}}", "no setting 'rule.kind '. Did you mean 'rule.kind'"),
        ("{fitted: [win_stay], settings: {rule: {low: 0, high: 1}}}", "no setting 'rule'"),
        ("{fitted: [win_stay], settings: {dopamine.noise: [yes, no]}}", "dopamine.noise.*true or false"),
        ("{fitted: [win_stay], settings: {dopamine.noise: {low: no, high: yes}}}", "dopamine.noise.*true or false"),
        ("{fitted: [win_stay], settings: {dopamine.noise: [.nan, 1]}}", "dopamine.noise.*finite number"),
        ("{fitted: [win_stay], fitted: [win_shift]}", "'fitted' is given twice"),
        ("settings: &a {x: *a}", "an alias refers to what it is part of"),
        ("[" * 5000, "more than 20 levels"),
        (f"{{fitted: [{'x' * 5000}], settings: {{dopamine.noise: {{low: 0, high: 1}}}}}}", "no statistic 'x{60}…'"),
        ("{fit: [win_stay]}", "no entry 'fit'|Field required"),
        ("settings: {", "is not YAML"),
    ],
)  # fmt: skip
def test_a_space_that_is_none_ends_in_one_line(folder, tmp_path, capsys, space, message):
    path = tmp_path / "space.yaml"
    if space is not None:
        path.write_text(space)
    code = call(folder, tmp_path / "fit", "--space", path)
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err), err
    assert not (tmp_path / "fit").exists()


def test_other_bad_input_ends_in_one_line(folder, tmp_path, capsys, monkeypatch):
    def fails(message, *more, out=tmp_path / "fit"):
        code, (shown, err) = call(folder, out, *more), capsys.readouterr()
        assert (code, shown, err.count("\n")) == (2, "", 1) and re.search(message, err), err

    fails("no setting 'train.update'", "--set", "train.update=3")
    fails("must be 1 to 9999 candidates, got 0", "--candidates", "0")
    fails("no file or folder absent.csv", "--recorded", "absent.csv")
    assert cli.exit_code(["fit", "bandit"]) == 2
    assert "--recorded" in capsys.readouterr().err
    foreign = tmp_path / "run"
    foreign.mkdir()
    (foreign / "manifest.json").touch()
    fails("run holds other files .manifest.json.", out=foreign)
    monkeypatch.setitem(sys.modules, "optuna", None)
    fails(re.escape("pip install 'pfc_da[fit]'"))
    assert not (tmp_path / "fit").exists()


def test_without_a_statistic_to_go_by_nothing_is_searched(planted, folder, tmp_path):
    (tmp_path / "a.csv").write_bytes((folder / "a.csv").read_bytes())
    (tmp_path / "space.yaml").write_text(SPACE.replace("[win_stay, lose_shift]", "[firing_rate]"))
    with pytest.raises(
        ValueError, match=r"none of the fitted .* \(firing_rate: the recordings hold no such number\)"
    ):
        fit(planted, tmp_path, tmp_path / "fit")


def test_the_unit_of_rewards_does_not_change_what_is_found(planted, folder, tmp_path):
    space = SPACE.replace("history_reward, ", "").replace("lose_shift", "history_reward")
    (tmp_path / "space.yaml").write_text(space)
    table = pd.read_csv(folder / "a.csv")
    found = []
    for name, values in (("ones", (0, 1)), ("points", (0, 10)), ("signs", (-1, 1))):
        (tmp_path / name).mkdir()
        table.assign(reward=table["reward"].map(dict(enumerate(values)))).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
        fit(planted, tmp_path, tmp_path / name / "fit", name, candidates=1)
        found.append(
            tables(tmp_path / name / "fit") | {"fresh.csv": b""}
        )  # it tells what was taken for 0 and 1
    assert found[0] == found[1] == found[2]
    assert b"history_reward lag_1" in found[0]["ranking.csv"]


def test_targets_that_are_not_comparable_are_refused_in_one_line(planted, folder, tmp_path):
    space = SPACE.replace("history_reward, ", "")
    space = space.replace("win_stay, lose_shift", "history_reward lag_1, history_choice lag_2")
    (tmp_path / "space.yaml").write_text(space)
    table = pd.read_csv(folder / "a.csv")
    table["reward"] += table["reward"] * (table["trial"] % 3)
    table.to_csv(tmp_path / "graded.csv", index=False)
    with pytest.raises(ValueError, match="none of the fitted statistics can be compared") as refused:
        fit(planted, tmp_path, tmp_path / "fit", "graded", candidates=1)
    assert str(refused.value).endswith(
        "(history_reward lag_1, history_choice lag_2: rewards are in other units: 0, 0.333, 0.667, 1 "
        "recorded; 0, 1 simulated (the largest is 1))."
    )
