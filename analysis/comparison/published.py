"""Compare simulated numbers with published, recorded and derived ones, with a verdict by one stated rule.

inside          the two 95 % intervals share at least one point.
outside         they share none; `why` says on which side the simulation lies.
open            one of the two, but a simulated mean one standard error away would give the other.
claim holds     against a claim in words (``bound: ...``, such as "makes risky choices rarer"), which is a sign or a range
                and no measured interval: the simulated interval lies wholly within it, its ends left out.
claim fails     the simulated interval lies wholly without it.
claim open      it lies partly within and partly without.
not comparable  one of them has no interval or no n, the units differ, an interval runs over something that
                is no sample of animals or neurons (trials, for instance), the reference is quoted from memory, or
                states why it is unlike; or the run has no such number, or is a quick one.

Simulated numbers are a draw: other seeds, or the same seed on another kind of processor, give another. Verdicts within one
standard error of the edge are left open for that reason, so that another draw seldom turns inside into outside.

Sharing a point is a weak demand, and a claim a weaker one: a wide interval meets the first easily, so read n along with
the verdict, and count the two apart. An interval over animals and one over neurons answer for different variability; they
are compared, and `why` names both. Where all animals have one value the interval has no width, and says nothing of other
animals: not comparable. One exception: a claim of a sign fails where every animal shows exactly 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pfc_da.analysis.comparison.reference import BOUND, ReferenceStatistic
from pfc_da.analysis.interval import compute_reach
from pfc_da.analysis.statistic import NO_LABELS, NO_WIDTH, Statistic, missing_statistic
from pfc_da.errors import InputError

SHARED = ("key", "condition", "kind", "source", "doi", "locator")
"""What a comparison has of its reference."""
QUICK = "a quick run (--quick), made to see that the program works"
"""Why no number of such a run is compared."""
SAMPLES = ("animals", "monkeys", "mice", "humans", "sessions", "neurons", "units")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of comparison.csv, its fields in the order of the columns."""

    key: str
    condition: str
    simulated: float
    sim_low: float
    sim_high: float
    reference: float
    ref_low: float
    ref_high: float
    kind: str
    source: str
    doi: str
    locator: str
    verdict: str
    why: str


def compare(
    statistics: Sequence[Statistic],
    references: Sequence[ReferenceStatistic],
    recorded: Sequence[ReferenceStatistic] = (),
    *,
    against: str = "",
) -> list[Comparison]:
    """Compare every reference with the statistic of the same key and condition.

    Parameters
    ----------
    statistics : sequence of Statistic
        Of one run; no key and condition twice.
    references, recorded : sequences of ReferenceStatistic
        Rows of the published table and numbers recomputed from recordings, for the paradigm of the run.
    against : str
        Why no number of this run may be compared; "" if they may.

    Returns
    -------
    list of Comparison
        One a reference, in their order, also where the run has no such number.

    Raises
    ------
    InputError
        If a key and condition is there twice.
    """
    simulated: dict[tuple[str, str], Statistic] = {}
    for statistic in statistics:
        name = (statistic.key, statistic.condition)
        if name in simulated:
            raise InputError(f"statistic {name} is there twice; give each condition its own name.")
        simulated[name] = statistic
    rows = [*references, *recorded]
    return [_compare_one(simulated.get((row.key, row.condition)), row, against) for row in rows]


def judge(statistic: Statistic, reference: ReferenceStatistic) -> tuple[str, str]:
    """Verdict on two numbers of the same key and condition.

    Parameters
    ----------
    statistic : Statistic
        Simulated.
    reference : ReferenceStatistic

    Returns
    -------
    verdict : str
        One of `VERDICTS`.
    why : str
        Its reason.
    """
    place = _place(statistic, reference)
    against = _incomparable(statistic, reference)
    if against:
        return "not comparable", f"{against}; simulated {place}" if place else against
    samples = f"{_sample(statistic.n, statistic.n_of)} against {_sample(reference.n, reference.n_of)}"
    if reference.interval.startswith(BOUND):
        return _judge_claim(statistic, reference), f"{reference.interval.removeprefix(BOUND)}; {samples}"
    message = "intervals overlap" if place == "overlaps" else f"simulated {place}"
    if abs(_compute_gap(statistic, reference)) < _compute_standard_error(statistic):
        return "open", f"{message}, within one standard error of the edge; {samples}"
    return "inside" if place == "overlaps" else "outside", f"{message}; {samples}"


