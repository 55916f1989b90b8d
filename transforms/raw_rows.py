"""Decodes one row's raw bytes, for the transform graph and for serving.

Both map these functions over a batch, so both decode alike. TensorFlow traces each once
in a process, and once more for each of a few configurations; graphs call it.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from maskbeam.transforms import decode, features, geometry, request_bounds
from maskbeam.transforms.classes import IGNORED, UNKNOWN, ClassMap

RowFn = Callable[[tf.Tensor], tf.Tensor]


@functools.lru_cache(maxsize=8)
def label_row(config: features.Config, class_map: ClassMap) -> RowFn:
    """Makes the function from one encoded label map to i32[H W] class indices.

    It fails with `tf.errors.InvalidArgumentError` for bytes that are no label map of
    the class map's encoding, for more pixels than `config.max_pixels`, and for values
    that the map neither names nor ignores.
    """
    sides_of = label_sides(config.max_pixels)

    def label(encoded: tf.Tensor) -> tf.Tensor:
        sides = sides_of(encoded)
        ids = decode.label_ids(_guarded(encoded, sides), class_map)
        index = tf.gather(tf.constant(class_map.forward_table(id_depth=16)), ids)
        unknown = index == UNKNOWN
        value = tf.strings.as_string(tf.reduce_max(tf.where(unknown, ids, 0)))
        if class_map.encoding == "color":  # its ids are positions
            value = tf.constant("(a colour)")
        message = tf.strings.join(
            [
                "the label map has the value ",
                value,
                f"; class map {class_map.name} has {class_map.describe_ids()}",
            ]
        )
        index = decode.require(~tf.reduce_any(unknown), message, index)
        return geometry.fit_label(index, config.size, config.resize, IGNORED)

    return traced(label)


@functools.lru_cache(maxsize=8)
def image_row(config: features.Config) -> RowFn:
    """Makes the function from one encoded image to u8[H W 3] levels.

    It fails with `tf.errors.InvalidArgumentError` for bytes that are no image, and for
    more pixels than `config.max_pixels`.
    """
    sides_of = image_sides(config.max_pixels)

    def image(encoded: tf.Tensor) -> tf.Tensor:
        sides = sides_of(encoded)
        levels = decode.image_levels(_guarded(encoded, sides), config.exif)
        return geometry.fit_image(levels, config.size, config.resize)

    return traced(image)


@functools.lru_cache(maxsize=8)
def label_sides(max_pixels: int) -> RowFn:
    """Makes `request_bounds.check_label_map` a function of one label map."""
    return traced(lambda one: request_bounds.check_label_map(one, max_pixels))


@functools.lru_cache(maxsize=8)
def image_sides(max_pixels: int) -> RowFn:
    """Makes `request_bounds.check_image` a function of one image."""
    return traced(lambda one: request_bounds.check_image(one, max_pixels))


def _guarded(encoded: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    """Returns a picture's bytes, but not before its sides are checked."""
    # The check guards the bytes, which are fewer than the pixels. It is always 0, but
    # nobody can tell before.
    start = tf.cast(tf.minimum(sides[0], 0), tf.int32)
    return tf.strings.substr(encoded, start, -1)


def traced(row_fn: Callable[[tf.Tensor], Any]) -> Callable[[tf.Tensor], Any]:
    """Makes a function of a row, string[], that graphs call."""
    spec = tf.TensorSpec([], tf.string)
    function: Callable[[tf.Tensor], Any] = tf.function(
        row_fn, input_signature=[spec], autograph=False
    ).get_concrete_function()  # which is traced now, once, and not by the first caller
    return function
