import numpy as np
import pytest


@pytest.fixture(scope="session")
def draw_schedule():
    """Sessions of the volatility schedule, drawn trial by trial by the rules of the paradigm."""

    def draw(n_sessions, rng, n_trials=240, runs=(20, 40)):
        """p_reward (session, trial, action) and volatile (session, trial)."""
        p_first, volatile = np.empty((n_sessions, n_trials)), np.empty((n_sessions, n_trials), int)
        half = n_trials // 2
        for session in range(n_sessions):
            order = rng.permutation(2)
            better, left = 0, 0
            for trial in range(n_trials):
                phase = order[int(trial >= half)]
                if trial in (0, half):
                    better, left = rng.integers(2), rng.integers(runs[0], runs[1] + 1)
                elif phase and not left:
                    better, left = 1 - better, rng.integers(runs[0], runs[1] + 1)
                left -= 1
                p = 0.8 if phase else 0.75
                p_first[session, trial], volatile[session, trial] = p if better == 0 else 1 - p, phase
        return np.stack([p_first, 1 - p_first], axis=-1), volatile

    return draw
