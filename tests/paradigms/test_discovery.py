"""Paradigms are found by their files, and named when misspelt."""

import subprocess
import sys

import pytest

from pfc_da import paradigms
from pfc_da.errors import InputError


def test_names_are_the_public_files():
    names = paradigms.names()
    assert "bandit" in names
    assert list(names) == sorted(names)
    assert not any(name.startswith("_") for name in names)


@pytest.mark.parametrize("name", paradigms.names())
def test_every_paradigm_is_described_in_a_line(name):
    said = paradigms.describe(name)
    assert len(said) > 20
    assert "\n" not in said


@pytest.mark.parametrize("function", [paradigms.load, paradigms.describe])
@pytest.mark.parametrize(
    "name, words",
    [
        ("bandti", "no paradigm 'bandti'. Did you mean 'bandit'\\? There are: bandit"),
        ("zzz", "no paradigm 'zzz'. There are: bandit"),
        ("_experiment", "no paradigm '_experiment'"),
        ("../bandit", "no paradigm '../bandit'"),
        ("", "no paradigm ''. There are"),
    ],
)
def test_a_name_that_is_none(function, name, words):
    with pytest.raises(InputError, match=words):
        function(name)


def test_listing_loads_neither_numpy_nor_torch():
    code = (
        "import sys; from pfc_da import paradigms; [paradigms.describe(name) for name in paradigms.names()]\n"
        "sys.exit(len({'torch', 'numpy', 'brian2'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
