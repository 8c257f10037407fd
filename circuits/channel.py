"""Dopamine of a rollout from spiking circuits in time, one per session, in place of the calibrated table.

A second of the task is a second of the circuit. In every bin the circuit receives the reward of the last `EVENT_S`, and the
value that the critic reads out now and read out `EVENT_S` ago; the cells compute the error (`pfc_da.circuits.midbrain`).
Injected dopamine is not added to it. It becomes a current for `EVENT_S` from the outcome: into LHb cells if negative, into
dopamine cells if positive.

The actor receives dopamine in the phases in which it is due, bin by bin: the error decoded from the mean rate of the
dopamine cells since `WINDOW_S` after the choice began, up to the bin before. After the window this is the rate of which the
table was made, so `pfc_da.dopamine.DopamineCells` stands for the circuit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pfc_da.circuits.midbrain import EVENT_S, WINDOW_S, Drive, MidbrainCircuit, split_error
from pfc_da.clock import TICK_S
from pfc_da.dopamine import DopamineCells, DopamineSystem
from pfc_da.errors import InputError
from pfc_da.network import PFCNetwork, Trace, Weights
from pfc_da.rollout import ClosedLoop, Rollout, close_loop
from pfc_da.task import Task

MV_PER_UNIT = {"lhb": 32.0, "vta": 10.0}
"""Current in mV that changes dopamine as an error of 1 does (in units of the scale of the cells), from the dose-response
curves of docs/midbrain-circuit.md; linear interpolation for smaller doses is a good approximation."""


def divides_window(bin_s: float) -> bool:
    """True if the begin of `WINDOW_S`, of which all times of an event are multiples, is a whole number of bins.

    Examples
    --------
    >>> divides_window(0.05), divides_window(0.02), divides_window(0.1)
    (True, False, False)
    """
    n_bins = WINDOW_S[0] / bin_s
    return round(n_bins) >= 1 and abs(n_bins - round(n_bins)) < 1e-6


class CircuitChannel:
    """`pfc_da.dopamine.ChannelInTime` made of a circuit with one copy per session.

    Parameters
    ----------
    circuit : MidbrainCircuit
        Its state continues from bin to bin, and from one rollout to the next.
    cells : DopamineCells
        Table for decoding rates, and the scale of the rewards.
    discount : float
        gamma per second, of the change of value.
    bin_s : float
        Duration of a bin in s; `divides_window`.

    Raises
    ------
    InputError
        For a bin that does not.
    """

    _rates: list[NDArray]
    _values: list[NDArray]
    _pulses: list[tuple[int, NDArray]]  # last bin + 1, and reward and injection (2, session)
    _outcomes: dict[int, int]  # step with a choice -> bin in which its outcome begins

    def __init__(self, circuit: MidbrainCircuit, cells: DopamineCells, discount: float, bin_s: float) -> None:
        if not divides_window(bin_s):
            raise InputError(
                f"bins of a midbrain circuit must be at most {WINDOW_S[0]} s, got {bin_s}: they must divide it."
            )
        self.circuit, self.cells, self.bin_s = circuit, cells, bin_s
        self._lag = round(EVENT_S / bin_s)
        self._window = tuple(round(seconds / bin_s) for seconds in WINDOW_S)
        self._kept_value = discount**EVENT_S
        self._begin()

    @property
    def rates(self) -> NDArray:
        """Rate of the dopamine cells in Hz since the sessions began, (bin, session)."""
        return np.array(self._rates)

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
        self._begin()
        return torch.zeros(n_steps, sessions)

    def receive(self, reward: Tensor, injected: Tensor) -> None:
        """As `ChannelInTime.receive`: both act from the next bin on, for `EVENT_S`."""
        pair = torch.stack([reward, injected]).double().numpy() / self.cells.scale
        if pair.any():
            self._pulses.append((len(self._rates) + self._lag, pair))

    def open_window(self, step: int) -> None:
        """Begin to count spikes for the error of a step with a choice, which ended with the last bin."""
        self._outcomes[step] = len(self._rates)

    def compute_current(self, value: ArrayLike) -> NDArray:
        """Current of the next bin.

        Parameters
        ----------
        value : array_like (session,)
            Read out by the critic in this bin, in rewards.

        Returns
        -------
        ndarray (session, population)
            In mV.
        """
        now = np.asarray(value, float) / self.cells.scale
        self._values = [*self._values[-self._lag :], now]
        self._pulses = [(end, pair) for end, pair in self._pulses if end > len(self._rates)]
        reward, injected = sum((pair for _, pair in self._pulses), np.zeros((2, len(now))))
        before, change = self._values[0], self._kept_value * now
        if len(self._values) <= self._lag:  # the session is younger than the lag
            change = before
        received, expected = split_error(reward, before, change)
        stimulation = {"lhb": (-injected).clip(min=0), "vta": injected.clip(min=0)}
        currents = {port: MV_PER_UNIT[port] * amount for port, amount in stimulation.items()}
        return self.circuit.event_current(received, expected, **currents)

    def count(self, spikes: NDArray) -> None:
        """Add the spikes (session, cell) of the bin."""
        cells = spikes[:, self.circuit.parameters.cells("da")]
        self._rates.append(cells.mean(1) / self.bin_s)

    def decode_windows(self, outcomes: Sequence[int]) -> Tensor:
        """Errors decoded from the mean rates in `WINDOW_S` after outcomes, as far as the bins are there.

        Parameters
        ----------
        outcomes : sequence of int
            Bins in which outcomes begin.

        Returns
        -------
        Tensor (outcome, session)
            In rewards; 0 before the first bin of a window.
        """
        errors = torch.zeros(len(outcomes), self.circuit.copies)
        for place, outcome in enumerate(outcomes):
            part = np.array(self._rates[outcome + self._window[0] : outcome + self._window[1]])
            if len(part):
                errors[place] = self.cells.decode(torch.tensor(part.mean(0), dtype=torch.float32))
        return errors

    def decode_last(self) -> Tensor:
        """Error of the last choice as decoded up to now, (session,), in rewards."""
        return self.decode_windows([*self._outcomes.values()][-1:] or [len(self._rates)])[0]

    def deliver(self, rpe: Tensor, injected: Tensor, noise: Tensor) -> Tensor:
        """As `DopamineChannel.deliver`: at steps with a choice, the error decoded from the cells.

        Parameters
        ----------
        rpe, injected : Tensor (session,) or (step, session)
            Of the last choice, or of all steps of the session, after its end; what is computed is delivered at steps
            without a choice only, which have no outcome.
        noise : Tensor
            Not used.

        Returns
        -------
        Tensor
            Of the shape of `rpe`.
        """
        if rpe.ndim == 1:
            return self.decode_last()
        delivered = rpe + injected
        delivered[list(self._outcomes)] = self.decode_windows(list(self._outcomes.values()))
        return delivered

    def _begin(self) -> None:
        self._rates, self._values, self._pulses, self._outcomes = [], [], [], {}


def rollout_through_circuit(
    network: PFCNetwork, effective: Weights, task: Task, dopamine: DopamineSystem, **session: Any
) -> Rollout:
    """Run sessions in which network and circuit advance together, bin by bin.

    Parameters
    ----------
    network, effective, task
        As for `pfc_da.rollout.rollout`.
    dopamine : DopamineSystem
        Its channel is a `CircuitChannel`.
    **session
        The keyword arguments of `close_loop`; all bins of `schedule` have the duration of the channel's.

    Returns
    -------
    Rollout
        Its `x` has, of the dopamine of a phase, only the value at the begin.
    """
    channel, schedule = dopamine.channel, session["schedule"]
    if not isinstance(channel, CircuitChannel):
        raise TypeError("dopamine must come from a CircuitChannel")
    if (schedule.ticks != round(channel.bin_s / TICK_S)).any():
        raise ValueError(f"all bins must last {channel.bin_s} s, as those of the channel")
    loop = close_loop(network, effective, task, dopamine, **session)
    drive = _advance_together(channel, network, effective, task, loop)
    rolled: Rollout = channel.circuit.follow(drive, channel.bin_s, len(schedule.ticks))
    return rolled


def _advance_together(
    channel: CircuitChannel, network: PFCNetwork, effective: Weights, task: Task, loop: ClosedLoop
) -> Drive:
    """Network first, then the circuit with the value that was read out, in every bin."""
    state, x, ticks, noise = next(loop)
    for step in range(task.n_steps):
        after_choice = step > 0 and task.phase(step - 1).choice
        if after_choice:
            channel.open_window(step - 1)
        due, traces = task.phase(step).feedback and not after_choice, []
        for place in range(len(ticks)):
            if due:
                x = torch.cat([x[:, :-1], channel.decode_last()[:, None]], 1)
            own = None if noise is None else noise[place : place + 1]
            state, trace = network.advance(effective, state, x, ticks[place : place + 1], own)
            _, value = network.read_out(effective, state[0])
            channel.count((yield channel.compute_current(value.numpy())))
            traces.append(trace)
        try:
            state, x, ticks, noise = loop.send((state, Trace(*map(torch.cat, zip(*traces, strict=True)))))
        except StopIteration as ended:
            return ended.value
    raise RuntimeError("the loop must end with the session")
