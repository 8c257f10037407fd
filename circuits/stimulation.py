"""Current into a chosen fraction of the cells of the spiking prefrontal network, as in optogenetic stimulation.

The same cells are stimulated in all sessions of an animal, as with stable expression, each by the same current. Light and
expression in experiments are uneven.
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
"""In thresholds; far beyond it a cell fires as often as its refractory time allows, or never."""
CELLS = ("all", "excitatory", "inhibitory")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stimulation:
    """Current into some cells.

    Attributes
    ----------
    current : float
        In thresholds (distance from rest to threshold); below 0 to silence. Not 0, at most `MOST_CURRENT` in size.
    fraction : float
        Fraction of the cells, above 0 and at most 1; the cells are drawn once for an animal.
    cells : {"all", "excitatory", "inhibitory"}
        Cells that the fraction refers to.
    phase : str
        Phase of the trial during which the current is on; "" for the whole trial.

    Raises
    ------
    InputError
        For a value that is not allowed.
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
        """Build from a text KEY=VALUE,KEY=VALUE..., with the attributes as keys.

        Raises
        ------
        InputError
            For a key or value that is not allowed.

        Examples
        --------
        >>> Stimulation.parse("current=0.3,fraction=0.2").cells
        'all'
        """
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
        """Draw the stimulated neurons.

        Parameters
        ----------
        network : PFCNetwork
        neurons_per_unit : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of bool (neuron,)
            Of one copy.
        """
        excitatory = np.repeat(network.is_excitatory.numpy(), neurons_per_unit)
        among = {"all": np.ones_like(excitatory), "excitatory": excitatory, "inhibitory": ~excitatory}
        candidates = rng.permutation(np.flatnonzero(among[self.cells]))
        chosen = np.zeros(len(excitatory), dtype=bool)
        chosen[candidates[: max(1, round(self.fraction * len(candidates)))]] = True
        return chosen

    def require_phase(self, task: Task) -> None:
        """Raise InputError if the trials of the task do not have the phase."""
        if self.phase and self.phase not in task.phase_names:
            near = nearest(self.phase, task.phase_names)
            raise InputError(f"no phase {show(self.phase)}.{near} There are: {', '.join(task.phase_names)}.")

    def inject(self, task: Task, chosen: NDArray) -> NDArray:
        """Current at every step.

        Parameters
        ----------
        task : Task
        chosen : ndarray of bool (neuron,)
            From `choose`.

        Returns
        -------
        ndarray (step, neuron)
            In thresholds.
        """
        on = np.array([self.phase in ("", task.phase(step).name) for step in range(task.n_steps)])
        return self.current * np.outer(on, chosen).astype(np.float32)
