"""The files of a row to pictures that the graph reads, encoded."""

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Entry, RawRow, RejectedError, Segment, Window
from maskbeam.pipeline.errors import StoreError, in_words
from maskbeam.pipeline.formats import (
    annotations,
    arrays,
    drawn,
    limits,
    meanings,
    panoptic_png,
    picture_header,
    pictures,
)
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import images
from maskbeam.pipeline.runtime import files, turns
from maskbeam.transforms import png

_DRAWN_BYTES = 6  # of a pixel, while a label map is drawn and encoded


def label_map(
    entry: Entry, segments: tuple[Segment, ...] | None, options: Options
) -> bytes:
    """Reads a label map; whatever is no PNG becomes one of the same values.

    Args:
        entry: of the label map.
        segments: of a panoptic one.
        options: what is converted.

    Raises:
        RejectedError: its file cannot be read.
        StoreError: the store does not answer.
    """
    if arrays.is_array(entry.path):
        return _of_array(entry, options)
    if segments is not None:
        try:
            data = _read(entry, options)
            return panoptic_png.category_map(data, segments, options.max_pixels)
        except ValueError as error:
            raise RejectedError("panoptic", str(error)) from error
    with _readable("label map"):
        if _is_part(entry):
            with files.open_raw(entry.path) as file:
                return pictures.tiff_label_map(file, options, *_part_of(entry))
        return pictures.label_map(_read(entry, options), options)


def drawn_map(
    entry: Entry, image_bytes: bytes | None, options: Options
) -> tuple[bytes, int]:
    """Draws a label map from an annotation file.

    Args:
        entry: of the label map.
        image_bytes: the row's image, whose size the label map has if the file says
            none; None if there is none.
        options: what is converted.

    Returns:
        A grey PNG of ids, and how many pixels have annotations of several classes.

    Raises:
        RejectedError: the file is damaged, or something cannot be drawn.
        StoreError: the store does not answer.
    """
    reader = annotations.FORMATS[entry.annotations]
    class_map, is_ignored = options.class_map, options.unlabelled == "ignore"
    try:
        picture = annotations.picture_of(entry)
        if not (picture.height or picture.width) and image_bytes is not None:
            height, width = _size_of(image_bytes, options)
            picture = picture._replace(height=height, width=width)
        rules = drawn.Rules(
            meanings.value_of(reader.LABELS, class_map),
            meanings.unlabelled(class_map, is_ignored=is_ignored),
            reader.BY_AREA,
            options.max_pixels,
        )
        pixels = min(picture.height * picture.width, options.max_pixels)
        with turns.DECODE.take(_DRAWN_BYTES * pixels):
            ids, overlapping = drawn.draw(picture, rules)
            return encode_ids(ids), overlapping
    except (OSError, ValueError) as error:
        raise RejectedError("draw", in_words(error)) from error


def _size_of(image_bytes: bytes, options: Options) -> tuple[int, int]:
    """Height and width of an image, as it will be stored."""
    header = picture_header.read_header(image_bytes)
    turn = images.turn_of(image_bytes, header, options.exif, "image")
    return images.upright_size(header, turn)


def image(entry: Entry, options: Options) -> bytes:
    """Reads an image; one that is neither PNG nor JPEG becomes a PNG.

    Args:
        entry: of the image.
        options: what is converted.

    Raises:
        RejectedError: its file cannot be read.
        StoreError: the store does not answer.
    """
    with _readable(f"image {entry.source}"):
        if _is_part(entry):
            with files.open_raw(entry.path) as file:
                return pictures.tiff_image(file, options, *_part_of(entry))
        return pictures.image(_read(entry, options), options)


def readable(row: RawRow, options: Options) -> RawRow:
    """Makes PNGs of a record file's pictures that are of other formats.

    Args:
        row: of a record file.
        options: what is converted.

    Raises:
        RejectedError: a picture cannot be read.
    """
    label, picture = row.label_bytes, row.image_bytes
    with _readable("label map"):
        label = label and pictures.label_map(label, options)
    with _readable(f"image {row.image_source}"):
        picture = picture and pictures.image(picture, options)
    return row._replace(label_bytes=label, image_bytes=picture)


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    """Makes whatever a picture of any format may do a rejection of its row."""
    try:
        yield
    except (RejectedError, StoreError):
        raise
    except Exception as error:  # a library that reads what may be anything
        raise RejectedError("read", f"{what}: {in_words(error)}") from error


def _is_part(entry: Entry) -> bool:
    """Checks for a picture of a TIFF, or a part of one."""
    return entry.place is not None or entry.window is not None


def _part_of(entry: Entry) -> tuple[int, Window | None]:
    return max(0, entry.place.index) if entry.place else 0, entry.window


def _of_array(entry: Entry, options: Options) -> bytes:
    assert entry.place is not None
    try:
        return encode_ids(arrays.read(entry.path, entry.place, options.max_pixels))
    except (ValueError, OSError) as error:
        # The names in a damaged archive may be long.
        raise RejectedError("read", in_words(error)) from error


def _read(entry: Entry, options: Options) -> bytes:
    most = limits.picture_bytes(options.max_pixels)
    try:
        data = files.read_some(entry.path, most + 1)
    except OSError as error:
        reason = f"{entry.source} cannot be read: {error}"
        raise RejectedError("read", reason) from error
    if len(data) > most:
        raise RejectedError(
            "read",
            f"{entry.source} has more than {most} bytes, and no picture of "
            "--max_pixels has more",
        )
    return data


def encode_ids(array: npt.NDArray[np.unsignedinteger]) -> bytes:
    """Encodes an array of ids as a grey PNG: 8 bits deep if they fit, else 16.

    Args:
        array: u8[H W] or u16[H W].
    """
    if array.max() <= 255:
        return png.encode_png(array.astype(np.uint8, copy=False))
    return png.encode_png(array.astype(np.uint16, copy=False))
