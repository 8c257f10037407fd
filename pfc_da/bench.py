"""Cost of training: CPU-seconds to a stated performance over seeds, failures counted, and the share of the floor.

One agent a seed is trained on the independent bandit; every few updates its weights are frozen and tested on the same
held-out bandits, in the bins of a replay, which costs time of its own that is not counted. A seed that has not reached a
criterion when its updates are used up has failed. The floor is the time of the bare matrix products of one update, measured
in the same process right after it, so that a busy machine slows both.
"""

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import platform
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pfc_da import paradigms
from pfc_da.agent import Agent, build_agent
from pfc_da.clock import Schedule, cut_evenly, draw_durations, keep_whole
from pfc_da.jobs.processor import prepare_processor
from pfc_da.jobs.workers import work
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout
from pfc_da.settings import RunSettings
from pfc_da.storage.files import write_atomic
from pfc_da.task import Task
from pfc_da.train import Training, arrange_time, train_update
from pfc_da.trained import animal_seed

CRITERIA = (0.607, 0.639)
"""Reward a trial on independent bandits: 95 % of Thompson sampling's, and Thompson sampling's (derived)."""
AGENTS = {"rate + three-factor": ("rate", "three-factor"), "lstm + bptt": ("lstm", "bptt")}
"""Name -> network and rule."""
HELD_OUT_SESSIONS = 400
EVALUATE_EVERY = 15, 50
"""Updates between two evaluations, before and after the first criterion is reached."""


@dataclasses.dataclass(frozen=True)
class Seed:
    """One training: CPU-s to each criterion (None where it failed) and what an update costs."""

    agent: str
    seed: int
    cpu_s: dict[str, float | None]
    best_reward: float
    trials_per_cpu_s: float
    share_of_floor: float
    peak_memory_mb: float


def run_bench(
    seeds: int, workers: int | None = None, report: Callable[[int, str], None] = lambda *_: None
) -> list[Seed]:
    """Train `seeds` seeds of every agent in `AGENTS`, `workers` processes at once.

    Parameters
    ----------
    seeds : int
        Seeds of each agent.
    workers : int, optional
        Processes.
    report : callable
        Called with the number of finished seeds and the name of the last.
    """
    jobs = [functools.partial(measure_seed, agent, seed) for agent in AGENTS for seed in range(seeds)]
    count = itertools.count(1)
    return work(jobs, workers, done=lambda found: report(next(count), f"{found.agent} seed {found.seed}"))


def measure_seed(name: str, seed: int) -> Seed:
    """Train one seed until it reaches the last criterion, or its updates are used up.

    Parameters
    ----------
    name : str
        A key of `AGENTS`.
    seed : int
    """
    prepare_processor()
    forget_peak_memory()
    experiment = paradigms.load("bandit")
    network, rule = AGENTS[name]
    settings = experiment.settings(network=network, rule=rule, animals=1, seed=seed)
    task, tested = (experiment.build_task(settings, test=test) for test in (False, True))
    own = animal_seed(settings, 0)
    agent = build_agent(settings, task, own)
    training = Training(agent.network.init(torch_stream(own, "birth")), {})
    reached: dict[str, float | None] = {str(criterion): None for criterion in CRITERIA}
    best = 0.0
    while training.update < settings.train.updates and not training.diverged and None in reached.values():
        training = train_update(agent, settings, task, training, own)
        first, later = EVALUATE_EVERY
        if training.update % (first if reached[str(CRITERIA[0])] is None else later) == 0:
            reward = measure_held_out(agent, settings, tested, training)
            best = max(best, reward)
            for criterion in CRITERIA:
                if reward >= criterion and reached[str(criterion)] is None:
                    reached[str(criterion)] = training.curve[-1][2]
    *_, (_, trials, cpu_s, *_) = training.curve
    return Seed(
        agent=name,
        seed=seed,
        cpu_s=reached,
        best_reward=best,
        trials_per_cpu_s=trials / cpu_s,
        share_of_floor=measure_floor(agent, settings, task, training, own)
        / measure_update(agent, settings, task, training, own),
        peak_memory_mb=read_peak_memory(),
    )


def forget_peak_memory() -> None:
    """Begin to measure the peak anew: the process may have trained another agent before."""
    with contextlib.suppress(OSError):  # only Linux can
        Path("/proc/self/clear_refs").write_text("5")


