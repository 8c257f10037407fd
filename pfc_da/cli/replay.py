"""The command replay: the stage of every run, and the replays made on demand, a flag each."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from pfc_da.cli.ending import say, saying_how_it_ended
from pfc_da.cli.options import Again, Neurons, ReplaySessions, Run, Stimulate, Workers
from pfc_da.cli.stages import (
    check_cost,
    closed_on_error,
    locate_report,
    redo_stage,
    write_report_again,
)
from pfc_da.errors import InputError
from pfc_da.experiment import replays


def _with_a_flag_each(function: Callable[..., None]) -> Callable[..., None]:
    """Let the command have a flag for each replay in the folder, in the place of its argument `flags`."""
    signature = inspect.signature(function)
    keep = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    for name in replays.names():
        kind = Annotated[bool, typer.Option(f"--{name}", help=replays.describe(name))]
        keep.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind))
    function.__signature__ = signature.replace(parameters=keep)  # type: ignore[attr-defined]  # typer reads it
    function.__annotations__ = {each.name: each.annotation for each in keep} | {"return": None}
    return function


@_with_a_flag_each
def replay(
    run: Run,
    force: Again = False,
    workers: Workers = None,
    sessions: ReplaySessions = None,
    neurons: Neurons = None,
    stimulate: Stimulate = None,
    **flags: bool,
) -> None:
    """Run trained animals with frozen weights and record them."""
    options = {"sessions": sessions, "neurons": neurons, "stimulate": stimulate}
    given = {name: value for name, value in options.items() if value is not None}
    asked = [name for name, flag in flags.items() if flag]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(map(_flag, asked))} are two replays; give one after the other.")
    _require_options_of(given, asked)
    if asked:
        _replay_on_demand(run, asked[0], given, force, workers)
    else:
        redo_stage(run, "replay", force, workers)


def _flag(name: str) -> str:
    return f"--{name}"


def _require_options_of(given: Iterable[str], asked: list[str]) -> None:
    """Refuse options that are none of the replay asked for."""
    for name in given:
        if not any(_has(each, name) for each in asked):
            having = [each for each in replays.names() if _has(each, name)]
            flags = " or ".join(map(_flag, having))
            raise InputError(f"--{name} is an option of {flags}; give {flags} with it.")


def _has(replay: str, option: str) -> bool:
    return option in inspect.signature(replays.load(replay).parse).parameters


def _replay_on_demand(run: Path, name: str, given: dict[str, Any], force: bool, workers: int | None) -> None:
    """Replay the animals of a run in another way; its files have names of their own."""
    from pfc_da import paradigms
    from pfc_da.experiment.stages import read_settings, require_before
    from pfc_da.jobs.cost import REPORT_S
    from pfc_da.jobs.progress import Progress
    from pfc_da.storage.run_folder import RunFolder

    options = replays.load(name).parse(**given)
    folder = RunFolder.existing(run)
    with closed_on_error(folder):
        settings = read_settings(folder)
        require_before("replay", folder)
        own = replays.load(name)(paradigms.load_of(settings), settings, options)
        own.check()
        done = not force and own.is_done(folder)
        if not done:
            cost = own.estimate(workers)
            check_cost(cost, run)
            had_report = folder.is_done("report")
    if done:
        say(f"{run}: the {name} replay is done already. --force does it again.")
        return folder.close()
    expected = {"replay": cost.wall_s} | ({"report": REPORT_S} if had_report else {})
    with saying_how_it_ended(folder.path, folder.kept), folder, Progress(expected) as progress:
        with progress.stage("replay"):
            text = own.run(folder, progress, workers)
        if had_report:
            with progress.stage("report"):
                write_report_again(folder)
    print(text)
    written = [name for name in own.files[:3] if (folder.path / name).exists()]
    say(f"{run}: wrote {', '.join(written)}{locate_report(folder)}.")
