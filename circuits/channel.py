"""Dopamine of a rollout from spiking circuits, one per session, in place of the calibrated table.

At every step at which a network receives its error, the circuit receives one event: the positive part of the error as
received reward, the negative part as expected reward (equal parts of the two cancel). Injected dopamine is not added to the
error. It becomes a current during the event: into LHb cells if negative, into dopamine cells if positive.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError

MV_PER_UNIT = {"lhb": 32.0, "vta": 10.0}
"""Current in mV that changes dopamine as an error of 1 does (in units of the scale of the cells), from the dose-response
curves of docs/midbrain-circuit.md; linear interpolation for smaller doses is a good approximation."""


class CircuitChannel:
    """`DopamineChannel` made of a circuit with one copy per session.

    Parameters
    ----------
    circuit : MidbrainCircuit
        Its state continues from step to step, and from one rollout to the next.
    cells : DopamineCells
        Table for decoding rates, and the scale of the rewards.
    """

    def __init__(self, circuit: MidbrainCircuit, cells: DopamineCells) -> None:
        self.circuit, self.cells = circuit, cells
        self._rates: list[NDArray] = []

    @property
    def rates(self) -> NDArray:
        """Rate of the dopamine cells in Hz at every event since the sessions began, (event, session)."""
        return np.concatenate(self._rates)

    def draw_noise(self, rng: torch.Generator, n_steps: int, sessions: int) -> Tensor:
        """Start new sessions. The circuit has its own noise, so none is drawn.

        Parameters
        ----------
        rng : torch.Generator
            Not used.
        n_steps, sessions : int

        Returns
        -------
        Tensor (step, session)
            Zeros.

        Raises
        ------
        InputError
            If the number of sessions is not the number of copies of the circuit.
        """
        if sessions != self.circuit.copies:
            raise InputError(
                f"a circuit of {self.circuit.copies} copies serves as many sessions, got {sessions}."
            )
        self._rates = []
        return torch.zeros(n_steps, sessions)

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """Present one event per step and decode the rates of the dopamine cells.

        Parameters
        ----------
        rpe, injected : Tensor (session,) or (step, session)
            Error, and injected dopamine, in rewards.
        noise : Tensor
            Not used.

        Returns
        -------
        Tensor
            Dopamine in rewards, of the shape of `rpe`.
        """
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
