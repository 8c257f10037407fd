"""Worker processes: they end with the process they work for, and hold the folder they write in until they have ended.

Signals are left to the parent, which kills its workers when it is interrupted. If the parent itself is killed, Linux kills
them; elsewhere a thread in each of them sees to it. The folder stays locked, by a file of its own, until the last has
ended, so that the next command never writes beside one.
"""

import contextlib
import ctypes
import fcntl
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from multiprocessing import resource_tracker
from pathlib import Path
from typing import IO, Any, TypeVar

from pfc_da import signals

LOCK = ".workers"
PATIENCE_S = 30.0
"""How long a command waits for workers of one that was killed; they take a moment, or as long as a disk that hangs."""
_PR_SET_PDEATHSIG = 1
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}  # fmt: skip
_held: list[IO[str]] = []

T = TypeVar("T")


def work(
    jobs: Sequence[Callable[[], T]],
    workers: int | None,
    folder: Path | None = None,
    done: Callable[[T], Any] = lambda result: None,
) -> list[T]:
    """Do the jobs, several processes at once unless `workers` is 1.

    Parameters
    ----------
    workers
        How many at once; None for one a CPU core.
    folder
        Where the jobs write: held by every worker until it has ended.
    done
        Called with each result when it is there.

    Returns
    -------
    list
        Results in the order of the jobs. The first that fails ends all others.
    """
    n = min(workers or os.cpu_count() or 1, len(jobs))
    if n == 1 or multiprocessing.current_process().daemon:  # a daemonic process may have no children
        results = []
        for job in jobs:
            results.append(job())
            done(results[-1])
        return results
    return _work_in_processes(jobs, n, folder, done)


def _work_in_processes(
    jobs: Sequence[Callable[[], T]], n: int, folder: Path | None, done: Callable[[T], Any]
) -> list[T]:
    from joblib.externals import loky

    with _signals_blocked():
        begin = functools.partial(_begin, os.getpid(), folder)
        executor = loky.ProcessPoolExecutor(n, initializer=begin, env=_ONE_THREAD | os.environ)
        resource_tracker.ensure_running()
    try:
        with _signals_blocked():  # anew: the start of the two trackers of resources above has ended the block
            futures = [executor.submit(job) for job in jobs]
        for future in as_completed(futures):
            done(future.result())
        return [future.result() for future in futures]
    finally:
        with warnings.catch_warnings(
            action="ignore"
        ):  # where there is no pgrep, loky says so and kills them all the same
            executor.shutdown(kill_workers=True)


def wait_for_workers(folder: Path, patience_s: float = PATIENCE_S) -> bool:
    """Wait until no worker of an earlier command holds the folder; False if one still does when patience is over."""
    if not (folder / LOCK).exists():
        return True
    until = time.monotonic() + patience_s
    with (folder / LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
            else:
                return True


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Hold signals back inside. Processes and threads begun inside never get them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int, folder: Path | None) -> None:
    """Begin as a worker of the process `parent`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if folder is not None:
        _held.append((folder / LOCK).open("a"))
        fcntl.flock(_held[-1], fcntl.LOCK_SH)
    if os.getppid() != parent:  # it ended before the lines above had their effect
        os._exit(1)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
