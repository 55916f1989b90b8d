"""The header of a `.npy` array: what it says, and no more of it than is its own.

Source: NumPy's NEP 1, "A simple file format for NumPy arrays".
"""

import dataclasses
import functools
import io
import math
from typing import IO, Any

import numpy as np

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # by version
_MAX_HEADER_BYTES = 10_000  # as NumPy has it
_SHOWN = 120  # characters of what a header says


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header promises.

    Attributes:
        shape: of the array.
        fortran_order: whether the first axis is the fastest.
        dtype: of its values.
        size: of the header itself: where the data begins, in bytes.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[np.generic]
    size: int

    @property
    def data_bytes(self) -> int:
        """The size of the data, in bytes; it may be any number."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(file: IO[bytes]) -> Header:
    """Reads a header, and leaves the file where the data begins.

    Raises:
        ValueError: it is no header of an array, or longer than any that NumPy writes.
    """
    start = file.read(8)
    if not start.startswith(_MAGIC) or len(start) < 8:
        raise ValueError(f"no NumPy array: its magic string is wrong, {start!r}")
    version = (start[6], start[7])
    if version not in _LENGTH_BYTES:
        raise ValueError(f"version {version} of the .npy format is not known")
    length = file.read(_LENGTH_BYTES[version])
    size = int.from_bytes(length, "little")
    if size > _MAX_HEADER_BYTES:
        raise ValueError(
            f"the .npy header claims {size} bytes, and NumPy reads {_MAX_HEADER_BYTES}"
        )
    whole = start + length + file.read(size)
    # Python's own reader of literals is behind this, with errors of every kind.
    try:
        shape, fortran_order, dtype = _parsed(whole, version)
    except Exception as error:
        words = " ".join(str(error).split())[:_SHOWN]
        raise ValueError(f"the .npy header is damaged: {words}") from error
    if not all(type(side) is int and 0 <= side < 2**63 for side in shape):
        raise ValueError(
            f"the .npy header is damaged: it has the shape {str(shape)[:_SHOWN]}"
        )
    return Header(shape, fortran_order, dtype, len(whole))


@functools.lru_cache(256)  # files of one data set have the same few
def _parsed(
    whole: bytes, version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    numpy_format: Any = np.lib.format  # which older NumPys have no types for
    file = io.BytesIO(whole)
    numpy_format.read_magic(file)
    if version == (1, 0):
        return numpy_format.read_array_header_1_0(file)
    return numpy_format.read_array_header_2_0(file)
