"""Exporting a run: which files there will be, each written whole, those that are there already left alone.

With the files is one JSON file of the recording they are of, the settings, the versions and the commit. It also
keeps exports apart: a folder that holds one of another recording is refused, never mixed. A second file keeps the SHA-256
of every file that is finished, as the program `sha256sum` writes it; a finished file that has changed since is refused.
"""

import json
from pathlib import Path
from typing import Any

import xarray as xr

from pfc_da.errors import InputError, damaged
from pfc_da.export import formats
from pfc_da.export.cut import name_export
from pfc_da.export.jobs import Job
from pfc_da.jobs.progress import Progress
from pfc_da.recording import open_recording
from pfc_da.storage.files import (
    hash_file,
    remove,
    remove_stale,
    require_file,
    require_name,
    write_atomic,
    write_folder_atomic,
)
from pfc_da.storage.folder_lock import lock_folder
from pfc_da.storage.manifest import Manifest, read_manifest
from pfc_da.storage.request import require_same_request
from pfc_da.storage.run_files import RECORDING, STAGE_REPLAY, name_folder
from pfc_da.storage.run_folder import RunFolder


def export_run(
    run: str | Path,
    format: str,
    *,
    out: str | Path | None = None,
    sessions: int | None = None,
    replay: str = STAGE_REPLAY,
    force: bool = False,
) -> tuple[Path, list[Path]]:
    """Write a run for other people's tools, or go on where that was interrupted.

    Parameters
    ----------
    run : path
    format : str
        A module of `pfc_da.export.formats`.
    out : path, optional
        Folder to write; ``exports/FORMAT`` in the folder of the replay unless given.
    sessions : int, optional
        Only the first of every animal, in NWB of those recorded with units.
    replay : str
        ``rate``, or that of a replay on demand, such as ``spiking``.
    force : bool
        Write anew what this run has exported to `out`.

    Returns
    -------
    (Path, list of Path)
        The folder, and the files written now; those already there are not among them.

    Raises
    ------
    InputError
        If the run has no such recording, the format is none, or `out` holds an export of something else.
    """
    plan, run = formats.load(format), Path(run)
    out = Path(out) if out else run / name_folder(replay) / "exports" / format
    require_name(out)
    manifest = read_manifest(run)
    source = _find_recording(run, manifest, replay)
    with open_recording(source) as recording:
        recording.attrs |= {"commit": manifest.commit, "versions": json.dumps(manifest.versions)}
        jobs = [job._replace(path=out / job.path) for job in plan(recording, sessions)]
        known = manifest.files.get(source.relative_to(run).as_posix()) or hash_file(source)
        with lock_folder(run if out.resolve().is_relative_to(run.resolve()) else out):
            finished = _prepare(out, recording, _describe(format, known, sessions), force)
            return out, _write(jobs, finished)


def _describe(format: str, recording_sha256: str, sessions: int | None) -> dict[str, Any]:
    """Description of an export, as its JSON file keeps it."""
    of: dict[str, Any] = {"format": format, "recording_sha256": recording_sha256}
    if format != "nwb":  # an NWB file is the same, however many sessions are exported
        of["sessions"] = sessions or "all"
    return of


def _find_recording(run: Path, manifest: Manifest, replay: str) -> Path:
    """The recording to export, if it was made."""
    source, folder = run / name_folder(replay) / RECORDING, RunFolder(run, manifest, None)
    if replay == STAGE_REPLAY:
        done, what, command = folder.is_done("replay"), "replay", f"pfc-da replay {run}"
    else:
        folder.require_whole(source.relative_to(run).as_posix())
        done = folder.is_done("train") and source.exists()  # it is no stage
        what, command = f"the {replay} replay", f"pfc-da replay {run} --{replay}"
    if not done:
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
        """True if the file or folder is finished; refuse it if it has changed since."""
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
        """Present content."""
        parts = [part for part in path.rglob("*") if not part.is_dir()] if path.is_dir() else [path]
        return {part.relative_to(self._out).as_posix(): hash_file(part) for part in parts if part.exists()}

    def _is_of(self, name: str, path: Path) -> bool:
        own = path.relative_to(self._out).as_posix()
        return name == own or name.startswith(f"{own}/")


def _remove(out: Path, name: str) -> None:
    """Remove the files of this run, but not those of its neurons."""
    for old in out.glob(f"*-{name.rpartition('-')[2]}*"):
        remove(old)


def _prepare(out: Path, recording: xr.Dataset, of: dict[str, Any], force: bool) -> _Finished:
    """Have the folder hold nothing of another export of the same run; what is finished of this one."""
    remove_stale(out)
    name = name_export(recording)
    if force:
        _remove(out, name)
    finished = _Finished(out, f"{name}.sha256")
    _write_stamp(out / f"{name}.json", finished, recording, of)
    return finished


def _write_stamp(stamp: Path, finished: _Finished, recording: xr.Dataset, of: dict[str, Any]) -> None:
    """Write the JSON file of the export; refuse one of another export of the same run."""
    if stamp.exists():
        whole = finished.has(stamp)
        _require_same(stamp, of)
        if whole:
            return
    attributes = {str(key): value for key, value in recording.attrs.items()}
    as_json = attributes.keys() & {"config", "versions", "spiking"}
    attributes |= {key: json.loads(attributes[key]) for key in as_json}
    text = json.dumps({"export": of, **attributes}, indent=2, default=int) + "\n"
    write_atomic(stamp, lambda file: file.write_text(text, encoding="utf-8"))
    finished.add(stamp)


def _require_same(stamp: Path, of: dict[str, Any]) -> None:
    try:
        before = dict(json.loads(stamp.read_text(encoding="utf-8"))["export"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(stamp, "it does not say what was exported") from error
    holds = f"{stamp.parent} holds another export of this run"
    require_same_request(holds, before, of, "Give another --out, or --force to write it anew.")


def _write(jobs: list[Job], finished: _Finished) -> list[Path]:
    to_do = [job for job in jobs if not finished.has(job.path)]
    if not to_do:
        return []
    with Progress() as progress, progress.stage("export"):
        report = progress.task("files", len(jobs))
        report(len(jobs) - len(to_do))
        for done, job in enumerate(to_do, len(jobs) - len(to_do) + 1):
            remove(job.path)  # written, but a kill came before that was kept
            (write_folder_atomic if job.is_folder else write_atomic)(job.path, job.write)
            finished.add(job.path)
            report(done, job.path.name)
    return [job.path for job in to_do]
