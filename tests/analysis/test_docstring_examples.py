"""The examples in docstrings of the analysis run, and every subject has one."""

import doctest
import importlib
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
SUBJECTS = ("behaviour", "cells", "choice_models", "comparison", "observers", "readers", "units")
MODULES = sorted(
    ".".join(path.relative_to(ANALYSIS).with_suffix("").parts)
    for path in ANALYSIS.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    found = doctest.testmod(importlib.import_module(f"pfc_da.analysis.{name}"))
    assert found.attempted and not found.failed


def test_every_subject_has_an_example():
    assert {name.partition(".")[0] for name in MODULES} >= set(SUBJECTS)
