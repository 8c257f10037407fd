"""Reference network: one LSTM layer with a linear read-out of policy and value, as in Wang et al. 2018.

    i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of (x U + h W + b);   c = f c + i g;   h = o tanh(c)

References
----------
Wang et al. 2018, doi 10.1038/s41593-018-0147-8 (48 units); Hochreiter & Schmidhuber 1997,
doi 10.1162/neco.1997.9.8.1735.
"""

import torch
from torch import Tensor

from pfc_da.network import PFCNetwork, Weights
from pfc_da.settings import LSTMNetworkSettings


class LSTMNetwork(PFCNetwork):
    """`state` is h and c in one tensor, (session, 2 unit); `drive` and activity are h."""

    settings_class = LSTMNetworkSettings
    activity_units = "1"
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
        """As `PFCNetwork.initial_state`: learned, (session, 2 unit)."""
        return effective["start"].expand(batch, -1)

    def draw_noise(self, rng: torch.Generator, batch: int, n_steps: int) -> None:
        """As `PFCNetwork.draw_noise`: None, the reference network has no noise."""
        return None

    def step(
        self, effective: Weights, state: Tensor, x: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.step`: an LSTM (Hochreiter & Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735)."""
        h, c = state.chunk(2, 1)
        gates = torch.addmm(torch.addmm(effective["b"], x, effective["w_in"]), h, effective["w"])
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return torch.cat([h, c], 1), h

    def activity(self, drive: Tensor) -> Tensor:
        """h, between -1 and 1."""
        return drive

    def read_out(self, effective: Weights, state: Tensor) -> tuple[Tensor, Tensor]:
        """As `PFCNetwork.read_out`: linear in h."""
        out = torch.addmm(effective["b_read"], state[:, : self.n_units], effective["w_read"])
        return out[:, :-1], out[:, -1]
