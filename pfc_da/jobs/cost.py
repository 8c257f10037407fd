"""Cost of a command, estimated before it starts: time, memory and disk, from figures measured once.

Time goes into bins, the updates of networks (steps, for networks that advance once a phase). A bin of a batch of sessions
costs a fixed part, and a part per session that grows with units and with their pairs; animals, updates, sessions, trials,
their durations and conditions multiply it. The figures below were measured on one core of an AMD EPYC with torch 2.13, 16 to
256 units and 8 to 128 sessions at once; another machine may take half or twice that. It is an estimate for the person who
waits, not a promise.
"""

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from pfc_da.clock import USUAL, Timing, count_cuts
from pfc_da.errors import InputError
from pfc_da.jobs.progress import format_time
from pfc_da.replay import CHUNK, PLASTIC_CHUNK, chunk_sessions, get_n_sessions
from pfc_da.rollout import Condition
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.train import CLAMPED_SHARE, COMMON_PACE, shorten


class BinCost(NamedTuple):
    """CPU-s of a bin: of a batch, of a session and unit, of a session and pair of units."""

    batch: float
    unit: float
    pair: float

    def measure(self, n_units: int, sessions: float) -> float:
        """CPU-s of one bin of so many sessions together.

        Parameters
        ----------
        n_units : int
        sessions : float
            Sessions that run together.

        Returns
        -------
        float
            CPU time, s.
        """
        return self.batch + sessions * (self.unit * n_units + self.pair * n_units**2)


TRAIN = {"rate": BinCost(20e-6, 8.5e-9, 70e-12), "lstm": BinCost(280e-6, 20e-9, 290e-12)}
"""By network; of `train_update` on whole sessions of 20 trials. For an LSTM, of a step."""
REPLAY = {"rate": BinCost(15e-6, 1.8e-9, 18e-12), "lstm": BinCost(100e-6, 11e-9, 104e-12)}
"""By network; of a replay of the same sessions. For an LSTM, of a step."""
TIMELESS = ("lstm",)
"""Networks that advance once a phase."""
SHARES = (0.125, 0.375, 0.625, 0.875)
"""Shares of training, and of the range of paces, at which the bins of an update are counted."""
PROCESS_S, PROCESS_BYTES = 3.0, 380e6
"""CPU-s until a process has imported torch, and what it then holds: `pfc-da replay` of as little as possible."""
ANALYSIS_S, ANALYSIS_TRIAL_S = 5.0, 0.12e-3
"""CPU-s of compare, imports included, and more of them a trial of an animal's recorded sessions."""
REPORT_S = 1.0
"""CPU-s of report."""
TRAIN_BYTES = {"rate": 20.0, "lstm": 80.0}
"""Bytes of memory that training holds a session, bin and unit."""
REPLAY_BYTES, REPLAY_STEP_BYTES = 16.0, 120.0
"""Bytes that a replay holds a recorded session, bin and unit, and a session and step."""
CELL_BYTES, CELL_DISK = 48.0, 14.0
"""Bytes of a recording a condition, session and step, in memory and on the disk."""
ACTIVITY_BYTES, ACTIVITY_DISK = 4.0, 3.7
"""Bytes of a recording a session, bin and unit whose activity is kept."""
ANALYSED, JOINED = 0.6, 3.0
"""Size in memory, as a multiple of the recording, while it is analysed and while spiking animals are joined."""
SHORT_S = 60.0
"""Commands that take less time are not announced."""


class Cost(NamedTuple):
    """CPU time and time in s, memory of all processes and disk in bytes."""

    cpu_s: float
    wall_s: float
    memory: float
    disk: float

    def describe(self) -> str:
        """In words, such as "about 40 min, 1.2 GB of memory and 0.3 GB on the disk"."""
        return (
            f"about {format_time(self.wall_s)}, {format_bytes(self.memory)} of memory and "
            f"{format_bytes(self.disk)} on the disk"
        )

    def require_room(self, path: Path) -> None:
        """Raise InputError if the disk of `path`, or the memory of this machine, surely lacks room."""
        above = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.exists(each))
        total, _, free = shutil.disk_usage(above)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if self.disk > free and total:  # some file systems that are no disk have no size
            raise InputError(
                f"{path} would take {format_bytes(self.disk)} on the disk, which has {format_bytes(free)} free. "
                "Ask for fewer animals, sessions or units, or give --out on another disk."
            )
        if self.memory > memory:
            raise InputError(
                f"this would take {format_bytes(self.memory)} of memory, and there are {format_bytes(memory)}. "
                "Ask for fewer animals, sessions, trials or units, or fewer --workers."
            )


