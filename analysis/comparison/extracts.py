"""Compute statistics of the recorded data that come with the package, by the functions that simulated data take.

`compute_recorded_statistics` runs the extracts of data/recorded (sources, licences, cuts: its README.md):

macaque_what_reversal  two pictures, the better pays 80 or 70 %, the other the rest; reversed once a session
mouse_foraging         two ports, water armed at 40 % and 10 or 5 % a trial and held until taken, in blocks
ofc_macaque            cells of orbitofrontal cortex in a monkey choosing between two juices shown to it

Intervals run over animals where these are known, else over sessions; of cells, over cells. `n_of` says which. Other data
are treated alike: `compute_choice_statistics(read_choices(path), origin, rng=rng)`.
"""

from dataclasses import dataclass, field
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.behaviour.sessions import compute_choice_numbers
from pfc_da.analysis.cells.firing import compute_cv2, compute_fano, compute_lv, compute_rate
from pfc_da.analysis.cells.summary import summarise_cells
from pfc_da.analysis.comparison.reference import NONE, ReferenceStatistic
from pfc_da.analysis.readers.choice_table import ChoiceSessions, read_choices
from pfc_da.analysis.readers.juice_choice import (
    SHOWN,
    WINDOW_S,
    WINDOWS,
    OFCRecording,
    compute_ofc_regressors,
)
from pfc_da.analysis.readers.juice_tables import load_ofc
from pfc_da.analysis.statistic import Statistic
from pfc_da.analysis.units.selectivity import compute_any_p, compute_fraction_selective, regress_units

