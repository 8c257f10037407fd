"""Spiking recordings: planted losses of reward come out."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.cells.conversion import (
    Span,
    compute_expected_reward,
    compute_shares,
    summarise_conversion,
    tabulate_conversion,
)


def test_shares_by_regret_fall_as_it_rises():
    dims = ("animal", "condition", "held_out_episode")
    recording = xr.Dataset({"held_out_regret": (dims, [[[2.0, 8.0]]])}, coords={"condition": ["frozen"]})
    shares = compute_shares(recording, Span("regret", chance=10.0, optimum=2.0))
    np.testing.assert_allclose(shares.values.ravel(), [1, 0.25])


def make_shares(lost, rng):
    """Shares (condition, animal, episode): sessions differ, neurons lose `lost` (animal,) of the optimum in each."""
    rate = 0.8 + 0.2 * rng.standard_normal((len(lost), 100))
    neurons = rate - np.array(lost)[:, None] + 0.02 * rng.standard_normal(rate.shape)
    conditions = ["frozen", "rate_frozen", "recurrence_cut"]
    return xr.DataArray(
        [neurons, rate, 0.1 * rate],
        dims=("condition", "animal", "episode"),
        coords={"condition": conditions, "animal": range(len(lost))},
    )


def test_the_loss_of_reward_is_summarised_by_animal_and_over_all():
    rng = np.random.default_rng(0)
    shares = make_shares([0.0, 0.02, 0.2], rng)
    table = tabulate_conversion(shares)
    np.testing.assert_allclose(table["lost"], [0, 0.02, 0.2], atol=0.006)
    assert list(table["converts"]) == [True, True, False]
    assert ((table["lost_low"] < table["lost"]) & (table["lost"] < table["lost_high"])).all()
    assert (table["lost_high"] - table["lost_low"]).max() < 0.012  # paired: not that of sessions, .08
    np.testing.assert_allclose(table["recurrence_cut"], 0.1 * table["rate"])
    found = {(each.key, each.condition): each for each in summarise_conversion(shares)}
    assert found["share_lost", ""].estimate == pytest.approx(0.22 / 3, abs=0.005)
    assert found["share_of_optimum", "rate_frozen"].estimate == pytest.approx(0.8, abs=0.05)


def make_choices(p, dims, choice):
    step = ("animal", "condition", "episode", "step")
    n_trials = choice.shape[-1]
    return xr.Dataset(
        {
            "p_reward": (dims, p),
            "choice": (step, np.stack([choice, choice * 0 - 1], -1).reshape(*choice.shape[:3], -1)),
        },
        coords={
            "condition": ["frozen"],
            "trial": ("step", np.repeat(np.arange(n_trials), 2)),
            "phase": ("step", ["choice", "outcome"] * n_trials),
        },
        attrs={"choice_phase": "choice"},
    )


def test_expected_reward_is_that_of_the_chosen_options():
    choice = np.array([[0, 0, 1, 1], [1, 1, 1, 0]])[None, None]  # two sessions of four trials
    recording = make_choices([[0.2, 0.6], [0.9, 0.1]], ("episode", "action"), choice)
    expected = compute_expected_reward(recording).transpose("animal", "condition", "episode")
    np.testing.assert_allclose(expected, [[[0.4, 0.3]]])
    shares = compute_shares(recording, Span("reward", 0.2, 0.6))
    np.testing.assert_allclose(shares.values.ravel(), [0.5, 0.25])


def test_expected_reward_follows_probabilities_that_change():
    choice = np.array([[0, 1]])[None, None]
    p = np.zeros((1, 4, 2))
    p[0, 0], p[0, 2] = [0.3, 0.0], [0.0, 0.7]  # at the choice steps
    recording = make_choices(p, ("episode", "step", "action"), choice)
    np.testing.assert_allclose(compute_expected_reward(recording).values.ravel(), [0.5])


def test_reward_itself_counts_where_no_probability_is_recorded():
    dims = ("animal", "condition", "held_out_episode")
    recording = xr.Dataset({"held_out_reward": (dims, [[[0.4, 0.6]]])}, coords={"condition": ["frozen"]})
    np.testing.assert_allclose(
        compute_shares(recording, Span("reward", 0.0, 0.8)).values.ravel(), [0.5, 0.75]
    )
