"""Map external column names to ours, by a small YAML file.

columns        our name: external name. Our names are animal, session, trial, choice, reward, block, better_side, p_0,
               p_1 and, of NWB trials, event (windows are measured from this time). A list of columns is added up.
values         our name: {external entry: our value}, for choice and reward; a number, or missing. Entries that are not
               listed are refused.
rows           external name: the entry, or list of entries, of the rows that are trials; others are left out. '*' is
               any entry, null none.
path           where the animal and the session stand in the path of a file (`path_labels`).
trials_table   the table of an NWB file that holds the trials; `trials` unless given.
options        how many options there are to choose from; 2 unless given.
baited         whether reward waits until it is taken, so that matching is meaningful; false unless given.
same_schedule  whether rewards followed the schedule of the simulated run, so that reward and better choices may be
               compared; false unless given.
delay          s from the event to the window in which spikes are counted; 0 unless given.

    columns: {animal: subjID, reward: [rewarded_left, rewarded_right]}
    values: {choice: {port A: 0, port B: 1, ignored: missing}}
    rows: {phase: real, stage: [3, 4]}
    path: "sub-{animal}_ses-{session}_*"
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any

import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pfc_da.analysis.readers.entries import (
    OUTCOMES,
    SIDES,
    Value,
    are_labels,
    are_words,
    as_labels,
    list_some,
    plain,
    read_numbers,
)
from pfc_da.analysis.readers.path_labels import check_pattern
from pfc_da.analysis.readers.propose_columns import NEEDED, find_labels, propose_map, propose_values
from pfc_da.errors import InputError, nearest
from pfc_da.storage.yaml_file import read_yaml

OURS = ("animal", "session", "trial", "choice", "reward", "block", "better_side", "p_0", "p_1", "event")
TEXT = ("animal", "session")
ANY = "*"
CODED = ("choice", "reward")
_OF_PYDANTIC = ("[key]", "constrained-str", "list[constrained-str]", "float", "literal['missing']")

Name = Annotated[str, Field(min_length=1, max_length=200)]


class NoRows(InputError):
    """No row of a file is one that `rows` keeps."""


class ColumnMap(BaseModel):
    """Settings of the module docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Name | list[Name]] = {}
    values: dict[str, dict[Any, Value]] = {}
    rows: dict[Name, Any] = {}
    path: Name | None = None
    trials_table: Name | None = None
    options: int = Field(default=2, ge=2, le=100)
    baited: bool = False
    same_schedule: bool = False
    delay: float = Field(default=0.0, ge=-10, le=10)

    @field_validator("columns", "values")
    @classmethod
    def _are_ours(cls, stated: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        allowed = OURS if info.field_name == "columns" else CODED
        for name in stated.keys() - set(allowed):
            raise ValueError(
                f"there is no {name[:40]!r}.{nearest(name, allowed)} Ours are {', '.join(allowed)}"
            )
        return stated

    @field_validator("rows")
    @classmethod
    def _are_entries(cls, stated: dict[str, Any]) -> dict[str, Any]:
        for name, allowed in stated.items():
            entries = allowed if isinstance(allowed, list) else [allowed]
            if not entries or not all(
                isinstance(one, (str, int, float, datetime.date, NoneType)) for one in entries
            ):
                raise ValueError(f"{name[:40]} must be an entry of that column or a list of entries")
        return stated

    @field_validator("path")
    @classmethod
    def _is_pattern(cls, stated: str | None) -> str | None:
        return None if stated is None else check_pattern(stated)

    @model_validator(mode="after")
    def _are_told_once(self) -> "ColumnMap":
        for name in TEXT:
            if name in self.columns and f"{{{name}}}" in (self.path or ""):
                raise ValueError(f"the {name} is stated by columns and by path; leave one of the two out")
        return self

    def theirs(self, ours: str) -> list[str]:
        """External columns that hold `ours`; the column of the same name unless the map says otherwise."""
        stated = self.columns.get(ours, ours)
        return list(stated) if isinstance(stated, list) else [stated]

    def select(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """The rows of a table that `rows` keeps.

        Parameters
        ----------
        table : DataFrame
            Under external names.
        name : str
            Of the file, for messages.

        Returns
        -------
        DataFrame

        Raises
        ------
        InputError
            If a column is not there, or (`NoRows`) no row is left.
        """
        for column, allowed in self.rows.items():
            if column not in table:
                hint = nearest(column, map(str, table.columns))
                raise InputError(
                    f"{name}: rows: there is no column {column!r}.{hint} There are: {list_some(table.columns)}."
                )
            entries = table[column].map(plain)
            listed = allowed if isinstance(allowed, list) else [allowed]
            asked = ["null" if one is None else plain(one) for one in listed]
            given = table[column].notna() & (entries != "")
            kept = (given & entries.isin(asked)) | (given if ANY in asked else ~given & (None in listed))
            if not kept.any():
                found = list_some(entries[given].unique())
                raise NoRows(
                    f"{name}: rows: no row has {column}: {list_some(asked)}; the column holds {found or 'nothing'}."
                )
            table = table[kept]
        return table

    def translate(self, table: pd.DataFrame, name: str, required: Sequence[str] = ()) -> pd.DataFrame:
        """Those columns of `table` that are ours, under our names, numbers as floats; others are dropped.

        Parameters
        ----------
        table : DataFrame
            A row a trial, their names; the index numbers the rows of the file from 0.
        name : str
            Of the file, for messages.
        required : sequence of str
            Columns of ours that must be there.

        Raises
        ------
        InputError
            If a column that was stated is not there, or holds what is neither a number nor listed.
        """
        found = {}
        for ours in OURS:
            theirs = self.find(table, ours)
            absent = [column for column in theirs if column not in table]
            if absent and ours in self.columns:
                hint = nearest(absent[0], (str(column)[:60] for column in table.columns))
                raise InputError(
                    f"{name}: column {absent[0]!r}, said to be {ours}, is missing.{hint} There are: "
                    f"{list_some(table.columns)}."
                )
            if not absent:
                found[ours] = self._read(table, theirs, ours, name)
        if set(required) - found.keys():
            raise InputError(f"{name}: {self.explain_missing(table)}")
        return pd.DataFrame(found, index=table.index)

    def check_labels(self, table: pd.DataFrame, name: str) -> None:
        """Refuse a table that seems to hold several animals or sessions in a column that is not mapped.

        Parameters
        ----------
        table : DataFrame
            Under external names.
        name : str
            Of the file, for messages.

        Raises
        ------
        InputError
            With the column that seems to hold them.
        """
        for ours in TEXT:
            known = f"{{{ours}}}" in (self.path or "") or self.find(table, ours)[0] in table
            label = None if known else find_labels(table, ours)
            if label is not None:
                raise InputError(
                    f"{name}: column {label!r} seems to hold several {ours}s, and no column is known as {ours}. "
                    f"`columns: {{{ours}: {label}}}` in --columns FILE says so."
                )

    def explain_missing(self, table: pd.DataFrame) -> str:
        """What of choice and reward is not known of a table (their names), and a map that may mend it."""
        lacking = [ours for ours in NEEDED if any(column not in table for column in self.find(table, ours))]
        if not len(table.columns):
            return "the table has no columns."
        return (
            f"no column is known as {' and '.join(lacking)}; there are {list_some(table.columns)}. "
            f"{propose_map(table, lacking, {name for ours in OURS for name in self.find(table, ours)})}"
        )

    def find(self, names: Iterable[str], ours: str) -> list[str]:
        """External names that hold one of our columns, whether they are there or not; capitals make no difference.

        Parameters
        ----------
        names : iterable of str
            Columns of the table.
        ours : str
            One of our names.

        Returns
        -------
        list of str
        """
        if ours in self.columns or ours in names:
            return self.theirs(ours)
        return [next((name for name in names if str(name).lower() == ours), ours)]

    def _read(self, table: pd.DataFrame, theirs: list[str], ours: str, name: str) -> pd.Series:
        if ours in TEXT:
            labels = [as_labels(table[column]) for column in theirs]
            return labels[0] if len(labels) == 1 else labels[0].str.cat(labels[1:], sep=" ")
        if ours == "block" and are_labels(table[theirs[0]]):
            changes = table[theirs[0]] != table[theirs[0]].shift()  # what a block is called may come back
            return changes.cumsum().astype(float) - 1
        # The better side is named as choices are.
        coded = "choice" if ours == "better_side" else ours
        columns = []
        for column in theirs:
            values: Mapping[Any, Value] | None = self.values.get(coded)
            known = SIDES if coded == "choice" else OUTCOMES
            if values is None and coded in CODED and are_words(table[column], known):
                values = known
            try:
                columns.append(read_numbers(table[column], f"{name}: column {column!r}", values))
            except InputError as error:
                mend = f"`columns: {{{ours}: NAME}}` in --columns FILE names another column."
                mend = propose_values(table[column], coded) if coded in CODED else mend
                raise InputError(f"{error} {mend}".strip()) from None
        return columns[0] if len(columns) == 1 else sum(columns[1:], columns[0])


def read_column_map(path: str | Path) -> ColumnMap:
    """The YAML file of the module docstring."""
    content = read_yaml(Path(path), "columns")
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings such as 'columns: {{choice: response}}'.")
    try:
        return ColumnMap.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][:3] if part not in _OF_PYDANTIC)[:80]
    if first["type"] == "extra_forbidden":
        return f"no setting {place!r}.{nearest(place, ColumnMap.model_fields)} There are: " + (
            f"{', '.join(ColumnMap.model_fields)}."
        )
    place = place or "settings"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}."
