"""The examples run as a reader would run them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_example(name, *arguments):
    command = [sys.executable, ROOT / "examples" / name, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bandit(tmp_path_factory):
    """Run folder of the first example, and what it printed."""
    folder = tmp_path_factory.mktemp("examples") / "bandit"
    return folder, run_example("run_bandit.py", "--quick", "--out", folder)


def test_run_bandit_prints_the_comparison_and_every_condition(bandit):
    _, printed = bandit
    assert "regret independent" in printed
    assert all(name in printed for name in ("frozen", "hidden_reset", "untrained"))


def test_own_statistic_reads_that_run(bandit):
    first, last = run_example("own_statistic.py", bandit[0]).splitlines()
    assert first.startswith("first five trials: ") and last.startswith("last five trials: ")
    assert "n = 2 animals" in last


def test_recorded_choices_shows_every_mouse():
    lines = run_example("recorded_choices.py").splitlines()
    assert len(lines) == 8
    assert all("matching slope 0." in line for line in lines)  # mice undermatch on this schedule
