"""Encoded images to upright pixels; or rejected, with the reason."""

from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import simplejpeg
import tensorflow as tf

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.rows import refusals
from maskbeam.pipeline.runtime import progress
from maskbeam.transforms import decode, features, geometry, orientation, png, tiles

_PRINT = ("CMYK", "YCCK")
# Of libjpeg's warnings those that are of the pixels (jerror.h, JWRN_*).
_SIGNS_OF_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")

# With the rows that were read it tells whether any was decoded twice.
_IMAGES = beam.metrics.Metrics.counter(progress.NAMESPACE, "images")


class Image(NamedTuple):
    """An image on its way.

    Attributes:
        levels: u8[H W 3], as the model will see it.
        is_turned: whether it was turned upright.
        encoded: the file that gives them; empty where they are to be encoded.
        format: of the file.
    """

    levels: npt.NDArray[np.uint8]
    is_turned: bool
    encoded: bytes = b""
    format: str = ""

    def fit(self, config: features.Config) -> "Image":
        """Resizes the image to what all rows have; its file stays as it is."""
        levels = geometry.fit_image(self.levels, config.size, config.resize).numpy()
        return self._replace(levels=levels)

    def cut(self, offset: tiles.Offset, tile: tuple[int, int]) -> "Image":
        """One tile of the image."""
        return Image(tiles.cut(self.levels, offset, tile, 0), self.is_turned)

    def stored(self, image_storage: features.ImageStorage) -> tuple[bytes, str]:
        """The file as it is stored, or the levels, and its format."""
        if image_storage == "raw":
            return self.levels.tobytes(), "raw"
        if self.encoded:
            return self.encoded, self.format
        return png.encode_png(self.levels), "png"


def turn_of(
    data: bytes, header: picture_header.Header, exif: features.Exif, what: str
) -> int:
    """How an image is turned: its EXIF orientation; 1 where it has none, or is not.

    Raises:
        RejectedError: parsers differ on where the EXIF data is.
    """
    if header.format != "jpeg" or exif == "ignore":
        return 1
    if b"Exif" not in data[: orientation.LOOKED_AT]:
        return 1
    turn = int(orientation.orientation(data))
    if not turn:
        raise RejectedError("header", f"{what}: {orientation.DAMAGED}")
    return turn


def upright_size(header: picture_header.Header, turn: int) -> tuple[int, int]:
    """Height and width of an image once it is upright, in pixels."""
    size = header.height, header.width
    return size[::-1] if turn > 4 else size


def read(
    data: bytes,
    header: picture_header.Header,
    turn: int,
    image_storage: features.ImageStorage,
    what: str,
) -> Image:
    """Decodes an image, and turns it upright.

    Args:
        data: the encoded image.
        header: of it.
        turn: how it is turned, from `turn_of`.
        image_storage: whether records keep the image's file.
        what: the image, in words.

    Raises:
        RejectedError: it is damaged.
    """
    _IMAGES.inc()
    try:
        levels = _levels(data, header)
    except tf.errors.InvalidArgumentError as error:
        reason = refusals.damaged(str(error.message))
        raise RejectedError("decode", f"{what}: {reason}") from error
    except _DamagedError as error:
        raise RejectedError(
            "decode", f"{what}: {refusals.damaged(str(error))}"
        ) from error
    if levels.shape[:2] != (header.height, header.width):
        reason = refusals.other_than_promised(
            (header.height, header.width), levels.shape[:2]
        )
        raise RejectedError("decode", f"{what}: {reason}")
    if turn > 1:
        levels = np.asarray(orientation.upright(levels, tf.constant(turn)))
    if image_storage != "original" or turn > 1:
        # Other readers of the records do not turn pictures, or not all alike.
        return Image(levels, turn > 1)
    return Image(levels, False, data, header.format)


class _DamagedError(Exception):
    """A JPEG is damaged, and decoders make something of it."""


def _levels(data: bytes, header: picture_header.Header) -> npt.NDArray[np.uint8]:
    """Decodes an image as its file has it: u8[H W 3].

    Raises:
        tf.errors.InvalidArgumentError: it is damaged.
        _DamagedError: likewise.
    """
    if header.format == "jpeg":
        try:
            # libjpeg-turbo, as in TensorFlow, with the same pixels; this one tells.
            is_print = simplejpeg.decode_jpeg_header(data)[2] in _PRINT
            levels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, "CMYK" if is_print else "RGB"
            )
            if not is_print:  # which each of the two makes RGB in its own way
                return levels
        except ValueError as error:  # other warnings too, and kinds it does not read
            if str(error).startswith(_SIGNS_OF_DAMAGE):
                raise _DamagedError(str(error)) from error
    return np.asarray(decode.unturned_levels(tf.constant(data)))
