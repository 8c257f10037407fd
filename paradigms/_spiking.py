"""The spiking replay of a run: every animal as neurons, one recording, and how many of the networks converted.

Animals already played are kept in `animals/NNN/spiking.nc` until all are, so an interrupted replay goes on with the next.
"""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.reference import load_references
from pfc_da.analysis.spiking import (
    MAY_LOSE,
    compute_shares,
    summarise_conversion,
    summarise_neurons,
    tabulate_conversion,
)
from pfc_da.circuits.replay_spiking import SpikingReplay, count_sessions, replay_spiking_animal
from pfc_da.circuits.spiking_pfc import require_spiking
from pfc_da.errors import InputError
from pfc_da.paradigms._experiment import Experiment, in_worker, join_animals, tabulate_statistics, work
from pfc_da.progress import Progress
from pfc_da.recording import describe, load, open_recording, set_provenance, write_recording
from pfc_da.rng import numpy_stream
from pfc_da.rollout import Condition
from pfc_da.run_folder import RunFolder, write_atomic
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.train import build_agent, load_trained

RECORDING, STATISTICS, PART = "recording_spiking.nc", "statistics_spiking.csv", "spiking.nc"


def check_spiking(experiment: Experiment, settings: RunSettings, how: SpikingReplay) -> None:
    """Refuse in one line what cannot be replayed so."""
    task = experiment.build_task(settings, test=True)
    require_spiking(build_agent(settings, task).network)
    if how.stimulation is not None:
        how.stimulation.require_phase(task)


def is_spiking_done(settings: RunSettings, folder: RunFolder, how: SpikingReplay) -> bool:
    """Whether the folder holds this very replay.

    Raises
    ------
    InputError
        If it holds another one.
    """
    path = folder.path / RECORDING
    if not path.exists():
        return False
    with open_recording(path) as recording:
        before = json.loads(recording.attrs["spiking"])
    now = json.loads(how.tell())
    for key, value in now.items():
        if before.get(key) != value:
            raise InputError(
                f"{path} was replayed with {key} {before.get(key)}, and {value} was asked for. --force replaces it."
            )
    return (folder.path / STATISTICS).exists()


def replay_spiking(
    experiment: Experiment,
    settings: RunSettings,
    folder: RunFolder,
    progress: Progress,
    workers: int | None,
    how: SpikingReplay,
) -> pd.DataFrame:
    """Replay every animal as neurons, several at once; write the recording and its statistics.

    Returns
    -------
    DataFrame
        `analysis.spiking.tabulate_conversion`.
    """
    task, jobs = experiment.build_task(settings, test=True), []
    conditions = [each for each in experiment.conditions if each.name in experiment.spiking]
    parts = [folder.animal(animal) / PART for animal in range(settings.animals)]
    for animal, part in enumerate(parts):
        trained = load_trained(settings, task, animal, folder.animal(animal))
        report = progress.task(f"neurons of animal {animal}", count_sessions(conditions, how))
        jobs.append(
            joblib.delayed(in_worker)(
                _replay_part, settings, task, trained, animal, conditions, how, report, part
            )
        )
    work(jobs, workers)
    recording = _join([load(open_recording(part)) for part in parts], task)
    rng = numpy_stream(settings.seed, "analysis", "spiking")
    shares = compute_shares(recording, **find_observers(experiment.name, task))
    statistics = [*summarise_conversion(shares, rng=rng), *summarise_neurons(recording, rng=rng)]
    folder.write_atomic(RECORDING, lambda aside: write_recording(recording, aside))
    table = tabulate_statistics(statistics, settings)
    folder.write_atomic(STATISTICS, functools.partial(table.to_csv, index=False))
    for part in parts:
        part.unlink()
    return tabulate_conversion(shares, rng=rng)


def format_conversion(table: pd.DataFrame) -> str:
    """The table as text, and which networks did not convert, if any."""
    shown = table.assign(converts=table["converts"].map({True: "yes", False: "NO"}))
    lines = [shown.to_string(index=False, float_format="{:.3f}".format)]
    if failed := [f"{animal:03d}" for animal in table["animal"][~table["converts"]]]:
        lines.append(
            f"Animals that lose more than {MAY_LOSE} of the optimum as neurons: {', '.join(failed)}."
        )
    return "\n".join(lines)


def find_observers(paradigm: str, task: Task) -> dict[str, float]:
    """Reward a trial of the worst and the best observer known for the task; 0 and 1 where none is known.

    The worst chooses blindly, so it is `chance`; the best is the `optimum`.
    """
    variants = {"", *map(str, dataclasses.asdict(task).values())}
    rewards = [
        row.estimate
        for row in load_references(paradigm)
        if (row.key, row.kind) == ("reward_per_trial", "derived") and row.condition in variants
    ]
    return (
        {"chance": min(rewards), "optimum": max(rewards)}
        if len(rewards) > 1
        else {"chance": 0.0, "optimum": 1.0}
    )


def _replay_part(
    settings: RunSettings,
    task: Task,
    trained: Any,
    animal: int,
    conditions: list[Condition],
    how: SpikingReplay,
    report: Callable[[int, str], None],
    part: Path,
) -> None:
    """Replay one animal into a file of its own, unless that was done before."""
    told = {"spiking": how.tell(), "neurons_per_unit": how.neurons_per_unit}
    config = how.limit(settings).model_dump(mode="json")
    if _holds(part, {"config": json.dumps(config), **told}):
        return report(count_sessions(conditions, how), "played before")
    recording = replay_spiking_animal(settings, task, trained, animal, conditions, how, report)
    set_provenance(recording, config=config, choice_phase=task.choice_phase).attrs.update(told)
    write_atomic(part, lambda aside: write_recording(recording, aside))


def _holds(part: Path, told: dict[str, Any]) -> bool:
    try:
        with open_recording(part) as recording:
            return all(recording.attrs[name] == value for name, value in told.items())
    except (InputError, KeyError):  # half-written it cannot be; of another version it may, and is made anew
        return False


def _join(parts: list[xr.Dataset], task: Task) -> xr.Dataset:
    """One recording of all animals, the spikes of one after those of the other."""
    recording = join_animals([part.drop_dims("spike") for part in parts], task)
    ragged = [name for name, variable in parts[0].data_vars.items() if "spike" in variable.dims]
    spikes = xr.concat([part[ragged] for part in parts], "spike", coords="minimal", compat="override")
    animal = np.repeat(np.arange(len(parts), dtype=np.int16), [part.sizes["spike"] for part in parts])
    joined = recording.merge(spikes.drop_vars(spikes.coords)).assign(spike_animal=("spike", animal))
    units = str(recording["activity"].attrs["units"])
    return describe(joined, task.descriptions, units).assign_attrs(parts[0].attrs)
