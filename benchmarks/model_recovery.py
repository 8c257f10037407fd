"""Recovery of parameters and models of choice: ``python benchmarks/model_recovery.py [--sessions 1]``.

Synthetic agents choose on the volatile schedule of 240 trials per session (`draw_volatile_schedules`), with parameters from
the typical ranges of their model. Prints Markdown: the ranges with the correlation of true and fitted values, the confusion
matrix of all models (row simulated, column of lowest BIC), and those of sets that one session can distinguish.
"""

import argparse

from pfc_da.analysis.choice_models.models import MODELS
from pfc_da.analysis.choice_models.recovery import (
    ModelRecovery,
    draw_volatile_schedules,
    recover_models,
    recover_parameters,
)
from pfc_da.rng import numpy_stream

DISTINGUISHABLE = (  # sets that one session of 240 trials distinguishes
    ("ab", "perseveration", "win_stay_lose_shift"),
    ("ab_coupled", "perseveration_coupled", "win_stay_lose_shift"),
    ("ab", "ab_coupled"),
)


def markdown(rows: list[list[str]]) -> str:
    """Rows as a Markdown table, the first its head."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def parameter_table(agents: int, sessions: int, seed: int) -> str:
    """Correlations of true and fitted values of every parameter of every model.

    Parameters
    ----------
    agents, sessions : int
        Agents of each model, and sessions of each agent.
    seed : int

    Returns
    -------
    str
        Markdown table.
    """
    rows = [["model", "parameter", "drawn from", "Pearson", "Spearman", "at a bound"]]
    p_reward = draw_volatile_schedules(agents, sessions, rng=numpy_stream(seed, "schedules"))
    for name, model in MODELS.items():
        recovery = recover_parameters(model, p_reward, rng=numpy_stream(seed, "parameters", name))
        for each in model.parameters:
            pearson, spearman = recovery.correlate(each.name), recovery.correlate_ranks(each.name)
            low, high = each.typical
            bound = int(recovery.fit.at_bound[each.name].sum())
            rows.append(
                [name, each.name, f"{low:g} to {high:g}", f"{pearson:.2f}", f"{spearman:.2f}", str(bound)]
            )
    return markdown(rows)


def confusion_table(recovery: ModelRecovery) -> str:
    """Agents of each model by the model of their lowest BIC, and the share that is right."""
    rows = [["simulated", *recovery.names, "found"]]
    for name, counts, found in zip(recovery.names, recovery.confusion, recovery.found, strict=True):
        rows.append([name, *map(str, counts), f"{found:.0%}"])
    return markdown(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{given.agents} agents of each model, {given.sessions} x 240 trials each, seed {given.seed}.\n")
    print(parameter_table(given.agents, given.sessions, given.seed), end="\n\n")
    p_reward = draw_volatile_schedules(
        given.agents, given.sessions, rng=numpy_stream(given.seed, "schedules")
    )
    recovery = recover_models(list(MODELS.values()), p_reward, rng=numpy_stream(given.seed, "models"))
    for names in (tuple(MODELS), *DISTINGUISHABLE):
        print(confusion_table(recovery.among(names)), end="\n\n")


if __name__ == "__main__":
    main()
