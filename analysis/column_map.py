"""How somebody else's columns become ours: a small YAML file beside their data.

columns        ours: theirs. Ours are animal, session, trial, choice, reward, block, better_side, p_0, p_1 and, of
               NWB trials, event (the time that windows are counted from). A list of columns is added up.
values         ours: {theirs: ours}, for choice and reward; a number, or missing. What is not listed is refused.
options        how many options there are to choose from; 2 unless given.
baited         whether reward waits until it is taken, so that matching says something; false unless given.
same_schedule  whether rewards came as in the simulated run, so that reward and better choices may be held
               against it; false unless given.
delay          s from the event to the window in which spikes are counted; 0 unless given.

    columns: {animal: subjID, reward: [rewarded_left, rewarded_right]}
    values: {choice: {left: 0, right: 1, ignored: missing}}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pfc_da.errors import InputError, nearest
from pfc_da.files import require_file

OURS = ("animal", "session", "trial", "choice", "reward", "block", "better_side", "p_0", "p_1", "event")
TEXT = ("animal", "session")
CODED = ("choice", "reward")
MISSING = "missing"
SIDES: Mapping[Any, Any] = {"left": 0, "right": 1, "none": MISSING}
"""Words of choices that are read without being told; others are not guessed."""
MAX_BYTES = 100_000
MAX_NUMBER = 1e15  # sums and squares of larger ones are no numbers
_OF_PYDANTIC = ("[key]", "constrained-str", "list[constrained-str]", "float", "literal['missing']")

Name = Annotated[str, Field(min_length=1, max_length=200)]
Value = FiniteFloat | Literal["missing"]


class ColumnMap(BaseModel):
    """Settings of the module docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Name | list[Name]] = {}
    values: dict[str, dict[Any, Value]] = {}
    options: int = Field(default=2, ge=2, le=100)
    baited: bool = False
    same_schedule: bool = False
    delay: float = Field(default=0.0, ge=-10, le=10)

    @field_validator("columns", "values")
    @classmethod
    def _are_ours(cls, told: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        allowed = OURS if info.field_name == "columns" else CODED
        for name in told.keys() - set(allowed):
            raise ValueError(
                f"there is no {name[:40]!r}.{nearest(name, allowed)} Ours are {', '.join(allowed)}"
            )
        return told

    def theirs(self, ours: str) -> list[str]:
        """Columns of theirs that hold `ours`; its own name unless another was told."""
        told = self.columns.get(ours, ours)
        return list(told) if isinstance(told, list) else [told]

    def translate(self, table: pd.DataFrame, name: str, required: Sequence[str] = ()) -> pd.DataFrame:
        """Those columns of `table` that are ours, under our names, numbers as floats; others are dropped.

        Parameters
        ----------
        table : DataFrame
            A row a trial, their names.
        name : str
            Of the file, for messages.
        required : sequence of str
            Columns of ours that must be there.

        Raises
        ------
        InputError
            If a column that was told is not there, or holds what is neither a number nor listed.
        """
        found = {}
        for ours in OURS:
            theirs = self.theirs(ours)
            absent = [column for column in theirs if column not in table]
            if absent and (ours in self.columns or ours in required):
                told = f", said to be {ours}," if ours in self.columns else ""
                hint = nearest(absent[0], (str(column)[:60] for column in table.columns))
                raise InputError(
                    f"{name}: column {absent[0]!r}{told} is missing.{hint} Names other than ours are told by "
                    "--columns FILE."
                )
            if not absent:
                found[ours] = self._read(table, theirs, ours, name)
        return pd.DataFrame(found, index=table.index)

    def _read(self, table: pd.DataFrame, theirs: list[str], ours: str, name: str) -> pd.Series:
        if ours in TEXT:
            labels = [table[column].astype("string").mask(table[column].isna()) for column in theirs]
            return labels[0] if len(labels) == 1 else labels[0].str.cat(labels[1:], sep=" ")
        # The better side is named as choices are.
        values: Mapping[Any, Value] | None = self.values.get("choice" if ours == "better_side" else ours)
        if values is None and ours in ("choice", "better_side") and _are_sides(table[theirs[0]]):
            values = SIDES
        columns = [read_numbers(table[column], f"{name}: column {column!r}", values) for column in theirs]
        return columns[0] if len(columns) == 1 else sum(columns[1:], columns[0])


def read_column_map(path: str | Path) -> ColumnMap:
    """The YAML file of the module docstring."""
    import yaml

    try:
        require_file(path)
        text = Path(path).read_bytes()
        if len(text) > MAX_BYTES:
            raise InputError(f"{path}: {len(text)} bytes are too many for a list of columns.")
        content = yaml.safe_load(text.decode("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the columns {path}: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings such as 'columns: {{choice: response}}'.")
    try:
        return ColumnMap.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: it refers to itself.") from None


def read_numbers(column: pd.Series, name: str, values: Mapping[Any, Value] | None = None) -> pd.Series:
    """The column as floats, NaN where missing.

    Parameters
    ----------
    name : str
        Of file and column, for messages.
    values : mapping, optional
        What each entry stands for; entries not listed are refused.
    """
    given = column.notna() & ~(column.astype("string").str.strip() == "").fillna(False)
    if values is None:
        read = (
            pd.to_numeric(_as_numerals(column.where(given)), errors="coerce").astype("Float64").astype(float)
        )
        allowed = "hold numbers (empty where missing)"
    else:
        code = {_plain(key): np.nan if value == MISSING else value for key, value in values.items()}
        read = column.map(_plain).map(code).astype(float)
        given &= ~column.map(_plain).isin([key for key, value in code.items() if np.isnan(value)])
        allowed = f"hold {', '.join(code)} (empty where missing)"
    wrong = given & ~(read.abs() < MAX_NUMBER)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        given_there = str(column.iloc[row])[:40]
        raise InputError(f"{name} must {allowed}, got {given_there!r} in row {row + 1}.")
    return read


def _as_numerals(column: pd.Series) -> pd.Series:
    """Entries that are no numbers yet as text, truth as 1 and 0.

    Also what pandas has read as whole numbers too long for a float, which it would not convert.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.astype("string").str.strip().str.lower().replace({"true": "1", "false": "0"})


def _are_sides(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column) and set(column.dropna().map(_plain)) <= set(SIDES)


def _plain(value: object) -> str:
    """A label as text, so that 1, 1.0 and "1" are one."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number is caught
    except (TypeError, ValueError, OverflowError):
        return str(value).strip()
    return str(int(number)) if number.is_integer() else str(number)


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][:3] if part not in _OF_PYDANTIC)[:80]
    if first["type"] == "extra_forbidden":
        return f"no setting {place!r}.{nearest(place, ColumnMap.model_fields)} There are: " + (
            f"{', '.join(ColumnMap.model_fields)}."
        )
    return f"{place}: {first['msg'].removeprefix('Value error, ')}."
