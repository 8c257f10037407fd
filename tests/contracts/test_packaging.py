"""Promises of setup.cfg, the links and the wheel, and content that no tracked file may hold."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("circuits", "paradigms", "analysis", "data")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work|home|opt|farm|Users)/\w|python[h]osted|pypi[.]org/simple")


@pytest.mark.parametrize("folder", FOLDERS)
def test_link_is_relative(folder):
    assert os.readlink(ROOT / "pfc_da" / folder) == f"../{folder}"


def test_setup_lists_every_package():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    inits = [path for folder in ("pfc_da", *FOLDERS) for path in (ROOT / folder).rglob("__init__.py")]
    names = {".".join(path.relative_to(ROOT).parent.parts) for path in inits}
    expected = {name if name.startswith("pfc_da") else f"pfc_da.{name}" for name in names}
    assert set(parser["options"]["packages"].split()) == expected


def tracked_files() -> list[Path]:
    """Every tracked file and link that is here."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [Path(name) for name in done.stdout.splitlines() if os.path.lexists(ROOT / name)]


def test_no_machine_path_or_registry_host_is_tracked():
    found = []
    for name in tracked_files():
        text = (ROOT / name).read_text(errors="ignore") if (ROOT / name).is_file() else ""
        found += [f"{name}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """Names inside a wheel built from the tracked files alone."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        (folder / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "sources" / name, follow_symlinks=False)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    done = subprocess.run([*build, folder / "sources"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


@pytest.mark.slow
def test_wheel_installs_nothing_but_the_package(wheel):
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == {"pfc_da"}


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_package(wheel):
    real = [name for name in tracked_files() if name.parts[0] in ("pfc_da", *FOLDERS)]
    real = [name for name in real if not (ROOT / name).is_symlink()]
    wanted = {str(name if name.parts[0] == "pfc_da" else Path("pfc_da") / name) for name in real}
    assert wanted - wheel == set()
