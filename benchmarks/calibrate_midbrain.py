"""Measurement of the midbrain circuit against its targets: ``python -m benchmarks.calibrate_midbrain``.

All numbers are from circuits that were not used for the calibration (other connections, other noise), with intervals over
circuits. ``--calibrate`` first makes `data/dopamine_calibration.csv` again, and updates docs/midbrain-circuit.md and its
figures; without it nothing is written. Takes two minutes of CPU, and half a minute for compiling, once per machine.
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.midbrain_figures import write_figures
from benchmarks.readme_table import replace_table
from pfc_da.analysis.comparison.published import judge
from pfc_da.analysis.comparison.reference import ReferenceStatistic, load_references
from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.analysis.statistic import Statistic, summarise_sessions
from pfc_da.circuits.calibration import RPE_GRID, calibrate, compute_r2, decode, fit_cells, present_in_time
from pfc_da.circuits.midbrain import BIN_S, WINDOW_S, MidbrainCircuit
from pfc_da.circuits.midbrain_parameters import STIMULATION_MV
from pfc_da.dopamine import DopamineCells
from pfc_da.rng import numpy_stream

ROOT = Path(__file__).resolve().parents[1]
TABLE, PAGE = ROOT / "data" / "dopamine_calibration.csv", ROOT / "docs" / "midbrain-circuit.md"

REPEATS = 5
EVENTS: dict[str, tuple[float, float, dict[str, float]]] = {
    "nothing": (0.0, 0.0, {}),
    "reward as expected": (1.0, 1.0, {}),
    "reward, +1": (1.0, 0.0, {}),
    "omission, -1": (0.0, 1.0, {}),
    "reward, +.5": (1.0, 0.5, {}),
    "omission, -.5": (0.0, 0.5, {}),
    **{
        f"reward, +.5, {port} stimulated": (1.0, 0.5, {port: STIMULATION_MV[port]})
        for port in ("lhb", "rmtg")
    },
    "omission, -.5, vta stimulated": (0.0, 0.5, {"vta": STIMULATION_MV["vta"]}),
}
"""Received, expected, stimulation in mV."""
COMPARISONS = (
    ("reward, +.5", "nothing", (0.0, np.inf)),
    ("reward, +.5, lhb stimulated", "nothing", (-np.inf, 0.0)),
    ("reward, +.5, rmtg stimulated", "nothing", (-np.inf, 0.0)),
    ("omission, -.5", "nothing", (-np.inf, 0.0)),
    ("omission, -.5, vta stimulated", "nothing", (0.0, np.inf)),
    ("omission, -.5, vta stimulated", "reward, +.5", (0.0, np.inf)),
)
"""Event, event it is compared with, and target: the burst is absent, or present and not smaller."""
PUBLISHED = {
    "dopamine_baseline": "nothing",
    "dopamine_burst": "reward, +1",
    "dopamine_pause": "omission, -1",
}
"""Condition of a reference, and the event that it is compared with."""
CUE, OUTCOME, N_BINS = 16, 36, 50
"""Bins of a conditioned trial: a cue after .8 s, its outcome a second later, .7 s more."""
TRIALS_IN_TIME = {"reward not predicted": (0.0, 1.0), "reward predicted": (1.0, 1.0), "omission": (1.0, 0.0)}
"""Value from cue to outcome, and reward."""
IN_TIME = (
    ("baseline", "reward not predicted", None, (3.0, 8.0)),
    ("reward not predicted", "reward not predicted", OUTCOME, (11.0, 20.0)),
    ("cue that predicts a reward", "reward predicted", CUE, (11.0, 20.0)),
    ("reward predicted by a cue", "reward predicted", OUTCOME, (3.0, 8.0)),
    ("omission of a predicted reward", "omission", OUTCOME, (-np.inf, 1.0)),
)
"""Row, trial, bin from which `WINDOW_S` counts (None: .5 s before the cue), and target."""
CELLS = (5, 10, 20, 40, 100)
BINS = np.linspace(-1, 1, 11)


ANY = (-np.inf, np.inf)


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured number of `trials` events per circuit, with its target (lowest and highest allowed value)."""

    what: str
    statistic: Statistic
    trials: int
    bar: tuple[float, float] = ANY

    def __str__(self) -> str:
        found = self.statistic
        value = f"{found.estimate:.3g} [{found.low:.3g}, {found.high:.3g}] {found.units}".removesuffix(" 1")
        words = " and ".join(
            f"{word} {end:g}"
            for word, end in zip(("at least", "at most"), self.bar, strict=True)
            if np.isfinite(end)
        )
        return f"| {self.what} | {value} | {found.n} x {self.trials} | {words} | {self.verdict} |"

    @property
    def verdict(self) -> str:
        """Met if the whole interval lies within the bar."""
        if self.bar == ANY:
            return ""
        low, high = self.bar
        return "met" if low <= self.statistic.low and self.statistic.high <= high else "**missed**"


