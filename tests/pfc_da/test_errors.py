"""Parts of the input that a message repeats, and the names that it suggests."""

import pytest

from pfc_da.errors import LONGEST, find_nearest, one_line, show


@pytest.mark.parametrize(
    "given, shown",
    [
        ("rate", "'rate'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 5000, f"'{'x' * 60}…'"),
        ("two\nlines\a", r"'two\nlines\x07'"),
        (3, "3"),
        pytest.param(10**5000, "what is too long to write out", id="long number"),
        pytest.param([10**5000], "what is too long to write out", id="long number in a list"),
        (["a"] * 5000, "['a', " + "'a', " * 10 + "'a',…"),
    ],
)
def test_a_message_repeats_what_was_given_in_short(given, shown):
    assert show(given) == shown


def test_messages_are_one_line_of_printable_characters():
    assert one_line("a path\nof two lines\x1b[31m, süß") == "a path of two lines\\x1b[31m, süß"
    assert one_line("a\u2028b\x85c") == "a b c"
    assert one_line(f"/a/{'x' * 255}/{'y' * 5000} no") == f"/a/{'x' * 255}/{'y' * 60}… no"
    long = one_line("begin " + "x " * 10_000 + " end")
    assert len(long) <= LONGEST and long.startswith("begin ") and long.endswith(" end")


@pytest.mark.parametrize(
    "name, found",
    [
        ("bandti", "bandit"),
        ("Bandit", "bandit"),
        ("bandit", None),  # what was given is no hint
        ("zebra", None),
        ("", None),
        ("bandit" * 1000, None),
    ],
)
def test_only_near_names_are_suggested(name, found):
    assert find_nearest(name, ["bandit", "volatility"]) == found


def test_dashes_make_no_options_alike():
    assert find_nearest("--verbose", ["--set", "--seed"]) is None
    assert find_nearest("--anmals", ["--set", "--animals"]) == "--animals"
