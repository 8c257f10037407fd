"""The option -v: what the loggers of the package say, one line each on stderr; without it they are silent."""

import functools
import inspect
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pfc_da.cli.ending import say


class _Lines(logging.Handler):
    """Writes to stderr as it is at the time, which live rows of progress redirect above themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record), sys.stderr)


def with_log(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with the option -v."""
    help = "Also say on stderr what begins, which seeds are used and which files are written."
    kind = Annotated[bool, typer.Option("--verbose", "-v", help=help)]
    option = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
    signature = inspect.signature(command)

    @functools.wraps(command)
    def logged(*, verbose: bool, **given: Any) -> None:
        if verbose:
            _start_log()
        command(**given)

    parameters = [*signature.parameters.values(), option]
    logged.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
    logged.__annotations__ = {each.name: each.annotation for each in parameters}
    return logged


def _start_log() -> None:
    """Show what is logged from now on, with the time and the name of the logger."""
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("pfc_da")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
