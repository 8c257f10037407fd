"""The benchmark of spiking sessions simulates the sessions that it reports."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_few_sessions_are_simulated_and_measured():
    command = [sys.executable, "benchmarks/spiking_speed.py", "--sessions", "2", "--trials", "6"]
    environment = {**os.environ, "PFC_DA_SPIKING_TARGET": "numpy"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line, name in zip(done.stdout.splitlines(), ("bandit", "lever_stimulation"), strict=True):
        found = re.fullmatch(
            rf"{name}: 2 sessions of ([1-9]\d) s, 128 neurons each: ([\d.]+) s wall, ([\d.]+) s CPU, (\d+) times real time",
            line,
        )
        assert found and float(found[2]) > 0, line
