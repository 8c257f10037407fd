"""Synapses of the spiking network against the closed form of a filtered spike train."""

import pytest
import torch

from pfc_da.circuits.slow_synapses import SlowSynapses
from pfc_da.clock import TICK_S

TAU = torch.tensor([0.1, 1.0, 60.0])


def test_gating_at_a_constant_rate_is_that_rate_over_10_hz():
    synapses = SlowSynapses(TAU, neurons_per_unit=3)
    synapses.gating = torch.full((1, 3), 2.0)
    for _ in range(100):
        synapses.advance(torch.ones(1, 3))  # a spike of one of three neurons
    end = 1 / (3 * TICK_S) / 10
    expected = end + (2.0 - end) * torch.exp(-100 * TICK_S / TAU)
    torch.testing.assert_close(synapses.gating, expected[None], rtol=1e-4, atol=0)


def test_gating_decays_with_tau():
    synapses = SlowSynapses(TAU, neurons_per_unit=1)
    synapses.gating = torch.full((2, 3), 0.7)
    for tick in range(1, 40):
        synapses.advance(torch.zeros(2, 3))
        torch.testing.assert_close(synapses.gating[1], 0.7 * torch.exp(-tick * TICK_S / TAU))


def test_a_memory_gate_divides_the_time_constants_from_then_on():
    gated, slower = (SlowSynapses(tau, neurons_per_unit=1) for tau in (TAU, 4 * TAU))
    gated.set_leak(torch.full((2, 3), 0.25))
    for synapses in (gated, slower):
        synapses.gating = torch.full((2, 3), 0.7)
        synapses.advance(torch.ones(2, 3))
    torch.testing.assert_close(gated.gating, slower.gating)


@pytest.mark.parametrize("k", [1, 4])
def test_a_spike_adds_what_the_differential_equation_does(k):
    """The integral of gating over all time is 1 / (k 10 Hz) for one spike, whatever tau."""
    synapses = SlowSynapses(TAU[:2], neurons_per_unit=k)
    synapses.gating = torch.zeros(1, 2)
    synapses.advance(torch.ones(1, 2))
    integral = synapses.gating * TICK_S / (1 - torch.exp(-TICK_S / TAU[:2]))
    torch.testing.assert_close(integral, torch.full((1, 2), 0.1 / k))
