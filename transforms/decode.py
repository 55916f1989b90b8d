"""Decodes label maps to ids, and images, one row at a time, exactly.

The converter calls the leaf functions on the rows that it writes; the transform graph
maps the same functions over its batch.
"""

import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from maskbeam.transforms import nearest_colors, orientation
from maskbeam.transforms.classes import ClassMap
from maskbeam.transforms.features import Exif
from maskbeam.transforms.png_kinds import (
    CHANNELS,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    Kind,
)

# In a PNG, after the 8-byte signature: 4 bytes length, "IHDR", 4 bytes width, 4 bytes
# height, one byte each of bit depth and colour type, three more, and the CRC-32 of all
# from "IHDR" on. Source: W3C PNG, 5.3 and 11.2.1.
_SIDES_AT, _DEPTH_AT, _COLOR_TYPE_AT, _CRC_AT, _HEADER_BYTES = 16, 24, 25, 29, 33


def _palette_to_grey() -> bytes:
    """Makes what a palette file's header is XORed with to say grey.

    CRC-32 is linear: what a changed byte changes in it depends on that byte alone.
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
        tf.errors.InvalidArgumentError: the bytes are not a whole PNG.
    """
    samples = tf.io.decode_png(encoded, channels=1, dtype=dtype)
    return tf.squeeze(samples, axis=-1)  # slicing would copy


def _choose(
    condition: bool | tf.Tensor,
    yes: Callable[[], tf.Tensor],
    no: Callable[[], tf.Tensor],
) -> tf.Tensor:
    """Does as `tf.cond`, but a condition known beforehand is not put in the graph."""
    if isinstance(condition, bool):
        return yes() if condition else no()
    return tf.cond(condition, yes, no)


def _as_grey(encoded: tf.Tensor) -> tf.Tensor:
    """Makes a palette file a grey one, by changing its header."""
    header = tf.io.decode_raw(tf.strings.substr(encoded, 0, _HEADER_BYTES), tf.uint8)
    header = tf.bitwise.bitwise_xor(header, _PALETTE_TO_GREY)
    start = tf.strings.reduce_join(tf.gather(_BYTES, tf.cast(header, tf.int32)))
    return tf.strings.join([start, tf.strings.substr(encoded, _HEADER_BYTES, -1)])


def _shallow_samples(
    encoded: tf.Tensor, kind: Kind, *, scaled: bool = False
) -> tf.Tensor:
    """Decodes the samples of a grey or palette file of up to 8 bits: u8[H W].

    TensorFlow has no mode for palette indices, and scales samples of 1, 2 and 4 bits
    to 8.

    Args:
        encoded: string[], a PNG.
        kind: of it.
        scaled: whether they are to stay so.
    """
    is_palette = kind.color_type == PALETTE
    ids = grey_ids(
        _choose(is_palette, lambda: _as_grey(encoded), lambda: encoded), tf.uint8
    )
    if scaled:
        return ids

    def unscaled() -> tf.Tensor:
        levels = tf.bitwise.left_shift(1, tf.cast(kind.depth, tf.int32)) - 1
        return ids // tf.cast(255 // levels, tf.uint8)

    return _choose(kind.depth == 8, lambda: ids, unscaled)


