"""Learning by dopamine-dependent spike-timing plasticity: ``python -m benchmarks.stdp_figure``.

Prints the table of docs/stdp.md; ``--write`` updates that page and its figure. Learning rates were chosen on seed 0; the
agents here have another seed. Takes about five minutes of CPU, and one for compiling, once per machine.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.readme_table import replace_table
from pfc_da.analysis.figures.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, STYLE
from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.circuits.stdp import Learning, TwoChoiceCircuit

PAGE = Path(__file__).resolve().parents[1] / "docs" / "stdp.md"
AGENTS, TRIALS, SEED, LEARNED = 64, 80, 1, 60
BLOCK = 10
COLORS = {"with outcomes": BLUE, "held at baseline": MUTED}


def measure() -> dict[str, tuple[TwoChoiceCircuit, Learning]]:
    """Both conditions, from the same weights and wiring."""
    measured = {}
    for name, with_outcomes in zip(COLORS, (True, False), strict=True):
        circuit = TwoChoiceCircuit(AGENTS, seed=SEED)
        measured[name] = circuit, circuit.learn(TRIALS, with_outcomes=with_outcomes)
    return measured


def split_weights(circuit: TwoChoiceCircuit, happened: Learning) -> tuple[NDArray, NDArray]:
    """Mean weight from the stimuli to the pools of the correct and of the wrong action.

    Parameters
    ----------
    circuit : TwoChoiceCircuit
    happened : Learning

    Returns
    -------
    right, wrong : ndarray (trial, copy)
    """
    right = np.arange(2) == circuit.right_action[..., None]  # (copy, stimulus, action)
    return (happened.weight * right).sum((2, 3)) / 2, (happened.weight * ~right).sum((2, 3)) / 2


def tabulate(circuit: TwoChoiceCircuit, happened: Learning) -> dict[str, tuple[NDArray, str]]:
    """One number per agent in each row of the table.

    Parameters
    ----------
    circuit : TwoChoiceCircuit
    happened : Learning

    Returns
    -------
    dict of str to (ndarray (copy,), str)
        Values and their number format, by the name of the row.
    """
    right, wrong = split_weights(circuit, happened)
    change = happened.weight.mean((2, 3))
    rows = {
        f"P(correct), trials {first + 1} to {last}": (happened.is_correct[first:last].mean(0), ".3f")
        for first, last in ((0, 20), (20, LEARNED), (LEARNED, TRIALS))
    }
    return rows | {
        "weight to the right less to the wrong action, last trial (thresholds)": ((right - wrong)[-1], ".4f"),
        "change of the mean weight, first to last trial (thresholds)": (change[-1] - change[0], ".4f"),
        f"dopamine less baseline, trials {LEARNED + 1} to {TRIALS} (Hz)": (
            happened.dopamine_hz[LEARNED:].mean(0),
            ".2f",
        ),
    }


def format_table(measured: dict[str, tuple[TwoChoiceCircuit, Learning]]) -> str:
    """Markdown table: mean over agents and 95 % interval over them."""
    columns = [tabulate(*each) for each in measured.values()]
    lines = [f"| {AGENTS} agents, mean [95 % over agents] | " + " | ".join(measured) + " |", "|---|---|---|"]
    for name, (_, style) in columns[0].items():
        cells = []
        for values, _ in (column[name] for column in columns):
            low, high = compute_mean_interval(values)
            cells.append(f"{values.mean():{style}} [{low:{style}}, {high:{style}}]")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(measured: dict[str, tuple[TwoChoiceCircuit, Learning]]) -> Figure:
    """Choices in blocks of trials, weights, and dopamine at rewards and omissions, over trials."""
    figure = Figure(figsize=(9.6, 3.0))
    choices, weights, dopamine = figure.subplots(1, 3)
    middle = np.arange(TRIALS).reshape(-1, BLOCK).mean(1) + 1
    for name, (_, happened) in measured.items():
        by_block = happened.is_correct.reshape(-1, BLOCK, AGENTS).mean(1)
        choices.plot(middle, by_block, color=COLORS[name], alpha=0.15, linewidth=0.6)
        choices.plot(middle, by_block.mean(1), color=COLORS[name], linewidth=2, label=name)
    choices.axhline(0.5, color=FAINT, linewidth=0.8, zorder=0)
    choices.set(xlabel="trial", ylabel="P(correct)", ylim=(0, 1.02))
    choices.legend(fontsize=7, loc="lower right")
    circuit, happened = measured["with outcomes"]
    for weight, color, name in zip(
        split_weights(circuit, happened), (GREEN, INK), ("right", "wrong"), strict=True
    ):
        low, high = np.quantile(weight, [0.1, 0.9], axis=1)
        weights.plot(np.arange(TRIALS) + 1, weight.mean(1), color=color, label=f"to the {name} action")
        weights.fill_between(np.arange(TRIALS) + 1, low, high, color=color, alpha=0.15, linewidth=0)
    weights.set(xlabel="trial", ylabel="weight (thresholds)", ylim=(0, None))
    weights.legend(fontsize=7)
    for reward, color, name in ((1, BLUE, "reward"), (0, ORANGE, "no reward")):
        at = happened.reward == reward
        rate = [
            happened.dopamine_hz[first : first + BLOCK][at[first : first + BLOCK]].mean()
            for first in range(0, TRIALS, BLOCK)
        ]
        dopamine.plot(middle, rate, color=color, marker="o", markersize=3, label=name)
    dopamine.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    dopamine.set(xlabel="trial", ylabel="dopamine cells less baseline (Hz)")
    dopamine.legend(fontsize=7)
    return figure


def main() -> None:
    """Print the table; with --write, update the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="bring docs/stdp.md and its figure up to date")
    write = parser.parse_args().write
    measured = measure()
    table = format_table(measured)
    print(table)
    if write:
        PAGE.write_text(replace_table(PAGE.read_text("utf-8"), table), "utf-8")
        with rc_context(STYLE):
            draw(measured).savefig(
                PAGE.parent / "figures" / "stdp.svg", format="svg", metadata={"Date": None}
            )


if __name__ == "__main__":
    main()
