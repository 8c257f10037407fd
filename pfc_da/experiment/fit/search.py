"""Search for the settings of a simulated population whose statistics are closest to recorded ones.

A candidate is a population of animals with settings drawn from a declared space (`space`), trained, replayed frozen
and compared with the recordings by the functions of ``pfc-da compare --recorded``; its distance is that of
`pfc_da.analysis.comparison.distance`. Candidate 0 has the default settings. All candidates have the same seeds, so that
they differ by their settings; the nearest and the default are then simulated again with other seeds, for the nearest of
many is so in part by luck. Statistics that are held out enter no distance that is searched.

A finished candidate is one small file, one under way a run folder; so an interrupted fit goes on, and ends as if it had
not been.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pfc_da.analysis.comparison.distance import get_recorded
from pfc_da.analysis.comparison.run import compare_recording
from pfc_da.analysis.readers.column_map import read_column_map
from pfc_da.analysis.readers.dataset import Recorded, read_datasets
from pfc_da.errors import InputError, damaged, plural
from pfc_da.experiment.experiment import Experiment
from pfc_da.experiment.fit.ranking import (
    DistanceMetric,
    Population,
    add_fresh,
    format_fit,
    rank_candidates,
    tabulate_fresh,
)
from pfc_da.experiment.fit.space import PILOTS, Space, Values, draw_values, read_space, require_optuna
from pfc_da.experiment.stages import list_to_do, plan_stages, run_stages
from pfc_da.jobs.cost import Cost
from pfc_da.jobs.progress import Progress, Report
from pfc_da.recording import read_recording
from pfc_da.rng import derive_seed
from pfc_da.rollout import CONTROLS
from pfc_da.settings import RunSettings, merge
from pfc_da.storage.files import remove, remove_stale, require_name, write_atomic
from pfc_da.storage.folder_lock import LOCKS, lock_folder
from pfc_da.storage.request import flatten, require_same_request
from pfc_da.storage.run_folder import RunFolder
from pfc_da.storage.yaml_file import format_yaml

UNTRAINED = next(condition for condition in CONTROLS if condition.name == "untrained")
FOR_FIT: dict[str, dict[str, Any]] = {"train": {"snapshots": ()}, "replay": {"held_out_sessions": 200}}
"""Defaults of a candidate where they are not those of a run: only what is compared is made."""
_OURS = ("candidates", "fresh", "running", "ranking.csv", "fresh.csv", "best.yaml", "error.txt", "fit.json")


@dataclasses.dataclass(frozen=True)
class Fit:
    """A search, as it was asked for. `settings` makes those of a population from texts such as ``train.updates=50``."""

    experiment: Experiment
    settings: Callable[[Sequence[str]], RunSettings]
    space: Space
    recorded: Recorded
    asked: dict[str, Any]
    out: Path

    @classmethod
    def ask(
        cls,
        experiment: Experiment,
        paths: Sequence[str | Path],
        *,
        out: str | Path,
        space_file: str | Path | None = None,
        columns_file: str | Path | None = None,
        sets: Sequence[str] = (),
        **arguments: Any,
    ) -> "Fit":
        """Read and check everything, before anything is written.

        Parameters
        ----------
        experiment : Experiment
        paths : sequence of path
            Recordings.
        out : path
            Folder of the fit.
        space_file : path, optional
            Settings to draw and statistics to fit; the default space if None.
        columns_file : path, optional
            Names of the columns in the recordings.
        sets : sequence of str
            Settings, ``NAME=VALUE``.
        **arguments
            Other arguments of `Experiment.settings`.

        Raises
        ------
        InputError
            If a file, a setting or the space is not valid.
        """
        require_optuna()
        require_name(out)
        space = read_space(space_file)
        own = dataclasses.replace(
            experiment,
            defaults=merge(experiment.defaults, FOR_FIT),
            conditions=(experiment.conditions[0], UNTRAINED),
        )

        def settings(more: Sequence[str]) -> RunSettings:
            return own.settings(sets=[*sets, *more], **arguments)

        for name in space.settings:
            for value in space.ends(name):
                settings([f"{name}={value}"])
        recorded = _read_one(paths, columns_file)
        asked = {
            "settings": settings([]).model_dump(mode="json"),
            "space": space.model_dump(mode="json"),
            "recordings": [_digest(Path(path)) for path in paths],
            "columns": recorded.columns.model_dump(mode="json"),
        }
        return cls(own, settings, space, recorded, asked, Path(out))

    def run(
        self,
        candidates: int,
        progress: Progress,
        workers: int | None = None,
        force: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> tuple[bool, str]:
        """Simulate the candidates that are not yet there, and rank all.

        Parameters
        ----------
        candidates : int
            Candidates besides the default settings.
        progress : Progress
        workers : int, optional
            Processes.
        force : bool
            Discard what was simulated before.
        begin : callable
            Called once the folder is known to be a fit, before anything in it is changed.

        Returns
        -------
        did_work : bool
            True if anything was simulated.
        text : str
            Ranking and comparisons.
        """
        with lock_folder(self.out):
            self._check(force)
            begin()
            self._prepare(force)
            report = progress.task("candidates", candidates + 3)
            report(0, "default settings")
            worked = self._simulate("candidates", 0, {}, (), workers)
            found = [self._read("candidates", 0)]
            metric = DistanceMetric(self.space, found)
            for number in range(1, candidates + 1):
                report(number, f"nearest {min(map(metric.measure, found)):.3g}")
                values = self._draw(found, metric)
                worked |= self._simulate("candidates", number, values, found[:1], workers)
                found.append(self._read("candidates", number))
                if number <= PILOTS:
                    metric = DistanceMetric(self.space, found)
            ranking = rank_candidates(metric, flatten(self.asked["settings"]), [*self.space.settings], found)
            again = dict.fromkeys([ranking.index[0], 0])
            for done, number in enumerate(again):
                report(candidates + 1 + done, "fresh seeds")
                worked |= self._simulate("fresh", number, found[number].values, found[:1], workers)
            report(candidates + 3, "")
            fresh = [self._read("fresh", number) for number in again]
            ranking, table = add_fresh(ranking, metric, found, fresh), tabulate_fresh(metric, fresh)
            self._write(ranking, table, found[ranking.index[0]].values)
            return worked, format_fit(metric, ranking, table)

    def estimate(self, candidates: int, workers: int | None, force: bool = False) -> Cost:
        """Cost of the populations that are not yet there; they run one after another, so only time adds up.

        Parameters
        ----------
        candidates : int
        workers : int, optional
            Processes.
        force : bool
            Count what was simulated before as well.
        """
        population = self.experiment.estimate(self.settings([]), ("train", "replay"), workers)
        kept = (
            0 if force else sum(len([*(self.out / kind).glob("*.json")]) for kind in ("candidates", "fresh"))
        )
        left = max(0, candidates + 3 - kept)  # the default, and two with fresh seeds
        if not left:
            return Cost(0.0, 0.0, 0.0, 0.0)
        return population._replace(cpu_s=left * population.cpu_s, wall_s=left * population.wall_s)

    def kept(self) -> str:
        """Say in a few words what an interrupted fit has kept."""
        n = len(list((self.out / "candidates").glob("*.json")))
        return plural(max(n - 1, 0), "finished candidate") + (" and the default" if n else "")

    def _check(self, force: bool) -> None:
        """Refuse a folder that holds something else, or, unless it is to go, another fit."""
        for running in self.out.glob("running/*"):  # a killed fit may have left workers in one
            lock_folder(running).close()
        remove_stale(self.out)
        stamp = self.out / "fit.json"
        foreign = [file.name for file in self.out.iterdir() if file.name not in (*_OURS, *LOCKS)]
        if foreign and not stamp.exists():
            raise InputError(f"{self.out} holds other files ({foreign[0]}). Give a new or empty folder.")
        if force or not stamp.exists():
            return
        remedy = "Give another --out, or --force to start over."
        require_same_request(f"{self.out} holds another fit", _read_json(stamp), self.asked, remedy)

    def _prepare(self, force: bool) -> None:
        """Have the folder hold this fit and no other."""
        if force:
            for name in _OURS:
                remove(self.out / name)
        if not (stamp := self.out / "fit.json").exists():
            text = json.dumps(self.asked, indent=2) + "\n"
            write_atomic(stamp, lambda file: file.write_text(text, encoding="utf-8"))

    def _draw(self, found: Sequence[Population], metric: DistanceMetric) -> dict[str, Any]:
        """Values of the next candidate."""
        default = flatten(self.asked["settings"])
        whole = [name for name in self.space.settings if isinstance(default[name], int)]
        before = [(population.values, metric.measure(population)) for population in found[1:]]
        return draw_values(self.space, whole, before, self.asked["settings"]["seed"])

    def _simulate(
        self, kind: str, number: int, values: Values, default: Sequence[Population], workers: int | None
    ) -> bool:
        """Train and replay a population and keep its comparison; False if that was done before."""
        file = self.out / kind / f"{number:04d}.json"
        if file.exists():
            return False
        seed: int = self.asked["settings"]["seed"]
        fresh = [f"seed={derive_seed(seed, 'fresh') % 2**31}"] if kind == "fresh" else []
        settings = self._settings(values, fresh, number)
        path = self.out / "running" / f"{kind}-{number:04d}"
        folder, quiet = RunFolder.open(path, settings.model_dump(mode="json")), _Quiet()
        with folder:
            work = plan_stages(self.experiment, settings, folder, quiet, workers)
            run_stages(folder, work, list_to_do(folder, ("train", "replay")), quiet)
        recording = read_recording(path / "recording.nc")
        learned = find_learners(recording)
        diverged = np.array(self.experiment.count_diverged(settings, folder).by_animal, bool)
        known = get_recorded(default[0].rows) if default else []
        kept = {
            "values": dict(values),
            "animals": len(learned),
            "failed": int((~learned | diverged).sum()),
            "rows": _plain(self._compare(recording, known)),
            "without": [
                _plain(self._compare(recording.drop_isel(animal=animal), known))
                for animal in range(len(learned) if kind == "fresh" and len(learned) > 1 else 0)
            ],
        }
        text = json.dumps(kept, allow_nan=False) + "\n"
        write_atomic(file, lambda aside: aside.write_text(text, encoding="utf-8"))
        remove(path)
        return True

    def _settings(self, values: Values, more: Sequence[str], number: int) -> RunSettings:
        try:
            return self.settings([*(f"{name}={value}" for name, value in values.items()), *more])
        except InputError as error:
            raise InputError(f"candidate {number} drew settings that do not go together: {error}") from None

    def _compare(self, recording: xr.Dataset, known: Sequence[Any]) -> pd.DataFrame:
        return compare_recording(recording, self.recorded, known=known)

    def _read(self, kind: str, number: int) -> Population:
        file = self.out / kind / f"{number:04d}.json"
        kept = _read_json(file)
        try:
            tables = [_table(rows) for rows in (kept["rows"], *kept["without"])]
            found = kept["values"], tables[0], kept["animals"], kept["failed"], tuple(tables[1:])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(file, f"it is no population of a fit ({error})") from None
        return Population(number, *found)

    def _write(self, ranking: pd.DataFrame, fresh: pd.DataFrame, best: Values) -> None:
        text = format_yaml(_nest(best))
        write_atomic(self.out / "ranking.csv", lambda file: ranking.to_csv(file, index=False))
        write_atomic(self.out / "fresh.csv", lambda file: fresh.to_csv(file, index=False))
        write_atomic(self.out / "best.yaml", lambda file: file.write_text(text, encoding="utf-8"))
        for name in ("running", "error.txt"):
            remove(self.out / name)


def find_learners(recording: xr.Dataset) -> np.ndarray:
    """Animals that earn more than untrained, in the same sessions, by more than 1.96 standard errors."""
    reward = recording["held_out_reward"]
    gain = reward.sel(condition="frozen") - reward.sel(condition=UNTRAINED.name)
    error = gain.std("held_out_episode", ddof=1) / gain.sizes["held_out_episode"] ** 0.5
    return (gain.mean("held_out_episode") > 1.96 * error).values


class _Quiet(Progress):
    """The trainings of all candidates are too many to show."""

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage that is not shown."""
        yield

    def task(self, name: str, total: int) -> Report:
        """A report that is not shown."""
        return Report(os.devnull, 0)


def _read_one(paths: Sequence[str | Path], columns_file: str | Path | None) -> Recorded:
    """The one data set that a population is fitted to."""
    datasets = read_datasets(paths, None if columns_file is None else read_column_map(columns_file))
    if len(datasets) > 1:
        sources = ", ".join(recorded.source for recorded in datasets)
        raise InputError(f"a fit needs one data set, got {len(datasets)}: {sources}. Give one of them.")
    return datasets[0]


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which knows no NaN."""
    records: list[dict[str, Any]] = table.to_dict(orient="records")
    return [{key: _finite(value) for key, value in record.items()} for record in records]


def _table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows that `_plain` made."""
    return pd.DataFrame(
        [{key: math.nan if value is None else value for key, value in record.items()} for record in records]
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise damaged(file, f"it is not JSON of a fit ({error})") from None


def _digest(path: Path) -> str:
    """Of a file, or of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _nest(values: Values) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        group, _, leaf = name.partition(".")
        nested.setdefault(group, {})[leaf] = value
    return nested
