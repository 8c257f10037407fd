"""Comparison of the request that a folder was made for with a new one, key by key."""

import json
from collections.abc import Mapping
from typing import Any

from pfc_da.errors import InputError


def require_same_request(holds: str, before: Mapping[str, Any], now: Mapping[str, Any], remedy: str) -> None:
    """Refuse a request that differs from the one whose results are there.

    Parameters
    ----------
    holds : str
        What is there, such as "runs/demo holds another fit".
    before, now : mapping
        Settings and options, as JSON has them; nested ones are compared one by one.
    remedy : str
        How to mend it.

    Raises
    ------
    InputError
        With the first key that differs.
    """
    old, new = flatten(before), flatten(json.loads(json.dumps(now)))
    for key in [*new, *(old.keys() - new.keys())]:
        if old.get(key) != new.get(key):
            raise InputError(
                f"{holds}: {key} is {_format(old, key)} there and {_format(new, key)} was asked for. {remedy}"
            )


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names, as ``--set`` has them.

    Parameters
    ----------
    nested : mapping
    prefix : str
        Put before every name.
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _format(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key], ensure_ascii=False) if key in flat else "absent"
