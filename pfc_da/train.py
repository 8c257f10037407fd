"""Training: a batch of sessions, dopamine, a change of the weights, again.

One animal is one seed. Everything random in update u is drawn from streams named by u, so the state of a training is its
weights, the memory of its synaptic step and the number of updates done: `state.safetensors`, written whole every
`checkpoint_every` updates. A training continued from there ends with the same bits as one never interrupted.
"""

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pfc_da.agent import Agent, build_agent
from pfc_da.clock import Schedule, Timing, cut_adaptively, draw_durations, keep_whole
from pfc_da.errors import damaged
from pfc_da.jobs.processor import prepare_processor
from pfc_da.network import PFCNetwork, Weights
from pfc_da.plasticity.synaptic_step import STEPS
from pfc_da.rng import torch_stream
from pfc_da.rollout import Rollout, rollout
from pfc_da.settings import RuleSettings, RunSettings
from pfc_da.storage.files import require_file, write_atomic
from pfc_da.task import Task
from pfc_da.trained import (
    CLAMPED_WEIGHTS,
    SNAPSHOT,
    WEIGHTS,
    animal_seed,
    get_shapes,
    load_trained,
    name_animal,
    read_tensors,
    require_own,
    save_tensors,
)

CURVE_COLUMNS = (
    "update",
    "trials",
    "cpu_s",
    "reward_per_trial",
    "rpe_sd",
    "policy_entropy",
    "rate_mean_hz",
    "skipped",
)
GIVE_UP_AFTER = 50
"""Non-finite updates in a row after which an animal counts as diverged."""

RATE_BINS = 32
"""Bins at the end of a session over which the learning curve's mean rate is taken; all would cost a tenth of training."""
CLAMPED_SHARE = 0.2
"""Share of the updates that the control without dopamine has; without errors later ones change nothing of its reward."""
COMMON_PACE = 0.75
"""Share of the (logarithmic) range of paces that the sessions of an update have in common."""
STATE, CURVE = "state.safetensors", "learning_curve.csv"


@dataclasses.dataclass(frozen=True)
class Training:
    """A training in progress; `curve` has one row an update and the columns of `CURVE_COLUMNS`."""

    weights: Weights
    memory: Weights
    curve: tuple[tuple[float, ...], ...] = ()

    @property
    def update(self) -> int:
        """Updates done."""
        return len(self.curve)

    @property
    def diverged(self) -> bool:
        """True if the last updates were all non-finite."""
        before = self.curve[-1 - GIVE_UP_AFTER][-1] if self.update > GIVE_UP_AFTER else 0
        return self.update >= GIVE_UP_AFTER and self.curve[-1][-1] - before == GIVE_UP_AFTER


def train_update(agent: Agent, settings: RunSettings, task: Task, training: Training, seed: int) -> Training:
    """One update: a batch of sessions, then the rule, then the synaptic step. A non-finite change is skipped.

    Parameters
    ----------
    agent : Agent
    settings : RunSettings
    task : Task
    training : Training
    seed : int
        Of the animal.

    Returns
    -------
    Training
    """
    started, update, rule = time.process_time(), training.update, settings.rule
    done = update / max(settings.train.updates, 1)
    learning_rate = rule.learning_rate_at(done)
    entropy = rule.entropy * max(0.0, 1 - done / rule.entropy_until)
    weights = training.weights
    if agent.rule.needs_autograd:
        weights = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    with torch.set_grad_enabled(agent.rule.needs_autograd):
        own_task = shorten(task.in_training(done), settings, done)
        batch = rollout(
            agent.network,
            agent.network.effective(weights),
            own_task,
            agent.dopamine,
            schedule=arrange_time(
                agent.network, own_task, settings, done, torch_stream(seed, "train", "time", update)
            ),
            task_rng=torch_stream(seed, "train", "task", update),
            choice_rng=torch_stream(seed, "train", "choice", update),
            noise_rng=torch_stream(seed, "train", "noise", update),
            feedback=settings.network.feedback_channels,
        )
        change = agent.rule.change(agent.network, weights, batch, entropy)
    weights, memory, finite = take_step(rule, training.weights, change, training.memory, learning_rate)
    row = _curve_row(agent, batch, settings, training, finite, time.process_time() - started)
    return Training(weights, memory, (*training.curve, row))


