"""The f-I curve, shot noise, balance, Dale's law; the LSTM against torch's own."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special

from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import BYTE_SD, CURVES, RESTING_RATE_HZ, RateNetwork, lif_rate
from pfc_da.rng import torch_stream
from pfc_da.settings import LSTMNetworkSettings, RateNetworkSettings


def make(n_units=16, *, n_inputs=5, **settings):
    return RateNetwork(n_inputs, 2, RateNetworkSettings(n_units=n_units, **settings))


def siegert_rate(drive, *, tau_m=0.02, t_ref=0.002, threshold=1.0, reset=0.5, voltage_sd=0.35):
    """Rate in Hz of a LIF neuron in white noise that makes its free membrane fluctuate by `voltage_sd`."""
    scale = math.sqrt(2) * voltage_sd
    bounds = (reset - drive) / scale, (threshold - drive) / scale
    integral, _ = integrate.quad(lambda u: special.erfcx(-u), *bounds)  # exp(u^2) (1 + erf u)
    return 1 / (t_ref + tau_m * math.sqrt(math.pi) * integral)


def test_lif_curve_is_the_siegert_curve_within_its_stated_error():
    drive = np.linspace(-0.8, 1.4, 89)
    siegert = np.array([siegert_rate(x) for x in drive])
    assert siegert[0] < 0.2 and siegert[-1] > 60
    error = lif_rate(torch.tensor(drive)).numpy() - siegert
    assert np.abs(error[siegert < 60]).max() < 0.22


@pytest.mark.parametrize("curve", CURVES)
def test_slope_is_the_derivative(curve):
    rate, slope = CURVES[curve]
    drive = torch.linspace(-1, 2, 301, dtype=torch.float64) + 1e-3  # not at the kink at 0
    numeric = (rate(drive + 1e-5) - rate(drive - 1e-5)) / 2e-5
    torch.testing.assert_close(slope(drive), numeric, rtol=1e-5, atol=1e-5)


def unconnected(network, drive):
    """Effective weights of units that receive a constant drive alone."""
    n = network.n_units
    return {
        "w": torch.zeros(n, n),
        "w_in": torch.zeros(network.n_inputs, n),
        "b": torch.as_tensor(drive).expand(n),
    }


def advance(network, effective, ticks, sessions=1, *, state=None, seed=0, x=None):
    """State and trace after bins of given ticks, the same in all sessions."""
    ticks = torch.tensor(ticks)[:, None].expand(-1, sessions)
    state = network.initial_state(effective, sessions) if state is None else state
    noise = network.draw_noise(torch_stream(seed, "noise"), sessions, len(ticks))
    x = torch.zeros(sessions, network.n_inputs) if x is None else x
    return network.advance(effective, state, x, ticks, noise)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("ticks", [[64], [10], [1], [1] * 16, [4, 12], [16, 0, 0]])
def test_gating_has_the_mean_and_variance_of_the_exact_process(ticks, k):
    """Constant rates: one bin and any bins of the same total agree with the closed form at every unit's time constant."""
    network, sessions = make(10, neurons_per_unit=k, adaptation=0.0), 20_000
    effective = unconnected(network, torch.linspace(0.2, 1.2, 10))
    state, trace = advance(network, effective, ticks, sessions)
    rate, tau = network.rate(effective["b"]).double(), network.tau.double()
    keep = torch.exp(-sum(ticks) * 0.01 / tau)
    mean = keep * 0.4 + (1 - keep) * rate / 10
    variance = rate * (1 - keep**2) / (2 * k * tau) / 100
    found = state[0].double()
    assert ((found.mean(0) - mean).abs() < 4.5 * (variance / sessions).sqrt() + 1e-6).all()
    kurtosis = 3.0 if len(ticks) > 3 else 1.8  # uniform draws
    error = variance * math.sqrt((kurtosis - 1) / sessions)
    assert ((found.var(0) - variance).abs() < 4.5 * error).all()
    torch.testing.assert_close(trace.drive, effective["b"].expand_as(trace.drive))


