"""Parameters of the midbrain circuit, with units, meaning and source; tests compare docs/midbrain-circuit.md with them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

POPULATIONS = ("lh", "gaba", "lhb", "rmtg", "da")
PORTS = {"lhb": "lhb", "rmtg": "rmtg", "vta": "da"}
"""Sites of stimulation, and the cells that are stimulated (VTA: dopamine cells only, as with a genetic label)."""

STIMULATION_MV = {"lhb": 16.0, "rmtg": 24.0, "vta": 11.0}
"""Currents that cancel the burst at a reward of 1 of which .5 was expected, or that replace the burst at its omission.
From the dose-response curves of docs/midbrain-circuit.md."""

OURS, TUNED = "ours", "ours, tuned by the rates of dopamine cells"


def _is(default: float, units: str, what: str, source: str = OURS) -> Any:
    return dataclasses.field(default=default, metadata={"units": units, "what": what, "source": source})


@dataclasses.dataclass(frozen=True, kw_only=True)
class MidbrainParameters:
    """All parameters of the circuit; `dataclasses.fields` gives units, meaning and source of each."""

    n_lh: int = _is(100, "neurons", "LH and PPTg cells of one copy")
    n_gaba: int = _is(100, "neurons", "VTA GABA cells")
    n_lhb: int = _is(50, "neurons", "LHb cells")
    n_rmtg: int = _is(50, "neurons", "RMTg cells")
    n_da: int = _is(100, "neurons", "VTA dopamine cells")
    connected: float = _is(
        0.5, "fraction", "share of a source population that each target cell receives input from"
    )
    dt: float = _is(0.5, "ms", "integration step (Euler)")
    tau_m: float = _is(20.0, "ms", "membrane time constant")
    e_leak: float = _is(-65.0, "mV", "leak potential")
    v_threshold: float = _is(-50.0, "mV", "spike threshold")
    v_reset: float = _is(-65.0, "mV", "potential after a spike")
    t_refractory: float = _is(2.0, "ms", "refractory time")
    tau_e: float = _is(5.0, "ms", "excitatory synapses")
    tau_i: float = _is(10.0, "ms", "inhibitory synapses")
    sigma: float = _is(4.0, "mV", "s.d. of a free membrane")
    sigma_da: float = _is(6.0, "mV", "s.d. of a dopamine cell's free membrane", TUNED)
    ahp_da: float = _is(1.5, "mV", "after-hyperpolarisation of a dopamine cell, per spike", TUNED)
    tau_ahp: float = _is(150.0, "ms", "its decay", TUNED)
    drive_lh: float = _is(9.0, "mV", "tonic drive of LH and PPTg cells", TUNED)
    drive_gaba: float = _is(11.0, "mV", "tonic drive of VTA GABA cells", TUNED)
    drive_lhb: float = _is(11.0, "mV", "tonic drive of LHb cells", TUNED)
    drive_rmtg: float = _is(5.5, "mV", "tonic drive of RMTg cells", TUNED)
    drive_da: float = _is(8.3, "mV", "tonic drive of dopamine cells", TUNED)
    event_lh: float = _is(12.0, "mV / reward", "drive of LH and PPTg cells by what is received", TUNED)
    event_gaba: float = _is(12.0, "mV / reward", "drive of VTA GABA cells by what was expected", TUNED)
    event_lhb: float = _is(12.0, "mV / reward", "drive of LHb cells by the negative error", TUNED)
    w_lh_da: float = _is(2.1, "mV / 10 Hz", "LH and PPTg onto dopamine cells, mean effect", TUNED)
    w_gaba_da: float = _is(2.1, "mV / 10 Hz", "VTA GABA onto dopamine cells, taken off", TUNED)
    w_lhb_rmtg: float = _is(6.0, "mV / 10 Hz", "LHb onto RMTg", TUNED)
    w_rmtg_da: float = _is(0.8, "mV / 10 Hz", "RMTg onto dopamine cells, taken off", TUNED)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of cells of each population of one copy, in their order."""
        return {name: getattr(self, f"n_{name}") for name in POPULATIONS}

    @property
    def n_cells(self) -> int:
        """Number of cells of one copy."""
        return sum(self.sizes.values())

    def cells(self, population: str) -> slice:
        """Slice of the cells of a population among those of a copy."""
        first = sum(self.sizes[name] for name in POPULATIONS[: POPULATIONS.index(population)])
        return slice(first, first + self.sizes[population])

    def per_cell(self, by_population: Mapping[str, float]) -> NDArray:
        """Value of each cell of a copy (cell,) from values by population; 0 for populations not named."""
        return np.repeat([by_population.get(name, 0.0) for name in POPULATIONS], list(self.sizes.values()))