def arrange_time(
    network: PFCNetwork, task: Task, settings: RunSettings, done: float, rng: torch.Generator
) -> Schedule:
    """Durations of the sessions of an update, each at a pace of its own, and their bins.

    Paces are log-uniform, and most of their range is common to the sessions of an update: these have equally many bins, so
    different paces would leave the faster ones finer than they need.

    Parameters
    ----------
    network : PFCNetwork
    task : Task
    settings : RunSettings
    done : float
        Share of training, from 0 to 1.
    rng : torch.Generator

    Returns
    -------
    Schedule
    """
    own = settings.train
    slowest = own.fastest * (own.slowest / own.fastest) ** min(done / own.whole_from, 1.0)
    common, single = torch.rand(1, generator=rng), torch.rand(own.sessions, generator=rng)
    pace = own.fastest * (slowest / own.fastest) ** torch.lerp(single, common, COMMON_PACE)
    seconds = draw_durations(task.phases, task.n_trials, own.sessions, rng, Timing(pace=pace))
    if not network.has_time:
        return keep_whole(seconds)
    return cut_adaptively(seconds, len(task.phases), rng, own.longest_bin)


def take_step(
    rule: RuleSettings, weights: Weights, change: Weights, memory: Weights, learning_rate: float
) -> tuple[Weights, Weights, bool]:
    """One synaptic step.

    Parameters
    ----------
    rule : RuleSettings
    weights : Weights
    change : Weights
        Of the rule; its norm is limited to `max_norm`.
    memory : Weights
        Of the synaptic step.
    learning_rate : float

    Returns
    -------
    weights, memory : Weights
    finite : bool
        False if the change was not finite; weights and memory are then unchanged.
    """
    norm = torch.stack([tensor.square().sum() for tensor in change.values()]).sum().sqrt()
    if not torch.isfinite(norm):
        return weights, memory, False
    if norm > rule.max_norm:
        change = {name: tensor * (rule.max_norm / norm) for name, tensor in change.items()}
    return *STEPS[rule.synaptic_step](weights, change, memory, learning_rate), True


def shorten(task: Task, settings: RunSettings, done: float) -> Task:
    """The task with the session length of the curriculum after a share `done` of training.

    Parameters
    ----------
    task : Task
    settings : RunSettings
    done : float
        From 0 to 1.
    """
    first, grown = settings.train.first_trials, min(done / settings.train.whole_from, 1.0)
    if not 0 < first < task.n_trials:
        return task
    return dataclasses.replace(task, n_trials=round(first + (task.n_trials - first) * grown))


def train_animal(
    settings: RunSettings, task: Task, animal: int, folder: Path, report: Callable[[int, str], None]
) -> None:
    """Train one animal to the end, or go on where an earlier process stopped; write its weights.

    Parameters
    ----------
    folder
        `animals/NNN` of the run.
    report
        Called with the updates done and a short note.
    """
    prepare_processor()
    seed, own = animal_seed(settings, animal), name_animal(settings, animal)
    agent = build_agent(settings, task, seed)
    initial = agent.network.init(torch_stream(seed, "birth"))
    if _is_trained(settings, task, animal, folder):
        (folder / STATE).unlink(missing_ok=True)
        return report(settings.train.updates, "trained before")
    training = _load_training(folder / STATE, initial, own)
    report(training.update, "")
    while training.update < settings.train.updates and not training.diverged:
        training = train_update(agent, settings, task, training, seed)
        if training.update in settings.train.snapshot_updates:
            save_tensors(training.weights, folder / SNAPSHOT.format(training.update), own)
        if training.update % settings.train.checkpoint_every == 0:
            _save_training(training, folder, own)
            done = min(training.update, settings.train.updates - 1)  # what follows belongs to the training
            report(done, f"reward {np.mean([row[3] for row in training.curve[-20:]]):.3f}")
    clamped = train_clamped(agent, settings, task, initial, seed, report)
    save_tensors(clamped, folder / CLAMPED_WEIGHTS, own)
    _save_trained(training, settings, folder, own)
    report(settings.train.updates, "diverged" if training.diverged else "")


def train_clamped(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    initial: Weights,
    seed: int,
    report: Callable[[int, str], None],
) -> Weights:
    """Train the same animal without dopamine: its error is 0, so that entropy and homeostasis alone change the weights.

    Parameters
    ----------
    agent : Agent
    settings : RunSettings
        Of the training with dopamine, of whose updates the first `CLAMPED_SHARE` are made.
    task : Task
    initial : Weights
    seed : int
        Of the animal.
    report
        As of `train_animal`; its number of updates stays one below all.

    Returns
    -------
    Weights
    """
    clamped = dataclasses.replace(agent, dopamine=dataclasses.replace(agent.dopamine, clamped=True))
    training = Training(initial, {})
    while training.update < CLAMPED_SHARE * settings.train.updates and not training.diverged:
        training = train_update(clamped, settings, task, training, seed)
        report(settings.train.updates - 1, "control without dopamine")
    return training.weights


