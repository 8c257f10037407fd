r"""Three-factor rule: eligibility of a synapse, times its neuron's learning signal, times dopamine.

    e_ij(t) = (1 - a_j) e_ij(t-1) + a_j phi'(I_j(t)) s_i(t-1) / 10 Hz        eligibility, local to synapse ij
    L_j(t)  = sum_k B_jk (chosen_k(t) - policy_k(t)) + c B_jV                sensitivity, through feedback weights
    z_ij(t) = gamma lambda z_ij(t-1) + L_j(t) e_ij(t)                        trace of eligibility
    dW_ij   = eta sum_t g delta(t) z_ij(t)

delta is dopamine (`DopamineSystem`), g its adaptive gain (one number a batch: `dopamine_gain` / s.d. of the discounted
sum of delta). B are the read-out weights (`symmetric`) or fixed random weights (`random`). Two terms without dopamine are
added, both local to the postsynaptic unit: policy entropy through the same feedback, and homeostasis of its rate.

Over a finished batch the sums can be exchanged. With A(t) = sum_k (gamma lambda)^k delta(t+k) and
Q_j(s) = sum_{t >= s} (1 - a_j)^(t-s) L_j(t) A(t),

    dW_ij = eta sum_s s_i(s-1) phi'(I_j(s)) a_j Q_j(s) / 10 Hz,

one matrix product for all steps (`ThreeFactor.change`). A reset of the hidden state also sets eligibility to 0, so the sum
of Q ends there; z is kept. A test compares the closed form with the equations above, computed synapse by synapse, and its
direction with the exact gradient.

References
----------
Bellec et al. 2020, doi 10.1038/s41467-020-17236-y (e-prop, reward-based); Fremaux & Gerstner 2016,
doi 10.3389/fncir.2015.00085 (three factors); random feedback: Lillicrap et al. 2016, doi 10.1038/ncomms13276.
"""

import torch
from torch import Tensor

from pfc_da.network import PFCNetwork, Weights
from pfc_da.network.rate import RATE_SCALE_HZ, RESTING_RATE_HZ, RateNetwork
from pfc_da.plasticity import PlasticityRule, discounted_sum
from pfc_da.rng import torch_stream
from pfc_da.rollout import Rollout
from pfc_da.settings import ThreeFactorSettings

PEAK_HZ = 60.0
LOG_RATE_OFFSET = 0.03
"""Added to a mean gating (1 = 10 Hz) before its logarithm, so that the term is finite for a silent unit."""
BLOCK = 32
"""Steps per matrix product: their arrays fit into the cache of the processor."""


class ThreeFactor(PlasticityRule):
    """Dopamine times eligibility, without backpropagation through time."""

    settings_class = ThreeFactorSettings
    settings: ThreeFactorSettings

    def feedback(self, network: RateNetwork, effective: Weights) -> Tensor:
        """Feedback weights B.

        Parameters
        ----------
        network : RateNetwork
        effective : Weights

        Returns
        -------
        Tensor (unit, action + value)
        """
        if self.settings.feedback_weights == "symmetric":
            return effective["w_read"]
        rng = torch_stream(self.seed, "feedback")  # drawn again at every update, and the same every time
        random = torch.randn(network.n_units, network.n_actions + 1, generator=rng) / network.n_units**0.5
        return random * network.wiring.read_out

    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """As `PlasticityRule.change`: closed form over the whole batch, as two matrix products.

        Raises
        ------
        TypeError
            If the network is not a `RateNetwork`.
        """
        if not isinstance(network, RateNetwork):
            raise TypeError(f"the three-factor rule needs a RateNetwork, got {type(network).__name__}.")
        effective = network.effective(weights)
        advantage = self.dopamine_sum(rollout.dopamine)
        read_out = self.read_out_signal(rollout, advantage, entropy)  # (step, session, action + 1)
        to_units = self.feedback(network, effective).T * network.a_per_hz  # (action + 1, unit)
        pull, ceiling = self.homeostasis(network, rollout), network.drive_at(PEAK_HZ)
        total: Weights = {name: torch.zeros_like(weights[name]) for name in ("w", "w_in", "b")}
        before, reset = rollout.state_before, rollout.is_reset.tolist()
        later = none = torch.zeros_like(rollout.drive[0])
        for last in range(len(rollout.drive), 0, -BLOCK):
            block = slice(max(last - BLOCK, 0), last)
            drive, signal = rollout.drive[block], read_out[block] @ to_units
            for t in reversed(range(len(signal))):
                later = signal[t].addcmul_(later, network.keep)  # a_j Q_j / 10 Hz
                if reset[block.start + t]:
                    later = none
            post = (signal + pull).mul_(network.slope(drive))
            post.sub_(torch.relu(drive - ceiling), alpha=self.settings.peak_penalty)
            post = post.flatten(0, 1)
            total["w"].addmm_(before[block].flatten(0, 1).T, post)
            total["w_in"].addmm_(rollout.x[block].flatten(0, 1).T, post)
            total["b"] += post.sum(0)
        total["w"] *= network.sign[:, None] * torch.sign(weights["w"]) * network.mask  # of the magnitude
        total["w_in"] *= network.wiring.inputs
        after = rollout.state[1:].flatten(0, 1)
        total["w_read"] = after.T @ read_out.flatten(0, 1) * network.read_mask
        total["b_read"] = read_out.sum((0, 1))
        n = rollout.reward.numel()
        return {name: tensor / n for name, tensor in total.items()}

    def dopamine_sum(self, delta: Tensor) -> Tensor:
        """A(t) times the adaptive gain, dimensions (step, session)."""
        total = discounted_sum(delta, self.discount * self.trace_decay)
        return self.settings.dopamine_gain * (total / (total.std() + 1e-6))

    def read_out_signal(self, rollout: Rollout, advantage: Tensor, entropy: float) -> Tensor:
        """Learning signal at the read-outs.

        Parameters
        ----------
        rollout : Rollout
        advantage : Tensor (step, session)
            From `dopamine_sum`.
        entropy : float
            Current weight of policy entropy.

        Returns
        -------
        Tensor (step, session, action + 1)
            The value is last.
        """
        log_policy = torch.log_softmax(rollout.logits, -1)
        policy = log_policy.exp()
        chosen = torch.zeros_like(policy).scatter_(-1, rollout.action.clamp(min=0)[..., None], 1.0)
        uncertainty = -(policy * log_policy).sum(-1, keepdim=True)
        actor = (chosen - policy) * advantage[..., None] - entropy * policy * (log_policy + uncertainty)
        actor = actor * rollout.is_choice[:, None, None]
        return torch.cat([actor, self.settings.value_weight * advantage[..., None]], -1)

    def homeostasis(self, network: RateNetwork, rollout: Rollout) -> Tensor:
        """Change of drive that moves the mean gating of each unit towards its resting value, on a logarithmic scale.

        Parameters
        ----------
        network : RateNetwork
        rollout : Rollout

        Returns
        -------
        Tensor (unit,)
        """
        mean = rollout.state.mean((0, 1)).clamp(min=0) + LOG_RATE_OFFSET
        rest = RESTING_RATE_HZ / RATE_SCALE_HZ + LOG_RATE_OFFSET
        return -2 * self.settings.rate_penalty / RATE_SCALE_HZ * torch.log(mean / rest) / mean
