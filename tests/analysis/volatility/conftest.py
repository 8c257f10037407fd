import numpy as np
import pytest

from pfc_da.analysis.choice_models.models import get_model, simulate_model
from pfc_da.analysis.volatility.sessions import VolatileSessions

MODEL = get_model("ab_coupled")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def simulate(draw_schedule, rng):
    """Sessions of Rescorla-Wagner agents of given rates (agent, phase)."""

    def simulate(rates, *, beta=6.0, n_sessions=60, **schedule):
        rates = np.asarray(rates, float)
        p_reward, volatile = draw_schedule(n_sessions, rng, **schedule)
        parameters = {"learning_rate": rates, "inverse_temperature": np.full(len(rates), beta)}
        choice, reward = simulate_model(MODEL, parameters, p_reward, window=volatile, rng=rng)
        return VolatileSessions(
            choice=choice.astype(int), reward=reward, p_reward=p_reward, volatile=volatile
        )

    return simulate


@pytest.fixture
def by_name():
    """A function that gives statistics by key and condition."""
    return lambda statistics: {(s.key, s.condition): s for s in statistics}
