"""P(risky): the fraction of free choices that are risky, and its shift under every manipulation of dopamine."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import split_sessions
from pfc_da.analysis.lever_stimulation.trials import (
    CONTROL,
    MANIPULATIONS,
    PLASTIC,
    get_all_free,
    get_free_choices,
    is_manipulation,
    label_condition,
    list_conditions,
)
from pfc_da.analysis.statistic import SHARE, Labels, Statistic, summarise

EARLY, LATE = 10, 3
"""Sessions with plasticity on: early are the first tenth, late the last third."""


class Shift(NamedTuple):
    """P(risky) minus that of the control: by animal (animal,) and by group of its sessions (animal, group)."""

    labels: Labels
    by_animal: NDArray
    by_group: NDArray


def compute_p_risky(choice: NDArray) -> NDArray:
    """Share of choices that are risky, (...) from (..., session, trial); 0 safe, 1 risky, -1 left out.

    NaN where there are no choices.
    """
    with np.errstate(invalid="ignore"):
        return (choice == 1).sum((-2, -1)) / (choice >= 0).sum((-2, -1))


def summarise_p_risky(trials: xr.Dataset) -> list[Statistic]:
    """P(risky) under every condition with frozen weights and at every probability of a win."""
    names = [name for name in list_conditions(trials) if not name.startswith(PLASTIC)]
    return [
        summarise(
            "p_risky",
            compute_p_risky(free),
            _compute_by_group(free),
            labels=label_condition(name, p),
            units="fraction",
            within=SHARE,
        )
        for name, p, free in get_free_choices(trials, names)
    ]


def compute_shifts(trials: xr.Dataset) -> list[Shift]:
    """P(risky) under every manipulation and dose minus P(risky) of the same animal's control sessions."""
    control = {p: free for _, p, free in get_free_choices(trials, [CONTROL])}
    names = [name for name in list_conditions(trials) if control and is_manipulation(name)]
    return [
        Shift(
            label_condition(name, p),
            compute_p_risky(free) - compute_p_risky(control[p]),
            _compute_by_group(free) - _compute_by_group(control[p]),
        )
        for name, p, free in get_free_choices(trials, names)
    ]


def summarise_shifts(shifts: Sequence[Shift]) -> list[Statistic]:
    """Shifts of `compute_shifts`, means over animals, with intervals over animals and sessions."""
    return [
        summarise("p_risky_shift", each.by_animal, each.by_group, labels=each.labels, units="fraction")
        for each in shifts
    ]


def summarise_dose_slopes(shifts: Sequence[Shift]) -> list[Statistic]:
    """Shift per dose of full size: slope of a line through the origin for each animal, if there are two doses or more."""
    groups: dict[tuple, list[Shift]] = {}
    for each in shifts:
        groups.setdefault((each.labels["condition"], each.labels["p"]), []).append(each)
    found = []
    for (manipulation, p), own in groups.items():
        own = sorted(own, key=lambda each: each.labels["dose"])
        weight = np.array([each.labels["dose"] for each in own])
        weight = weight / (weight @ weight)
        by_animal, by_group = (
            np.tensordot(weight, np.stack(parts), 1)
            for parts in zip(*((each.by_animal, each.by_group) for each in own), strict=True)
        )
        labels, units = {"condition": manipulation, "p": p}, "fraction per dose"
        if len(own) > 1:
            found.append(summarise("p_risky_dose_slope", by_animal, by_group, labels=labels, units=units))
    return found


def summarise_plastic_shifts(trials: xr.Dataset) -> list[Statistic]:
    """Shift of P(risky) over the first tenth and the last third of the sessions with plasticity on."""
    found, n = [], trials.sizes["episode"]
    parts = {"early": slice(0, max(n // EARLY, 1)), "late": slice(n - max(n // LATE, 1), n)}
    for manipulation, difference in compute_plastic_shifts(trials).items():
        for part, sessions in parts.items():
            shift, labels = difference[:, sessions], {"condition": manipulation, "part": part}
            found.append(summarise("p_risky_shift_plastic", shift, labels=labels, units="fraction"))
    return found


def compute_plastic_shifts(trials: xr.Dataset) -> dict[str, NDArray]:
    """P(risky) minus that of the plastic control, (animal, session), by manipulation."""
    found = compute_plastic_p_risky(trials)
    control = found.pop("control", None)
    return {} if control is None else {name: values - control for name, values in found.items()}


def compute_plastic_p_risky(trials: xr.Dataset) -> dict[str, NDArray]:
    """P(risky) of every session with plasticity on, (animal, session), for ``control`` and each manipulation."""
    names = [PLASTIC + name for name in ("control", *MANIPULATIONS)]
    return {
        name.removeprefix(PLASTIC): compute_p_risky(get_all_free(trials, name)[:, :, None])
        for name in names
        if name in list_conditions(trials)
    }


def _compute_by_group(free: NDArray) -> NDArray:
    """P(risky) of groups of sessions, (animal, group) from (animal, session, trial)."""
    groups = split_sessions(free.shape[1])
    return np.stack([compute_p_risky(free[:, own]) for own in groups], 1)