def _is_trained(settings: RunSettings, task: Task, animal: int, folder: Path) -> bool:
    """True if all files of a trained animal are there; refuse a damaged one."""
    names = (WEIGHTS, CLAMPED_WEIGHTS, CURVE, *map(SNAPSHOT.format, settings.train.snapshot_updates))
    if not all((folder / name).exists() for name in names):
        return False
    load_trained(settings, task, animal, folder)
    if _hash_curve(folder / CURVE) != read_tensors(folder / WEIGHTS)[1]["curve"]:
        raise damaged(folder / CURVE, "it is not what was written (SHA-256)")
    return True


def _save_trained(training: Training, settings: RunSettings, folder: Path, own: str) -> None:
    """Write the weights at the end of training, and remove its state."""
    _save_training(training, folder, own)
    for updates in settings.train.snapshot_updates:  # a training that diverged ended before the last of them
        if updates > training.update:
            save_tensors(training.weights, folder / SNAPSHOT.format(updates), own)
    facts = {"diverged": training.diverged, "curve": _hash_curve(folder / CURVE)}
    save_tensors(training.weights, folder / WEIGHTS, own, facts)
    (folder / STATE).unlink()


def _hash_curve(path: Path) -> str:
    """SHA-256 of a learning curve but for the CPU time, which is another one every time."""
    require_file(path)
    kept, digest = [name != "cpu_s" for name in CURVE_COLUMNS], hashlib.sha256()
    for line in path.read_bytes().splitlines():
        digest.update(b",".join(itertools.compress(line.split(b","), kept)) + b"\n")
    return digest.hexdigest()


def _load_training(path: Path, initial: Weights, own: str) -> Training:
    """The training kept in `path`, or one that begins with the weights `initial`."""
    if not path.exists():
        return Training(initial, {})
    tensors, facts = read_tensors(path)
    whole = dict(tensors)
    curve = tensors.pop("curve", torch.zeros(0))
    parts: dict[str, Weights] = {"weights": {}, "memory": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        parts.setdefault(kind, {})[rest] = tensor
    weights, is_state = parts["weights"], curve.shape[1:] == (len(CURVE_COLUMNS),) and len(parts) == 2
    if not is_state or get_shapes(weights) != get_shapes(initial):
        raise damaged(path, "it is no training state of the configured network")
    require_own(path, whole, facts, own)
    weights = {
        name: weights[name] for name in initial
    }  # in this order, or sums over weights round differently
    return Training(weights, parts["memory"], tuple(map(tuple, curve.tolist())))


def _save_training(training: Training, folder: Path, own: str) -> None:
    """Write the state in one piece, then the learning curve drawn from it."""
    tensors = {f"weights.{name}": tensor for name, tensor in training.weights.items()}
    tensors |= {f"memory.{name}": tensor for name, tensor in training.memory.items()}
    tensors["curve"] = torch.tensor(training.curve, dtype=torch.float64).reshape(-1, len(CURVE_COLUMNS))
    save_tensors(tensors, folder / STATE, own)
    lines = [
        ",".join(CURVE_COLUMNS),
        *(",".join(f"{number:.10g}" for number in row) for row in training.curve),
    ]
    write_atomic(folder / CURVE, lambda aside: aside.write_text("\n".join(lines) + "\n"))


def _curve_row(
    agent: Agent, batch: Rollout, settings: RunSettings, training: Training, finite: bool, cpu_s: float
) -> tuple[float, ...]:
    before = training.curve[-1] if training.curve else (0.0,) * len(CURVE_COLUMNS)
    log_policy = torch.log_softmax(batch.logits[batch.is_choice].detach(), -1)
    return (
        training.update + 1,
        before[1] + batch.action.shape[1] * batch.n_trials,
        before[2] + cpu_s,
        float(batch.reward_per_trial.mean()),
        float(batch.rpe.std()),
        float(-(log_policy.exp() * log_policy).sum(-1).mean()),
        float(agent.network.activity(batch.drive[-RATE_BINS:].detach()).mean()),
        before[-1] + (not finite),
    )
