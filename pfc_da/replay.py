"""Replay: recorded sessions of a trained animal with frozen weights, under one condition after another.

All animals and conditions have the same problems and the same random draws for reward and for choice given the policy.
Differences between two recordings are therefore due to the animal or the condition. Replay does not change the weights;
they are compared bit by bit at the end.

Durations of phases have a stream of their own, so choices and rewards of a seed do not depend on them. Sessions that run
together have the same durations.

Only under a `plastic` condition does a copy of the weights change, after every `PLASTIC_CHUNK` sessions, by the rule of
the training. Plastic conditions share their random draws with each other, but not with the frozen conditions.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from pfc_da.agent import Agent, build_agent
from pfc_da.clock import TICK_S, Schedule, cut_evenly, draw_durations
from pfc_da.jobs.processor import prepare_processor
from pfc_da.network import PFCNetwork, Weights
from pfc_da.recording import RecordingFile, describe, set_provenance
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN, Condition, Rollout, rollout
from pfc_da.settings import RunSettings
from pfc_da.storage.files import telling_full
from pfc_da.task import Task
from pfc_da.train import take_step
from pfc_da.trained import Trained

CHUNK = 200
"""Sessions that run together. Limits memory, and determines the random numbers of a session."""

PLASTIC_CHUNK = 8
"""Sessions between two changes of the weights under a plastic condition."""

Arrays = dict[str, np.ndarray]
PER_STEP = ("choice", "reward", "value", "rpe", "dopamine_injected", "policy", "onset", "duration")
PER_BIN = {"activity": ("unit",), "value_trace": (), "policy_trace": ("action",), "dopamine_trace": ()}


class Chunk(NamedTuple):
    """Sessions that ran together under one condition."""

    condition: int
    first: int
    arrays: Arrays
    """Arrays by session; step by step for the first `replay.sessions` only, bin by bin for the first
    `replay.unit_sessions` of the first condition."""


def replay_animal(
    settings: RunSettings,
    task: Task,
    trained: Trained,
    animal: int,
    conditions: Sequence[Condition],
    report: Callable[[int, str], None],
) -> xr.Dataset:
    """Replay one animal under every condition; activity, value and dopamine are recorded in time under the first.

    Parameters
    ----------
    settings : RunSettings
    task : Task
        Of the test sessions.
    trained : Trained
        Weights by the number of updates.
    animal : int
        Index of the animal; selects its stream of network noise.
    conditions : sequence of Condition
    report : callable
        Called with the number of finished sessions and the name of the condition.

    Returns
    -------
    xarray.Dataset
        Recording of one animal (`pfc_da.recording`), without the dimension `animal`. Mean reward and regret of the first
        condition cover all held-out sessions, along `held_out_episode`; the first `replay.sessions` of these are kept step
        by step. Other conditions end with the chunk that holds the last of those (nan beyond), because sessions share
        their random draws only if as many run together.

    Raises
    ------
    RuntimeError
        If the weights changed.
    """
    agent = build_agent(settings, task)
    chunks: list[list[Arrays]] = [[] for _ in conditions]
    for chunk in _replay_chunks(agent, settings, task, trained, animal, conditions, report):
        chunks[chunk.condition].append(chunk.arrays)
    names = [condition.name for condition in conditions]
    return assemble(agent.network, task, list(map(join_chunks, chunks)), names, settings.replay.bin)


def record_animal(
    path: Path,
    settings: RunSettings,
    task: Task,
    trained: Trained,
    animal: int,
    conditions: Sequence[Condition],
    report: Callable[[int, str], None],
) -> None:
    """Write the result of `replay_animal` and its provenance to a file, chunk by chunk, so that it may be larger than
    memory.

    Parameters
    ----------
    path : Path
        File to write.
    settings, task, trained, animal, conditions, report
        As for `replay_animal`.

    Raises
    ------
    DiskFull
        If no space is left.
    RuntimeError
        If the weights changed.
    """
    agent, names = build_agent(settings, task), [condition.name for condition in conditions]
    network, replay = agent.network, settings.replay
    sizes = {
        "episode": replay.sessions,
        "held_out_episode": get_n_sessions(settings),
    }
    n_bins = len(arrange_time(settings, task, FROZEN, 0, 1).ticks)
    labels = xr.Dataset(coords=_label(network, task, names, replay.bin, (replay.unit_sessions, n_bins)))
    describe(labels, task.descriptions, network.activity_units)
    set_provenance(labels, config=settings.model_dump(mode="json"), choice_phase=task.choice_phase)
    with telling_full(path), RecordingFile(path, labels, sizes) as file:
        for chunk in _replay_chunks(agent, settings, task, trained, animal, conditions, report):
            arrays = chunk.arrays
            if chunk.condition:  # the problems are those of the first
                arrays = {name: arrays[name] for name in arrays if name not in task.session_labels}
            piece = assemble(network, task, [arrays], names[chunk.condition :][:1], replay.bin)
            at = {"condition": chunk.condition, "episode": chunk.first, "held_out_episode": chunk.first}
            file.write(piece, **at)


def _replay_chunks(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    trained: Trained,
    animal: int,
    conditions: Sequence[Condition],
    report: Callable[[int, str], None],
) -> Iterator[Chunk]:
    """Every condition, chunk by chunk; the weights are compared with their copies at the end."""
    prepare_processor()
    done, replay = 0, settings.replay
    before = {
        updates: {name: tensor.clone() for name, tensor in kept.items()}
        for updates, kept in trained.after.items()
    }
    mean_gating = None
    for place, condition in enumerate(conditions):
        own_task, weights = dataclasses.replace(task, **dict(condition.task)), trained.after[condition.after]
        kept = 0 if place else replay.unit_sessions
        sessions = get_n_sessions(settings) if place == 0 else replay.sessions
        common = agent, settings, own_task, weights, condition, animal, sessions
        batches = _replay_plastic(*common) if condition.plastic else _replay(*common, kept, mean_gating)
        for first, batch in batches:
            arrays = get_totals(batch)
            if first < replay.sessions:
                arrays |= get_steps(task, batch, replay.sessions - first)
            if first == 0 and place == 0:
                arrays |= get_bins(agent.network, batch)
                mean_gating = batch.gating[1:].mean((0, 1))
            done += batch.action.shape[1]
            report(done, condition.name)
            yield Chunk(place, first, arrays)
    for updates, weights in trained.after.items():
        if any(not torch.equal(before[updates][name], tensor) for name, tensor in weights.items()):
            raise RuntimeError(f"weights of animal {animal} changed while frozen")


def _replay(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    weights: Weights,
    condition: Condition,
    animal: int,
    needed: int,
    kept: int,
    mean_gating: Tensor | None,
) -> Iterator[tuple[int, Rollout]]:
    """Chunks of at least `needed` sessions, with the number of the first session of each."""
    with torch.inference_mode():
        effective = agent.network.effective(weights)
        if not condition.recurrence:
            assert mean_gating is not None  # the first condition is frozen, and recorded
            effective = cut_recurrence(effective, mean_gating)
        for first, sessions in chunk_sessions(settings, CHUNK, needed):
            arranged = arrange_sessions(agent, settings, task, condition, animal, first, sessions)
            yield first, rollout(agent.network, effective, task, **arranged, kept=0 if first else kept)


def _replay_plastic(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    weights: Weights,
    condition: Condition,
    animal: int,
    needed: int,
) -> Iterator[tuple[int, Rollout]]:
    """As `_replay`; a copy of the weights learns from every chunk at the final learning rate of training."""
    memory: Weights = {}
    learning_rate = settings.rule.learning_rate_at(1.0)
    for first, sessions in chunk_sessions(settings, PLASTIC_CHUNK, needed):
        if agent.rule.needs_autograd:
            weights = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
        with torch.set_grad_enabled(agent.rule.needs_autograd):
            effective = agent.network.effective(weights)
            arranged = arrange_sessions(agent, settings, task, condition, animal, first, sessions)
            batch = rollout(agent.network, effective, task, **arranged)
            change = agent.rule.change(agent.network, weights, batch, 0.0)
        with torch.no_grad():
            weights, memory, _ = take_step(settings.rule, weights, change, memory, learning_rate)
        yield first, batch


def cut_recurrence(effective: Weights, mean_gating: Tensor) -> Weights:
    """Weights without synapses between units; their mean current is added to the bias.

    Parameters
    ----------
    effective : Weights
    mean_gating : Tensor (unit,)
        In the condition `frozen`.

    Returns
    -------
    Weights
    """
    w = effective["w"]
    return effective | {"w": torch.zeros_like(w), "b": effective["b"] + mean_gating @ w}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Options of a replay; every condition is simulated in so many sessions, all of them kept step by step."""

    sessions: int

    constants: ClassVar[Mapping[str, Any]] = {}
    """Constants of the simulator, kept with the options."""

    def limit(self, settings: RunSettings) -> RunSettings:
        """Settings of a run with as many sessions of replay."""
        return limit_sessions(settings, self.sessions)

    def format(self) -> str:
        """All of it as JSON, for a recording to carry."""
        return json.dumps({**dataclasses.asdict(self), **self.constants})


