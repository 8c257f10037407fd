"""The replays: one file each, found by its name, which holds a class as ``REPLAY``.

Listing and describing them reads only their docstrings, without importing torch.
"""

import sys
from typing import TYPE_CHECKING

from pfc_da.discovery import describe_module, list_modules, load_module
from pfc_da.storage.run_files import STAGE_REPLAY

if TYPE_CHECKING:
    from pfc_da.experiment.replay import ReplayOnDemand


def names() -> tuple[str, ...]:
    """Names of the replays made on demand, in alphabetical order."""
    return tuple(name for name in list_modules(sys.modules[__name__]) if name != STAGE_REPLAY)


def describe(name: str) -> str:
    """First paragraph of a replay's docstring, on one line."""
    return describe_module(sys.modules[__name__], name, "replay")


def load(name: str) -> "type[ReplayOnDemand]":
    """Import the replay `name` and return its class."""
    replay: type[ReplayOnDemand] = load_module(sys.modules[__name__], name, "replay").REPLAY
    return replay
