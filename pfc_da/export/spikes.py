"""Spikes drawn from rates, for networks that have no spikes of their own: a doubly stochastic Poisson (Cox) process.

The rate r_j(t) of unit j is itself random: it follows the choices, the rewards and the noise of the trial. Given the rates,
spikes are Poisson, independent of one another,

  n_j(t) ~ Poisson(r_j(t) dt),   times uniform within the bin of length dt.

So with R the integral of r over a window, the count N has mean E[R] and the Fano factor 1 + Var[R] / E[R]. One neuron a
unit. Whatever the rates do not say is that of a Poisson process and no finding: no refractory period, CV2 and LV of 1 (more
where rates jump from bin to bin), and correlations between neurons only through their rates.

Reference: Cox 1955, J R Stat Soc B 17:129, doi 10.1111/j.2517-6161.1955.tb00188.x.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pfc_da.errors import InputError

TICKS_PER_S = 1_000_000
"""Times lie on a clock of 1 microsecond, as acquisition systems have one."""
HOW_DRAWN = (
    "Simulated spikes, drawn from the firing rates of the simulated units by a doubly stochastic Poisson process: "
    "Poisson given the rates, which differ from trial to trial. Their regularity and their synchrony are no finding."
)


class Spikes(NamedTuple):
    """Spike times of all units, one unit after the other, as the tables of NWB keep them."""

    times: NDArray  # (spike,) s since the session began, ascending within a unit
    ends: NDArray  # (unit,) where the spikes of each unit end in `times`
    resolution_s: float = 1 / TICKS_PER_S  # of the clock they lie on

    def trains(self) -> list[NDArray]:
        """Spike times of each unit in s."""
        return np.split(self.times, self.ends[:-1])


def draw_spikes(rates: NDArray, *, bin_s: float, rng: np.random.Generator) -> Spikes:
    """Draw the spikes of one session.

    Parameters
    ----------
    rates : (bin, unit)
        Hz, held for each bin.
    bin_s : float
        Duration of a bin in s.

    Raises
    ------
    InputError
        If a rate is negative or not finite.
    """
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise InputError("spikes can be drawn from finite rates of 0 Hz or more only; these are not.")
    ticks = round(bin_s * TICKS_PER_S)
    counts = rng.poisson(np.asarray(rates, dtype=float).T * bin_s)  # (unit, bin)
    at = np.repeat(np.arange(counts.size) * ticks, counts.ravel())  # unit after unit, in whole ticks
    at += rng.integers(ticks, size=at.size)
    at.sort()
    at %= len(rates) * ticks
    return Spikes(times=at / TICKS_PER_S, ends=counts.sum(1).cumsum())
