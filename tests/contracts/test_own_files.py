"""Paradigms that are not of the package: the example of the guide as it is printed, and entry points of another package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pfc_da import cli, paradigms
from pfc_da.errors import InputError
from pfc_da.storage.yaml_file import format_yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = ("network.n_units=8", "train.updates=3", "train.sessions=4", "task.n_trials=12")
TINY += tuple(f"replay.{name}=8" for name in ("held_out_sessions", "sessions", "unit_sessions"))
SETS = [word for text in TINY for word in ("--set", text)]


def pfc_da(*words, cwd, path=""):
    """The command in a folder of its own, as a user gives it: its exit code, and what it says."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pfc_da", *words], cwd=cwd, capture_output=True, text=True, env=environment
    )
    return done.returncode, done.stdout + done.stderr


def extract(page):
    """Files that a page of the documentation tells to save: name and text."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"as `(\w+\.py)` \(\[.*?\]\(.*?\)\):\n\n```python\n(.*?)```", text, flags=re.DOTALL)


PRINTED = dict(each for page in ("add-a-paradigm.md", "add-a-plasticity-rule.md") for each in extract(page))


@pytest.mark.parametrize("name", ["drifting_bandit.py", "read_out_only.py", "two_time_constants.py"])
def test_the_guides_print_the_examples(name):
    assert PRINTED[name] == (ROOT / "examples" / name).read_text()


@pytest.fixture(scope="module")
def guide_folder(tmp_path_factory):
    """A folder with the files that the guides tell to save."""
    folder = tmp_path_factory.mktemp("guides")
    for name, text in PRINTED.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def run(guide_folder):
    """A run of it, in two worker processes."""
    code, said = pfc_da(
        "run", "./drifting_bandit.py", "--animals", "2", "--workers", "2", *SETS, cwd=guide_folder
    )
    assert code == 0, said
    return guide_folder / "runs" / "drifting_bandit"


def test_the_example_of_the_guide_runs_to_the_report(run):
    statistics = (run / "statistics.csv").read_text()
    assert "reward_per_trial,drifting_bandit" in statistics and "win_stay" in statistics
    assert "history_reward" not in statistics  # of two options only
    page = (run / "report.html").read_text()
    assert "p(C)" in page  # three probabilities in the figure of single sessions


@pytest.mark.parametrize(
    "words",
    ["replay {} --force --workers 1", "compare {} --force", "export {} --format csv", "report {} --force"],
)
def test_later_commands_find_the_file_from_anywhere(run, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.exit_code(words.format(run).split()) == 0


def test_the_same_command_again_has_nothing_to_do(run, guide_folder, monkeypatch, capsys):
    monkeypatch.chdir(guide_folder)
    assert cli.exit_code(["run", "drifting_bandit.py", "--animals", "2", *SETS]) == 0
    assert "finished already" in capsys.readouterr().out


def test_a_run_is_not_continued_with_another_version_of_its_file(run, guide_folder):
    file = guide_folder / "drifting_bandit.py"
    text = file.read_text()
    file.write_text(text.replace("0.1 + 0.8 *", "0.2 + 0.6 *"))
    try:
        code, said = pfc_da("run", "drifting_bandit.py", "--animals", "2", *SETS, cwd=guide_folder)
    finally:
        file.write_text(text)
    assert (code, said.count("\n")) == (2, 1)
    assert re.search(
        r"another configuration: files\..*/drifting_bandit\.py is \"\w{64}\" there and \"\w{64}\" was", said
    )


def test_the_settings_of_a_moved_file_name_where_it_is_now(guide_folder, tmp_path):
    moved = tmp_path / "drifting_bandit.py"
    moved.write_text((guide_folder / "drifting_bandit.py").read_text())
    before = paradigms.load(str(guide_folder / "drifting_bandit.py")).settings()
    (tmp_path / "config.yaml").write_text(format_yaml(before.model_dump(mode="json")))
    now = paradigms.load(str(moved)).settings(config_file=tmp_path / "config.yaml")
    assert (now.paradigm_file, [*now.files]) == (str(moved), [str(moved)])


def test_a_fit_of_a_file_is_kept_under_the_name_of_its_paradigm(guide_folder, monkeypatch, tmp_path, capsys):
    def ask(experiment, recorded, *, out, **settings):
        raise InputError(f"asked for {out}")

    monkeypatch.setattr("pfc_da.experiment.fit.search.Fit.ask", ask)
    words = ["fit", str(guide_folder / "drifting_bandit.py"), "--recorded", str(tmp_path)]
    assert cli.exit_code(words) == 2
    assert capsys.readouterr().err == "error: asked for runs/fit-drifting_bandit\n"


def test_a_run_whose_file_is_gone_names_it(run, guide_folder):
    moved = (guide_folder / "drifting_bandit.py").rename(guide_folder / "aside")
    try:
        code, said = pfc_da("compare", str(run), "--force", cwd=guide_folder)
    finally:
        moved.rename(guide_folder / "drifting_bandit.py")
    assert (code, said.count("\n")) == (2, 1)
    assert re.search(r"there is no file .*/drifting_bandit\.py", said)


def test_a_rule_and_a_network_of_the_guide_run_to_the_report(guide_folder, tmp_path, monkeypatch, capsys):
    words = ["--rule", "./read_out_only.py", "--network", "./two_time_constants.py", "--animals", "2"]
    code, said = pfc_da("run", "bandit", *words, *SETS, "--out", str(tmp_path / "run"), cwd=guide_folder)
    assert code == 0, said
    assert (
        "reward_per_trial,bandit,two_time_constants,read_out_only,"
        in (tmp_path / "run/statistics.csv").read_text()
    )
    monkeypatch.chdir(tmp_path)
    assert cli.exit_code(["replay", "run", "--force", "--workers", "1"]) == 0
    assert cli.exit_code(["settings", "--rule", str(guide_folder / "read_out_only.py")]) == 0
    assert "rule.depression" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["rule", "network"])
@pytest.mark.parametrize(
    "name, text, words",
    [
        ("none_there.py", None, r"there is no file .*none_there\.py"),
        ("holds_none.py", "A = 1\n", r"holds_none\.py holds no {group}: it needs {GROUP} = a class"),
        ("no_settings.py", "class RULE: pass\nclass NETWORK: pass\n", r"no_settings\.py holds no {group}"),
    ],
)
def test_a_file_that_holds_no_rule_or_network(group, name, text, words, tmp_path, capsys):
    if text is not None:
        (tmp_path / f"{group}_{name}").write_text(text)
    path = tmp_path / f"{group}_{name}"
    assert cli.exit_code(["run", "bandit", f"--{group}", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(words.format(group=group, GROUP=group.upper()), said)


def test_the_environment_of_gymnasium_takes_the_file(guide_folder):
    from gymnasium.utils.env_checker import check_env

    from pfc_da.gymnasium_env import make_env

    env = make_env(str(guide_folder / "drifting_bandit.py"), n_trials=5)
    check_env(env, skip_render_check=True)
    assert env.action_space.n == 3


HEAD = "from pfc_da import Experiment\n"


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("no_such.py", None, r"there is no file .*/no_such\.py\."),
        ("no_experiment.py", "A = 1\n", r"no_experiment\.py holds no paradigm: it needs EXPERIMENT = Experiment"),
        ("another_type.py", "EXPERIMENT = 3\n", r"another_type\.py holds no paradigm"),
        ("bad_syntax.py", "x = 1\ndef f(:\n", r"bad_syntax\.py, line 2: SyntaxError: "),
        ("bad_import.py", "\nimport nosuchmodule\n", r"bad_import\.py, line 2: ModuleNotFoundError: No module named"),
        ("bad_code.py", HEAD + "EXPERIMENT = Experiment(1, 2)\n", r"bad_code\.py, line 2: TypeError: "),
        ("a-name.py", "import json\nEXPERIMENT = json\n", r"a-name\.py holds no paradigm"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_paradigm(name, text, words, tmp_path, capsys):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        paradigms.load(str(tmp_path / name))
    assert cli.exit_code(["run", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_paradigm_of_another_installed_package_is_listed_and_runs(guide_folder, tmp_path):
    package = tmp_path / "site" / "my_lab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "drifting.py").write_text((guide_folder / "drifting_bandit.py").read_text())
    information = tmp_path / "site" / "my_lab-1.dist-info"
    information.mkdir()
    (package / "read_out_only.py").write_text(PRINTED["read_out_only.py"])
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[pfc_da.paradigms]\ndrifting_bandit = my_lab.drifting\ndrifting = my_lab.drifting\n"
        "[pfc_da.rules]\nread-out-only = my_lab.read_out_only\n"
    )
    site = str(tmp_path / "site")
    code, said = pfc_da("list", cwd=tmp_path, path=site)
    assert code == 0
    assert re.search(r"^drifting_bandit +Drifting bandit: three arms", said, flags=re.MULTILINE)
    code, said = pfc_da(
        "train",
        "drifting_bandit",
        "--rule",
        "read-out-only",
        "--animals",
        "1",
        "--workers",
        "1",
        *SETS,
        cwd=tmp_path,
        path=site,
    )
    assert code == 0, said
    code, said = pfc_da("train", "drifting", cwd=tmp_path, path=site)
    assert (code, "paradigm 'drifting' is named 'drifting_bandit' in" in said) == (2, True)
