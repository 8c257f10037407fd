"""Modules found in the folder of a package: a file put there is known, and nothing has to be registered."""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from pfc_da.errors import InputError, nearest, show


def list_modules(package: ModuleType) -> tuple[str, ...]:
    """Names of the modules of a package in alphabetical order, less those that begin with an underscore."""
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def require_module(package: ModuleType, name: str, kind: str) -> None:
    """Refuse a name that is no module of the package; `kind` is what the modules are, such as "format"."""
    names = list_modules(package)
    if name not in names:
        raise InputError(f"no {kind} {show(name)}.{nearest(name, names)} There are: {', '.join(names)}.")


def load_module(package: ModuleType, name: str, kind: str) -> Any:
    """Import the module `name` of a package.

    Raises
    ------
    InputError
        If there is none; it lists those there are.
    """
    require_module(package, name, kind)
    return importlib.import_module(f"{package.__name__}.{name}")


def describe_module(package: ModuleType, name: str) -> str:
    """First paragraph of a module's docstring on one line; the module is not imported."""
    files = (
        Path(folder, file) for folder in package.__path__ for file in (f"{name}.py", f"{name}/__init__.py")
    )
    tree = ast.parse(next(file for file in files if file.exists()).read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
