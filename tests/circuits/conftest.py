"""Circuits of these tests run on numpy, which needs no compiler and no minute of compiling."""

import pytest

from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.midbrain import MidbrainCircuit


@pytest.fixture(scope="session")
def circuit():
    """Eight copies, used by several tests one after another: its state runs on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        return MidbrainCircuit(8, seed=3)
