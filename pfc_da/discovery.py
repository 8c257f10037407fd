"""Modules found by their place: in the folder of a package, or named by another installed package as an entry point.

A file put into the folder is known, and nothing has to be registered. The group of entry points has the name of the package,
such as ``pfc_da.paradigms``; each entry names a module.
"""

import ast
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pfc_da.errors import InputError, nearest, show

loaded_files: list[Path] = []
"""Files imported by `load_file`."""


def list_modules(package: ModuleType) -> tuple[str, ...]:
    """Names of the modules of a package in alphabetical order, less those that begin with an underscore."""
    return tuple(sorted(_find_modules(package)))


def _find_modules(package: ModuleType) -> dict[str, str]:
    """Dotted name of each module by its name; those in the folder of the package come before entry points."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return _list_entries(package.__name__) | {
        name: f"{package.__name__}.{name}" for name in names if not name.startswith("_")
    }


@functools.cache  # it looks at every installed distribution
def _list_entries(group: str) -> dict[str, str]:
    """Dotted name of the module of each entry point of a group, by its name."""
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=group)}


def require_module(package: ModuleType, name: str, kind: str) -> str:
    """Dotted name of a module.

    Parameters
    ----------
    package : module
    name : str
        As the user gave it.
    kind : str
        What the modules are, such as "format"; for the message.

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

    Parameters
    ----------
    package, name, kind
        As for `require_module`.

    Raises
    ------
    InputError
        If there is none; it lists those there are.
    """
    return importlib.import_module(require_module(package, name, kind))


def describe_module(package: ModuleType, name: str, kind: str) -> str:
    """First paragraph of a module's docstring on one line; the module is not imported.

    Parameters
    ----------
    package, name, kind
        As for `require_module`.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    spec = importlib.util.find_spec(require_module(package, name, kind))
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())


def is_file(name: str) -> bool:
    """True if a name is that of a Python file, and not of a module."""
    return name.endswith(".py")


def load_file(path: str | Path) -> ModuleType:
    """Import a Python file, once; files in the same folder can be imported by it.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        If there is no such file, or it cannot be imported; with the line at fault.

    Notes
    -----
    The name of the module has a part made of the path, so that files of one name are told apart. Worker processes import
    it too before they begin (`loaded_files`).
    """
    path = Path(path).resolve()
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"there is no file {path}.")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code may raise anything
        del sys.modules[name]
        raise InputError(f"{path}{_find_line(error, path)}: {type(error).__name__}: {error}.") from error
    loaded_files.append(path)
    return module


def find_own(group: str, kind: str) -> Any:
    """Class of a rule or network that is not of the package, None if there is none of that name.

    Parameters
    ----------
    group : str
        ``rule`` or ``network``.
    kind : str
        Path of a Python file that holds the class as ``RULE`` or ``NETWORK``, or name of an entry point, of the group
        ``pfc_da.rules`` or ``pfc_da.networks``, of a module that does.

    Raises
    ------
    InputError
        If the file or module cannot be imported, or holds no such class.
    """
    if is_file(kind):
        module: Any = load_file(kind)
    else:
        entries = _list_entries(f"pfc_da.{group}s")
        if kind not in entries:
            return None
        module = importlib.import_module(entries[kind])
    found = getattr(module, group.upper(), None)
    if not hasattr(found, "settings_class"):
        raise InputError(
            f"{module.__file__} holds no {group}: it needs {group.upper()} = a class with a settings_class."
        )
    return found


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
