"""Encoded images to upright pixels; or rejected, with the reason."""

from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.rows import refusals
from maskbeam.pipeline.runtime import progress
from maskbeam.transforms import decode, features, geometry, orientation, png, tiles

# With the rows that were read it tells whether any was decoded twice.
_IMAGES = beam.metrics.Metrics.counter(progress.NAMESPACE, "images")


class Image(NamedTuple):
    """An image on its way.

    Attributes:
        levels: u8[H W 3], as the model will see it.
        encoded: the file that gives them; empty where they are to be encoded.
        format: of the file.
    """

    levels: npt.NDArray[np.uint8]
    encoded: bytes = b""
    format: str = ""

    def fit(self, config: features.Config) -> "Image":
        """Resizes the image to what all rows have; its file stays as it is."""
        levels = geometry.fit_image(self.levels, config.size, config.resize).numpy()
        return self._replace(levels=levels)

    def cut(self, offset: tiles.Offset, tile: tuple[int, int]) -> "Image":
        """One tile of the image."""
        return Image(tiles.cut(self.levels, offset, tile, 0))

    def stored(self) -> tuple[bytes, str]:
        """The file as it is stored, and its format."""
        if self.encoded:
            return self.encoded, self.format
        return png.encode_png(self.levels), "png"


def orientation_of(data: bytes, header: picture_header.Header) -> int:
    """The EXIF orientation of an image, 1 where it has none."""
    if header.format != "jpeg" or b"Exif" not in data[: orientation.LOOKED_AT]:
        return 1
    return int(orientation.orientation(data))


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
        turn: its EXIF orientation, 1 to 8.
        image_storage: whether records keep the image's file.
        what: the image, in words.

    Raises:
        RejectedError: it is damaged.
    """
    _IMAGES.inc()
    try:
        levels = decode.unturned_levels(tf.constant(data))
    except tf.errors.InvalidArgumentError as error:
        reason = refusals.damaged(str(error.message))
        raise RejectedError("decode", f"{what}: {reason}") from error
    levels = np.asarray(orientation.upright(levels, tf.constant(turn)))
    if image_storage == "png" or turn > 1:
        # Other readers of the records do not turn pictures, or not all alike.
        return Image(levels)
    return Image(levels, data, header.format)
