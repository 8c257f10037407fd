"""Workers end with their parent, hold their folder until they have, and leave signals to it."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pfc_da.errors import InputError
from pfc_da.jobs import signals, workers
from pfc_da.jobs.workers import LOCK, wait_for_workers, work
from pfc_da.storage.folder_lock import lock_folder

PARENT = """
import functools, pathlib, sys, time
from pfc_da.storage.folder_lock import lock_folder
from pfc_da.jobs.workers import work

def linger(folder, number):
    (folder / f"begun-{number}").touch()
    time.sleep(30)
    (folder / f"done-{number}").touch()

folder = pathlib.Path(sys.argv[1])
lock = lock_folder(folder)
work([functools.partial(linger, folder, number) for number in range(3)], 2, folder)
"""


@pytest.fixture
def parent(tmp_path):
    """A process whose two workers are at work in `tmp_path`."""
    tag = str(tmp_path)
    command = [sys.executable, "-c", PARENT, tag]
    with subprocess.Popen(
        command, env={**os.environ, "PFC_DA_TEST": tag}, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: len([*tmp_path.glob("begun-*")]) == 2)
        yield process
        process.kill()


def wait_until(true, patience_s=30.0):
    until = time.monotonic() + patience_s
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


def test_no_worker_outlives_a_parent_that_is_killed(parent, tmp_path, find_processes):
    assert len(find_processes(tmp_path)) > 2
    parent.kill()
    parent.wait()
    lock_folder(tmp_path).close()  # waits for them
    wait_until(lambda: find_processes(tmp_path) == [], 5)
    assert not [*tmp_path.glob("done-*")]


def test_workers_stopped_by_the_terminal_end_too(parent, tmp_path, find_processes):
    for process in find_processes(tmp_path):
        os.kill(process, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    wait_until(lambda: wait_for_workers(tmp_path, 0), 5)


def test_where_the_system_does_not_end_them_a_thread_does(tmp_path, find_processes):
    child = "import os, sys; from pfc_da.jobs.workers import _end_with; print(flush=True); _end_with(int(sys.argv[1]))"
    code = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, str(os.getpid())])"
    tagged = {**os.environ, "PFC_DA_TEST": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], env=tagged, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert len(find_processes(tmp_path)) == 2
        process.kill()
        process.wait()
        wait_until(lambda: find_processes(tmp_path) == [], 5)


def test_signals_are_left_to_the_parent(parent, tmp_path, find_processes):
    ours = set(find_processes(tmp_path))
    for process in ours - {parent.pid}:
        for number in signals.ENDING:
            os.kill(process, number)
    time.sleep(0.3)
    assert set(find_processes(tmp_path)) == ours
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) != 0
    assert wait_for_workers(tmp_path, 0)
    wait_until(lambda: find_processes(tmp_path) == [], 5)


def test_a_signal_that_another_thread_receives_is_not_left_until_a_job_ends():
    def receive():
        time.sleep(0.3)  # by then the main thread waits for the second job
        signal.raise_signal(signal.SIGINT)

    started = time.monotonic()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    try:
        with pytest.raises(KeyboardInterrupt, match="^$"):
            work(
                [functools.partial(time.sleep, seconds) for seconds in (0, 15)],
                2,
                done=lambda _: threading.Thread(target=receive).start(),
            )
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 10


def test_a_folder_is_refused_while_workers_of_another_command_hold_it(tmp_path, monkeypatch):
    monkeypatch.setattr(workers.wait_for_workers, "__defaults__", (0.1,))
    with (tmp_path / LOCK).open("a") as held:
        workers.fcntl.flock(held, workers.fcntl.LOCK_SH)
        with pytest.raises(
            InputError, match="is still being written by workers of a command that was killed"
        ):
            lock_folder(tmp_path)
    lock_folder(tmp_path).close()


def test_results_come_in_order_and_are_counted_as_they_come():
    came = []
    assert work([functools.partial(pow, 2, n) for n in range(5)], 2, done=came.append) == [1, 2, 4, 8, 16]
    assert sorted(came) == [1, 2, 4, 8, 16]
    assert work([functools.partial(pow, 2, n) for n in range(3)], 1) == [1, 2, 4]
    assert multiprocessing.active_children() == []


def test_the_first_failure_ends_the_others(tmp_path):
    started = time.monotonic()
    jobs = [functools.partial(time.sleep, 30), functools.partial(int, "planted")]
    with pytest.raises(ValueError, match="planted"):
        work(jobs, 2, tmp_path)
    assert time.monotonic() - started < 25
    assert wait_for_workers(tmp_path, 0)


def test_a_worker_that_is_killed_is_an_error_and_no_wait(tmp_path):
    jobs = [functools.partial(time.sleep, 30), functools.partial(signal.raise_signal, signal.SIGKILL)]
    with pytest.raises(RuntimeError, match="unexpectedly terminated"):
        work(jobs, 2, tmp_path)


def test_workers_do_their_sums_in_one_thread(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert work(2 * [functools.partial(os.getenv, "OMP_NUM_THREADS")], 2) == ["1", "1"]
