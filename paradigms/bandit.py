"""Two-armed bandits: new reward probabilities every session, never shown, learned by choosing.

What the agent saw, did and got. Two arms, 100 trials a session. A fixation light goes off and a go signal comes on; an arm
is taken when it ends. Then the action and its reward (1 or 0) are seen for .3 s, nothing else. The two probabilities are
drawn anew for every session and stay fixed within it:

    independent                p1, p2 ~ U(0, 1)
    correlated_uniform         p1 ~ U(0, 1), p2 = 1 - p1
    correlated_easy            p1 = .1 or .9,   p2 = 1 - p1
    correlated_medium          p1 = .25 or .75, p2 = 1 - p1
    correlated_hard            p1 = .4 or .6,   p2 = 1 - p1

Simplified: the trial number is not an input (in the paper it is). The durations are ours; in the paper a trial is one step
of the network.

Ideal observers for these sessions are in `pfc_da.analysis.observers.bandit`.

References
----------
Wang et al. 2016, "Learning to reinforcement learn", arXiv 1611.05763, doi 10.48550/arXiv.1611.05763, section 3.1.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from pfc_da.clock import Phase
from pfc_da.experiment.experiment import Experiment
from pfc_da.task import Step, Task, task_setting

ARMS: dict[str, tuple[float, float] | None] = {
    "independent": None,
    "correlated_uniform": None,
    "correlated_easy": (0.1, 0.9),
    "correlated_medium": (0.25, 0.75),
    "correlated_hard": (0.4, 0.6),
}
"""Variant -> the two values p1 can take, None for all of [0, 1]. Wang et al. 2016, section 3.1."""
LIGHTS = {"fixation": torch.tensor([1.0, 0.0]), "go": torch.tensor([0.0, 1.0])}
DARK = torch.zeros(2)
"""Observation in the phases with a light, and in the others: fixation light and go signal."""
CHANCE = 0.5
"""Reward a trial of random choices, every variant."""


class BanditState(NamedTuple):
    """Problems and progress of a batch of sessions."""

    p_reward: Tensor  # (session, action)
    pays: Tensor  # (trial, session, action) whether the arm would pay
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bandit(Task):
    """Two-armed Bernoulli bandit."""

    arms: str = task_setting("independent", "how the reward probabilities are drawn", names=ARMS)

    phases: ClassVar = (
        Phase("fixation", (0.5, 1.0)),
        Phase("go", (0.2, 0.5), choice=True),
        Phase("feedback", (0.3, 0.3), paced=False, feedback=True),
        Phase("rest", (0.2, 0.2)),
        Phase("interval", (0.5, 2.0)),
    )
    n_actions: ClassVar = 2
    observation_size: ClassVar = 2
    session_labels: ClassVar = {"p_reward": ("action",)}
    step_labels: ClassVar = {"regret": ()}
    descriptions: ClassVar = {
        "p_reward": ("1", "reward probability of each arm"),
        "regret": (
            "rewards",
            "best arm's reward probability less the chosen arm's, 0 on steps without a choice",
        ),
    }

    def reset(self, rng: torch.Generator, batch: int) -> tuple[BanditState, Step]:
        """Draw arms, and for every trial and arm whether it would pay."""
        p = torch.rand(batch, 2, generator=rng)
        if (values := ARMS[self.arms]) is not None:
            p = torch.tensor(values)[(p > 0.5).long()]
        if self.arms != "independent":
            p[:, 1] = 1 - p[:, 0]
        pays = (torch.rand(self.n_trials, batch, 2, generator=rng) < p).float()
        return BanditState(p, pays, 0), Step(LIGHTS["fixation"].expand(batch, -1), torch.zeros(batch), {})

    def problem_labels(self, state: BanditState) -> dict[str, Tensor]:
        """The reward probabilities."""
        return {"p_reward": state.p_reward}

    def step(self, state: BanditState, action: Tensor) -> tuple[BanditState, Step]:
        """A choice is paid at once and seen in the next phase."""
        trial = state.step // len(self.phases)
        nothing = torch.zeros(len(state.p_reward))
        after = state._replace(step=state.step + 1)
        light = LIGHTS.get(self.phase(after.step).name, DARK).expand(len(nothing), -1)
        if not self.phase(state.step).choice:
            return after, Step(light, nothing, {"regret": nothing})
        reward = state.pays[trial].gather(1, action[:, None])[:, 0]
        lost = state.p_reward.amax(1) - state.p_reward.gather(1, action[:, None])[:, 0]
        return after, Step(light, reward, {"regret": lost})


EXPERIMENT = Experiment(
    name="bandit",
    task=Bandit,
    chance=CHANCE,
    probability="p_reward",
    variant="arms",
    defaults={"train": {"updates": 600}, "task": {"n_trials": 60}, "test_task": {"n_trials": 100}},
)