def rgb_levels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes the colours of an 8-bit PNG, without alpha: string[] -> u8[H W 3]."""
    return tf.io.decode_png(encoded, channels=3)


def color_levels(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Decodes the colours of any PNG: u8[H W 3]; levels of 16 bits are divided by 257.

    Raises:
        tf.errors.InvalidArgumentError: levels of 16 bits do not divide, or the bytes
            are not a whole PNG.
    """

    def deep() -> tf.Tensor:
        levels = tf.io.decode_png(encoded, channels=3, dtype=tf.uint16)
        is_exact = levels % 257 == 0
        message = (
            "its colours have 16 bits a channel and no equal ones of 8 bits, which "
            "class maps have (the two bytes of a level differ): save it with 8 bits a "
            "channel"
        )
        start = require(tf.reduce_all(is_exact), message, tf.constant(0))
        return tf.cast(levels[start:] // 257, tf.uint8)

    return _choose(kind.depth == 16, deep, lambda: rgb_levels(encoded))


def color_codes(levels: tf.Tensor) -> tf.Tensor:
    """Makes levels u8[... 3] codes i32[...], as `classes.color_code` makes them."""
    red, green, blue = _channels(levels)
    return red * 65536 + green * 256 + blue


def _channels(levels: tf.Tensor) -> list[tf.Tensor]:
    """Takes red, green and blue apart: u8[... 3] to i32[...] each."""
    return [tf.cast(levels[..., channel], tf.int32) for channel in range(3)]


def ids_of_levels(levels: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Finds the ids of colours u8[... 3] that hold label values: i32[...].

    They are those of the 16-bit `class_map.forward_table`.
    """
    if class_map.encoding == "color":
        if class_map.threshold:
            is_high = tf.cast(levels >= class_map.threshold, tf.uint8)
            levels = is_high * tf.uint8.max
        return _color_ids(color_codes(levels), class_map)
    red, green, blue = _channels(levels)
    if class_map.encoding == "ade20k":
        return red // 10 * 256 + green
    return _divided(red + green * 256 + blue * 65536, class_map)


def _color_ids(codes: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Finds codes' positions in `class_map.values`: i32[...], 65535 if none."""
    values = tf.constant(class_map.values, tf.int32)
    flat = tf.reshape(codes, [-1])
    place = tf.minimum(tf.searchsorted(values, flat), len(class_map.values) - 1)
    known = tf.gather(values, place) == flat
    place = tf.where(known, place, tf.uint16.max)
    if class_map.nearest:
        unknown = tf.where(~known)
        found = nearest_colors.positions(tf.gather(flat, unknown[:, 0]), class_map)
        place = tf.tensor_scatter_nd_update(place, unknown, found)
    return tf.reshape(place, tf.shape(codes))


def _divided(sample: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Finds the label values in panoptic samples: i32[...]."""
    value = sample // class_map.divisor
    if class_map.encoding == "instance":
        value = tf.where(value == 0, sample, value)
    return tf.minimum(value, tf.uint16.max)


def with_alpha(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Decodes a PNG that has alpha: u8 or u16[H W C], C 2 or 4, alpha last."""
    dtype = tf.uint16 if kind.depth == 16 else tf.uint8
    return tf.io.decode_png(encoded, channels=0, dtype=dtype)


def palette_indices(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Decodes the samples of a palette file, and no colours: u8[H W]."""
    return _shallow_samples(encoded, kind)


def _at_any_depth(
    encoded: tf.Tensor, kind: Kind, of_bytes: Callable[[], tf.Tensor]
) -> tf.Tensor:
    """Decodes samples i32[H W]: grey ones of 16 bits, or those that `of_bytes` does."""
    return _choose(
        kind.depth == 16,
        lambda: tf.cast(grey_ids(encoded, tf.uint16), tf.int32),
        lambda: tf.cast(of_bytes(), tf.int32),
    )


def _grey_samples(encoded: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Decodes the samples of a grey or palette file of any depth: i32[H W]."""
    return _at_any_depth(encoded, kind, lambda: _shallow_samples(encoded, kind))


def four_channels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an 8-bit RGB or RGBA PNG: string[] -> u8[H W 4], alpha last."""
    return tf.io.decode_png(encoded, channels=4)


def are_unequal(levels: tf.Tensor) -> tf.Tensor:
    """Finds pixels that are not grey: u8[H W 4] -> bool[H W]."""
    red, green, blue, _ = tf.unstack(levels, axis=-1)
    return (red != green) | (red != blue)


def is_in_alpha(samples: tf.Tensor) -> tf.Tensor:
    """Checks whether one colour has several values of alpha: the label map is there.

    Args:
        samples: u8 or u16[H W C], alpha last.
    """
    varies = tf.reduce_any(samples != samples[:1, :1], axis=[0, 1])
    return varies[-1] & ~tf.reduce_any(varies[:-1])


def _equal_levels(encoded: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Decodes an RGB or RGBA file of greys: u8[H W], the level of all three channels.

    Raises:
        tf.errors.InvalidArgumentError: it has other colours, or its label map is in
            alpha.
    """
    levels = four_channels(encoded)
    unequal = tf.math.count_nonzero(are_unequal(levels), dtype=tf.int32)
    name = f"encoding index of class map {class_map.name}"
    colors = tf.strings.join(
        [
            "the label map has other green or blue than red at ",
            tf.strings.as_string(unequal),
            f" pixels, and {name} reads greys alone: colours are no class ids",
        ]
    )
    alpha = (
        "in the label map one colour has several values of alpha: if they are the "
        f"ids, {name} needs `channel: alpha`"
    )
    start = require(unequal == 0, colors, tf.constant(0))
    start += require(~is_in_alpha(levels), alpha, tf.constant(0))
    return levels[start:, :, 0]


def _byte_samples(encoded: tf.Tensor, kind: Kind, class_map: ClassMap) -> tf.Tensor:
    """Decodes the samples of a file of up to 8 bits, as `index` has them: u8[H W]."""
    if class_map.channel == "alpha":
        return tf.io.decode_png(encoded)[..., -1]

    def of_colors() -> tf.Tensor:
        if class_map.channel:
            return rgb_levels(encoded)[..., CHANNELS.index(class_map.channel)]
        return _equal_levels(encoded, class_map)

    is_color = (kind.color_type == RGB) | (kind.color_type == RGBA)
    if class_map.channel:
        is_color |= kind.color_type == PALETTE
    scaled = class_map.threshold > 0
    return _choose(
        is_color, of_colors, lambda: _shallow_samples(encoded, kind, scaled=scaled)
    )


def ids(encoded: tf.Tensor, kind: Kind, class_map: ClassMap) -> tf.Tensor:
    """Decodes a label map whose kind is known.

    Args:
        encoded: string[], a PNG.
        kind: its colour type and depth, one of `class_map.kinds`.
        class_map: says how samples hold label values.

    Returns:
        u8[H W] or u16[H W], by `class_map.id_depth(kind.depth)`: ids as
        `class_map.forward_table` takes them.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are not a whole PNG, or its colours
            have 16 bits and no equal ones of 8, or are not grey where `index` reads
            greys.
    """
    dtype = tf.uint8 if class_map.id_depth(kind.depth) == 8 else tf.uint16
    if class_map.encoding in ("index", "coco_panoptic"):
        if kind.depth == 16:
            return grey_ids(encoded, dtype)
        return _byte_samples(encoded, kind, class_map)
    # 65535, an unknown colour, becomes 255, which is the unknown colour in 8 bits.
    return tf.cast(_wide_ids(encoded, kind, class_map), dtype)


def _wide_ids(encoded: tf.Tensor, kind: Kind, class_map: ClassMap) -> tf.Tensor:
    """Decodes ids i32[H W], as the map's encoding has them."""

    def of_levels() -> tf.Tensor:
        return ids_of_levels(color_levels(encoded, kind), class_map)

    if class_map.encoding in ("color", "ade20k"):
        return of_levels()
    if class_map.encoding == "index":
        return _at_any_depth(
            encoded, kind, lambda: _byte_samples(encoded, kind, class_map)
        )
    if not class_map.divisor:
        return _grey_samples(encoded, kind)
    is_color = (kind.color_type == RGB) | (kind.color_type == RGBA)
    return _choose(
        is_color,
        of_levels,
        lambda: _divided(_grey_samples(encoded, kind), class_map),
    )


def label_ids(encoded: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Decodes a label map by what its own header says.

    Args:
        encoded: string[], a PNG.
        class_map: says how samples hold label values.

    Returns:
        i32[H W]: ids as the 16-bit `class_map.forward_table` takes them.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are not a whole PNG, or it is of a
            kind that the map's encoding does not read.
    """
    fields = _header_bytes(encoded, _DEPTH_AT, 2)
    depth, color_type = tf.unstack(fields, num=2)
    kinds = [(kind.depth, kind.color_type) for kind in class_map.kinds]
    is_read = is_png(encoded) & tf.reduce_any(
        tf.reduce_all(fields == tf.constant(kinds, tf.uint8), axis=-1)
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
    # The check guards the bytes, which are fewer than the pixels, and the kind: what is
    # computed of a kind that is none may fail by itself.
    start = require(is_read, message, tf.constant(0))
    encoded = tf.strings.substr(encoded, start, -1)
    depth, color_type = tf.unstack(require(is_read, message, fields), num=2)
    return _wide_ids(encoded, Kind(color_type, depth), class_map)


def is_png(encoded: tf.Tensor) -> tf.Tensor:
    """Checks for a PNG's signature and a whole header: string[] -> bool[]."""
    begins = tf.strings.substr(encoded, 0, len(SIGNATURE)) == SIGNATURE
    return begins & (tf.strings.length(encoded) >= _HEADER_BYTES)


def png_sides(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width from a PNG's header: string[] -> i64[2]."""
    digits = tf.cast(_header_bytes(encoded, _SIDES_AT, 8), tf.int64)
    place = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
    return tf.reduce_sum(tf.reshape(digits, [2, 4]) * place, axis=1)[::-1]


def _header_bytes(encoded: tf.Tensor, at: int, count: int) -> tf.Tensor:
    """Takes bytes of a PNG's header: u8[count], zeros where there are none."""
    # Padded: `substr` fails on short strings, with a message that contains them.
    start = tf.strings.substr(encoded, 0, _HEADER_BYTES)
    filled = tf.strings.join([start, "\0" * _HEADER_BYTES])
    return tf.io.decode_raw(tf.strings.substr(filled, at, count), tf.uint8)


def require(
    condition: tf.Tensor, message: tf.Tensor | str, value: tf.Tensor
) -> tf.Tensor:
    """Returns `value` if a condition holds, and fails with the message if not.

    An assertion is a side effect: a graph runs it even if nobody asks for what it
    guards, so a serving graph with an assertion needs a label map with every image.
    Reading a number from the message is no side effect, and fails with the message.

    Args:
        condition: bool[].
        message: string[], for the error.
        value: integers of any shape, returned as they are.

    Raises:
        tf.errors.InvalidArgumentError: the condition does not hold.
    """
    zero = tf.strings.to_number(tf.where(condition, "0", message), tf.int32)
    return value + tf.cast(zero, value.dtype)


def image_levels(encoded: tf.Tensor, exif: Exif = "upright") -> tf.Tensor:
    """Decodes an image: string[], a JPEG or PNG -> u8[H W 3].

    Args:
        encoded: the file.
        exif: whether it is turned upright, as its EXIF data says.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are neither, or nobody can say which
            way up they are.
    """
    if exif == "ignore":
        return unturned_levels(encoded)
    turn = orientation.orientation(encoded)
    return orientation.upright(
        unturned_levels(encoded), require(turn > 0, orientation.DAMAGED, turn)
    )


def unturned_levels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an image as the file has it: string[], a JPEG or PNG -> u8[H W 3].

    JPEG's inverse transform is the exact integer one, which is also Pillow's: the
    default differs from it by up to 6 levels.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are neither.
    """
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