def summarise_copies(
    what: str,
    compute: Callable[..., float],
    *arrays: NDArray,
    units: str,
    bar: tuple[float, float] = ANY,
) -> Row:
    """A number computed from arrays (event, copy), with a bootstrap interval over copies, which differ in connections.

    Parameters
    ----------
    what : str
        Name of the row.
    compute : callable
        From the arrays to a number.
    *arrays : ndarray (event, copy)
    units : str
    bar : tuple of float
        Lowest and highest allowed value.

    Returns
    -------
    Row
    """
    by_copy = [array.swapaxes(0, 1) for array in arrays]
    found = summarise_sessions(what, compute, by_copy, units=units, rng=numpy_stream(0, "bootstrap"))
    statistic = dataclasses.replace(found, interval="95 % bootstrap over circuits", n_of="circuits")
    return Row(what, statistic, len(arrays[0]), bar)


def measure_events(circuit: MidbrainCircuit, rng: np.random.Generator) -> dict[str, NDArray]:
    """Rate of the dopamine cells at each of `EVENTS`, presented in random order.

    Parameters
    ----------
    circuit : MidbrainCircuit
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray (repeat, copy)
        In Hz.
    """
    order = rng.permutation(np.repeat(np.arange(len(EVENTS)), REPEATS))
    received, expected, ports = zip(*(list(EVENTS.values())[event] for event in order), strict=True)
    stimulation = {name: np.array([[port.get(name, 0.0)] for port in ports]) for name in STIMULATION_MV}
    rate = circuit.respond(np.array(received)[:, None], np.array(expected)[:, None], stimulation).rate("da")
    return {name: rate[order == index] for index, name in enumerate(EVENTS)}


def tabulate_events(rates: dict[str, NDArray]) -> list[Row]:
    """Rates at events, and differences between stimulated and other events with their targets."""
    bars = {"nothing": (3.0, 8.0), "reward, +1": (11.0, 20.0), "omission, -1": (-np.inf, 1.0)}
    rows = [
        summarise_copies(name, _mean, rate, units="Hz", bar=bars.get(name, ANY))
        for name, rate in rates.items()
    ]
    for one, other, bar in COMPARISONS:
        difference = rates[one] - rates[other]
        rows.append(summarise_copies(f"{one}, less {other}", _mean, difference, units="Hz", bar=bar))
    return rows


def measure_in_time(circuit: MidbrainCircuit) -> dict[str, NDArray]:
    """Conditioned trials, from reward and values in time.

    Parameters
    ----------
    circuit : MidbrainCircuit

    Returns
    -------
    dict of str to ndarray (trial, bin, copy)
        Rate of the dopamine cells in each of `TRIALS_IN_TIME`, in Hz.
    """
    place, found = np.arange(N_BINS), {}
    for name, (value, reward) in TRIALS_IN_TIME.items():
        values = np.where((place >= CUE) & (place < OUTCOME), value, 0.0)
        session = (np.tile(each, REPEATS) for each in (values, reward * (place == OUTCOME)))
        found[name] = present_in_time(circuit, *session).reshape(REPEATS, N_BINS, -1)
    return found


def tabulate_in_time(rates: dict[str, NDArray]) -> list[Row]:
    """Rates at baseline, cue and outcome with their targets, from `measure_in_time`."""
    rows = []
    for what, trial, first, bar in IN_TIME:
        window = slice(CUE - 10, CUE)
        if first is not None:
            window = slice(*(first + round(seconds / BIN_S) for seconds in WINDOW_S))
        rate = rates[trial][:, window].mean(1)
        rows.append(summarise_copies(f"in time: {what}", _mean, rate, units="Hz", bar=bar))
    return rows


def measure_trials(
    circuit: MidbrainCircuit, rng: np.random.Generator, trials: int
) -> tuple[NDArray, NDArray]:
    """Single trials with received and expected reward drawn uniformly from [0, 1].

    Parameters
    ----------
    circuit : MidbrainCircuit
    rng : numpy.random.Generator
    trials : int
        Per circuit.

    Returns
    -------
    rpe : ndarray (trial, copy)
        In rewards.
    rate : ndarray (trial, copy, cell)
        Of the dopamine cells, in Hz.
    """
    received, expected = rng.random((2, trials, circuit.copies))
    response = circuit.respond(received, expected)
    counts = response.counts[..., circuit.parameters.cells("da")]
    return received - expected, counts / (WINDOW_S[1] - WINDOW_S[0])


