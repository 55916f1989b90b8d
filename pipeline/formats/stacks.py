"""What an array's axes mean: one label map, a stack of them, or something else.

By shape: `[H W]`, `[H W 1]` and `[1 H W]` are one map; `[N H W]`, `[N H W 1]` and
`[N 1 H W]` a stack. An array of two to four values behind each of many rows and columns
holds colours or one-hot vectors. By values: a stack whose maps are of 0 and one other
value, never overlap, and cover half of the pixels is one-hot; and so are those along
the last axis. Three or four maps of bytes with more than 64 levels each are colours.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.formats.npy import Header
from maskbeam.pipeline.formats.pixels import check_pixels

_CHANNELS = range(2, 5)  # with alpha or without
_LEVELS = 64  # photos have more, and hardly a label map that many classes
_STRIP_VALUES = 1 << 20
_MOST_MAPS = 1 << 20
_SHOWN = 40  # characters of a dtype

Read = Callable[[int, int], bytes]  # (offset, length), in bytes of the data

_WAY_OUT = "a label map is [H W], a stack of them [N H W]"
_ARGMAX = (
    "save scores or one-hot vectors as class ids, by numpy.argmax over the axis of the "
    "classes"
)
_COLORS = "save colours as PNG, and read them by `encoding: color`"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The label maps of an array.

    Attributes:
        count: how many a stack has; None if the array is one map.
        height: of each, in pixels.
        width: of each, in pixels.
    """

    count: int | None
    height: int
    width: int


def layout_of(header: Header, max_pixels: int) -> Layout:
    """Says by the header alone what an array holds.

    Args:
        header: of the array.
        max_pixels: the largest map that is read.

    Raises:
        ValueError: it holds no label maps, or too large ones.
    """
    shape = list(header.shape)
    if header.dtype.kind not in "biuf":  # no shape would make it one
        raise ValueError(_other_type(header))
    if 0 in shape:
        raise ValueError(f"the array has no pixels: its shape is {shape}")
    layout = _by_shape(shape)
    if header.dtype.kind == "f":
        raise ValueError(_other_type(header))
    check_pixels(layout.height, layout.width, max_pixels)
    if layout.count is not None:
        if header.fortran_order:
            raise ValueError(
                "the stack is in Fortran order, in which no single map can be read: "
                "save it by numpy.ascontiguousarray"
            )
        if layout.count > _MOST_MAPS:
            raise ValueError(
                f"the stack has {layout.count} maps; those of up to {_MOST_MAPS} are "
                "read: save it in parts"
            )
    return layout


def _by_shape(shape: list[int]) -> Layout:
    if len(shape) == 2:
        return Layout(None, *shape)
    if len(shape) == 3 and shape[2] == 1:
        return Layout(None, *shape[:2])
    if len(shape) == 3 and shape[2] in _CHANNELS and min(shape[:2]) > _CHANNELS[-1]:
        raise ValueError(
            f"the array has the shape {shape}, of colours or one-hot vectors, and "
            f"{_WAY_OUT}: {_COLORS}; save one-hot vectors as class ids, by "
            "numpy.argmax(array, -1)"
        )
    stack = shape
    if len(shape) == 4 and 1 in (shape[3], shape[1]):
        stack = shape[:3] if shape[3] == 1 else [shape[0], *shape[2:]]
    if len(stack) != 3:
        one_hot = f"; {_ARGMAX}" if len(shape) > 3 else ""
        raise ValueError(f"the array has the shape {shape}; {_WAY_OUT}{one_hot}")
    count, height, width = stack
    return Layout(None if count == 1 else count, height, width)


def _other_type(header: Header) -> str:
    way_out = ""
    if header.dtype.kind == "O":
        way_out = ", which only unpickling could read: save a plain array"
    elif header.dtype.kind == "f" and len(header.shape) > 2:
        way_out = f": {_ARGMAX}"
    elif header.dtype.kind == "f":
        way_out = ": if all values are whole, save it by .astype(numpy.uint16)"
    name = str(header.dtype)[:_SHOWN]
    return f"the array is of {name}; label maps are of whole numbers{way_out}"


