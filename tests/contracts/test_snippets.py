"""Every snippet of the README and of docs, run in the order of its page from an empty folder, with the package installed.

The test makes runs short in one place (`small`); a folder begins with the runs and files that the page takes for granted.
"""

import configparser
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest
import yaml

from pfc_da import cli
from pfc_da.analysis.comparison.extracts import compute_recorded_statistics
from pfc_da.analysis.readers.column_map import read_column_map
from pfc_da.experiment import experiment
from pfc_da.experiment.fit.space import read_space

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
SAVED = re.compile(r"as `(\w+\.py)` \(\[.*?\]\(.*?\)\):\n\n```python\n(.*?)```", flags=re.DOTALL)
PAGES = {
    str(page.relative_to(ROOT)): page.read_text()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if FENCED.search(page.read_text())
}
LINK_DATA = re.search(r"^ln -s .*$", PAGES["README.md"], flags=re.MULTILINE)
INSTALLS = ("python3.11 -m venv ", "source ", "pip install ", "make ")
"""Beginnings of lines that are not run: they install the package, or take minutes in a clone."""
NOT_RUN = {
    "pfc-da replay runs/levers --circuit": "minutes; tests/circuits/test_replay_circuit.py runs the command",
}

SMALL = {
    "network": {"n_units": 8},
    "train": {"updates": 3, "sessions": 2},
    "replay": {"held_out_sessions": 12, "sessions": 12, "unit_sessions": 12},
}
"""Settings of all runs; one that asks for more than three animals, or leaves it open, gets one."""
CUT = {
    "--sessions 256": "--sessions 4",
    "train.updates=100": "train.updates=3",
    "replay.sessions=200": "replay.sessions=12",
    "--animals 3 --workers": "--animals 1 --workers",
    "--candidates 40": "--candidates 1",
}
"""Large numbers in commands, and what is run in their place."""
RUNS = {"runs/juice": "monkey_juice", "runs/bandit": "bandit"}
EXPORTED = "columns: {choice: chosen_object, event: cue_time, p_0: p0_0, p_1: p0_1}"
"""The map of docs/recorded-data.md for exports of the package."""


@pytest.fixture(scope="module", autouse=True)
def small():
    """Short training of few small animals in this process; `--set` still has the last word."""
    from pfc_da.circuits.stdp import TwoChoiceCircuit

    resolve, learn = experiment.resolve, TwoChoiceCircuit.learn

    def resolve_small(layers, *, options=(), **given):
        options = dict(options)
        options["animals"] = number if (number := options.get("animals", 4)) <= 3 else 1
        for group, sizes in SMALL.items():
            options[group] = {**options.get(group, {}), **sizes}
        return resolve(layers, options=options, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "resolve", resolve_small)
        patch.setattr(experiment, "compute_recorded_statistics", functools.cache(compute_recorded_statistics))
        patch.setattr(TwoChoiceCircuit, "learn", lambda circuit, n_trials: learn(circuit, min(n_trials, 1)))
        patch.setenv("PFC_DA_SPIKING_TARGET", "numpy")  # compiles nothing
        patch.setattr(os, "cpu_count", lambda: 1)  # no worker processes
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory):
    """What a reader is supposed to have: finished runs, and recordings of animals."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for run, paradigm in RUNS.items():
            command(f"pfc-da run {paradigm} --animals 1 --out {run}")
        shutil.copytree("runs/juice", "runs/demo")
        command("pfc-da export runs/juice --format nwb --sessions 2 --out sessions")
        command("pfc-da export runs/bandit --format csv --sessions 2 --out csv")
    for file in (folder / "sessions").glob("*/*.nwb"):
        file.rename(folder / "sessions" / file.name)
    next((folder / "csv").glob("*frozen.csv")).rename(folder / "choices.csv")
    (folder / "columns.yaml").write_text(EXPORTED)
    shutil.copy(ROOT / "examples" / "drifting_bandit.py", folder / "my_task.py")
    return folder


def command(line):
    """A command of the package in this process, otherwise of the shell."""
    for large, few in CUT.items():
        line = line.replace(large, few)
    words = [word for each in shlex.split(line, comments=True) for word in (glob(each) or [each])]
    if words[0] != "pfc-da":
        return subprocess.run(["bash", "-c", line], check=True)
    if words[1] == "fit" and "--candidates" not in words:
        words += ["--candidates", "1"]
    assert cli.exit_code(words[1:]) == 0, line


def shell(text):
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and line not in NOT_RUN and not line.startswith(INSTALLS):
            command(line)


def check_yaml(text):
    """A map of columns, or the space of a fit."""
    Path("snippet.yaml").write_text(text)
    if "settings" in yaml.safe_load(text):
        return read_space(Path("snippet.yaml"))
    return read_column_map(Path("snippet.yaml"))


@pytest.mark.parametrize("name", PAGES)
def test_snippets(name, readers_folder, tmp_path, monkeypatch, capsys):
    text = PAGES[name]
    monkeypatch.chdir(tmp_path)
    saved = dict(SAVED.findall(text))
    for file, source in saved.items():
        Path(file).write_text(source)
    shutil.copytree(readers_folder, tmp_path, dirs_exist_ok=True)
    for run in RUNS:
        if f"--out {run}\n" in text or "experiment.run(" in text:  # the page makes it
            shutil.rmtree(run)
    if "data/recorded" in text:
        command(LINK_DATA[0])
    namespace = {}
    kinds = {"": shell, "bash": shell, "yaml": check_yaml, "ini": configparser.ConfigParser().read_string}
    kinds["python"] = lambda source: exec(compile(source, name, "exec"), namespace)
    for kind, source in FENCED.findall(text):
        if source not in saved.values():
            kinds[kind](source)
    said = capsys.readouterr().err
    for line in re.findall(r"`(runs/\w+ has .*?)`", text):  # which the page quotes
        assert line in said
