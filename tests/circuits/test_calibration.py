"""Calibration, decoding and the surrogate, by planting and against the circuit."""

import numpy as np
import pytest
import torch

from pfc_da.circuits.calibration import (
    RPE_GRID,
    calibrate,
    compute_r2,
    decode,
    draw_terms,
    fit_cells,
    present,
)
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.midbrain import MidbrainCircuit
from pfc_da.dopamine import DopamineCells


def test_terms_differ_by_the_error_and_are_spread_evenly():
    rpe = np.repeat([-1.3, -0.4, 0.0, 0.4, 1.3], 4000)
    received, expected = draw_terms(rpe, np.random.default_rng(0))
    np.testing.assert_allclose(received - expected, rpe, atol=1e-12)
    assert received.min() >= 0 and expected.min() >= 0
    at = rpe == 0.4  # pairs within [0, 1]: received is uniform from .4 to 1
    assert np.quantile(received[at], [0, 0.5, 1]) == pytest.approx([0.4, 0.7, 1.0], abs=0.02)
    assert (expected[rpe == 1.3] == 0).all() and (received[rpe == -1.3] == 0).all()


class Planted:
    """Stands for a circuit of three copies whose dopamine cells fire at exactly 10 + 4 rpe + copy."""

    copies = 3

    def respond(self, received, expected):
        self.rates = 10 + 4 * (received - expected) + np.arange(3)
        return self

    def rate(self, population):
        assert population == "da"
        return self.rates


def test_calibrate_puts_every_rate_at_its_error():
    rates = calibrate(Planted(), np.random.default_rng(0), repeats=2)
    assert rates.shape == (len(RPE_GRID), 2, 3)
    expected = 10 + 4 * RPE_GRID[:, None, None] + np.arange(3)
    np.testing.assert_allclose(rates, np.broadcast_to(expected, rates.shape))


def test_fit_recovers_planted_mean_and_spread():
    rng = np.random.default_rng(1)
    mean = 5 + np.where(RPE_GRID > 0, 10, 4) * RPE_GRID + 2
    rates = mean[:, None, None] + 0.4 * rng.standard_normal((len(RPE_GRID), 50, 20))
    cells = fit_cells(rates)
    np.testing.assert_allclose(cells.rate_hz, mean, atol=0.06)
    np.testing.assert_allclose(cells.sd_hz, 0.4, rtol=0.1)
    np.testing.assert_allclose(decode(cells, mean), RPE_GRID, atol=0.02)


def test_means_that_fall_by_chance_are_pooled():
    rates = np.linspace(0, 3, len(RPE_GRID))
    rates[[3, 4]] = rates[[4, 3]]
    cells = fit_cells(np.repeat(rates, 4).reshape(-1, 2, 2))
    assert float(cells.rate_hz[3]) == float(cells.rate_hz[4]) == pytest.approx(rates[[3, 4]].mean())


def test_r2_is_one_for_the_truth_zero_for_its_mean_and_less_for_worse():
    true = np.random.default_rng(0).normal(size=(40, 50))
    assert compute_r2(true, true) == 1
    assert compute_r2(true, np.full_like(true, true.mean())) == pytest.approx(0)
    noise = np.random.default_rng(1).normal(size=true.shape)
    assert compute_r2(true, true + 0.5 * noise) == pytest.approx(1 - 0.25, abs=0.02)
    assert compute_r2(true, 3 + true) < 0


@pytest.fixture
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


ERRORS = np.array([-0.9, -0.5, -0.15, 0.15, 0.5, 0.9])


def test_the_shipped_surrogate_is_the_circuit(circuit, on_numpy):
    """Bin means within .5 Hz, and spread from trial to trial within a half, on a circuit it was not made with."""
    rpe = np.repeat(ERRORS, 2)[:, None] + np.zeros((1, 8))
    rate = present(circuit, rpe, np.random.default_rng(2))
    cells = DopamineCells.calibrated()
    by_error = (rate - cells.rate(torch.tensor(rpe)).numpy()).reshape(len(ERRORS), -1)
    assert np.abs(by_error.mean(1)).max() < 0.5
    encoded = cells.encode(
        torch.tensor(rpe), torch.randn(rpe.shape, generator=torch.Generator().manual_seed(0))
    )
    ratio = by_error.std() / (encoded.numpy() - cells.rate(torch.tensor(rpe)).numpy()).std()
    assert 0.67 < ratio < 1.5


def test_single_trials_can_be_read(circuit, on_numpy):
    received, expected = np.random.default_rng(3).random((2, 8, 8))
    rate = circuit.respond(received, expected).rate("da")
    assert compute_r2(received - expected, decode(DopamineCells.calibrated(), rate)) > 0.95


@pytest.mark.slow
def test_compiled_circuits_teach_a_value_in_closed_loop(monkeypatch):
    """Rewards come at .7; an agent that learns from dopamine cells alone reaches this value, from both sides."""
    monkeypatch.setenv(TARGET_VARIABLE, "cython")
    circuit, cells, rng = MidbrainCircuit(32, seed=6), DopamineCells.calibrated(), np.random.default_rng(6)
    value = np.repeat([0.0, 1.0], 16)
    for trial in range(40):
        reward = (rng.random(32) < 0.7).astype(float)
        rate = circuit.respond(reward[None], value[None]).rate("da")[0]
        if trial == 0:
            assert compute_r2(reward - value, decode(cells, rate)) > 0.95
        value = np.clip(value + 0.15 * decode(cells, rate), 0, 1)
    assert value[:16].mean() == pytest.approx(0.7, abs=0.12)
    assert value[16:].mean() == pytest.approx(0.7, abs=0.12)


@pytest.mark.slow
def test_both_targets_give_the_same_spikes(monkeypatch):
    counts = []
    for target in ("cython", "numpy"):
        monkeypatch.setenv(TARGET_VARIABLE, target)
        counts.append(MidbrainCircuit(2, seed=7).respond([[1.0, 0.0]], [[0.5, 0.5]]).counts)
    assert np.array_equal(*counts)
