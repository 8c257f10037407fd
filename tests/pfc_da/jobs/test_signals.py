"""Any signal at any time: one line, exit code 130, and no process left."""

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pfc_da.experiment.stages import run_stages
from pfc_da.jobs import signals
from pfc_da.jobs.progress import Progress
from pfc_da.jobs.workers import wait_for_workers, work
from pfc_da.storage.folder_lock import lock_folder
from pfc_da.storage.manifest import read_manifest
from pfc_da.storage.run_folder import RunFolder

LINE = "interrupted: give the same command to begin again.\n"
BUSY = """
import functools, sys, time
from pfc_da import cli
from pfc_da.jobs import signals
from pfc_da.__main__ import main

ready = functools.partial(print, "ready", flush=True)

def busy(arguments):
    signals.raise_from_now_on()
    {0}
    return 0

cli.exit_code = busy
main()
"""
LOSING = """
import signal, sys, time
from pfc_da import paradigms
from pfc_da.__main__ import main
from pfc_da.errors import InputError
from pfc_da.jobs import signals

def names():
    {before}
    try: signal.raise_signal(signal.SIGINT)
    except: pass
    {after}

paradigms.names = names
sys.argv = ["pfc-da", "list"]
main()
"""


def start(code, **options):
    """A process that has come to print that it is ready."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], **streams, **options)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def lose(monkeypatch):
    """A function that loses the KeyboardInterrupt of a signal, as a library may."""
    monkeypatch.setattr(signals, "_first_at", -float("inf"))
    monkeypatch.setattr(signals, "_raises", True)

    def lose(*_):
        with contextlib.suppress(KeyboardInterrupt):
            signals._interrupt(signal.SIGINT, None)

    return lose


def catches(process):
    """True if it has a handler of its own for SIGTERM, as Python itself has not."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return caught >> (signal.SIGTERM - 1) & 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process catches")
@pytest.mark.parametrize("numbers", [["SIGINT"], ["SIGTERM", "SIGTERM"], ["SIGINT", "SIGTERM", "SIGINT"]])
def test_at_any_moment_of_the_first_half_second(tmp_path, numbers):
    command = [sys.executable, "-m", "pfc_da", "run", "bandit", "--quick", "--out", str(tmp_path / "run")]
    for _ in range(3):
        delay = random.uniform(0, 0.5)  # other moments every time
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not catches(process):
            time.sleep(0.001)
        time.sleep(delay)
        for name in numbers:
            process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, ""), (delay, err)
        assert err.startswith("interrupted: ") and err.count("\n") == 1, (delay, err)


def test_signals_are_caught_before_anything_slow_is_imported():
    code = "import sys; before = {*sys.modules}; import pfc_da.__main__; print(*({*sys.modules} - before))"
    root = str(Path(__file__).resolve().parents[3])
    bare = {**os.environ, "PYTHONPATH": root}  # -S: without what an installation of this package imports
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=bare)
    assert {name for name in done.stdout.split() if name.startswith("pfc_da")} == {
        "pfc_da",
        "pfc_da.jobs",
        "pfc_da.jobs.signals",
        "pfc_da.__main__",
    }, done.stderr
    assert not {"typing", "typer", "contextlib", "re", "pathlib"} & {*done.stdout.split()}


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_during_the_clean_up_do_not_disturb_it(first):
    clean = "try: ready(); time.sleep(60)\n    finally: time.sleep(0.3); sys.stderr.write('cleaned\\n')"
    with start(BUSY.format(clean)) as process:
        for number in (first, first, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
            time.sleep(0.03)
        assert process.communicate(timeout=20)[1] == f"cleaned\n{LINE}"
    assert process.returncode == 130


def test_an_interrupt_in_a_destructor_is_not_lost():
    lost = (
        "class Lost:\n        def __del__(self): signals.signal.raise_signal(2)\n"
        "    ready(); Lost(); time.sleep(60)"
    )
    with start(BUSY.format(lost)) as process:
        assert process.communicate(timeout=20)[1] == LINE
    assert process.returncode == 130


def test_signals_while_the_interpreter_ends_change_nothing():
    late = "ready(); import atexit; atexit.register(lambda: (print('ending', flush=True), time.sleep(0.5)))"
    with start(BUSY.format(late)) as process:
        assert process.stdout.readline() == "ending\n"
        for number in signals.ENDING:
            process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "before, after",
    [
        ("pass", "time.sleep(60)"),  # nothing to clean up: at once
        ("signals.raise_from_now_on()", "return []"),
        ("signals.raise_from_now_on()", "raise InputError('planted')"),
    ],
)
def test_a_command_that_loses_one_is_interrupted_all_the_same(before, after):
    command = [sys.executable, "-c", LOSING.format(before=before, after=after)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", LINE)


@pytest.mark.parametrize("begin", [lambda path: lock_folder(path), lambda path: Progress()])
def test_with_a_folder_held_or_progress_shown_there_is_something_to_clean_up(tmp_path, monkeypatch, begin):
    monkeypatch.setattr(signals, "_raises", False)
    with begin(tmp_path):
        assert signals._raises


def test_after_a_lost_one_no_stage_begins(tmp_path, lose):
    done = []
    stages = {"train": lose, "replay": functools.partial(done.append, "replay")}
    folder = RunFolder.open(tmp_path / "run", {"paradigm": "bandit", "seed": 0, "animals": 1})
    with pytest.raises(KeyboardInterrupt, match="^$"), folder, Progress() as progress:
        run_stages(folder, stages, stages, progress)
    assert done == []
    manifest = read_manifest(folder.path)
    assert (manifest.status, [*manifest.stages]) == ("interrupted", ["train"])


def test_after_a_lost_one_no_job_begins(lose):
    done = []
    with pytest.raises(KeyboardInterrupt, match="^$"):
        work([lose, functools.partial(done.append, 1)], 1)
    assert done == []


def test_after_a_lost_one_workers_end(tmp_path, lose):
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match="^$"):
        work([functools.partial(time.sleep, seconds) for seconds in (0, 30)], 2, tmp_path, done=lose)
    assert time.monotonic() - started < 25
    assert wait_for_workers(tmp_path, 0)


def test_after_a_lost_one_the_next_report_ends_the_work(lose):
    with Progress() as progress:
        report = progress.task("animal 0", 2)
        report(1)
        lose()
        with pytest.raises(KeyboardInterrupt, match="^$"):
            report(2)


def test_a_lost_one_can_be_given_again():
    lose = "signals.AGAIN_S = 0.1\n    try: ready(); time.sleep(60)\n    except KeyboardInterrupt: pass\n    time.sleep(60)"
    with start(BUSY.format(lose)) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == LINE
    assert process.returncode == 130


def test_a_closed_terminal_ends_no_command_under_nohup():
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with start(BUSY.format("ready(); time.sleep(0.5)"), **ignoring) as process:
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0


def test_one_that_passes_through_a_text_that_is_run_is_an_exit_as_any():
    with start(BUSY.format("ready(); exec('time.sleep(60)')")) as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == LINE
    assert process.returncode == 130


def test_what_fails_after_a_signal_fails_because_of_it(monkeypatch):
    assert signals.caused(KeyboardInterrupt()) and not signals.caused(MemoryError())
    monkeypatch.setattr(signals, "_first_at", 1.0)
    assert signals.caused(MemoryError())
