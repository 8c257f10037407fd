"""Dopamine changes the read-out only; recurrent and input weights keep their initial values.

change of w_read = dopamine(t) * (chosen - policy) * s(t),    error < 0 counts `depression` times
"""

import torch

from pfc_da import PFCNetwork, PlasticityRule, setting
from pfc_da.clock import TICK_S
from pfc_da.network import Weights
from pfc_da.plasticity import discounted_sum
from pfc_da.rollout import Rollout
from pfc_da.settings import RuleSettings


class ReadOutOnlySettings(RuleSettings):
    """Settings that all rules have, with another learning rate, and one more."""

    learning_rate: float = setting(1e-2, "first learning rate", "per update", ge=0, le=10)
    depression: float = setting(1.0, "effect of negative errors relative to positive ones", ge=0, le=10)


class ReadOutOnly(PlasticityRule):
    """Policy gradient and temporal-difference error at the read-outs."""

    settings_class = ReadOutOnlySettings
    settings: ReadOutOnlySettings

    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """Advantage times (chosen - policy) and entropy for the policy, advantage for the value."""
        weight = rollout.ticks / rollout.ticks.sum()  # of each bin, in a mean over time
        decay = (self.settings.discount * self.settings.trace_decay) ** (rollout.ticks * TICK_S)
        error = discounted_sum(rollout.bin_dopamine, decay)  # (bin, session)
        error = torch.where(error < 0, self.settings.depression * error, error)
        last = rollout.schedule.last[rollout.is_choice]  # bins at whose ends choices are made
        log_policy = torch.log_softmax(rollout.logits[rollout.is_choice], -1)
        policy, action = log_policy.exp(), rollout.action[rollout.is_choice]
        chosen = torch.zeros_like(policy).scatter_(-1, action[..., None], 1.0)
        uncertainty = -(policy * log_policy).sum(-1, keepdim=True)
        actor = (chosen - policy) * error[last][..., None] - entropy * policy * (log_policy + uncertainty)
        signal = torch.zeros(*error.shape, policy.shape[-1] + 1)  # (bin, session, action + value)
        signal[..., -1] = error * weight
        signal[last, :, :-1] = actor / action.numel()
        change = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        change["w_read"] = torch.einsum("tsu,tsa->ua", rollout.gating[1:], signal)
        change["b_read"] = signal.sum((0, 1))
        return change


RULE = ReadOutOnly
