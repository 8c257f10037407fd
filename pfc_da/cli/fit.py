"""The command fit: settings that come close to recordings."""

import functools
import os
from pathlib import Path
from typing import Any

from pfc_da.cli.ending import say, saying_how_it_ended
from pfc_da.cli.options import (
    Animals,
    Candidates,
    Columns,
    Config,
    FitOut,
    FitTo,
    Force,
    More,
    Paradigm,
    Seed,
    Sets,
    SpaceFile,
    Workers,
)
from pfc_da.cli.stages import check_cost


def fit(
    paradigm: Paradigm,
    recorded: FitTo,
    more: More = None,
    columns: Columns = None,
    space: SpaceFile = None,
    candidates: Candidates = 40,
    animals: Animals = None,
    seed: Seed = None,
    out: FitOut = None,
    sets: Sets = None,
    config: Config = None,
    force: Force = False,
    workers: Workers = None,
) -> None:
    """Search settings that come close to recordings; or continue that."""
    from pfc_da import paradigms
    from pfc_da.experiment.fit.search import Fit
    from pfc_da.jobs.progress import Progress

    experiment = paradigms.load(paradigm)
    out = out or Path("runs") / f"fit-{experiment.name}"
    files: dict[str, Any] = {"space_file": space, "columns_file": columns, "config_file": config}
    settings: dict[str, Any] = {"sets": sets or (), "animals": animals, "seed": seed}
    asked = Fit.ask(experiment, [*recorded, *(more or ())], out=out, **files, **settings)
    cost = asked.estimate(candidates, workers, force)
    if force or not os.path.exists(asked.out):
        cost.require_room(asked.out)
    begin = functools.partial(check_cost, cost, asked.out)
    expected = {"fit": cost.wall_s}
    with saying_how_it_ended(asked.out, asked.kept), Progress(expected) as progress, progress.stage("fit"):
        worked, text = asked.run(candidates, progress, workers, force, begin)
    print(text)
    for note in asked.recorded.notes:
        say(f"note: {note}")
    done = "finished" if worked else "finished already; --force does it again"
    say(f"{asked.out}: {done}. ranking.csv, fresh.csv and best.yaml hold it.")