def tabulate_trials(cells: DopamineCells, rpe: NDArray, rate: NDArray) -> list[Row]:
    """Asymmetry, decoding of single trials, and the calibrated table compared with the circuit.

    Parameters
    ----------
    cells : DopamineCells
    rpe : ndarray (trial, copy)
    rate : ndarray (trial, copy, cell)

    Returns
    -------
    list of Row
    """
    population = rate.mean(-1)
    rows = [
        summarise_copies(name, slope, rpe, population, units="Hz / reward")
        for name, slope in (("slope above 0", _slope_above), ("slope below 0", _slope_below))
    ]
    for n in CELLS:
        decoded, bar = decode(cells, rate[..., :n].mean(-1)), (0.95, np.inf) if n == max(CELLS) else ANY
        rows.append(
            summarise_copies(f"R2 of decoded trials, {n} cells", compute_r2, rpe, decoded, units="1", bar=bar)
        )
    errors = torch.tensor(rpe)
    mean = cells.rate(errors).numpy()
    sd = cells.encode(errors, torch.ones_like(errors)).numpy() - mean
    name, residual = "circuit less surrogate, largest mean of a bin", population - mean
    rows.append(summarise_copies(name, compute_worst_bin, rpe, residual, units="Hz", bar=(-np.inf, 0.5)))
    rows.append(summarise_copies("s.d. of a trial, circuit over surrogate", _sd, residual / sd, units="1"))
    return rows


def compute_worst_bin(rpe: NDArray, difference: NDArray) -> float:
    """Largest absolute mean of a difference over bins of the error.

    Parameters
    ----------
    rpe, difference : ndarray
        Of one shape.

    Returns
    -------
    float
    """
    index = np.digitize(rpe.ravel(), BINS[1:-1])
    sums, n = np.bincount(index, difference.ravel()), np.bincount(index)
    return float(np.abs(sums[n > 0] / n[n > 0]).max())


def _mean(values: NDArray) -> float:
    return float(values.mean())


def _slope_above(rpe: NDArray, rate: NDArray) -> float:
    return float(np.polyfit(rpe[rpe > 0], rate[rpe > 0], 1)[0])


def _slope_below(rpe: NDArray, rate: NDArray) -> float:
    return float(np.polyfit(rpe[rpe < 0], rate[rpe < 0], 1)[0])


def _sd(values: NDArray) -> float:
    return float(values.std())


def tabulate_calibration(rates: NDArray) -> pd.DataFrame:
    """The rows of `data/dopamine_calibration.csv` from rates (error, repeat, copy)."""
    cells = fit_cells(rates)
    low, high = compute_mean_interval(rates.mean(1).T)
    columns = {
        "rpe": RPE_GRID,
        "rate_hz": cells.rate_hz,
        "low_hz": low,
        "high_hz": high,
        "sd_hz": cells.sd_hz,
    }
    table = pd.DataFrame({name: np.round(np.asarray(values, float), 4) for name, values in columns.items()})
    return table.assign(n_trials=rates[0].size, n_circuits=rates.shape[2])


def format_rows(rows: list[Row]) -> str:
    """Markdown table."""
    head = "| dopamine cells | measured [95 % over circuits] | circuits x trials | bar | |"
    return "\n".join([head, "|---|---|---|---|---|", *map(str, rows)])


def format_published(rows: list[Row], references: Sequence[ReferenceStatistic]) -> str:
    """Markdown table of the rates of recorded dopamine cells, each with the corresponding event of the circuit.

    Parameters
    ----------
    rows : list of Row
    references : sequence of ReferenceStatistic

    Returns
    -------
    str
    """
    by_event = {row.what: row.statistic for row in rows}
    lines = ["| recorded dopamine cells | recorded | circuit | | source |", "|---|---|---|---|---|"]
    for row in references:
        if row.condition in PUBLISHED:
            ours = dataclasses.replace(by_event[PUBLISHED[row.condition]], n_of="units")
            recorded = f"{row.estimate:g}" if np.isfinite(row.estimate) else f"{row.low:g} to {row.high:g}"
            what = f"{row.condition.removeprefix('dopamine_')}: {row.read_off}"
            source = f"[{row.source}](https://doi.org/{row.doi}), {row.locator}"
            verdict = "; ".join(judge(ours, row))
            lines.append(f"| {what} | {recorded} Hz | {ours.estimate:.3g} Hz | {verdict} | {source} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with --calibrate, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="make the table, the page and its figures again"
    )
    parser.add_argument("--copies", type=int, default=32, help="circuits in parallel; 32 unless given")
    parser.add_argument("--trials", type=int, default=40, help="single trials a circuit; 40 unless given")
    arguments = parser.parse_args()
    if arguments.calibrate:
        rates = calibrate(MidbrainCircuit(arguments.copies, seed=0), numpy_stream(0, "calibration"))
        tabulate_calibration(rates).to_csv(TABLE, index=False)
    cells = DopamineCells.calibrated()
    circuit, rng = MidbrainCircuit(arguments.copies, seed=1), numpy_stream(1, "measurement")
    rpe, rate = measure_trials(circuit, rng, arguments.trials)
    rows = tabulate_events(measure_events(circuit, rng)) + tabulate_trials(cells, rpe, rate)
    in_time = measure_in_time(circuit)
    rows += tabulate_in_time(in_time)
    text = f"{format_rows(rows)}\n\n{format_published(rows, load_references('lever_stimulation'))}"
    print(text)
    if arguments.calibrate:
        write_figures(circuit, rpe, rate.mean(-1), in_time, ROOT / "docs" / "figures")
        PAGE.write_text(replace_table(PAGE.read_text("utf-8"), text), "utf-8")


if __name__ == "__main__":
    main()
