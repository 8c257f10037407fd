"""Progress of long work: live rows on a terminal, otherwise plain lines, at each stage and every half minute.

Work is done in stages, such as train and replay, each of tasks, such as animals. Work reports through a small callable,
in this or another process. The callable appends one line to a temporary file that the parent reads. This needs no
server process, works after a worker is killed, and never makes a worker wait.

The time left is that of all stages. It starts from what they were expected to take and follows the pace measured so far.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

from pfc_da.jobs import signals

_POLL_S = 0.25
_LINE_EVERY_S = 30.0
_FIRST_LINE_S = 1.0
"""The first line of a stage comes after this time, so that what is refused at once is one line."""
_PRIOR_S = 10.0
"""Work, in s as expected, after which the measured pace weighs as much as the expected one."""
_ROWS = 12
"""Most tasks shown at once on a terminal, of which the smallest usual one has 24 rows."""


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
        signals.raise_lost()
        line = f"{self.task}\t{done}\t{' '.join(note.split())[:200]}\n"
        with contextlib.suppress(OSError):  # a full disk must not end the work because of its progress bar
            descriptor = os.open(self.scratch, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)


@dataclass
class Task:
    """A part of a stage that reports; `before` is what an earlier command has done of it, None until the first report."""

    name: str
    total: int
    done: int = 0
    note: str = ""
    before: int | None = None

    def report(self, done: int, note: str) -> None:
        """Take what was reported; the first report says where the work goes on from.

        Parameters
        ----------
        done : int
            Units of work that are done.
        note : str
            Empty: the last note stays.
        """
        if self.before is None:
            self.before = done
        self.done, self.note = done, note or self.note


@dataclass
class Stage:
    """A stage with its tasks; times in s of a monotonic clock."""

    name: str
    began: float
    tasks: list[Task] = field(default_factory=list)
    ended: float | None = None
    reported: float = 0.0
    """Time of the last report."""

    def __post_init__(self) -> None:
        """Nothing has been reported yet."""
        self.reported = self.began

    def count(self) -> tuple[int, int]:
        """Finished parts, and all."""
        return sum(task.done for task in self.tasks), sum(task.total for task in self.tasks)

    def count_tasks(self) -> str:
        """Number of finished tasks, in words; empty for one task."""
        finished = sum(task.done >= task.total for task in self.tasks)
        return f"{finished} of {len(self.tasks)} finished" if len(self.tasks) > 1 else ""

    @property
    def left(self) -> float:
        """Share of the stage that is not done."""
        done, total = self.count()
        if self.ended is not None:
            return 0.0
        return 1 - done / total if total else 1.0

    @property
    def worked(self) -> float:
        """Share of the stage that was done since it began here, without what was done before."""
        before, (_, total) = sum(task.before or 0 for task in self.tasks), self.count()
        return 1 - self.left - (before / total if total else 0.0)


def estimate_left(stages: Sequence[Stage], expected: Mapping[str, float], now: float) -> float | None:
    """Time until all stages are done, in s; None if nothing is known of it.

    Parameters
    ----------
    stages : sequence of Stage
        Those that have begun; the last is under way.
    expected : mapping of str to float
        Time in s that each stage was expected to take; if empty, the pace of the last stage alone counts.
    now : float
        In s, of the clock of the stages.
    """
    if not stages:
        return None
    current, prior = stages[-1], _PRIOR_S if expected else 0.0
    expected = expected or {current.name: 1.0}
    measured = sum(expected.get(stage.name, 0.0) * stage.worked for stage in stages)
    if measured + prior <= 0:
        return None
    pace = (current.reported - stages[0].began + prior) / (measured + prior)
    begun = {stage.name for stage in stages}
    to_come = sum(seconds for name, seconds in expected.items() if name not in begun)
    left = pace * (to_come + expected.get(current.name, 0.0) * current.left)
    return max(0.0, left - (now - current.reported))


class Progress:
    """Display of the stages of a command on `stream`, while open as a context manager.

    Parameters
    ----------
    expected : mapping of str to float, optional
        Time in s that each stage is expected to take, all that are to come.
    stream : text stream, optional
        stderr if not given.
    line_every : float
        Time between two plain lines, in s.

    Examples
    --------
    >>> with Progress({"train": 60.0}) as progress, progress.stage("train"):
    ...     report = progress.task("animal 0", total=300)
    ...     report(150, "reward 0.58")
    """

    def __init__(
        self,
        expected: Mapping[str, float] | None = None,
        stream: TextIO | None = None,
        line_every: float = _LINE_EVERY_S,
    ) -> None:
        self._expected = expected or {}
        self._stream = stream or sys.stderr
        self._line_every = line_every
        self._stages: list[Stage] = []
        self._tasks: list[tuple[Stage, Task]] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        signals.raise_from_now_on()
        descriptor, self._scratch = tempfile.mkstemp(prefix="pfc-da-progress-")
        os.close(descriptor)
        self._reader = Path(self._scratch).open("rb")
        self._rest = b""
        self._line_at = time.monotonic()
        self._rows = _Rows(self._stream) if _can_move(self._stream) else None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()
        self._reader.close()
        Path(self._scratch).unlink(missing_ok=True)
        if self._rows is not None:
            self._rows.close()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show that a stage is under way; tasks added inside are its own."""
        with self._lock:
            stage = Stage(name, time.monotonic())
            self._stages.append(stage)
            self._line_at = stage.began - self._line_every + min(_FIRST_LINE_S, self._line_every)
        yield
        self._read()
        stage.ended = stage.reported = time.monotonic()
        self._show_or_write()

    def task(self, name: str, total: int) -> Report:
        """Add a task to the stage begun last, which is called work if there is none.

        Parameters
        ----------
        name : str
            Such as ``animal 0``.
        total : int
            Parts of the task.

        Returns
        -------
        Report
        """
        with self._lock:
            if not self._stages:
                self._stages.append(Stage("work", time.monotonic()))
            stage, task = self._stages[-1], Task(name, total)
            stage.tasks.append(task)
            self._tasks.append((stage, task))
            return Report(self._scratch, len(self._tasks) - 1)

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_S):
            self._read()
            if self._rows is not None or time.monotonic() - self._line_at >= self._line_every:
                self._show_or_write()

    def _read(self) -> None:
        with self._lock:
            *lines, self._rest = (self._rest + self._reader.read()).split(b"\n")
            for line in lines:
                index, done, note = line.decode(errors="replace").split("\t", 2)
                stage, task = self._tasks[int(index)]
                task.report(int(done), note)
                stage.reported = time.monotonic()

    def _show_or_write(self) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._stages:
                return
            left = estimate_left(self._stages, self._expected, now)
            if self._rows is not None:
                self._rows.show(self._stages, left, now)
                return
            self._line_at = now
            with contextlib.suppress(OSError, ValueError):  # whoever read our stderr may have gone
                print(summarise(self._stages[-1], left), file=self._stream, flush=True)


