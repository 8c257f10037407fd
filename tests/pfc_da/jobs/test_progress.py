"""Progress is reported from any process, as plain lines or as live rows, and never ends the work."""

import io
import multiprocessing
import os
import pickle
import re
import struct
import subprocess
import sys
import time

import pytest
from rich.console import Console

from pfc_da.jobs import progress as _progress
from pfc_da.jobs.progress import Progress, Report, Stage, Task, estimate_left, summarise


def work(report: Report, parts: int) -> None:
    for done in range(1, parts + 1):
        report(done, f"reward 0.{done}\tnew\nline")


def test_worker_processes_report_and_a_line_sums_them():
    stream = io.StringIO()
    with Progress(stream=stream) as progress, progress.stage("train"):
        reports = [progress.task(f"animal {index}", total=50) for index in range(2)]
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=work, args=(report, 40)) for report in reports]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        progress._read()
        line = summarise(progress._stages[0], 90.0)
    assert line == "train: 80 of 100, 0 of 2 finished, about 2 min left, animal 1: reward 0.40 new line"


def test_a_line_at_every_interval_and_at_the_end_of_each_stage():
    stream = io.StringIO()
    with Progress(stream=stream, line_every=0.2) as progress:
        with progress.stage("train"):
            progress.task("animal 0", total=2)
            time.sleep(0.9)
        with progress.stage("compare"):
            pass
    *between, done, end = stream.getvalue().splitlines()
    assert (done, end) == ("train: done in 1 s", "compare: done in 0 s")
    assert between and set(between) == {"train: 0 of 2"}
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_a_stage_without_parts_is_said_to_have_begun():
    assert summarise(Stage("compare", 0), None) == "compare: begun"
    assert summarise(Stage("compare", 0), 95) == "compare: begun, about 2 min left"


def test_of_a_stage_that_fails_at_once_nothing_is_said():
    stream = io.StringIO()
    with (
        pytest.raises(ValueError, match="planted"),
        Progress(stream=stream) as progress,
        progress.stage("train"),
    ):
        raise ValueError("planted")
    assert stream.getvalue() == ""


def test_nothing_is_said_when_there_was_nothing_to_do():
    stream = io.StringIO()
    with Progress(stream=stream):
        pass
    assert stream.getvalue() == ""


def make_stage(name, began, reported, *, before=0, done=0, total=100, ended=None):
    stage = Stage(name, began, [Task("animal 0", total, done, "", before)], ended)
    stage.reported = reported
    return stage


def test_without_an_estimate_the_time_left_follows_the_pace_and_leaves_out_what_an_earlier_run_did():
    """From 1000 to 1100 of 1300 in 10 s: 20 s left, and 15 s five seconds later."""
    stage = make_stage("train", 50, 60, before=1000, done=1100, total=1300)
    assert estimate_left([stage], {}, now=60) == pytest.approx(20)
    assert estimate_left([stage], {}, now=65) == pytest.approx(15)
    assert estimate_left([stage], {}, now=100) == 0
    assert estimate_left([make_stage("train", 50, 50)], {}, now=55) is None
    assert estimate_left([], {}, now=55) is None


def test_the_time_left_is_of_all_stages_and_moves_from_the_estimate_to_the_pace():
    expected = {"train": 1000.0, "replay": 100.0, "compare": 10.0}
    begun = make_stage("train", 0, 0)
    assert estimate_left([begun], expected, now=0) == pytest.approx(1110)
    assert estimate_left([begun], expected, now=30) == pytest.approx(1080)  # with nothing reported too
    slow = make_stage("train", 0, 1000, done=50)  # 500 s of work took 1000 s
    assert estimate_left([slow], expected, now=1000) == pytest.approx(2 * 610, rel=0.02)
    trained = make_stage("train", 0, 2000, done=100, ended=2000)
    comparing = [trained, make_stage("replay", 2000, 2200, done=100, ended=2200), Stage("compare", 2200)]
    assert estimate_left(comparing, expected, now=2205) == pytest.approx(15, abs=0.5)


