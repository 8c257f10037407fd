"""The layers, the lazy imports, the docstrings and the citations, read from the source itself."""

import ast
import configparser
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("circuits", "paradigms", "analysis", "data")
PACKAGES = ("experiment", "export", "report")  # layers of their own inside pfc_da/
ABOVE = ("__main__", "cli", "bench", "gymnasium_env")  # these sit above all layers

MAY_IMPORT = {  # layer -> the layers whose names it may import
    "core": {"core"},
    "circuits": {"core", "circuits"},
    "analysis": {"core", "analysis"},
    "export": {"core", "export"},
    "report": {"core", "report"},
    "experiment": {"core", "circuits", "analysis", "report", "experiment"},
    "paradigms": {"core", "analysis", "experiment", "paradigms"},
    "data": set(),
    "above": {"core", "circuits", "analysis", "export", "report", "experiment", "paradigms", "above"},
}
THIRD_PARTY_HOME = {  # heavy package -> the layers that may import it
    "torch": {"core", "circuits", "experiment", "paradigms", "above"},
    "numba": {"core"},
    "brian2": {"circuits"},
}
DOI = re.compile(r"10\.\d{4,9}/\S+")


def layer_of(module: str) -> str:
    """Return the layer of a dotted module name under pfc_da."""
    parts = module.split(".")
    if len(parts) == 1:
        return "core"
    if parts[1] in (*FOLDERS, *PACKAGES):
        return parts[1]
    return "above" if parts[1] in ABOVE else "core"


def package_files() -> dict[str, Path]:
    """Every module of the package by its dotted name, each file once (through the real folders)."""
    found = {}
    for folder in ("pfc_da", *FOLDERS):
        prefix = "pfc_da" if folder == "pfc_da" else f"pfc_da.{folder}"
        for path in real_files(ROOT / folder):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([prefix, *(part for part in parts if part != "__init__")])] = path
    return found


def real_files(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):  # os.walk does not follow the links
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(directory, name) for name in names if name.endswith(".py"))


def imports(path: Path, package: str = "") -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


FILES = package_files()
REPOSITORY_FILES = [
    *FILES.values(),
    *(path for name in ("tests", "examples", "benchmarks") for path in real_files(ROOT / name)),
]


def imports_of(module: str) -> Iterator[tuple[int, str]]:
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return imports(path, package)


def test_the_walk_finds_every_layer():
    assert {layer_of(module) for module in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(FILES))
def test_arrows_point_down(module):
    layer = layer_of(module)
    wrong = [
        f"{FILES[module]}:{line}: {layer} imports {name}"
        for line, name in imports_of(module)
        if name.split(".")[0] == "pfc_da" and layer_of(name) not in MAY_IMPORT[layer]
        or layer not in THIRD_PARTY_HOME.get(name.split(".")[0], {layer})
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("path", REPOSITORY_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_bare_sibling_import(path):
    # `import analysis` would load a second copy of the module; `circuits` is another project's package.
    bare = [f"line {line}: {name}" for line, name in imports(path, "pfc_da") if name.split(".")[0] in FOLDERS]
    assert bare == []


def test_processes_are_started_in_one_place():
    """The file in which they are made to end with their parent."""
    starting = {"joblib", "loky", "multiprocessing", "concurrent"}
    found = {module for module in FILES for _, name in imports_of(module) if name.split(".")[0] in starting}
    assert found == {"pfc_da.jobs.workers"}


LISTING = "import sys, importlib; importlib.import_module({!r}); print(*sys.modules)"


@pytest.mark.parametrize("module", ["pfc_da", "pfc_da.analysis", "pfc_da.circuits", "pfc_da.cli"])
def test_import_is_light(module):
    assert (
        loaded_by(LISTING.format(module)) & {"torch", "numba", "brian2", "statsmodels", "sklearn", "scipy"}
        == set()
    )


def test_no_analysis_module_loads_a_simulator():
    names = sorted(module for module in FILES if layer_of(module) == "analysis")
    code = f"import sys, importlib; [importlib.import_module(name) for name in {names}]; print(*sys.modules)"
    assert loaded_by(code) & {"torch", "brian2", "statsmodels", "sklearn"} == set()


def test_paradigms_load_without_compilers():
    names = sorted(module for module in FILES if layer_of(module) == "paradigms")
    code = f"import sys, importlib; [importlib.import_module(name) for name in {names}]; print(*sys.modules)"
    assert loaded_by(code) & {"brian2", "numba"} == set()


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def public_without_docstring(tree: ast.Module) -> Iterator[str]:
    """Module, public functions, classes and methods that carry no docstring."""
    if ast.get_docstring(tree) is None:
        yield "module"
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                yield f"{node.name} (line {node.lineno})"
            if isinstance(node, ast.ClassDef):
                waiting.append(node)


@pytest.mark.parametrize("module", sorted(FILES))
def test_public_names_have_docstrings(module):
    assert list(public_without_docstring(ast.parse(FILES[module].read_text()))) == []


def test_data_holds_numbers_and_no_code():
    (docstring,) = ast.parse(FILES["pfc_da.data"].read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert [module for module in FILES if module.startswith("pfc_da.data.")] == []


PARADIGMS = [m for m in FILES if m.startswith("pfc_da.paradigms.") and not m.split(".")[2].startswith("_")]


@pytest.mark.parametrize("module", sorted(PARADIGMS))
def test_paradigm_cites_its_experiment(module):
    assert DOI.search(ast.get_docstring(ast.parse(FILES[module].read_text())) or "")


def requirements(section: str, *names: str) -> set[str]:
    """Names of the distributions that entries of a setup.cfg section ask for."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = "\n".join(parser[section][name] for name in names or parser[section]).splitlines()
    return {re.split(r"[ <>=!~\[]", line)[0].lower() for line in lines if line and not line.startswith("#")}


def test_what_is_imported_is_declared_and_the_reverse():
    distribution = {"yaml": "pyyaml"}
    roots = {name.split(".")[0] for module in FILES for _, name in imports_of(module)}
    imported = {distribution.get(name, name) for name in roots - set(sys.stdlib_module_names) - {"pfc_da"}}
    core = requirements("options", "install_requires")
    assert imported - core - requirements("options.extras_require") == set()
    by_name = {"h5netcdf", "h5py"}  # xarray takes the name h5netcdf, which imports h5py
    assert core - imported - by_name == set()


def test_constraints_pin_what_is_declared():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    declared = requirements("options", "install_requires") | requirements("options.extras_require")
    assert declared - pinned == set()
