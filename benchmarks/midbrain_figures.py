"""Figures of docs/midbrain-circuit.md: rates of all populations at events, calibration, dose-response curves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pfc_da.analysis.figures.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE, STYLE, VERMILLION
from pfc_da.circuits.calibration import decode
from pfc_da.circuits.midbrain import BIN_S as CIRCUIT_BIN_S
from pfc_da.circuits.midbrain import EVENT_S, REST_S, MidbrainCircuit
from pfc_da.circuits.midbrain_parameters import POPULATIONS, STIMULATION_MV
from pfc_da.dopamine import DopamineCells

NAMES = {"lh": "LH/PPTg", "gaba": "VTA GABA", "lhb": "LHb", "rmtg": "RMTg", "da": "dopamine"}
COLORS = {"lh": GREEN, "gaba": PURPLE, "lhb": ORANGE, "rmtg": VERMILLION, "da": BLUE}
SHOWN = {
    "reward, none expected": (1.0, 0.0, ""),
    "reward, expected": (1.0, 1.0, ""),
    "expected, omitted": (0.0, 1.0, ""),
    "reward, .5 expected,\nLHb stimulated": (1.0, 0.5, "lhb"),
    ".5 expected, omitted,\nVTA stimulated": (0.0, 0.5, "vta"),
}
"""Received, expected, port stimulated."""
RASTER_CELLS = 15
SHOWN_BEFORE_S = 0.15  # the 50 ms before that still belong to the event before
BIN_S = 0.02
TRIALS, COPIES = 4, 24
DOSES_MV = np.array([0.0, 5.0, 10.0, 16.0, 24.0, 32.0, 40.0])
DOSE_EVENTS = {
    "lhb": [(1.0, 0.5, "reward, .5 expected"), (1.0, 0.0, "reward, none expected")],
    "rmtg": [(1.0, 0.5, "reward, .5 expected"), (1.0, 0.0, "reward, none expected")],
    "vta": [(0.0, 0.5, ".5 expected, omitted"), (0.0, 1.0, "1 expected, omitted")],
}


def write_figures(
    circuit: MidbrainCircuit, rpe: NDArray, rate: NDArray, in_time: Mapping[str, NDArray], folder: Path
) -> None:
    """Draw and write the four figures.

    Parameters
    ----------
    circuit : MidbrainCircuit
    rpe : ndarray (trial, copy)
        Errors in rewards.
    rate : ndarray (trial, copy)
        Rate of the dopamine cells on single trials, in Hz.
    in_time : mapping of str to ndarray (trial, bin, copy)
        Rate of the dopamine cells in trials in time, in Hz.
    folder : Path
    """
    with rc_context(STYLE):
        for name, figure in {
            "midbrain-events": draw_events(),
            "midbrain-calibration": draw_calibration(rpe, rate),
            "midbrain-stimulation": draw_doses(circuit),
            "midbrain-time": draw_in_time(in_time),
        }.items():
            figure.savefig(folder / f"{name}.svg", format="svg", dpi=200, metadata={"Date": None})


def draw_events() -> Figure:
    """Raster of one trial and rates over trials, of every population, before, during and after events."""
    circuit = MidbrainCircuit(COPIES, seed=2, record=True)
    received, expected, ports = zip(*(event for event in SHOWN.values() for _ in range(TRIALS)), strict=True)
    stimulation = {
        port: np.array([[STIMULATION_MV[port] * (port == on)] for on in ports]) for port in STIMULATION_MV
    }
    circuit.respond(np.array(received)[:, None], np.array(expected)[:, None], stimulation)
    figure = Figure(figsize=(11, 5.2))
    axes = figure.subplots(2, len(SHOWN), sharex=True, sharey="row", height_ratios=(3, 2))
    for index, (name, column) in enumerate(zip(SHOWN, axes.T, strict=True)):
        spikes = select_spikes(circuit, [index * TRIALS + trial for trial in range(TRIALS)])
        _draw_raster(spikes[(spikes["copy"] == 0) & (spikes["event"] == index * TRIALS)], circuit, column[0])
        _draw_rates(spikes, circuit, column[1])
        column[0].set_title(name, fontsize=8.5)
        for ax in column:
            ax.axvspan(0, EVENT_S, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
            ax.set_xlim(-SHOWN_BEFORE_S, EVENT_S)
        column[1].set_xlabel("time from outcome (s)")
    axes[1, 0].set_ylabel("rate (Hz)")
    axes[1, 0].legend(fontsize=7, loc="upper left")
    return figure


def select_spikes(circuit: MidbrainCircuit, events: list[int]) -> pd.DataFrame:
    """Spikes from 200 ms before to 300 ms after the onset of some events.

    Parameters
    ----------
    circuit : MidbrainCircuit
        Made with `record`.
    events : list of int

    Returns
    -------
    pandas.DataFrame
        Columns copy, cell, event, and time in s from the onset.
    """
    copy, cell, time = circuit.spikes()
    event, since = np.divmod(time + REST_S, EVENT_S + REST_S)
    found = pd.DataFrame({"copy": copy, "cell": cell, "event": event.astype(int), "time": since - REST_S})
    return found[found["event"].isin(events)]


def _draw_raster(spikes: pd.DataFrame, circuit: MidbrainCircuit, ax: Axes) -> None:
    for row, population in enumerate(reversed(POPULATIONS)):
        first = circuit.parameters.cells(population).start
        own = spikes[spikes["cell"].between(first, first + RASTER_CELLS - 1)]
        base = row * (RASTER_CELLS + 3)
        ax.scatter(
            own["time"],
            base + own["cell"] - first,
            s=4,
            marker="|",
            linewidth=0.9,
            color=COLORS[population],
            rasterized=True,
        )
    ax.set_yticks(
        [row * (RASTER_CELLS + 3) + RASTER_CELLS / 2 for row in range(len(POPULATIONS))],
        [NAMES[population] for population in reversed(POPULATIONS)],
    )
    ax.tick_params(axis="y", length=0)


def _draw_rates(spikes: pd.DataFrame, circuit: MidbrainCircuit, ax: Axes) -> None:
    edges = np.arange(-REST_S, EVENT_S + BIN_S / 2, BIN_S)
    for population in POPULATIONS:
        cells = circuit.parameters.cells(population)
        own = spikes["time"][spikes["cell"].between(cells.start, cells.stop - 1)]
        per_bin = np.histogram(own, edges)[0]
        hz = per_bin / (TRIALS * circuit.copies * circuit.parameters.sizes[population] * BIN_S)
        ax.plot(edges[:-1] + BIN_S / 2, hz, color=COLORS[population], label=NAMES[population], linewidth=1.3)


def draw_calibration(rpe: NDArray, rate: NDArray) -> Figure:
    """Calibration table with single trials of other circuits, and decoded against true errors.

    Parameters
    ----------
    rpe, rate : ndarray (trial, copy)
        Errors in rewards, and rates in Hz.

    Returns
    -------
    matplotlib.figure.Figure
    """
    cells = DopamineCells.calibrated()
    figure = Figure(figsize=(7.4, 3.2))
    left, right = figure.subplots(1, 2)
    x, mean, sd = cells.rpe.numpy(), cells.rate_hz.numpy(), cells.sd_hz.numpy()
    left.scatter(rpe, rate, s=2, color=BLUE, alpha=0.35, linewidth=0, rasterized=True, label="one trial")
    left.plot(x, mean, color=INK, label="calibration")
    left.fill_between(x, mean - 2 * sd, mean + 2 * sd, color=MUTED, alpha=0.25, linewidth=0, label="2 s.d.")
    left.set(xlabel="prediction error (rewards)", ylabel="dopamine cells (Hz)", ylim=(0, None))
    left.legend()
    right.scatter(rpe, decode(cells, rate), s=2, color=BLUE, alpha=0.35, linewidth=0, rasterized=True)
    right.plot([-1, 1], [-1, 1], color=MUTED, linewidth=0.8)
    right.set(xlabel="prediction error (rewards)", ylabel="decoded from 100 cells (rewards)")
    right.set_xticks(np.arange(-1, 1.5, 0.5))
    return figure


def draw_in_time(in_time: Mapping[str, NDArray]) -> Figure:
    """Rate of the dopamine cells over conditioned trials: mean and s.d. over circuits."""
    figure = Figure(figsize=(7.4, 2.8))
    ax = figure.subplots()
    for (name, rates), color in zip(in_time.items(), (BLUE, GREEN, VERMILLION), strict=True):
        by_circuit = rates.mean(0)
        time = (np.arange(len(by_circuit)) + 0.5) * CIRCUIT_BIN_S
        mean, sd = by_circuit.mean(1), by_circuit.std(1)
        ax.plot(time, mean, color=color, label=name)
        ax.fill_between(time, mean - sd, mean + sd, color=color, alpha=0.2, linewidth=0)
    ax.set(xlabel="time (s): cue at .8, outcome at 1.8", ylabel="dopamine cells (Hz)", ylim=(0, None))
    ax.legend()
    return figure


def draw_doses(circuit: MidbrainCircuit) -> Figure:
    """Rate of the dopamine cells against the current into LHb, RMTg or VTA."""
    figure = Figure(figsize=(8.4, 3.0))
    for (port, events), ax in zip(DOSE_EVENTS.items(), figure.subplots(1, 3, sharey=True), strict=True):
        for (received, expected, name), color in zip(events, (BLUE, VERMILLION), strict=True):
            dose = DOSES_MV[DOSES_MV <= (24 if port == "vta" else np.inf), None]
            hz = circuit.respond(
                np.full_like(dose, received), np.full_like(dose, expected), {port: dose}
            ).rate()
            ax.errorbar(dose[:, 0], hz.mean(1), hz.std(1), color=color, label=name, marker="o", markersize=3)
        ax.axhline(
            float(DopamineCells.calibrated().rate(torch.zeros(()))), color=MUTED, linewidth=0.8, linestyle=":"
        )
        ax.axvline(STIMULATION_MV[port], color=FAINT, zorder=0)
        ax.set(xlabel=f"current into {port.upper().replace('LHB', 'LHb').replace('RMTG', 'RMTg')} (mV)")
        ax.legend(fontsize=7)
    figure.axes[0].set_ylabel("dopamine cells (Hz)")
    return figure
