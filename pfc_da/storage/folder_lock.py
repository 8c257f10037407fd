"""The lock of a folder: one command writes in it at a time, and none while workers of an earlier one still do."""

import fcntl
import os
from pathlib import Path
from typing import IO

from pfc_da.errors import DiskFull, InputError
from pfc_da.jobs import signals, workers
from pfc_da.storage.files import is_disk_full

LOCKS = (".lock", workers.LOCK)


def lock_folder(path: Path) -> IO[str]:
    """Make the folder if needed and hold it for this process, until the returned file is closed."""
    signals.raise_from_now_on()
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("a+", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path} is not a folder: a file is in the way. Give another --out.") from None
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(
                f"no space left on the disk to make {path}. Free some space or give another --out."
            ) from error
        raise InputError(
            f"cannot write in {path}: {error.strerror}. Make it writable or give another --out."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise InputError(
            f"{path} is being written by another process{f' ({holder})' if holder else ''}. "
            "Wait for it to end, or give another --out."
        ) from None
    if not workers.wait_for_workers(path):
        lock.close()
        raise InputError(
            f"{path} is still being written by workers of a command that was killed. "
            "Wait for them to end, or give another --out."
        )
    lock.truncate(0)
    lock.write(f"process {os.getpid()}\n")
    lock.flush()
    return lock
