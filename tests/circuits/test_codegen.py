"""The code generation target that is taken and why, and the report of compiling."""

import logging
import os
import sys

import pytest

from pfc_da.circuits import codegen
from pfc_da.errors import InputError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No choice in the environment, and none remembered."""
    monkeypatch.delenv(codegen.TARGET_VARIABLE, raising=False)
    codegen._find_target.cache_clear()
    yield
    codegen._find_target.cache_clear()


@pytest.mark.parametrize("target", codegen.TARGETS)
def test_the_environment_chooses_and_the_reason_is_logged(target, monkeypatch, caplog):
    monkeypatch.setenv(codegen.TARGET_VARIABLE, target)
    with caplog.at_level(logging.INFO, "pfc_da.circuits"):
        brian2 = codegen.prepare_brian2()
    assert brian2.prefs.codegen.target == target
    assert caplog.messages == [f"circuits run on {target}: PFC_DA_SPIKING_TARGET={target}"]


def test_a_target_there_is_not_is_reported_in_one_line(monkeypatch):
    monkeypatch.setenv(codegen.TARGET_VARIABLE, "cyton")
    with pytest.raises(
        InputError, match=r"^PFC_DA_SPIKING_TARGET must be cython or numpy, got 'cyton'\. Did"
    ):
        codegen.choose_target()


def test_without_a_compiler_it_is_numpy_and_says_so(monkeypatch, caplog):
    for variable in ("CC", "CXX"):
        monkeypatch.setenv(variable, "/nowhere/compiler")
    assert codegen.choose_target() == "numpy"
    (warning,) = caplog.messages
    assert warning.startswith("circuits run on numpy") and "/nowhere/compiler" in warning and "g++" in warning
    assert codegen.choose_target() == "numpy" and len(caplog.messages) == 1


def test_without_brian2_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "brian2", None)
    with pytest.raises(InputError, match=r"^spiking circuits need brian2.*pip install 'pfc_da\[spiking\]'"):
        codegen.prepare_brian2()


def test_compiling_is_reported_once_and_only_if_code_is_not_in_the_cache(tmp_path, monkeypatch, caplog):
    from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager as manager

    asked = []
    monkeypatch.setattr(manager, "_load_module", lambda path, **options: asked.append(os.path.basename(path)))
    (tmp_path / "there.so").touch()
    with codegen.compiling("prefrontal"):
        manager._load_module(str(tmp_path / "there.so"), code="")
        assert caplog.messages == []
        for name in ("one.so", "two.so"):
            manager._load_module(str(tmp_path / name), code="")
    manager._load_module(str(tmp_path / "three.so"), code="")
    assert caplog.messages == ["compiling circuit 2 of 3 (prefrontal), once per machine: about a minute"]
    assert asked == ["there.so", "one.so", "two.so", "three.so"]
