"""Read tables of a run folder: the columns that are needed, and numbers where there must be numbers."""

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pfc_da.errors import InputError, damaged
from pfc_da.storage.files import require_file

STATISTIC = "key condition estimate low high interval n n_of units".split()
BY_ANIMAL = "animal key condition estimate".split()
COMPARISON = (
    "key condition simulated sim_low sim_high reference ref_low ref_high kind source doi locator verdict "
    "why".split()
)
RECORDED = (
    "key condition units simulated sim_low sim_high sim_n sim_n_of recorded rec_low rec_high rec_n rec_n_of "
    "difference diff_low diff_high verdict why matched source".split()
)
INDEX = "name title caption intervals wide drawn".split()
"""Columns of figures/index.csv, one row a panel. `wide`: 1 for the width of two panels; `drawn`: 0 if it has no numbers."""
VERDICTS = ("inside", "outside", "open", "claim holds", "claim fails", "claim open", "not comparable")
MISSES = ("outside", "claim fails")
NAMES = (
    "key condition verdict why kind source doi locator interval n_of ref_n_of units group "
    "name title caption intervals"
).split()
_NUMBERS = {name for name in (*STATISTIC, *COMPARISON, *RECORDED) if name not in (*NAMES, "matched")}
_NUMBERS -= {"sim_n_of", "rec_n_of", "n", "sim_n", "rec_n"}


def is_control(comparison: Mapping[Hashable, Any]) -> bool:
    """Whether a row of comparison.csv compares a control with chance, which tests the program and not the model."""
    return comparison["kind"] == "derived" and str(comparison["source"]).startswith("chance")


def read_table(
    path: str | Path,
    columns: Collection[str] = (),
    numbers: Collection[str] = (),
    texts: Collection[str] = (),
) -> pd.DataFrame:
    """Read a CSV that this package wrote.

    Parameters
    ----------
    path : path
    columns : names
        Columns that must be there.
    numbers : names
        Those of them that must hold numbers.
    texts : names
        Columns read as text whatever they hold: a group called 1 is a name.

    Raises
    ------
    InputError
        If the file is missing or is no such table; it is left as it is.
    """
    path = Path(path)
    try:
        require_file(path)
        table = pd.read_csv(path, dtype=dict.fromkeys(texts, "string"))
    except FileNotFoundError:
        raise InputError(f"there is no {path}; the command that makes it is to be given again.") from None
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise damaged(path, str(error).splitlines()[0]) from None
    if missing := [name for name in columns if name not in table]:
        raise damaged(path, f"it lacks the column(s) {', '.join(missing)}")
    for name in [name for name in table if name in numbers or name in _NUMBERS]:
        if len(table) and table[name].dtype.kind not in "iuf":
            raise damaged(path, f"its column {name} holds what is no number")
    return table
