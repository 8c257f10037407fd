"""Reference network: one LSTM layer with a linear read-out of policy and value, as in Wang et al. 2018.

    i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of (x U + h W + b);   c = f c + i g;   h = o tanh(c)

It has no time constants: it advances once a phase, at its end, however long the phase lasts, as the network of the paper
advances once an event.

References
----------
Wang et al. 2018, doi 10.1038/s41593-018-0147-8 (48 units); Hochreiter & Schmidhuber 1997,
doi 10.1162/neco.1997.9.8.1735.
"""

import torch
from torch import Tensor

from pfc_da.network import PFCNetwork, Trace, Weights
from pfc_da.settings import LSTMNetworkSettings


class LSTMNetwork(PFCNetwork):
    """Its state is h and c, dimensions (2, session, unit); gating, drive and activity are h."""

    settings_class = LSTMNetworkSettings
    activity_units = "1"
    has_time = False
    weight_dims = {
        "w": ("presynaptic", "gate"),
        "w_in": ("channel", "gate"),
        "b": ("gate",),
        "start": ("state",),
        "w_read": ("presynaptic", "read_out"),
        "b_read": ("read_out",),
    }

    def __init__(self, n_inputs: int, n_actions: int, settings: LSTMNetworkSettings) -> None:
        super().__init__(n_inputs, n_actions, settings)
        self.input_gain = settings.input_gain

    @property
    def tau(self) -> Tensor:
        """An LSTM unit has no fixed time constant."""
        return torch.full((self.n_units,), torch.nan)

    @property
    def is_excitatory(self) -> Tensor:
        """An LSTM unit may excite and inhibit; all units are marked as excitatory."""
        return torch.ones(self.n_units, dtype=torch.bool)

    def init(self, rng: torch.Generator) -> Weights:
        """Uniform in +-1/sqrt(unit), inputs normal with s.d. `input_gain`; forget gates open, initial state learned."""
        n = self.n_units
        bound = n**-0.5

        def uniform(*shape: int) -> Tensor:
            return torch.empty(*shape).uniform_(-bound, bound, generator=rng)

        bias = torch.zeros(4 * n)
        bias[n : 2 * n] = 1.0
        return {
            "w": uniform(n, 4 * n),
            "w_in": torch.randn(self.n_inputs, 4 * n, generator=rng) * self.input_gain,
            "b": bias,
            "start": torch.zeros(2 * n),
            "w_read": uniform(n, self.n_actions + 1),
            "b_read": torch.zeros(self.n_actions + 1),
        }

    def effective(self, weights: Weights) -> Weights:
        """Weights with absent connections set to 0, the same in all four gates."""
        return {
            **weights,
            "w": weights["w"] * self.wiring.recurrent.repeat(1, 4),
            "w_in": weights["w_in"] * self.wiring.inputs.repeat(1, 4),
            "w_read": weights["w_read"] * self.wiring.read_out,
        }

    def initial_state(self, effective: Weights, batch: int) -> Tensor:
        """As `PFCNetwork.initial_state`: learned, (2, session, unit)."""
        return effective["start"].view(2, 1, -1).expand(2, batch, -1)

    def draw_noise(self, rng: torch.Generator, batch: int, n_bins: int) -> None:
        """As `PFCNetwork.draw_noise`: None, the reference network has no noise."""
        return None

    def advance(
        self, effective: Weights, state: Tensor, x: Tensor, ticks: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Trace]:
        """As `PFCNetwork.advance`: one update (Hochreiter & Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735)."""
        h, c = state
        gates = torch.addmm(torch.addmm(effective["b"], x, effective["w_in"]), h, effective["w"])
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs = h.expand(len(ticks), *h.shape)
        return torch.stack([h, c]), Trace(outputs, outputs)

    def activity(self, drive: Tensor) -> Tensor:
        """h, between -1 and 1."""
        return drive

    def read_out(self, effective: Weights, gating: Tensor) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.read_out`: linear in h."""
        out = gating @ effective["w_read"] + effective["b_read"]
        return out[..., :-1], out[..., -1]
