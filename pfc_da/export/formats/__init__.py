"""The formats of an export: one file each, found by its name, with a function ``plan``.

``plan(recording, sessions)`` yields the files to write (`pfc_da.export.jobs.Job`) of the first `sessions` sessions of every
animal, all if None. Extras are imported where they are needed.
"""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pfc_da.discovery import list_modules, load_module

if TYPE_CHECKING:
    import xarray as xr

    from pfc_da.export.jobs import Job

    Plan = Callable[[xr.Dataset, int | None], Iterator[Job]]


def names() -> tuple[str, ...]:
    """Names of the formats, in alphabetical order."""
    return list_modules(sys.modules[__name__])


def load(name: str) -> "Plan":
    """Import the format `name` and return its ``plan``."""
    plan: Plan = load_module(sys.modules[__name__], name, "format").plan
    return plan