def read_peak_memory() -> float:
    """Largest resident memory of this process in MB since `forget_peak_memory`.

    Where Linux does not report it, the peak since the process began.
    """
    status = Path("/proc/self/status")
    if found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text() if status.exists() else ""):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_held_out(agent: Agent, settings: RunSettings, task: Task, training: Training) -> float:
    """Mean reward a trial with frozen weights; the same bandits, durations and draws for every seed and update.

    Parameters
    ----------
    agent : Agent
    settings : RunSettings
    task : Task
        Of the test sessions.
    training : Training

    Returns
    -------
    float
        Reward per trial.
    """
    seconds = draw_durations(task.phases, task.n_trials, 1, torch_stream(0, "bench", "time"))
    one = cut_evenly(seconds, settings.replay.bin) if agent.network.has_time else keep_whole(seconds)
    with torch.inference_mode():
        batch = rollout(
            agent.network,
            agent.network.effective(training.weights),
            task,
            agent.dopamine,
            schedule=Schedule(one.ticks.expand(-1, HELD_OUT_SESSIONS), one.first),
            task_rng=torch_stream(0, "bench", "task"),
            choice_rng=torch_stream(0, "bench", "choice"),
            noise_rng=torch_stream(0, "bench", "noise"),
            feedback=settings.network.feedback_channels,
            kept=0,
        )
    return float(batch.reward_per_trial.mean())


def measure_update(agent: Agent, settings: RunSettings, task: Task, training: Training, seed: int) -> float:
    """CPU-seconds of one update on whole sessions, median of 5.

    Parameters
    ----------
    agent, settings, task, training, seed
        As for `pfc_da.train.train_update`.

    Returns
    -------
    float
        Seconds.
    """
    whole = _with_whole_sessions(settings)
    return _median_time(lambda: train_update(agent, whole, task, training, seed))


def measure_floor(agent: Agent, settings: RunSettings, task: Task, training: Training, seed: int) -> float:
    """CPU-seconds of the matrix products that this update cannot do without, median of 5.

    Forward: recurrence in every bin, input in every step, read-out of every bin. Backward: for the three-factor rule the
    same products once more in one piece (its gradient is pre times post), for backpropagation through time twice (to
    weights and to states).

    Parameters
    ----------
    agent, settings, task, training, seed
        As for `pfc_da.train.train_update`.

    Returns
    -------
    float
        Seconds.
    """
    whole, done = _with_whole_sessions(settings), training.update / max(settings.train.updates, 1)
    schedule = arrange_time(
        agent.network, task, whole, done, torch_stream(seed, "train", "time", training.update)
    )
    weights = agent.network.init(torch_stream(0, "floor"))
    (bins, sessions), steps = schedule.ticks.shape, task.n_steps
    n_units, n_post = agent.network.n_units, weights["w"].shape[1]
    state, x = torch.randn(sessions, n_units), torch.randn(sessions, agent.network.n_inputs)
    states, xs = torch.randn(bins * sessions, n_units), torch.randn(steps * sessions, x.shape[1])
    post, step_post = torch.randn(bins * sessions, n_post), torch.randn(steps * sessions, n_post)
    out, bin_post = torch.randn(bins * sessions, weights["w_read"].shape[1]), torch.randn(sessions, n_post)

    def products() -> None:
        for _ in range(bins):
            torch.mm(state, weights["w"])
            if agent.rule.needs_autograd:
                torch.mm(bin_post, weights["w"].T)
        for _ in range(steps):
            torch.mm(x, weights["w_in"])
        torch.mm(states, weights["w_read"])
        torch.mm(states.T, post)
        torch.mm(xs.T, step_post)
        torch.mm(states.T, out)

    return _median_time(products)


def _with_whole_sessions(settings: RunSettings) -> RunSettings:
    """Settings without the short sessions of the start of training."""
    return settings.model_copy(update={"train": settings.train.model_copy(update={"first_trials": 0})})


def _median_time(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(6):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return float(np.median(times[1:]))  # the first warms up


def summarise_bench(found: list[Seed]) -> list[dict[str, Any]]:
    """One row an agent: medians over seeds, a failed seed counting as infinitely slow."""
    rows = []
    for agent in dict.fromkeys(seed.agent for seed in found):
        own = [seed for seed in found if seed.agent == agent]
        row: dict[str, Any] = {"agent": agent, "seeds": len(own)}
        for criterion in map(str, CRITERIA):
            reached = [seed.cpu_s[criterion] for seed in own]
            times = [np.inf if cpu_s is None else cpu_s for cpu_s in reached]
            row |= {
                f"cpu_s to {criterion}": float(np.median(times)),
                f"worst to {criterion}": float(np.max(times)),
                f"failed {criterion}": int(np.isinf(times).sum()),
            }
        for name in ("best_reward", "trials_per_cpu_s", "share_of_floor", "peak_memory_mb"):
            row[name] = float(np.median([getattr(seed, name) for seed in own]))
        rows.append(row)
    return rows


def write_json(found: list[Seed], path: Path) -> None:
    """Write every seed and the summary; infinite times as null.

    Parameters
    ----------
    found : list of Seed
    path : Path
    """
    rows = [{k: None if v == np.inf else v for k, v in row.items()} for row in summarise_bench(found)]
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    content = {"machine": machine, "summary": rows, "seeds": [dataclasses.asdict(seed) for seed in found]}
    write_atomic(path, lambda aside: aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"))
