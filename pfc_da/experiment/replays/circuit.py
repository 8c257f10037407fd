"""Dopamine from a spiking midbrain circuit that is stimulated, and by arithmetic in the same sessions."""

from typing import Any, ClassVar

import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.analysis.dopamine.panels import make_rate_panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.lever_stimulation.circuit import (
    summarise_circuit,
    tabulate_courses,
    tabulate_rates,
    tabulate_shifts,
)
from pfc_da.circuits.channel import divides_window
from pfc_da.circuits.codegen import prepare_brian2
from pfc_da.circuits.midbrain import WINDOW_S
from pfc_da.circuits.replay_circuit import SESSIONS, CircuitOptions, count_sessions, replay_circuit_animal
from pfc_da.errors import InputError
from pfc_da.experiment.replay import ReplayOnDemand, Report, join_animals
from pfc_da.jobs.cost import Cost, count_replay_bins, estimate_replay_on_demand
from pfc_da.rollout import NEEDS_RPE, Condition
from pfc_da.trained import Trained

SECOND_S, SESSION_SECOND_S = 0.04, 0.019
"""CPU-s of a simulated second, and more for each session in it (docs/midbrain-circuit.md); arithmetic costs next to none."""


class CircuitReplay(ReplayOnDemand):
    """Written to ``replays/circuit/recording.nc``."""

    options: CircuitOptions

    name: ClassVar = "circuit"

    @classmethod
    def parse(cls, sessions: int = SESSIONS) -> CircuitOptions:
        """Options from those of the command line."""
        return CircuitOptions(sessions=sessions)

    @property
    def conditions(self) -> list[Condition]:
        """The manipulations of dopamine at full size, weights frozen; the control is simulated too."""
        named = [each for each in self.experiment.conditions if each.name in self.experiment.spiking]
        return [each for each in named if each.manipulations]

    @property
    def scale(self) -> float:
        """The error that the cells take for 1: as they were trained with, else the largest reward there is."""
        dopamine = self.settings.dopamine
        return dopamine.scale if dopamine.channel == "cells" else self.experiment.largest_reward

    def check(self) -> None:
        """Refuse where there is nothing to stimulate at, or stimulation would not reach the network."""
        if not self.conditions:
            raise InputError(
                f"paradigm {self.experiment.name!r} stimulates no dopamine; --circuit is for runs of lever_stimulation."
            )
        if (feedback := self.settings.network.feedback) not in NEEDS_RPE:
            raise InputError(
                f"the run has network.feedback={feedback}, so that with frozen weights no stimulation reaches the actor; "
                f"--circuit is for runs with network.feedback={' or '.join(NEEDS_RPE)}."
            )
        if not build_agent(self.settings, self.task).network.has_time:
            kind = self.settings.network.kind
            raise InputError(
                f"network {kind!r} has no time constants; --circuit is for runs of network 'rate'."
            )
        if not divides_window(bin_s := self.settings.replay.bin):
            raise InputError(
                f"the run has replay.bin={bin_s:g}; --circuit is for runs with bins of at most {WINDOW_S[0]:g} s "
                "that divide it."
            )
        prepare_brian2()

    def count_sessions(self) -> int:
        """As `Replay.count_sessions`."""
        return count_sessions(self.conditions, self.options)

    def estimate(self, workers: int | None) -> Cost:
        """As `ReplayOnDemand.estimate`."""
        settings, sessions = self.options.limit(self.settings), self.options.sessions
        conditions = self.count_sessions() // sessions  # half of them through the circuit
        seconds = count_replay_bins(settings, self.task) * settings.replay.bin
        own_s = conditions / 2 * seconds * (SECOND_S + SESSION_SECOND_S * sessions)
        return estimate_replay_on_demand(settings, self.task, conditions, own_s, 0.0, workers)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {**super().attributes, "dopamine_scale": self.scale}

    def simulate_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal."""
        return replay_circuit_animal(
            self.settings, self.task, trained, animal, self.conditions, self.options, self.scale, report
        )

    def join(self, parts: list[xr.Dataset]) -> xr.Dataset:
        """One recording of all animals."""
        return join_animals(parts, self.task)

    def analyse(self, recording: xr.Dataset) -> Findings:
        """Effects of stimulation on choices and on dopamine cells, and the rate of these around outcomes."""
        statistics = summarise_circuit(recording)
        shifts, rates = tabulate_shifts(statistics), tabulate_rates(statistics)
        text = (
            f"Shift of P(risky)\n{shifts.to_string(index=False)}\n"
            f"Dopamine cells, Hz\n{rates.to_string(index=False)}"
        )
        return Findings(statistics, [make_rate_panel(tabulate_courses(recording))], text=text)


REPLAY = CircuitReplay
