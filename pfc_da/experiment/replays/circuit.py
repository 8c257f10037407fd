"""The circuit replay of a run: every animal with its dopamine from a spiking midbrain circuit, stimulated for real."""

from typing import Any, ClassVar

import xarray as xr

from pfc_da.analysis.lever_stimulation.circuit import summarise_circuit, tabulate_rates, tabulate_shifts
from pfc_da.circuits.codegen import prepare_brian2
from pfc_da.circuits.replay_circuit import CircuitReplay, count_sessions, replay_circuit_animal
from pfc_da.cost import Cost, estimate_beside
from pfc_da.errors import InputError
from pfc_da.experiment.experiment import join_animals
from pfc_da.experiment.replays.beside import Beside, Found, Report
from pfc_da.rollout import NEEDS_RPE, Condition
from pfc_da.trained import Trained

STEP_S, SESSION_STEP_S = 0.05, 0.014
"""CPU-s of a step of a circuit, and more of a session in it (docs/midbrain-circuit.md); arithmetic costs next to none."""


class BesideThroughCircuit(Beside):
    """`how` is a `CircuitReplay`."""

    how: CircuitReplay
    kind: ClassVar = "circuit"
    way: ClassVar = "through the circuit"
    of: ClassVar = "circuits"

    @property
    def conditions(self) -> list[Condition]:
        """The manipulations of dopamine at full size, weights frozen, played beside the control."""
        named = [each for each in self.experiment.conditions if each.name in self.experiment.spiking]
        return [each for each in named if each.manipulations]

    @property
    def scale(self) -> float:
        """The error that the cells take for 1: as they were trained with, else the largest reward there is."""
        dopamine = self.settings.dopamine
        return dopamine.scale if dopamine.channel == "cells" else self.experiment.largest_reward

    def check(self) -> None:
        """Refuse where there is nothing to stimulate at, or stimulation would reach nobody."""
        if not self.conditions:
            raise InputError(
                f"paradigm {self.experiment.name!r} stimulates no dopamine; --circuit is for runs of lever_stimulation."
            )
        if (feedback := self.settings.network.feedback) not in NEEDS_RPE:
            raise InputError(
                f"the run has network.feedback={feedback}, so that with frozen weights no stimulation reaches the actor; "
                f"--circuit is for runs with network.feedback={' or '.join(NEEDS_RPE)}."
            )
        prepare_brian2()

    def count_sessions(self) -> int:
        """Sessions that an animal plays in all."""
        return count_sessions(self.conditions, self.how)

    def estimate(self, workers: int | None) -> Cost:
        """What the replay will cost."""
        settings, sessions = self.how.limit(self.settings), self.how.sessions
        conditions = self.count_sessions() // sessions  # half of them through the circuit
        own_s = conditions / 2 * self.task.n_steps * (STEP_S + SESSION_STEP_S * sessions)
        return estimate_beside(settings, self.task, conditions, own_s, 0.0, workers)

    def tell(self) -> dict[str, Any]:
        """Attributes of the recording that say how it was made."""
        return {**super().tell(), "dopamine_scale": self.scale}

    def play_animal(self, trained: Trained, animal: int, report: Report) -> xr.Dataset:
        """The recording of one animal."""
        return replay_circuit_animal(
            self.settings, self.task, trained, animal, self.conditions, self.how, self.scale, report
        )

    def find(self, parts: list[xr.Dataset]) -> Found:
        """The recording of all animals, what stimulation did to their choices and to their dopamine cells."""
        recording = join_animals(parts, self.task)
        statistics = summarise_circuit(recording)
        shifts, rates = tabulate_shifts(statistics), tabulate_rates(statistics)
        text = (
            f"Shift of P(risky)\n{shifts.to_string(index=False)}\n"
            f"Dopamine cells, Hz\n{rates.to_string(index=False)}"
        )
        return Found(recording, statistics, text)
