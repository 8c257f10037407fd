"""Spiking replay of a trained animal, and of its rate network on the same problems and draws.

Every condition of the paradigm is simulated twice, by spiking neurons (`frozen`, ...) and by the rate network without noise
(`rate_frozen`, ...). Session i has the same problem, and the same draws for reward and for choice given the policy, in all
conditions. Sessions run in chunks of `pfc_da.replay.CHUNK`; whole chunks are the sessions of `recording.nc`.

Two conditions exist for neurons only. `recurrence_cut` removes the synapses between neurons and replaces them by a constant,
the mean current that they carried in `frozen` (`pfc_da.replay.cut_recurrence`). The cells then fire at about the same rates,
but only the slow decay of the own gating of each unit, which the read-outs receive, can store the past. `stimulated` is the
animal with a current into some of its cells (`pfc_da.circuits.stimulation`).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.agent import Agent, build_agent
from pfc_da.circuits.spiking_pfc import DT_S, Spikes, SpikingPFC
from pfc_da.circuits.stimulation import Stimulation
from pfc_da.clock import TICK_S
from pfc_da.errors import InputError, show
from pfc_da.jobs.processor import prepare_processor
from pfc_da.network import Weights
from pfc_da.recording import describe
from pfc_da.recording_schema import RATE_PREFIX, RECURRENCE_CUT, STIMULATED
from pfc_da.replay import (
    CHUNK,
    Arrays,
    ReplayOptions,
    arrange_sessions,
    assemble,
    chunk_sessions,
    cut_recurrence,
    get_bins,
    get_steps,
    get_totals,
    join_chunks,
)
from pfc_da.rng import derive_seed, numpy_stream
from pfc_da.rollout import FROZEN, Condition, Rollout, close_loop, rollout
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import Trained

MOST_SESSIONS, MOST_NEURONS = 100_000, 1000
"""Largest number of sessions of a condition, and of neurons of a unit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpikingOptions(ReplayOptions):
    """Options of the replay: sessions of each condition, neurons per unit, and an injected current."""

    sessions: int = CHUNK
    neurons_per_unit: int = 1
    stimulation: Stimulation | None = None

    constants: ClassVar = {"dt_s": DT_S, "tick_s": TICK_S}

    def __post_init__(self) -> None:
        if not 2 <= self.sessions <= MOST_SESSIONS:
            raise InputError(
                f"sessions as neurons must be 2 to {MOST_SESSIONS} a condition, got {show(self.sessions)}."
            )
        if not 1 <= self.neurons_per_unit <= MOST_NEURONS:
            raise InputError(
                f"neurons must be 1 to {MOST_NEURONS} a unit, got {show(self.neurons_per_unit)}."
            )


class _Chunk(NamedTuple):
    batch: Rollout
    rate: Tensor  # (bin, kept session, unit) Hz
    spikes: Spikes | None


class _Recorded(NamedTuple):
    """Results of all chunks of a condition."""

    arrays: Arrays
    unit_rate: NDArray  # (unit,) Hz
    mean_gating: Tensor  # (unit,)
    spikes: Spikes | None


@dataclasses.dataclass(frozen=True)
class _Animal:
    settings: RunSettings
    task: Task
    agent: Agent
    effective: Weights
    number: int

    def arrange(self, condition: Condition) -> Iterator[tuple[int, dict[str, Any]]]:
        for first, sessions in chunk_sessions(self.settings, CHUNK, self.settings.replay.sessions):
            arguments = (self.agent, self.settings, self.task, condition, self.number, first, sessions)
            kept = 0 if first else self.settings.replay.unit_sessions
            yield first, arrange_sessions(*arguments) | {"kept": kept}


def replay_spiking_animal(
    settings: RunSettings,
    task: Task,
    trained: Trained,
    number: int,
    conditions: Sequence[Condition],
    options: SpikingOptions,
    report: Callable[[int, str], None],
) -> xr.Dataset:
    """Replay one animal with spiking neurons and with its rate network, frozen and under `conditions`.

    Parameters
    ----------
    settings, task, trained, number, report
        As `settings`, `task`, `trained`, `animal` and `report` of `pfc_da.replay.replay_animal`.
    conditions : sequence of Condition
        After `FROZEN`, which is always included.
    options : SpikingOptions

    Returns
    -------
    xarray.Dataset
        Recording of one animal (`pfc_da.recording`), without the dimension `animal`; units, spikes and membrane
        potentials are those of the neurons in `frozen`.

    Raises
    ------
    InputError
        For a network without a spiking version.
    """
    prepare_processor()
    animal = _prepare(options.limit(settings), task, trained, number)
    network, recorded = animal.agent.network, animal.settings.replay.unit_sessions
    k = options.neurons_per_unit
    neurons = SpikingPFC(network, min(options.sessions, CHUNK), neurons_per_unit=k, recorded=recorded)
    done: dict[str, _Recorded] = {}

    def keep(name: str, chunks: Iterator[_Chunk]) -> None:
        done[name] = _collect(animal, chunks)
        report(len(done) * options.sessions, name)

    for condition in (FROZEN, *conditions):
        own = _replay_neurons(neurons, animal, condition, animal.effective, record=condition == FROZEN)
        keep(condition.name, own)
        keep(RATE_PREFIX + condition.name, _replay_rate(animal, condition))
    cut = cut_recurrence(animal.effective, done[FROZEN.name].mean_gating)
    keep(RECURRENCE_CUT, _replay_neurons(neurons, animal, FROZEN, cut))
    chosen = np.zeros(neurons.n_neurons, dtype=bool)
    if options.stimulation is not None:
        chosen = options.stimulation.choose(network, k, numpy_stream(settings.seed, "stimulation", number))
        current = options.stimulation.inject(task, chosen)
        keep(STIMULATED, _replay_neurons(neurons, animal, FROZEN, animal.effective, current))
    return _assemble(animal, done, chosen.reshape(-1, k).mean(1))


