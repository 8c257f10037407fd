"""The command line, ``pfc-da``.

Exit codes: 0 done, 2 bad input or configuration, 1 an internal failure, 130 interrupted. Whatever ends a
command early is told in one line on stderr. Heavy imports happen inside the commands that need them.
"""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from pfc_da import signals
from pfc_da.errors import SHOWN, DiskFull, InputError, damaged, nearest, one_line, show

if TYPE_CHECKING:
    from pfc_da.cost import Cost
    from pfc_da.experiment.replays.beside import Beside
    from pfc_da.progress import Progress
    from pfc_da.run_folder import RunFolder
    from pfc_da.settings import RunSettings

app = typer.Typer(
    help="A prefrontal network trained by dopamine, in the experiments of recorded animals.",
    add_completion=False,
    rich_markup_mode=None,  # rich costs a tenth of a second to import, for the help text alone
    pretty_exceptions_enable=False,
)


class _Command(typer.core.TyperCommand):
    """A command that refuses an option given twice, of which one would be ignored."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parser: Any = self.make_parser(ctx)
        _, _, order = parser.parse_args(args=[*args])
        for index, parameter in enumerate(order):
            if (
                parameter.param_type_name == "option"
                and not parameter.multiple
                and parameter in order[:index]
            ):
                raise typer.BadParameter("given twice; give it once.", ctx, parameter)
        return super().parse_args(ctx, args)


def _path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter(f"must be a path, got {show(text)}.")
    return Path(text)


def _whole_number(text: str | int) -> int:
    text = str(text)  # a default comes as a number
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise typer.BadParameter(f"must be a whole number, got {show(text)}.")
    if len(text) > 60:
        raise typer.BadParameter(f"is too large, got a number of {len(text)} digits.")
    return int(text)


def _count(most: int, of: str, least: int = 1) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`, of what is counted."""

    def parse(text: str) -> int:
        if not least <= (number := _whole_number(text)) <= most:
            raise typer.BadParameter(f"must be {least} to {most} {of}, got {show(number)}.")
        return number

    return parse


def _option(help: str, kind: Callable[[str], Any] | None = None, metavar: str = "INT") -> Any:
    return typer.Option(help=help, parser=kind, metavar=metavar, show_default=False)


Paradigm = Annotated[str, typer.Argument(metavar="PARADIGM", help="One of those 'pfc-da list' shows.")]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", parser=_path, help="The --out of an earlier 'pfc-da run' or 'train'.")
]
Out = Annotated[Path | None, _option("Folder to write; runs/PARADIGM unless given.", _path, "FOLDER")]
Animals = Annotated[int | None, _option("How many animals (trained seeds).", _whole_number)]
Seed = Annotated[int | None, _option("Seed all randomness comes from.", _whole_number)]
Network = Annotated[str | None, _option("Prefrontal network.", metavar="rate|lstm")]
Rule = Annotated[str | None, _option("Plasticity rule.", metavar="three-factor|bptt")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, such as train.updates=500; repeatable.", metavar="KEY=VALUE"),
]
Config = Annotated[Path | None, _option("Settings as YAML.", _path, "FILE")]
Quick = Annotated[bool, typer.Option("--quick", help="A small run of about a minute, to see that it works.")]
Force = Annotated[bool, typer.Option("--force", help="Start over, whatever run the folder holds.")]
Again = Annotated[bool, typer.Option("--force", help="Do it again if it is done.")]
Workers = Annotated[
    int | None, _option("Processes at once; one a CPU core unless given.", _count(1024, "processes"))
]

Recorded = Annotated[
    list[Path] | None,
    _option("Recordings to hold the run against: tables of choices, NWB, or folders of them.", _path, "PATH"),
]
More = Annotated[list[Path] | None, typer.Argument(metavar="PATH", parser=_path, help="More of --recorded.")]
Columns = Annotated[Path | None, _option("What the columns of --recorded are, as YAML.", _path, "FILE")]

FitTo = Annotated[
    list[Path],
    _option("Recordings to come close to, as 'pfc-da compare --recorded' reads them.", _path, "PATH"),
]
SpaceFile = Annotated[
    Path | None,
    _option(
        "Settings to draw and statistics to fit, as YAML; those of docs/fit.md unless given.", _path, "FILE"
    ),
]
Candidates = Annotated[
    int, _option("Populations to try beside the default; 40 unless given.", _count(9999, "candidates"))
]
FitOut = Annotated[Path | None, _option("Folder to write; runs/fit-PARADIGM unless given.", _path, "FOLDER")]

