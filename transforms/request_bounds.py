"""Judges requests before their pictures are decoded.

A picture of a few hundred bytes may promise any number of pixels, and a batch is padded
to its largest picture: what a request costs is in no relation to its bytes.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from maskbeam.transforms import decode

# gRPC sends no larger message, and protobuf makes none.
MAX_OUTPUT_BYTES = 2**31 - 1
# In pixels. Smaller pictures are decoded ten at once, larger ones one by one: at 15
# bytes a pixel, ten take no more than a single one of the default --max_pixels does.
_LARGE = 1 << 23
_AT_ONCE = 10


def check_image(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Reads an image's sides from its header: string[] -> i64[2], height and width.

    Args:
        encoded: the file, a JPEG or PNG.
        max_pixels: the largest picture that is decoded.

    Raises:
        tf.errors.InvalidArgumentError: it is neither, its header is damaged, or
            promises more pixels.
    """
    is_jpeg = tf.io.is_jpeg(encoded)
    message = "the image is neither JPEG nor PNG"
    start = decode.require(decode.is_png(encoded) | is_jpeg, message, tf.constant(0))
    sides = tf.cond(
        is_jpeg,
        lambda: tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64),
        lambda: decode.png_sides(encoded),
    )
    return check_sides(sides[start:], max_pixels, "image")


def check_label_map(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Reads a label map's sides from its header: string[] -> i64[2].

    Args:
        encoded: the file, a PNG.
        max_pixels: the largest picture that is decoded.

    Raises:
        tf.errors.InvalidArgumentError: it is none, or promises more pixels.
    """
    message = "the label map is no PNG"
    start = decode.require(decode.is_png(encoded), message, tf.constant(0))
    return check_sides(decode.png_sides(encoded)[start:], max_pixels, "label map")


def check_sides(sides: tf.Tensor, max_pixels: int, what: str) -> tf.Tensor:
    """Checks how many pixels a picture has: i64[2], returned as it is.

    Args:
        sides: height and width.
        max_pixels: the largest picture that is decoded.
        what: what it is, for the error.

    Raises:
        tf.errors.InvalidArgumentError: it has none, or more.
    """
    height, width = tf.unstack(sides, num=2)
    message = tf.strings.join(
        [
            f"the {what} is ",
            tf.strings.as_string(height),
            " x ",
            tf.strings.as_string(width),
            f" pixels; at least 1 and at most {max_pixels} are decoded (--max_pixels "
            "of the conversion)",
        ]
    )
    fits = (height > 0) & (width > 0) & (height <= max_pixels // tf.maximum(width, 1))
    return decode.require(fits, message, sides)


def check_output(rows: tf.Tensor, pixels: tf.Tensor, bytes_per_pixel: int) -> tf.Tensor:
    """Checks how large a batch of pictures will be: i32[], 0, to hang what is made on.

    Args:
        rows: int[], how many rows the batch has.
        pixels: i64[], how many pixels all of them have, with what they are padded by.
        bytes_per_pixel: what is returned of each.

    Raises:
        tf.errors.InvalidArgumentError: it is too large.
    """
    message = tf.strings.join(
        [
            "the answer would have ",
            tf.strings.as_string(rows),
            " rows of ",
            tf.strings.as_string(pixels),
            f" pixels in all, and {bytes_per_pixel} bytes for each; at most "
            f"{MAX_OUTPUT_BYTES} bytes are returned: send fewer rows at once, or "
            "fetch no mask",
        ]
    )
    fits = pixels <= MAX_OUTPUT_BYTES // bytes_per_pixel
    return decode.require(fits, message, tf.constant(0))


def map_in_turn(
    function: Callable[[tf.Tensor], Any],
    rows: tf.Tensor,
    pixels: tf.Tensor,
    signature: Any,
) -> Any:
    """Maps a function over rows, several at once unless one of them is large.

    Args:
        function: of one row.
        rows: string[B].
        pixels: i64[B], what each row takes, in pixels.
        signature: `fn_output_signature` of `tf.map_fn`.
    """

    def mapped(at_once: int) -> Any:
        return tf.map_fn(
            function, rows, parallel_iterations=at_once, fn_output_signature=signature
        )

    return tf.cond(
        tf.reduce_any(pixels > _LARGE), lambda: mapped(1), lambda: mapped(_AT_ONCE)
    )
