"""One NWB file a session, laid out and named as on the DANDI archive.

NWB and the archive know no simulated subjects: `Subject` carries the modelled species, and every description says that no
animal was recorded. Tables are built from whole columns; adding units one by one takes 70 times as long.

Specification: Ruebel et al. 2022, eLife 11:e78362, doi 10.7554/eLife.78362.
"""

import datetime
import functools
import io
import json
from collections.abc import Iterator, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pfc_da.export.jobs import Job, importing
from pfc_da.export.session import (
    Session,
    list_sessions,
    name_session,
    name_subject,
    read_session,
)
from pfc_da.export.spikes import Spikes
from pfc_da.recording_schema import has_rates

if TYPE_CHECKING:
    from pynwb import NWBFile

NO_ANIMAL = "Simulated in silico with pfc_da; no animal was recorded."
STARTED = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
"""Simulated sessions have no date; this one stands for all."""
NO_SPIKES = "Activity of the units is no firing rate, so there are neither spikes nor units."
CHUNK = 1 << 17
"""Numbers a compressed chunk; what is shorter is not compressed."""


def plan(recording: xr.Dataset, sessions: int | None) -> Iterator[Job]:
    """One file a recorded session.

    Parameters
    ----------
    recording, sessions
        As in `pfc_da.export.formats`.
    """
    with importing("nwb"):
        import pynwb  # noqa: F401  # a missing extra is refused before any file is written
    kind = "behavior+ecephys" if has_rates(recording) else "behavior"
    for animal, session in list_sessions(recording, sessions):
        subject = f"sub-{name_subject(recording.attrs, int(recording['animal'][animal]))}"
        name = name_session(recording.attrs, int(recording["recorded_episode"][session]))
        path = Path(subject, f"{subject}_ses-{name}_{kind}.nwb")
        yield Job(path, functools.partial(_write, recording, animal, session))


def _write(recording: xr.Dataset, animal: int, session: int, path: Path) -> None:
    write_nwb(read_session(recording, animal=animal, session=session), path)


def write_nwb(session: Session, path: str | Path) -> None:
    """Write a session as an NWB file: put together in memory, since HDF5 may end the process when the disk is full.

    Parameters
    ----------
    session : Session
    path : path
    """
    with importing("nwb"):
        from pynwb import NWBHDF5IO
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file, NWBHDF5IO(file=file, mode="w") as nwb:
        nwb.write(build_nwb(session))
    Path(path).write_bytes(content.getbuffer())


def build_nwb(session: Session) -> "NWBFile":
    """Put a session into an NWB file in memory."""
    with importing("nwb"):
        from pynwb import NWBFile
    made_by = session.provenance
    versions = json.loads(made_by.get("versions", "{}"))
    file = NWBFile(
        session_description=f"{NO_ANIMAL} Paradigm {made_by['paradigm']}, condition {session.condition}, weights "
        f"frozen. {session.how_spiked or NO_SPIKES}",
        identifier=f"{session.subject_id}-{session.session_id}",
        session_start_time=STARTED,
        session_id=session.session_id,
        experiment_description=f"{NO_ANIMAL} A prefrontal network ({made_by['network']}), trained by a dopamine prediction "
        f"error (rule {made_by['rule']}), learns within the session by its activity alone.",
        experimenter=["pfc_da, simulator"],
        institution="in silico",
        keywords=["simulation", "in silico", "dopamine", "prefrontal cortex", str(made_by["paradigm"])],
        related_publications=["doi:10.1038/s41593-018-0147-8"],
        was_generated_by=[list(pair) for pair in versions.items()] or None,
        notes=f"Seed {made_by['seed']}; pfc_da at commit {made_by.get('commit', 'unknown')}; settings in scratch/settings.",
        subject=_make_subject(session),
    )
    file.add_scratch(str(made_by["config"]), name="settings", description="every setting of the run, as JSON")
    if "spiking" in made_by:
        file.add_scratch(
            str(made_by["spiking"]), name="spiking", description="how neurons replayed it, as JSON"
        )
    file.trials = _make_trials(session)
    for table in _make_events(session):
        file.add_events_table(table)
    _add_series(file, session)
    if session.spikes is not None:
        file.units = _make_units(session, session.spikes)
    return file


def _make_subject(session: Session) -> Any:
    from pynwb.file import Subject

    return Subject(
        subject_id=session.subject_id,
        species="Macaca mulatta",
        sex="U",
        age="P5Y/P10Y",
        description=f"{NO_ANIMAL} A trained network, seed {session.provenance['seed']}, animal {session.animal}. The "
        "species is the one modelled; sex and age are there because archives ask for them.",
    )


