"""NumPy files of label maps: what is in them, and one map at a time.

A `.npy` file is one array, a `.npz` file any number of them; `stacks` says what label
maps an array holds. What a header promises is compared with what is there before
anything is allocated, or counted.
"""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Place
from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.formats import npz, stacks
from maskbeam.pipeline.formats.npz import Part
from maskbeam.pipeline.formats.stacks import Layout
from maskbeam.pipeline.runtime import files

_ENDING = ".npy"
_ENDINGS = (_ENDING, ".npz")
_MOST = 65535
_STRIP_VALUES = 1 << 20


def is_array(path: str) -> bool:
    """Checks a file's name."""
    return path.lower().endswith(_ENDINGS)


def places(path: str, max_pixels: int) -> Iterator[Place]:
    """The label maps of a file, by its headers, and the first values of stacks.

    An array that holds none, or is damaged, has one place: reading it says why.

    Args:
        path: of the file.
        max_pixels: the largest map that is read.

    Raises:
        ValueError: a `.npz` file is no archive, or holds no array.
        OSError: it cannot be read.
        StoreError: the store does not answer.
    """
    if _is_single(path):
        return _expanded([("", _count(_single(path), max_pixels))])
    with npz.opened(path) as archive:
        counts = [
            (name, _count(archive.array(name), max_pixels)) for name in archive.names
        ]
    if not counts:
        raise ValueError("the file holds no array")
    return _expanded(counts)


def _expanded(counts: list[tuple[str, int | None]]) -> Iterator[Place]:
    """Gives places one by one: they may be many."""
    for member, count in counts:
        if count is None:
            yield Place(member)
        else:
            yield from (Place(member, number) for number in range(count))


def _count(array: AbstractContextManager[Part], max_pixels: int) -> int | None:
    """How many maps a stack has; None if it is one map, or none that can be read."""
    try:
        with array as part:
            layout = _layout_of(part, max_pixels)
            if layout.count is not None:
                stacks.check_values(part.header, layout, part.read)
    except StoreError:
        raise
    except Exception:  # of any kind: the other arrays of the file may be sound
        return None
    return layout.count


def shape_of(path: str, place: Place, max_pixels: int) -> tuple[int, int]:
    """The height and width of one label map in pixels, from its header alone.

    Args:
        path: of the file.
        place: of the map.
        max_pixels: the largest map that is read.

    Raises:
        ValueError: the header is damaged, or the array is no label map.
        OSError: the file cannot be read.
    """
    with _opened(path, place) as part:
        layout = _layout_of(part, max_pixels)
        _check_place(place, layout)
        return layout.height, layout.width


def read(path: str, place: Place, max_pixels: int) -> npt.NDArray[np.unsignedinteger]:
    """Reads one label map.

    Args:
        path: of the file.
        place: of the map.
        max_pixels: the largest map that is read.

    Returns:
        u8[H W] if the file's values have 8 bits, else u16[H W].

    Raises:
        ValueError: the file is damaged, or the array is no label map, or a value is
            none that a label map can hold.
        OSError: it cannot be read.
    """
    with _opened(path, place) as part:
        layout = _layout_of(part, max_pixels)
        header = part.header
        if layout.count is not None and place.index < 0:
            stacks.check_values(header, layout, part.read)
        _check_place(place, layout)
        ids = _ids(part, layout.height * layout.width, max(place.index, 0))
    if header.fortran_order:
        return ids.reshape(layout.width, layout.height).T
    return ids.reshape(layout.height, layout.width)


def _ids(part: Part, pixels: int, number: int) -> npt.NDArray[np.unsignedinteger]:
    """Reads one map's values: u8[pixels], or u16[pixels] of wider ones.

    It goes strip by strip: ids of 64 bits would take a gigabyte at once.
    """
    dtype = part.header.dtype
    start = number * pixels * dtype.itemsize

    def strips() -> Iterator[npt.NDArray[np.generic]]:
        for at in range(0, pixels, _STRIP_VALUES):
            count = min(_STRIP_VALUES, pixels - at)
            data = part.read(start + at * dtype.itemsize, count * dtype.itemsize)
            yield np.frombuffer(data, dtype)

    ids = np.empty(pixels, np.uint8 if dtype.itemsize == 1 else np.uint16)
    low = high = at = 0
    for strip in strips():
        low, high = min(low, int(strip.min())), max(high, int(strip.max()))
        ids[at : at + len(strip)] = strip
        at += len(strip)
    if low < 0 or high > _MOST:
        value = low if low < 0 else high
        count = sum(np.count_nonzero(strip == value) for strip in strips())
        raise ValueError(
            f"label value {value} at {count} pixels is outside 0..{_MOST}, which is "
            "what a label map can hold; give ignored pixels a value within it, such "
            "as 255"
        )
    return ids


def _is_single(path: str) -> bool:
    return path.lower().endswith(_ENDING)


@contextlib.contextmanager
def _single(path: str) -> Iterator[Part]:
    """The array of a `.npy` file."""
    with files.open_raw(path) as file:
        yield Part(file, 0, file.seek(0, os.SEEK_END))


@contextlib.contextmanager
def _opened(path: str, place: Place) -> Iterator[Part]:
    """The array that a place is in."""
    if _is_single(path):
        with _single(path) as part:
            yield part
        return
    with npz.opened(path) as archive:
        array = archive.array if place.index < 0 else archive.sound_array
        with array(place.member) as part:
            yield part


def _layout_of(part: Part, max_pixels: int) -> Layout:
    """What the header says that the array holds, if there is as much of it.

    Raises:
        ValueError: there is less, or more, or the array is none of label maps.
    """
    header = part.header
    layout = stacks.layout_of(header, max_pixels)
    there = part.size - header.size
    if there < header.data_bytes:
        raise ValueError(
            f"the array ends early: {there} of {header.data_bytes} bytes are there"
        )
    if there > header.data_bytes:
        raise ValueError(
            f"{there - header.data_bytes} bytes follow the array: were several saved "
            "into one file? Save each on its own, or all by numpy.savez"
        )
    return layout


def _check_place(place: Place, layout: Layout) -> None:
    """Refuses a file that has changed since its places were listed."""
    known = range(-1, 0) if layout.count is None else range(layout.count)
    if place.index not in known:
        raise ValueError("the array has other maps than when the file was listed")
