"""The directory of a TIFF or BigTIFF: which pictures there are, by their tags alone.

    header     "II" or "MM", 42, offset of the first directory; BigTIFF has 43, 8, 0
    directory  number of tags, the tags, offset of the next directory or 0
    tag        number, type, number of values, the value or where it is

A file may lie: directories may be in a circle, which libraries follow for hours.

Sources: Adobe, TIFF 6.0, 2; libtiff, "BigTIFF Design"; the bits of NewSubfileType and
the compressions, likewise TIFF 6.0 and libtiff's tiff.h.
"""

import itertools
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

_ORDERS = {b"II": "<", b"MM": ">"}
_MOST_PICTURES = 1 << 16
_MOST_TAGS = 1 << 12
_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _TURN = 254, 256, 257, 259, 274
_TILE_WIDTH = 322
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType: no picture of the stack
_TYPES = {3: "H", 4: "I", 16: "Q"}  # of whole numbers
# JPEG in its ways, JPEG 2000, JPEG XR and XL, WebP.
_LOSSY = {6, 7, 22610, 33003, 33004, 33005, 34712, 34892, 34927, 50001, 50002}


class _Form(NamedTuple):
    """How numbers are written: TIFF's own, or BigTIFF's."""

    tags: str  # how many there are
    tag: str
    offset: str


_FORMS = {42: _Form("H", "HHI4s", "I"), 43: _Form("Q", "HHQ8s", "Q")}


class Page(NamedTuple):
    """What the tags of a picture promise.

    Attributes:
        number: of its directory in the file, from 0.
        height: in pixels.
        width: in pixels.
        is_tiled: whether a part of it can be read by itself.
        turn: its orientation, as EXIF has it: 1 to 8.
        is_lossy: whether its compression changes values.
    """

    number: int
    height: int
    width: int
    is_tiled: bool
    turn: int
    is_lossy: bool


def is_tiff(data: bytes) -> bool:
    """Checks a file's first bytes."""
    return data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))


def pages(file: IO[bytes]) -> list[Page]:
    """The pictures of a file, without overviews and masks.

    Raises:
        ValueError: it is damaged, or has none.
    """
    found = []
    for number, tags in enumerate(_directories(file)):
        if tags.get(_SUBFILE, 0) & (_REDUCED | _MASK):
            continue
        height, width = tags.get(_HEIGHT, 0), tags.get(_WIDTH, 0)
        if not height or not width:
            raise ValueError(f"the TIFF's tags say {height} x {width} pixels")
        turn = tags.get(_TURN, 1)
        found.append(
            Page(
                number,
                height,
                width,
                _TILE_WIDTH in tags,
                turn if turn in range(1, 9) else 1,
                tags.get(_COMPRESSION, 1) in _LOSSY,
            )
        )
    if not found:
        raise ValueError("the TIFF is damaged: it has no picture")
    return found


def _directories(file: IO[bytes]) -> Iterator[dict[int, int]]:
    """The tags of each directory that are whole numbers, one of each."""
    file.seek(0)
    start = file.read(16)
    order = _ORDERS.get(start[:2], "<")
    form = _FORMS.get(struct.unpack(f"{order}H", start[2:4].ljust(2, b"\0"))[0])
    if form is None or len(start) < (at := 4 if form.offset == "I" else 8) * 2:
        raise ValueError("the TIFF is damaged: it ends within its header")
    (offset,) = struct.unpack_from(order + form.offset, start, at)
    seen = set[int]()
    for number in itertools.count():
        if not offset:
            return
        if offset in seen or number >= _MOST_PICTURES:
            raise ValueError(
                "the TIFF is damaged: its directories are in a circle"
                if offset in seen
                else f"the TIFF has more than {_MOST_PICTURES} pictures"
            )
        seen.add(offset)
        file.seek(offset)
        (count,) = _unpacked(file, order + form.tags)
        if count > _MOST_TAGS:
            raise ValueError(f"the TIFF is damaged: a picture of it has {count} tags")
        yield dict(_tags(file, order, form, count))
        (offset,) = _unpacked(file, order + form.offset)


def _tags(
    file: IO[bytes], order: str, form: _Form, count: int
) -> Iterator[tuple[int, int]]:
    for _ in range(count):
        tag, kind, values, value = _unpacked(file, order + form.tag)
        if values == 1 and kind in _TYPES:
            yield (
                tag,
                struct.unpack_from(order + _TYPES[kind], value.ljust(8, b"\0"))[0],
            )


def _unpacked(file: IO[bytes], form: str) -> tuple[Any, ...]:
    data = file.read(struct.calcsize(form))
    if len(data) < struct.calcsize(form):
        raise ValueError("the TIFF is damaged: it ends within its directory")
    return struct.unpack(form, data)
