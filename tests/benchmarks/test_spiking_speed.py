"""The benchmark of spiking sessions simulates the sessions that it reports."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_few_sessions_are_simulated_and_measured():
    command = [sys.executable, "benchmarks/spiking_speed.py", "--sessions", "2", "--trials", "8"]
    environment = {**os.environ, "PFC_DA_SPIKING_TARGET": "numpy"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    short, long = done.stdout.splitlines()
    for line, trial_ms in ((short, 200), (long, 300)):
        assert line.startswith(f"2 sessions x 8 trials of {trial_ms} ms, 128 neurons each: ")
        assert float(re.search(r"([\d.]+) s wall", line)[1]) > 0
