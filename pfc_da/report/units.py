"""The browser of single units: its markup, and the numbers that the page's script draws."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pfc_da.errors import InputError, plural
from pfc_da.report.html import asset, tag, text, words

BUDGET = 1_800_000
"""Characters of numbers, so that the page stays under 3 MB."""
BROWSER_COLUMNS = {
    "units": "animal unit is_excitatory tau mean_rate_hz".split(),
    "unit_activity": "animal unit event group_kind group time_s mean_hz sem_hz".split(),
    "unit_trials": "animal trial".split(),
    "unit_spikes": "animal unit trial spikes_ms".split(),
}
"""Table of `figures/` -> columns that it needs; tau in s. `units` may also have p-values of selectivity, ``p_VARIABLE``, and
latencies, ``latency_VARIABLE_s``; `unit_trials` has a column for each kind of group, and ``EVENT_s`` for each event."""
GROUP = ["group_kind", "group"]
EVENT_NAMES = {"choice": "choice (the outcome begins)"}


def unit_browser(
    units: pd.DataFrame | None,
    activity: pd.DataFrame | None,
    trials: pd.DataFrame | None = None,
    spikes: pd.DataFrame | None = None,
) -> str:
    """Return the markup with the numbers of `BROWSER_COLUMNS` in it; without trials and spikes there are no rasters."""
    if units is None or activity is None:
        return tag(
            "p", "Left out: this run has no figures/units.csv with figures/unit_activity.csv.", class_="note"
        )
    data = collect_units(units, activity, trials, spikes)
    animals = _that_fit(data["animals"])
    dropped = len(data["animals"]) - len(animals)
    note = f"{plural(dropped, 'more animal')} in figures/unit_activity.csv, with which this page would be too large."
    p_names = animals[0]["units"][0]["p"]
    events = (each["name"] for each in data["events"])
    return Template(asset("units.html")).substitute(
        orders="".join(tag("option", text(f"p, {words(name)}"), value=name) for name in p_names),
        events="".join(tag("option", text(EVENT_NAMES.get(name, name)), value=name) for name in events),
        shown=text(_count_shown(units, activity)),
        note=tag("p", note, class_="note") if dropped else "",
        # of all characters only "<" could end the script element that holds this
        payload=_compact({**data, "animals": animals}).replace("<", "\\u003c"),
    )


def collect_units(
    units: pd.DataFrame,
    activity: pd.DataFrame,
    trials: pd.DataFrame | None = None,
    spikes: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Gather the numbers of each unit.

    Parameters
    ----------
    units, activity, trials, spikes : DataFrame
        Of `BROWSER_COLUMNS`.

    Returns
    -------
    dict
        ``events``, a list of ``{name, times}`` in s; ``groups`` (group,) as pairs of kind and name; and ``animals``, a
        list of ``{animal, trials, units}``. A unit is ``{unit, excitatory, tau, rate, p, latency, mean, sem, spikes}``
        with tau and latency in s, rates in Hz, mean and sem [event][group][time], None for NaN, and spikes [trial] in ms
        from the cue. `trials` is ``{events, groups}``: times of each event in s from the cue, and the place in `groups`
        of the trial's group of each kind, -1 for none. Units without activity are left out.

    Raises
    ------
    InputError
        If the activity has two rows for one mark, or shares no unit with `units`.
    """
    keys = ["animal", "unit", "event", *GROUP, "time_s"]
    if activity.duplicated(keys).any():
        raise InputError(f"unit_activity has two rows of the same {', '.join(keys)}; give one.")
    groups = list(activity[GROUP].drop_duplicates().itertuples(index=False, name=None))
    curves = [_arrange_event(own, groups) for _, own in activity.groupby("event", sort=False)]
    trains = _gather_spikes(spikes)
    animals: dict[int, list[dict[str, Any]]] = {}
    for unit in units.to_dict("records"):
        key = unit["animal"], unit["unit"]
        if key in curves[0].rows:
            own = _one_unit(unit) | {
                name: [each.pick(name, key) for each in curves] for name in ("mean", "sem")
            }
            animals.setdefault(key[0], []).append(own | {"spikes": trains.get(key, [])})
    if not animals:
        raise InputError("units and unit_activity share no unit; make both from one recording.")
    listed = [
        {"animal": animal, "trials": _gather_trials(trials, animal, groups), "units": members}
        for animal, members in animals.items()
    ]
    events = [{"name": each.name, "times": each.times} for each in curves]
    return {"events": events, "groups": groups, "animals": listed}