Format = Annotated[str, _option("What to write.", metavar="nwb|netcdf|zarr|csv")]
ExportOut = Annotated[
    Path | None, _option("Folder to write; RUN/exports/FORMAT unless given.", _path, "FOLDER")
]
Sessions = Annotated[
    int | None, _option("Only the first sessions of every animal.", _count(100_000, "sessions"))
]
ExportSpiking = Annotated[
    bool, typer.Option("--spiking", help="What neurons played in 'replay --spiking', not the rate network.")
]
Spiking = Annotated[
    bool, typer.Option("--spiking", help="As spiking neurons, beside the rate network on the same sessions.")
]
Circuit = Annotated[
    bool,
    typer.Option("--circuit", help="With stimulation of the spiking midbrain circuit, beside arithmetic."),
]
BesideSessions = Annotated[
    int | None,
    _option("Sessions of --spiking (200 unless given) or --circuit (32).", _count(100_000, "sessions", 2)),
]
Neurons = Annotated[
    int | None, _option("Neurons a unit of --spiking; 1 unless given.", _count(1000, "neurons"))
]
Stimulate = Annotated[
    str | None,
    _option(
        "Current into some cells of --spiking, in thresholds, such as current=0.3,fraction=0.2; also "
        "cells=excitatory|inhibitory, phase=NAME.",
        metavar="KEY=VALUE,...",
    ),
]
Seeds = Annotated[int, _option("Trainings of each agent; 10 unless given.", _count(10_000, "trainings"))]
Json = Annotated[Path | None, _option("Write every seed and the summary here.", _path, "FILE")]


_command = functools.partial(app.command, cls=_Command)


@_command("list")
def list_() -> None:
    """Show the paradigms."""
    from pfc_da import paradigms

    names = paradigms.names()
    width = max(map(len, names), default=0)
    for name in names:
        print(f"{name:<{width}}  {paradigms.describe(name)}")


def _training_command(name: str, summary: str, only: str | None) -> None:
    """Add the command `name`, which starts or continues a run and does all its stages, or only one."""

    @_command(name, help=summary)
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
        from pfc_da import paradigms
        from pfc_da.run_files import STAGES
        from pfc_da.run_folder import RunFolder

        experiment = paradigms.load(paradigm)
        settings = experiment.settings(
            config_file=config,
            sets=sets or (),
            quick=quick,
            network=network,
            rule=rule,
            animals=animals,
            seed=seed,
        )
        out = out or Path("runs") / paradigm
        stages = (only,) if only else STAGES
        if force or not os.path.exists(out):  # refuse before anything is made or removed
            experiment.estimate(settings, stages, workers).require_room(out)
        folder = RunFolder.open(out, settings.model_dump(mode="json"), force)
        _work(folder, settings, stages, force, workers)


_training_command("run", "Train, freeze, replay, compare, report; or continue that.", None)
_training_command("train", "Train animals only; or continue that.", "train")


@_command()
def replay(
    run: Run,
    force: Again = False,
    workers: Workers = None,
    spiking: Spiking = False,
    circuit: Circuit = False,
    sessions: BesideSessions = None,
    neurons: Neurons = None,
    stimulate: Stimulate = None,
) -> None:
    """Run trained animals with frozen weights and record them."""
    asked = {"sessions": sessions, "neurons": neurons, "stimulate": stimulate}
    given = {name: value for name, value in asked.items() if value is not None}
    if spiking and circuit:
        raise InputError("--spiking and --circuit are two replays; give one after the other.")
    fitting = given.keys() if spiking else given.keys() & {"sessions"} if circuit else ()
    for name in given:
        if name not in fitting:
            also = " or --circuit" if name == "sessions" else ""
            raise InputError(f"--{name} is of spiking neurons; give --spiking{also} with it.")
    if spiking:
        _replay_spiking(run, force, workers, **given)
    elif circuit:
        _replay_circuit(run, force, workers, **given)
    else:
        _redo(run, "replay", force, workers)


