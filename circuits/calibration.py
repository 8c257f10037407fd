"""Calibration of the midbrain circuit: which rate of dopamine cells stands for which prediction error.

`calibrate` plays a grid of errors into a circuit, each as many pairs of received and expected reward as there are trials,
and gives the surrogate through which networks are trained (`pfc_da.dopamine.DopamineCells`: mean rate and its s.d. at
each error). `present` plays errors of any kind; decoding them through the surrogate's table tells how much one trial of
the cells says about the error.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells

RPE_GRID = np.linspace(-1.5, 1.5, 31).round(10)
"""Errors of the calibration, in rewards."""


def draw_terms(rpe: ArrayLike, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Received and expected reward of any trials with these errors, evenly among the pairs within [0, 1].

    An error beyond -1 or 1 has no such pair; it comes from what was received, or expected, alone.

    Examples
    --------
    >>> received, expected = draw_terms([-0.5, 1.2], np.random.default_rng(0))
    >>> (received - expected).round(6).tolist(), expected[1].round(6).item()
    ([-0.5, 1.2], 0.0)
    """
    rpe = np.asarray(rpe, dtype=float)
    both = rng.random(rpe.shape) * np.maximum(1 - np.abs(rpe), 0)  # what is common to the two
    return np.maximum(rpe, 0) + both, np.maximum(-rpe, 0) + both


def present(circuit: MidbrainCircuit, rpe: ArrayLike, rng: np.random.Generator) -> NDArray:
    """Mean rate of the dopamine cells in Hz for errors (event, copy), in that shape."""
    return circuit.respond(*draw_terms(rpe, rng)).rate("da")


def calibrate(circuit: MidbrainCircuit, rng: np.random.Generator, repeats: int = 4) -> NDArray:
    """Rates in Hz at every error of `RPE_GRID`, (error, repeat, copy); the events come in random order."""
    order = rng.permutation(np.repeat(np.arange(len(RPE_GRID)), repeats))
    rpe = np.broadcast_to(RPE_GRID[order, None], (len(order), circuit.copies))
    rates = present(circuit, rpe, rng)[order.argsort(kind="stable")]
    return rates.reshape(len(RPE_GRID), repeats, circuit.copies)


def fit_cells(rates: NDArray) -> DopamineCells:
    """The surrogate of rates (error, repeat, copy) at the errors of `RPE_GRID`.

    Where neighbouring means fall by chance, as they may on the floor, they are pooled until none does.
    """
    by_error = rates.reshape(len(RPE_GRID), -1)
    mean, sd = isotonic_regression(by_error.mean(1)).x, by_error.std(1, ddof=1)
    rpe, rate_hz, sd_hz = (torch.tensor(column, dtype=torch.float32) for column in (RPE_GRID, mean, sd))
    return DopamineCells(rpe, rate_hz, sd_hz)


def decode(cells: DopamineCells, rate_hz: ArrayLike) -> NDArray:
    """Prediction errors, in rewards, read from rates of the population in Hz; any shape."""
    return cells.decode(torch.as_tensor(np.asarray(rate_hz), dtype=torch.float32)).numpy()


def compute_r2(true: ArrayLike, decoded: ArrayLike) -> float:
    """Share of the variance of `true` that `decoded` accounts for, as it stands (no line is fitted)."""
    true, decoded = np.ravel(true), np.ravel(decoded)
    return float(1 - np.sum((true - decoded) ** 2) / np.sum((true - true.mean()) ** 2))
