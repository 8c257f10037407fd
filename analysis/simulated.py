"""A run's recording as the sessions that the functions for recorded data take."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.behaviour import FROZEN
from pfc_da.analysis.choice_table import ChoiceSessions
from pfc_da.analysis.trials import per_trial

ORDER = ("animal", "episode", "trial")


def get_choice_sessions(recording: xr.Dataset) -> ChoiceSessions:
    """Choices of the frozen animals; of objects where the task has them, else of actions.

    The better option is the one with the larger reward probability (of a baited task: its base probability).
    """
    of_objects = "chosen_object" in recording
    frozen = recording.sel(condition=FROZEN)
    choice = per_trial(frozen, "chosen_object" if of_objects else "choice").transpose(*ORDER)
    n_animals, n_episodes, n_trials = choice.shape

    def stack(values: xr.DataArray) -> NDArray:
        grid: NDArray = values.broadcast_like(choice).transpose(*ORDER).values
        return grid.reshape(-1, n_trials)

    better = _better(frozen)
    missing = np.full((n_animals * n_episodes, n_trials), -1)
    return ChoiceSessions(
        choice=stack(choice).astype(int),
        reward=stack(per_trial(frozen, "reward")).astype(float),
        block=stack(per_trial(frozen, "block")).astype(int) if "block" in frozen else missing,
        better=missing if better is None else stack(better).astype(int),
        animal=np.repeat([str(name) for name in recording["animal"].values], n_episodes),
        session=np.tile([str(episode) for episode in range(n_episodes)], n_animals),
        n_options=recording.sizes["object" if of_objects else "action"],
    )


def is_baited(recording: xr.Dataset) -> bool:
    """Whether the task lets reward wait until it is taken."""
    return "p_object" in recording


def _better(frozen: xr.Dataset) -> xr.DataArray | None:
    """The option with the larger reward probability, -1 where none is larger, by trial or by session."""
    name = next((name for name in ("p0", "p_reward") if name in frozen), None)
    if name is None:
        return None
    p = per_trial(frozen, name) if "step" in frozen[name].dims else frozen[name]
    option = "object" if "object" in p.dims else "action"
    alone = (p == p.max(option)).sum(option) == 1
    return p.argmax(option).where(alone, -1)