def test_tasks_that_wait_count_in_the_time_left():
    stage = make_stage("train", 0, 10, done=50)
    stage.tasks += [Task("animal 1", 100, 50, "", 0), Task("animal 2", 100)]
    assert estimate_left([stage], {}, now=10) == pytest.approx(20)


def test_a_report_that_cannot_be_written_does_not_end_the_work(tmp_path):
    Report(str(tmp_path / "gone"), 0)(1, "note")
    Report("/dev/full", 0)(1, "note")


def test_a_reader_that_went_away_does_not_end_the_work():
    stream = io.StringIO()
    with Progress(stream=stream) as progress, progress.stage("train"):
        stream.close()


def test_a_report_can_be_pickled_and_its_scratch_file_is_removed():
    with Progress(stream=io.StringIO()) as progress:
        report = pickle.loads(pickle.dumps(progress.task("train animals", total=2)))
        assert os.path.exists(report.scratch)
    assert not os.path.exists(report.scratch)


def rows_of(stages, left, now):
    """Lines shown by a terminal of 80 x 24."""
    rows = _progress._Rows(io.StringIO())
    rows.show(stages, left, now)
    rows.close()
    console = Console(file=io.StringIO(), width=80, height=24)
    return [
        "".join(segment.text for segment in line).rstrip()
        for line in console.render_lines(rows._bars.get_renderable(), pad=False)
    ]


def test_twenty_animals_fit_a_terminal_and_finished_ones_are_counted():
    long = "a note that certainly does not fit into the short line that is left for it"
    train = Stage("train", 0)
    train.tasks = [Task(f"animal {index}", 400, 400, long, 0) for index in range(3)]
    train.tasks += [Task(f"animal {index}", 400, 120, long, 0) for index in range(3, 19)]
    train.tasks += [Task("animal 19", 400)]
    lines = rows_of([train], 95.0, 41.0)
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
    assert "41 s, about 2 min left" in lines[0]
    assert "3120 of 8000, 3 of 20 finished" in lines[1]
    assert "animal 3 " in lines[2] and "120 of 400, a note" in lines[2]
    assert not re.search("animal (0|1|2|19) ", "\n".join(lines))
    train.ended = 50.0
    lines = rows_of([train, Stage("compare", 50)], None, 57.0)
    assert len(lines) == 3 and "train" in lines[1] and "50 s" in lines[1]
    assert "compare" in lines[2] and lines[2].endswith(" 7 s")


SLEEPER = """
import sys, time
from pfc_da.jobs.progress import Progress
with Progress({"train": 60.0}) as progress, progress.stage("train"):
    reports = [progress.task(f"animal {index}", 100) for index in range(20)]
    for report in reports:
        report(30, "reward [0.61]")
    time.sleep(2.5)
"""


def test_rows_move_on_a_terminal_while_nothing_is_reported(tmp_path):
    """Twenty animals on a terminal of 80 x 24, read as the terminal gets it."""
    import fcntl
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    drawn = read_to_end(ours)
    assert child.wait() == 0
    assert "[0.61]" in drawn
    times = re.findall(r"(\d+) s, about (\d+) s left", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", drawn))
    assert {"1", "2"} <= {elapsed for elapsed, _ in times}
    assert len({left for _, left in times}) > 1
    ups = [len(re.findall(r"\x1b\[1A", jump)) for jump in re.findall(r"(?:\x1b\[\d[AK])+", drawn)]
    assert 0 < max(ups) < 24
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", drawn))
    assert max(map(len, lines)) <= 80


def read_to_end(ours):
    """Everything that was written to a terminal which is closed now; one read may give a part only."""
    parts = []
    try:
        while part := os.read(ours, 100_000):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return b"".join(parts).decode()


def test_a_terminal_that_cannot_move_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal, Progress(stream=terminal) as progress, progress.stage("train"):
        pass
    assert read_to_end(ours).splitlines() == ["train: done in 0 s"]
