"""Choices of agents in sessions of the volatility task, and the schedule of these sessions."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.recording_schema import FROZEN
from pfc_da.trials import per_trial

PHASES = ("stable", "volatile")


@dataclass(frozen=True, kw_only=True)
class VolatileSessions:
    """Choices of several agents in the same sessions.

    Attributes
    ----------
    choice, reward : (agent, session, trial)
    p_reward : (session, trial, action)
    volatile : (session, trial) int
        1 in the volatile phase, else 0.
    """

    choice: NDArray
    reward: NDArray
    p_reward: NDArray
    volatile: NDArray

    @property
    def stable_first(self) -> NDArray:
        """Sessions that begin with the stable phase, (session,) bool."""
        return self.volatile[:, 0] == 0

    @property
    def better(self) -> NDArray:
        """The option more likely to pay, (session, trial)."""
        return self.p_reward.argmax(axis=-1)

    @property
    def expected_reward(self) -> NDArray:
        """Chance of reward of every choice (agent, session, trial): reward without the noise of its draws."""
        p = np.where(self.choice == 0, self.p_reward[..., 0], self.p_reward[..., 1])
        return np.where(self.choice < 0, np.nan, p)

    def select(self, sessions: NDArray) -> "VolatileSessions":
        """Some of the sessions, of all agents."""
        return VolatileSessions(
            choice=self.choice[:, sessions],
            reward=self.reward[:, sessions],
            p_reward=self.p_reward[sessions],
            volatile=self.volatile[sessions],
        )


def get_sessions(recording: xr.Dataset, condition: str = FROZEN) -> VolatileSessions:
    """Choices and rewards of all animals under one condition, and the schedule they met.

    Parameters
    ----------
    recording : xarray.Dataset
    condition : str
    """
    own = recording.sel(condition=condition)
    choice, reward = (
        per_trial(own, name).transpose("animal", "episode", "trial").values for name in ("choice", "reward")
    )
    return VolatileSessions(
        choice=choice.astype(int),
        reward=reward.astype(float),
        p_reward=per_trial(recording, "p_reward")
        .transpose("episode", "trial", "action")
        .values.astype(float),
        volatile=per_trial(recording, "volatile").transpose("episode", "trial").values.astype(int),
    )
