"""Runs that grow: a run folder continued with more animals, or more sessions of replay, than it was made with.

An animal depends neither on how many there are nor on how many sessions are replayed (`pfc_da.trained.name_animal`), so
trained animals stay as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pfc_da.errors import InputError, plural
from pfc_da.storage.request import flatten, require_same_request

SESSIONS = ("replay.held_out_sessions", "replay.sessions", "replay.unit_sessions")
GROWING = ("animals", *SESSIONS)
"""Settings that may be larger when a run is continued; all others must be the same."""


def require_growth(
    path: Path, before: Mapping[str, Any], now: Mapping[str, Any], held: Mapping[str, int]
) -> None:
    """Refuse a configuration that the run in a folder cannot be continued with.

    Parameters
    ----------
    path : Path
        The run folder.
    before, now : mapping
        Configuration of the run, and the one asked for, as JSON has them.
    held : mapping
        What the run has of `GROWING`, which would be lost if less were asked for.

    Raises
    ------
    InputError
        If another setting differs, or if less is asked for than the run has.
    """
    old, new = flatten(before), flatten(now)
    grown = {name: new[name] for name in GROWING if name in old and name in new}
    require_same_request(
        f"{path} holds a run with another configuration",
        {name: value for name, value in old.items() if name not in grown},
        {name: value for name, value in new.items() if name not in grown},
        "Give another --out, or --force to start over; a run can only grow in animals and sessions of replay.",
    )
    for name in grown:
        if grown[name] < held.get(name, 0):
            raise InputError(_describe_shrinking(path, name, held[name], grown[name]))


def describe_growth(path: Path, before: Mapping[str, Any], now: Mapping[str, Any], animals: int) -> str:
    """Say in one line what is to be done for a configuration that differs from that of the run.

    Parameters
    ----------
    path : Path
        The run folder.
    before, now : mapping
        Configuration of the run, and the one asked for, as JSON has them.
    animals : int
        Animals that the run has.

    Examples
    --------
    >>> describe_growth(Path("runs/x"), {"animals": 4}, {"animals": 8}, 4)
    'runs/x has 4 animals: 4 more are trained.'
    """
    old, new = flatten(before), flatten(now)
    more = new["animals"] - animals
    trained = f"{more} more {'is' if more == 1 else 'are'} trained" if more else "none is trained again"
    changed = [
        f"; {name} is {new[name]} instead of {old[name]}"
        for name in SESSIONS
        if old.get(name) != new.get(name)
    ]
    return f"{path} has {plural(animals, 'animal')}: {trained}{''.join(changed)}."


def _describe_shrinking(path: Path, name: str, held: int, asked: int) -> str:
    if name == "animals":
        return (
            f"{path} has {held} animals, more than the {asked} asked for; a run cannot shrink. "
            f"Give --animals {held} or more, or another --out, whose animals will be the first of these."
        )
    return (
        f"{path} has a replay with {name} {held}, more than the {asked} asked for; a run cannot shrink. "
        f"Give --set {name}={held} or more, another --out, or --force to start over."
    )
