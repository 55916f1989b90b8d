"""Label maps as runs of equal pixels, of which there are far fewer than pixels.

    5 5 5 5 2 2 5    values 5 2 5    lengths 4 2 1

Pixels are counted, looked up and one-hot encoded once a run.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_COUNTED = 1 << 20
_WORTH = 8  # pixels a run: below, runs cost more than they save


class Runs(NamedTuple):
    """Pixels in reading order.

    Attributes:
        values: u8[R] or u16[R], of each run.
        lengths: i64[R], in pixels; None where every pixel is a run of its own.
    """

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64] | None

    def counts(self) -> npt.NDArray[np.int64]:
        """How many pixels have each value: i64[256] or i64[65536]."""
        if self.values.size <= _COUNTED:
            return counts_of(self.values, self.lengths)
        total = np.zeros(2 ** (8 * self.values.itemsize), np.int64)
        # In parts, for NumPy makes 64 bits of each value.
        for start in range(0, self.values.size, _COUNTED):
            part = slice(start, start + _COUNTED)
            lengths = None if self.lengths is None else self.lengths[part]
            total += counts_of(self.values[part], lengths)
        return total

    def parts(self, size: int) -> Iterator["Runs"]:
        """Cuts the pixels into parts of a size, the last of which may be smaller."""
        if self.lengths is None:
            for start in range(0, self.values.size, size):
                yield Runs(self.values[start : start + size], None)
            return
        ends = np.cumsum(self.lengths)
        for start in range(0, int(ends[-1]), size):
            first = int(np.searchsorted(ends, start, "right"))
            last = int(np.searchsorted(ends, start + size, "left"))
            inside = np.minimum(ends[first : last + 1], start + size)
            lengths = np.diff(inside, prepend=start)
            yield Runs(self.values[first : last + 1], lengths)

    def repeat(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What each run has, for each of its pixels: [R ...] -> [pixels ...]."""
        if self.lengths is None:
            return values
        return np.repeat(values, self.lengths, axis=0)


def counts_of(
    values: npt.NDArray[Any], numbers: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.int64]:
    """Adds up numbers by value.

    Args:
        values: u8[n] or u16[n].
        numbers: i64[n], below 2**53 in all; by default each is 1.

    Returns:
        i64[256] or i64[65536].
    """
    # Floats hold these numbers exactly.
    return np.bincount(values, numbers, 2 ** (8 * values.itemsize)).astype(np.int64)


def runs_of(pixels: npt.NDArray[Any]) -> Runs:
    """The runs of a label map: u8[H W] or u16[H W], at least one pixel."""
    flat = pixels.ravel()
    is_end = np.empty(flat.size, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=is_end[:-1])
    is_end[-1] = True
    if np.count_nonzero(is_end) * _WORTH > flat.size:
        return Runs(flat, None)
    (ends,) = is_end.nonzero()
    lengths = np.empty_like(ends)
    lengths[0] = ends[0] + 1
    np.subtract(ends[1:], ends[:-1], out=lengths[1:])
    return Runs(flat[ends], lengths)
