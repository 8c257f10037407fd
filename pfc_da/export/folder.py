"""Exporting a run: which files there will be, each written whole, those that are there already left alone.

Beside the files stands one JSON file with the recording they are of, the settings, the versions and the commit. It also
keeps exports apart: a folder that holds one of another recording is refused, never mixed. A second file keeps the SHA-256
of every file that is finished, as the program `sha256sum` writes it; a finished file that has changed since is refused.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from pfc_da.errors import InputError, damaged, nearest
from pfc_da.export.arrays import plan_netcdf, plan_zarr
from pfc_da.export.choices import plan_csv
from pfc_da.export.jobs import Job
from pfc_da.export.nwb import plan_nwb
from pfc_da.export.session import get_run_name
from pfc_da.files import (
    hash_file,
    remove,
    remove_stale,
    require_file,
    require_name,
    write_atomic,
    write_folder_atomic,
)
from pfc_da.folder_lock import lock_folder
from pfc_da.manifest import Manifest, read_manifest
from pfc_da.progress import Progress
from pfc_da.recording import open_recording
from pfc_da.run_folder import RunFolder

FORMATS: Mapping[str, Callable[[xr.Dataset, int | None], Iterator[Job]]] = {
    "nwb": plan_nwb,
    "netcdf": plan_netcdf,
    "zarr": plan_zarr,
    "csv": plan_csv,
}
"""Name -> what is to be written of a recording's first sessions."""


def export_run(
    run: str | Path,
    format: str,
    *,
    out: str | Path | None = None,
    sessions: int | None = None,
    spiking: bool = False,
    force: bool = False,
) -> tuple[Path, list[Path]]:
    """Write a run for other people's tools, or go on where that was interrupted.

    Parameters
    ----------
    run : path
        Run folder; it must have been replayed.
    format : str
        One of `FORMATS`.
    out : path, optional
        Folder to write; ``exports/FORMAT`` in the run folder unless given, ``exports_spiking/FORMAT`` of neurons. Runs
        may share one.
    sessions : int, optional
        Only the first of every animal: of those recorded with units for NWB, of all kept step by step otherwise.
    spiking : bool
        What neurons played (``recording_spiking.nc``), not the rate network.
    force : bool
        Write anew what this run has exported to `out`.

    Returns
    -------
    folder : Path
    written : list of Path
        Files written now, in the order written; those already there are not among them.

    Raises
    ------
    InputError
        If the run has no such recording, the format is none, or `out` holds an export of something else.
    """
    if format not in FORMATS:
        raise InputError(f"no format {format!r}.{nearest(format, FORMATS)} There are: {', '.join(FORMATS)}.")
    run = Path(run)
    out = Path(out) if out else run / ("exports_spiking" if spiking else "exports") / format
    require_name(out)
    manifest = read_manifest(run)
    source = _find_recording(run, manifest, spiking)
    with open_recording(source) as recording:
        recording.attrs |= {"commit": manifest.commit, "versions": json.dumps(manifest.versions)}
        jobs = [job._replace(path=out / job.path) for job in FORMATS[format](recording, sessions)]
        within = out.resolve().is_relative_to(run.resolve())
        with lock_folder(run if within else out):
            remove_stale(out)
            known = manifest.files.get(source.name) or hash_file(source)
            of: dict[str, Any] = {"format": format, "recording_sha256": known}
            if format != "nwb":  # an NWB file is the same, however many sessions are exported
                of["sessions"] = sessions or "all"
            name = f"{recording.attrs['paradigm']}-{get_run_name(recording.attrs)}"
            if force:
                _remove(out, name)
            finished = _Finished(out, f"{name}.sha256")
            _prepare(out / f"{name}.json", finished, recording, of)
            return out, _write(jobs, finished)