@_command()
def compare(
    run: Run,
    more: More = None,
    recorded: Recorded = None,
    columns: Columns = None,
    force: Again = False,
) -> None:
    """Hold a run beside published numbers, or recordings of yours."""
    if recorded:
        _compare_recorded(run, [*recorded, *(more or ())], columns)
    elif more or columns:
        given = more[0] if more else "--columns"
        raise InputError(f"{given} needs --recorded before the paths of recordings.")
    else:
        _redo(run, "compare", force)


@_command()
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
    from pfc_da.progress import Progress

    asked = Fit.ask(
        paradigms.load(paradigm),
        [*recorded, *(more or ())],
        out=out or Path("runs") / f"fit-{paradigm}",
        space_file=space,
        columns_file=columns,
        sets=sets or (),
        config_file=config,
        animals=animals,
        seed=seed,
    )
    cost = asked.estimate(candidates, workers, force)
    if force or not os.path.exists(asked.out):
        cost.require_room(asked.out)
    begin = functools.partial(_tell_cost, cost, asked.out)
    with _told(asked.out, asked.kept), Progress() as progress:
        worked, text = asked.run(candidates, progress, workers, force, begin)
    print(text)
    for note in asked.recorded.notes:
        _say(f"note: {note}")
    done = "finished" if worked else "finished already; --force does it again"
    _say(f"{asked.out}: {done}. ranking.csv, fresh.csv and best.yaml hold it.")


@_command()
def report(run: Run, force: Again = False) -> None:
    """Write the report of a run, one HTML file."""
    _redo(run, "report", force)


@_command()
def export(
    run: Run,
    format: Format,
    out: ExportOut = None,
    sessions: Sessions = None,
    spiking: ExportSpiking = False,
    force: Again = False,
) -> None:
    """Write a run as NWB, netCDF, zarr or CSV; or continue that."""
    from pfc_da.export import export_run

    try:
        folder, written = export_run(run, format, out=out, sessions=sessions, spiking=spiking, force=force)
    except KeyboardInterrupt:
        raise _Ended(130, "interrupted: what is written is whole; the same command continues.") from None
    files = "1 file" if len(written) == 1 else f"{len(written)} files"
    done = f"{files} written" if written else "exported already; --force does it again"
    _say(f"{folder}: {done}.")


@_command()
def bench(
    seeds: Seeds = 10,
    json: Json = None,
    workers: Workers = None,
) -> None:
    """Measure training speed, beside the floor and an LSTM peer."""
    if json and (os.path.isdir(json) or not os.path.isdir(json.parent)):
        raise InputError(f"--json {json} must be a file in a folder that exists.")
    import pandas as pd

    from pfc_da.bench import AGENTS, run_bench, summarise_bench, write_json
    from pfc_da.progress import Progress

    with Progress() as progress:
        found = run_bench(seeds, workers, progress.task("bench seeds", seeds * len(AGENTS)))
    if json:
        write_json(found, json)
    table = pd.DataFrame(summarise_bench(found)).set_index("agent").T
    print(table.to_string(float_format="{:.4g}".format))


