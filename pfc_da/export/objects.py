"""A session as objects of neo (elephant) and of pynapple, without a file between."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pfc_da.export.jobs import importing
from pfc_da.export.session import Session
from pfc_da.export.tables import to_seconds

if TYPE_CHECKING:
    import neo


def to_neo(session: Session) -> "neo.Block":
    """Return a session as a `neo.Block` of one segment, times in s.

    Returns
    -------
    neo.Block
        ``segments[0]`` has a spike train a unit (annotated with area, cell_type...; none for an LSTM), an analog signal a
        series (dimensionless but for activity, its units an annotation), an epoch ``trials`` whose array annotations are
        the columns of the trials table, an epoch a phase, and the events ``response`` and ``reward``, with choices and
        rewards as array annotations.
    """
    with importing("ephys"):
        import neo

    block = neo.Block(name=session.subject_id, description=session.how_spiked)
    segment = neo.Segment(name=session.session_id)
    block.segments.append(segment)
    trains = session.spikes.trains() if session.spikes else []
    for (unit, known), times in zip(session.units.iterrows(), trains, strict=False):
        train = neo.SpikeTrain(times, units="s", t_stop=session.stop_s, name=str(unit), **known.to_dict())
        segment.spiketrains.append(train)
    segment.analogsignals.extend(_make_signals(session))
    phases = session.steps.groupby("phase", sort=False)
    segment.epochs.append(_make_epoch("trials", session.trials))
    segment.epochs.extend([_make_epoch(str(phase), own) for phase, own in phases])
    for name, events in (("response", session.responses), ("reward", session.rewards)):
        numbers = {str(key): column.to_numpy() for key, column in events.drop(columns="time").items()}
        segment.events.append(
            neo.Event(times=events["time"].to_numpy(), units="s", name=name, array_annotations=numbers)
        )
    return block


def _make_signals(session: Session) -> "list[neo.AnalogSignal]":
    import neo
    import quantities as pq

    return [
        neo.AnalogSignal(
            values.transpose("bin", ...).values,
            units="Hz" if values.attrs["units"] == "Hz" else "dimensionless",
            sampling_rate=1 / session.bin_s * pq.Hz,
            name=str(name),
            unit=values.attrs["units"],
        )
        for name, values in session.series.items()
    ]


def _make_epoch(name: str, rows: pd.DataFrame) -> "neo.Epoch":
    import neo

    return neo.Epoch(
        times=rows["start_time"].to_numpy(),
        durations=(rows["stop_time"] - rows["start_time"]).to_numpy(),
        labels=rows.index.astype(str).to_numpy(),
        units="s",
        name=name,
        array_annotations={str(name): column.to_numpy() for name, column in rows.items()},
    )


def to_pynapple(session: Session) -> dict[str, Any]:
    """Return a session as pynapple objects, under the names `pynapple.load_file` gives those of an exported NWB file.

    Returns
    -------
    dict
        ``units`` (TsGroup with area, cell_type...; none for an LSTM), ``trials`` (IntervalSet with the columns of the
        trials table), and a Tsd or TsdFrame a series.
    """
    with importing("ephys"):
        import pynapple as nap

    trials = session.trials.rename(columns={"start_time": "start", "stop_time": "end"})
    found: dict[str, Any] = {"trials": nap.IntervalSet(trials)}
    if session.spikes is not None:
        whole = nap.IntervalSet(0.0, session.stop_s)  # given to each train, as one spike alone spans no time
        trains = {
            unit: nap.Ts(times, time_support=whole) for unit, times in enumerate(session.spikes.trains())
        }
        found["units"] = nap.TsGroup(trains, time_support=whole, metadata=session.units)
    times = to_seconds(np.arange(session.series.sizes["bin"]), session.bin_s)
    for name, values in session.series.items():
        make = nap.Tsd if values.ndim == 1 else nap.TsdFrame
        found[str(name)] = make(t=times, d=values.transpose("bin", ...).values)
    return found
