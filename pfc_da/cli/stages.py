"""Work on a run folder: its stages, what has to be done before them, and what they will cost."""

import functools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pfc_da.cli.ending import say, saying_how_it_ended

if TYPE_CHECKING:
    from pfc_da.jobs.cost import Cost
    from pfc_da.settings import RunSettings
    from pfc_da.storage.run_folder import RunFolder


def do_stages(
    folder: "RunFolder", settings: "RunSettings", stages: Sequence[str], force: bool, workers: int | None
) -> None:
    """Do those of `stages` that are not done, or all under `force`, and say what there is now."""
    from pfc_da import paradigms
    from pfc_da.experiment.stages import expect_stages, list_to_do, plan_stages, run_stages
    from pfc_da.jobs.progress import Progress

    with closed_on_error(folder):
        to_do = list_to_do(folder, stages, force)
        experiment = paradigms.load_of(settings) if {*to_do} - {"report"} else None
        if experiment:
            cost = experiment.estimate(settings, to_do, workers, folder.count_trained())
            check_cost(cost, folder.path)
    if not to_do and not folder.growth:
        say(
            f"{folder.path}: {', '.join(stages)} finished already{locate_report(folder)}. --force does it again."
        )
        return folder.close()
    if folder.growth:
        say(folder.growth, sys.stderr)
    (folder.path / "error.txt").unlink(missing_ok=True)  # of an earlier failure, now taken up again
    expected = (
        expect_stages(experiment, settings, to_do, workers, folder.count_trained()) if experiment else {}
    )
    with saying_how_it_ended(folder.path, folder.kept), folder, Progress(expected) as progress:
        work = plan_stages(experiment, settings, folder, progress, workers) if experiment else {}
        run_stages(folder, work | {"report": functools.partial(_write_report, folder.path)}, to_do, progress)
    if folder.is_done("compare"):
        _say_summary(folder.path)
    say(f"{folder.path}: {', '.join(stages)} finished{locate_report(folder)}.")


def redo_stage(run: Path, stage: str, force: bool, workers: int | None = None) -> None:
    """Do one stage of an earlier run, with the configuration that run was made with."""
    from pfc_da.experiment.stages import read_settings, require_before
    from pfc_da.storage.run_folder import RunFolder

    folder = RunFolder.existing(run)
    with closed_on_error(folder):
        settings = read_settings(folder)
        require_before(stage, folder)
    do_stages(folder, settings, (stage,), force, workers)


def _say_summary(run: Path) -> None:
    """Say in a few lines what the run found; first of all, that animals did not learn."""
    from pfc_da.report.summary import summarise_run

    for sentence in summarise_run(run):
        say(f"{run}: {sentence}")


def write_report_again(folder: "RunFolder") -> None:
    """Write the report of a run that had one: it may show what is new in the folder."""
    with folder.doing("report"):
        _write_report(folder.path)


def _write_report(run: Path) -> None:
    from pfc_da.report.page import write_report

    write_report(run)


@contextmanager
def closed_on_error(folder: "RunFolder") -> Iterator[None]:
    """Let the lock of a folder go if anything inside fails."""
    try:
        yield
    except BaseException:
        folder.close()
        raise


def check_cost(cost: "Cost", path: Path) -> None:
    """Refuse what there is no room for, and say what will take long."""
    from pfc_da.jobs.cost import SHORT_S

    cost.require_room(path)
    if cost.wall_s > SHORT_S:
        say(f"{path}: estimated to take {cost.describe()}.", sys.stderr)


def locate_report(folder: "RunFolder") -> str:
    """Path of the report, for the end of a sentence; empty if there is none."""
    report = folder.path / "report.html"
    return f", report in {report}" if folder.is_done("report") else ""
