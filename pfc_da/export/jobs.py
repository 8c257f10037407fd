"""Jobs of an export: files to write, each made alone, whole and repeatable."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pfc_da.errors import InputError


class Job(NamedTuple):
    """One file of an export."""

    path: Path  # within the folder of the export
    write: Callable[[Path], object]  # writes it to this path
    is_folder: bool = False


@contextlib.contextmanager
def importing(extra: str) -> Iterator[None]:
    """Say which extra is missing if an import inside fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; this needs the extra {extra!r}: pip install 'pfc_da[{extra}]'."
        ) from error