def _judge_claim(statistic: Statistic, reference: ReferenceStatistic) -> str:
    if reference.low < statistic.low and statistic.high < reference.high:
        return "claim holds"
    without = statistic.high <= reference.low or reference.high <= statistic.low
    return "claim fails" if without else "claim open"


def _compare_one(statistic: Statistic | None, reference: ReferenceStatistic, against: str) -> Comparison:
    if statistic is None:
        statistic = missing_statistic(reference.key, NO_LABELS, reference.units)
        verdict, why = "not comparable", "this run holds no such number"
    else:
        verdict, why = ("not comparable", against) if against else judge(statistic, reference)
    return Comparison(
        **{name: getattr(reference, name) for name in SHARED},
        simulated=statistic.estimate,
        sim_low=statistic.low,
        sim_high=statistic.high,
        reference=reference.estimate,
        ref_low=reference.low,
        ref_high=reference.high,
        verdict=verdict,
        why=why,
    )


def _incomparable(statistic: Statistic, reference: ReferenceStatistic) -> str:
    """Why the two may not be held against one another; "" if they may."""
    if reference.kind == "unverified":
        origin = "quoted from memory" if reference.mark == "memory" else "third-party"
        return f"the reference is {origin}, unverified"
    if reference.unlike:
        return reference.unlike
    if statistic.units != reference.units:
        return f"units differ: {statistic.units} simulated, {reference.units} in the reference"
    if not _has_interval(statistic.low, statistic.high) or statistic.n < 1:
        return f"the simulated number has no interval (n = {statistic.n} {statistic.n_of})"
    if not _has_interval(reference.low, reference.high):
        return "the reference has no interval"
    if reference.interval.startswith(NO_WIDTH):
        return f"the reference has {NO_WIDTH}"
    if statistic.interval.startswith(NO_WIDTH) and not (
        statistic.estimate == 0 and _claims_a_sign(reference)
    ):
        return f"the simulated interval has {NO_WIDTH} (n = {statistic.n} {statistic.n_of})"
    if statistic.n_of not in SAMPLES:
        return f"the simulated interval runs over {statistic.n_of}, no sample of animals or neurons"
    # Chance and claims in words (no n) and observers (any number of episodes) are no samples of anything.
    if reference.n is not None and reference.kind != "derived" and reference.n_of not in SAMPLES:
        return f"the reference interval runs over {reference.n_of}, no sample of animals or neurons"
    return ""


def _claims_a_sign(reference: ReferenceStatistic) -> bool:
    return reference.interval.startswith(BOUND) and 0 in (reference.low, reference.high)


def _has_interval(low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high)


def _place(statistic: Statistic, reference: ReferenceStatistic) -> str:
    """overlaps, lies above, lies below; "" where an interval is missing or the reference is a claim."""
    if reference.interval.startswith(BOUND) or statistic.units != reference.units:
        return ""
    if not _has_interval(statistic.low, statistic.high) or not _has_interval(reference.low, reference.high):
        return ""
    if statistic.low > reference.high:
        return "lies above"
    return "lies below" if statistic.high < reference.low else "overlaps"


def _compute_gap(statistic: Statistic, reference: ReferenceStatistic) -> float:
    """Distance between the two intervals; negative where they overlap: how far one must move until they do not."""
    return max(reference.low - statistic.high, statistic.low - reference.high)


def _compute_standard_error(statistic: Statistic) -> float:
    """That of the simulated number: the longer arm of its interval, which may be cut at what is possible."""
    arm = max(statistic.high - statistic.estimate, statistic.estimate - statistic.low)
    return float(arm / compute_reach(statistic.n))


def _sample(n: int | None, n_of: str) -> str:
    return "an exact number or claim" if n is None else f"{n} {n_of}"
