"""Calibration of the midbrain circuit: firing rate of the dopamine cells as a function of the prediction error.

`calibrate` presents a grid of errors to a circuit, each as several random pairs of received and expected reward. `fit_cells`
turns the rates into the table that is used in training (`pfc_da.dopamine.DopamineCells`: mean rate and its s.d. at each
error). `present` presents any errors; decoding them with the table measures the information of single trials.
`present_in_time` runs a session of any values and rewards.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from pfc_da.circuits.channel import CircuitChannel
from pfc_da.circuits.midbrain import BIN_S, Drive, MidbrainCircuit
from pfc_da.dopamine import DopamineCells

RPE_GRID = np.linspace(-1.5, 1.5, 31).round(10)
"""Errors of the calibration, in rewards."""


def draw_terms(rpe: ArrayLike, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Draw received and expected reward of trials with given errors, uniformly among the pairs within [0, 1].

    An error beyond -1 or 1 has no such pair; only one of the two terms is then above 0.

    Parameters
    ----------
    rpe : array_like
        Errors in rewards, of any shape.
    rng : numpy.random.Generator

    Returns
    -------
    received, expected : ndarray
        In rewards, of the shape of `rpe`.

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
    """Present errors to a circuit.

    Parameters
    ----------
    circuit : MidbrainCircuit
    rpe : array_like (event, copy)
        Errors in rewards.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray (event, copy)
        Mean rate of the dopamine cells in Hz.
    """
    return circuit.respond(*draw_terms(rpe, rng)).rate("da")


def calibrate(circuit: MidbrainCircuit, rng: np.random.Generator, repeats: int = 4) -> NDArray:
    """Measure rates at every error of `RPE_GRID`, in random order.

    Parameters
    ----------
    circuit : MidbrainCircuit
    rng : numpy.random.Generator
    repeats : int
        Presentations of each error to each copy.

    Returns
    -------
    ndarray (error, repeat, copy)
        Mean rate of the dopamine cells in Hz.
    """
    order = rng.permutation(np.repeat(np.arange(len(RPE_GRID)), repeats))
    rpe = np.broadcast_to(RPE_GRID[order, None], (len(order), circuit.copies))
    rates = present(circuit, rpe, rng)[order.argsort(kind="stable")]
    return rates.reshape(len(RPE_GRID), repeats, circuit.copies)


def present_in_time(circuit: MidbrainCircuit, value: ArrayLike, reward: ArrayLike) -> NDArray:
    """Run a session of given values and rewards, the same for all copies, in bins of `BIN_S` without discount.

    Parameters
    ----------
    circuit : MidbrainCircuit
    value, reward : array_like (bin,)
        Value read out in each bin, and reward at its begin, in rewards.

    Returns
    -------
    ndarray (bin, copy)
        Mean rate of the dopamine cells in Hz.
    """
    value, reward = np.asarray(value, dtype=float), np.asarray(reward, dtype=float)
    channel = CircuitChannel(circuit, DopamineCells.calibrated(), discount=1.0, bin_s=BIN_S)
    nothing = torch.zeros(circuit.copies)

    def drive() -> Drive:
        for now, earned in zip(value, reward, strict=True):
            channel.receive(nothing + earned, nothing)
            channel.count((yield channel.compute_current(np.full(circuit.copies, now))))

    circuit.follow(drive(), BIN_S, len(value))
    return channel.rates


def fit_cells(rates: NDArray) -> DopamineCells:
    """Table of mean rate and s.d. from rates (error, repeat, copy) in Hz at the errors of `RPE_GRID`.

    Neighbouring means that decrease by chance, near 0 Hz, are pooled (isotonic regression).
    """
    by_error = rates.reshape(len(RPE_GRID), -1)
    mean, sd = isotonic_regression(by_error.mean(1)).x, by_error.std(1, ddof=1)
    rpe, rate_hz, sd_hz = (torch.tensor(column, dtype=torch.float32) for column in (RPE_GRID, mean, sd))
    return DopamineCells(rpe, rate_hz, sd_hz)


def decode(cells: DopamineCells, rate_hz: ArrayLike) -> NDArray:
    """Prediction errors decoded from population rates.

    Parameters
    ----------
    cells : DopamineCells
    rate_hz : array_like
        Of any shape.

    Returns
    -------
    ndarray
        In rewards, of the shape of `rate_hz`.
    """
    return cells.decode(torch.as_tensor(np.asarray(rate_hz), dtype=torch.float32)).numpy()


def compute_r2(true: ArrayLike, decoded: ArrayLike) -> float:
    """Fraction of the variance of `true` explained by `decoded` as it is; no line is fitted.

    Parameters
    ----------
    true, decoded : array_like
        Of one shape.

    Returns
    -------
    float
        At most 1; below 0 if the mean of `true` is the better prediction.

    Examples
    --------
    >>> compute_r2([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]), compute_r2([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])
    (1.0, 0.0)
    """
    true, decoded = np.ravel(true), np.ravel(decoded)
    return float(1 - np.sum((true - decoded) ** 2) / np.sum((true - true.mean()) ** 2))