def test_shot_noise_is_that_of_poisson_spikes_filtered_one_by_one():
    network, sessions = make(8, neurons_per_unit=4, adaptation=0.0), 5000
    effective = unconnected(network, torch.linspace(0.6, 1.2, 8))
    state, _ = advance(network, effective, [10] * 2, sessions)
    rate, tau = network.rate(effective["b"]).numpy(), network.tau.numpy()
    rng, n = np.random.default_rng(0), 100  # bins of 2 ms
    after = 0.2 * (1 - np.arange(n) / n)
    spikes = rng.poisson(4 * rate * 0.002, (n, sessions, 8))
    filtered = 0.4 * np.exp(-0.2 / tau) + np.einsum("tsu,tu->su", spikes, np.exp(-after[:, None] / tau)) / (
        40 * tau
    )
    np.testing.assert_allclose(state[0].var(0), filtered.var(0), rtol=0.1)
    error = filtered.std(0) * math.sqrt(2 / sessions)
    assert (
        np.abs(state[0].mean(0).numpy() - filtered.mean(0)) < 4.5 * error + 0.003 * filtered.mean(0)
    ).all()


def test_the_noise_of_a_unit_is_correlated_in_time_by_its_time_constant():
    network, sessions = make(8, adaptation=0.0), 20_000
    effective = unconnected(network, torch.full((8,), 0.8))
    _, trace = advance(network, effective, [64] * 3 + [7, 13], sessions)
    early, late = trace.gating[2], trace.gating[4]
    correlation = ((early - early.mean(0)) * (late - late.mean(0))).mean(0) / early.var(0)
    torch.testing.assert_close(
        correlation, torch.exp(-0.2 / network.tau), atol=4.5 / math.sqrt(sessions) * 1.5, rtol=0
    )


def test_a_bin_of_no_time_changes_no_bit():
    network = make(16)
    weights = network.init(torch_stream(0, "birth"))
    effective, x = network.effective(weights), torch.randn(3, 5, generator=torch_stream(0, "x"))
    state, _ = advance(network, effective, [20, 3], 3, x=x)
    after, trace = advance(network, effective, [0, 0], 3, state=state, x=x, seed=1)
    assert torch.equal(after, state)
    assert torch.equal(trace.gating, state[:1].expand_as(trace.gating))
    ticks = torch.tensor([[5, 0, 5], [0, 5, 0]])  # the same in time, in other bins
    noise = network.draw_noise(torch_stream(2, "noise"), 3, 2)
    noise[1] = noise[0]
    both, _ = network.advance(effective, state, x, ticks, noise)
    once, _ = network.advance(effective, state, x, ticks[:1] + ticks[1:], noise[:1])
    assert torch.equal(both, once)