def estimate_run(
    settings: RunSettings,
    task: Task,
    tested: Task,
    conditions: Sequence[Condition],
    stages: Collection[str],
    workers: int | None,
    trained: int = 0,
) -> Cost:
    """Cost of `stages` of a run, which follow each other.

    Parameters
    ----------
    task, tested
        Of training and of test.
    conditions
        All that are replayed, snapshots too.
    trained
        Animals that are trained already.
    """
    network, n_units = _liken(settings), settings.network.n_units
    held, disk = _measure_recording(settings, tested, len(conditions))
    costs = [Cost(0.0, 0.0, 0.0, 0.0)]
    if "train" in stages:
        bins = max(count_training_bins(settings, task, share, common=1.0) for share in SHARES)
        working = TRAIN_BYTES[network] * settings.train.sessions * bins * n_units
        weights = 4.0 * (4 + len(settings.train.snapshots)) * n_units**2
        left = settings.animals - trained
        animal_s = estimate_training(settings, task)
        costs.append(combine(left, animal_s, workers, own_bytes=working, disk=left * weights))
    if "replay" in stages:
        recorded = settings.replay.unit_sessions * count_replay_bins(settings, tested)
        working = REPLAY_BYTES * recorded * n_units
        working += REPLAY_STEP_BYTES * min(CHUNK, get_n_sessions(settings)) * tested.n_steps
        animal_s = estimate_replay(settings, tested, conditions)
        costs.append(combine(settings.animals, animal_s, workers, own_bytes=working, disk=disk))
    if "compare" in stages:
        trials = settings.animals * settings.replay.sessions * tested.n_trials
        after_s = ANALYSIS_S + ANALYSIS_TRIAL_S * trials
        costs.append(combine(0, 0.0, workers, after_s=after_s, held_bytes=ANALYSED * held))
    if "report" in stages:
        costs.append(combine(0, 0.0, workers, after_s=REPORT_S))
    cpu_s, wall_s, memory, space = zip(*costs, strict=True)
    return Cost(sum(cpu_s), sum(wall_s), max(memory), sum(space))


