"""YAML files and texts of names, numbers, text, lists and groups, read with limits.

Refused are tags, names given twice, more than `MAX_BYTES` bytes, more than `MAX_DEPTH` levels, and aliases that refer to
themselves or represent more than `MAX_VALUES` values. Numbers are decimal: 010 is ten and 1e-4 is a number, while
1:30, 0x10 and dates are text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from pfc_da.errors import InputError, show
from pfc_da.storage.files import require_file

MAX_BYTES = 100_000
MAX_DEPTH = 20
MAX_VALUES = 20_000
MAX_DIGITS = 300  # of a whole number: as far as floats reach
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_REAL = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class Refused(ValueError):
    """YAML that is not accepted, with the reason as a part of a sentence."""


class _Loader(yaml.SafeLoader):
    """Loader of PyYAML, with numbers as described at the top of this module."""

    yaml_implicit_resolvers = {  # by first letter  # noqa: RUF012
        letter: [(tag, pattern) for tag, pattern in found if tag.split(":")[-1] in ("bool", "null", "merge")]
        for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        digits = node.value.replace("_", "")
        if len(digits) > MAX_DIGITS:
            raise Refused(f"a number of {len(digits)} digits is too long")
        return int(digits)


for _tag, _pattern in (("int", _WHOLE), ("float", _REAL)):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)


class _Dumper(yaml.SafeDumper):
    """Dumper of PyYAML that quotes each text that `_Loader` would take for something else."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def read_yaml(path: Path, what: str) -> Any:
    """Read a YAML file.

    Parameters
    ----------
    path : Path
    what : str
        Content of the file, for messages ("settings").

    Returns
    -------
    object
        Of any kind that YAML has; None if the file is empty.

    Raises
    ------
    InputError
        If it cannot be read, or is refused as described at the top of this module.
    """
    try:
        require_file(path)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(
                f"{path}: more than {MAX_BYTES} bytes are too many for {what}. Is it another file?"
            )
        return parse_yaml(content.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not YAML: it is not text in UTF-8.") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}.") from None
    except Refused as error:
        raise InputError(f"{path}: {error}.") from None


def format_yaml(content: Any) -> str:
    """Write a text that `parse_yaml` reads as `content`, names in the order given.

    Examples
    --------
    >>> print(format_yaml({"updates": 10, "rate": 1e-4, "start": "1e3"}))
    updates: 10
    rate: 0.0001
    start: '1e3'
    <BLANKLINE>
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str) -> Any:
    """Parse a text.

    Raises
    ------
    Refused
        As described at the top of this module.
    yaml.YAMLError
        If it is not YAML.

    Examples
    --------
    >>> parse_yaml("{updates: 010, rate: 1e-4, start: 1:30}")
    {'updates': 10, 'rate': 0.0001, 'start': '1:30'}
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):  # knows no recursion, unlike what comes after
        if getattr(event, "tag", None):
            raise Refused(f"tags are not read, got {show(event.tag)}; leave it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise Refused(f"it has more than {MAX_DEPTH} levels; settings have two")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _measure(node: yaml.Node, known: dict[yaml.Node, tuple[int, int]]) -> tuple[int, int]:
    """Number of values and of levels of a node with its aliases expanded; no name may be given twice.

    An alias follows the node it refers to, which is known by then unless the alias is inside it.
    """
    if node in known:
        if not known[node][0]:
            raise Refused("an alias refers to what it is part of; write out what is meant")
        return known[node]
    known[node], parts = (0, 0), []
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node)
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    measured = [_measure(part, known) for part in parts]
    values = 1 + sum(each for each, _ in measured)
    levels = 1 + max((each for _, each in measured), default=0)
    if values > MAX_VALUES or levels > MAX_DEPTH + 1:
        raise Refused(f"it stands for more than {MAX_VALUES} values or {MAX_DEPTH} levels")
    known[node] = values, levels
    return known[node]


def _refuse_twice(node: yaml.MappingNode) -> None:
    names = set()
    for key, _ in node.value:
        name = isinstance(key, yaml.ScalarNode) and (key.tag, key.value)
        if name and name in names:
            raise Refused(f"{show(key.value)} is given twice; give it once")
        names.add(name)