def summarise(stage: Stage, left: float | None) -> str:
    """One line on the progress of a stage.

    Parameters
    ----------
    stage : Stage
    left : float, optional
        Time left of all stages, in s.

    Returns
    -------
    str
    """
    done, total = stage.count()
    if stage.ended is not None:
        return f"{stage.name}: done in {format_time(stage.ended - stage.began)}"
    if not total:
        return _join(f"{stage.name}: begun", _describe(left))
    latest = next((f"{task.name}: {task.note}" for task in reversed(stage.tasks) if task.note), "")
    return _join(f"{stage.name}: {done} of {total}", stage.count_tasks(), _describe(left), latest)


def format_time(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, length in (("days", 86400.0), ("h", 3600.0)):
        if seconds >= 2 * length:
            return (
                f"{seconds / length:.1f} {unit}"
                if seconds < 1e3 * length
                else f"{seconds / length:,.0f} {unit}"
            )
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _describe(left: float | None) -> str:
    return f"about {format_time(left)} left" if left is not None and left >= 1 else ""


def _join(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _can_move(stream: TextIO) -> bool:
    """True if lines of the stream can be drawn over: it is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


class _Rows:
    """Live rows, drawn by rich, which is imported only on a terminal: in all, each stage, and tasks under way."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[note]}", markup=False, table_column=rest),
        )
        self._bars = RichProgress(*columns, console=Console(file=stream), expand=True, auto_refresh=False)
        self._ids: dict[int, Any] = {}
        self._bars.start()

    def show(self, stages: Sequence[Stage], left: float | None, now: float) -> None:
        elapsed = now - stages[0].began
        whole = None if left is None else elapsed + left
        self._draw(stages, "all", elapsed, whole, _join(format_time(elapsed), _describe(left)))
        for stage in stages:
            done, total = stage.count()
            if stage.ended is not None:
                self._draw(stage, stage.name, 1, 1, format_time(stage.ended - stage.began))
            elif total:
                note = _join(f"{done} of {total}", stage.count_tasks() or stage.tasks[0].note)
                self._draw(stage, stage.name, done, total, note)
            else:
                self._draw(stage, stage.name, 0, None, format_time(now - stage.began))
            self._show_tasks(stage)
        self._bars.refresh()

    def _show_tasks(self, stage: Stage) -> None:
        """Show those under way of several tasks, and take away those that have ended."""
        alone = stage.ended is not None or len(stage.tasks) == 1
        live = [task for task in stage.tasks if task.before is not None and task.done < task.total]
        shown = [] if alone else live[:_ROWS]
        for task in stage.tasks:
            if task in shown:
                note = _join(f"{task.done} of {task.total}", task.note)
                self._draw(task, f" {task.name}", task.done, task.total, note)
            elif id(task) in self._ids:
                self._bars.update(self._ids[id(task)], visible=False)

    def close(self) -> None:
        self._bars.stop()

    def _draw(self, what: object, name: str, done: float, total: float | None, note: str) -> None:
        """Draw the row of `what`, with a bar that moves to and fro while its total is not known."""
        if id(what) not in self._ids:
            self._ids[id(what)] = self._bars.add_task(name, total=total, note="")
        self._bars.update(self._ids[id(what)], completed=done, total=total, note=note, visible=True)
