"""Encoded bytes to ids and image, one row at a time, exactly.

The converter calls the leaf functions on the very rows that it writes; the transform
graph maps the same functions over its batch.
"""

import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from transforms import orientation
from transforms.classes import ClassMap
from transforms.kinds import KINDS, PALETTE, RGB, RGBA, SIGNATURE, Kind

# In a PNG, after the 8-byte signature: 4 bytes length, "IHDR", 4 bytes width, 4 bytes
# height, one byte each of bit depth and colour type, three more, and the CRC-32 of all
# from "IHDR" on. Source: W3C PNG, 5.3 and 11.2.1.
_DEPTH_AT, _COLOR_TYPE_AT, _CRC_AT, _HEADER_BYTES = 24, 25, 29, 33


def _palette_to_grey() -> bytes:
    """What the header of a palette file is XORed with to say grey.

    CRC-32 is linear: changing one byte changes it by what depends on that byte alone.
    """
    palette, grey = bytearray(17), bytearray(17)  # "IHDR" and its 13 bytes
    palette[_COLOR_TYPE_AT - 12] = PALETTE
    change = (zlib.crc32(palette) ^ zlib.crc32(grey)).to_bytes(4, "big")
    mask = bytearray(_HEADER_BYTES)
    mask[_COLOR_TYPE_AT] = PALETTE
    mask[_CRC_AT:] = change
    return bytes(mask)


_PALETTE_TO_GREY = np.frombuffer(_palette_to_grey(), np.uint8)
_BYTES = [bytes([value]) for value in range(256)]


