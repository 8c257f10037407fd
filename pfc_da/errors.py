"""Errors that a user can correct, each in one line.

A message states what was given, what is allowed and how to correct it. The command line prints it after
``error:`` and exits with code 2; a library user catches it as a plain ``ValueError`` or ``OSError``.
"""

import difflib
import re
from collections.abc import Iterable

SHOWN = 60
"""Largest number of characters of a given value that a message repeats."""
LONGEST = 1500
"""Largest number of characters of a message."""


class InputError(ValueError):
    """Bad input or configuration: what was given, what is allowed, how to correct it, in one line."""


class DiskFull(OSError):
    """No space was left while a file was written; the previous file at that path is unchanged."""


def damaged(path: object, why: str) -> InputError:
    """Return the error for a file that cannot be read in its format; the file was not changed.

    Parameters
    ----------
    path : path
    why : str
        The problem, without a full stop.

    Returns
    -------
    InputError
    """
    return InputError(
        f"{path} is damaged: {why}. It was left as it is; mend or remove it, or give another --out."
    )


def show(given: object) -> str:
    """Return a given value as a message repeats it: as Python writes it, cut to `SHOWN` characters.

    Examples
    --------
    >>> show("bandti")
    "'bandti'"
    >>> len(show("x" * 5000))
    63
    """
    if isinstance(given, str):
        return repr(given if len(given) <= SHOWN else given[:SHOWN] + "…")
    try:
        text = repr(given)
    except (ValueError, RecursionError):  # a very long number, or what holds one or itself
        return "what is too long to write out"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def plural(n: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless there is one of it.

    Parameters
    ----------
    n : int
    noun : str
        Singular.

    Returns
    -------
    str

    Examples
    --------
    >>> plural(1, "file"), plural(12000, "file")
    ('1 file', '12000 files')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def one_line(message: str) -> str:
    """Return the message as one line of printable characters; the middle of a very long message is left out.

    Examples
    --------
    >>> one_line("two\\nlines and a bell \\a")
    'two lines and a bell \\\\x07'
    """
    line = re.sub(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", message.strip())
    line = re.sub(r"[^\s/]{256,}", lambda long: f"{long[0][:SHOWN]}…", line)  # no file has so long a name
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 500]} … {line[-497:]}"


def find_nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that is closest to a misspelt one.

    Parameters
    ----------
    name : str
    allowed : iterable of str

    Returns
    -------
    str or None
        None if no allowed name is similar.
    """
    plain = {each.strip("-").lower(): each for each in allowed if each != name}
    found = difflib.get_close_matches(name[:SHOWN].strip("-").lower(), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the allowed name closest to `name`, or an empty string if none is similar.

    Parameters
    ----------
    name : str
    allowed : iterable of str

    Returns
    -------
    str

    Examples
    --------
    >>> nearest("bandti", ["bandit", "monkey_juice"])
    " Did you mean 'bandit'?"
    >>> nearest("zebra", ["bandit", "monkey_juice"])
    ''
    """
    found = find_nearest(name, allowed)
    return f" Did you mean {found!r}?" if found else ""
