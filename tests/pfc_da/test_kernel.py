"""The compiled bins of the rate network and of the three-factor rule, against their plain versions."""

import logging
import sys

import numba
import pytest
import torch
from numba.core import caching

import pfc_da.network
from pfc_da.clock import MAX_TICKS, Schedule
from pfc_da.network import kernel, rate
from pfc_da.network.rate import RateNetwork, advance_plain, load_kernel
from pfc_da.plasticity.three_factor import BLOCK, PEAK_HZ, Signals, accumulate_plain
from pfc_da.rollout import Rollout
from pfc_da.settings import RateNetworkSettings, ThreeFactorSettings

SESSIONS, BINS_OF_STEP, PHASES = 5, 3, 2


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def make(n_units=24, **settings):
    return RateNetwork(6, 2, RateNetworkSettings(n_units=n_units, **settings))


def draw_phase(network, n_bins=7, sessions=SESSIONS, seed=0):
    """Arguments of `advance` with durations of their own for all sessions, some of them 0."""
    rng = torch.Generator().manual_seed(seed)
    w = network.effective(network.init(rng))["w"]
    state = torch.rand(2, sessions, network.n_units, generator=rng)
    current = torch.randn(sessions, network.n_units, generator=rng) * 0.5 + 0.4
    ticks = torch.randint(1, MAX_TICKS + 1, (n_bins, sessions), generator=rng)
    ticks *= torch.rand(n_bins, sessions, generator=rng) > 0.3
    return w, state, current, ticks, network.draw_noise(rng, sessions, n_bins)


def draw_leak(network, *dims, seed=1):
    """Memory gates from nearly closed to open, dimensions (*dims, unit)."""
    rng = torch.Generator().manual_seed(seed)
    return 2 * torch.sigmoid(2 * torch.randn(*dims, network.n_units, generator=rng))


def assert_advances_as_plain(network, *phase):
    state, trace = kernel.advance(network, *phase)
    plain_state, plain = advance_plain(network, *phase)
    torch.testing.assert_close(state, plain_state, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trace.gating, plain.gating, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trace.drive, plain.drive, rtol=1e-4, atol=1e-5)
    return state, trace


@pytest.mark.parametrize("settings", [{}, {"neurons_per_unit": 0}, {"adaptation": 0.0}, {"n_units": 37}])
def test_a_phase_equals_its_plain_version(settings):
    network = make(**settings)
    assert_advances_as_plain(network, *draw_phase(network))


@pytest.mark.parametrize("settings", [{}, {"neurons_per_unit": 0}, {"n_units": 37}])
def test_a_phase_with_memory_gates_equals_its_plain_version(settings):
    network = make(gate_gain=3.0, **settings)
    phase = draw_phase(network)
    gated, _ = assert_advances_as_plain(network, *phase, draw_leak(network, SESSIONS))
    open_, _ = assert_advances_as_plain(network, *phase, torch.ones(SESSIONS, network.n_units))
    assert (gated - open_).abs().max() > 0.05
    torch.testing.assert_close(open_, kernel.advance(network, *phase)[0], rtol=1e-4, atol=1e-5)


def test_sessions_with_equal_ticks_and_one_session_equal_their_plain_versions():
    network = make()
    for sessions in (1, 9):
        w, state, current, ticks, noise = draw_phase(network, sessions=sessions)
        assert_advances_as_plain(network, w, state, current, torch.full_like(ticks, 5), noise)


def test_bins_of_no_ticks_change_nothing():
    network = make()
    w, state, current, ticks, noise = draw_phase(network)
    after, trace = assert_advances_as_plain(network, w, state, current, torch.zeros_like(ticks), noise)
    assert torch.equal(after, state)
    assert torch.equal(trace.gating, state[0].expand_as(trace.gating))
    gated, _ = kernel.advance(
        network, w, state, current, torch.zeros_like(ticks), noise, draw_leak(network, SESSIONS)
    )
    assert torch.equal(gated, state)


def test_the_callers_tensors_are_left_alone_and_two_calls_give_the_same_bits():
    network = make()
    phase = draw_phase(network)
    before = [tensor.clone() for tensor in phase]
    state, trace = kernel.advance(network, *phase)
    again, trace_again = kernel.advance(network, *phase)
    assert all(map(torch.equal, before, phase))
    assert torch.equal(state, again)
    assert all(map(torch.equal, trace, trace_again))
    state.zero_()
    assert torch.equal(trace.gating, trace_again.gating)


def test_a_phase_of_no_bins_and_views_that_are_not_contiguous():
    network = make()
    w, state, current, ticks, noise = draw_phase(network)
    after, trace = kernel.advance(network, w, state, current, ticks[:0], None)
    assert torch.equal(after, state)
    assert trace.drive.shape == (0, SESSIONS, network.n_units)
    assert_advances_as_plain(network, w.T, state[:, ::2], current[::2], ticks[:, ::2], noise[:, ::2])


