"""Progress is told from any process, as plain lines or as bars, and never ends the work."""

import contextlib
import io
import multiprocessing
import os
import pickle
import re
import time

import pytest

from pfc_da.jobs.progress import Progress, Report, _duration, _summary, _Task


def work(report: Report, parts: int) -> None:
    for done in range(1, parts + 1):
        report(done, f"reward 0.{done}\tnew\nline")


def test_worker_processes_report_and_the_last_line_sums_them():
    stream = io.StringIO()
    with Progress(stream) as progress:
        reports = [progress.task(f"train animal {index}", total=50) for index in range(2)]
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=work, args=(report, 40)) for report in reports]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    line = stream.getvalue()
    assert re.fullmatch(r"train 80/100(, [\d.e+]+/s, .+ left)?, train animal 1: reward 0.40 new line\n", line)


def test_a_line_at_every_interval_and_one_at_the_end():
    stream = io.StringIO()
    with Progress(stream, line_every=0.3) as progress:
        progress.task("train animals", total=2)
        time.sleep(0.9)
        progress.advance("train animals", 1)
        progress.task("replay conditions", total=3)
        progress.advance("replay conditions", 2, "frozen")
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 4
    assert lines[0] == "train 0/2"
    assert re.fullmatch(r"replay 2/3, .*/s, 0 s left, replay conditions: frozen", lines[-1])


def test_nothing_is_said_when_there_was_nothing_to_do():
    stream = io.StringIO()
    with Progress(stream):
        pass
    assert stream.getvalue() == ""


def test_rate_and_time_left_leave_out_what_an_earlier_run_did():
    """From 1000 to 1100 of 1300 in 10 s: 10 a second, 20 s left."""
    task = _Task("train animal 0", total=1300, added_at=0.0)
    task.report(1000, "", now=50.0)
    task.report(1100, "reward 0.61", now=60.0)
    assert _summary([task], now=60.0) == "train 1100/1300, 10/s, 20 s left, train animal 0: reward 0.61"


def test_rates_of_parallel_tasks_add_and_waiting_tasks_count():
    running = [_Task(f"train animal {index}", total=100, added_at=0.0) for index in range(2)]
    for task in running:
        task.report(0, "", now=0.0)
        task.report(50, "", now=10.0)
    waiting = _Task("train animal 2", total=100, added_at=0.0)
    assert _summary([*running, waiting], now=10.0) == "train 100/300, 10/s, 20 s left"


@pytest.mark.parametrize("seconds, said", [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (7200, "2.0 h")])
def test_durations(seconds, said):
    assert _duration(seconds) == said


def test_a_report_that_cannot_be_written_does_not_end_the_work(tmp_path):
    Report(str(tmp_path / "gone"), 0)(1, "note")
    Report("/dev/full", 0)(1, "note")


def test_a_reader_that_went_away_does_not_end_the_work():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.task("train animals", total=2)
        stream.close()


def test_a_report_can_be_pickled_and_its_scratch_file_is_removed():
    with Progress(io.StringIO()) as progress:
        report = pickle.loads(pickle.dumps(progress.task("train animals", total=2)))
        assert os.path.exists(report.scratch)
    assert not os.path.exists(report.scratch)


def read_to_end(ours):
    """Everything that was written to a terminal which is closed now; one read may give a part only."""
    parts = []
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while part := os.read(ours, 100_000):
            parts.append(part)
    os.close(ours)
    return b"".join(parts).decode()


def test_bars_on_a_terminal():
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal, Progress(terminal) as progress:
        report = progress.task("train animal 0", total=30)
        report(10)
        time.sleep(0.4)
        report(30, "reward [0.61]")
    drawn = read_to_end(ours)
    assert "train animal 0" in drawn
    assert "30/30" in drawn
    assert "[0.61]" in drawn
