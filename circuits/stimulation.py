"""Current into a chosen share of the cells of the spiking prefrontal network, as light does to cells with a channel.

The same cells in all sessions of an animal, as expression is, and the same current into each; real light and expression
are uneven.
"""

import dataclasses
import re
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pfc_da.errors import InputError, nearest, show
from pfc_da.network import PFCNetwork
from pfc_da.task import Task

NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
MOST_CURRENT = 100
"""In thresholds; far beyond it a cell fires at every step or never."""
CELLS = ("all", "excitatory", "inhibitory")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stimulation:
    """A current into some cells.

    Attributes
    ----------
    current
        In thresholds (distance from rest to threshold); below 0 to silence.
    fraction
        Of the cells, drawn once for an animal.
    cells
        One of `CELLS`: which the fraction is of.
    phase
        Phase of the trial through which it is on, "" for always.
    """

    current: float
    fraction: float
    cells: str = "all"
    phase: str = ""

    def __post_init__(self) -> None:
        if not 0 < abs(self.current) <= MOST_CURRENT:
            raise InputError(
                f"current must be a number other than 0, -{MOST_CURRENT} to {MOST_CURRENT} (thresholds), got {self.current}."
            )
        if not 0 < self.fraction <= 1:
            raise InputError(f"fraction must be above 0 and at most 1 (of the cells), got {self.fraction}.")
        if self.cells not in CELLS:
            near = nearest(self.cells, CELLS)
            raise InputError(f"no cells {show(self.cells)}.{near} There are: {', '.join(CELLS)}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From KEY=VALUE,KEY=VALUE..., keys being the fields."""
        fields = {field.name: field.type for field in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for part in text.split(","):
            key, _, value = (word.strip() for word in part.partition("="))
            if key not in fields:
                near = nearest(key, fields)
                raise InputError(
                    f"no KEY=VALUE of a stimulation: {show(part)}.{near} Keys: {', '.join(fields)}."
                )
            if not value:
                raise InputError(f"{key} of a stimulation needs a value, such as current=0.3,fraction=0.2.")
            if key in given:
                raise InputError(f"{key} of a stimulation is given twice; give it once.")
            if fields[key] is float and not NUMBER.fullmatch(value):
                raise InputError(f"{key} of a stimulation must be a number, got {show(value)}.")
            given[key] = float(value) if fields[key] is float else value
        for key in ("current", "fraction"):
            if key not in given:
                raise InputError(
                    f"a stimulation needs {key}, such as current=0.3,fraction=0.2; got {show(text)}."
                )
        return cls(**given)

    def choose(self, network: PFCNetwork, neurons_per_unit: int, rng: np.random.Generator) -> NDArray:
        """Which neurons of a copy are stimulated, (neuron,) bool."""
        excitatory = np.repeat(network.is_excitatory.numpy(), neurons_per_unit)
        among = {"all": np.ones_like(excitatory), "excitatory": excitatory, "inhibitory": ~excitatory}
        candidates = rng.permutation(np.flatnonzero(among[self.cells]))
        chosen = np.zeros(len(excitatory), dtype=bool)
        chosen[candidates[: max(1, round(self.fraction * len(candidates)))]] = True
        return chosen

    def require_phase(self, task: Task) -> None:
        """Raise InputError if the trials of the task have no such phase."""
        if self.phase and self.phase not in task.phases:
            near = nearest(self.phase, task.phases)
            raise InputError(f"no phase {show(self.phase)}.{near} There are: {', '.join(task.phases)}.")

    def inject(self, task: Task, chosen: NDArray) -> NDArray:
        """The current in thresholds, (step, neuron)."""
        on = np.array([self.phase in ("", task.phase(step)) for step in range(task.n_steps)])
        return self.current * np.outer(on, chosen).astype(np.float32)