LEVEL = 0.05  # of a cell's t-test; offers are drawn anew on every trial, so slow drift cannot pass for value
MIN_TRIALS = 50  # of a cell for its regression
SHARED = ("key", "condition", "estimate", "low", "high", "n", "n_of", "units")
"""What a reference has of the statistic it is made of."""
_SEED = 0  # the intervals of recorded data are the same in every report


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where recorded data come from, and which of their numbers may be compared with a simulation.

    Attributes
    ----------
    paradigms : tuple of str
        In whose runs the numbers are shown.
    unlike : mapping of str
        By key, "" for all other keys: why the number cannot be compared with a simulated one.
    baited : bool
        Whether reward waits until it is taken, so that matching is meaningful.
    """

    source: str
    doi: str
    locator: str
    licence: str
    paradigms: tuple[str, ...]
    unlike: dict[str, str] = field(default_factory=dict)
    baited: bool = False


_REVERSAL = "another schedule: unbaited reversals, 80/20 and 70/30 %"
_FORAGING = "another schedule: 40/10 and 40/5 %, in blocks"
MACAQUE_REVERSAL = Origin(
    source="macaques, two pictures with reversals (data of Trepka et al. 2021)",
    doi="10.1038/s41467-021-26784-w",
    locator="data/recorded/macaque_what_reversal.csv.gz",
    licence="MIT",
    paradigms=("bandit", "monkey_juice"),
    unlike={"": _REVERSAL},
)
MOUSE_FORAGING = Origin(
    source="mice, two baited ports (data of Trepka et al. 2021)",
    doi="10.1038/s41467-021-26784-w",
    locator="data/recorded/mouse_foraging.csv.gz",
    licence="MIT",
    paradigms=("monkey_juice",),
    unlike={"reward_per_trial": _FORAGING, "fraction_better": _FORAGING},
    baited=True,
)
OFC_MACAQUE = Origin(
    source="orbitofrontal cells of one macaque choosing juices (data of Shi et al. 2022)",
    doi="10.7554/eLife.75910",
    locator="data/recorded/ofc_macaque",
    licence="Apache-2.0",
    paradigms=("monkey_juice", "bandit"),
    unlike={"fraction_selective": SHOWN},
)


def compute_recorded_statistics(paradigm: str | None = None) -> list[ReferenceStatistic]:
    """All numbers of the extracts, or those shown in runs of one paradigm; some seconds of CPU."""
    found: list[ReferenceStatistic] = []
    for origin in (MACAQUE_REVERSAL, MOUSE_FORAGING):
        if paradigm in (None, *origin.paradigms):
            with as_file(files("pfc_da.data") / origin.locator.removeprefix("data/")) as path:
                sessions = read_choices(path)
            found += compute_choice_statistics(sessions, origin, rng=np.random.default_rng(_SEED))
    if paradigm in (None, *OFC_MACAQUE.paradigms):
        found += compute_ofc_statistics(load_ofc(), OFC_MACAQUE, rng=np.random.default_rng(_SEED))
    return [row for row in found if paradigm in (None, row.paradigm)]


def compute_choice_statistics(
    sessions: ChoiceSessions, origin: Origin, *, rng: np.random.Generator
) -> list[ReferenceStatistic]:
    """Reward, better choices, win-stay, lose-shift, history kernels and, of baited schedules, matching.

    Parameters
    ----------
    sessions : ChoiceSessions
    origin : Origin
    rng : numpy.random.Generator
        Draws the resamples.

    Returns
    -------
    list of ReferenceStatistic
        Intervals run over animals if there are several, else over sessions.
    """
    found = compute_choice_numbers(sessions, baited=origin.baited, rng=rng)
    return _label(found, origin, "recomputed from the choices")


def compute_ofc_statistics(
    recording: OFCRecording, origin: Origin, *, rng: np.random.Generator
) -> list[ReferenceStatistic]:
    """Firing statistics (medians over cells), and fractions of cells that code each variable.

    Parameters
    ----------
    recording : OFCRecording
    origin, rng
        As for `compute_choice_statistics`.

    Returns
    -------
    list of ReferenceStatistic
    """
    counts = dict(list(recording.counts.groupby("cell", sort=False)))
    of_cells = [table[list(WINDOWS)].to_numpy() for table in counts.values()]
    trains = [table["spike_times_ms"] for _, table in recording.spikes.groupby("cell", sort=False)]
    by_cell = {
        ("firing_rate", "Hz"): [compute_rate(cell, window=WINDOW_S).mean() for cell in of_cells],
        ("fano", "1"): [compute_fano(cell)[0] for cell in of_cells],
        ("cv2", "1"): [compute_cv2(cell) for cell in trains],
        ("lv", "1"): [compute_lv(cell) for cell in trains],
    }
    firing = [
        summarise_cells(key, np.array(values), units=units, rng=rng)
        for (key, units), values in by_cell.items()
    ]
    coding = [
        compute_fraction_selective([p < LEVEL], variable=name)
        for name, p in compute_ofc_coding(recording).items()
    ]
    windows = f"spike counts of {', '.join(WINDOWS)} (rate: mean; Fano: pre_offer)"
    return [
        *_label(firing, origin, f"median over cells, recomputed from spikes; {windows}"),
        *_label(coding, origin, f"one regression a cell on post_offer counts, t-test at p < {LEVEL}"),
    ]


def compute_ofc_coding(recording: OFCRecording) -> dict[str, NDArray]:
    """p-value of each variable for every cell with `MIN_TRIALS` trials, (unit,) by variable.

    ``object_value`` is "the value of A or of B offered" (Bonferroni over the two). All variables compete in
    one regression on the counts from 100 to 600 ms after the offers.
    """
    trials = dict(list(recording.trials.groupby("session")))
    tables = {session: compute_ofc_regressors(table) for session, table in trials.items()}
    found = []
    for cell, counts in recording.counts.groupby("cell", sort=False):
        table = tables[str(cell)[:-2]].loc[counts["trial"]]
        if len(table) >= MIN_TRIALS:
            activity = counts["post_offer"].to_numpy()[None, :, None] / WINDOW_S
            found.append(regress_units(activity, {name: table[name].to_numpy()[None] for name in table}))
    p = {name: np.array([fit.p[fit.of(name), 0] for fit in found]) for name in found[0].regressors}
    offered = np.stack([p.pop("offer_value_a"), p.pop("offer_value_b")])
    return {"object_value": compute_any_p(offered), **p}


def _label(statistics: list[Statistic], origin: Origin, read_off: str) -> list[ReferenceStatistic]:
    """The statistics as references, once for each paradigm they are shown in."""
    return [
        ReferenceStatistic(
            **{name: getattr(statistic, name) for name in SHARED},
            paradigm=paradigm,
            interval=statistic.interval if np.isfinite(statistic.low) else f"{NONE}n is {statistic.n}",
            source=origin.source,
            doi=origin.doi,
            locator=origin.locator,
            read_off=read_off,
            mark="recorded",
            unlike=origin.unlike.get(statistic.key, origin.unlike.get("", "")),
            licence=origin.licence,
        )
        for paradigm in origin.paradigms
        for statistic in statistics
    ]
