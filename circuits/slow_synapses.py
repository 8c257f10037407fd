"""Synapses of the spiking prefrontal network: one slow gating variable per unit.

    tau ds/dt = -s + (spikes of the k neurons of the unit, as a rate) / (k 10 Hz)

Integrated in ticks of `pfc_da.clock.TICK_S`, exactly except for the time of a spike within a tick; the shortest tau is 10
ticks.
"""

import torch
from torch import Tensor

from pfc_da.clock import TICK_S
from pfc_da.network.rate import RATE_SCALE_HZ


class SlowSynapses:
    """Gating s of all units in all sessions.

    Parameters
    ----------
    tau : Tensor (unit,)
        Time constants in s.
    neurons_per_unit : int
        Neurons whose spikes are counted together.

    Attributes
    ----------
    gating : Tensor (session, unit)
        Set it before the first tick.
    """

    gating: Tensor

    def __init__(self, tau: Tensor, neurons_per_unit: int) -> None:
        self._tau, self._neurons_per_unit = tau, neurons_per_unit
        self.set_leak(torch.ones_like(tau))

    def set_leak(self, leak: Tensor) -> None:
        """Multiply the inverse time constants by memory gates `leak` (session, unit) from now on."""
        self._keep = torch.exp(-TICK_S * leak / self._tau)
        # a spike may lie anywhere in its tick: increased so, s is rate / 10 Hz on average
        self._jump = (1 - self._keep) / (self._neurons_per_unit * TICK_S * RATE_SCALE_HZ)

    def advance(self, counts: Tensor) -> None:
        """Advance by one tick in which the neurons of each unit fired `counts` (session, unit) spikes."""
        self.gating = torch.addcmul(self.gating * self._keep, counts, self._jump)
