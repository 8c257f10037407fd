"""Errors a user can mend, each told in one line.

A message names what was given, what is allowed and how to mend it. The command line prints it after
``error:`` and exits with code 2; a library user catches it as a plain ``ValueError`` or ``OSError``.
"""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input or configuration: what was given, what is allowed, how to mend it, on one line."""


class DiskFull(OSError):
    """No space was left while writing; the file that stood there before is whole."""


def damaged(path: object, why: str) -> InputError:
    """Return the error for a file that cannot be read as what it should be; it was not touched."""
    return InputError(
        f"{path} is damaged: {why}. It was left as it is; mend or remove it, or give another --out."
    )


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the allowed name closest to `name`, or an empty string.

    Examples
    --------
    >>> nearest("bandti", ["bandit", "monkey_juice"])
    " Did you mean 'bandit'?"
    """
    found = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""