@pytest.mark.parametrize("n_bins", [1, 4, 16, 64])
def test_a_network_of_any_bins_converges_to_the_same_time_course(n_bins):
    """Explicit in the rates, so of first order: half the bin, half the error."""
    network = make(32, neurons_per_unit=0)
    effective = network.effective(network.init(torch_stream(0, "birth")))
    x = torch.randn(4, 5, generator=torch_stream(0, "x"))
    exact = advance(network, effective, [1] * 64, 4, x=x)[0]
    found = advance(network, effective, [64 // n_bins] * n_bins, 4, x=x)[0]
    scale = (exact - network.initial_state(effective, 4)).abs().max()
    assert (found - exact).abs().max() <= 1.5 / n_bins * (1 - n_bins / 64) * scale + 1e-5


def test_adaptation_follows_the_rate_with_its_time_constant():
    network = make(8, neurons_per_unit=0, adaptation=0.01)
    effective = unconnected(network, torch.full((8,), 0.9))
    state = torch.zeros(2, 1, 8)
    one, _ = advance(network, effective, [20], state=state)
    rate = network.rate(effective["b"])
    torch.testing.assert_close(one[1, 0], 0.01 * rate * (1 - math.exp(-1)))
    late, trace = advance(network, effective, [1] * 300, state=state)
    settled = network.rate(trace.drive[-1])
    torch.testing.assert_close(late[1], 0.01 * settled, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(trace.drive[-1, 0], effective["b"] - 0.01 * settled[0], rtol=1e-3, atol=1e-4)
    assert (settled < 0.95 * rate).all()


def test_without_adaptation_drive_is_the_current():
    network = make(8, neurons_per_unit=0, adaptation=0.0)
    effective = unconnected(network, torch.linspace(0.1, 1.0, 8))
    state, trace = advance(network, effective, [10] * 5)
    assert (state[1] == 0).all()
    torch.testing.assert_close(trace.drive, effective["b"].expand_as(trace.drive))


def test_noise_is_independent_in_time_unit_and_session():
    noise = (make(8).draw_noise(torch_stream(0, "noise"), 500, 20).float() + 0.5) / BYTE_SD
    flat = noise.reshape(20 * 500, 8).numpy()
    off_diagonal = np.corrcoef(flat.T) - np.eye(8)
    assert np.abs(off_diagonal).max() < 4.5 / 100
    for axis in (0, 1):
        shifted = noise.roll(1, axis)
        assert abs(np.corrcoef(noise.flatten(), shifted.flatten())[0, 1]) < 4.5 / noise.numel() ** 0.5
    assert noise.std() == pytest.approx(1, abs=0.02)


def test_noise_has_mean_zero():
    """Closely: a mean of half a step of a byte would be .007 s.d., and a drive that never ends."""
    noise = (make(16).draw_noise(torch_stream(1, "noise"), 1000, 100).float() + 0.5) / BYTE_SD
    assert abs(noise.double().mean()) < 4.5 / noise.numel() ** 0.5


def test_no_neurons_no_noise():
    assert make(neurons_per_unit=0).draw_noise(torch_stream(0), 3, 2) is None


def linearised_radius(network, weights):
    """Largest eigenvalue (absolute) of what presynaptic rates do to a small change of s, at the resting drive."""
    drive = (
        weights["b"] - RESTING_RATE_HZ * network.settings.adaptation
    )  # of a unit adapted to its resting rate
    slope = network.slope(drive) / 10
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
    _, trace = advance(network, effective, [10] * 60, 200)
    rates = network.activity(trace.drive)
    assert rates[0].mean() == pytest.approx(RESTING_RATE_HZ, rel=0.15)
    late = rates[20:]
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
    network = make(20, tau_min=0.1, tau_max=8.0, fraction_slow=0.0)
    for population in (network.is_excitatory, ~network.is_excitatory):
        tau = network.tau[population]
        assert (tau[0].item(), tau[-1].item()) == pytest.approx((0.1, 8.0))
        ratio = tau[1:] / tau[:-1]
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_slow_units_are_a_share_of_both_populations():
    network = make(50, tau_max=8.0, tau_slow=60.0, fraction_slow=0.4)
    for population, n_slow in ((network.is_excitatory, 16), (~network.is_excitatory, 4)):
        tau = network.tau[population]
        slow = tau[-n_slow:]
        assert (slow[0].item(), slow[-1].item()) == pytest.approx((8.0, 60.0))
        assert tau[-n_slow - 1].item() == pytest.approx(8.0)
        torch.testing.assert_close(slow.log().diff(), slow.log().diff()[:1].expand(n_slow - 1))


def test_gating_decays_with_the_time_constant_of_its_unit():
    network = make(8, neurons_per_unit=0, curve="rectified_tanh")
    state, _ = advance(network, unconnected(network, -1.0), [10] * 10, state=torch.ones(2, 1, 8))
    torch.testing.assert_close(state[0, 0], torch.exp(-1.0 / network.tau))  # after 1 s


def test_input_of_the_last_outcome_is_stronger_from_the_start():
    """By `pulse_gain`: last action and feedback; other inputs have the plain gain."""
    network = make(400, input_gain=0.5, pulse_gain=3.0)
    w_in = network.init(torch_stream(0, "birth"))["w_in"]
    assert network.first_pulse == 2  # of two observations, two actions and the reward
    torch.testing.assert_close(w_in.std(1), torch.tensor([0.5, 0.5, 1.5, 1.5, 1.5]), rtol=0.15, atol=0)


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
        h, c = state
        for step, n_bins in enumerate((1, 3, 1, 20)):  # however long a phase lasts, and whatever its bins
            x = torch.randn(7, 5, generator=torch_stream(0, "x", step))
            ticks = torch.full((n_bins, 7), 5)
            state, trace = network.advance(weights, state, x, ticks, None)
            h, c = cell(x, (h, c))
            torch.testing.assert_close(state, torch.stack([h, c]))
            assert trace.gating.shape == trace.drive.shape == (n_bins, 7, 6)
            torch.testing.assert_close(network.activity(trace.drive), h.expand(n_bins, 7, 6))


def test_lstm_reads_policy_and_value_from_h():
    network = LSTMNetwork(5, 3, LSTMNetworkSettings(n_units=4))
    weights = network.init(torch_stream(0, "birth"))
    h = torch.randn(2, 4)
    logits, value = network.read_out(weights, h)
    torch.testing.assert_close(torch.cat([logits, value[:, None]], 1), h @ weights["w_read"])


def test_a_memory_gate_changes_nothing_at_first():
    plain, gated = make(), make(gate_gain=5.0)
    weights = gated.init(torch_stream(0, "birth"))
    first = plain.init(torch_stream(0, "birth"))
    assert all(torch.equal(weights[name], tensor) for name, tensor in first.items())
    assert weights.keys() - first.keys() == {"w_gate", "b_gate"}
    x = torch.randn(3, 5, generator=torch_stream(0, "x"))
    assert plain.leak(plain.effective(first), x) is None
    assert torch.equal(gated.leak(gated.effective(weights), x), torch.ones(3, 16))
    found = advance(gated, gated.effective(weights), [20, 0, 7], 3, x=x)[0]
    torch.testing.assert_close(
        found, advance(plain, plain.effective(first), [20, 0, 7], 3, x=x)[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("ticks", [[64], [16] * 4])
def test_a_memory_gate_multiplies_the_inverse_time_constants(ticks):
    """Mean and variance are those of the exact process with the other time constants."""
    network, sessions = make(10, gate_gain=2.0, adaptation=0.0), 20_000
    effective = unconnected(network, torch.linspace(0.2, 1.2, 10))
    effective |= {"w_gate": torch.zeros(5, 10), "b_gate": torch.linspace(-2, 1, 10)}
    effective["w_gate"][1] = -0.5
    x = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]).expand(sessions, 5)
    state, _ = advance(network, effective, ticks, sessions, x=x)
    logit = 2 * (torch.linspace(-2, 1, 10).double() - 0.5)
    rate, tau = network.rate(effective["b"]).double(), network.tau.double() * (1 + torch.exp(-logit)) / 2
    keep = torch.exp(-0.64 / tau)
    mean, variance = keep * 0.4 + (1 - keep) * rate / 10, rate * (1 - keep**2) / (8 * tau) / 100
    found = state[0].double()
    assert ((found.mean(0) - mean).abs() < 4.5 * (variance / sessions).sqrt() + 1e-6).all()
    assert ((found.var(0) / variance - 1).abs() < 4.5 * math.sqrt(2 / sessions)).all()


def test_the_gate_of_an_actor_has_the_inputs_of_the_actor():
    network = make(gate_gain=2.0, critic="separate", feedback="rpe", n_inputs=6)
    weights = network.init(torch_stream(0, "birth")) | {"w_gate": torch.ones(6, 16)}
    assert torch.equal(network.effective(weights)["w_gate"], network.wiring.inputs)
