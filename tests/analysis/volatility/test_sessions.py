"""Sessions of a recording, and expected reward by hand."""

import numpy as np
import xarray as xr

from pfc_da.analysis.volatility.sessions import VolatileSessions, get_sessions


def test_expected_reward_by_hand():
    p_reward = np.array([[[0.75, 0.25], [0.2, 0.8]]])
    sessions = VolatileSessions(
        choice=np.array([[[0, 1]], [[1, -1]]]),
        reward=np.zeros((2, 1, 2)),
        p_reward=p_reward,
        volatile=np.array([[0, 1]]),
    )
    np.testing.assert_array_equal(sessions.expected_reward, [[[0.75, 0.8]], [[0.25, np.nan]]])
    assert sessions.better.tolist() == [[0, 1]]


def test_sessions_of_a_recording_are_those_of_the_condition_asked_for(simulate):
    sessions = simulate([[0.1, 0.3], [0.2, 0.2]], n_sessions=5, n_trials=40)
    steps = {"step": np.arange(80)}
    twice = {name: np.repeat(getattr(sessions, name), 2, axis=1) for name in ("p_reward", "volatile")}
    choice = np.full((2, 2, 5, 80), -1)
    choice[:, 1, :, ::2] = sessions.choice
    reward = np.zeros(choice.shape)
    reward[:, 1, :, ::2] = sessions.reward
    recording = xr.Dataset(
        {
            "choice": (("animal", "condition", "episode", "step"), choice),
            "reward": (("animal", "condition", "episode", "step"), reward),
            "p_reward": (("episode", "step", "action"), twice["p_reward"]),
            "volatile": (("episode", "step"), twice["volatile"]),
        },
        {"condition": ["untrained", "frozen"], "trial": ("step", np.arange(80) // 2), **steps},
        {"choice_phase": "choice"},
    ).assign_coords(phase=("step", np.tile(["choice", "outcome"], 40)))
    found = get_sessions(recording)
    for name in ("choice", "reward", "p_reward", "volatile"):
        np.testing.assert_array_equal(getattr(found, name), getattr(sessions, name))
    assert (get_sessions(recording, "untrained").choice == -1).all()
