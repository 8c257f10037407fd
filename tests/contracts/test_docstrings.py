"""The examples in docstrings run and give what they show, and every subject of the analysis has one."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"pfc_da": "pfc_da", **{name: f"pfc_da.{name}" for name in ("analysis", "circuits", "paradigms")}}
SUBJECTS = ("behaviour", "cells", "choice_models", "comparison", "observers", "readers", "units")


def find_modules() -> list[str]:
    """Modules with an example in a docstring, by their dotted name."""
    found = []
    for folder, package in FOLDERS.items():
        for path in ROOT.joinpath(folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            inside_a_link = folder == "pfc_da" and parts[0] in FOLDERS
            if not inside_a_link and ">>> " in path.read_text(encoding="utf-8"):
                found.append(".".join([package, *(part for part in parts if part != "__init__")]))
    return sorted(found)


def test_there_are_examples():
    found = find_modules()
    assert len(found) > 10
    assert {name.split(".")[2] for name in found if name.startswith("pfc_da.analysis.")} >= set(SUBJECTS)


@pytest.mark.parametrize("module", find_modules())
def test_examples_give_what_they_show(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted and not found.failed
