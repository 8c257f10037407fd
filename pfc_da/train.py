"""Training: a batch of sessions, dopamine, a change of the weights, again.

One animal is one seed. Everything random in update u is drawn from streams named by u, so the state of a training is its
weights, the memory of its synaptic step and the number of updates done: `state.safetensors`, written whole every
`checkpoint_every` updates. A training continued from there ends with the same bits as one never interrupted. Files of
tensors carry the SHA-256 of what is in them, so a flipped bit is found before a manifest knows the file.
"""

import dataclasses
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pfc_da.dopamine import DopamineCells, DopamineChannel, DopamineSystem, UnequalErrors
from pfc_da.errors import InputError, damaged
from pfc_da.files import require_file, write_atomic
from pfc_da.manifest import hash_config
from pfc_da.network import PFCNetwork, Weights
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import RateNetwork
from pfc_da.plasticity import PlasticityRule
from pfc_da.plasticity.actor_critic_bptt import ActorCriticBPTT
from pfc_da.plasticity.synaptic_step import STEPS
from pfc_da.plasticity.three_factor import ThreeFactor
from pfc_da.processor import prepare_processor
from pfc_da.rng import derive_seed, torch_stream
from pfc_da.rollout import Rollout, input_size, rollout
from pfc_da.settings import DopamineSettings, RuleSettings, RunSettings
from pfc_da.task import Task

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

RATE_STEPS = 32
"""Steps at the end of a session over which the learning curve's mean rate is taken; all would cost a tenth of training."""
WEIGHTS, STATE, CURVE = "weights.safetensors", "state.safetensors", "learning_curve.csv"
SNAPSHOT = "after_{:07d}.safetensors"

NETWORKS: dict[str, type[RateNetwork] | type[LSTMNetwork]] = {"rate": RateNetwork, "lstm": LSTMNetwork}
RULES: dict[str, type[PlasticityRule]] = {"three-factor": ThreeFactor, "bptt": ActorCriticBPTT}


@dataclasses.dataclass(frozen=True)
class Agent:
    """A network, the dopamine it computes, and the rule that trains it, for one task."""

    network: PFCNetwork
    rule: PlasticityRule
    dopamine: DopamineSystem


def build_agent(settings: RunSettings, task: Task, seed: int = 0) -> Agent:
    """Put together what `settings` name; `seed` (of the animal) fixes random feedback weights."""
    if settings.rule.kind == "three-factor" and settings.network.kind != "rate":
        raise InputError(
            "rule 'three-factor' needs the eligibility of network 'rate', got network "
            f"{settings.network.kind!r}. Use --network rate, or --rule bptt."
        )
    channels = input_size(task, settings.network.fed)
    network = NETWORKS[settings.network.kind](channels, task.n_actions, settings.network)
    rule = RULES[settings.rule.kind](settings.rule, len(task.phases), seed)
    return Agent(network, rule, DopamineSystem(rule.discount, channel=_build_channel(settings.dopamine)))


def _build_channel(settings: DopamineSettings) -> DopamineChannel | None:
    if settings.channel == "cells":
        return DopamineCells.calibrated(settings.scale)
    if settings.asymmetry or settings.noise:
        return UnequalErrors(settings.asymmetry, settings.noise)
    return None


@dataclasses.dataclass(frozen=True)
class Trained:
    """Weights of one animal by the number of updates they had: 0 at birth, None at the end of training."""

    after: Mapping[int | None, Weights]
    diverged: bool


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
        """Whether the last updates were all non-finite."""
        before = self.curve[-1 - GIVE_UP_AFTER][-1] if self.update > GIVE_UP_AFTER else 0
        return self.update >= GIVE_UP_AFTER and self.curve[-1][-1] - before == GIVE_UP_AFTER


