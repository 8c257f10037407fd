"""The spiking replay of a run: every animal as neurons, one recording, and how many of the networks converted."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.reference import load_references
from pfc_da.analysis.spiking import (
    MAY_LOSE,
    compute_shares,
    summarise_conversion,
    summarise_neurons,
    tabulate_conversion,
)
from pfc_da.circuits.replay_spiking import SpikingReplay, count_sessions, replay_spiking_animal
from pfc_da.circuits.spiking_pfc import require_spiking
from pfc_da.paradigms._beside import Beside, Found, Report
from pfc_da.paradigms._experiment import join_animals
from pfc_da.recording import describe
from pfc_da.rng import numpy_stream
from pfc_da.rollout import Condition
from pfc_da.task import Task
from pfc_da.train import Trained, build_agent


class BesideAsNeurons(Beside):
    """`how` is a `SpikingReplay`."""

    how: SpikingReplay
    kind: ClassVar = "spiking"
    way: ClassVar = "as neurons"
    of: ClassVar = "neurons"

    @property
    def conditions(self) -> list[Condition]:
        """What is played beside the frozen animal."""
        return [each for each in self.experiment.conditions if each.name in self.experiment.spiking]

    def check(self) -> None:
        """Refuse a network that has no neurons, and a current at no time."""
        require_spiking(build_agent(self.settings, self.task).network)
        if self.how.stimulation is not None:
            self.how.stimulation.require_phase(self.task)

    def count_sessions(self) -> int:
        """Sessions that an animal plays in all."""
        return count_sessions(self.conditions, self.how)

    def tell(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {**super().tell(), "neurons_per_unit": self.how.neurons_per_unit}

    def play_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal."""
        return replay_spiking_animal(
            self.settings, self.task, trained, animal, self.conditions, self.how, report
        )

    def find(self, parts: list[xr.Dataset]) -> Found:
        """The recording of all animals, what their neurons do, and which of them converted."""
        recording, rng = _join(parts, self.task), numpy_stream(self.settings.seed, "analysis", "spiking")
        shares = compute_shares(recording, **find_observers(self.experiment.name, self.task))
        statistics = [*summarise_conversion(shares, rng=rng), *summarise_neurons(recording, rng=rng)]
        return Found(recording, statistics, format_conversion(tabulate_conversion(shares, rng=rng)))


def format_conversion(table: pd.DataFrame) -> str:
    """The table as text, and which networks did not convert, if any."""
    shown = table.assign(converts=table["converts"].map({True: "yes", False: "NO"}))
    lines = [shown.to_string(index=False, float_format="{:.3f}".format)]
    if failed := [f"{animal:03d}" for animal in table["animal"][~table["converts"]]]:
        lines.append(
            f"Animals that lose more than {MAY_LOSE} of the optimum as neurons: {', '.join(failed)}."
        )
    return "\n".join(lines)


def find_observers(paradigm: str, task: Task) -> dict[str, float]:
    """Reward a trial of the worst and the best observer known for the task; 0 and 1 where none is known.

    The worst chooses blindly, so it is `chance`; the best is the `optimum`.
    """
    variants = {"", *map(str, dataclasses.asdict(task).values())}
    rewards = [
        row.estimate
        for row in load_references(paradigm)
        if (row.key, row.kind) == ("reward_per_trial", "derived") and row.condition in variants
    ]
    return (
        {"chance": min(rewards), "optimum": max(rewards)}
        if len(rewards) > 1
        else {"chance": 0.0, "optimum": 1.0}
    )


def _join(parts: list[xr.Dataset], task: Task) -> xr.Dataset:
    """One recording of all animals, the spikes of one after those of the other."""
    recording = join_animals([part.drop_dims("spike") for part in parts], task)
    ragged = [name for name, variable in parts[0].data_vars.items() if "spike" in variable.dims]
    spikes = xr.concat([part[ragged] for part in parts], "spike", coords="minimal", compat="override")
    animal = np.repeat(np.arange(len(parts), dtype=np.int16), [part.sizes["spike"] for part in parts])
    joined = recording.merge(spikes.drop_vars(spikes.coords)).assign(spike_animal=("spike", animal))
    units = str(recording["activity"].attrs["units"])
    return describe(joined, task.descriptions, units).assign_attrs(parts[0].attrs)
