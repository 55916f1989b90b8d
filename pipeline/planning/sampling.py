"""How large rows are, by a look at a few of them.

Of a named file only the header is read; of a record file only the first rows.
"""

import contextlib
import io
import itertools
import math
import os
from collections.abc import Iterator, Sequence

from maskbeam.pipeline.elements import BadRow, DamagedError, Entry, RawRow
from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.formats import annotations, arrays, pictures, record_files
from maskbeam.pipeline.planning import sizes
from maskbeam.pipeline.planning.sizes import RowSize
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import RecordKeys

_ROW_OVERHEAD_BYTES = 200  # what a record file adds to a row, about


def size_of_named(
    entry: Entry, image_bytes: int | None, max_pixels: int
) -> RowSize | None:
    """The size of a row that has a name; None if its file will be rejected.

    Args:
        entry: of the label map, or of an image without one.
        image_bytes: what the row's image takes, about; None if a PNG is made of it.
        max_pixels: the largest label map that is read.
    """
    try:
        if arrays.is_array(entry.path):
            assert entry.place is not None
            height, width = arrays.shape_of(entry.path, entry.place, max_pixels)
            return _of_pixels(height, width, image_bytes)
        if entry.annotations:
            picture = annotations.picture_of(entry)
            return _of_pixels(picture.height, picture.width, image_bytes)
        with files.open_raw(entry.path) as file:
            number = max(0, entry.place.index) if entry.place else 0
            height, width, is_remade = pictures.sides(file, number)
            label_bytes = float(file.seek(0, os.SEEK_END))
    except StoreError:
        raise
    except Exception:  # a file may be anything
        return None
    if entry.window is not None:
        _, _, height, width = entry.window
    if is_remade:
        label_bytes = sizes.PNG_BYTES_PER_PIXEL * height * width
    if entry.role == "image":  # a mask that is all ignored deflates to nothing
        label_bytes = 0
    if image_bytes is None:
        image_bytes = sizes.png_image_bytes(height, width)
    return RowSize(height, width, label_bytes, image_bytes)


def _of_pixels(height: int, width: int, image_bytes: int | None) -> RowSize | None:
    """A row whose label map will be made a PNG; None if it has no pixels."""
    if image_bytes is None:
        image_bytes = sizes.png_image_bytes(height, width)
    label_bytes = sizes.PNG_BYTES_PER_PIXEL * height * width
    return RowSize(height, width, label_bytes, image_bytes) if label_bytes else None


def sizes_in_records(
    found: Sequence[files.File], keys: RecordKeys, wanted: int, most: int
) -> tuple[list[RowSize], int]:
    """The sizes of the first rows of record files.

    Args:
        found: the files.
        keys: the features of a row, all named.
        wanted: how many rows to look at.
        most: the largest encoded picture that is read, in bytes.

    Returns:
        The sizes, and an estimate of how many rows all of the files have.
    """
    sampled: list[RowSize] = []
    sampled_bytes = 0
    for file in found:
        if len(sampled) >= wanted:
            break
        rows = readable_rows(file.path, keys, most)
        for row in itertools.islice(rows, wanted - len(sampled)):
            if isinstance(row, BadRow) or row.label_bytes is None:
                continue
            sampled_bytes += row.nbytes + _ROW_OVERHEAD_BYTES
            with contextlib.suppress(Exception):  # it will be rejected
                sampled.append(_size_of_read(row.label_bytes, row.image_bytes))
    total = sum(file.size for file in found)
    rows_in_all = total * len(sampled) / sampled_bytes if sampled_bytes else 0
    return sampled, math.ceil(rows_in_all)


def _size_of_read(label_bytes: bytes, image_bytes: bytes | None) -> RowSize:
    height, width, is_remade = pictures.sides(io.BytesIO(label_bytes))
    size = sizes.PNG_BYTES_PER_PIXEL * height * width if is_remade else len(label_bytes)
    return RowSize(height, width, size, len(image_bytes or b""))


def readable_rows(path: str, keys: RecordKeys, most: int) -> Iterator[RawRow | BadRow]:
    """The rows of a record file before its damage, which the pipeline reports.

    Args:
        path: of the file.
        keys: the features of a row, all named.
        most: the largest encoded picture that is read, in bytes.
    """
    with contextlib.suppress(DamagedError):
        yield from record_files.rows(path, keys, most=most)
