"""Modules found by their place: in the folder of a package, or named by another installed package as an entry point.

A file put into the folder is known, and nothing has to be registered. The group of entry points has the name of the package,
such as ``pfc_da.paradigms``; each entry names a module.
"""

import ast
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pfc_da.errors import InputError, nearest, show


def list_modules(package: ModuleType) -> tuple[str, ...]:
    """Names of the modules of a package in alphabetical order, less those that begin with an underscore."""
    return tuple(sorted(_find_modules(package)))


def _find_modules(package: ModuleType) -> dict[str, str]:
    """Dotted name of each module by its name; those in the folder of the package come before entry points."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    found = {entry.name: entry.value for entry in importlib.metadata.entry_points(group=package.__name__)}
    return found | {name: f"{package.__name__}.{name}" for name in names if not name.startswith("_")}


def require_module(package: ModuleType, name: str, kind: str) -> str:
    """Dotted name of a module; `kind` is what the modules are, such as "format".

    Raises
    ------
    InputError
        If there is none; it lists those there are.
    """
    found = _find_modules(package)
    if name not in found:
        raise InputError(
            f"no {kind} {show(name)}.{nearest(name, found)} There are: {', '.join(sorted(found))}."
        )
    return found[name]


def load_module(package: ModuleType, name: str, kind: str) -> Any:
    """Import the module `name` of a package, or of an entry point.

    Raises
    ------
    InputError
        If there is none; it lists those there are.
    """
    return importlib.import_module(require_module(package, name, kind))


def describe_module(package: ModuleType, name: str, kind: str) -> str:
    """First paragraph of a module's docstring on one line; the module is not imported."""
    spec = importlib.util.find_spec(require_module(package, name, kind))
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())


def is_file(name: str) -> bool:
    """Whether a name is that of a Python file, and not of a module."""
    return name.endswith(".py")


def load_file(path: str | Path) -> ModuleType:
    """Import a Python file as Python does a script's neighbour: under its own name, with its folder on the path.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        If there is no such file, another module has its name, or it cannot be imported; with the line at fault.

    Notes
    -----
    Worker processes have the same path and import it again.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    if not path.stem.isidentifier():
        raise InputError(f"{path}: the name of the file must be that of a module: letters, digits and _.")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    loaded = sys.modules.get(path.stem)
    spec = loaded.__spec__ if loaded else importlib.util.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        raise InputError(f"{path}: another module is called {path.stem!r}. Give the file another name.")
    try:
        return importlib.import_module(path.stem)
    except Exception as error:
        raise InputError(f"{path}{_find_line(error, path)}: {type(error).__name__}: {error}.") from error


def _find_line(error: Exception, path: Path) -> str:
    """The last line of the file that an exception passed through, as text; empty if it passed through none."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