def limit_sessions(settings: RunSettings, sessions: int) -> RunSettings:
    """Settings of a run with a given number of replayed sessions, all of them kept step by step.

    Parameters
    ----------
    settings : RunSettings
    sessions : int
        At least 2.

    Returns
    -------
    RunSettings
    """
    recorded = min(settings.replay.unit_sessions, sessions, CHUNK)
    sizes = {"held_out_sessions": sessions, "sessions": sessions, "unit_sessions": recorded}
    return settings.model_copy(update={"replay": settings.replay.model_copy(update=sizes)})


def get_n_sessions(settings: RunSettings) -> int:
    """Number of sessions of the first condition."""
    return max(settings.replay.held_out_sessions, settings.replay.sessions)


def chunk_sessions(settings: RunSettings, size: int, needed: int) -> Iterator[tuple[int, int]]:
    """Divide the replayed sessions into chunks, the same ones for every condition.

    Parameters
    ----------
    settings : RunSettings
    size : int
        Largest number of sessions in a chunk.
    needed : int
        Sessions of the condition; its last chunk may hold more.

    Yields
    ------
    tuple of int
        First session, and number of sessions.
    """
    n_sessions = get_n_sessions(settings)
    for first in range(0, needed, size):
        yield first, min(size, n_sessions - first)


