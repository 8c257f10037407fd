"""Replay of a trained animal whose dopamine comes from the spiking midbrain circuit, beside arithmetic on the error.

Every condition is played twice on the same problems and draws: through the circuit (`frozen`, `risky_win_blocked`, ...),
one copy of it a session, where what an experimenter injects is a current into LHb or dopamine cells; and with what is
injected added to the error (`arithmetic_frozen`, ...), as in `recording.nc`. Weights are frozen, so dopamine acts by telling
the network its error. The circuit meets every error that the network is told, one event a step.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch
import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.circuits.channel import MV_PER_UNIT, CircuitChannel
from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells
from pfc_da.errors import InputError, show
from pfc_da.processor import prepare_processor
from pfc_da.recording import describe
from pfc_da.replay import CHUNK, Arrays, arrange_sessions, assemble, get_steps, get_totals, limit_sessions
from pfc_da.rng import derive_seed
from pfc_da.rollout import FROZEN, Condition, Rollout, rollout
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import Trained

ARITHMETIC = "arithmetic_{}"
"""Name of a condition without the circuit."""
SESSIONS = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class CircuitReplay:
    """How to replay: sessions of each condition, all side by side."""

    sessions: int = SESSIONS

    def __post_init__(self) -> None:
        if not 2 <= self.sessions <= CHUNK:
            raise InputError(f"sessions through the circuit must be 2 to {CHUNK}, got {show(self.sessions)}.")

    @classmethod
    def ask(cls, sessions: int = SESSIONS) -> Self:
        """As the command line asks for it."""
        return cls(sessions=sessions)

    def limit(self, settings: RunSettings) -> RunSettings:
        """Settings of a run with as many sessions of replay as asked for, all kept step by step."""
        return limit_sessions(settings, self.sessions)

    def tell(self) -> str:
        """All of it as JSON, for a recording to carry."""
        return json.dumps(dataclasses.asdict(self) | {"mv_per_unit": MV_PER_UNIT})


def replay_circuit_animal(
    settings: RunSettings,
    task: Task,
    trained: Trained,
    number: int,
    conditions: Sequence[Condition],
    how: CircuitReplay,
    scale: float,
    report: Callable[[int, str], None],
) -> xr.Dataset:
    """Replay animal `number` with its dopamine from a circuit and by arithmetic, frozen and under `conditions`.

    Parameters
    ----------
    scale
        The error, in rewards, that dopamine cells take for 1.

    Returns
    -------
    xarray.Dataset
        The recording of one animal (`pfc_da.recording`), without the dimension `animal`; units are those of `frozen`.
    """
    prepare_processor()
    settings, agent = how.limit(settings), build_agent(settings, task)
    network, by_arithmetic = agent.network, agent.dopamine.channel
    effective = network.effective(trained.after[None])
    seed = derive_seed(settings.seed, "replay", "circuit", number)
    by_circuit = CircuitChannel(MidbrainCircuit(how.sessions, seed=seed), DopamineCells.calibrated(scale))
    batches: dict[str, Rollout] = {}
    heard: list[Arrays] = []
    for condition in (FROZEN, *conditions):
        channels = {condition.name: by_circuit, ARITHMETIC.format(condition.name): by_arithmetic}
        for name, channel in channels.items():
            arranged = arrange_sessions(agent, settings, condition, number, 0, how.sessions)
            arranged["dopamine"] = dataclasses.replace(arranged["dopamine"], channel=channel)
            with torch.inference_mode():
                batches[name] = rollout(network, effective, task, **arranged)
                heard.append(_hear(batches[name]))
            report(len(batches) * how.sessions, name)
    kept = [get_totals(batch) | get_steps(task, batch, how.sessions) for batch in batches.values()]
    activity = network.activity(batches[FROZEN.name].drive).transpose(0, 1)[: settings.replay.unit_sessions]
    dataset = assemble(network, task, kept, activity.numpy(), list(batches))
    for name in heard[0]:
        dataset[name] = ("condition", "episode", "step"), np.stack([arrays[name] for arrays in heard])
    return describe(dataset, task.descriptions, network.activity_units)


def count_sessions(conditions: Sequence[Condition], how: CircuitReplay) -> int:
    """Sessions that an animal plays in all."""
    return 2 * how.sessions * (1 + len(conditions))


def _hear(batch: Rollout) -> Arrays:
    """What the network was told of each step, (session, step), and the rates it was read from; both NaN at the last."""
    last = torch.full_like(batch.rpe[:1], torch.nan)
    channel = batch.system.channel
    if isinstance(channel, CircuitChannel):
        rate = torch.tensor(channel.rates, dtype=batch.rpe.dtype)
        told = channel.cells.decode(rate)
    else:
        told = batch.dopamine[:-1]
        rate = torch.full_like(told, torch.nan)
    both = {"dopamine_told": told, "dopamine_rate": rate}
    return {name: torch.cat([tensor, last]).T.numpy() for name, tensor in both.items()}
