"""Learning rates fitted to sessions: planted ones come back, and who does not learn has none."""

import dataclasses

import numpy as np
import pytest

from pfc_da.analysis.choice_models.learning_rate import compute_fitted_rate
from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.readers.choice_table import ChoiceSessions

REVERSING = np.where(np.arange(120)[:, None] // 25 % 2, [0.2, 0.8], [0.8, 0.2])  # (trial, action)


def simulate(rates, *, n_sessions, temperature=5.0, pull=0.5, seed=0):
    n = len(rates)
    settings = {"learning_rate": rates, "inverse_temperature": [temperature] * n, "perseveration": [pull] * n}
    p = np.tile(REVERSING, (n_sessions, 1, 1))
    found = simulate_model(get_model("perseveration"), settings, p, rng=np.random.default_rng(seed))
    choice, reward = (values.reshape(n * n_sessions, -1) for values in found)
    missing = np.full(choice.shape, -1)
    return ChoiceSessions(
        choice=choice.astype(int),
        reward=reward,
        block=missing,
        better=missing,
        animal=np.repeat([str(i) for i in range(n)], n_sessions),
        session=np.tile([str(i) for i in range(n_sessions)], n),
    )


def test_planted_rates_of_animals_come_back():
    rates = [0.15, 0.3, 0.45, 0.6, 0.75]
    found = compute_fitted_rate(simulate(rates, n_sessions=12), rng=np.random.default_rng(0))
    assert found.by_animal == pytest.approx(rates, abs=0.12)
    assert (found.key, found.n, found.n_of) == ("learning_rate", 5, "animals")
    assert found.low < np.mean(rates) < found.high


def test_of_one_animal_sessions_are_resampled():
    found = compute_fitted_rate(simulate([0.4], n_sessions=25), rng=np.random.default_rng(0))
    assert found.low < 0.4 < found.high and found.high - found.low < 0.3
    assert (found.n, found.n_of, found.interval) == (25, "sessions", "95 % bootstrap over sessions")


@pytest.mark.parametrize("scale, shift", [(0.3, 0.0), (2.0, -1.0)])
def test_the_size_of_rewards_does_not_matter(scale, shift):
    sessions = simulate([0.3, 0.6], n_sessions=8)
    other = dataclasses.replace(sessions, reward=scale * sessions.reward + shift)
    values = [compute_fitted_rate(each, rng=np.random.default_rng(0)).by_animal for each in (sessions, other)]
    assert values[0] == pytest.approx(values[1], abs=1e-3)


def test_a_coin_has_no_rate_and_counts_in_no_mean():
    sessions = simulate([0.5, 0.5, 0.5], n_sessions=6)
    choice = sessions.choice.copy()
    choice[:6] = np.random.default_rng(5).integers(2, size=choice[:6].shape)
    found = compute_fitted_rate(dataclasses.replace(sessions, choice=choice), rng=np.random.default_rng(0))
    assert np.isnan(found.by_animal[0]) and found.n == 2


def test_sessions_an_animal_may_differ():
    sessions = simulate([0.3, 0.6], n_sessions=10)
    kept = np.r_[0:10, 10:14]
    fewer = dataclasses.replace(
        sessions, **{f.name: getattr(sessions, f.name)[kept] for f in dataclasses.fields(sessions)[:-1]}
    )
    found = compute_fitted_rate(fewer, rng=np.random.default_rng(0))
    whole = compute_fitted_rate(sessions, rng=np.random.default_rng(0))
    assert found.by_animal[0] == pytest.approx(whole.by_animal[0], abs=1e-3)
    assert found.by_animal[1] == pytest.approx(0.6, abs=0.2)
