"""Progress of long work: a live bar with rate and remaining time on a terminal, otherwise one plain line per minute.

Work reports through a small callable, in this or another process. The callable appends one line to a temporary file that
the parent reads. This needs no server process, works after a worker is killed, and never makes a worker wait.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

_POLL_S = 0.25
_LINE_EVERY_S = 60.0


@dataclass(frozen=True)
class Report:
    """Reports the progress of one task: ``report(done, note)``. Can be pickled and called from any process."""

    scratch: str
    task: int

    def __call__(self, done: int, note: str = "") -> None:
        """Report progress.

        Parameters
        ----------
        done : int
            Finished parts of the task in total.
        note : str
            A short word on the current state.
        """
        line = f"{self.task}\t{done}\t{' '.join(note.split())[:200]}\n"
        with contextlib.suppress(OSError):  # a full disk must not end the work because of its progress bar
            descriptor = os.open(self.scratch, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)


@dataclass
class _Task:
    name: str
    total: int
    added_at: float
    done: int = 0
    note: str = ""
    first_done: int | None = None  # a continued task starts above 0, which is no sign of speed
    first_at: float = 0.0

    def report(self, done: int, note: str, now: float) -> None:
        if self.first_done is None:
            self.first_done, self.first_at = done, now
        self.done, self.note = done, note or self.note

    def rate(self, now: float) -> float:
        """Parts per second since the first report, in this process."""
        if self.first_done is None or now <= self.first_at:
            return 0.0
        return (self.done - self.first_done) / (now - self.first_at)


class Progress:
    """Display of the running tasks on `stream`, while open as a context manager.

    The first word of the name of a task is its stage (``train animal 0``); a plain line sums over the latest
    stage.

    Parameters
    ----------
    stream : text stream, optional
        stderr if not given.
    line_every : float
        Time between two plain lines, in s.

    Examples
    --------
    >>> with Progress() as progress:
    ...     report = progress.task("train animal 0", total=300)
    ...     report(150, "reward 0.58")
    """

    def __init__(self, stream: TextIO | None = None, line_every: float = _LINE_EVERY_S) -> None:
        self._stream = stream or sys.stderr
        self._line_every = line_every
        self._tasks: list[_Task] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        descriptor, self._scratch = tempfile.mkstemp(prefix="pfc-da-progress-")
        os.close(descriptor)
        self._reader = Path(self._scratch).open("rb")
        self._rest = b""
        self._line_at = time.monotonic()
        self._bars = _Bars(self._stream) if self._stream.isatty() else None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()
        self._read()
        self._reader.close()
        Path(self._scratch).unlink(missing_ok=True)
        if self._bars is not None:
            self._bars.show(self._tasks)
            self._bars.close()
        elif self._tasks:
            self._write_line()

    def task(self, name: str, total: int) -> Report:
        """Add a task.

        Parameters
        ----------
        name : str
            Stage first, such as ``train animal 0``.
        total : int
            Parts of the task.

        Returns
        -------
        Report
        """
        with self._lock:
            self._tasks.append(_Task(name, total, time.monotonic()))
            return Report(self._scratch, len(self._tasks) - 1)

    def advance(self, name: str, n: int = 1, note: str = "") -> None:
        """Report more finished parts of a task, from this process.

        Parameters
        ----------
        name : str
            Of a task added before.
        n : int
            Parts finished since the last report.
        note : str
            A short word on the current state.
        """
        with self._lock:
            task = next(task for task in self._tasks if task.name == name)
            if task.first_done is None:
                task.report(0, "", task.added_at)
            task.report(task.done + n, note, time.monotonic())

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_S):
            self._read()
            if self._bars is not None:
                self._bars.show(self._tasks)
            elif self._tasks and time.monotonic() - self._line_at >= self._line_every:
                self._write_line()

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self._reader.read()).split(b"\n")
        now = time.monotonic()
        with self._lock:
            for line in lines:
                index, done, note = line.decode(errors="replace").split("\t", 2)
                self._tasks[int(index)].report(int(done), note, now)

    def _write_line(self) -> None:
        self._line_at = time.monotonic()
        with self._lock:
            line = _summary(self._tasks, self._line_at)
        with contextlib.suppress(OSError, ValueError):  # whoever read our stderr may have gone
            print(line, file=self._stream, flush=True)


class _Bars:
    """Live bars, drawn by rich, which is imported only on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[speed]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = RichProgress(*columns, console=Console(file=stream))
        self._ids: list[Any] = []
        self._bars.start()

    def show(self, tasks: list[_Task]) -> None:
        now = time.monotonic()
        for index, task in enumerate(list(tasks)):
            if index == len(self._ids):
                self._ids.append(self._bars.add_task(task.name, total=task.total, speed="", note=""))
            self._bars.update(
                self._ids[index], completed=task.done, speed=_speed([task], now), note=task.note
            )

    def close(self) -> None:
        self._bars.stop()


def _summary(tasks: list[_Task], now: float) -> str:
    """One line on the progress of the latest stage."""
    stage = tasks[-1].name.split()[0]
    tasks = [task for task in tasks if task.name.split()[0] == stage]
    done, total = sum(task.done for task in tasks), sum(task.total for task in tasks)
    latest = next((f"{task.name}: {task.note}" for task in reversed(tasks) if task.note), "")
    return ", ".join(filter(None, (f"{stage} {done}/{total}", _speed(tasks, now), latest)))


def _speed(tasks: list[_Task], now: float) -> str:
    """Rate and remaining time; empty while the rate is unknown or when all is done."""
    rate = sum(task.rate(now) for task in tasks if task.done < task.total)
    left = sum(task.total - task.done for task in tasks)
    return f"{rate:.3g}/s, {_duration(left / rate)} left" if rate > 0 and left > 0 else ""


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{hours:.1f} h"
