"""Plain steps and Adam against torch's own optimisers."""

import pytest
import torch

from pfc_da.plasticity.synaptic_step import STEPS, adam_step, sgd_step

SHAPES = {"w": (5, 5), "b": (5,)}


def draw(seed):
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=rng) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    "step, optimiser", [(adam_step, torch.optim.Adam), (sgd_step, torch.optim.SGD)], ids=["adam", "sgd"]
)
def test_twenty_steps_are_those_of_torch(step, optimiser):
    weights, memory = draw(0), {}
    theirs = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    reference = optimiser(theirs.values(), lr=1e-2, maximize=True)
    for update in range(20):
        change = {name: tensor * 10.0 ** (update % 5 - 3) for name, tensor in draw(1 + update).items()}
        rate = 1e-2 / (1 + update)
        weights, memory = step(weights, change, memory, rate)
        for name, tensor in theirs.items():
            tensor.grad = change[name].clone()
        reference.param_groups[0]["lr"] = rate
        reference.step()
        for name in SHAPES:
            torch.testing.assert_close(weights[name], theirs[name].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_nothing_is_changed_in_place(step):
    weights, memory = step(draw(0), draw(1), {}, 0.1)
    kept = {name: tensor.clone() for name, tensor in (weights | memory).items()}
    change = draw(2)
    step(weights, change, memory, 0.1)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in (weights | memory).items())
    assert all(torch.equal(change[name], tensor) for name, tensor in draw(2).items())


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_learning_rate_zero_changes_nothing(step):
    weights, memory = draw(0), {}
    for update in range(5):
        weights, memory = step(weights, draw(1 + update), memory, 0.0)
    assert all(torch.equal(weights[name], tensor) for name, tensor in draw(0).items())


def test_adam_belongs_to_the_synapse():
    """The change of one synapse affects no other."""
    change, louder = draw(1), draw(1)
    louder["w"][2, 3] *= 1e4
    quiet, loud = (adam_step(draw(0), wanted, {}, 0.1)[0] for wanted in (change, louder))
    others = torch.ones(5, 5, dtype=torch.bool)
    others[2, 3] = False
    assert torch.equal(quiet["w"][others], loud["w"][others])
    assert torch.equal(quiet["b"], loud["b"])
