"""Synaptic steps: apply proposed changes to the weights, by plain steps or by Adam.

References
----------
Kingma & Ba 2015, arXiv 1412.6980. All quantities that Adam keeps are local to a synapse: running mean and running
square of its own proposed changes.
"""

import torch

from pfc_da.network import Weights


def sgd_step(
    weights: Weights, change: Weights, memory: Weights, learning_rate: float
) -> tuple[Weights, Weights]:
    """Plain step: w + learning_rate * change.

    Parameters
    ----------
    weights, change : Weights
        Of the same names and shapes.
    memory : Weights
        Returned as it is.
    learning_rate : float

    Returns
    -------
    weights, memory : Weights

    Examples
    --------
    >>> weights, memory = sgd_step({"w": torch.tensor([1.0])}, {"w": torch.tensor([2.0])}, {}, 0.5)
    >>> weights["w"].tolist()
    [2.0]
    """
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
    """Step of Adam (Kingma & Ba 2015, arXiv 1412.6980), upwards; no tensor is changed in place.

    Parameters
    ----------
    weights, change : Weights
        Of the same names and shapes.
    memory : Weights
        Result of the step before; empty before the first step.
    learning_rate : float
    beta1, beta2 : float
        Decay of the running mean and of the running square.
    epsilon : float
        Added to the root of the running square.

    Returns
    -------
    weights, memory : Weights
    """
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