def fire(drive):
    """Rate in Hz of units without noise or recurrence that receive `drive`; same shape."""
    network = make(n_units=8, neurons_per_unit=0, adaptation=0.0)
    current, ticks = drive.view(-1, 8), torch.full((1, drive.numel() // 8), 30)
    _, trace = kernel.advance(
        network, torch.zeros(8, 8), torch.zeros(2, *current.shape), current, ticks, None
    )
    assert torch.equal(trace.drive[0], current) or drive.isnan().any()
    return (trace.gating[0] / network.tables["gain"][30]).view_as(drive)


def test_the_curve_is_that_of_the_network_from_silence_to_the_refractory_limit():
    drive = torch.linspace(-8, 12, 64_000)
    hz = fire(drive)
    torch.testing.assert_close(hz, rate.lif_rate(drive), rtol=3e-6, atol=1e-12)
    assert hz.min() < 1e-15
    assert hz.max() == pytest.approx(500.0)


def test_the_curve_at_its_limits():
    far = torch.tensor([-torch.inf, -1e30, -1e3, 1e3, 1e30, torch.inf, torch.nan, 0.4051])
    hz = fire(far)
    assert (hz[:3] < 1e-15).all()
    assert (hz[:3] >= 0).all()
    torch.testing.assert_close(hz[3:6], torch.full((3,), 500.0))
    assert hz[6].isnan()
    torch.testing.assert_close(hz[7], torch.tensor(11.621 * 0.693147), rtol=1e-5, atol=0)


@pytest.mark.parametrize("wrong", [-1, MAX_TICKS + 1])
def test_a_bin_that_the_tables_do_not_hold_is_refused(wrong):
    network = make()
    w, state, current, ticks, noise = draw_phase(network)
    ticks[2, 1] = wrong
    with pytest.raises(IndexError, match="ticks of a bin must be from 0 to the last row"):
        kernel.advance(network, w, state, current, ticks, noise)


def draw_batch(network, n_steps, resets=False, seed=0):
    """A rollout of random arrays, some of its ticks 0, and the learning signals in it."""
    rng = torch.Generator().manual_seed(seed)
    n_bins, n = n_steps * BINS_OF_STEP, network.n_units
    ticks = torch.randint(0, MAX_TICKS + 1, (n_bins, SESSIONS), generator=rng)
    steps = torch.zeros(n_steps, SESSIONS)
    is_reset = (torch.arange(n_steps) % (2 * PHASES) == 0) & resets
    batch = Rollout(
        schedule=Schedule(ticks, tuple(range(0, n_bins + 1, BINS_OF_STEP))),
        x=torch.zeros(n_steps, SESSIONS, 6),
        gating=torch.rand(n_bins + 1, SESSIONS, n, generator=rng),
        drive=torch.randn(n_bins, SESSIONS, n, generator=rng) + 0.5,
        logits=torch.zeros(n_steps, SESSIONS, 2),
        bin_value=torch.zeros(n_bins, SESSIONS),
        bin_logits=torch.zeros(n_bins, SESSIONS, 2),
        **dict.fromkeys(("value", "reward", "rpe", "injected"), steps),
        action=steps.long(),
        is_choice=torch.arange(n_steps) % PHASES == 1,
        is_reset=is_reset,
        labels={},
        problem={},
        n_trials=n_steps // PHASES,
        system=None,
    )
    weight = ticks / ticks.sum()
    read_out = torch.randn(n_bins, SESSIONS, 4, generator=rng) * weight[..., None]
    read_out[..., :2] *= (torch.arange(n_bins) % 6 == 5)[:, None, None]
    to_units = torch.randn(4, n, generator=rng)
    return batch, Signals(read_out, to_units, weight, torch.randn(PHASES, n, generator=rng))


def assert_accumulates_as_plain(network, batch, signals, leak=None, **settings):
    own = ThreeFactorSettings(**settings)
    compiled = kernel.accumulate(network, batch, signals, own, leak)
    plain = accumulate_plain(network, batch, signals, own, leak)
    for one, other in zip(compiled, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())
    return compiled


@pytest.mark.parametrize(
    "n_steps", [2, 2 * (BLOCK // BINS_OF_STEP) + 2]
)  # less and more than a block of bins
@pytest.mark.parametrize("resets", [False, True])
def test_the_change_of_a_batch_equals_its_plain_version(n_steps, resets):
    network = make()
    assert n_steps == 2 or n_steps * BINS_OF_STEP > BLOCK
    assert_accumulates_as_plain(network, *draw_batch(network, n_steps, resets), peak_penalty=0.0)


@pytest.mark.parametrize("resets", [False, True])
def test_the_change_of_a_batch_with_memory_gates_equals_its_plain_version(resets):
    network, n_steps = make(gate_gain=3.0), 2 * (BLOCK // BINS_OF_STEP) + 2
    batch, signals = draw_batch(network, n_steps, resets)
    leak = draw_leak(network, n_steps, SESSIONS)
    for window in (100.0, 0.5):
        *_, gate = assert_accumulates_as_plain(network, batch, signals, leak, eligibility_window=window)
        assert gate.abs().min(-1).values.max() > 0


def test_rates_above_the_peak_are_pushed_down_as_in_the_plain_version():
    network = make()
    batch, signals = draw_batch(network, 8)
    batch.drive[..., ::3] += network.drive_at(PEAK_HZ)
    penalised = assert_accumulates_as_plain(network, batch, signals, peak_penalty=10.0)
    free = assert_accumulates_as_plain(network, batch, signals, peak_penalty=0.0)
    assert (penalised[1] <= free[1]).all()
    assert (penalised[1][..., ::3] < free[1][..., ::3]).any()


def test_only_the_kept_sessions_change_weights():
    network = make()
    batch, signals = draw_batch(network, 6)
    ticks = torch.cat(
        [batch.schedule.ticks, batch.schedule.ticks[:, :2]], 1
    )  # two sessions that are not kept
    more = Schedule(ticks, batch.schedule.first)
    kept = Rollout(**{**vars(batch), "schedule": more})
    assert all(
        map(
            torch.equal,
            assert_accumulates_as_plain(network, kept, signals),
            kernel.accumulate(network, batch, signals, ThreeFactorSettings()),
        )
    )


def test_two_sums_of_a_batch_have_the_same_bits_and_leave_it_alone():
    network = make()
    batch, signals = draw_batch(network, 30, resets=True)
    before = [batch.gating.clone(), batch.drive.clone(), *(tensor.clone() for tensor in signals)]
    first, second = (kernel.accumulate(network, batch, signals, ThreeFactorSettings()) for _ in range(2))
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, before, [batch.gating, batch.drive, *signals]))


@pytest.mark.parametrize("wrong", [-1, MAX_TICKS + 1])
def test_a_batch_with_a_bin_that_the_tables_do_not_hold_is_refused(wrong):
    network = make()
    batch, signals = draw_batch(network, 4)
    batch.schedule.ticks[3, 2] = wrong
    with pytest.raises(IndexError, match="ticks of a bin must be from 0 to the last row"):
        kernel.accumulate(network, batch, signals, ThreeFactorSettings())


def test_the_network_uses_compiled_code_unless_it_needs_gradients(monkeypatch):
    network = make()
    w, state, _, ticks, noise = draw_phase(network)
    effective = network.effective(network.init(torch.Generator().manual_seed(0)))
    x, calls = torch.zeros(SESSIONS, 6), []
    monkeypatch.setattr(kernel, "advance", lambda *given: calls.append(given))
    network.advance(effective, state, x, ticks, noise)
    assert len(calls) == 1
    with torch.enable_grad():
        assert network.advance(effective, state, x, ticks, noise) is not None
    assert len(calls) == 1


def test_another_curve_is_not_compiled():
    assert make().kernel is kernel
    assert make(curve="rectified_tanh").kernel is None
    own = make()
    own.rate = lambda drive: 0 * drive + 7
    assert own.kernel is None  # a subclass with a curve of its own


@pytest.fixture
def _no_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pfc_da.network.kernel")
    monkeypatch.delattr(pfc_da.network, "kernel")
    load_kernel.cache_clear()
    yield
    load_kernel.cache_clear()


def test_without_numba_the_network_says_so_once_and_runs(_no_numba, caplog):
    network = make()
    w, state, _, ticks, noise = draw_phase(network)
    effective = network.effective(network.init(torch.Generator().manual_seed(0)))
    with caplog.at_level(logging.WARNING, "pfc_da"):
        for _ in range(2):
            after, _ = network.advance(effective, state, torch.zeros(SESSIONS, 6), ticks, noise)
    assert after.isfinite().all()
    (record,) = caplog.records
    assert "networks run uncompiled" in record.getMessage()
    assert "numba" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_code_is_compiled_where_no_cache_can_be_written(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def double(x):
        return 2 * x

    with pytest.raises(RuntimeError, match="cannot cache function"):
        numba.njit(cache=True)(double)
    assert kernel._compile((numba.float32,))(double)(3.0) == 6.0


def test_code_is_compiled_where_the_cache_is_damaged(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def double(x):
        return 2 * x

    compiled = kernel._compile((numba.float32,))
    assert compiled(double)(3.0) == 6.0
    (file,) = tmp_path.rglob("*.nbc")
    file.write_bytes(file.read_bytes()[:50])
    assert compiled(double)(3.0) == 6.0
