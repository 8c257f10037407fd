"""A task is a distribution of problems; all its sessions advance together as torch tensors.

`Task.reset(rng, batch)` draws one problem a session with every random number the session will need, `Task.step(state,
action)` is then deterministic: conditions that share a generator seed see the same problems and the same draws, and a
session can be replayed elsewhere (spiking, NumPy) from its draws alone.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

STEP_S = 0.1
"""Duration of one network step in seconds."""


@dataclasses.dataclass(frozen=True)
class Step:
    """What the animal meets at one step.

    Attributes
    ----------
    observation
        Sensory input, dimensions (session, feature).
    reward
        Reward earned by the action of the step before, dimension (session,), in rewards (1 = one drop of juice).
    labels
        What the experimenter knows of the step before (chosen object, true probability...), each (session, ...);
        the animal never sees them.
    barred
        1 for every action that cannot be taken now (session, action), None if a task never bars any.
    """

    observation: Tensor
    reward: Tensor
    labels: Mapping[str, Tensor]
    barred: Tensor | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """Distribution of problems, `n_trials` trials a session, `len(phases)` steps a trial.

    The action taken on the step whose phase is `choice_phase` counts; on all others the network is only updated.
    """

    n_trials: int = 100

    phases: ClassVar[tuple[str, ...]]
    choice_phase: ClassVar[str]
    n_actions: ClassVar[int]
    observation_size: ClassVar[int]
    session_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Labels that are fixed before the first action, with their dimensions after (session,)."""
    step_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Labels that depend on what the animal does, with their dimensions after (session, step)."""
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Label -> (units, long name)."""

    @property
    def n_steps(self) -> int:
        """Steps a session."""
        return self.n_trials * len(self.phases)

    def phase(self, step: int) -> str:
        """Phase of a step."""
        return self.phases[step % len(self.phases)]

    @abc.abstractmethod
    def reset(self, rng: torch.Generator, batch: int) -> tuple[Any, Step]:
        """Draw `batch` problems; return the state and the first step (reward 0, no labels)."""

    @abc.abstractmethod
    def step(self, state: Any, action: Tensor) -> tuple[Any, Step]:
        """Advance every session by one step with actions (session,)."""

    @abc.abstractmethod
    def problem_labels(self, state: Any) -> dict[str, Tensor]:
        """The `session_labels` of the problems drawn, each (session, ...)."""
