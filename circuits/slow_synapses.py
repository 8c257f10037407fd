"""Synapses of the spiking prefrontal network: one slow, delayed gating variable per unit.

    tau ds/dt = -s + (spikes of the k neurons of the unit, as a rate) / (k 10 Hz),    targets receive s(t - d)

Integrated in ticks of `TICK_S`, exactly except for the time of a spike within a tick; the shortest tau is 20 ticks. The
delay replaces the step of the rate network (`pfc_da.circuits.spiking_pfc`); it is longer than that of one axon and synapse.
"""

from collections import deque

import torch
from torch import Tensor

from pfc_da.network.rate import RATE_SCALE_HZ
from pfc_da.task import STEP_S

TICK_S = 0.005
DELAY_S = STEP_S / 2 - TICK_S
"""d, a tick less than half a step: a spike waits half a tick on average, and current is held for a whole one."""
DELAY_TICKS = round(DELAY_S / TICK_S)


class SlowSynapses:
    """Gating s of all units in all sessions, (session, unit), with its delayed values.

    Parameters
    ----------
    tau : Tensor (unit,)
        Time constants in s.
    neurons_per_unit : int
        Neurons whose spikes are counted together.
    """

    def __init__(self, tau: Tensor, neurons_per_unit: int) -> None:
        self._keep = torch.exp(-TICK_S / tau)
        # a spike may lie anywhere in its tick: brought up so, s is rate / 10 Hz on average
        self._jump = (1 - self._keep) / (neurons_per_unit * TICK_S * RATE_SCALE_HZ)

    def set_back(self, state: Tensor) -> None:
        """Set s, and all delayed values of s, to `state` (session, unit)."""
        self.state = state
        self._under_way = deque([state] * (DELAY_TICKS + 1), maxlen=DELAY_TICKS + 1)

    def advance(self, counts: Tensor) -> None:
        """Advance by one tick in which the neurons of each unit fired `counts` (session, unit) spikes."""
        self.state = torch.addcmul(self.state * self._keep, counts, self._jump)
        self._under_way.append(self.state)

    @property
    def arriving(self) -> Tensor:
        """s as the targets receive it, `DELAY_S` late."""
        return self._under_way[0]
