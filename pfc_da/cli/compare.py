"""The command compare: a run with published numbers, or with recordings of the user's."""

import functools
from pathlib import Path

from pfc_da.cli.ending import say, saying_how_it_ended
from pfc_da.cli.options import Again, Columns, More, Recorded, Run
from pfc_da.cli.stages import (
    closed_on_error,
    locate_report,
    redo_stage,
    write_report_again,
)
from pfc_da.errors import InputError


def compare(
    run: Run,
    more: More = None,
    recorded: Recorded = None,
    columns: Columns = None,
    force: Again = False,
) -> None:
    """Compare a run with published numbers, or recordings of yours."""
    if recorded:
        _compare_recorded(run, [*recorded, *(more or ())], columns)
    elif more or columns:
        given = more[0] if more else "--columns"
        raise InputError(f"{given} needs --recorded before the paths of recordings.")
    else:
        redo_stage(run, "compare", force)


def _compare_recorded(run: Path, paths: list[Path], columns: Path | None) -> None:
    """Compare a run with recordings; a file of its own, and the report again if there is one."""
    from pfc_da.analysis.comparison.difference import format_differences
    from pfc_da.analysis.comparison.run import compare_recorded
    from pfc_da.experiment.stages import require_before
    from pfc_da.jobs.progress import Progress
    from pfc_da.report.summary import warn_of_run
    from pfc_da.storage.run_folder import RunFolder

    folder = RunFolder.existing(run)
    with closed_on_error(folder):
        require_before("compare", folder)
        folder.require_whole("replays/spiking/recording.nc")
        with Progress() as progress, progress.stage("compare"):
            table = compare_recorded(run, paths, columns)
        had_report = folder.is_done("report")
    with saying_how_it_ended(folder.path, folder.kept), folder:
        with folder.making("comparison_recorded.csv"):
            folder.write_atomic("comparison_recorded.csv", functools.partial(table.to_csv, index=False))
        if had_report:
            write_report_again(folder)
    for sentence in warn_of_run(folder.path) if folder.is_done("compare") else ():
        say(f"{run}: {sentence}")
    print(format_differences(table))
    for note in table.attrs["notes"]:
        say(f"note: {note}")
    say(f"{run}: wrote comparison_recorded.csv{locate_report(folder)}.")
