"""Prediction errors by hand, and what an experimenter does to them."""

import pytest
import torch

from pfc_da.dopamine import Block, DopamineSystem, Stimulate
from pfc_da.plasticity import discounted_sum


def test_three_state_chain_by_hand():
    """Cue -> wait -> outcome with 1 reward at the end, values .2, .5, .9, discount .5."""
    value = torch.tensor([0.2, 0.5, 0.9])
    next_value = torch.tensor([0.5, 0.9, 0.0])
    delta = DopamineSystem(0.5).rpe(torch.tensor([0.0, 0.0, 1.0]), value, next_value)
    # 0 + .25 - .2,  0 + .45 - .5,  1 + 0 - .9
    torch.testing.assert_close(delta, torch.tensor([0.05, -0.05, 0.1]))


def test_error_vanishes_where_values_are_true_and_moves_to_the_cue():
    """TD(0) on the chain: at first the error is at the outcome, in the end at the (unpredicted) cue alone."""
    system, value, reward = DopamineSystem(0.9), torch.zeros(4), torch.tensor([0.0, 0.0, 0.0, 1.0])
    following = torch.tensor([1, 2, 3])

    def errors():
        return system.rpe(reward, value, torch.cat([value[following], torch.zeros(1)]))

    assert errors().tolist() == [0, 0, 0, 1]
    for _ in range(2000):
        value = value + 0.1 * errors() * torch.tensor([0.0, 1.0, 1.0, 1.0])  # the cue comes out of nowhere
    torch.testing.assert_close(errors(), torch.tensor([0.9**3, 0.0, 0.0, 0.0]), atol=1e-4, rtol=0)


def test_discounted_sum_is_the_sum_written_out():
    delta = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([sum(0.7**k * delta[t + k] for k in range(6 - t)) for t in range(6)])
    torch.testing.assert_close(discounted_sum(delta, 0.7), expected)
    torch.testing.assert_close(discounted_sum(delta, 0.0), delta)


def test_block_and_stimulate_act_where_they_are_told():
    labels = {"reward": torch.tensor([1.0, 0.0, 1.0]), "side": torch.tensor([0, 0, 1])}
    system = DopamineSystem(
        0.9,
        (
            Block(0.5, lambda labels: labels["reward"] > 0),
            Stimulate(2.0, lambda labels: labels["side"] == 1),
        ),
    )
    like = torch.zeros(3)
    assert system.injected(labels, like).tolist() == [-0.5, 0.0, 1.5]
    assert like.tolist() == [0, 0, 0]
    assert DopamineSystem(0.9).injected(labels, like).tolist() == [0, 0, 0]


def test_rpe_is_what_the_agent_computed_whatever_is_injected():
    arguments = torch.tensor([1.0]), torch.tensor([0.4]), torch.tensor([0.5])
    system = DopamineSystem(0.5, (Stimulate(3.0, lambda labels: torch.tensor([True])),))
    assert float(system.rpe(*arguments)) == pytest.approx(0.85)


@pytest.mark.parametrize("amount", [0, -1.0, float("nan")])
def test_an_amount_is_positive_and_its_sign_is_the_class(amount):
    with pytest.raises(ValueError, match=r"above 0 rewards, got .* \(To lower dopamine use Block\.\)"):
        Stimulate(amount, lambda labels: labels["side"] == 0)
    with pytest.raises(ValueError, match=r"above 0 rewards, got .* \(To raise dopamine use Stimulate\.\)"):
        Block(amount, lambda labels: labels["side"] == 0)