def arrange_sessions(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    condition: Condition,
    animal: int,
    first: int,
    sessions: int,
) -> dict[str, Any]:
    """Arguments of `pfc_da.rollout.close_loop` for given sessions of an animal, with their random streams.

    Parameters
    ----------
    agent : Agent
    settings : RunSettings
    task : Task
    condition : Condition
    animal : int
        Index of the animal.
    first, sessions : int
        First session of the chunk, and number of sessions.

    Returns
    -------
    dict
    """
    return {
        "dopamine": dataclasses.replace(agent.dopamine, manipulations=condition.manipulations),
        "schedule": arrange_time(settings, task, condition, first, sessions),
        "task_rng": torch_stream(settings.seed, "replay", "task", first),
        "choice_rng": torch_stream(settings.seed, "replay", "choice", first),
        "noise_rng": torch_stream(settings.seed, "replay", "noise", first, animal),
        "feedback": settings.network.feedback_channels,
        "condition": condition,
    }


def arrange_time(
    settings: RunSettings, task: Task, condition: Condition, first: int, sessions: int
) -> Schedule:
    """Bins of sessions that run together, all with the same durations.

    Parameters
    ----------
    settings : RunSettings
    task : Task
    condition : Condition
    first, sessions : int
        First session of the chunk, and number of sessions.

    Returns
    -------
    Schedule
    """
    rng = torch_stream(settings.seed, "replay", "time", first)
    seconds = draw_durations(task.phases, task.n_trials, 1, rng, condition.timing)
    one = cut_evenly(seconds, settings.replay.bin)
    return Schedule(one.ticks.expand(-1, sessions), one.first)


def get_totals(batch: Rollout) -> Arrays:
    """Mean reward per trial of each session and, if the task labels it, the summed regret; (session,) each."""
    totals = {"held_out_reward": batch.reward_per_trial.numpy()}
    if "regret" in batch.labels:
        totals["held_out_regret"] = batch.labels["regret"].sum(0).numpy()
    return totals


def get_bins(network: PFCNetwork, batch: Rollout) -> Arrays:
    """Arrays that are kept bin by bin.

    Parameters
    ----------
    network : PFCNetwork
    batch : Rollout

    Returns
    -------
    dict of str to ndarray
        (kept session, bin, ...) each.
    """
    error = batch.bin_dopamine  # of the transition to the next bin, at whose end it is known
    by_bin = {
        "activity": network.activity(batch.drive),
        "value_trace": batch.bin_value,
        "policy_trace": torch.softmax(batch.bin_logits, -1),
        "dopamine_trace": torch.cat([torch.zeros_like(error[:1]), error[:-1]]),
    }
    return {name: tensor.detach().transpose(0, 1).numpy() for name, tensor in by_bin.items()}