@dataclass(frozen=True)
class _Curves:
    """Mean and s.e.m. of all units around one event, `values` (unit, group, time) by name; `rows` by animal and unit."""

    name: str
    times: list[float]
    rows: Mapping[Any, int]
    values: Mapping[str, NDArray]

    def pick(self, name: str, key: tuple[int, int]) -> list[list[float | None]]:
        """Values of one unit, [group][time]."""
        return [[_plain(value, 2) for value in line] for line in self.values[name][self.rows[key]]]


def _arrange_event(activity: pd.DataFrame, groups: list[tuple[str, str]]) -> _Curves:
    times = sorted(activity["time_s"].unique().tolist())
    columns = pd.MultiIndex.from_tuples([(*group, time) for group in groups for time in times])
    within = [*GROUP, "time_s"]
    wide = activity.set_index(["animal", "unit", *within])[["mean_hz", "sem_hz"]].unstack(within)
    shape = (len(wide), len(groups), len(times))
    values = {
        name: wide[f"{name}_hz"].reindex(columns=columns).to_numpy().reshape(shape)
        for name in ("mean", "sem")
    }
    rows = {key: row for row, key in enumerate(wide.index)}
    return _Curves(str(activity["event"].iloc[0]), times, rows, values)


def _gather_spikes(spikes: pd.DataFrame | None) -> dict[tuple[int, int], list[list[int]]]:
    """Spike times in ms of every unit, [trial]."""
    if spikes is None:
        return {}
    ordered = spikes.sort_values("trial", kind="stable")
    times = ordered["spikes_ms"].astype("string").fillna("")  # one spike each is read as numbers
    trains = [[int(float(time)) for time in own.split()] for own in times]
    found: dict[tuple[int, int], list[list[int]]] = {}
    for animal, unit, train in zip(ordered["animal"], ordered["unit"], trains, strict=True):
        found.setdefault((animal, unit), []).append(train)
    return found


def _gather_trials(trials: pd.DataFrame | None, animal: int, groups: list[tuple[str, str]]) -> dict[str, Any]:
    """Events and groups of the trials of the rasters of one animal."""
    if trials is None:
        return {"events": {}, "groups": {}}
    own = trials[trials["animal"] == animal].sort_values("trial")
    place = {group: index for index, group in enumerate(groups)}
    kinds = dict.fromkeys(kind for kind, _ in groups)
    events = [name for name in own if name.endswith("_s")]
    return {
        "events": {name.removesuffix("_s"): own[name].tolist() for name in events},
        "groups": {
            kind: [place.get((kind, each), -1) for each in own[kind]] for kind in kinds if kind in own
        },
    }


def _one_unit(unit: dict[str, Any]) -> dict[str, Any]:
    latencies = [name for name in unit if name.startswith("latency_")]
    return {
        "unit": unit["unit"],
        "excitatory": bool(unit["is_excitatory"]),
        "tau": _plain(unit["tau"]),
        "rate": _plain(unit["mean_rate_hz"]),
        "p": {name[2:]: _plain(p, 5) for name, p in unit.items() if name.startswith("p_")},
        "latency": {
            name.removeprefix("latency_").removesuffix("_s"): _plain(unit[name]) for name in latencies
        },
    }


def _count_shown(units: pd.DataFrame, activity: pd.DataFrame) -> str:
    """How many units of each animal the page holds, and of how many."""
    shown = activity.drop_duplicates(["animal", "unit"]).groupby("animal").size().max()
    there = units.groupby("animal").size().max()
    return f"The {shown} most active of {there} units" if shown < there else f"All {there} units"


def _that_fit(animals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first animals, at least one, whose numbers stay within the budget."""
    sizes = np.cumsum([len(_compact(animal)) for animal in animals])
    return animals[: max(1, int(np.searchsorted(sizes, BUDGET, side="right")))]


def _plain(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
