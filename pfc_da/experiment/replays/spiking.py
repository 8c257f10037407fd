"""Spiking neurons in place of the units of the rate network, which is simulated in the same sessions."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.analysis.cells.conversion import (
    MAX_LOSS,
    Span,
    compute_shares,
    summarise_conversion,
    tabulate_conversion,
)
from pfc_da.analysis.cells.conversion_tables import tabulate_membranes, tabulate_raster, tabulate_shares
from pfc_da.analysis.cells.neurons import summarise_by_area, summarise_neurons
from pfc_da.analysis.cells.summary import load_firing_by_area
from pfc_da.analysis.comparison.published import QUICK, Comparison, compare
from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.figures.spiking import make_membranes_panel, make_share_panel, make_spikes_panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.interval import format_interval
from pfc_da.analysis.statistic import Statistic
from pfc_da.circuits.replay_spiking import SpikingOptions, count_sessions, replay_spiking_animal
from pfc_da.circuits.spiking_pfc import require_spiking
from pfc_da.circuits.stimulation import Stimulation
from pfc_da.experiment.analyse import analyse_choices
from pfc_da.experiment.replay import ReplayOnDemand, Report, join_animals
from pfc_da.jobs.cost import Cost, count_replay_bins, estimate_replay_on_demand
from pfc_da.recording import describe
from pfc_da.recording_schema import RATE_PREFIX
from pfc_da.replay import CHUNK
from pfc_da.rng import numpy_stream
from pfc_da.rollout import Condition
from pfc_da.task import Task
from pfc_da.trained import Trained

COMPILE_S = 20.0
"""CPU-s until Brian has made a network, without the sessions: 8 and 40 sessions of monkey_juice."""
NEURON_S = 10e-6
"""CPU-s of a neuron and simulated second, from 128 sessions on; a step costs as much for fewer than 30."""
NEURON_BYTES = 200.0
"""Memory of a neuron and session."""


class SpikingReplay(ReplayOnDemand):
    """Written to ``replays/spiking/recording.nc``."""

    options: SpikingOptions

    name: ClassVar = "spiking"
    used_in: ClassVar = ("comparison_recorded.csv",)

    @classmethod
    def parse(cls, sessions: int = CHUNK, neurons: int = 1, stimulate: str | None = None) -> SpikingOptions:
        """Options from those of the command line."""
        stimulation = None if stimulate is None else Stimulation.parse(stimulate)
        return SpikingOptions(sessions=sessions, neurons_per_unit=neurons, stimulation=stimulation)

    @property
    def conditions(self) -> list[Condition]:
        """Conditions in addition to the frozen animal."""
        return [each for each in self.experiment.conditions if each.name in self.experiment.spiking]

    def check(self) -> None:
        """Refuse a network that has no neurons, and a current at no time."""
        require_spiking(build_agent(self.settings, self.task).network)
        if self.options.stimulation is not None:
            self.options.stimulation.require_phase(self.task)

    def count_sessions(self) -> int:
        """As `Replay.count_sessions`."""
        return count_sessions(self.conditions, self.options)

    def estimate(self, workers: int | None) -> Cost:
        """As `ReplayOnDemand.estimate`."""
        settings, conditions = (
            self.options.limit(self.settings),
            self.count_sessions() // self.options.sessions,
        )
        neurons = settings.network.n_units * self.options.neurons_per_unit
        spiking = conditions - len(self.conditions) - 1  # the rate network costs next to nothing
        seconds = count_replay_bins(settings, self.task) * settings.replay.bin
        own_s = COMPILE_S + NEURON_S * neurons * spiking * self.options.sessions * seconds
        together = min(self.options.sessions, CHUNK)
        return estimate_replay_on_demand(
            settings, self.task, conditions, own_s, NEURON_BYTES * neurons * together, workers
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {**super().attributes, "neurons_per_unit": self.options.neurons_per_unit}

    def simulate_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal."""
        return replay_spiking_animal(
            self.settings, self.task, trained, animal, self.conditions, self.options, report
        )

    def join(self, parts: list[xr.Dataset]) -> xr.Dataset:
        """One recording of all animals, the spikes of one after those of the other."""
        return _join(parts, self.task)

    def analyse(self, recording: xr.Dataset) -> Findings:
        """Reward and choices of the spiking network compared with the rate network, and firing statistics."""
        rng = numpy_stream(self.settings.seed, "analysis", "spiking")
        shares = compute_shares(recording, find_observers(self.experiment.name, self.task))
        firing, by_area = summarise_neurons(recording), summarise_by_area(recording)
        statistics = [
            *summarise_conversion(shares),
            *self._analyse_choices(recording, rng),
            *firing,
            *by_area,
        ]
        conversion = tabulate_conversion(shares)
        against = QUICK if self.settings.quick else ""
        comparisons = compare(by_area, load_firing_by_area(self.experiment.name), against=against)
        return Findings(
            statistics,
            text=f"{format_conversion(conversion)}\n\n{format_areas(comparisons)}",
            comparisons=comparisons,
            figures=[
                make_share_panel(tabulate_shares(conversion)),
                make_spikes_panel(tabulate_raster(recording)),
                make_membranes_panel(tabulate_membranes(recording)),
            ],
        )

    def _analyse_choices(self, recording: xr.Dataset, rng: np.random.Generator) -> list[Statistic]:
        """Statistics of the choices of neurons, and of the rate network on the same sessions (``rate_``)."""
        by_rates = [name for name in recording["condition"].values if name.startswith(RATE_PREFIX)]
        neurons = recording.drop_sel(condition=by_rates)
        plain = [name.removeprefix(RATE_PREFIX) for name in by_rates]
        rates = recording.sel(condition=by_rates).assign_coords(condition=plain)
        by_neurons, by_rate = (analyse_choices(self.experiment, own, rng) for own in (neurons, rates))
        return [
            *by_neurons,
            *(dataclasses.replace(each, labels={"by": "rate", **each.labels}) for each in by_rate),
        ]


