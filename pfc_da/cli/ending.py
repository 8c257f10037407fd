"""Output and end of a command: errors in one line, never a traceback."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pfc_da.errors import DiskFull, InputError, one_line
from pfc_da.jobs import signals


class Ended(Exception):
    """A command that ended early, with its exit code and the line that says so."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def say(line: str, stream: Any = None) -> None:
    """Print one line, on stdout unless given another stream."""
    stream = stream or sys.stdout
    code = getattr(stream, "encoding", None) or "utf-8"  # which not every path can be written in
    print(one_line(line).encode(code, "backslashreplace").decode(code), file=stream, flush=True)


@contextmanager
def saying_how_it_ended(path: Path, kept: Callable[[], str]) -> Iterator[None]:
    """Turn what ends the work on the folder `path` into one line that says what it keeps."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if signals.caused(error):
            line = f"interrupted: {path} keeps {kept()}; the same command continues."
            raise Ended(130, line) from None
        if isinstance(error, InputError | DiskFull):
            raise
        raise describe_failure(error, path) from error


def describe_failure(error: BaseException, directory: Path | None) -> Ended:
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
    return Ended(1, f"error: internal failure, {type(error).__name__}: {error} ({where}).")
