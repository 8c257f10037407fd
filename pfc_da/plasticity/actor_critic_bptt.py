"""Reference rule: advantage actor-critic by backpropagation through time, as in Wang et al. 2018.

    grad L = sum_t  g A(t) grad log pi(a_t)  +  g c (G(t) - V(t)) grad V(t)  +  beta grad H(pi_t)

A(t) = delta(t) + (gamma lambda)^D A(t+D) is the advantage, t the end of a phase and D the duration of the next. For the
actor it is standardised over the choices of the batch. G(t) = A(t) + V(t) is the return and g is `dopamine_gain`.
Gradients pass through V in the second term only: the target G is a constant. The sums over choices and over phases are
means.

References
----------
Wang et al. 2018, doi 10.1038/s41593-018-0147-8, equation of the Methods; Mnih et al. 2016, arXiv 1602.01783;
generalised advantage: Schulman et al. 2016, arXiv 1506.02438.
"""

import torch

from pfc_da.clock import TICK_S
from pfc_da.network import PFCNetwork, Weights
from pfc_da.plasticity import PlasticityRule, discounted_sum
from pfc_da.rollout import Rollout
from pfc_da.settings import BPTTSettings


class ActorCriticBPTT(PlasticityRule):
    """Exact gradient of the actor-critic objective; needs a rollout made with gradients enabled."""

    settings_class = BPTTSettings
    needs_autograd = True

    def objective(self, rollout: Rollout, entropy: float) -> torch.Tensor:
        """Objective that an update increases: actor and entropy averaged over choices, critic over phases.

        Parameters
        ----------
        rollout : Rollout
            With gradients.
        entropy : float
            Weight of policy entropy.

        Returns
        -------
        Tensor ()
        """
        seconds = rollout.schedule.duration_ticks * TICK_S
        decay = (self.settings.discount * self.settings.trace_decay) ** seconds
        advantage = discounted_sum(rollout.dopamine, decay)
        target = advantage + rollout.value.detach()
        log_policy = torch.log_softmax(rollout.logits[rollout.is_choice], -1)  # (trial, session, action)
        chosen = log_policy.gather(-1, rollout.action[rollout.is_choice][..., None])[..., 0]
        at_choice = advantage[rollout.is_choice]
        actor = (chosen * (at_choice - at_choice.mean()) / (at_choice.std() + 1e-6)).mean()
        critic = -0.5 * ((target - rollout.value) ** 2).mean()
        uncertainty = -(log_policy.exp() * log_policy).sum(-1).mean()
        taught = actor + self.settings.value_weight * critic
        return self.settings.dopamine_gain * taught + entropy * uncertainty

    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """As `PlasticityRule.change`: the gradient of the objective with respect to every weight."""
        objective = self.objective(rollout, entropy)
        gradients = torch.autograd.grad(objective, list(weights.values()), allow_unused=True)
        return {
            name: torch.zeros_like(weights[name]) if gradient is None else gradient
            for name, gradient in zip(weights, gradients, strict=True)
        }
