"""Table of the settings of a run: name, default, allowed values, unit and what each does. No torch here."""

import dataclasses
import io
import json
import typing
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from pfc_da.settings import KINDS, RunSettings, describe_range, get_groups, get_unit

if typing.TYPE_CHECKING:
    from pfc_da.task import Task

HEADINGS = ("setting", "default", "allowed", "unit", "what it does")
WIDTHS = (None, 14, 14, 10, None)
"""Largest widths of the columns in a terminal, in characters."""


class Row(NamedTuple):
    """A setting, as text."""

    name: str
    default: str
    allowed: str
    unit: str
    does: str


def list_settings(settings: RunSettings, task: "type[Task] | None" = None) -> list[Row]:
    """Settings with their default values.

    Parameters
    ----------
    settings : RunSettings
        Its values are shown as the defaults.
    task : type of Task, optional
        Task of the paradigm, whose settings come last.

    Returns
    -------
    list of Row
    """
    rows = [
        _make_row(name, field, getattr(settings, name))
        for name, field in RunSettings.model_fields.items()
        if field.description
    ]
    for group, own in get_groups({group: getattr(settings, group).kind for group in KINDS}).items():
        for name, field in own.model_fields.items():
            rows.append(_make_row(f"{group}.{name}", field, getattr(getattr(settings, group), name)))
    return rows if task is None else [*rows, *list_task_settings(settings, task)]


def list_task_settings(settings: RunSettings, task: "type[Task]") -> list[Row]:
    """Settings of a task in training, and those with another value in test.

    Parameters
    ----------
    settings : RunSettings
    task : type of Task

    Returns
    -------
    list of Row
    """
    rows = []
    for group, given in (("task", settings.task), ("test_task", settings.test_task)):
        for field in dataclasses.fields(task):
            if group == "task" or field.name in given:
                value, facts = given.get(field.name, field.default), field.metadata
                allowed = ", ".join(facts.get("names", ())) or _allow_of_type(field.type, facts)
                about = (facts.get("unit", ""), facts.get("does", "") + " (in test)" * (group == "test_task"))
                rows.append(Row(f"{group}.{field.name}", format_value(value), allowed, *about))
    return rows


def format_value(value: Any) -> str:
    """A value as it may be written after `--set NAME=`.

    Examples
    --------
    >>> [format_value(value) for value in (True, 0.004, (0.2, 0.5), "rate")]
    ['true', '0.004', '[0.2, 0.5]', 'rate']
    """
    return value if isinstance(value, str) else json.dumps(value)


def format_text(rows: Sequence[Row], width: int) -> str:
    """A table of at most `width` columns, for a terminal.

    Parameters
    ----------
    rows : sequence of Row
    width : int
        Characters.

    Returns
    -------
    str
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading, widest in zip(HEADINGS, WIDTHS, strict=True):
        table.add_column(heading, max_width=widest, overflow="fold", no_wrap=heading == HEADINGS[0])
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    text = typing.cast(io.StringIO, console.file).getvalue()
    return "\n".join(line.rstrip() for line in text.splitlines())


def format_markdown(rows: Iterable[Sequence[str]], headings: Sequence[str] = HEADINGS) -> str:
    """A table in Markdown, names as code.

    Parameters
    ----------
    rows : iterable of sequence of str
        Names first.
    headings : sequence of str

    Returns
    -------
    str
    """
    lines = [headings, ["---"] * len(headings), *([f"`{name}`", *rest] for name, *rest in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _make_row(name: str, field: FieldInfo, value: Any) -> Row:
    group, _, leaf = name.partition(".")
    allowed = describe_range(field)
    if leaf == "kind":
        allowed = ", ".join(KINDS[group])
    elif typing.get_origin(field.annotation) is typing.Literal:
        allowed = ", ".join(typing.get_args(field.annotation))
    elif isinstance(value, tuple):
        allowed = "list of numbers"
    return Row(name, format_value(value), allowed, get_unit(field), field.description or "")


def _allow_of_type(kind: Any, facts: Any) -> str:
    if kind is bool:
        return "true, false"
    return f"{facts['low']} to {facts['high']}" if kind in (int, float) and "low" in facts else kind.__name__