def combine(
    animals: int,
    animal_s: float,
    workers: int | None,
    *,
    after_s: float = 0.0,
    own_bytes: float = 0.0,
    held_bytes: float = 0.0,
    disk: float = 0.0,
) -> Cost:
    """Cost of work on so many animals, several processes at once, and of `after_s` CPU-s in one process after it.

    Parameters
    ----------
    own_bytes, held_bytes
        What each process works with, and what one of them holds of all animals.
    """
    available = os.cpu_count() or 1
    processes = min(workers or available, animals) if animal_s else 0
    cores = max(min(processes, available), 1)
    rounds = -(-animals // processes) if processes else 0  # the last may leave processes idle
    return Cost(
        cpu_s=processes * PROCESS_S + animals * animal_s + after_s,
        wall_s=processes / cores * (PROCESS_S + rounds * animal_s) + after_s,
        memory=processes * (PROCESS_BYTES + own_bytes) + (processes != 1) * PROCESS_BYTES + held_bytes,
        disk=disk,
    )


def estimate_replay_on_demand(
    settings: RunSettings,
    task: Task,
    conditions: int,
    animal_s: float,
    own_bytes: float,
    workers: int | None,
) -> Cost:
    """Cost of a replay made on demand, of so many conditions.

    Parameters
    ----------
    settings : RunSettings
    task : Task
        Of the test sessions.
    conditions : int
    animal_s : float
        CPU time of one animal, s.
    own_bytes : float
        Memory of one process.
    workers : int, optional
        Processes.
    """
    held, disk = _measure_recording(settings, task, conditions)
    return combine(
        settings.animals,
        animal_s,
        workers,
        own_bytes=own_bytes,
        held_bytes=JOINED * held,
        disk=2 * disk,  # animals are kept until all are joined
    )


def _liken(settings: RunSettings) -> str:
    """The network that was measured, for one that was not."""
    return settings.network.kind if settings.network.kind in TRAIN else "rate"


def count_training_bins(settings: RunSettings, task: Task, done: float, common: float) -> float:
    """Bins of an update after a share `done` of training; steps, for a network that advances once a phase.

    Sessions are as long as the curriculum has them then. Cuts of a phase follow its longest duration of a batch, that of
    the slowest session.

    Parameters
    ----------
    settings : RunSettings
    task : Task
    done : float
        From 0 to 1.
    common : float
        Place in the range of paces that the sessions of the update have in common, from 0 (fastest) to 1.
    """
    n_trials = shorten(task, settings, done).n_trials
    if _liken(settings) in TIMELESS:
        return float(n_trials * len(task.phases))
    own = settings.train
    place = 1 - COMMON_PACE * (1 - common)  # of the slowest session
    pace = own.fastest * (own.slowest / own.fastest) ** (place * min(done / own.whole_from, 1.0))
    slowest = (phase.seconds[1] * (pace if phase.paced else 1.0) for phase in task.phases)
    return float(n_trials * sum(count_cuts(seconds, own.longest_bin) for seconds in slowest))


def count_replay_bins(settings: RunSettings, task: Task, timing: Timing = USUAL) -> float:
    """Bins of a replayed session, from the mean durations of phases.

    Parameters
    ----------
    settings : RunSettings
    task : Task
        Of the test sessions.
    timing : Timing
    """
    trial = sum(
        sum(phase.seconds) / 2 * (float(timing.pace) if phase.paced else 1.0) for phase in task.phases
    )
    session = task.n_trials * (trial + timing.longer_s) + min(timing.pauses, task.n_trials) * timing.pause_s
    return session / settings.replay.bin


def estimate_training(settings: RunSettings, task: Task) -> float:
    """CPU-s of training one animal, and the control without dopamine.

    Parameters
    ----------
    settings : RunSettings
    task : Task

    Returns
    -------
    float
        CPU time, s.
    """
    train, n_units = settings.train, settings.network.n_units

    def average_bins(done: float) -> float:
        return fmean(count_training_bins(settings, task, done, common) for common in SHARES)

    bins = fmean(map(average_bins, SHARES))
    control = CLAMPED_SHARE * average_bins(CLAMPED_SHARE / 2)
    return train.updates * (bins + control) * TRAIN[_liken(settings)].measure(n_units, train.sessions)


def estimate_replay(settings: RunSettings, task: Task, conditions: Sequence[Condition]) -> float:
    """CPU-s of replaying one animal under all conditions.

    Parameters
    ----------
    settings : RunSettings
    task : Task
        Of the test sessions.
    conditions : sequence of Condition
        The first runs in all held-out sessions, the others in recorded ones.

    Returns
    -------
    float
        CPU time, s.
    """
    n_units, kind, total = settings.network.n_units, _liken(settings), 0.0
    for place, condition in enumerate(conditions):
        needed = settings.replay.sessions if place else get_n_sessions(settings)
        size, costs = (PLASTIC_CHUNK, TRAIN) if condition.plastic else (CHUNK, REPLAY)
        bins = (
            float(task.n_steps) if kind in TIMELESS else count_replay_bins(settings, task, condition.timing)
        )
        chunks = chunk_sessions(settings, size, needed)
        total += bins * sum(costs[kind].measure(n_units, sessions) for _, sessions in chunks)
    return total


def _measure_recording(settings: RunSettings, task: Task, conditions: int) -> tuple[float, float]:
    """Bytes of the recording of all animals, in memory and on the disk."""
    cells = conditions * settings.replay.sessions * task.n_steps
    activity = settings.replay.unit_sessions * count_replay_bins(settings, task) * settings.network.n_units
    totals = 8.0 * conditions * settings.replay.held_out_sessions
    held = settings.animals * (CELL_BYTES * cells + ACTIVITY_BYTES * activity + totals)
    return held, settings.animals * (CELL_DISK * cells + ACTIVITY_DISK * activity + totals)


def format_bytes(count: float) -> str:
    """Bytes in MB, GB or TB."""
    unit, size = next((pair for pair in (("TB", 1e12), ("GB", 1e9)) if count >= pair[1]), ("MB", 1e6))
    return f"{count / size:,.1f} {unit}" if size > 1e6 else f"{count / size:.0f} MB"
