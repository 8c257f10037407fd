"""Comparison of a request with the one that a folder was made for."""

import pytest

from pfc_da.errors import InputError
from pfc_da.storage.request import flatten, require_same_request


def test_the_same_request_is_taken_even_if_one_was_read_from_json():
    require_same_request("it", {"a": {"b": [1, 2]}, "c": None}, {"c": None, "a": {"b": (1, 2)}}, "")


@pytest.mark.parametrize(
    "before, now, difference",
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, r"a\.b is 1 there and 2 was asked for"),
        ({"a": 1}, {"a": 1, "b": "x"}, 'b is absent there and "x" was asked for'),
        ({"a": 1, "b": 2.5}, {"a": 1}, r"b is 2\.5 there and absent was asked for"),
    ],
)
def test_the_first_difference_is_named(before, now, difference):
    with pytest.raises(InputError, match=rf"^F holds another fit: {difference}\. Give another --out\.$"):
        require_same_request("F holds another fit", before, now, "Give another --out.")


def test_nested_settings_are_named_by_dots():
    assert flatten({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}
