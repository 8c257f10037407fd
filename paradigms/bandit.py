import dataclasses
from typing import ClassVar, Any
import torch
from torch import Tensor
from pfc_da.task import Task, Step

@dataclasses.dataclass(frozen=True, kw_only=True)
class Bandit(Task):
    arms: str = "independent"
    phases: ClassVar = ("choice", "outcome")
    choice_phase: ClassVar = "choice"
    n_actions: ClassVar = 2
    observation_size: ClassVar = 1
    step_labels: ClassVar = {}

    def reset(self, rng, batch):
        p = torch.rand(batch, 2, generator=rng)
        if self.arms == "uniform":
            p = torch.stack([p[:, 0], 1 - p[:, 0]], 1)
        u = torch.rand(self.n_trials, batch, 2, generator=rng)
        pays = (u < p).float()
        go, wait = torch.ones(batch, 1), torch.zeros(batch, 1)
        nothing = torch.zeros(batch)
        state = (p, pays, go, wait, nothing, 0)
        return state, Step(go, nothing, {})

    def problem_labels(self, state):
        return {"p_reward": state[0]}

    def step(self, state, action):
        p, pays, go, wait, nothing, t = state
        is_choice = t % 2 == 0
        if is_choice:
            r = pays[t // 2].gather(1, action[:, None])[:, 0]
            obs = wait
        else:
            r, obs = nothing, go
        return (p, pays, go, wait, nothing, t + 1), Step(obs, r, {})
