"""Replay of a trained animal with dopamine from the spiking midbrain circuit, and with the computed error for comparison.

Every condition is simulated twice on the same problems and draws: with the circuit (`frozen`, `risky_win_blocked`, ...), one
copy per session, in which injected dopamine is a current into LHb or dopamine cells; and with injected dopamine added to the
error (`arithmetic_frozen`, ...), as in `recording.nc`. Weights are frozen, so dopamine acts only as an input of the
network. Network and circuit advance together in time, a second of the circuit for a second of the task.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.circuits.channel import MV_PER_UNIT, CircuitChannel, rollout_through_circuit
from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError, show
from pfc_da.jobs.processor import prepare_processor
from pfc_da.recording import describe
from pfc_da.recording_schema import ARITHMETIC_PREFIX
from pfc_da.replay import (
    CHUNK,
    Arrays,
    ReplayOptions,
    arrange_sessions,
    assemble,
    get_bins,
    get_steps,
    get_totals,
)
from pfc_da.rng import derive_seed
from pfc_da.rollout import FROZEN, Condition, Rollout, rollout
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import Trained

SESSIONS = 16
"""Few, because a session-second of the circuit takes 20 ms of CPU (docs/midbrain-circuit.md)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CircuitOptions(ReplayOptions):
    """Options of the replay: sessions of each condition, simulated at the same time."""

    sessions: int = SESSIONS

    constants: ClassVar = {"mv_per_unit": MV_PER_UNIT}

    def __post_init__(self) -> None:
        if not 2 <= self.sessions <= CHUNK:
            raise InputError(f"sessions through the circuit must be 2 to {CHUNK}, got {show(self.sessions)}.")


def replay_circuit_animal(
    settings: RunSettings,
    task: Task,
    trained: Trained,
    number: int,
    conditions: Sequence[Condition],
    options: CircuitOptions,
    scale: float,
    report: Callable[[int, str], None],
) -> xr.Dataset:
    """Replay one animal with dopamine from a circuit and with the computed error, frozen and under `conditions`.

    Parameters
    ----------
    settings, task, trained, number, report
        As `settings`, `task`, `trained`, `animal` and `report` of `pfc_da.replay.replay_animal`.
    conditions : sequence of Condition
        After `FROZEN`, which is always included.
    options : CircuitOptions
    scale : float
        Error in rewards that counts as 1 for the dopamine cells.

    Returns
    -------
    xarray.Dataset
        Recording of one animal (`pfc_da.recording`), without the dimension `animal`; units are those of `frozen`.
    """
    prepare_processor()
    settings, agent = options.limit(settings), build_agent(settings, task)
    kept, bin_s = settings.replay.unit_sessions, settings.replay.bin
    network, effective = agent.network, agent.network.effective(trained.after[None])
    circuit = MidbrainCircuit(options.sessions, seed=derive_seed(settings.seed, "replay", "circuit", number))
    cells = DopamineCells.calibrated(scale)
    by_circuit = CircuitChannel(circuit, cells, agent.dopamine.discount, bin_s)
    channels = {"": by_circuit, ARITHMETIC_PREFIX: agent.dopamine.channel}
    arrays: dict[str, Arrays] = {}
    dopamine: list[Arrays] = []
    for condition, (prefix, channel) in itertools.product((FROZEN, *conditions), channels.items()):
        arranged = arrange_sessions(agent, settings, task, condition, number, 0, options.sessions)
        arranged["dopamine"] = dataclasses.replace(arranged["dopamine"], channel=channel)
        run = rollout if prefix else rollout_through_circuit
        with torch.inference_mode():
            batch = run(network, effective, task, **arranged, kept=0 if arrays else kept)
            name = prefix + condition.name
            arrays[name] = get_totals(batch) | get_steps(task, batch, options.sessions)
            dopamine.append(get_dopamine(batch))
            if len(arrays) == 1:
                arrays[name] |= get_bins(network, batch)
        report(len(arrays) * options.sessions, name)
    recording = assemble(network, task, list(arrays.values()), list(arrays), bin_s)
    for name, last in (("dopamine_delivered", "step"), ("dopamine_rate", "bin")):
        recording[name] = ("condition", "episode", last), np.stack([own[name] for own in dopamine])
    return describe(recording, task.descriptions, network.activity_units)


def count_sessions(conditions: Sequence[Condition], options: CircuitOptions) -> int:
    """Sessions of one animal over all conditions.

    Parameters
    ----------
    conditions : sequence of Condition
    options : CircuitOptions

    Returns
    -------
    int
    """
    return 2 * options.sessions * (1 + len(conditions))


def get_dopamine(batch: Rollout) -> Arrays:
    """Dopamine of the choices as delivered to the network, and the rate of the cells in time.

    Parameters
    ----------
    batch : Rollout

    Returns
    -------
    dict of str to ndarray
        ``dopamine_delivered`` (session, step) in rewards, NaN at steps without a choice, and ``dopamine_rate``
        (session, bin) in Hz, NaN without a circuit.
    """
    channel = batch.system.channel
    delivered = batch.dopamine.masked_fill(~batch.is_choice[:, None], torch.nan)
    rate = np.full(batch.schedule.ticks.shape, np.nan)
    if isinstance(channel, CircuitChannel):
        rate = channel.rates
    return {"dopamine_delivered": delivered.T.numpy(), "dopamine_rate": rate.T.astype(np.float32)}
