"""Cells of orbitofrontal cortex in monkeys that choose between two juices: reader and variables of a trial.

On every trial amounts of juice A and B are offered; a saccade chooses, the juice chosen is always delivered.
In "joint" trials both offers show at once, on the left and right; "sequential" trials are mixed in and serve
here only as what came before. Values are in units of juice B: an amount q_A of juice A is worth rho q_A,
where the relative value rho is where choices of a session split evenly,

    logit P(B) = steepness (log(q_B / q_A) - log rho).

Layout of the published recordings (`read_ofc_matlab`): a folder of ``celldata/*_data.mat``, a file a cell.

celldata        spikes: time in the trial (ms), trial, electrode, cluster
psyphydata      events: time in the trial (ms), trial, code, time in the session (s). Codes: 25 fixation,
                30 offers on, 35 go, 39 saccade, 43 to 45 juice (one code a juice line)
goodTrials_JC   joint trials: trial, amounts of A and B (negative: left), juice chosen (1 A, 2 B), got juice
goodTrials_SO   sequential trials: trial, A and B (negative: offered first), side of A's target, juice chosen

Reference: Shi, Ballesta & Padoa-Schioppa 2022, eLife 11:e75910, doi 10.7554/eLife.75910.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from pfc_da.analysis.cells.sessions import CellSession, to_ticks
from pfc_da.analysis.readers.column_map import ColumnMap
from pfc_da.analysis.readers.formats import RecordedFile
from pfc_da.errors import InputError
from pfc_da.storage.files import require_file

WINDOWS = {  # name -> event, start and end after it in ms; the windows of the publication's own analysis
    "pre_offer": ("offer", -500, 0),
    "post_offer": ("offer", 100, 600),
    "late_delay": ("offer", 600, 1100),
    "post_juice": ("juice", 100, 600),
}
WINDOW_S = 0.5
SPIKES_MS = (-1000, 1000)  # around the offers
_RIDGE = 1e-3
SHOWN = "the offers show the values, which here are not learnt from rewards"
_TABLES = {"celldata": 4, "psyphydata": 3, "goodTrials_JC": 5, "goodTrials_SO": 5}  # columns of each
_EVENTS = {"fixation": (25,), "offer": (30,), "go": (35,), "saccade": (39,), "juice": (43, 44, 45)}


@dataclass(frozen=True, kw_only=True)
class OFCRecording:
    """Trials and spikes of all cells, times in ms after the offers appeared.

    Attributes
    ----------
    trials : DataFrame
        session, trial, task (joint or sequential), offer_a, offer_b (amounts), side_a (-1 left, 1 right),
        choice (0 A, 1 B), fixation_ms, go_ms, saccade_ms, juice_ms; side and times on joint trials only.
    counts : DataFrame
        cell, trial, and one column of spike counts for each of `WINDOWS`; joint trials from the first to the
        last trial on which the cell fired at all. A cell is named session + electrode + cluster.
    spikes : DataFrame
        cell, trial, spike_times_ms (arrays, sorted), from 1 s before to 1 s after the offers.
    """

    trials: pd.DataFrame
    counts: pd.DataFrame
    spikes: pd.DataFrame


def read_ofc_matlab(folder: str | Path) -> OFCRecording:
    """All cells of a folder with the layout of the module docstring, as tables.

    Parameters
    ----------
    folder : path
        Holds ``celldata``.

    Returns
    -------
    OFCRecording

    Raises
    ------
    InputError
        If there is no file of a cell, or one is damaged.
    """
    trials: dict[str, pd.DataFrame] = {}
    counts, spikes = [], []
    for path in _paths(folder):
        cell = path.name.removesuffix("_data.mat")
        tables = _load_matlab(path)
        events = _events(tables["psyphydata"])
        if cell[:-2] not in trials:
            trials[cell[:-2]] = _trials(cell[:-2], tables, events)
        trains = _trains(tables, events)
        counts.append(_counts(trains, events).assign(cell=cell))
        spikes.append(_around_offers(trains).assign(cell=cell))
    return OFCRecording(
        trials=pd.concat(trials.values(), ignore_index=True),
        counts=pd.concat(counts, ignore_index=True)[["cell", "trial", *WINDOWS]],
        spikes=pd.concat(spikes, ignore_index=True)[["cell", "trial", "spike_times_ms"]],
    )


def accepts(path: Path) -> bool:
    """Whether it is a folder with the layout of the module docstring."""
    return (path / "celldata").is_dir()


def read(path: Path, columns: ColumnMap | None = None) -> RecordedFile:
    """All cells of a folder with that layout; what happened on each trial goes with the cells.

    Parameters
    ----------
    path : Path
    columns : ColumnMap, optional
        Not used: the layout has fixed names.

    Returns
    -------
    RecordedFile

    Raises
    ------
    InputError
        If a file lacks a table, or a table holds what it must not: in one line, with the file and the table.
    """
    return RecordedFile(cells=tuple(read_ofc_cells(path)))


def read_ofc_cells(folder: str | Path) -> list[CellSession]:
    """All cells of a folder in that layout, around the offers of joint trials, a `CellSession` each.

    Each is a session of its own, since cells were held on different trials.
    """
    found = []
    regressors: dict[str, dict[str, NDArray]] = {}
    for path in _paths(folder):
        cell, tables = path.name.removesuffix("_data.mat"), _load_matlab(path)
        events = _events(tables["psyphydata"])
        if cell[:-2] not in regressors:
            regressors[cell[:-2]] = compute_cell_regressors(_trials(cell[:-2], tables, events))
        joint = np.sort(tables["goodTrials_JC"][:, 0].astype(int))
        own = events.loc[joint]
        spans = np.stack([own["offer"], own["end"] - own["offer"]])
        found.append(lay_around_offers(cell, joint, _trains(tables, events), spans, regressors[cell[:-2]]))
    return found


def lay_around_offers(
    cell: str,
    joint: NDArray,
    trains: Mapping[int, NDArray],
    spans: NDArray,
    regressors: Mapping[str, NDArray],
) -> CellSession:
    """One cell around the offers of the joint trials of its session.

    Parameters
    ----------
    cell : str
        Session, electrode and cluster.
    joint : (trial,) int
        Numbers of the joint trials, sorted.
    trains : mapping of int to arrays
        Spike times after the offers in ms, by the number of each trial on which the cell was held.
    spans : (2, trial)
        For how long spikes are known before and after the offers, in ms.
    regressors : mapping of (trial,)
        Of `compute_cell_regressors`.

    Returns
    -------
    CellSession
    """
    before, after = np.where(np.isin(joint, list(trains)), spans, -np.inf) / 1000
    return CellSession(
        animal=cell[:1],
        session=cell[:-2],
        names=(cell,),
        trains=(tuple(to_ticks(trains.get(trial, np.empty(0)) / 1000) for trial in joint.tolist()),),
        seen_before=before[:, None],
        seen_after=after[:, None],
        regressors=regressors,
        unlike=SHOWN,
    )


def compute_cell_regressors(trials: pd.DataFrame) -> dict[str, NDArray]:
    """What is compared with simulated units of `compute_ofc_regressors`, (trial,) by the names of their regressors."""
    ours = {"offer_value_a": "object_value_0", "offer_value_b": "object_value_1"}
    table = compute_ofc_regressors(trials).rename(columns=ours)
    return {str(name): table[name].to_numpy() for name in table}


def fit_relative_value(offer_a: NDArray, offer_b: NDArray, chose_b: NDArray) -> tuple[float, float]:
    """Relative value rho and steepness of the choices of a session.

    Parameters
    ----------
    offer_a, offer_b : (trial,)
        Amounts; trials on which one is 0 are forced and left out.
    chose_b : (trial,) bool

    Returns
    -------
    rho : float
        Amount of B as good as one of A; NaN where all choices are the same.
    steepness : float
        Per unit of log amount; negative if more of B makes A more likely.

    Notes
    -----
    In some sessions all offers but one are always decided alike, and plain maximum likelihood has no finite
    steepness; a weak penalty (0.001 / 2 of the squared weights) keeps it finite and leaves rho in place.
    """
    both = (offer_a > 0) & (offer_b > 0)
    ratio = np.log(offer_b[both] / offer_a[both])
    if len(np.unique(chose_b[both])) < 2:
        return np.nan, np.nan
    design, chosen = np.stack([np.ones_like(ratio), ratio], axis=1), chose_b[both].astype(float)
    weights = np.zeros(2)
    for _ in range(100):  # Newton steps, shortened where they overshoot
        p = expit(design @ weights)
        information = (design.T * (p * (1 - p))) @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(information, design.T @ (chosen - p) - _RIDGE * weights)
        weights += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return float(np.exp(-weights[0] / weights[1])), float(weights[1])


def compute_ofc_regressors(trials: pd.DataFrame) -> pd.DataFrame:
    """What the cells of one session could fire for on each of its trials, indexed by trial number.

    Parameters
    ----------
    trials : DataFrame
        Rows of one session of `OFCRecording.trials`.

    Returns
    -------
    DataFrame
        On joint trials: offer_value_a, offer_value_b, chosen_value (units of juice B), choice (-1 A, 1 B),
        and of the completed trial before, of either task: last_choice (-1, 1), last_reward (value of the
        juice drunk) and last_interaction (their product, last_reward less its mean).
    """
    ordered = trials.sort_values("trial").set_index("trial")
    joint = ordered[ordered["task"] == "joint"]
    chose_b = joint["choice"].to_numpy() == 1
    rho, _ = fit_relative_value(joint["offer_a"].to_numpy(), joint["offer_b"].to_numpy(), chose_b)
    value_a, value_b = rho * ordered["offer_a"], ordered["offer_b"].astype(float)
    choice = 2.0 * ordered["choice"] - 1
    drunk = value_b.where(choice > 0, value_a)
    last_choice, last_reward = choice.shift(), drunk.shift()
    table = pd.DataFrame(
        {
            "offer_value_a": value_a,
            "offer_value_b": value_b,
            "chosen_value": drunk,
            "choice": choice,
            "last_choice": last_choice,
            "last_reward": last_reward,
            "last_interaction": last_choice * (last_reward - last_reward.mean()),
        }
    )
    return table.loc[joint.index]


def _paths(folder: str | Path) -> list[Path]:
    paths = sorted(Path(folder, "celldata").glob("*_data.mat"))
    if not paths:
        raise InputError(f"{folder}: no celldata/*_data.mat in it; give the folder that holds celldata/.")
    return paths


def _load_matlab(path: Path) -> dict[str, NDArray]:
    from scipy.io import loadmat

    require_file(path)
    try:
        found = loadmat(path, variable_names=list(_TABLES))
    except Exception as error:  # scipy meets a damaged file with errors of any kind
        message = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as a MATLAB file ({message[:120]}).") from None
    missing = [name for name in _TABLES if name not in found]
    if missing:
        raise InputError(
            f"{path}: {missing[0]} is missing; the layout is described in pfc_da.analysis.readers.juice_choice."
        )
    tables = {
        name: _check_table(found[name], n_columns, f"{path}: {name}") for name, n_columns in _TABLES.items()
    }
    _check_trials(tables, path)
    return tables


def _check_table(table: NDArray, n_columns: int, name: str) -> NDArray:
    if table.dtype.kind not in "fiu" or table.ndim != 2 or (table.size and table.shape[1] < n_columns):
        raise InputError(
            f"{name} must be a table of numbers with {n_columns} columns, got {table.dtype} {table.shape}."
        )
    if not np.isfinite(table).all():
        raise InputError(
            f"{name}: row {int(np.argmin(np.isfinite(table).all(1))) + 1} holds NaN or infinity."
        )
    return table.astype(float) if table.size else np.empty((0, n_columns))


def _check_trials(tables: dict[str, NDArray], path: Path) -> None:
    spikes, events, joint = (tables[name] for name in ("celldata", "psyphydata", "goodTrials_JC"))
    for name, table in (("celldata", spikes), ("goodTrials_JC", joint)):
        if not len(table):
            raise InputError(f"{path}: {name} is empty.")
    for name, table in (("celldata", spikes), ("psyphydata", events)):
        if table.size and table[:, 0].min() < 0:
            raise InputError(
                f"{path}: {name}: times in the trial must not be negative, got {table[:, 0].min():g}."
            )
    offered = set(events[events[:, 2] == _EVENTS["offer"][0], 1]) if len(events) else set()
    if lost := sorted(set(joint[:, 0]) - offered):
        raise InputError(f"{path}: psyphydata has no offer (code 30) on trial {lost[0]:g} of goodTrials_JC.")
    offer = np.median(events[events[:, 2] == _EVENTS["offer"][0], 0])
    if offer < 20:
        raise InputError(
            f"{path}: psyphydata: offers come at {offer:g} ms (median). Are times in s? This holds ms."
        )


def _events(psyphydata: NDArray) -> pd.DataFrame:
    """Time in the trial (ms) of each event and of the last one, one row a trial, one column an event."""
    time, trial, code = psyphydata[:, 0], psyphydata[:, 1].astype(int), psyphydata[:, 2]
    columns = {}
    for name, codes in _EVENTS.items():
        of_event = np.isin(code, codes)
        columns[name] = pd.Series(time[of_event], index=trial[of_event]).groupby(level=0).last()
    columns["end"] = pd.Series(time, index=trial).groupby(level=0).max()
    return pd.DataFrame(columns)


def _trials(session: str, tables: dict[str, NDArray], events: pd.DataFrame) -> pd.DataFrame:
    joint, sequential = tables["goodTrials_JC"].astype(int), tables["goodTrials_SO"].astype(int)
    side_a = np.where(joint[:, 1] != 0, np.sign(joint[:, 1]), -np.sign(joint[:, 2]))
    table = pd.DataFrame(
        {
            "trial": np.concatenate([joint[:, 0], sequential[:, 0]]),
            "task": ["joint"] * len(joint) + ["sequential"] * len(sequential),
            "offer_a": np.abs(np.concatenate([joint[:, 1], sequential[:, 1]])),
            "offer_b": np.abs(np.concatenate([joint[:, 2], sequential[:, 2]])),
            "side_a": np.concatenate([side_a, np.full(len(sequential), np.nan)]),
            "choice": np.concatenate([joint[:, 3], sequential[:, 4]]) - 1,
        }
    )
    for name in ("fixation", "go", "saccade", "juice"):
        after_offer = (events[name] - events["offer"]).round()
        table[f"{name}_ms"] = table["trial"].map(after_offer).where(table["task"] == "joint")
    table.insert(0, "session", session)
    return table.sort_values("trial", ignore_index=True)


def _trains(tables: dict[str, NDArray], events: pd.DataFrame) -> dict[int, NDArray]:
    """Spike times after the offers (ms) on every joint trial from the first to the last with any spike."""
    time, trial = tables["celldata"][:, 0], tables["celldata"][:, 1].astype(int)
    order = np.lexsort((time, trial))
    time, trial = time[order], trial[order]
    joint = tables["goodTrials_JC"][:, 0].astype(int)
    held = joint[(joint >= trial[0]) & (joint <= trial[-1])]
    starts, ends = np.searchsorted(trial, held), np.searchsorted(trial, held, side="right")
    rows = zip(held.tolist(), starts, ends, events["offer"].loc[held], strict=True)
    return {trial: time[start:end] - offer for trial, start, end, offer in rows}


def _counts(trains: dict[int, NDArray], events: pd.DataFrame) -> pd.DataFrame:
    after_offer = events.sub(events["offer"], axis=0)
    rows = []
    for trial, times in trains.items():
        ends = [after_offer.at[trial, event] + np.array(edges) for event, *edges in WINDOWS.values()]
        rows.append([trial, *(int(np.diff(np.searchsorted(times, edge))[0]) for edge in ends)])
    return pd.DataFrame(rows, columns=["trial", *WINDOWS])


def _around_offers(trains: dict[int, NDArray]) -> pd.DataFrame:
    start, end = SPIKES_MS
    kept = [times[(times >= start) & (times < end)].round() for times in trains.values()]
    return pd.DataFrame({"trial": list(trains), "spike_times_ms": kept})
