"""The experiments: one file (or folder) a paradigm, found by its name.

A paradigm is any ``paradigms/NAME.py`` or ``paradigms/NAME/`` whose name does not begin with an underscore, a module that
another installed package names in the entry points ``pfc_da.paradigms``, or any Python file given by its path; it holds an
``EXPERIMENT``. Listing and describing paradigms reads only their docstrings, without importing torch.
"""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfc_da import discovery
from pfc_da.errors import InputError

if TYPE_CHECKING:
    from pfc_da.experiment.experiment import Experiment
    from pfc_da.experiment.result import Result
    from pfc_da.settings import RunSettings

_PACKAGE = sys.modules[__name__]


def names() -> tuple[str, ...]:
    """Return the names of all paradigms, in alphabetical order."""
    return discovery.list_modules(_PACKAGE)


def describe(name: str) -> str:
    """Return the first paragraph of a paradigm's docstring, on one line."""
    return discovery.describe_module(_PACKAGE, name, "paradigm")


def load(name: str) -> "Experiment":
    """Import a paradigm and return its ``EXPERIMENT``.

    Parameters
    ----------
    name : str
        As `names` lists it, or the path of a Python file, which ends in ``.py``.

    Raises
    ------
    InputError
        If there is none of this name, or the file cannot be imported or holds no ``EXPERIMENT``.

    Examples
    --------
    >>> load("bandti")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pfc_da.errors.InputError: no paradigm 'bandti'. Did you mean 'bandit'? There are: ...
    """
    in_file = discovery.is_file(name)
    module: Any = discovery.load_file(name) if in_file else discovery.load_module(_PACKAGE, name, "paradigm")
    from pfc_da.experiment.experiment import Experiment

    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise InputError(f"{module.__file__} holds no paradigm: it needs EXPERIMENT = Experiment(...).")
    if not in_file and experiment.name != name:
        raise InputError(
            f"paradigm {name!r} is named {experiment.name!r} in {module.__file__}: both need one name."
        )
    return experiment


def load_of(settings: "RunSettings") -> "Experiment":
    """The paradigm of a run, by its name or the file it was in.

    Raises
    ------
    InputError
        If it is not there any more.
    """
    return load(settings.paradigm_file or settings.paradigm)


def open_run(path: str | Path) -> "Result":
    """Open a run folder, of a finished run or of one that is under way; nothing in it is changed.

    Its numbers are read when they are asked for, and the module of its paradigm is imported for weights and drawings alone.

    Raises
    ------
    InputError
        If it is no run folder, or its manifest is damaged.
    """
    from pfc_da.experiment.result import Result
    from pfc_da.experiment.stages import read_settings
    from pfc_da.storage.manifest import read_manifest
    from pfc_da.storage.run_folder import RunFolder

    path = Path(path)
    settings = read_settings(RunFolder(path, read_manifest(path), None))
    return Result(path, settings, functools.partial(load_of, settings))
