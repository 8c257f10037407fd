"""Commands that make a run: list, run, train and report."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pfc_da.cli.options import (
    Again,
    Animals,
    Config,
    Force,
    Network,
    Out,
    Paradigm,
    Quick,
    Rule,
    Run,
    Seed,
    Sets,
    Workers,
)
from pfc_da.cli.stages import do_stages, redo_stage
from pfc_da.storage.run_files import STAGES


def list_paradigms() -> None:
    """Show the paradigms."""
    from pfc_da import paradigms

    names = paradigms.names()
    width = max(map(len, names), default=0)
    for name in names:
        print(f"{name:<{width}}  {paradigms.describe(name)}")


def _start_or_continue(stages: Sequence[str], summary: str) -> Callable[..., None]:
    """A command that starts or continues a run and does `stages`."""

    def command(
        paradigm: Paradigm,
        animals: Animals = None,
        seed: Seed = None,
        out: Out = None,
        network: Network = None,
        rule: Rule = None,
        sets: Sets = None,
        config: Config = None,
        quick: Quick = False,
        force: Force = False,
        workers: Workers = None,
    ) -> None:
        settings: dict[str, Any] = {"config_file": config, "sets": sets or (), "quick": quick}
        settings |= {"network": network, "rule": rule, "animals": animals, "seed": seed}
        _run(paradigm, out, stages, force, workers, settings)

    command.__doc__ = summary
    return command


def _run(
    paradigm: str,
    out: Path | None,
    stages: Sequence[str],
    force: bool,
    workers: int | None,
    arguments: dict[str, Any],
) -> None:
    from pfc_da import paradigms
    from pfc_da.storage.run_folder import RunFolder

    experiment = paradigms.load(paradigm)
    settings = experiment.settings(**arguments)
    out = out or Path("runs", experiment.name)
    if force or not os.path.exists(out):  # refuse before anything is made or removed
        experiment.estimate(settings, stages, workers).require_room(out)
    folder = RunFolder.open(out, settings.model_dump(mode="json"), force)
    do_stages(folder, settings, stages, force, workers)


run = _start_or_continue(STAGES, "Train, freeze, replay, compare, report; or continue that.")
train = _start_or_continue(STAGES[:1], "Train animals only; or continue that.")


def report(run: Run, force: Again = False) -> None:
    """Write the report of a run, one HTML file."""
    redo_stage(run, "report", force)