def check_values(header: Header, layout: Layout, read: Read) -> None:
    """Refuses a stack that by its values is one-hot, or colours.

    It reads no more than it needs to know: of most stacks, a part of the first map.

    Args:
        header: of the array.
        layout: by its header: a stack.
        read: reads the data, from its beginning on.

    Raises:
        ValueError: it is no stack of label maps.
    """
    suspicions: list[_Suspicion] = [_OneHotFirst(layout), _OneHotLast(layout)]
    if layout.count in _CHANNELS and header.dtype.itemsize == 1:
        suspicions.append(_Levels(layout))
    # Rows by eight: so bits of pixels begin at whole bytes.
    step = max(8, _STRIP_VALUES // layout.width // 8 * 8)
    row_bytes = layout.width * header.dtype.itemsize
    offset = 0
    for number in range(layout.count or 0):
        for top in range(0, layout.height, step):
            rows = min(step, layout.height - top)
            strip = np.frombuffer(read(offset, rows * row_bytes), header.dtype).reshape(
                rows, layout.width
            )
            offset += strip.nbytes
            if not strip.any():  # nothing can be told of it
                continue
            suspicions = [s for s in suspicions if s.add(number, top, strip)]
            if not suspicions:
                return
    for suspicion in suspicions:
        if verdict := suspicion.verdict(list(header.shape)):
            raise ValueError(verdict)


class _Suspicion:
    """That a stack is none: it lives as long as the values allow."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def add(self, number: int, top: int, strip: npt.NDArray[np.generic]) -> bool:
        """Looks at some rows of one map; says whether the suspicion still lives."""
        raise NotImplementedError

    def verdict(self, shape: list[int]) -> str:
        """What is wrong, when all was seen; empty if nothing."""
        raise NotImplementedError


class _OneHotFirst(_Suspicion):
    """The maps are of two values, and no two cover a pixel."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._values = _TwoValues()
        pixels = layout.height * layout.width
        self._covered = np.zeros(-(-pixels // 8), np.uint8)

    def add(self, number: int, top: int, strip: npt.NDArray[np.generic]) -> bool:
        bits = np.packbits(strip != 0)
        start = top * self._layout.width // 8
        covered = self._covered[start : start + len(bits)]
        if np.any(covered & bits) or not self._values.add(strip):
            return False
        covered |= bits
        return True

    def verdict(self, shape: list[int]) -> str:
        pixels = self._layout.height * self._layout.width
        covered = int(np.bitwise_count(self._covered).sum())
        return _one_hot(shape, 0, covered, pixels)


class _OneHotLast(_Suspicion):
    """What stands behind each row and column is 0, but for one value."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._values = _TwoValues()
        self._covered = 0

    def add(self, number: int, top: int, strip: npt.NDArray[np.generic]) -> bool:
        counts = np.count_nonzero(strip, axis=-1)
        self._covered += int(np.count_nonzero(counts))
        return bool(counts.max() <= 1) and self._values.add(strip)

    def verdict(self, shape: list[int]) -> str:
        count = self._layout.count or 0
        return _one_hot(shape, -1, self._covered, count * self._layout.height)


class _Levels(_Suspicion):
    """Each map has more levels than label maps have classes."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._seen = np.zeros((layout.count or 0, 256), np.bool_)

    def add(self, number: int, top: int, strip: npt.NDArray[np.generic]) -> bool:
        self._seen[number, np.unique(strip.view(np.uint8))] = True
        enough = self._seen.sum(axis=-1) > _LEVELS
        return bool(np.all(enough[:number]))

    def verdict(self, shape: list[int]) -> str:
        levels = self._seen.sum(axis=-1)
        if not np.all(levels > _LEVELS):
            return ""
        return (
            f"the array has the shape {shape}, and {min(levels)} levels or more in "
            f"each of {shape[0]} maps, as colours have: {_COLORS}; save label maps "
            "each on its own"
        )


class _TwoValues:
    """0, and one other value."""

    def __init__(self) -> None:
        self._other: object = None

    def add(self, strip: npt.NDArray[np.generic]) -> bool:
        low, high = strip.min(), strip.max()
        others = {value for value in (low.item(), high.item()) if value}
        if self._other is not None:
            others.add(self._other)
        if len(others) > 1:
            return False
        self._other = next(iter(others), None)
        # Between 0 and the other there may be more.
        return not others or not np.any((strip != 0) & (strip != self._other))


def _one_hot(shape: list[int], axis: int, covered: int, pixels: int) -> str:
    """The verdict, by how many pixels have a class."""
    if 2 * covered < pixels:
        return ""
    ids = f"numpy.argmax(array, {axis})"
    if covered < pixels:
        ids = (
            f"numpy.where(array.any({axis}), {ids}, 255), which ignores pixels of none"
        )
    return (
        f"the array {shape} is one-hot: of all values over its "
        f"{'last' if axis else 'first'} axis at most one is not 0: save class ids, by "
        f"{ids}"
    )
