"""Dopamine of a rollout from spiking circuits, one a session, in place of the calibrated surrogate.

At every step that a network is told its error, the circuit meets one event: what the error is above 0 as received, what it
is below as expected (equal parts of the two cancel). What an experimenter injects is not added to the error: it becomes a
current into LHb where it is negative, into dopamine cells where it is positive, while the event lasts.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError

MV_PER_UNIT = {"lhb": 32.0, "vta": 10.0}
"""Current that moves dopamine as an error of 1 does (in units of the cells' scale), read off the dose-response curves of
docs/midbrain-circuit.md; near enough linear, for doses between."""


class CircuitChannel:
    """A `DopamineChannel` made of a circuit with as many copies as there are sessions.

    Parameters
    ----------
    circuit
        Its state runs on from step to step, and from one rollout to the next.
    cells
        The table by which rates are read, and the scale of the rewards.
    """

    def __init__(self, circuit: MidbrainCircuit, cells: DopamineCells) -> None:
        self.circuit, self.cells = circuit, cells
        self._rates: list[NDArray] = []

    @property
    def rates(self) -> NDArray:
        """Rates of the dopamine cells in Hz at every event since the sessions began, (event, session)."""
        return np.concatenate(self._rates)

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Begin sessions, with no noise to draw: the circuit has its own."""
        if sessions != self.circuit.copies:
            raise InputError(
                f"a circuit of {self.circuit.copies} copies serves as many sessions, got {sessions}."
            )
        self._rates = []
        return torch.zeros(n_steps, sessions)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """Present one event a step, (session,) or (step, session), and decode the rates of the dopamine cells."""
        error, current = (tensor.detach().double().numpy() / self.cells.scale for tensor in (rpe, injected))
        error, current = error.reshape(-1, self.circuit.copies), current.reshape(-1, self.circuit.copies)
        stimulation = {"lhb": (-current).clip(min=0), "vta": current.clip(min=0)}
        response = self.circuit.respond(
            error.clip(min=0),
            (-error).clip(min=0),
            {port: MV_PER_UNIT[port] * amount for port, amount in stimulation.items()},
        )
        self._rates.append(response.rate("da"))
        return self.cells.decode(torch.tensor(self._rates[-1], dtype=rpe.dtype)).reshape(rpe.shape)