def grey_ids(encoded: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Decodes a grey PNG of 8 or 16 bits.

    Args:
        encoded: string[], a PNG of colour type 0 or 4.
        dtype: u8 or u16, by the file's own bit depth: TensorFlow truncates a 16-bit
            file read as u8, and scales an 8-bit file read as u16 by 257.

    Returns:
        The file's own samples: dtype[H W].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no whole PNG.
    """
    return tf.io.decode_png(encoded, channels=1, dtype=dtype)[..., 0]


def _samples(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """The samples of a grey or palette file: u8[H W], or u16 of a 16-bit file.

    TensorFlow has no mode for palette indices, and scales samples of 1, 2 and 4 bits
    to 8. So a palette file is read as the grey one that it becomes by its header, and
    the scaling is undone.
    """
    if kind.color_type == PALETTE:
        header = tf.io.decode_raw(
            tf.strings.substr(encoded, 0, _HEADER_BYTES), tf.uint8
        )
        header = tf.bitwise.bitwise_xor(header, _PALETTE_TO_GREY)
        start = tf.strings.reduce_join(tf.gather(_BYTES, tf.cast(header, tf.int32)))
        encoded = tf.strings.join(
            [start, tf.strings.substr(encoded, _HEADER_BYTES, -1)]
        )
    ids = grey_ids(encoded, tf.uint16 if kind.depth == 16 else tf.uint8)
    return ids if kind.depth >= 8 else ids // (255 // (2**kind.depth - 1))


def rgb_levels(encoded: tf.Tensor) -> tf.Tensor:
    """The colours of an 8-bit PNG: string[] -> u8[H W 3]; alpha is left out."""
    return tf.io.decode_png(encoded, channels=3)


def _rgb(encoded: tf.Tensor) -> list[tf.Tensor]:
    """Red, green and blue of an 8-bit file: i32[H W] each."""
    return tf.unstack(tf.cast(rgb_levels(encoded), tf.int32), axis=-1)


def color_codes(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """The colours of a PNG of any kind: i32[H W], as `classes.color_code` has them.

    A colour of 16 bits is the 8-bit one that it is 257 times, or else -1.
    """
    if kind.depth < 16:
        red, green, blue = _rgb(encoded)
        return red * 65536 + green * 256 + blue
    deep = tf.cast(tf.io.decode_png(encoded, channels=3, dtype=tf.uint16), tf.int32)
    red, green, blue = tf.unstack(deep // 257, axis=-1)
    exact = tf.reduce_all(deep % 257 == 0, axis=-1)
    return tf.where(exact, red * 65536 + green * 256 + blue, -1)


def ids(encoded: tf.Tensor, kind: Kind, class_map: ClassMap) -> tf.Tensor:
    """Decodes a label map whose kind is known.

    Args:
        encoded: string[], a PNG.
        kind: its colour type and depth: one of `KINDS` of the map's encoding.
        class_map: says how samples hold label values.

    Returns:
        u8[H W] or u16[H W], by `class_map.id_depth(kind.depth)`: ids as
        `class_map.forward_table` takes them.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no whole PNG.
    """
    encoding = class_map.encoding
    if encoding == "color":
        values = tf.constant(class_map.values, tf.int32)
        codes = color_codes(encoded, kind)
        place = tf.reshape(
            tf.searchsorted(values, tf.reshape(codes, [-1])), tf.shape(codes)
        )
        known = tf.gather(values, tf.minimum(place, len(class_map.values) - 1)) == codes
        dtype = tf.uint8 if class_map.id_depth(kind.depth) == 8 else tf.uint16
        return tf.cast(tf.where(known, place, dtype.max), dtype)
    if encoding == "ade20k":
        red, green, _ = _rgb(encoded)
        return tf.cast(red // 10 * 256 + green, tf.uint16)
    if encoding in ("panoptic", "instance"):
        if kind.color_type in (RGB, RGBA):
            red, green, blue = _rgb(encoded)
            sample = red + green * 256 + blue * 65536
        else:
            sample = tf.cast(_samples(encoded, kind), tf.int32)
        value = sample // class_map.divisor
        if encoding == "instance":
            value = tf.where(value == 0, sample, value)
        return tf.cast(tf.minimum(value, tf.uint16.max), tf.uint16)
    return _samples(encoded, kind)


def label_ids(encoded: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Decodes a label map by what its own header says.

    Args:
        encoded: string[], a PNG.
        class_map: says how samples hold label values.

    Returns:
        i32[H W]: ids as the 16-bit `class_map.forward_table` takes them.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no whole PNG, or of a kind that
            the map's encoding does not read.
    """
    # Filled up, for `substr` fails on short strings with a message that holds them.
    filled = tf.strings.join([encoded, "\0" * _HEADER_BYTES])
    fields = tf.strings.substr(filled, _DEPTH_AT, 2)
    depth, color_type = tf.unstack(tf.io.decode_raw(fields, tf.uint8), num=2)
    is_png = tf.strings.substr(filled, 0, len(SIGNATURE)) == SIGNATURE
    kinds = KINDS[class_map.encoding]
    is_kind = tf.stack(
        [
            is_png & (color_type == kind.color_type) & (depth == kind.depth)
            for kind in kinds
        ]
    )

    def decoder(kind: Kind) -> Callable[[], tf.Tensor]:
        return lambda: tf.cast(ids(encoded, kind, class_map), tf.int32)

    found = tf.switch_case(
        tf.where(
            tf.reduce_any(is_kind), tf.argmax(is_kind, output_type=tf.int32), len(kinds)
        ),
        [*map(decoder, kinds), lambda: tf.zeros([0, 0], tf.int32)],
    )
    message = tf.strings.join(
        [
            "the label map is no PNG that the class map's encoding, ",
            f"{class_map.encoding}, reads; its colour type is ",
            tf.strings.as_string(color_type),
            ", its depth ",
            tf.strings.as_string(depth),
        ]
    )
    return require(tf.reduce_any(is_kind), message, found)


def require(
    condition: tf.Tensor, message: tf.Tensor | str, value: tf.Tensor
) -> tf.Tensor:
    """Gives `value` where a condition holds, and fails with the message elsewhere.

    An assertion is an effect: a graph runs it even when nobody asks for what it
    guards, so a serving graph that holds one wants a label map with every image.
    Reading a number from the message is no effect, and fails with it.

    Args:
        condition: bool[].
        message: string[], for the error.
        value: integers of any shape, returned as they are.

    Raises:
        tf.errors.InvalidArgumentError: the condition does not hold.
    """
    zero = tf.strings.to_number(tf.where(condition, "0", message), tf.int32)
    return value + tf.cast(zero, value.dtype)


def image_levels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an image, upright: string[], a JPEG or PNG -> u8[H W 3].

    JPEG's inverse transform is the exact integer one, which is also Pillow's: the
    default differs from it by up to 6 levels.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are neither.
    """

    def jpeg() -> tf.Tensor:
        levels = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        return orientation.upright(levels, orientation.orientation(encoded))

    return tf.cond(
        tf.io.is_jpeg(encoded), jpeg, lambda: tf.io.decode_png(encoded, channels=3)
    )
