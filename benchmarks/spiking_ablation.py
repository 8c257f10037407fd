"""Effect of the reversal potential of inhibition on the conversion of a trained network to spiking neurons.

python benchmarks/spiking_ablation.py RUN [--sessions 256] [--animals 4]

Prints the share of the optimum that the spiking neurons of a trained run lose relative to their rate network, by animal,
with the reversal potential and without.
"""

import argparse
import json
import math
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from pfc_da import paradigms
from pfc_da.analysis.cells.conversion import BY_NEURONS, BY_RATES, compute_shares
from pfc_da.circuits import spiking_pfc
from pfc_da.circuits.replay_spiking import SpikingOptions, replay_spiking_animal
from pfc_da.experiment.replays.spiking import find_observers
from pfc_da.recording import set_provenance
from pfc_da.settings import RunSettings
from pfc_da.trained import load_trained

VARIANTS = {"as shipped": spiking_pfc.INHIBITION, "without the reversal potential": -math.inf}
"""Lowest current."""


def measure(run: Path, sessions: int, animals: int) -> pd.DataFrame:
    """Share of the optimum that neurons lose.

    Parameters
    ----------
    run : Path
        Run folder with trained animals.
    sessions, animals : int
        Sessions per animal, and animals at most.

    Returns
    -------
    pandas.DataFrame (animal, variant)
    """
    settings = RunSettings.model_validate(json.loads((run / "manifest.json").read_text())["config"])
    task = paradigms.load_of(settings).build_task(settings, test=True)
    options, span = SpikingOptions(sessions=sessions), find_observers(settings.paradigm, task)
    lost: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for animal in range(min(animals, settings.animals)):
        trained = load_trained(settings, task, animal, run / "animals" / f"{animal:03d}")
        for name, floor in VARIANTS.items():
            with patch.object(spiking_pfc, "INHIBITION", floor):
                recording = replay_spiking_animal(
                    settings, task, trained, animal, (), options, lambda done, note: None
                )
            set_provenance(recording, config=settings.model_dump(mode="json"), choice_phase=task.choice_phase)
            shares = compute_shares(recording.expand_dims("animal"), span)
            lost[name].append(
                float((shares.sel(condition=BY_RATES) - shares.sel(condition=BY_NEURONS)).mean())
            )
    return pd.DataFrame(lost).rename_axis("animal")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--sessions", type=int, default=256)
    parser.add_argument("--animals", type=int, default=4)
    asked = parser.parse_args()
    lost = measure(asked.run, asked.sessions, asked.animals)
    print(pd.concat([lost, lost.agg(["mean"])]).to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
