"""The browser of single units: its markup, and the numbers that the page's script draws."""

import json
from string import Template

import numpy as np
import pandas as pd

from pfc_da.errors import InputError, plural
from pfc_da.report.html import asset, tag, text, words

BUDGET = 1_800_000
"""Characters of numbers, so that the page stays under 3 MB."""
BROWSER_COLUMNS = {
    "units": "animal unit is_excitatory tau mean_rate_hz".split(),
    "unit_activity": "animal unit group_kind group step_in_trial phase mean_hz sem_hz".split(),
}
"""Table of `figures/` -> columns that it needs; tau in s. `units` may also have p-values of selectivity, ``p_VARIABLE``."""
GROUP = ["group_kind", "group", "step_in_trial"]


def unit_browser(units: pd.DataFrame | None, activity: pd.DataFrame | None) -> str:
    """Return the markup with the numbers of `figures/units.csv` and `figures/unit_activity.csv` in it."""
    if units is None or activity is None:
        return tag(
            "p", "Left out: this run has no figures/units.csv with figures/unit_activity.csv.", class_="note"
        )
    data = collect_units(units, activity)
    animals = _that_fit(data["animals"])
    dropped = len(data["animals"]) - len(animals)
    note = f"{plural(dropped, 'more animal')} in figures/unit_activity.csv, with which this page would be too large."
    p_names = animals[0]["units"][0]["p"]
    return Template(asset("units.html")).substitute(
        orders="".join(tag("option", text(f"p, {words(name)}"), value=name) for name in p_names),
        steps="".join(tag("th", text(phase), scope="col") for phase in data["phases"]),
        note=tag("p", note, class_="note") if dropped else "",
        # of all characters only "<" could end the script element that holds this
        payload=_compact({**data, "animals": animals}).replace("<", "\\u003c"),
    )


def collect_units(units: pd.DataFrame, activity: pd.DataFrame) -> dict:
    """Gather the numbers of each unit.

    Returns
    -------
    dict
        ``phases`` (step,), ``groups`` (group,) as pairs of kind and name, and ``animals``, a list of
        ``{animal, units: [{unit, excitatory, tau, rate, p, mean, sem}]}`` with tau in s, rates
        in Hz, mean and sem (group, step), None for NaN. Units without activity are left out.

    Raises
    ------
    InputError
        If the activity has two rows for one mark, or shares no unit with `units`.
    """
    keys = ["animal", "unit", *GROUP]
    if activity.duplicated(keys).any():
        raise InputError(f"unit_activity has two rows of the same {', '.join(keys)}; give one.")
    steps = activity[["step_in_trial", "phase"]].drop_duplicates("step_in_trial").sort_values("step_in_trial")
    groups = list(activity[GROUP[:2]].drop_duplicates().itertuples(index=False, name=None))
    columns = pd.MultiIndex.from_tuples(
        [(*group, step) for group in groups for step in steps["step_in_trial"]]
    )
    wide = activity.set_index(keys)[["mean_hz", "sem_hz"]].unstack(GROUP)
    shape = (len(wide), len(groups), len(steps))
    mean, sem = (
        wide[name].reindex(columns=columns).to_numpy().reshape(shape) for name in ("mean_hz", "sem_hz")
    )
    row_of = {key: row for row, key in enumerate(wide.index)}
    animals: dict[int, list] = {}
    for unit in units.to_dict("records"):
        row = row_of.get((unit["animal"], unit["unit"]))
        if row is not None:
            animals.setdefault(unit["animal"], []).append(_one_unit(unit, mean[row], sem[row]))
    if not animals:
        raise InputError("units and unit_activity share no unit; make both from one recording.")
    listed = [{"animal": animal, "units": members} for animal, members in animals.items()]
    return {"phases": steps["phase"].astype(str).tolist(), "groups": groups, "animals": listed}


def _one_unit(unit: dict, mean: np.ndarray, sem: np.ndarray) -> dict:
    return {
        "unit": unit["unit"],
        "excitatory": bool(unit["is_excitatory"]),
        "tau": _plain(unit["tau"]),
        "rate": _plain(unit["mean_rate_hz"]),
        "p": {name[2:]: _plain(p, 5) for name, p in unit.items() if name.startswith("p_")},
        "mean": [[_plain(value) for value in line] for line in mean],
        "sem": [[_plain(value) for value in line] for line in sem],
    }


def _that_fit(animals: list[dict]) -> list[dict]:
    """Return the first animals, at least one, whose numbers stay within the budget."""
    sizes = np.cumsum([len(_compact(animal)) for animal in animals])
    return animals[: max(1, int(np.searchsorted(sizes, BUDGET, side="right")))]


def _plain(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
