"""Dopamine changes the read-out only; recurrent and input weights keep their initial values.

change of w_read = dopamine(t) * (chosen - policy) * s(t),    error < 0 counts `depression` times
"""

import torch

from pfc_da import PFCNetwork, PlasticityRule, setting
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
        error = discounted_sum(rollout.dopamine, self.discount * self.trace_decay)  # (step, session)
        error = torch.where(error < 0, self.settings.depression * error, error)
        log_policy = torch.log_softmax(rollout.logits, -1)
        policy = log_policy.exp()
        chosen = torch.zeros_like(policy).scatter_(-1, rollout.action.clamp(min=0)[..., None], 1.0)
        uncertainty = -(policy * log_policy).sum(-1, keepdim=True)
        actor = (chosen - policy) * error[..., None] - entropy * policy * (log_policy + uncertainty)
        actor = actor * rollout.is_choice[:, None, None]
        signal = torch.cat([actor, error[..., None]], -1)  # (step, session, action + value)
        change = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        change["w_read"] = torch.einsum("tsu,tsa->ua", rollout.state[1:], signal) / error.numel()
        change["b_read"] = signal.mean((0, 1))
        return change


RULE = ReadOutOnly
