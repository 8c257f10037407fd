"""Worker processes: they end with their parent process, and lock the folder they write in until they have ended.

The parent handles signals and kills its workers when it is interrupted. If the parent itself is killed, Linux kills the
workers; on other systems a thread in each worker does. The folder is locked by a file of its own until the last worker has
ended, so the next command never writes to it at the same time.
"""

import contextlib
import ctypes
import fcntl
import functools
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from multiprocessing import resource_tracker
from pathlib import Path
from typing import IO, Any, TypeVar

from pfc_da import discovery
from pfc_da.jobs import signals

LOCK = ".workers"
PATIENCE_S = 30.0
"""Time in s that a command waits for workers of a killed command; they end at once unless the disk does not respond."""
_POLL_S = 0.25
_PR_SET_PDEATHSIG = 1
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}  # fmt: skip
_held: list[IO[str]] = []

LOG = logging.getLogger(__name__)
T = TypeVar("T")


def work(
    jobs: Sequence[Callable[[], T]],
    workers: int | None,
    folder: Path | None = None,
    done: Callable[[T], Any] = lambda result: None,
) -> list[T]:
    """Run jobs, in several processes unless `workers` is 1.

    Parameters
    ----------
    jobs : sequence of callable
        Without arguments; picklable if they run in other processes.
    workers : int, optional
        Processes at the same time; None for one per CPU core.
    folder : Path, optional
        Folder that the jobs write in; every worker locks it until it has ended.
    done : callable
        Called with each result as soon as it is available.

    Returns
    -------
    list
        Results in the order of the jobs. The first job that fails ends all others.

    Examples
    --------
    >>> work([lambda: 1, lambda: 2], workers=1)
    [1, 2]
    """
    n = min(workers or os.cpu_count() or 1, len(jobs))
    if n > 1 and not multiprocessing.current_process().daemon:  # a daemonic process may have no children
        return _work_in_processes(jobs, n, folder, done)
    results = []
    for job in jobs:
        signals.raise_lost()
        results.append(job())
        done(results[-1])
    return results


def _work_in_processes(
    jobs: Sequence[Callable[[], T]], n: int, folder: Path | None, done: Callable[[T], Any]
) -> list[T]:
    from joblib.externals import loky

    LOG.info("starts %d worker processes for %d jobs", n, len(jobs))
    with _signals_blocked():
        begin = functools.partial(_begin, os.getpid(), folder, discovery.loaded_files)
        executor = loky.ProcessPoolExecutor(n, initializer=begin, env=_ONE_THREAD | os.environ)
        resource_tracker.ensure_running()
    try:
        with _signals_blocked():  # again: the start of the two resource trackers above has ended the block
            futures = [executor.submit(job) for job in jobs]
        left = {*futures}
        while left:
            # the main thread sleeps on if the system gives a signal to another thread, as while they are blocked above
            finished, left = wait(left, _POLL_S, FIRST_COMPLETED)
            signals.raise_lost()
            for future in finished:
                done(future.result())
        return [future.result() for future in futures]
    finally:
        with warnings.catch_warnings(action="ignore"):  # without pgrep, loky warns but kills its workers too
            executor.shutdown(kill_workers=True)


def wait_for_workers(folder: Path, patience_s: float = PATIENCE_S) -> bool:
    """Wait until no worker of an earlier command locks the folder.

    Parameters
    ----------
    folder : Path
    patience_s : float
        Longest wait, in s.

    Returns
    -------
    bool
        False if a worker still locks the folder after this time.
    """
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
    """Block signals inside the context. Processes and threads started inside never receive them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int, folder: Path | None, files: Sequence[Path]) -> None:
    """Start as a worker of the process `parent`; its jobs may need what is in `files`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if folder is not None:
        _held.append((folder / LOCK).open("a"))
        fcntl.flock(_held[-1], fcntl.LOCK_SH)
    if os.getppid() != parent:  # the parent ended before the lines above took effect
        os._exit(1)
    for file in files:
        discovery.load_file(file)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
