"""Task: a distribution of problems. All sessions advance together as torch tensors, a step for each phase of a trial.

`Task.reset(rng, batch)` draws one problem per session and all random numbers of the session. `Task.step(state, action)` is
then deterministic. Conditions with the same seed therefore have the same problems and the same draws, and a session can be
replayed elsewhere (spiking, NumPy) from its draws alone.
"""

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from pfc_da.clock import Phase
from pfc_da.errors import InputError, nearest, show

LARGEST = 100_000
"""Largest number that a setting of a task can be, and so most trials of a session."""


def task_setting(
    default: Any,
    does: str,
    unit: str = "",
    *,
    names: Iterable[str] = (),
    low: float = -LARGEST,
    high: float = LARGEST,
) -> Any:
    """Declare a setting of a task, a field of its dataclass.

    Parameters
    ----------
    default
    does : str
        What it does, for `pfc-da settings`.
    unit : str
        Empty if it has none.
    names : iterable of str
        Allowed values of a text; any text if empty.
    low, high : float
        Range of a number, both included.

    Returns
    -------
    dataclasses.Field
    """
    facts = {"does": does, "unit": unit, "names": tuple(names), "low": low, "high": high}
    return dataclasses.field(default=default, metadata=facts)


@dataclasses.dataclass(frozen=True)
class Step:
    """Observation and reward at one step.

    Attributes
    ----------
    observation : Tensor (session, feature)
        Sensory input.
    reward : Tensor (session,)
        Reward earned by the action of the step before, in rewards (1 = one drop of juice).
    labels : mapping of str to Tensor (session, ...)
        Variables of the step before that only the experimenter knows (chosen object, true probability...).
    barred : Tensor (session, action), optional
        1 for every action that is not available now; None if the task has no such actions.
    objects : Tensor (session, action), optional
        Object that each action would choose now, integers below `Task.n_objects`; None if actions choose no objects.
    """

    observation: Tensor
    reward: Tensor
    labels: Mapping[str, Tensor]
    barred: Tensor | None = None
    objects: Tensor | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """Distribution of problems with `n_trials` trials per session and `len(phases)` steps per trial.

    A choice is the action at the end of a phase marked so; a trial may have several.
    """

    n_trials: int = task_setting(100, "trials of a session", "trials", low=1)

    phases: ClassVar[tuple[Phase, ...]]
    n_objects: ClassVar[int] = 0
    """Objects among which actions choose, in tasks whose steps name them."""
    n_actions: ClassVar[int]
    observation_size: ClassVar[int]
    session_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Labels that are fixed before the first action, with their dimensions after (session,)."""
    step_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Labels that depend on what the animal does, with their dimensions after (session, step)."""
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Label -> (units, long name)."""

    def __post_init__(self) -> None:
        if len(set(self.phase_names)) < len(self.phases):
            raise InputError(f"phases need names of their own, got {', '.join(self.phase_names)}.")
        for field in dataclasses.fields(self):
            value, facts = getattr(self, field.name), field.metadata
            if (names := facts.get("names")) and value not in names:
                near = nearest(value, names)
                raise InputError(f"no {field.name} {show(value)}.{near} There are: {', '.join(names)}.")
            low, high = facts.get("low", -LARGEST), facts.get("high", LARGEST)
            if isinstance(value, int | float) and not low <= value <= high:  # nor is NaN
                unit = f" {facts['unit']}" if facts.get("unit") else ""
                raise InputError(f"{field.name} must be {low} to {high}{unit}, got {show(value)}.")

    @property
    def n_steps(self) -> int:
        """Steps a session."""
        return self.n_trials * len(self.phases)

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases of a trial."""
        return tuple(phase.name for phase in self.phases)

    @property
    def choice_phase(self) -> str:
        """Name of the last phase with a choice."""
        return [phase.name for phase in self.phases if phase.choice][-1]

    def phase(self, step: int) -> Phase:
        """Phase of a step."""
        return self.phases[step % len(self.phases)]

    def in_training(self, done: float) -> Self:
        """The task after a share of training, from 0 to 1; a task with a curriculum is another one early in training."""
        return self

    @abc.abstractmethod
    def reset(self, rng: torch.Generator, batch: int) -> tuple[Any, Step]:
        """Draw problems.

        Parameters
        ----------
        rng : torch.Generator
        batch : int
            Number of sessions.

        Returns
        -------
        state
            State of the task, of any type.
        step : Step
            The first step, with reward 0 and without labels.
        """

    @abc.abstractmethod
    def step(self, state: Any, action: Tensor) -> tuple[Any, Step]:
        """Advance every session by one step.

        Parameters
        ----------
        state
            From `reset` or `step`; not changed.
        action : Tensor (session,)
            -1 on steps without a choice.

        Returns
        -------
        state
        step : Step
        """

    @abc.abstractmethod
    def problem_labels(self, state: Any) -> dict[str, Tensor]:
        """The `session_labels` of the problems drawn, each (session, ...)."""
