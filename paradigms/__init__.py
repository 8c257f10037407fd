"""The experiments: one file (or folder) a paradigm, found by its name.

A paradigm is any ``paradigms/NAME.py`` or ``paradigms/NAME/`` whose name does not begin with an underscore;
it holds an ``EXPERIMENT``. Listing and describing them reads only their docstrings, without importing torch.
"""

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from pfc_da.errors import InputError, nearest, show

if TYPE_CHECKING:
    from pfc_da.experiment.experiment import Experiment


def names() -> tuple[str, ...]:
    """Return the names of all paradigms, in alphabetical order."""
    return tuple(sorted(_files()))


def describe(name: str) -> str:
    """Return the first paragraph of a paradigm's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(_file(name).read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def load(name: str) -> "Experiment":
    """Import the paradigm `name` and return its ``EXPERIMENT``.

    Examples
    --------
    >>> load("bandti")
    Traceback (most recent call last):
    pfc_da.errors.InputError: no paradigm 'bandti'. Did you mean 'bandit'? There are: ...
    """
    _file(name)
    return importlib.import_module(f"pfc_da.paradigms.{name}").EXPERIMENT


def _file(name: str) -> Path:
    found = _files()
    if name not in found:
        raise InputError(
            f"no paradigm {show(name)}.{nearest(name, found)} There are: {', '.join(sorted(found))}."
        )
    return found[name]


def _files() -> dict[str, Path]:
    folder = Path(__file__).parent
    single = {file.stem: file for file in folder.glob("[!_]*.py")}
    packages = {file.parent.name: file for file in folder.glob("[!_]*/__init__.py")}
    return single | packages