def _find_recording(run: Path, manifest: Manifest, spiking: bool) -> Path:
    """The recording to export, if it was made."""
    if spiking:
        source, command = run / "recording_spiking.nc", f"pfc-da replay {run} --spiking"
        done = source.exists()  # it is no stage
        RunFolder(run, manifest, None).require_whole(source.name)
    else:
        source, command = run / "recording.nc", f"pfc-da replay {run}"
        done = RunFolder(run, manifest, None).is_done("replay")
    if not done:
        what = "replay as neurons" if spiking else "replay"
        raise InputError(f"{run}: export needs {what}, which is not done; '{command}' does it.")
    return source


class _Finished:
    """The SHA-256 of the files that are finished, by their path in the folder of the export."""

    def __init__(self, out: Path, name: str) -> None:
        self._out, self._file = out, out / name
        self._known: dict[str, str] = {}
        if self._file.exists():
            require_file(self._file)
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
            self._known = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}

    def has(self, path: Path) -> bool:
        """Whether the file or folder is finished; refuse it if it has changed since."""
        own = self._list(path)
        known = {name: digest for name, digest in self._known.items() if self._is_of(name, path)}
        if not own or not known:
            return False
        changed = [name for name in own | known if name not in known or own.get(name) != known[name]]
        if changed:
            raise InputError(
                f"{self._out / changed[0]} is damaged: it is not what was written (SHA-256). It was left as it is; "
                "--force writes the export anew."
            )
        return True

    def add(self, path: Path) -> None:
        """Keep that the file or folder is finished."""
        others = {name: digest for name, digest in self._known.items() if not self._is_of(name, path)}
        self._known = dict(sorted((others | self._list(path)).items()))
        text = "".join(f"{digest}  {name}\n" for name, digest in self._known.items())
        write_atomic(self._file, lambda file: file.write_text(text, encoding="utf-8"))

    def _list(self, path: Path) -> dict[str, str]:
        """What is there now."""
        parts = [part for part in path.rglob("*") if not part.is_dir()] if path.is_dir() else [path]
        return {part.relative_to(self._out).as_posix(): hash_file(part) for part in parts if part.exists()}

    def _is_of(self, name: str, path: Path) -> bool:
        own = path.relative_to(self._out).as_posix()
        return name == own or name.startswith(f"{own}/")


def _remove(out: Path, name: str) -> None:
    """Remove the files of this run, but not those of its neurons."""
    for old in out.glob(f"*-{name.rpartition('-')[2]}*"):
        remove(old)


def _prepare(stamp: Path, finished: _Finished, recording: xr.Dataset, of: dict[str, Any]) -> None:
    """Have the folder hold the JSON file of this export and nothing of another export of the same run."""
    if stamp.exists():
        whole = finished.has(stamp)
        _require_same(stamp, of)
        if whole:
            return
    told = {str(key): value for key, value in recording.attrs.items()}
    told |= {key: json.loads(told[key]) for key in ("config", "versions", "spiking") if key in told}
    text = json.dumps({"export": of, **told}, indent=2, default=int) + "\n"
    write_atomic(stamp, lambda file: file.write_text(text, encoding="utf-8"))
    finished.add(stamp)


def _require_same(stamp: Path, of: dict[str, Any]) -> None:
    try:
        before = dict(json.loads(stamp.read_text(encoding="utf-8"))["export"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(stamp, "it does not say what was exported") from error
    for key in of:
        if before.get(key) != of[key]:
            raise InputError(
                f"{stamp.parent} holds an export of this run with another {key.removesuffix('_sha256')}: "
                f"{before.get(key)} there, {of[key]} now. Give another --out, or --force to write it anew."
            )


def _write(jobs: list[Job], finished: _Finished) -> list[Path]:
    to_do = [job for job in jobs if not finished.has(job.path)]
    if not to_do:
        return []
    with Progress() as progress:
        report = progress.task("export", len(jobs))
        report(len(jobs) - len(to_do))
        for done, job in enumerate(to_do, len(jobs) - len(to_do) + 1):
            remove(job.path)  # written, but a kill came before that was kept
            (write_folder_atomic if job.is_folder else write_atomic)(job.path, job.write)
            finished.add(job.path)
            report(done, job.path.name)
    return [job.path for job in to_do]
