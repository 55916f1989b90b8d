"""Pictures of any format to PNGs, by what they are and not by what they are called.

What the graph and every reader of records decode stays as it is: PNG, and JPEG images.
"""

import io
from typing import IO, NamedTuple

import numpy as np

from maskbeam.pipeline.elements import Window
from maskbeam.pipeline.formats import (
    picture_header,
    pillow_pictures,
    samples,
    tiff_directory,
    tiffs,
)
from maskbeam.pipeline.formats.samples import Array, Samples
from maskbeam.pipeline.options import Options

LOSSY = (
    "JPEG changes label values: save label maps as PNG, or add --jpeg_label_maps, with "
    "a class map that says `nearest` or `threshold`"
)


def is_other(data: bytes) -> bool:
    """Checks whether a file, by its first bytes, is a picture that becomes a PNG."""
    return tiff_directory.is_tiff(data) or pillow_pictures.is_read(data)


class Sides(NamedTuple):
    """The height and width that a picture promises, in pixels, as it is stored.

    Attributes:
        height: in pixels.
        width: in pixels.
        is_remade: whether a PNG is made of it.
    """

    height: int
    width: int
    is_remade: bool


def sides(file: IO[bytes], number: int = 0) -> Sides:
    """Looks at what a picture promises.

    Args:
        file: the picture.
        number: which picture of a TIFF, from 0.

    Raises:
        ValueError: it is damaged, or of a format that is not read.
    """
    start = file.read(picture_header.ENOUGH_BYTES)
    file.seek(0)
    if tiff_directory.is_tiff(start):
        page = tiff_directory.pages(file)[number]
        return Sides(page.height, page.width, True)
    if pillow_pictures.is_read(start):
        promise = pillow_pictures.promise(file)
        return Sides(promise.height, promise.width, True)
    header = picture_header.read_header(start)
    return Sides(header.height, header.width, False)


def label_map(data: bytes, options: Options) -> bytes:
    """Makes a label map a PNG of the same samples, if it is none.

    A JPEG stays as it is, and will be rejected, unless `jpeg_label_maps` lets it in.

    Args:
        data: the encoded picture.
        options: what is read.

    Raises:
        ValueError: it is damaged, or holds no label map; the message can be shown.
    """
    if tiff_directory.is_tiff(data):
        return tiff_label_map(io.BytesIO(data), options)
    is_jpeg = data.startswith(picture_header.JPEG_START) and options.jpeg_label_maps
    if not (is_jpeg or pillow_pictures.is_read(data)):
        return data
    found, _ = pillow_pictures.read(
        io.BytesIO(data), options.max_pixels, as_stored=True
    )
    return samples.label_map(found)


def tiff_label_map(
    file: IO[bytes],
    options: Options,
    number: int | None = None,
    window: Window | None = None,
) -> bytes:
    """Makes a picture of a TIFF, or a part of it, a PNG of the same samples.

    Args:
        file: the TIFF.
        options: what is read.
        number: which picture, from 0; None for the only one.
        window: the part; None for all of it.

    Raises:
        ValueError: as `label_map` does.
    """
    found, page = tiffs.read(file, number, options.max_pixels, window)
    if page.is_lossy and not options.jpeg_label_maps:
        raise ValueError(f"compressed as photos are: {LOSSY}")
    return samples.label_map(found)


def image(data: bytes, options: Options) -> bytes:
    """Makes an image an RGB PNG, upright, if it is neither PNG nor JPEG.

    Args:
        data: the encoded picture.
        options: what is read.

    Raises:
        ValueError: it is damaged, or of values that are no levels; the message can be
            shown.
    """
    if tiff_directory.is_tiff(data):
        return tiff_image(io.BytesIO(data), options)
    if not pillow_pictures.is_read(data):
        return data
    found, promise = pillow_pictures.read(io.BytesIO(data), options.max_pixels)
    return _image_of(found, promise.turn, options)


def tiff_image(
    file: IO[bytes],
    options: Options,
    number: int | None = None,
    window: Window | None = None,
) -> bytes:
    """Makes a picture of a TIFF, or a part of it, an RGB PNG; see `tiff_label_map`."""
    found, page = tiffs.read(file, number, options.max_pixels, window)
    return _image_of(found, page.turn if window is None else 1, options)


def _image_of(found: Samples, turn: int, options: Options) -> bytes:
    if options.exif == "upright":
        found = found._replace(values=_upright(found.values, turn))
    return samples.image(found, options.image_bands, options.image_range)


def _upright(values: Array, turn: int) -> Array:
    """Undoes an orientation (EXIF 2.32, tag 274): 1 to 8."""
    if turn > 4:
        values = values.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)
