"""Drifting bandit: three arms whose reward probabilities drift.

Three arms are on the screen; each pays 1 or nothing. The reward probability of an arm changes from trial to trial by a
Gaussian step and is reflected at .1 and .9, so that the best arm changes at unsignalled times. The size of a step and all
durations are ours.

References
----------
Daw, O'Doherty, Dayan, Seymour & Dolan 2006, doi 10.1038/nature04766 (four arms with drifting payoffs).
"""

import dataclasses
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from pfc_da import Experiment, Phase, Step, Task, task_setting


class State(NamedTuple):
    """Problems of a batch of sessions, and the step they are at."""

    p_reward: Tensor  # (trial, session, arm)
    pays: Tensor  # (trial, session, arm) whether the arm would pay
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftingBandit(Task):
    """Three arms."""

    drift: float = task_setting(
        0.05, "standard deviation of a step of the reward probabilities", low=0, high=1
    )

    phases: ClassVar = (
        Phase("choice", (0.5, 1.0), choice=True),
        Phase("outcome", (0.3, 0.3), paced=False, feedback=True),
        Phase("interval", (0.5, 2.0)),
    )
    n_actions: ClassVar = 3
    observation_size: ClassVar = 1
    session_labels: ClassVar = {"p_reward": ("step", "action")}
    descriptions: ClassVar = {"p_reward": ("1", "reward probability of each arm")}

    def reset(self, rng: torch.Generator, batch: int) -> tuple[State, Step]:
        """Draw the reward probabilities of all trials, and whether each arm would pay."""
        steps = self.drift * torch.randn(self.n_trials, batch, 3, generator=rng)
        walk = torch.rand(batch, 3, generator=rng) + steps.cumsum(0)
        p = 0.1 + 0.8 * (1 - (walk % 2 - 1).abs())
        pays = (torch.rand(p.shape, generator=rng) < p).float()
        return State(p, pays, 0), Step(torch.ones(batch, 1), torch.zeros(batch), {})

    def problem_labels(self, state: State) -> dict[str, Tensor]:
        """The reward probabilities at all steps of each trial."""
        return {"p_reward": state.p_reward.repeat_interleave(len(self.phases), 0).transpose(0, 1)}

    def step(self, state: State, action: Tensor) -> tuple[State, Step]:
        """Pay the choice at once; the animal sees it in the next phase."""
        trial = state.step // len(self.phases)
        after, reward = state._replace(step=state.step + 1), torch.zeros(len(action))
        if self.phase(state.step).choice:
            reward = state.pays[trial].gather(1, action[:, None])[:, 0]
        go = torch.full((len(action), 1), float(self.phase(after.step).choice))
        return after, Step(go, reward, {})


EXPERIMENT = Experiment(name="drifting_bandit", task=DriftingBandit, chance=0.5, probability="p_reward")