def format_conversion(table: pd.DataFrame) -> str:
    """The table as text, and which networks did not convert, if any."""
    shown = table.assign(converts=table["converts"].map({True: "yes", False: "NO"}))
    lines = [shown.to_string(index=False, float_format="{:.3f}".format, na_rep="—")]
    if failed := [f"{animal:03d}" for animal in table["animal"][~table["converts"]]]:
        lines.append(
            f"Animals that lose more than {MAX_LOSS} of the optimum as neurons: {', '.join(failed)}."
        )
    return "\n".join(lines)


def format_areas(comparisons: Sequence[Comparison]) -> str:
    """Firing, and that of recorded areas, one line a number that both have."""
    shown = [row for row in comparisons if math.isfinite(row.simulated)]
    return "\n".join(
        f"{row.key:12} {format_interval(row.simulated, row.sim_low, row.sim_high):20} "
        f"{row.condition:5} {format_interval(row.reference, row.ref_low, row.ref_high):20} {row.verdict}"
        for row in shown
    )


def find_observers(paradigm: str, task: Task) -> Span:
    """The worst and the best observer known for the task, by regret if that is known; reward itself if none is.

    The worst chooses blindly. Observers are those of sessions as long as the task has them by default.

    Parameters
    ----------
    paradigm : str
    task : Task
        Of the test sessions.
    """
    usual = dataclasses.asdict(task)["n_trials"] == type(task)().n_trials
    variants = {"", *map(str, dataclasses.asdict(task).values())} if usual else set()
    known = [row for row in load_references(paradigm) if row.kind == "derived" and row.condition in variants]
    regrets = [row.estimate for row in known if row.key == "regret"]
    rewards = [row.estimate for row in known if row.key == "reward_per_trial"]
    if len(regrets) > 1:
        return Span("regret", max(regrets), min(regrets))
    return Span("reward", min(rewards), max(rewards)) if len(rewards) > 1 else Span("reward", 0.0, 1.0)


def _join(parts: list[xr.Dataset], task: Task) -> xr.Dataset:
    """One recording of all animals, the spikes of one after those of the other."""
    recording = join_animals([part.drop_dims("spike") for part in parts], task)
    ragged = [name for name, variable in parts[0].data_vars.items() if "spike" in variable.dims]
    spikes = xr.concat([part[ragged] for part in parts], "spike", coords="minimal", compat="override")
    animal = np.repeat(np.arange(len(parts), dtype=np.int16), [part.sizes["spike"] for part in parts])
    joined = recording.merge(spikes.drop_vars(spikes.coords)).assign(spike_animal=("spike", animal))
    units = str(recording["activity"].attrs["units"])
    return describe(joined, task.descriptions, units).assign_attrs(parts[0].attrs)


REPLAY = SpikingReplay
