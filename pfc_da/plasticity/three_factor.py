r"""Three-factor rule: eligibility of a synapse, times its neuron's learning signal, times dopamine.

    e_ij(t) = (1 - a_j) e_ij(t-1) + a_j phi'(I_j(t)) s_i(t-1) / 10 Hz        eligibility, local to synapse ij
    L_j(t)  = sum_k B_jk (chosen_k(t) - policy_k(t)) + c B_jV                sensitivity, through feedback weights B
    z_ij(t) = gamma lambda z_ij(t-1) + L_j(t) e_ij(t)                        trace waiting for dopamine
    dW_ij   = eta sum_t g delta(t) z_ij(t)

delta is dopamine (`DopamineSystem`), g its adaptive gain (one number a batch: 1 / s.d. of the discounted sum of delta).
B are the read-out weights (`symmetric`) or fixed random ones (`random`). To this come two terms without dopamine, local
to the postsynaptic unit: policy entropy through the same feedback, and homeostasis of the unit's rate.

Over a finished batch the sums can be exchanged. With A(t) = sum_k (gamma lambda)^k delta(t+k) and
Q_j(s) = sum_{t >= s} (1 - a_j)^(t-s) L_j(t) A(t),

    dW_ij = eta sum_s s_i(s-1) phi'(I_j(s)) a_j Q_j(s) / 10 Hz,

one matrix product for all steps (`change`). `online_change` is the first form, literally; a test holds them equal.

References
----------
Bellec et al. 2020, doi 10.1038/s41467-020-17236-y (e-prop, reward-based); Fremaux & Gerstner 2016,
doi 10.3389/fncir.2015.00085 (three factors); random feedback: Lillicrap et al. 2016, doi 10.1038/ncomms13276.
"""

import torch
from torch import Tensor

from pfc_da.dopamine import DopamineSystem
from pfc_da.network import PFCNetwork, Weights
from pfc_da.network.rate import RATE_SCALE_HZ, RESTING_RATE_HZ, RateNetwork
from pfc_da.plasticity import PlasticityRule
from pfc_da.rollout import Rollout

PEAK_HZ, PEAK_SCALE_HZ = 60.0, 30.0
LOG_RATE_OFFSET_HZ = 0.3


class ThreeFactor(PlasticityRule):
    """Dopamine times eligibility, without backpropagation through time."""

    name = "three-factor"

    def init(self, network: PFCNetwork, rng: torch.Generator) -> Weights:
        """Fixed random feedback weights (unit, action + value); none when feedback is symmetric."""
        if self.settings.feedback_weights == "symmetric":
            return {}
        scale = 1.0 / network.n_units**0.5
        return {"feedback": torch.randn(network.n_units, network.n_actions + 1, generator=rng) * scale}

    def change(self, network, weights, rule_state, rollout, dopamine, entropy) -> Weights:
        """Closed form over the whole batch: two matrix products."""
        assert isinstance(network, RateNetwork)
        effective = network.effective(weights)
        advantage = self.dopamine_sum(rollout.rpe + rollout.injected)
        read_out = self.read_out_signal(rollout, advantage, entropy)  # (step, session, action + 1)
        feedback = rule_state.get("feedback", effective["w_read"])
        signal = (read_out @ feedback.T).mul_(network.a / RATE_SCALE_HZ)  # (step, session, unit)
        for t in range(len(signal) - 2, -1, -1):
            signal[t].addcmul_(signal[t + 1], 1 - network.a)  # now a_j Q_j / 10 Hz
        signal += self.homeostasis(network, rollout)
        post = signal.mul_(network.slope(rollout.drive)).flatten(0, 1)
        return _gather(network, weights, rollout, post, read_out.flatten(0, 1))

    def dopamine_sum(self, delta: Tensor) -> Tensor:
        """A(t) times the adaptive gain, dimensions (step, session)."""
        total = delta.clone()
        for t in range(len(total) - 2, -1, -1):
            total[t] += self.discount * self.trace_decay * total[t + 1]
        return total / (total.std() + 1e-6)

    def read_out_signal(self, rollout: Rollout, advantage: Tensor, entropy: float) -> Tensor:
        """Learning signal at the read-outs (step, session, action + 1), value last."""
        log_policy = torch.log_softmax(rollout.logits, -1)
        policy = log_policy.exp()
        chosen = torch.zeros_like(policy).scatter_(-1, rollout.action.clamp(min=0)[..., None], 1.0)
        uncertainty = -(policy * log_policy).sum(-1, keepdim=True)
        actor = (chosen - policy) * advantage[..., None] - entropy * policy * (log_policy + uncertainty)
        actor = actor * rollout.is_choice[:, None, None]
        return torch.cat([actor, self.settings.value_weight * advantage[..., None]], -1)

    def homeostasis(self, network: RateNetwork, rollout: Rollout) -> Tensor:
        """Pull towards each unit's resting log rate and away from rates above 60 Hz, per Hz."""
        rate = network.activity(rollout.drive)
        mean = rate.mean((0, 1)) + LOG_RATE_OFFSET_HZ
        pull = -2 * self.settings.rate_penalty * torch.log(mean / (RESTING_RATE_HZ + LOG_RATE_OFFSET_HZ)) / mean
        excess = torch.relu(rate - PEAK_HZ)
        return pull - (2 * self.settings.peak_penalty / PEAK_SCALE_HZ**2) * excess


def _gather(network, weights, rollout, post, read_out) -> Weights:
    """Sum pre times post over steps and sessions, and carry the sign of Dale's law back to the magnitudes."""
    n = len(post)
    pre, after = rollout.before.flatten(0, 1), rollout.after.flatten(0, 1)
    sign = network.sign[:, None] * torch.sign(weights["w"]) * network.mask
    return {
        "w": (pre.T @ post) * sign / n,
        "w_in": (rollout.x.flatten(0, 1).T @ post) / n,
        "b": post.mean(0),
        "w_read": (after.T @ read_out) * network.is_excitatory[:, None] / n,
        "b_read": read_out.mean(0),
    }
