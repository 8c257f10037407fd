"""Atomic writing of files and folders, safe reading of regular files, and the SHA-256 of their bytes."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from pfc_da.errors import DiskFull, InputError

ASIDE = ".writing-"
"""Prefix of the temporary name of a file or folder."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_IN_WORDS = ("No space left", "File too large")
_REFUSED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)


def write_atomic(path: Path, writer: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then move it to `path` in one step.

    Parameters
    ----------
    path : Path
        File to make or replace; its folder is made if missing.
    writer : callable
        Called with the temporary path, in the same folder and with the same suffix.

    Raises
    ------
    DiskFull
        If no space is left, or the file is larger than allowed. After any error `path` is as it was before.
    InputError
        If `path` cannot be written.
    """
    with _aside(path) as aside:
        aside.touch()
        permissions = aside.stat().st_mode
        writer(aside)
        aside.chmod(permissions)  # safetensors writes files that only their owner may read
        _sync(aside)


def write_folder_atomic(path: Path, writer: Callable[[Path], object]) -> None:
    """Write a folder under a temporary name, then move it to `path` in one step.

    Parameters
    ----------
    path : Path
        Folder to make; nothing may exist there.
    writer : callable
        Called with the temporary path.

    Raises
    ------
    DiskFull, InputError
        As in `write_atomic`.
    """
    with _aside(path) as aside:
        writer(aside)
        for part in (*aside.rglob("*"), aside):
            _sync(part)


def name_aside(path: Path) -> Path:
    """Temporary path at which this process writes the file or folder `path`."""
    return path.with_name(f"{ASIDE}{os.getpid()}-{path.name}")


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Give a temporary path; what is there at the end is moved to `path`, or removed after an error."""
    aside = name_aside(path)
    with telling_full(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            os.replace(aside, path)
            _sync(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                remove(aside)
            if isinstance(error, OSError) and error.errno in _REFUSED:
                raise InputError(
                    f"cannot write {path}: {error.strerror}. Make it writable or give another --out."
                ) from error
            raise


@contextlib.contextmanager
def telling_full(path: Path) -> Iterator[None]:
    """Convert any error that a library raises on a full disk while `path` is written into `DiskFull`."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        why = "no space left on the disk"
        if getattr(error, "errno", None) == errno.EFBIG or _FULL_IN_WORDS[1] in str(error):
            why = "file too large for the disk or for 'ulimit -f'"
        raise DiskFull(
            f"{why} while writing {path}; what was there before is whole. "
            "Make room and give the same command again."
        ) from error


def is_disk_full(error: Exception) -> bool:
    """True if an error means that there was no room for a file."""
    # some libraries raise errors of their own kind and keep the system's reason only in the text
    full = getattr(error, "errno", None) in _FULL
    return full or any(words in str(error) for words in _FULL_IN_WORDS)


def reserve(path: Path, size: int) -> None:
    """Reserve disk space for the first `size` bytes of a file; a shorter file is extended to this size.

    HDF5 may end the process when writing fails; writing to reserved space cannot fail for lack of space.

    Parameters
    ----------
    path : Path
        An existing file.
    size : int
        In bytes.

    Raises
    ------
    OSError
        If there is not enough space.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def remove_stale(path: Path) -> None:
    """Remove temporary files of killed processes. The caller holds the lock, so no other process writes them."""
    for aside in [*path.rglob(f"{ASIDE}*")]:
        remove(aside)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal digits."""
    try:
        require_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error


def require_file(path: str | Path) -> None:
    """Refuse a path that is not a regular file: opening a pipe, for example, would wait for ever.

    Raises
    ------
    InputError
        If `path` is a folder, a pipe, a device or a link to itself, or if its name is not UTF-8.
    FileNotFoundError, NotADirectoryError
        If it does not exist.
    """
    require_name(path)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise InputError(f"{path} is {kind}, not a file; put a file in its place.")


def require_name(path: str | Path) -> None:
    """Refuse names that are not UTF-8; JSON and HDF5 cannot store them."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name {str(path)!r} is not UTF-8; files are kept under names in UTF-8 only. Give another."
        ) from None


def _sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
