"""Prediction errors by hand, and what an experimenter does to them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pfc_da.clock import Schedule
from pfc_da.dopamine import Block, ChannelInTime, DopamineCells, DopamineSystem, Stimulate, UnequalErrors
from pfc_da.plasticity import discounted_sum
from pfc_da.replay import get_bins
from pfc_da.rollout import Rollout


def test_three_state_chain_by_hand():
    """Cue -> wait -> outcome with 1 reward at the end, values .2, .5, .9, discount .5 a second, 1, 2 and 3 s."""
    value = torch.tensor([0.2, 0.5, 0.9])
    next_value, seconds = torch.tensor([0.5, 0.9, 0.0]), torch.tensor([1.0, 2.0, 3.0])
    delta = DopamineSystem(0.5).rpe(torch.tensor([0.0, 0.0, 1.0]), value, next_value, seconds)
    # 0 + .25 - .2,  0 + .9 / 4 - .5,  1 + 0 - .9
    torch.testing.assert_close(delta, torch.tensor([0.05, -0.275, 0.1]))


def test_errors_do_not_depend_on_how_time_is_cut():
    """Over 2 s at once, or over two parts of it: discounted errors of the parts add up to that of the whole."""
    system, values = DopamineSystem(0.7), torch.tensor([0.3, 0.8, 0.5])
    none, whole = torch.zeros(1), system.rpe(torch.ones(1), values[:1], values[2:], torch.tensor([2.0]))
    first = system.rpe(none, values[:1], values[1:2], torch.tensor([0.4]))
    second = system.rpe(torch.ones(1) * 0.7**-0.4, values[1:2], values[2:], torch.tensor([1.6]))
    torch.testing.assert_close(first + 0.7**0.4 * second, whole)


def test_error_vanishes_where_values_are_true_and_moves_to_the_cue():
    """TD(0) on the chain: at first the error is at the outcome, in the end at the (unpredicted) cue alone."""
    system, value, reward = DopamineSystem(0.9), torch.zeros(4), torch.tensor([0.0, 0.0, 0.0, 1.0])
    following, second = torch.tensor([1, 2, 3]), torch.ones(4)

    def errors():
        return system.rpe(reward, value, torch.cat([value[following], torch.zeros(1)]), second)

    assert errors().tolist() == [0, 0, 0, 1]
    for _ in range(2000):
        value = value + 0.1 * errors() * torch.tensor([0.0, 1.0, 1.0, 1.0])  # the cue comes out of nowhere
    torch.testing.assert_close(errors(), torch.tensor([0.9**3, 0.0, 0.0, 0.0]), atol=1e-4, rtol=0)


def test_discounted_sum_is_the_sum_written_out():
    delta = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    decay = torch.rand(6, 3, generator=torch.Generator().manual_seed(1))
    weights = [[decay[t + 1 : t + 1 + k].prod(0) for k in range(6 - t)] for t in range(6)]
    expected = torch.stack([sum(w * delta[t + k] for k, w in enumerate(weights[t])) for t in range(6)])
    torch.testing.assert_close(discounted_sum(delta, decay), expected)
    torch.testing.assert_close(discounted_sum(delta, torch.zeros(6, 3)), delta)


def test_block_and_stimulate_act_where_they_should():
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
    arguments = torch.tensor([1.0]), torch.tensor([0.4]), torch.tensor([0.5]), torch.ones(1)
    system = DopamineSystem(0.5, (Stimulate(3.0, lambda labels: torch.tensor([True])),))
    assert float(system.rpe(*arguments)) == pytest.approx(0.85)


class InTime:
    """A channel that keeps what it receives."""

    def __init__(self):
        self.received = []

    def draw_noise(self, rng, n_steps, sessions):
        return torch.zeros(n_steps, sessions)

    def deliver(self, rpe, injected, noise):
        return rpe

    def receive(self, reward, injected):
        self.received.append((float(reward), float(injected)))


def test_only_channels_in_time_receive_reward_and_injections():
    channel, one, half = InTime(), torch.ones(1), torch.full((1,), 0.5)
    DopamineSystem(0.9, channel=channel).receive(one, half)
    assert channel.received == [(1.0, 0.5)]
    for other in (None, UnequalErrors(), cells()):
        assert not isinstance(other, ChannelInTime)
        DopamineSystem(0.9, channel=other).receive(one, half)


def test_a_recorded_trace_has_the_error_in_the_bin_in_which_it_is_known():
    """Two steps of two bins: a reward of 1 at the end of the first comes in the third bin, with the value after it.

    So does what is injected then, .25.
    """
    ticks = torch.full((4, 1), 5)
    value = torch.tensor([[0.2], [0.5], [0.9], [0.0]])
    batch = SimpleNamespace(
        system=DopamineSystem(0.5),
        bin_value=value,
        bin_logits=torch.zeros(4, 1, 2),
        drive=torch.zeros(4, 1, 3),
        ticks=ticks,
        schedule=Schedule(ticks, (0, 2, 4)),
        reward=torch.tensor([[1.0], [0.0]]),
        injected=torch.tensor([[0.25], [0.0]]),
    )
    batch.bin_dopamine = Rollout.bin_dopamine.fget(batch)
    trace = get_bins(SimpleNamespace(activity=lambda drive: drive), batch)["dopamine_trace"]
    gamma = 0.5**0.05
    expected = [0, gamma * 0.5 - 0.2, 1.25 + gamma * 0.9 - 0.5, gamma * 0 - 0.9]
    np.testing.assert_allclose(trace[0], expected, rtol=1e-6)


@pytest.mark.parametrize("amount", [0, -1.0, float("nan")])
def test_an_amount_is_positive_and_its_sign_is_the_class(amount):
    with pytest.raises(ValueError, match=r"above 0 rewards, got .* \(To lower dopamine use Block\.\)"):
        Stimulate(amount, lambda labels: labels["side"] == 0)
    with pytest.raises(ValueError, match=r"above 0 rewards, got .* \(To raise dopamine use Stimulate\.\)"):
        Block(amount, lambda labels: labels["side"] == 0)


# through dopamine cells


def cells(scale: float = 1.0) -> DopamineCells:
    """Three rows by hand: slope 2 Hz a reward below 0, 10 above."""
    table = ([-1.0, 0.0, 1.0], [3.0, 5.0, 15.0], [0.1, 0.2, 0.4])
    return DopamineCells(*map(torch.tensor, table), scale)


def test_cells_fire_along_the_table_and_stop_at_its_ends():
    rpe = torch.tensor([-7.0, -1.0, -0.5, 0.0, 0.25, 1.0, 7.0])
    assert cells().rate(rpe).tolist() == [3, 3, 4, 5, 7.5, 15, 15]
    torch.testing.assert_close(cells().decode(cells().rate(rpe)), rpe.clamp(-1, 1))
    assert cells().decode(torch.tensor([0.0, 99.0])).tolist() == [-1, 1]


def test_a_scale_stretches_errors_and_leaves_rates():
    rpe = torch.tensor([-0.5, 0.25, 1.0])
    assert torch.equal(cells(4.0).rate(4 * rpe), cells().rate(rpe))
    torch.testing.assert_close(cells(4.0).decode(cells().rate(rpe)), 4 * rpe)


def test_noise_has_the_s_d_of_the_table_and_no_rate_is_negative():
    system = DopamineSystem(0.9, channel=cells())
    noise = system.draw_noise(torch.Generator().manual_seed(0), 100, 200)
    rate = cells().encode(torch.full_like(noise, 0.5), noise)
    assert float(rate.mean()) == pytest.approx(10, abs=0.01)
    assert float(rate.std()) == pytest.approx(0.3, rel=0.02)
    assert float(cells().encode(torch.tensor(-1.0), torch.tensor(-50.0))) == 0


def test_a_floor_keeps_table_and_decoder_whole():
    """Rows of one rate on the floor: decoding gives the first error that has it."""
    flat = DopamineCells(torch.tensor([-2.0, -1.0, 0.0]), torch.tensor([1.0, 1.0, 5.0]), torch.zeros(3))
    decoded = flat.decode(torch.tensor([0.5, 1.0, 3.0]))
    assert torch.isfinite(decoded).all() and float(decoded[2]) == pytest.approx(-0.5)


def test_without_a_channel_dopamine_is_the_error_and_what_is_injected():
    rpe, injected = torch.tensor([0.1, -2.0]), torch.tensor([0.7, 0.3])
    system = DopamineSystem(0.9)
    assert system.draw_noise(torch.Generator(), 2, 3) is None
    assert torch.equal(system.deliver(rpe, injected, None), rpe + injected)


def test_what_is_injected_goes_through_the_cells():
    """A block of 9 rewards cannot lower dopamine below the floor of the cells."""
    system = DopamineSystem(0.9, channel=cells())
    delivered = system.deliver(torch.tensor([0.5, 0.5]), torch.tensor([-0.25, -9.0]), torch.zeros(2))
    torch.testing.assert_close(delivered, torch.tensor([0.25, -1.0]))


def test_the_calibrated_cells_have_a_floor_and_a_steeper_burst():
    shipped = DopamineCells.calibrated()
    rate = shipped.rate(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    assert rate[0] < 1 and 3 < rate[1] < 8 and 11 < rate[2] < 20
    assert rate[2] - rate[1] > 1.5 * (rate[1] - rate[0])


@pytest.mark.parametrize(
    "table",
    [
        ([0.0, 0.0], [1.0, 2.0]),  # errors that do not ascend
        ([0.0, 1.0], [2.0, 1.0]),  # a rate that falls
        ([0.0], [1.0]),
    ],
)
def test_a_table_that_cannot_be_read_backwards_is_refused(table):
    rpe, rate = map(torch.tensor, table)
    with pytest.raises(ValueError, match="rpe must ascend and rate_hz must nowhere fall"):
        DopamineCells(rpe, rate, torch.zeros_like(rate))
    with pytest.raises(ValueError, match="scale must be above 0 rewards, got -1"):
        cells(-1)


def test_unequal_errors_by_hand():
    rpe, injected, noise = torch.tensor([[1.0, -1.0, 0.5], [0.0, 1.0, -1.0], [0.0, 0.0, 2.0]]).T.unbind(1)
    delivered = UnequalErrors(asymmetry=0.5, noise=0.1).deliver(rpe, injected, noise)
    torch.testing.assert_close(delivered, torch.tensor([1.5, 0.0, -0.25 + 0.2]))
    blind = UnequalErrors(asymmetry=1.0).deliver(rpe, torch.zeros(3), noise)
    assert blind.tolist() == [2, 0, 1]  # to errors below 0


def test_equal_errors_without_noise_are_dopamine_itself_to_the_bit():
    rpe, injected = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0)).unbind()
    plain, channel = DopamineSystem(0.9), DopamineSystem(0.9, channel=UnequalErrors())
    noise = channel.draw_noise(torch.Generator().manual_seed(1), 50, 4)
    assert torch.equal(channel.deliver(rpe, injected, noise), plain.deliver(rpe, injected, None))


def test_noise_on_dopamine_has_the_s_d_asked_for_and_no_memory():
    channel = UnequalErrors(noise=0.3)
    noise = channel.draw_noise(torch.Generator().manual_seed(0), 200, 200)
    delivered = channel.deliver(torch.zeros_like(noise), torch.zeros_like(noise), noise)
    assert float(delivered.std()) == pytest.approx(0.3, rel=0.02)
    assert abs(float((delivered[1:] * delivered[:-1]).mean())) < 0.002