def _make_trials(session: Session) -> Any:
    from pynwb.core import VectorData
    from pynwb.epoch import TimeIntervals

    columns = [
        VectorData(name=name, description=session.columns[name], data=values.to_numpy())
        for name, values in session.trials.items()
    ]
    description = (
        "One row a trial; choice, reward, value and rpe are those at the end of the phase of the choice."
    )
    return TimeIntervals(name="trials", description=description, columns=columns, id=_number(session.trials))


def _make_events(session: Session) -> Iterator[Any]:
    """The begin and duration of every phase, the choices and the rewards, a table each."""
    from pynwb.core import VectorData
    from pynwb.event import DurationVectorData

    for phase in session.phases:
        own = session.steps[session.steps["phase"] == phase]
        lasts = (own["stop_time"] - own["start_time"]).round(6).to_numpy()
        duration = DurationVectorData(name="duration", description="of the phase (s)", data=lasts)
        times = own["start_time"].to_numpy()
        yield _make_table(
            session, f"{phase}_onset", f"Begin of the phase {phase} of every trial.", times, duration
        )
    for name, events, text in (
        ("response", session.responses, "Every choice, and its reward."),
        ("reward", session.rewards, "Every reward, delivered as the next phase begins."),
    ):
        if events.empty:
            continue
        numbers = [
            VectorData(name=str(key), description=session.columns[str(key)], data=column.to_numpy())
            for key, column in events.drop(columns="time").items()
        ]
        yield _make_table(session, name, text, events["time"].to_numpy(), *numbers)


def _make_table(session: Session, name: str, description: str, times: NDArray, *columns: Any) -> Any:
    from pynwb.event import EventsTable, TimestampVectorData

    stamps = TimestampVectorData(
        name="timestamp", description="s since the session began", data=times, resolution=session.bin_s
    )
    return EventsTable(
        name=name,
        description=f"{description} Simulated.",
        columns=[stamps, *columns],
        id=_number(times),
        source_description="pfc_da",
    )


def _add_series(file: "NWBFile", session: Session) -> None:
    """Activity, value, policy and dopamine, bin by bin."""
    from pynwb import TimeSeries

    module = file.create_processing_module(
        name="behavior",
        description="Activity and latent variables of the simulated animal, one sample a bin, stamped at its begin.",
    )
    for name, values in session.series.items():
        for part, which, data in _split(values.transpose("bin", ...).values):
            series = TimeSeries(
                name=f"{name}{part}",
                description=f"{values.attrs['long_name']}{which}",
                data=_pack(data),
                unit=values.attrs["units"],
                starting_time=0.0,
                rate=1 / session.bin_s,
            )
            module.add(series)


def _split(values: NDArray) -> Iterator[tuple[str, str, NDArray]]:
    """A series (bin, ...) in parts no wider than long, which inspectors would take for transposed.

    Yields
    ------
    Endings of the name and of the description, and the numbers of each part.
    """
    n_bins, width = values.shape[0], values.shape[1] if values.ndim > 1 else 1
    if width <= n_bins:
        yield "", "", values
        return
    for part, first in enumerate(range(0, width, n_bins)):
        last = min(first + n_bins, width) - 1
        yield f"_{part}", f", columns {first} to {last} of {width}", values[:, first : last + 1]


def _make_units(session: Session, spikes: Spikes) -> Any:
    from pynwb.core import VectorData, VectorIndex
    from pynwb.misc import Units

    n = len(session.units)
    times = VectorData(name="spike_times", description=session.how_spiked, data=_pack(spikes.times))
    observed = VectorData(
        name="obs_intervals", description="the whole session (s)", data=np.tile([0.0, session.stop_s], (n, 1))
    )
    columns = [
        times,
        VectorIndex(name="spike_times_index", target=times, data=spikes.ends),
        observed,
        VectorIndex(name="obs_intervals_index", target=observed, data=np.arange(1, n + 1)),
        *(
            VectorData(name=str(name), description=session.columns[str(name)], data=values.to_numpy())
            for name, values in session.units.items()
        ),
    ]
    return Units(
        name="units",
        description=f"{NO_ANIMAL} {session.how_spiked}",
        columns=columns,
        id=_number(session.units),
        resolution=spikes.resolution_s,
    )


def _number(rows: Sized) -> NDArray:
    """Numbers of rows, which pynwb would make a list of and check one by one."""
    return np.arange(len(rows))


def _pack(values: NDArray) -> Any:
    """Long arrays in compressed chunks."""
    from pynwb import H5DataIO

    if values.size <= CHUNK:
        return values
    chunks = (max(CHUNK // values[0].size, 1), *values.shape[1:])
    return H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True, chunks=chunks)