def get_steps(task: Task, batch: Rollout, kept: int) -> Arrays:
    """Arrays that are kept step by step.

    Parameters
    ----------
    task : Task
    batch : Rollout
    kept : int
        Number of sessions to keep, the first ones.

    Returns
    -------
    dict of str to ndarray
        (session, step, ...) each; labels of a session are (session, ...).
    """
    policy = torch.softmax(batch.logits.detach(), -1).masked_fill(~batch.is_choice[:, None, None], torch.nan)
    seconds = batch.schedule.duration_ticks * TICK_S
    by_step = {
        "choice": batch.action.to(torch.int8),
        "onset": (seconds.double().cumsum(0) - seconds).float(),
        "duration": seconds,
        "reward": batch.reward,
        "value": batch.value.detach(),
        "rpe": batch.rpe,
        "dopamine_injected": batch.injected,
        "policy": policy,
        **{name: batch.labels[name] for name in task.step_labels},
    }
    for name, tensor in by_step.items():
        if tensor.dtype == torch.int64:  # labels of tasks are small numbers
            by_step[name] = tensor.to(torch.int16)
    fixed = {name: batch.problem[name].numpy() for name in task.session_labels}
    arrays = {name: tensor.transpose(0, 1).numpy() for name, tensor in by_step.items()} | fixed
    return {name: array[:kept] for name, array in arrays.items()}


def join_chunks(chunks: list[Arrays]) -> Arrays:
    """Concatenate chunks along sessions; a variable that only the first chunks hold is joined over these."""
    return {name: np.concatenate([chunk[name] for chunk in chunks if name in chunk]) for name in chunks[0]}


def stack_sessions(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (session, ...) of several conditions, (condition, session, ...); nan for sessions that one has not."""
    most = max(map(len, arrays))
    stacked = np.full((len(arrays), most, *arrays[0].shape[1:]), np.nan, arrays[0].dtype)
    for own, array in zip(stacked, arrays, strict=True):
        own[: len(array)] = array
    return stacked


def assemble(
    network: PFCNetwork, task: Task, by_condition: list[Arrays], names: list[str], bin_s: float
) -> xr.Dataset:
    """Recording of one animal.

    Parameters
    ----------
    network : PFCNetwork
    task : Task
    by_condition : list of dict
        Arrays of each condition (`get_totals`, `get_steps`); those of the first may be kept in time too (`get_bins`).
    names : list of str
        Names of the conditions.
    bin_s : float
        Duration of a bin in s.

    Returns
    -------
    xarray.Dataset
        Without the dimension `animal`.
    """
    by_step = dict.fromkeys(PER_STEP, ()) | {"policy": ("action",)} | dict(task.step_labels)
    dims: dict[str, tuple[str, ...]]
    dims = {name: ("condition", "episode", "step", *more) for name, more in by_step.items()}
    dims |= {name: ("condition", "held_out_episode") for name in ("held_out_reward", "held_out_regret")}
    first = by_condition[0]
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in first:
        if name in dims:
            own = [arrays[name] for arrays in by_condition]
            held_out = "held_out_episode" in dims[name]
            variables[name] = dims[name], stack_sessions(own) if held_out else np.stack(own)
        elif name in PER_BIN:
            variables[name] = ("recorded_episode", "bin", *PER_BIN[name]), first[name]
        else:  # the same problems under every condition
            variables[name] = ("episode", *task.session_labels[name]), first[name]
    recorded = first["activity"].shape[:2] if "activity" in first else (0, 0)
    dataset = xr.Dataset(variables, coords=_label(network, task, names, bin_s, recorded))
    return describe(dataset, task.descriptions, network.activity_units)


def _label(
    network: PFCNetwork, task: Task, names: list[str], bin_s: float, recorded: tuple[int, ...]
) -> dict[str, Any]:
    """Coordinates of the recording of one animal; `recorded` are its sessions and bins with activity."""
    steps, per_trial = np.arange(task.n_steps), len(task.phases)
    return {
        "condition": names,
        "trial": ("step", steps // per_trial),
        "phase": ("step", [task.phase(step).name for step in range(task.n_steps)]),
        "time": ("bin", np.arange(recorded[1]) * bin_s),
        "tau": ("unit", network.tau.numpy()),
        "is_excitatory": ("unit", network.is_excitatory.numpy()),
        "is_critic": ("unit", network.wiring.is_critic.numpy()),
        "recorded_episode": np.arange(recorded[0]),
    }
