"""Turn a recording of a run into the sessions that the functions for recorded data take.

Units of a rate network become cells by drawing spikes from their rates, Poisson given the rates: their counts
scatter as those of one neuron do, so what they code can be compared with cells; how regularly they fire cannot. A
spiking replay has spikes of its own: of each unit the first neuron is a cell.
The event of a trial is when its options appear: the onset of the phase ``cue``, else of the phase of the choice.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.cells.neurons import get_trains
from pfc_da.analysis.cells.sessions import (
    CellSession,
    Window,
    cut_around,
    find_regressors,
    to_ticks,
)
from pfc_da.analysis.readers.choice_table import ChoiceSessions
from pfc_da.analysis.units.align import find_event_bins
from pfc_da.recording_schema import (
    FROZEN,
    count_neurons,
    get_bin_s,
    get_choice_phase,
    get_onset_bins,
    get_phases,
    has_spikes,
)
from pfc_da.trials import per_trial

ORDER = ("animal", "episode", "trial")
CUE = "cue"


class Windows(NamedTuple):
    """Stretches of a simulated trial, in s after its event: all of it, the phase of the event, what comes before.

    Each is as long as in the shortest trial of the recording, so that every trial has all of it.
    """

    trial: Window
    coding: Window
    baseline: Window


LONGEST_S = 1.0
"""Longest window before or after the event in s; recorded extracts hold as much after it."""


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
    """Windows of the trial in which activity is measured, in s after its event."""
    bin_s, event = get_bin_s(recording), find_event_bins(recording, _event_phase(recording))
    begin, end = _find_trial_bins(recording)
    steps = np.concatenate([get_onset_bins(recording), end[..., -1:]], axis=-1)
    of_event = np.flatnonzero(recording["phase"].values == _event_phase(recording))
    shortest = [(event - begin).min(), (end - event).min(), np.diff(steps)[..., of_event].min()]
    before, after, length = to_ticks(np.minimum(bin_s * np.array(shortest), LONGEST_S)).tolist()
    start = 0.0 - before  # not -0.0
    return Windows(trial=(start, after), coding=(0.0, length), baseline=(start, 0.0))


def get_cell_sessions(
    recording: xr.Dataset, n_sessions: int, *, rng: np.random.Generator
) -> list[CellSession]:
    """Cells of the first recorded sessions of every animal, one session after the other.

    Parameters
    ----------
    recording : xarray.Dataset
    n_sessions : int
        Of each animal.
    rng : numpy.random.Generator
        Draws spikes where there are none.

    Returns
    -------
    list of CellSession
        Cells of an animal are the same in all its sessions.
    """
    bin_s = get_bin_s(recording)
    events = to_ticks(bin_s * find_event_bins(recording, _event_phase(recording)))  # (animal, episode, trial)
    end = recording.sizes["bin"] * bin_s
    sessions = get_choice_sessions(recording)
    rates = recording["activity"].transpose("animal", "recorded_episode", "bin", "unit")
    n_units, found = rates.sizes["unit"], []
    for animal in range(rates.sizes["animal"]):
        if has_spikes(recording):
            per_unit = count_neurons(recording)
            trains = get_trains(recording, animal)[::per_unit]  # the first neuron of each unit
        for place in range(min(n_sessions, rates.sizes["recorded_episode"])):
            row = animal * recording.sizes["episode"] + int(recording["recorded_episode"][place])
            if has_spikes(recording):
                times = [of_unit[place] for of_unit in trains]
            else:
                times = _draw(rates[animal, place].values, bin_s, rng)
            event = events[animal, place]
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


def _draw(rates: NDArray, bin_s: float, rng: np.random.Generator) -> list[NDArray]:
    """Spike times of each unit in s, Poisson given rates (bin, unit) in Hz."""
    counts = rng.poisson(np.asarray(rates, dtype=float).T * bin_s)  # (unit, bin)
    bins = np.arange(counts.shape[1])
    return [np.sort((np.repeat(bins, own) + rng.random(own.sum())) * bin_s) for own in counts]


def _event_phase(recording: xr.Dataset) -> str:
    return CUE if CUE in get_phases(recording) else get_choice_phase(recording)


def _find_trial_bins(recording: xr.Dataset) -> tuple[NDArray, NDArray]:
    """First bin of every trial, and the one after its last, (animal, recorded_episode, trial) each."""
    _, first = np.unique(recording["trial"].values, return_index=True)
    begin = get_onset_bins(recording)[..., first]
    last = np.full((*begin.shape[:2], 1), recording.sizes["bin"])
    return begin, np.concatenate([begin[..., 1:], last], axis=-1)
