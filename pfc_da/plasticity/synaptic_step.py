"""From wanted changes to new weights: plain steps or Adam, per synapse.

References
----------
Kingma & Ba 2015, arXiv 1412.6980. Every quantity Adam keeps belongs to one synapse: running mean and running
square of its own wanted changes.
"""

import torch

from pfc_da.network import Weights


def sgd_step(
    weights: Weights, change: Weights, memory: Weights, learning_rate: float
) -> tuple[Weights, Weights]:
    """w + learning_rate * change; `memory` is passed through."""
    return {name: w + learning_rate * change[name] for name, w in weights.items()}, memory


def adam_step(
    weights: Weights,
    change: Weights,
    memory: Weights,
    learning_rate: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Weights, Weights]:
    """Adam; `memory` is empty before the first step. Nothing is changed in place."""
    count = memory.get("count", torch.zeros(())) + 1
    new_weights, new_memory = {}, {"count": count}
    for name, w in weights.items():
        zero = torch.zeros_like(w)
        mean = torch.lerp(memory.get(f"mean.{name}", zero), change[name], 1 - beta1)
        square = torch.lerp(memory.get(f"square.{name}", zero), change[name] ** 2, 1 - beta2)
        unbiased = (square / (1 - beta2**count)).sqrt_().add_(epsilon)
        new_weights[name] = w + learning_rate / (1 - beta1**count) * mean / unbiased
        new_memory |= {f"mean.{name}": mean, f"square.{name}": square}
    return new_weights, new_memory


STEPS = {"sgd": sgd_step, "adam": adam_step}
