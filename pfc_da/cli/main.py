"""The command line, ``pfc-da``, put together from its commands.

Exit codes: 0 done, 2 bad input or configuration, 1 an internal failure, 130 interrupted. Whatever ends a
command early is said in one line on stderr. Heavy imports happen inside the commands that need them.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pfc_da import __version__
from pfc_da.cli.bench import bench
from pfc_da.cli.compare import compare
from pfc_da.cli.ending import Ended, describe_failure, say
from pfc_da.cli.export import export
from pfc_da.cli.fit import fit
from pfc_da.cli.log import with_log
from pfc_da.cli.options import Command
from pfc_da.cli.replay import replay
from pfc_da.cli.run import list_paradigms, report, run, train
from pfc_da.cli.settings import settings
from pfc_da.errors import SHOWN, DiskFull, InputError, nearest
from pfc_da.jobs import signals

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # rich costs a tenth of a second to import, for the help text alone
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"pfc-da {__version__}")
        raise typer.Exit


_VERSION = typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)


@app.callback()
def _begin(version: Annotated[bool, _VERSION] = False) -> None:
    """A prefrontal network trained by dopamine, in the experiments of recorded animals."""


COMMANDS: dict[str, Callable[..., Any]] = {
    "list": list_paradigms,
    "settings": settings,
    "run": run,
    "train": train,
    "replay": replay,
    "compare": compare,
    "fit": fit,
    "report": report,
    "export": export,
    "bench": bench,
}
for _name, _function in COMMANDS.items():
    app.command(_name, cls=Command)(with_log(_function))


def exit_code(arguments: list[str]) -> int:
    """Run the command line on `arguments`, say what went wrong in one line, and return the exit code."""
    try:
        code = app(arguments, prog_name="pfc-da", standalone_mode=False)
        if code != 130:  # typer's word for Ctrl-C
            signals.raise_lost()
    except Ended as ended:
        say(str(ended), sys.stderr)
        return ended.code
    except (Exception, KeyboardInterrupt) as error:  # the last place before the user: never a traceback
        if signals.caused(error):
            say(signals.INTERRUPTED, sys.stderr)
            return 130
        if isinstance(error, InputError | DiskFull):
            say(f"error: {error}", sys.stderr)
            return 2
        if hasattr(error, "format_message"):  # a usage error of typer, whose classes are private
            say(f"error: {_usage(error, arguments)}", sys.stderr)
            return 2
        say(str(describe_failure(error, None)), sys.stderr)
        return 1
    if code == 130:  # work on a run folder has said its own line before that
        say(signals.INTERRUPTED, sys.stderr)
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
