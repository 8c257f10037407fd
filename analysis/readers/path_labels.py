"""Read animal and session from the path of a file, by a pattern such as ``sub-{animal}_ses-{session}``.

The pattern is the end of the path, from the start of a name of a folder or file. ``{animal}`` and ``{session}`` stand for
the shortest label that fits; ``*`` for anything within a name, ``**`` for anything. A label that occurs twice must be the
same in both places. The ending of the file (.csv, .nwb) may be left out.
"""

import os
import re
from pathlib import Path

from pfc_da.errors import InputError

LABELS = ("animal", "session")
MAX_WILD = 8  # matching slows down with each
SUFFIX = r"(?:\.(?:csv|tsv|txt|nwb|zarr|gz|h5|hdf5))*"
_SUBJECT = re.compile(r"(?:^|[/_])sub-([^/_.]+)")


def check_pattern(pattern: str) -> str:
    """Return the pattern if it is one; else a ValueError says what is wrong."""
    names = re.findall(r"\{(.*?)\}", pattern)
    if not names or not set(names) <= set(LABELS):
        wrong = next((name for name in names if name not in LABELS), "")
        stated = f"there is no {{{wrong[:40]}}}" if names else "it names nothing"
        raise ValueError(
            f"{stated}; a pattern has {{animal}}, {{session}} or both, as in {{animal}}/{{session}}"
        )
    if len(re.findall(r"\*+", pattern)) + len(names) > MAX_WILD:
        raise ValueError(f"more than {MAX_WILD} labels and * in a pattern")
    return pattern


def read_labels(pattern: str, path: Path) -> dict[str, str]:
    """Labels in the path of a file.

    Parameters
    ----------
    pattern : str
        As in the module docstring.
    path : Path

    Returns
    -------
    dict of str
        The label by its name, animal or session.

    Raises
    ------
    InputError
        If the path does not end as the pattern does.

    Examples
    --------
    >>> read_labels("sub-{animal}_ses-{session}", Path("data/sub-m1_ses-3.nwb"))
    {'animal': 'm1', 'session': '3'}
    """
    found = re.search(rf"(?:^|/){_translate(pattern)}{SUFFIX}$", _whole(path), re.IGNORECASE)
    if found is None:
        raise InputError(
            f"{path}: its path does not end as `path: {pattern}` in --columns FILE says; * stands for "
            f"anything within a name, and the whole path is {_whole(path)[-200:]}."
        )
    return found.groupdict()


def find_subject(path: Path) -> str:
    """The label after ``sub-``, as BIDS and DANDI name files; "" if there is none."""
    found = _SUBJECT.findall(_whole(path))
    return found[-1] if found else ""


def propose_pattern(paths: list[Path]) -> str:
    """A pattern that may fit, from which names and folders of the files differ."""
    whole = [Path(_whole(path)) for path in paths]
    if len({path.parent for path in whole}) == 1:
        return "{animal}_*" if all("_" in path.name for path in whole) else "{animal}"
    if len({path.parent.parent for path in whole}) > 1:
        return "{animal}/{session}/*"
    return "{animal}/{session}" if len({path.name for path in whole}) > 1 else "{animal}/*"


def _whole(path: Path) -> str:
    """From the root on; links are not followed, since what they point at is named by machines (git-annex)."""
    return Path(os.path.abspath(path)).as_posix()


def _translate(pattern: str) -> str:
    parts = re.split(r"(\{animal\}|\{session\}|\*+)", pattern.strip("/"))
    expression, seen = "", set()
    for part in parts:
        if part in ("{animal}", "{session}"):
            name = part[1:-1]
            expression += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
        elif part.startswith("*"):
            expression += ".*?" if len(part) > 1 else "[^/]*?"
        else:
            expression += re.escape(part)
    return expression
