"""Choices as a long table, one row a trial, in the columns that packages for behavioural models read.

hBayesDM takes subjID, choice (from 1), outcome (1 or -1), gain and loss; HSSM takes response (-1 or 1 for two options, from
0 for more); `pfc_da.analysis.readers.choice_table` takes animal, session, trial, choice, reward and block. What those
packages call a subject is one learning history, so every session is one.

Reference: Ahn et al. 2017, Comput Psychiatr 1:24, doi 10.1162/CPSY_a_00002 (hBayesDM).
"""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.export.cut import name_export
from pfc_da.export.jobs import Job
from pfc_da.export.session import count_sessions, list_labels, name_subject
from pfc_da.export.tables import iterate_columns, to_seconds
from pfc_da.recording import load
from pfc_da.recording_schema import get_bin_s, get_condition_names
from pfc_da.trials import per_trial


def plan(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One table a condition.

    Parameters
    ----------
    recording, sessions
        As in `pfc_da.export.formats`.
    """
    name = name_export(recording)
    part = recording[list_labels(recording)]
    part = part.isel(episode=slice(count_sessions(recording, "episode", sessions)))
    for place, condition in enumerate(get_condition_names(recording)):
        write = functools.partial(_write_table, part.isel(condition=place), get_bin_s(recording))
        yield Job(Path(f"{name}_{condition}.csv"), write)


def _write_table(recording: xr.Dataset, bin_s: float, path: Path) -> None:
    """Animals are read and written one after the other."""
    for animal in range(recording.sizes["animal"]):
        table = tabulate_choices(load(recording.isel(animal=animal)), bin_s)
        table.to_csv(path, mode="a" if animal else "w", header=not animal, index=False)


def tabulate_choices(own: xr.Dataset, bin_s: float) -> pd.DataFrame:
    """The rows of one animal under one condition.

    Parameters
    ----------
    own : xarray.Dataset
        Dimensions (episode, step, ...).
    bin_s : float
        Duration of a bin in s.
    """
    shape = own.sizes["episode"], len(np.unique(own["trial"].values))
    session, trial = (grid.ravel() for grid in np.indices(shape))
    numbers = {name: np.broadcast_to(values.values, shape).ravel() for name, values in iterate_columns(own)}
    choice, reward = numbers.pop("choice").astype(int), numbers.pop("reward")
    ends = per_trial(own, "onset") + per_trial(
        own, "duration"
    )  # (episode, trial), of the phase of the choice
    subject = name_subject(own.attrs, int(own["animal"]))
    table = pd.DataFrame(
        {
            "subjID": [f"{subject}-{number:04d}" for number in session],
            "animal": subject,
            "session": session,
            "trial": trial,
            "choice": choice + 1,
            "response": 2 * choice - 1 if own.sizes["action"] == 2 else choice,
            "outcome": np.where(reward > 0, 1, -1),
            "gain": np.maximum(reward, 0),
            "loss": np.minimum(reward, 0),
            "reward": reward,
            "response_time": to_seconds(np.rint(ends / bin_s).astype(int), bin_s).ravel(),
        }
    )
    for name in ("choice", "response", "outcome"):
        table[name] = table[name].astype("Int64").mask(choice < 0)
    for name, values in numbers.items():
        table[f"{name}_of_task" if name in table else name] = values
    return table
