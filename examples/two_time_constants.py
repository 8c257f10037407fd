"""The excitatory-inhibitory rate network with synapses of two time constants, fast and slow, and none between."""

import torch
from torch import Tensor

from pfc_da import RateNetwork, setting
from pfc_da.settings import RateNetworkSettings


class TwoTimeConstantsSettings(RateNetworkSettings):
    """Settings of the rate network, and how many units have long time constants."""

    fraction_long: float = setting(0.5, "units with slow synapses", "fraction of units", ge=0, le=1)


class TwoTimeConstants(RateNetwork):
    """Slow units have `tau_max`, the others `tau_min`; both kinds are spread over both populations."""

    settings_class = TwoTimeConstantsSettings
    settings: TwoTimeConstantsSettings

    @property
    def tau(self) -> Tensor:
        """Synaptic time constants in s, (unit,)."""
        place = (torch.arange(self.n_units) * 0.618) % 1.0  # evenly spread, in no order
        slow = place < self.settings.fraction_long
        return torch.where(slow, self.settings.tau_max, self.settings.tau_min)


NETWORK = TwoTimeConstants
