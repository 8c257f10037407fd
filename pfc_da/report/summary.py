"""What a run found in a few sentences, for the terminal and the head of the report."""

from pathlib import Path

import pandas as pd

from pfc_da.storage.manifest import Manifest, read_manifest
from pfc_da.storage.tables import BY_ANIMAL, COMPARISON, NAMES, STATISTIC, VERDICTS, is_control, read_table

QUICK = "This is a quick run (--quick), made to see that the program works: its numbers have no verdicts."


def summarise_run(run_folder: str | Path) -> list[str]:
    """Sentences on a finished run: whether animals learned, whether it is a quick run, and how its comparisons came out."""
    comparison = _read(Path(run_folder) / "comparison.csv", COMPARISON)
    return [*warn_of_run(run_folder), *describe_verdicts(read_manifest(run_folder), comparison)]


def warn_of_run(run_folder: str | Path) -> list[str]:
    """Of these sentences, those that a reader must know before any number."""
    folder = Path(run_folder)
    statistics = _read(folder / "statistics.csv", STATISTIC)
    by_animal = _read(folder / "statistics_by_animal.csv", BY_ANIMAL)
    return list_warnings(read_manifest(folder), statistics, by_animal)


def _read(path: Path, columns: list[str]) -> pd.DataFrame | None:
    return read_table(path, columns, texts=NAMES) if path.exists() else None


def list_warnings(
    manifest: Manifest, statistics: pd.DataFrame | None, by_animal: pd.DataFrame | None
) -> list[str]:
    """What a reader must know before any number.

    Parameters
    ----------
    manifest : Manifest
    statistics, by_animal : DataFrame or None
        The rows of statistics.csv and statistics_by_animal.csv; None if there is no such file.

    Returns
    -------
    list of str
        Sentences; none if all animals learned and the run is no quick one.
    """
    quick = [QUICK] if manifest.config.get("quick") else []
    if statistics is None or by_animal is None:
        return quick
    return [*_describe_learning(statistics, by_animal), *quick]


def describe_verdicts(manifest: Manifest, comparison: pd.DataFrame | None) -> list[str]:
    """How many simulated numbers lie inside their reference, and how many claims in words hold.

    Parameters
    ----------
    manifest : Manifest
    comparison : DataFrame or None
        The rows of comparison.csv; None if there is no such file.

    Returns
    -------
    list of str
        One sentence for the numbers and one for the claims, where there are any; none for a quick run.
    """
    if manifest.config.get("quick") or comparison is None:
        return []
    found = count_verdicts(comparison)
    numbers, claims = ("inside", "outside", "open"), ("claim holds", "claim fails", "claim open")
    sentences = []
    if n := sum(found[name] for name in numbers):
        counts = ", ".join(f"{found[name]} {name}" for name in numbers)
        sentences.append(f"Numbers compared with a reference: {n}, of which {counts}.")
    if n := sum(found[name] for name in claims):
        counts = ", ".join(f"{found[name]} {name.removeprefix('claim ')}" for name in claims)
        sentences.append(f"Claims in words: {n}, of which {counts}.")
    return sentences


def count_verdicts(comparison: pd.DataFrame) -> dict[str, int]:
    """How often each verdict was taken, controls at chance left out."""
    taken = [row["verdict"] for row in comparison.to_dict("records") if not is_control(row)]
    return {verdict: taken.count(verdict) for verdict in VERDICTS}


def _describe_learning(statistics: pd.DataFrame, by_animal: pd.DataFrame) -> list[str]:
    """Reward of the animals that did not learn, the same untrained, and chance."""
    own = by_animal.pivot_table(index="animal", columns="key", values="estimate", aggfunc="first")
    chance = statistics.loc[statistics["key"] == "reward_chance", "estimate"]
    if "fraction_learned" not in own or chance.empty:
        return []
    failed = own[own["fraction_learned"] == 0]
    if failed.empty:
        return []
    reward, untrained = failed["reward_per_trial"].mean(), failed["reward_untrained"].mean()
    names = "" if len(failed) == len(own) else f" ({', '.join(map(str, failed.index))})"
    return [
        f"{len(failed)} of {len(own)} animals{names} did not learn: reward {reward:.3f} a trial, "
        f"untrained {untrained:.3f}, chance {chance.iloc[0]:.3f}."
    ]
