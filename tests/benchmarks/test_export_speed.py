"""The benchmark of exports writes what it says it writes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_small_session_is_written_and_measured():
    command = [sys.executable, "benchmarks/export_speed.py", "--units", "20", "--spikes", "4000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, draw, write, size, peak = done.stdout.splitlines()
    units, spikes, trials = map(int, re.match(r"(\d+) units, (\d+) spikes, (\d+) trials", first).groups())
    assert (units, trials) == (20, 14)
    assert abs(spikes - 4000) < 5 * 4000**0.5 + 200  # Poisson, and rates that differ
    assert [line.split(":")[0] for line in (draw, write, size, peak)] == [
        "draw",
        "write",
        "file",
        "peak memory",
    ]
    assert float(re.search(r"([\d.]+) s CPU", write)[1]) > 0