class _Ended(Exception):
    """A command that ended early, with its exit code and the line that says so."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def exit_code(arguments: list[str]) -> int:
    """Run the command line on `arguments`, say what went wrong in one line, and return the exit code."""
    try:
        code = app(arguments, prog_name="pfc-da", standalone_mode=False)
    except _Ended as ended:
        _say(str(ended), sys.stderr)
        return ended.code
    except (InputError, DiskFull) as error:
        _say(f"error: {error}", sys.stderr)
        return 2
    except Exception as error:  # the last place before the user: never a traceback
        if signals.caused(error):
            _say(signals.INTERRUPTED, sys.stderr)
            return 130
        if hasattr(error, "format_message"):  # a usage error of typer, whose classes are private
            _say(f"error: {_usage(error, arguments)}", sys.stderr)
            return 2
        _say(str(_failure(error, None)), sys.stderr)
        return 1
    if code == 130:  # typer's word for Ctrl-C; a run folder tells its own story before that
        _say(signals.INTERRUPTED, sys.stderr)
    return code or 0


def _usage(error: Any, arguments: list[str]) -> str:
    """Say what is wrong with the command line, with the nearest option there is."""
    command = error.ctx.command if error.ctx else None
    message = error.format_message()
    if command and hasattr(error, "possibilities"):
        options = ["--help", *(option for parameter in command.params for option in parameter.opts)]
        message = f"No such option {error.option_name}.{nearest(error.option_name, options)}"
    for long in sorted(filter(lambda argument: len(argument) > SHOWN, arguments), key=len, reverse=True):
        message = message.replace(long, f"{long[:SHOWN]}…")
    message = message.rstrip(".")
    stop = "" if message.endswith("?") else "."
    name = f" {command.name}" if command and command.name else ""
    return f"{message}{stop} 'pfc-da{name} --help' shows what is allowed."


def _say(line: str, stream: Any = None) -> None:
    stream = stream or sys.stdout
    code = getattr(stream, "encoding", None) or "utf-8"  # which not every path can be written in
    print(one_line(line).encode(code, "backslashreplace").decode(code), file=stream, flush=True)


def _redo(run: Path, stage: str, force: bool, workers: int | None = None) -> None:
    """Do one stage of an earlier run, with the configuration that run was made with."""
    from pfc_da.run_folder import RunFolder

    folder = RunFolder.existing(run)
    try:
        settings = _settings_of(folder)
        _require_before(stage, folder)
    except BaseException:
        folder.close()
        raise
    _work(folder, settings, (stage,), force, workers)


def _tell_cost(cost: "Cost", path: Path) -> None:
    """Refuse what there is no room for, and say what will take long."""
    from pfc_da.cost import SHORT_S

    cost.require_room(path)
    if cost.wall_s > SHORT_S:
        _say(f"{path}: estimated to take {cost.describe()}.", sys.stderr)


def _require_before(stage: str, folder: "RunFolder") -> None:
    from pfc_da.run_files import STAGES

    run = folder.path
    for earlier in STAGES[: STAGES.index(stage)]:
        if not folder.is_done(earlier):
            folder.close()
            remedy = (
                "the command that made it goes on"
                if earlier == "train"
                else f"'pfc-da {earlier} {run}' does it"
            )
            raise InputError(
                f"{run}: {stage} needs {earlier}, which is not done ({folder.kept()}); {remedy}."
            )


def _compare_recorded(run: Path, paths: list[Path], columns: Path | None) -> None:
    """Hold a run against recordings; a file of its own, and the report again if there is one."""
    from functools import partial

    from pfc_da.analysis.comparison.difference import format_differences
    from pfc_da.analysis.comparison.run import compare_recorded
    from pfc_da.run_folder import RunFolder

    folder = RunFolder.existing(run)
    try:
        _require_before("compare", folder)
        folder.require_whole("recording_spiking.nc")
        table = compare_recorded(run, paths, columns)
    except BaseException:
        folder.close()
        raise
    had_report = folder.is_done("report")
    with _told(folder.path, folder.kept), folder:
        with folder.making("comparison_recorded.csv"):
            folder.write_atomic("comparison_recorded.csv", partial(table.to_csv, index=False))
        if had_report:
            _write_report(folder)
    print(format_differences(table))
    for note in table.attrs["notes"]:
        _say(f"note: {note}")
    _say(f"{run}: wrote comparison_recorded.csv{_where(folder)}.")


def _replay_spiking(run: Path, force: bool, workers: int | None, **asked: Any) -> None:
    from pfc_da.circuits.replay_spiking import SpikingReplay
    from pfc_da.experiment.replays.spiking import BesideAsNeurons

    _replay_beside(run, BesideAsNeurons, SpikingReplay.ask(**asked), force, workers)


def _replay_circuit(run: Path, force: bool, workers: int | None, **asked: Any) -> None:
    from pfc_da.circuits.replay_circuit import CircuitReplay
    from pfc_da.experiment.replays.circuit import BesideThroughCircuit

    _replay_beside(run, BesideThroughCircuit, CircuitReplay.ask(**asked), force, workers)


def _replay_beside(run: Path, kind: "type[Beside]", how: Any, force: bool, workers: int | None) -> None:
    """Replay the animals of a run in another way; files of its own beside the run's."""
    from pfc_da import paradigms
    from pfc_da.progress import Progress
    from pfc_da.run_folder import RunFolder

    folder = RunFolder.existing(run)
    try:
        settings = _settings_of(folder)
        _require_before("replay", folder)
        beside = kind(paradigms.load(settings.paradigm), settings, how)
        beside.check()
        done = not force and beside.is_done(folder)
        if not done:
            _tell_cost(beside.estimate(workers), run)
    except BaseException:
        folder.close()
        raise
    if done:
        _say(f"{run}: replayed {beside.way} already. --force does it again.")
        return folder.close()
    had_report = folder.is_done("report")
    with _told(folder.path, folder.kept), folder, Progress() as progress:
        text = beside.replay(folder, progress, workers)
        if had_report:  # it may show what was made from an earlier such replay
            _write_report(folder)
    print(text)
    written = [name for name in beside.files if (folder.path / name).exists()]
    _say(f"{run}: wrote {', '.join(written)}{_where(folder)}.")


