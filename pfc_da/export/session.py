"""A session, as a recording lab would file it: one animal, one episode, weights frozen.

Times are in seconds since the session began, whole bins of the recording; phases and trials follow one another without a
gap. A trial ends with its last microsecond, since many tools take intervals as closed and would count the boundary twice.
A choice is made at the end of its phase, and paid as the next phase begins.
"""

import dataclasses
import json
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import xarray as xr

from pfc_da.errors import InputError
from pfc_da.export.neurons import HOW_FIRED, read_spikes
from pfc_da.export.spikes import HOW_DRAWN, Spikes, draw_spikes
from pfc_da.export.tables import SERIES, tabulate_steps, tabulate_trials, tabulate_units, to_seconds
from pfc_da.recording import load
from pfc_da.recording_schema import count_neurons, get_bin_s, get_phases, get_seed, has_rates
from pfc_da.rng import numpy_stream
from pfc_da.storage.manifest import hash_config

Provenance = Mapping[Hashable, Any]
"""Attributes of a recording: paradigm, network, rule, seed, config (JSON), commit and versions of a run, and spiking (JSON)
of a spiking replay."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
    """One session in seconds.

    Attributes
    ----------
    animal, episode
        Which, in the recording.
    condition
        What was done to the animal.
    phases
        Phases of a trial in their order.
    trials
        One row a trial: start_time, stop_time, the begin of every phase and response_time in s, then one column a number.
    steps
        One row a phase of a trial: trial, phase, start_time and stop_time in s, choice (-1 if none) and reward, both at
        its end.
    columns
        What each column of `trials` and `units` is, with its units.
    series
        `SERIES`, dimensions (bin,) or (bin, unit), with `units` and `long_name`.
    units
        One row a unit, of a spiking replay one a neuron: area, cell_type and what else the recording knows of it.
    spikes, how_spiked
        Spike times and how they came about; None and "" where activity is no firing rate (LSTM).
    bin_s
        Duration of a bin in s.
    provenance
        Attributes of the recording.
    """

    animal: int
    episode: int
    condition: str
    phases: tuple[str, ...]
    trials: pd.DataFrame
    steps: pd.DataFrame
    columns: Mapping[str, str]
    series: xr.Dataset
    units: pd.DataFrame
    spikes: Spikes | None
    how_spiked: str
    bin_s: float
    provenance: Provenance

    @property
    def subject_id(self) -> str:
        """Name of the animal."""
        return name_subject(self.provenance, self.animal)

    @property
    def session_id(self) -> str:
        """Name of the session among those of its animal."""
        return name_session(self.provenance, self.episode)

    @property
    def responses(self) -> pd.DataFrame:
        """Time in s, choice and reward of every choice."""
        made = self.steps[self.steps["choice"] >= 0]
        return made[["stop_time", "choice", "reward"]].rename(columns={"stop_time": "time"})

    @property
    def rewards(self) -> pd.DataFrame:
        """Time in s and size of every reward."""
        paid = self.steps[self.steps["reward"] != 0]
        return paid[["stop_time", "reward"]].rename(columns={"stop_time": "time"})

    @property
    def stop_s(self) -> float:
        """End of the session, in s."""
        return float(to_seconds(self.series.sizes["bin"], self.bin_s))


def get_run_name(provenance: Provenance) -> str:
    """Eight hexadecimal digits that stand for how a recording was made: settings, seed, and neurons if there were any."""
    config, spiking = (json.loads(str(provenance.get(key, "{}"))) for key in ("config", "spiking"))
    return hash_config(config | ({"spiking": spiking} if spiking else {}))[:8]


def name_subject(provenance: Provenance, animal: int) -> str:
    """The animal; those of runs with other settings or seeds have other names.

    Parameters
    ----------
    provenance : mapping
        Attributes of the recording.
    animal : int
    """
    return f"simmonkey-{get_run_name(provenance)}-{animal:03d}"


def name_session(provenance: Provenance, episode: int) -> str:
    """The paradigm and the episode.

    Parameters
    ----------
    provenance : mapping
        Attributes of the recording.
    episode : int
    """
    return f"{str(provenance['paradigm']).replace('_', '-')}-{episode:04d}"


def list_sessions(recording: xr.Dataset, sessions: int | None = None) -> list[tuple[int, int]]:
    """Places (animal, recorded episode) of the first `sessions` recorded sessions of every animal, all if None.

    Parameters
    ----------
    recording : xarray.Dataset
    sessions : int, optional

    Raises
    ------
    InputError
        If the recording has fewer sessions.
    """
    n = count_sessions(recording, "recorded_episode", sessions)
    return [(animal, session) for animal in range(recording.sizes["animal"]) for session in range(n)]


def count_sessions(recording: xr.Dataset, dimension: str, sessions: int | None) -> int:
    """Sessions asked for of those along `dimension`; all of them if None.

    Parameters
    ----------
    recording : xarray.Dataset
    dimension : str
    sessions : int or None

    Raises
    ------
    InputError
        If the recording has fewer sessions.
    """
    there = recording.sizes[dimension]
    if sessions is not None and not 1 <= sessions <= there:
        raise InputError(
            f"--sessions must lie from 1 to {there}, the sessions kept an animal, got {sessions}."
        )
    return sessions or there


def read_session(recording: xr.Dataset, *, animal: int = 0, session: int = 0) -> Session:
    """Read one session of a recording, open or in memory.

    Parameters
    ----------
    recording : xarray.Dataset
        From `pfc_da.recording.read_recording` or `open_recording`.
    animal, session : int
        Places along `animal` and `recorded_episode`.
    """
    for dimension, place in (("animal", animal), ("recorded_episode", session)):
        if not 0 <= place < recording.sizes[dimension]:
            last = recording.sizes[dimension] - 1
            raise InputError(f"{dimension} must lie from 0 to {last} in this recording, got {place}.")
    own = recording[[*list_labels(recording), *SERIES]]
    own = own.isel(animal=animal, condition=0, recorded_episode=session)
    own = load(own.isel(episode=int(own["recorded_episode"])))
    steps = tabulate_steps(own)
    trials, columns = tabulate_trials(own, steps)
    units, more = tabulate_units(own)
    spikes, how_spiked = _get_spikes(recording, own)
    return Session(
        animal=int(own["animal"]),
        episode=int(own["recorded_episode"]),
        condition=str(own["condition"].values),
        phases=get_phases(own),
        trials=trials,
        steps=steps,
        columns=columns | more,
        series=own[list(SERIES)],
        units=units,
        spikes=spikes,
        how_spiked=how_spiked,
        bin_s=get_bin_s(own),
        provenance=recording.attrs,
    )


def list_labels(recording: xr.Dataset) -> list[str]:
    """Variables of a session, by step or as a whole; what else a recording may hold is not of sessions, or of units."""
    return [
        str(name)
        for name, values in recording.data_vars.items()
        if "episode" in values.dims and "unit" not in values.dims
    ]


def _get_spikes(recording: xr.Dataset, own: xr.Dataset) -> tuple[Spikes | None, str]:
    """Spikes of a session, the same in every export of a run, and how they came about; none if activity is not in Hz."""
    animal, episode = int(own["animal"]), int(own["recorded_episode"])
    if neurons := count_neurons(recording):
        return read_spikes(recording, animal, episode), HOW_FIRED.format(neurons=neurons)
    if not has_rates(own):
        return None, ""
    rng = numpy_stream(get_seed(own), "export", "spikes", animal, episode)
    rates = own["activity"].transpose("bin", "unit").values
    try:
        return draw_spikes(rates, bin_s=get_bin_s(own), rng=rng), HOW_DRAWN
    except InputError as error:
        raise InputError(f"animal {animal}, episode {episode}: {error}") from None
