"""Reads headers of pictures that are small enough to be decoded."""

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.rows import refusals


def read(data: bytes, what: str, max_pixels: int) -> picture_header.Header:
    """Reads a picture's header.

    Args:
        data: the encoded picture.
        what: the picture, in words.
        max_pixels: the largest picture that is decoded.

    Raises:
        RejectedError: it is damaged, or promises more pixels.
    """
    try:
        found = picture_header.read_header(data)
    except ValueError as error:
        raise RejectedError("header", f"{what}: {error}") from error
    if found.pixels > max_pixels:
        reason = refusals.too_many_pixels(found.height, found.width, max_pixels)
        raise RejectedError("header", f"{what}: {reason}")
    return found
