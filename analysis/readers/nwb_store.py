"""Read arrays of an NWB file by their names, from HDF5 (a file) or zarr (a folder, as hdmf-zarr writes it).

Only the arrays that are asked for are opened, so that other parts of the file, of any version or extension, do no harm.
Nothing outside the file is read, nothing is unpickled, and an array that claims to be far larger than the file is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfc_da.errors import InputError

MAX_EXPANSION = 2000  # bytes read for a byte on disk; gzip of zeros reaches 1000
_NODE = (".zgroup", ".zarray", "zarr.json")


class Store:
    """An open file. Names are paths in it, such as ``intervals/trials/start_time``."""

    def __init__(self, path: Path, root: Any, size: int) -> None:
        self.path, self._root, self._budget = path, root, MAX_EXPANSION * size + 1_000_000

    def list_members(self, name: str) -> list[str]:
        """What lies in a group; nothing if there is no such group."""
        group = self._open(name)
        return [] if group is None or hasattr(group, "shape") else self._members(group)

    def get_shape(self, name: str) -> tuple[int, ...] | None:
        """Of an array; None if there is no such array."""
        return getattr(self._open(name), "shape", None)

    def get_attribute(self, name: str, key: str) -> Any:
        """An attribute of a group or array.

        Parameters
        ----------
        name : str
            Path of the group or array in the file.
        key : str
            Name of the attribute.

        Returns
        -------
        object
            None if there is no such attribute.
        """
        item = self._open(name)
        return None if item is None else item.attrs.get(key)

    def read(self, name: str) -> NDArray:
        """An array, its texts as str.

        Raises
        ------
        InputError
            If it lies outside the file, claims more than the file can hold, or would have to be unpickled.
        """
        item = self._open(name)
        size = item.size * item.dtype.itemsize
        if size > self._budget:
            raise InputError(
                f"{self.path}: {name} claims {size} bytes, far more than the file can hold; it is damaged."
            )
        values = np.asarray(item.asstr()[()] if _is_hdf5_text(item) else item[...])
        if values.dtype.kind in "STU":
            return (
                np.char.decode(values).astype(object) if values.dtype.kind == "S" else values.astype(object)
            )
        if values.dtype.kind not in "biuf" and not all(isinstance(entry, str) for entry in values.ravel()):
            raise InputError(f"{self.path}: {name} holds neither numbers nor text.")
        return values

    def _open(self, name: str) -> Any:
        """The group or array of a name, None if there is none."""
        item, done = self._root, ""
        for part in filter(None, name.split("/")):
            done = f"{done}/{part}".lstrip("/")
            if hasattr(item, "shape") or part not in self._members(item):
                return None
            if outside := _find_outside(item, part, self._root):
                raise InputError(
                    f"{self.path}: {done} links to {outside[:100]!r} outside the file; write it into one file."
                )
            if _is_pickled(self.path / done):
                raise InputError(
                    f"{self.path}: {done} is stored as a pickle, which is never opened; export the file to HDF5."
                )
            item = item[part]
        return item

    def _members(self, group: Any) -> list[str]:
        if self.path.is_file():
            return [str(key) for key in group]
        # zarr opens every member in order to list them, those too that it cannot open
        return [folder.name for folder in (self.path / group.path).iterdir() if is_zarr(folder)]


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open an NWB file.

    Raises
    ------
    InputError
        In one line, if it is none, or is damaged; also where reading what lies in it meets damage.
    """
    opening = _open_zarr(path) if path.is_dir() else _open_hdf5(path)
    try:
        with opening as store:
            yield store
    except InputError:
        raise
    except Exception as error:  # HDF5 and zarr meet damage with errors of any kind
        message = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or cut short: it cannot be read ({message[:120]}).") from None


def is_zarr(path: Path) -> bool:
    """Whether it is a folder that zarr wrote."""
    return path.is_dir() and any((path / name).is_file() for name in _NODE)


@contextmanager
def _open_hdf5(path: Path) -> Iterator[Store]:
    import h5py

    if not h5py.is_hdf5(path):
        with path.open("rb") as file:
            pickled = " It begins like a pickle, which is never opened." if file.read(1) == b"\x80" else ""
        raise InputError(f"{path}: not an NWB file: it is no HDF5.{pickled}")
    with h5py.File(path, "r") as file:
        if "nwb_version" not in file.attrs:
            old = "NWB 1, which is not read; convert it" if "nwb_version" in file else "HDF5, but not NWB"
            raise InputError(f"{path}: {old}: the attribute nwb_version is missing.")
        yield Store(path, file, path.stat().st_size)


@contextmanager
def _open_zarr(path: Path) -> Iterator[Store]:
    try:
        import zarr
    except ImportError:
        raise InputError(
            f"{path}: reading zarr needs pip install 'pfc_da[zarr]'; or export the file to HDF5."
        ) from None
    # The summary of all metadata that hdmf-zarr writes holds fill values that zarr 3 refuses.
    root = zarr.open_group(path, mode="r", use_consolidated=False)
    if "nwb_version" not in root.attrs:
        raise InputError(f"{path}: zarr, but not NWB: the attribute nwb_version is missing.")
    yield Store(path, root, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))


def _is_pickled(array: Path) -> bool:
    """Whether zarr would have to unpickle an array; hdmf-zarr once wrote texts so."""
    described = array / ".zarray"
    return described.is_file() and '"pickle"' in described.read_text()


def _find_outside(group: Any, name: str, root: Any) -> str:
    """The other file that a member of a group lies in, "" if it lies in this one."""
    import h5py

    if not isinstance(group, h5py.Group):
        return ""
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return str(link.filename)
    item = group[name]
    if item.file.filename != root.filename:  # a link within the file to a link out of it
        return str(item.file.filename)
    if isinstance(item, h5py.Dataset) and item.external:
        return str(item.external[0][0])
    if isinstance(item, h5py.Dataset) and item.is_virtual:
        return next((part.file_name for part in item.virtual_sources() if part.file_name != "."), "")
    return ""


def _is_hdf5_text(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) is not None
