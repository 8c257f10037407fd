"""A run's recording as the sessions that the functions for recorded data take.

Units of a rate network become cells by drawing spikes from their rates, Poisson given the rates: their counts
scatter as those of one neuron do, so what they code can be held against cells; how regularly they fire cannot. A
spiking replay has spikes of its own: of each unit the first neuron is a cell.
The event of a trial is when its options appear: the phase ``cue``, else the phase of the choice.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.cells.conversion import get_trains
from pfc_da.analysis.cells.sessions import CellSession, Window, cut_around, find_regressors
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.recording_schema import (
    FROZEN,
    count_neurons,
    get_choice_phase,
    get_phase_of_steps,
    get_step_s,
    has_spikes,
)
from pfc_da.trials import per_trial

ORDER = ("animal", "episode", "trial")
CUE = "cue"


class Windows(NamedTuple):
    """Stretches of a simulated trial, in s after its event: all of it, the phase of the event, what comes before."""

    trial: Window
    coding: Window
    baseline: Window


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


def get_windows(recording: xr.Dataset) -> Windows:
    """Where in the trial activity is looked at."""
    step_s, phases = get_step_s(recording), np.array(get_phase_of_steps(recording))
    before, during = (phases == _event_phase(recording)).argmax(), (phases == _event_phase(recording)).sum()
    seconds = step_s * np.array([-before, during, len(phases) - before])
    start, length, end = seconds.round(6).tolist()
    return Windows(trial=(start, end), coding=(0.0, length), baseline=(start, 0.0))


def get_cell_sessions(
    recording: xr.Dataset, n_sessions: int, *, rng: np.random.Generator
) -> list[CellSession]:
    """Cells of the first `n_sessions` recorded sessions of every animal, one session after the other.

    Cells of an animal are the same in all its sessions; `rng` draws spikes where there are none.
    """
    step_s, phase = get_step_s(recording), _event_phase(recording)
    first = np.flatnonzero((recording["phase"].values == phase) & _begins(recording["phase"].values))
    event, end = first * step_s, recording.sizes["step"] * step_s
    sessions = get_choice_sessions(recording)
    rates = recording["activity"].transpose("animal", "recorded_episode", "step", "unit")
    n_units, found = rates.sizes["unit"], []
    for animal in range(rates.sizes["animal"]):
        if has_spikes(recording):
            trains = get_trains(recording, animal)[
                :: count_neurons(recording)
            ]  # the first neuron of each unit
        for place in range(min(n_sessions, rates.sizes["recorded_episode"])):
            row = animal * recording.sizes["episode"] + int(recording["recorded_episode"][place])
            if has_spikes(recording):
                times = [of_unit[place] for of_unit in trains]
            else:
                times = _draw(rates[animal, place].values, step_s, rng)
            found.append(
                CellSession(
                    animal=str(sessions.animal[row]),
                    session=str(sessions.session[row]),
                    names=tuple(map(str, range(n_units))),
                    trains=tuple(cut_around(own, event) for own in times),
                    seen_before=np.tile(event[:, None], n_units),
                    seen_after=np.tile(end - event[:, None], n_units),
                    regressors=find_regressors(sessions.choice[row], sessions.reward[row]),
                )
            )
    return found


def _better(frozen: xr.Dataset) -> xr.DataArray | None:
    """The option with the larger reward probability, -1 where none is larger, by trial or by session."""
    name = next((name for name in ("p0", "p_reward") if name in frozen), None)
    if name is None:
        return None
    p = per_trial(frozen, name) if "step" in frozen[name].dims else frozen[name]
    option = "object" if "object" in p.dims else "action"
    alone = (p == p.max(option)).sum(option) == 1
    return p.argmax(option).where(alone, -1)


def _draw(rates: NDArray, step_s: float, rng: np.random.Generator) -> list[NDArray]:
    """Spike times of each unit in s, Poisson given rates (step, unit) in Hz."""
    counts = rng.poisson(np.asarray(rates, dtype=float).T * step_s)  # (unit, step)
    steps = np.arange(counts.shape[1])
    return [np.sort((np.repeat(steps, own) + rng.random(own.sum())) * step_s) for own in counts]


def _event_phase(recording: xr.Dataset) -> str:
    return CUE if CUE in get_phase_of_steps(recording) else get_choice_phase(recording)


def _begins(phase: NDArray) -> NDArray:
    """Where a phase begins, (step,) bool."""
    return np.concatenate([[True], phase[1:] != phase[:-1]])
