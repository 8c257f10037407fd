"""The f-I curve, shot noise, balance, Dale's law; the LSTM against torch's own."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special

from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import CURVES, RESTING_RATE_HZ, RateNetwork, lif_rate
from pfc_da.rng import torch_stream
from pfc_da.settings import LSTMNetworkSettings, RateNetworkSettings


def make(n_units=16, *, n_inputs=5, **settings):
    return RateNetwork(n_inputs, 2, RateNetworkSettings(n_units=n_units, **settings))


def siegert_rate(drive, *, tau_m=0.02, t_ref=0.002, threshold=1.0, reset=0.0, voltage_sd=0.25):
    """Rate in Hz of a LIF neuron in white noise that makes its free membrane fluctuate by `voltage_sd`."""
    scale = math.sqrt(2) * voltage_sd
    bounds = (reset - drive) / scale, (threshold - drive) / scale
    integral, _ = integrate.quad(lambda u: special.erfcx(-u), *bounds)  # exp(u^2) (1 + erf u)
    return 1 / (t_ref + tau_m * math.sqrt(math.pi) * integral)


def test_lif_curve_is_the_siegert_curve_within_its_stated_error():
    drive = np.linspace(-0.5, 1.6, 85)
    error = lif_rate(torch.tensor(drive)).numpy() - [siegert_rate(x) for x in drive]
    assert np.abs(error).max() < 0.32


@pytest.mark.parametrize("curve", CURVES)
def test_slope_is_the_derivative(curve):
    rate, slope = CURVES[curve]
    drive = torch.linspace(-1, 2, 301, dtype=torch.float64) + 1e-3  # not at the kink at 0
    numeric = (rate(drive + 1e-5) - rate(drive - 1e-5)) / 2e-5
    torch.testing.assert_close(slope(drive), numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k", [1, 4])
def test_shot_noise_is_that_of_k_poisson_neurons_a_unit(k):
    """Mean and variance of s after one step, compared with spikes drawn and filtered one by one."""
    network, sessions = make(8, neurons_per_unit=k), 20_000
    effective = network.effective(network.init(torch_stream(0, "birth")))
    effective |= {"w": torch.zeros(8, 8), "b": torch.linspace(0.2, 1.2, 8)}
    noise = network.draw_noise(torch_stream(0, "noise"), sessions, 1)
    start = network.initial_state(effective, sessions)
    state, drive = network.step(effective, start, torch.zeros(sessions, 5), noise[0])
    rate, a = network.activity(drive[0]).numpy(), network.a.numpy()

    rng = np.random.default_rng(0)
    spikes = rng.poisson(rate * 0.1, (k, sessions, 8)).sum(0)  # in a step of 0.1 s
    filtered = (1 - a) * start[0].numpy() + a * spikes / (k * 0.1) / 10
    np.testing.assert_allclose(state.var(0), filtered.var(0), rtol=0.06)
    np.testing.assert_allclose(state.var(0), a**2 * rate / (k * 0.1) / 100, rtol=0.03)
    standard_error = filtered.std(0) / math.sqrt(sessions)
    mean = (1 - a) * start[0].numpy() + a * rate / 10
    assert (np.abs(state.mean(0).numpy() - mean) < 4 * standard_error).all()


def test_noise_is_independent_in_time_unit_and_session():
    noise = make(8).draw_noise(torch_stream(0, "noise"), 500, 20) / make(8).noise_sd
    flat = noise.reshape(20 * 500, 8).numpy()
    off_diagonal = np.corrcoef(flat.T) - np.eye(8)
    assert np.abs(off_diagonal).max() < 4.5 / 100
    for axis in (0, 1):
        shifted = noise.roll(1, axis)
        assert abs(np.corrcoef(noise.flatten(), shifted.flatten())[0, 1]) < 4.5 / noise.numel() ** 0.5
    assert noise.std() == pytest.approx(1, abs=0.02)


def test_noise_has_mean_zero():
    """Closely: a mean of half a step of a byte would be .007 s.d., and a drive that never ends."""
    noise = make(16).draw_noise(torch_stream(1, "noise"), 1000, 100) / make(16).noise_sd
    assert abs(noise.double().mean()) < 4.5 / noise.numel() ** 0.5


def test_no_neurons_no_noise():
    assert make(neurons_per_unit=0).draw_noise(torch_stream(0), 3, 2) is None


def linearised_radius(network, weights):
    """Largest eigenvalue (absolute) of what one step does to a small change of s, at the resting drive."""
    slope = network.slope(weights["b"]) / 10
    return np.abs(np.linalg.eigvals((network.effective(weights)["w"] * slope).numpy())).max()


def test_balanced_start_has_no_outlier_eigenvalue_and_an_unbalanced_one_has():
    network = make(256)
    gain, balanced, unbalanced = network.settings.recurrent_gain, [], []
    for seed in range(9):
        weights = network.init(torch_stream(seed, "birth"))
        balanced.append(linearised_radius(network, weights) / gain)
        weights["w"][~network.is_excitatory] *= 0.7  # inhibition a third too weak
        unbalanced.append(linearised_radius(network, weights) / gain)
    assert 0.95 < np.median(balanced) < 1.15
    assert max(balanced) < 1.3  # one real eigenvalue may lie out by the finite number of units
    assert min(unbalanced) > 1.5


@pytest.mark.parametrize("n_units", [8, 16, 128])
def test_inhibition_cancels_excitation_onto_every_unit(n_units):
    weights = make(n_units).init(torch_stream(1, "birth"))
    signed = make(n_units).effective(weights)["w"]
    assert signed.sum(0).abs().max() < 1e-5 * signed.abs().sum(0).max()


def test_a_network_left_alone_fires_near_its_resting_rate():
    network = make(128)
    effective = network.effective(network.init(torch_stream(0, "birth")))
    state, rates = network.initial_state(effective, 200), []
    for step in range(60):
        if step % 20 == 0:
            noise = network.draw_noise(torch_stream(0, "noise", step), 200, 20)
        state, drive = network.step(effective, state, torch.zeros(200, 5), noise[step % 20])
        rates.append(network.activity(drive))
    assert rates[0].sub(RESTING_RATE_HZ).abs().max() < 0.01
    late = torch.stack(rates[20:])
    assert late.mean() == pytest.approx(RESTING_RATE_HZ, rel=0.25)
    assert late.amax() < 60


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 40.0])
def test_drive_at_inverts_the_curve(curve, rate_hz):
    network = make(curve=curve)
    assert float(network.rate(torch.tensor(network.drive_at(rate_hz)))) == pytest.approx(rate_hz, rel=1e-3)


@pytest.mark.parametrize(
    "n_units, fraction, excitatory", [(4, 0.8, 3), (10, 0.8, 8), (16, 0.8, 13), (128, 0.8, 102), (8, 0.5, 4)]
)
def test_counts_of_excitatory_and_inhibitory_units(n_units, fraction, excitatory):
    network = make(n_units, fraction_excitatory=fraction)
    assert network.is_excitatory.tolist() == [True] * excitatory + [False] * (n_units - excitatory)


def test_time_constants_spread_logarithmically_in_both_populations():
    network = make(20, tau_min=0.1, tau_max=8.0)
    for population in (network.is_excitatory, ~network.is_excitatory):
        tau = network.tau[population]
        assert (tau[0].item(), tau[-1].item()) == pytest.approx((0.1, 8.0))
        ratio = tau[1:] / tau[:-1]
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
    torch.testing.assert_close(network.a, 1 - torch.exp(-0.1 / network.tau))


def test_gating_decays_with_the_time_constant_of_its_unit():
    network = make(8, neurons_per_unit=0, curve="rectified_tanh")
    silent = {"w": torch.zeros(8, 8), "w_in": torch.zeros(5, 8), "b": torch.full((8,), -1.0)}
    state = torch.ones(1, 8)
    for _ in range(10):
        state, _ = network.step(silent, state, torch.zeros(1, 5), None)
    torch.testing.assert_close(state[0], torch.exp(-1.0 / network.tau))  # after 1 s


def test_effective_weights_obey_dale_and_read_out_only_excitation():
    network = make(12)
    weights = {name: torch.randn_like(tensor) for name, tensor in network.init(torch_stream(0)).items()}
    effective, excitatory = network.effective(weights), network.is_excitatory
    assert (effective["w"][excitatory] >= 0).all()
    assert (effective["w"][~excitatory] <= 0).all()
    assert (effective["w"].diagonal() == 0).all()
    assert (effective["w_read"][~excitatory] == 0).all()
    assert (effective["w_read"][excitatory] == weights["w_read"][excitatory]).all()


@pytest.mark.parametrize("fraction", [0.05, 0.99])
def test_a_network_without_one_of_the_two_populations_is_refused(fraction):
    with pytest.raises(ValueError, match="at least one excitatory and one inhibitory unit"):
        RateNetworkSettings(n_units=4, fraction_excitatory=fraction)


def test_lstm_step_is_that_of_torch():
    network = LSTMNetwork(5, 2, LSTMNetworkSettings(n_units=6))
    weights = network.init(torch_stream(0, "birth"))
    weights["start"] = torch.randn(12, generator=torch_stream(0, "start"))
    cell = torch.nn.LSTMCell(5, 6)
    with torch.no_grad():
        cell.weight_ih.copy_(weights["w_in"].T)
        cell.weight_hh.copy_(weights["w"].T)
        cell.bias_ih.copy_(weights["b"])
        cell.bias_hh.zero_()
        state = network.initial_state(weights, 7)
        h, c = state[:, :6], state[:, 6:]
        for step in range(4):
            x = torch.randn(7, 5, generator=torch_stream(0, "x", step))
            state, drive = network.step(weights, state, x, None)
            h, c = cell(x, (h, c))
            torch.testing.assert_close(state, torch.cat([h, c], 1))
            torch.testing.assert_close(network.activity(drive), h)


def test_lstm_reads_policy_and_value_from_h():
    network = LSTMNetwork(5, 3, LSTMNetworkSettings(n_units=4))
    weights = network.init(torch_stream(0, "birth"))
    h, c = torch.randn(2, 4), torch.randn(2, 4)
    logits, value = network.read_out(weights, torch.cat([h, c], 1))
    torch.testing.assert_close(torch.cat([logits, value[:, None]], 1), h @ weights["w_read"])
