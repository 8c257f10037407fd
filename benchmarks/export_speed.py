"""Time and memory for writing an NWB file of 1,000 units and ten million spikes.

python benchmarks/export_speed.py [--units 1000] [--spikes 10000000]

Prints seconds of wall and CPU for drawing the spikes and for writing the file, its size, and the peak memory of the process.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from pfc_da.export import read_session, write_nwb
from pfc_da.recording import describe, set_provenance
from pfc_da.settings import resolve

RATE_HZ, BIN_S = 5.0, 0.05
PHASES = {"fixation": 15, "choice": 7, "outcome": 6, "interval": 30}
"""Phases of a trial, and the bins of each."""
PER_TRIAL = len(PHASES)


def make_recording(n_units: int, n_spikes: int) -> xr.Dataset:
    """One session of units with gamma-distributed rates, `RATE_HZ` on average.

    Parameters
    ----------
    n_units, n_spikes : int

    Returns
    -------
    xarray.Dataset
    """
    rng = np.random.default_rng(0)
    n_trials = round(n_spikes / n_units / RATE_HZ / BIN_S / sum(PHASES.values()))
    counts = np.tile(list(PHASES.values()), n_trials)
    n_steps, n_bins = len(counts), counts.sum()
    step, by_bin = ("animal", "condition", "episode", "step"), ("animal", "recorded_episode", "bin")
    is_choice = np.tile(np.array(list(PHASES)) == "choice", n_trials)
    by_step = {
        "choice": np.where(is_choice, rng.integers(2, size=n_steps), -1).astype(np.int8),
        **{name: rng.random(n_steps, dtype=np.float32) for name in ("reward", "value", "rpe")},
        "onset": (BIN_S * (counts.cumsum() - counts)).astype(np.float32),
        "duration": (BIN_S * counts).astype(np.float32),
    }
    rates = rng.standard_gamma(2.0, (1, 1, n_bins, n_units), np.float32)
    rates *= np.float32(RATE_HZ / 2)
    dataset = xr.Dataset(
        {
            **{name: (step, values[None, None, None]) for name, values in by_step.items()},
            "policy": ((*step, "action"), np.full((1, 1, 1, n_steps, 2), 0.5, np.float32)),
            **{
                name: (by_bin, np.zeros((1, 1, n_bins), np.float32))
                for name in ("value_trace", "dopamine_trace")
            },
            "policy_trace": ((*by_bin, "action"), np.full((1, 1, n_bins, 2), 0.5, np.float32)),
            "activity": ((*by_bin, "unit"), rates),
        },
        coords={
            "animal": [0],
            "condition": ["frozen"],
            "recorded_episode": [0],
            "trial": ("step", np.arange(n_steps) // PER_TRIAL),
            "phase": ("step", list(PHASES) * n_trials),
            "time": ("bin", BIN_S * np.arange(n_bins)),
            "tau": ("unit", np.full(n_units, 0.1)),
            "is_excitatory": ("unit", np.arange(n_units) < 0.8 * n_units),
        },
    )
    config = resolve([{"paradigm": "bandit"}]).model_dump(mode="json")
    return set_provenance(describe(dataset, {}, "Hz"), config=config, choice_phase="choice")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--spikes", type=int, default=10_000_000)
    asked = parser.parse_args()
    import pynwb  # noqa: F401  # not part of what is measured

    recording = make_recording(asked.units, asked.spikes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    clock = [(time.perf_counter(), time.process_time())]
    session = read_session(recording)
    clock.append((time.perf_counter(), time.process_time()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "session.nwb"
        write_nwb(session, file)
        clock.append((time.perf_counter(), time.process_time()))
        size = file.stat().st_size
    assert session.spikes is not None
    print(f"{len(session.units)} units, {len(session.spikes.times)} spikes, {len(session.trials)} trials")
    for name, start, end in zip(("draw", "write"), clock, clock[1:], strict=False):
        print(f"{name}: {end[0] - start[0]:.2f} s wall, {end[1] - start[1]:.2f} s CPU")
    print(f"file: {size / 1e6:.0f} MB")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory: {after:.2f} GB, of which the recording and the imports {before:.2f} GB")


if __name__ == "__main__":
    main()