def train_update(agent: Agent, settings: RunSettings, task: Task, training: Training, seed: int) -> Training:
    """One update: a batch of sessions, then the rule, then the synaptic step. A non-finite change is skipped."""
    started, update, rule = time.process_time(), training.update, settings.rule
    done = update / max(settings.train.updates, 1)
    learning_rate = rule.learning_rate * (1 - (1 - rule.final_learning_rate) * done)
    entropy = rule.entropy * max(0.0, 1 - done / rule.entropy_until)
    weights = training.weights
    if agent.rule.needs_autograd:
        weights = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    with torch.set_grad_enabled(agent.rule.needs_autograd):
        batch = rollout(
            agent.network,
            agent.network.effective(weights),
            shorten(task, settings, done),
            agent.dopamine,
            sessions=settings.train.sessions,
            task_rng=torch_stream(seed, "train", "task", update),
            choice_rng=torch_stream(seed, "train", "choice", update),
            noise_rng=torch_stream(seed, "train", "noise", update),
            feedback=settings.network.fed,
        )
        change = agent.rule.change(agent.network, weights, batch, entropy)
    weights, memory, finite = take_step(rule, training.weights, change, training.memory, learning_rate)
    row = _curve_row(agent, batch, settings, training, finite, time.process_time() - started)
    return Training(weights, memory, (*training.curve, row))


def take_step(
    rule: RuleSettings, weights: Weights, change: Weights, memory: Weights, learning_rate: float
) -> tuple[Weights, Weights, bool]:
    """Weights and memory after one synaptic step, and whether the change was finite; if not, all stays as it was."""
    norm = torch.stack([tensor.square().sum() for tensor in change.values()]).sum().sqrt()
    if not torch.isfinite(norm):
        return weights, memory, False
    change = {name: tensor * min(1.0, rule.max_norm / float(norm)) for name, tensor in change.items()}
    return *STEPS[rule.synaptic_step](weights, change, memory, learning_rate), True


def shorten(task: Task, settings: RunSettings, done: float) -> Task:
    """The task with the session length of the curriculum when a share `done` of training is over."""
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
    born = agent.network.init(torch_stream(seed, "birth"))
    names = (WEIGHTS, CURVE, *map(SNAPSHOT.format, settings.train.snapshot_updates))
    if all((folder / name).exists() for name in names):
        load_trained(settings, task, animal, folder)  # refuses a damaged one
        if _hash_curve(folder / CURVE) != _read(folder / WEIGHTS)[1]["curve"]:
            raise damaged(folder / CURVE, "it is not what was written (SHA-256)")
        (folder / STATE).unlink(missing_ok=True)
        return report(settings.train.updates, "trained before")
    training = _load_training(folder / STATE, born, own)
    report(training.update, "")
    while training.update < settings.train.updates and not training.diverged:
        training = train_update(agent, settings, task, training, seed)
        if training.update in settings.train.snapshot_updates:
            _save(training.weights, folder / SNAPSHOT.format(training.update), own)
        if training.update % settings.train.checkpoint_every == 0:
            _save_training(training, folder, own)
            report(training.update, f"reward {np.mean([row[3] for row in training.curve[-20:]]):.3f}")
    _save_training(training, folder, own)
    for updates in settings.train.snapshot_updates:  # a training that diverged ended before the last of them
        if updates > training.update:
            _save(training.weights, folder / SNAPSHOT.format(updates), own)
    facts = {"diverged": training.diverged, "curve": _hash_curve(folder / CURVE)}
    _save(training.weights, folder / WEIGHTS, own, facts)
    (folder / STATE).unlink()
    report(settings.train.updates, "diverged" if training.diverged else "")


def name_animal(settings: RunSettings, animal: int) -> str:
    """What tells an animal from all others: how it is trained, and which of the run it is."""
    return f"{hash_config(settings.model_dump(mode='json'))}/{animal}"


def animal_seed(settings: RunSettings, animal: int) -> int:
    """Seed of one animal of a run."""
    return derive_seed(settings.seed, "animal", animal)


