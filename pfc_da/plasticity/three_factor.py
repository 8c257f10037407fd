r"""Three-factor rule: eligibility of a synapse, times its neuron's learning signal, times dopamine.

In a bin of duration D, with the symbols of `pfc_da.network.rate`:

    e_ij <- h_j e_ij + (1 - k_j) phi'(I_j) s_i / 10 Hz          eligibility, local to synapse ij
    L_j   = sum_a B_ja (chosen_a - policy_a) + c B_jV D         sensitivity, through feedback weights
    z_ij <- (gamma lambda)^D z_ij + L_j e_ij                    trace of eligibility
    dW_ij = eta sum_t g delta(t) z_ij(t)

h_j = exp(-D / min(tau_j, eligibility window)). The first term of L is at choices only, the second at all times. delta is
dopamine (`DopamineSystem`), g its adaptive gain (one number a batch: `dopamine_gain` / s.d. of the discounted sum of
delta). For the actor the discounted sum counts from its mean over the choices of the batch, so that a value that is wrong
for all choices alike teaches it nothing. B are fixed random weights (`random`), which reach inhibitory units too, or the
read-out weights (`symmetric`), which do not. Where actions choose objects, random weights also carry the error about these
(chosen - policy, summed over the action of each object), to all units. Terms without dopamine are added, all local to the
postsynaptic unit: policy entropy through the same feedback, and homeostasis of its mean rate in each phase of the trial.

The actor is a mean over choices, with weight 1/2, all else a mean over time, so that no term depends on how time is cut.
Over a finished batch the sums can be exchanged. With A(t) = delta(t) + (gamma lambda)^D A(t+D) and
Q_j(t) = L_j(t) A(t) + h_j(t+D) Q_j(t+D),

    dW_ij = eta sum_t s_i(t) phi'(I_j(t)) (1 - k_j) Q_j(t) / 10 Hz,

one matrix product for all bins (`ThreeFactor.change`). A reset of the hidden state also sets eligibility to 0, so Q ends
there; z is kept. With a memory gate G_j (`pfc_da.network.rate`), tau_j is tau_j / G_j throughout, and the weight V_kj of an
input k on the gate has an eligibility of its own,

    e_kj <- h_j e_kj + (r_j / 10 Hz - s_j) k_j (D / tau_j) dG_j/dV_kj.

A test compares the closed form with the equations above, computed synapse by synapse, and its direction with the exact
gradient.

References
----------
Bellec et al. 2020, doi 10.1038/s41467-020-17236-y (e-prop, reward-based); Fremaux & Gerstner 2016,
doi 10.3389/fncir.2015.00085 (three factors); random feedback: Lillicrap et al. 2016, doi 10.1038/ncomms13276.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pfc_da.clock import MAX_TICKS, TICK_S
from pfc_da.network import PFCNetwork, Weights
from pfc_da.network.rate import RATE_SCALE_HZ, RESTING_RATE_HZ, RateNetwork
from pfc_da.plasticity import PlasticityRule, discounted_sum
from pfc_da.rng import torch_stream
from pfc_da.rollout import Rollout
from pfc_da.settings import ThreeFactorSettings

PEAK_HZ = 60.0
LOG_RATE_OFFSET_HZ = 0.3
"""Added to a mean rate before its logarithm, so that the term is finite for a silent unit."""
HOMEOSTASIS_SESSIONS = 8
"""First sessions of a batch, over which mean rates are taken; all of 32 would cost a tenth of training."""
ACTOR_SHARE = 0.5
"""Weight of the mean over choices against the mean over time."""
BLOCK = 32
"""Bins per matrix product: their arrays fit into the cache of the processor."""


class Signals(NamedTuple):
    """What reaches the units in a batch, and what the units then contribute to the change of their synapses."""

    read_out: Tensor
    """(bin, session, channel) learning signals: each action, the value, each object."""
    to_units: Tensor
    """(channel, unit) feedback weights."""
    weight: Tensor
    """(bin, session) share of the bin in the mean over time."""
    pull: Tensor
    """(phase, unit) homeostatic change of drive."""


class ThreeFactor(PlasticityRule):
    """Dopamine times eligibility, without backpropagation through time."""

    settings_class = ThreeFactorSettings
    settings: ThreeFactorSettings

    def feedback(self, network: RateNetwork, effective: Weights, n_objects: int = 0) -> Tensor:
        """Feedback weights B.

        Parameters
        ----------
        network : RateNetwork
        effective : Weights
        n_objects : int
            Objects of the task.

        Returns
        -------
        Tensor (channel, unit)
            Channels are the actions, the value and the objects.
        """
        rng = torch_stream(self.seed, "feedback")  # drawn again at every update, and the same every time
        random = torch.randn(network.n_units, network.n_actions + 1, generator=rng) / network.n_units**0.5
        read_out = random * network.wiring.read_out
        if self.settings.feedback_weights == "symmetric":
            read_out = effective["w_read"]
        objects = torch.randn(network.n_units, n_objects, generator=rng) * self.settings.object_feedback
        return torch.cat([read_out, objects * network.wiring.read_out[:, :1]], 1).T.contiguous()

    def change(self, network: PFCNetwork, weights: Weights, rollout: Rollout, entropy: float) -> Weights:
        """As `PlasticityRule.change`: closed form over the whole batch.

        Raises
        ------
        TypeError
            If the network is not a `RateNetwork`.
        """
        if not isinstance(network, RateNetwork):
            raise TypeError(f"the three-factor rule needs a RateNetwork, got {type(network).__name__}.")
        effective = network.effective(weights)
        signals = self.collect_signals(network, effective, rollout, entropy)
        compiled = network.kernel
        accumulate = accumulate_plain if compiled is None else compiled.accumulate
        leak = network.leak(effective, rollout.x)
        w, post, *gate = accumulate(network, rollout, signals, self.settings, leak)
        n_read = network.n_actions + 1
        read_out = signals.read_out[..., :n_read].flatten(0, 1)
        change = {
            "w": w * network.sign[:, None] * torch.sign(weights["w"]) * network.mask,  # of the magnitude
            "w_in": rollout.x.flatten(0, 1).T @ post.flatten(0, 1) * network.wiring.inputs,
            "b": post.sum((0, 1)),
            # a product with a narrow second factor takes seven times as long
            "w_read": (read_out.T @ rollout.gating[1:].flatten(0, 1)).T * network.read_mask,
            "b_read": read_out.sum(0),
        }
        for own in gate:
            change["w_gate"] = rollout.x.flatten(0, 1).T @ own.flatten(0, 1) * network.wiring.inputs
            change["b_gate"] = own.sum((0, 1))
        return change

    def collect_signals(
        self, network: RateNetwork, effective: Weights, rollout: Rollout, entropy: float
    ) -> Signals:
        """Learning signals at the read-outs, and the homeostatic terms.

        Parameters
        ----------
        network : RateNetwork
        effective : Weights
        rollout : Rollout
        entropy : float
            Current weight of policy entropy.

        Returns
        -------
        Signals
        """
        weight = rollout.ticks / rollout.ticks.sum()
        advantage = self.dopamine_sum(rollout, weight)
        last = rollout.schedule.last[rollout.is_choice]
        logits = rollout.logits[rollout.is_choice]  # (choice, session, action)
        at_choice = advantage[last] - advantage[last].mean()
        actor = self.actor_signal(rollout, logits, at_choice, entropy) * (
            ACTOR_SHARE / logits[..., 0].numel()
        )
        n, objects = network.n_actions, rollout.objects if self.settings.object_feedback else None
        signal = torch.zeros(*advantage.shape, n + 1 + (0 if objects is None else rollout.n_objects))
        signal[..., n] = self.settings.value_weight * advantage * weight
        signal[last, :, :n] = actor
        if objects is not None:
            about = torch.zeros(*actor.shape[:2], rollout.n_objects).scatter_add_(-1, objects, actor)
            signal[last, :, n + 1 :] = about
        to_units = self.feedback(network, effective, signal.shape[-1] - n - 1)
        return Signals(signal, to_units, weight, self.hold_rates(network, rollout, weight))

    def dopamine_sum(self, rollout: Rollout, weight: Tensor) -> Tensor:
        """A(t) times the adaptive gain.

        Parameters
        ----------
        rollout : Rollout
        weight : Tensor (bin, session)
            Share of each bin in the mean over time.

        Returns
        -------
        Tensor (bin, session)
        """
        decay = (self.settings.discount * self.settings.trace_decay) ** (rollout.ticks * TICK_S)
        total = discounted_sum(rollout.bin_dopamine, decay)
        mean = (weight * total).sum()
        sd = (weight * (total - mean) ** 2).sum().sqrt()
        return self.settings.dopamine_gain * (total / (sd + 1e-6))

    def actor_signal(self, rollout: Rollout, logits: Tensor, advantage: Tensor, entropy: float) -> Tensor:
        """Learning signal of each action at each choice.

        Parameters
        ----------
        rollout : Rollout
        logits : Tensor (choice, session, action)
        advantage : Tensor (choice, session)
            From `dopamine_sum`, less its mean.
        entropy : float
            Current weight of policy entropy.

        Returns
        -------
        Tensor (choice, session, action)
        """
        log_policy = torch.log_softmax(logits, -1)
        policy = log_policy.exp()
        action = rollout.action[rollout.is_choice]
        chosen = torch.zeros_like(policy).scatter_(-1, action[..., None], 1.0)
        uncertainty = -(policy * log_policy).sum(-1, keepdim=True)
        return (chosen - policy) * advantage[..., None] - entropy * policy * (log_policy + uncertainty)

    def hold_rates(self, network: RateNetwork, rollout: Rollout, weight: Tensor) -> Tensor:
        """Homeostatic change of drive, by the logarithm of a unit's mean rate in a phase relative to its resting rate.

        Parameters
        ----------
        network : RateNetwork
        rollout : Rollout
        weight : Tensor (bin, session)
            Share of each bin in the mean over time.

        Returns
        -------
        Tensor (phase, unit)
        """
        own, phase = weight[:, :HOMEOSTASIS_SESSIONS], rollout.phase_of_bin
        rate = network.activity(rollout.drive[:, :HOMEOSTASIS_SESSIONS])
        by_bin = torch.einsum("bs,bsu->bu", own, rate)
        n_phases = int(phase.max()) + 1
        total = torch.zeros(n_phases, by_bin.shape[1]).index_add_(0, phase, by_bin)
        share = torch.zeros(n_phases).index_add_(0, phase, own.sum(1))
        mean = total / share[:, None] + LOG_RATE_OFFSET_HZ
        return -self.settings.rate_penalty * torch.log(mean / (RESTING_RATE_HZ + LOG_RATE_OFFSET_HZ))


def accumulate_plain(
    network: RateNetwork,
    rollout: Rollout,
    signals: Signals,
    settings: ThreeFactorSettings,
    leak: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Sum the contributions of all bins, backwards in time, in plain torch.

    Parameters
    ----------
    network : RateNetwork
    rollout : Rollout
    signals : Signals
    settings : ThreeFactorSettings
    leak : Tensor (step, session, unit), optional
        Memory gates; none unless given.

    Returns
    -------
    w : Tensor (presynaptic, postsynaptic)
        Change of the effective recurrent weights.
    post : Tensor (step, session, unit)
        Change of the drive, summed over the bins of each step.
    gate : Tensor (step, session, unit)
        Change of the weighted input of the memory gate, likewise; only if there is one.
    """
    ceiling, phase = network.drive_at(PEAK_HZ), rollout.phase_of_bin
    slowest = math.exp(-TICK_S / settings.eligibility_window)
    before, ticks, step = rollout.gating_before, rollout.ticks, rollout.schedule.step_of_bin
    ends = rollout.is_reset_bin
    w = torch.zeros_like(network.mask)
    post = torch.zeros(len(rollout.x), *rollout.drive.shape[1:])
    gate = torch.zeros_like(post)
    later = torch.zeros_like(rollout.drive[0])
    for last in range(len(ticks), 0, -BLOCK):
        block = slice(max(last - BLOCK, 0), last)
        drive, signal = rollout.drive[block], signals.read_out[block] @ signals.to_units
        for t in reversed(range(len(signal))):
            later = signal[t] + later  # Q_j of the bin
            place = block.start + t
            own, of_step = ticks[place], step[place]
            keep, gain, _ = network.filter(own, None if leak is None else leak[of_step])
            if leak is not None:
                rate = network.rate(drive[t])
                gate[of_step] += later * (rate / RATE_SCALE_HZ - before[place]) * keep * own[:, None]
            signal[t] = later * gain
            eligibility = torch.minimum(keep, slowest ** own[:, None])
            later = torch.zeros_like(later) if ends[place] else later * eligibility
        own_weight = signals.weight[block][..., None]
        signal *= network.slope(drive)
        signal += own_weight * (
            signals.pull[phase[block]][:, None] - settings.peak_penalty * torch.relu(drive - ceiling)
        )
        w += before[block].flatten(0, 1).T @ signal.flatten(0, 1)
        post.index_add_(0, step[block], signal)
    return (w, post) if leak is None else (w, post, gate * bend_leak(network, leak))


def bend_leak(network: RateNetwork, leak: Tensor) -> Tensor:
    """Derivative of a memory gate over tau with respect to its weighted input, per tick; same shape as `leak`."""
    return leak * (1 - leak / 2) * (network.settings.gate_gain * TICK_S) / network.tau


def tabulate_eligibility(network: RateNetwork, settings: ThreeFactorSettings) -> Tensor:
    """h of the rule by the duration of a bin, (tick, unit)."""
    tau = network.tau.clamp(max=settings.eligibility_window)
    return torch.exp(-torch.arange(MAX_TICKS + 1)[:, None] * TICK_S / tau)
