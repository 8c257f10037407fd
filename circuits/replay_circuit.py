"""Replay of a trained animal with dopamine from the spiking midbrain circuit, and with the computed error for comparison.

Every condition is simulated twice on the same problems and draws: with the circuit (`frozen`, `risky_win_blocked`, ...), one
copy per session, in which injected dopamine is a current into LHb or dopamine cells; and with injected dopamine added to the
error (`arithmetic_frozen`, ...), as in `recording.nc`. Weights are frozen, so dopamine acts only as an input of the
network. The circuit receives every error that the network receives, one event per step.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.circuits.channel import MV_PER_UNIT, CircuitChannel
from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError, show
from pfc_da.jobs.processor import prepare_processor
from pfc_da.network import PFCNetwork
from pfc_da.recording import describe
from pfc_da.recording_schema import ARITHMETIC_PREFIX
from pfc_da.replay import CHUNK, Arrays, ReplayOptions, arrange_sessions, assemble, get_steps, get_totals
from pfc_da.rng import derive_seed
from pfc_da.rollout import FROZEN, Condition, Rollout, rollout
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import Trained

SESSIONS = 32


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
    network, by_arithmetic = agent.network, agent.dopamine.channel
    effective = network.effective(trained.after[None])
    seed = derive_seed(settings.seed, "replay", "circuit", number)
    by_circuit = CircuitChannel(MidbrainCircuit(options.sessions, seed=seed), DopamineCells.calibrated(scale))
    batches: dict[str, Rollout] = {}
    delivered: list[Arrays] = []
    for condition in (FROZEN, *conditions):
        channels = {condition.name: by_circuit, ARITHMETIC_PREFIX + condition.name: by_arithmetic}
        for name, channel in channels.items():
            arranged = arrange_sessions(agent, settings, condition, number, 0, options.sessions)
            arranged["dopamine"] = dataclasses.replace(arranged["dopamine"], channel=channel)
            with torch.inference_mode():
                batches[name] = rollout(network, effective, task, **arranged)
                delivered.append(get_delivered_dopamine(batches[name]))
            report(len(batches) * options.sessions, name)
    return _assemble(network, settings, task, batches, delivered)


def _assemble(
    network: PFCNetwork,
    settings: RunSettings,
    task: Task,
    batches: dict[str, Rollout],
    delivered: list[Arrays],
) -> xr.Dataset:
    """Recording of one animal from the sessions of each condition and the dopamine delivered in them."""
    sessions = settings.replay.sessions
    kept = [get_totals(batch) | get_steps(task, batch, sessions) for batch in batches.values()]
    activity = network.activity(batches[FROZEN.name].drive).transpose(0, 1)[: settings.replay.unit_sessions]
    dataset = assemble(network, task, kept, activity.numpy(), list(batches))
    for name in delivered[0]:
        dataset[name] = ("condition", "episode", "step"), np.stack([arrays[name] for arrays in delivered])
    return describe(dataset, task.descriptions, network.activity_units)


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


def get_delivered_dopamine(batch: Rollout) -> Arrays:
    """Dopamine delivered to the network at each step, (session, step), and the rates behind it; NaN at the last step."""
    last = torch.full_like(batch.rpe[:1], torch.nan)
    channel = batch.system.channel
    if isinstance(channel, CircuitChannel):
        rate = torch.tensor(channel.rates, dtype=batch.rpe.dtype)
        delivered = channel.cells.decode(rate)
    else:
        delivered = batch.dopamine[:-1]
        rate = torch.full_like(delivered, torch.nan)
    both = {"dopamine_delivered": delivered, "dopamine_rate": rate}
    return {name: torch.cat([tensor, last]).T.numpy() for name, tensor in both.items()}