def load_trained(settings: RunSettings, task: Task, animal: int, folder: Path) -> Trained:
    """Read the weights of a trained animal and those kept on the way.

    Raises
    ------
    InputError
        If a file is damaged or belongs to another network; it is left as it is.
    """
    born = build_agent(settings, task).network.init(torch_stream(animal_seed(settings, animal), "birth"))
    names = {updates: SNAPSHOT.format(updates) for updates in settings.train.snapshot_updates}
    found: dict[int | None, Weights] = {0: born}
    for updates, name in (names | {None: WEIGHTS}).items():
        found[updates], told = _read(folder / name)
        if _shapes(found[updates]) != _shapes(born):
            raise damaged(folder / name, "its weights are not those of the configured network")
        _require_own(folder / name, found[updates], told, name_animal(settings, animal))
    return Trained(found, diverged=told["diverged"])


def _read(path: Path) -> tuple[Weights, dict[str, Any]]:
    """Tensors of a file, and what it says of them."""
    try:
        require_file(path)
        with safe_open(path, "pt") as file:
            # copied, so that they lie in memory as new tensors do, and not where the file happens to put them
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, dict(json.loads((file.metadata() or {}).get("told", "{}")))
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise damaged(path, f"it cannot be read as safetensors ({' '.join(str(error).split())})") from error


def _require_own(path: Path, tensors: Weights, told: dict[str, Any], animal: str) -> None:
    facts = {name: fact for name, fact in told.items() if name != "sha256"}
    if told != _tell(tensors, animal, facts):
        raise damaged(path, "its bytes have changed, or it is of another animal or other settings (SHA-256)")


def _save(tensors: Weights, path: Path, animal: str, facts: Mapping[str, Any] = MappingProxyType({})) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    told = json.dumps(_tell(tensors, animal, facts))
    # one key: several would be written in random order
    write_atomic(path, lambda aside: save_file(tensors, aside, {"told": told}))


def _tell(tensors: Weights, animal: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of the tensors in it: `facts`, and the SHA-256 of all."""
    digest = hashlib.sha256(f"{animal} {json.dumps({**facts}, sort_keys=True)}".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return {**facts, "sha256": digest.hexdigest()}


def _hash_curve(path: Path) -> str:
    """SHA-256 of a learning curve but for the CPU time, which is another one every time."""
    require_file(path)
    kept, digest = [name != "cpu_s" for name in CURVE_COLUMNS], hashlib.sha256()
    for line in path.read_bytes().splitlines():
        digest.update(b",".join(itertools.compress(line.split(b","), kept)) + b"\n")
    return digest.hexdigest()


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


def _load_training(path: Path, born: Weights, own: str) -> Training:
    """The training kept in `path`, or one that begins with the weights `born`."""
    if not path.exists():
        return Training(born, {})
    tensors, told = _read(path)
    whole = dict(tensors)
    curve = tensors.pop("curve", torch.zeros(0))
    parts: dict[str, Weights] = {"weights": {}, "memory": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        parts.setdefault(kind, {})[rest] = tensor
    weights, is_state = parts["weights"], curve.shape[1:] == (len(CURVE_COLUMNS),) and len(parts) == 2
    if not is_state or _shapes(weights) != _shapes(born):
        raise damaged(path, "it is no training state of the configured network")
    _require_own(path, whole, told, own)
    weights = {name: weights[name] for name in born}  # in this order, or sums over weights round differently
    return Training(weights, parts["memory"], tuple(map(tuple, curve.tolist())))


def _save_training(training: Training, folder: Path, own: str) -> None:
    """Write the state in one piece, then the learning curve drawn from it."""
    tensors = {f"weights.{name}": tensor for name, tensor in training.weights.items()}
    tensors |= {f"memory.{name}": tensor for name, tensor in training.memory.items()}
    tensors["curve"] = torch.tensor(training.curve, dtype=torch.float64).reshape(-1, len(CURVE_COLUMNS))
    _save(tensors, folder / STATE, own)
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
        before[1] + batch.action.shape[1] * int(batch.is_choice.sum()),
        before[2] + cpu_s,
        float(batch.reward_per_trial.mean()),
        float(batch.rpe.std()),
        float(-(log_policy.exp() * log_policy).sum(-1).mean()),
        float(agent.network.activity(batch.drive[-RATE_STEPS:].detach()).mean()),
        before[-1] + (not finite),
    )
