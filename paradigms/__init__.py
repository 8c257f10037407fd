"""The experiments: one file (or folder) a paradigm, found by its name.

A paradigm is any ``paradigms/NAME.py`` or ``paradigms/NAME/`` whose name does not begin with an underscore;
it holds an ``EXPERIMENT``. Listing and describing them reads only their docstrings, without importing torch.
"""

import sys
from typing import TYPE_CHECKING

from pfc_da import discovery

if TYPE_CHECKING:
    from pfc_da.experiment.experiment import Experiment

_PACKAGE = sys.modules[__name__]


def names() -> tuple[str, ...]:
    """Return the names of all paradigms, in alphabetical order."""
    return discovery.list_modules(_PACKAGE)


def describe(name: str) -> str:
    """Return the first paragraph of a paradigm's docstring, on one line."""
    discovery.require_module(_PACKAGE, name, "paradigm")
    return discovery.describe_module(_PACKAGE, name)


def load(name: str) -> "Experiment":
    """Import the paradigm `name` and return its ``EXPERIMENT``.

    Examples
    --------
    >>> load("bandti")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pfc_da.errors.InputError: no paradigm 'bandti'. Did you mean 'bandit'? There are: ...
    """
    experiment: Experiment = discovery.load_module(_PACKAGE, name, "paradigm").EXPERIMENT
    return experiment