def count_sessions(conditions: Sequence[Condition], options: SpikingOptions) -> int:
    """Sessions of one animal over all conditions.

    Parameters
    ----------
    conditions : sequence of Condition
    options : SpikingOptions

    Returns
    -------
    int
    """
    return options.sessions * (2 * len(conditions) + 3 + (options.stimulation is not None))


def _prepare(settings: RunSettings, task: Task, trained: Trained, number: int) -> _Animal:
    # without the noise that represents spikes in training: neurons have their own, the rate network has none
    silent = settings.network.model_copy(update={"neurons_per_unit": 0})
    agent = build_agent(settings.model_copy(update={"network": silent}), task)
    return _Animal(settings, task, agent, agent.network.effective(trained.after[None]), number)


def _replay_neurons(
    neurons: SpikingPFC,
    animal: _Animal,
    condition: Condition,
    effective: Weights,
    injected: NDArray | None = None,
    record: bool = False,
) -> Iterator[_Chunk]:
    task = animal.task
    for first, arranged in animal.arrange(condition):
        batch, spikes = neurons.run(
            close_loop(animal.agent.network, effective, task, **arranged),
            effective,
            seed=derive_seed(animal.settings.seed, "replay", "spiking", first, animal.number),
            injected=injected,
            record=record and first == 0,
        )
        yield _Chunk(batch, batch.drive, spikes)


def _replay_rate(animal: _Animal, condition: Condition) -> Iterator[_Chunk]:
    network = animal.agent.network
    for _, arranged in animal.arrange(condition):
        with torch.inference_mode():
            batch = rollout(network, animal.effective, animal.task, **arranged)
            rate = network.activity(batch.drive)
        yield _Chunk(batch, rate, None)


def _collect(animal: _Animal, chunks: Iterator[_Chunk]) -> _Recorded:
    """Join the chunks; bins, rates and gating are those of the sessions kept in the first."""
    joined: list[Arrays] = []
    for chunk in chunks:
        batch, rate, spikes = chunk
        arrays = get_totals(batch) | get_steps(animal.task, batch, batch.action.shape[1])
        if not joined:
            arrays |= get_bins(animal.agent.network, batch) | {"activity": rate.transpose(0, 1).numpy()}
            first = rate.mean((0, 1)).numpy(), batch.gating[1:].mean((0, 1)), spikes
        joined.append(arrays)
    return _Recorded(join_chunks(joined), *first)


def _assemble(animal: _Animal, done: dict[str, _Recorded], stimulated: NDArray) -> xr.Dataset:
    network, frozen = animal.agent.network, done[FROZEN.name]
    by_condition = [each.arrays for each in done.values()]
    dataset = assemble(network, animal.task, by_condition, list(done), animal.settings.replay.bin)
    spikes = frozen.spikes
    assert spikes is not None  # frozen neurons are recorded
    variables = {
        "unit_rate": (("condition", "unit"), np.stack([each.unit_rate for each in done.values()])),
        "stimulated": (("unit",), stimulated.astype(np.float32)),
        "spike_episode": ("spike", spikes.copy.astype(np.int16)),
        "spike_unit": ("spike", spikes.unit.astype(np.int16)),
        "spike_neuron": ("spike", spikes.neuron.astype(np.int16)),
        "spike_time": ("spike", spikes.time),
        "membrane": (("traced", "sample"), spikes.membrane.astype(np.float32)),
    }
    coords = {
        "traced_unit": ("traced", spikes.traced_unit),
        "sample_time": ("sample", np.arange(spikes.membrane.shape[1]) * DT_S),
    }
    dataset = dataset.assign(variables).assign_coords(coords)
    return describe(dataset, animal.task.descriptions, network.activity_units)
