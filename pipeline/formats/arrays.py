"""NumPy files of label maps: what is in them, by their headers, and one map at a time.

A `.npy` file is a label map [H W] or a stack of them [N H W]; a `.npz` file holds any
number of such arrays.
"""

import contextlib
import dataclasses
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Place
from maskbeam.pipeline.runtime import files

_ENDING = ".npy"


@dataclasses.dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[np.generic]


def places(path: str) -> list[Place]:
    """The label maps of a file, from its headers alone.

    Raises:
        ValueError: the file is no NumPy file, or holds no array.
        OSError: it cannot be read.
    """
    found = []
    with files.open_raw(path) as file, _damage_as_value_error():
        for member, array in _members(path, file):
            header = _read_header(array)
            if len(header.shape) == 3:
                found += [Place(member, i) for i in range(header.shape[0])]
            else:
                found.append(Place(member))
    if not found:
        raise ValueError("the file holds no array")
    return found


def shape_of(path: str, place: Place) -> tuple[int, int]:
    """The height and width of one label map in pixels, from its header alone.

    Raises:
        ValueError: the header is damaged, or the array is no label map.
        OSError: the file cannot be read.
    """
    with _open_array(path, place) as array:
        return _map_shape(_read_header(array), place.index)


def read(path: str, place: Place) -> npt.NDArray[np.generic]:
    """Reads one label map.

    Returns:
        [H W], of the file's own dtype.

    Raises:
        ValueError: the file is damaged, or the array is no label map.
        OSError: it cannot be read.
    """
    with _open_array(path, place) as array:
        return _read_map(array, place.index)


@contextlib.contextmanager
def _open_array(path: str, place: Place) -> Iterator[IO[bytes]]:
    """The array that a place is in, open at its header."""
    with files.open_raw(path) as file, _damage_as_value_error():
        for member, array in _members(path, file):
            if member == place.member:
                yield array
                return
        raise ValueError(f"the file has no array {place.member!r}")


def _members(path: str, file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """The arrays of a file, by name, each open at its header."""
    if path.lower().endswith(_ENDING):
        yield "", file
        return
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            with archive.open(name) as array:
                yield name.removesuffix(_ENDING), array


@contextlib.contextmanager
def _damage_as_value_error() -> Iterator[None]:
    """Turns what a damaged archive makes Python's zipfile raise into a ValueError."""
    try:
        yield
    # RuntimeError: damage that looks like encryption, or like another compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"the .npz file is damaged: {error}") from error


def _read_header(array: IO[bytes]) -> _Header:
    numpy_format: Any = np.lib.format  # which older NumPys have no types for
    version = numpy_format.read_magic(array)
    read_header = {
        (1, 0): numpy_format.read_array_header_1_0,
        (2, 0): numpy_format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"version {version} of the .npy format is not known")
    return _Header(*read_header(array))


def _map_shape(header: _Header, index: int) -> tuple[int, int]:
    """The height and width of a label map; refuses arrays that are no label map."""
    if header.dtype.kind not in "biu":
        raise ValueError(
            f"the array is of {header.dtype}; label maps are of whole numbers"
        )
    height_width = header.shape if index < 0 else header.shape[1:]
    if len(height_width) != 2:
        raise ValueError(
            f"the array has the shape {list(header.shape)}; a label map is [H W], a "
            "stack of them [N H W]"
        )
    if index >= 0 and header.fortran_order:
        raise ValueError(
            "the stack is in Fortran order, in which no single map can be read: save "
            "it by numpy.ascontiguousarray"
        )
    height, width = height_width
    return height, width


def _read_map(array: IO[bytes], index: int) -> npt.NDArray[np.generic]:
    header = _read_header(array)
    height, width = _map_shape(header, index)
    size = header.dtype.itemsize * height * width
    array.seek(size * max(index, 0), 1)
    data = array.read(size)
    if len(data) != size:
        raise ValueError(f"the array ends early: {len(data)} of {size} bytes are there")
    values = np.frombuffer(data, header.dtype)
    if header.fortran_order:
        return values.reshape(width, height).T
    return values.reshape(height, width)