def _write_report(folder: "RunFolder") -> None:
    from pfc_da.report.page import write_report

    with folder.doing("report"):
        write_report(folder.path)


def _settings_of(folder: "RunFolder") -> "RunSettings":
    from pydantic import ValidationError

    from pfc_da.settings import RunSettings

    try:
        return RunSettings.model_validate(folder.manifest.config)
    except ValidationError as error:
        folder.close()
        first = error.errors()[0]
        key = ".".join(map(str, ("config", *first["loc"])))
        raise damaged(folder.path / "manifest.json", f"{key}: {first['msg']}") from error


def _work(
    folder: "RunFolder", settings: "RunSettings", stages: tuple[str, ...], force: bool, workers: int | None
) -> None:
    """Do those of `stages` that are not done, or all under `force`, and say what there is now."""
    from pfc_da.progress import Progress

    try:
        to_do = [stage for stage in stages if force or not folder.is_done(stage)]
    except BaseException:  # a file of a finished stage is damaged
        folder.close()
        raise
    if not to_do:
        _say(f"{folder.path}: {', '.join(stages)} finished already{_where(folder)}. --force does it again.")
        folder.close()
        return
    if {*to_do} != {"report"}:
        try:
            from pfc_da import paradigms

            _tell_cost(paradigms.load(settings.paradigm).estimate(settings, to_do, workers), folder.path)
        except BaseException:
            folder.close()
            raise
    (folder.path / "error.txt").unlink(missing_ok=True)  # of an earlier failure, now taken up again
    with _told(folder.path, folder.kept), folder, Progress() as progress:
        for stage in to_do:
            with folder.doing(stage):
                _do(stage, settings, folder, progress, workers)
    _say(f"{folder.path}: {', '.join(stages)} finished{_where(folder)}.")


def _do(
    stage: str, settings: "RunSettings", folder: "RunFolder", progress: "Progress", workers: int | None
) -> None:
    if stage == "report":
        from pfc_da.report.page import write_report

        write_report(folder.path)
        return
    from pfc_da import paradigms

    experiment = paradigms.load(settings.paradigm)
    match stage:
        case "train":
            experiment.train(settings, folder, progress, workers)
        case "replay":
            experiment.replay(settings, folder, progress, workers)
        case "compare":
            experiment.compare(settings, folder)


def _where(folder: "RunFolder") -> str:
    report = folder.path / "report.html"
    return f", report in {report}" if folder.is_done("report") else ""


@contextmanager
def _told(path: Path, kept: Callable[[], str]) -> Iterator[None]:
    """Turn what ends the work on the folder `path` into one line that says what it keeps."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if signals.caused(error):
            line = f"interrupted: {path} keeps {kept()}; the same command continues."
            raise _Ended(130, line) from None
        if isinstance(error, InputError | DiskFull):
            raise
        raise _failure(error, path) from error


def _failure(error: BaseException, directory: Path | None) -> _Ended:
    """Keep the traceback of an internal failure in a file and say where."""
    import tempfile
    import traceback

    if os.environ.get("PFC_DA_DEBUG") == "1":
        traceback.print_exception(error)
    text = "".join(traceback.format_exception(error))
    try:
        file = directory / "error.txt" if directory else Path(tempfile.mkstemp("-pfc-da.txt")[1])
        file.write_text(text, encoding="utf-8")
        where = f"its traceback is in {file}"
    except OSError:
        where = "its traceback could not be saved; PFC_DA_DEBUG=1 shows it"
    return _Ended(1, f"error: internal failure, {type(error).__name__}: {error} ({where}).")
