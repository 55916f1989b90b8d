"""Decodes one row's raw bytes, for the transform graph and for serving.

Both map these functions over a batch, so both decode alike. TensorFlow traces each once
in a process, and once more for each of a few configurations; graphs call it.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from maskbeam.transforms import decode, features, geometry
from maskbeam.transforms.classes import IGNORED, UNKNOWN, ClassMap
from maskbeam.transforms.png_kinds import SIGNATURE

RowFn = Callable[[tf.Tensor], tf.Tensor]


@functools.lru_cache(maxsize=8)
def label_row(config: features.Config, class_map: ClassMap) -> RowFn:
    """Makes the function from one encoded label map to i32[H W] class indices.

    It fails with `tf.errors.InvalidArgumentError` for bytes that are no label map of
    the class map's encoding, and for values that the map neither names nor ignores.
    """

    def label(encoded: tf.Tensor) -> tf.Tensor:
        ids = decode.label_ids(encoded, class_map)
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

    return _traced(label)


@functools.lru_cache(maxsize=8)
def image_row(config: features.Config) -> RowFn:
    """Makes the function from one encoded image to u8[H W 3] levels.

    It fails with `tf.errors.InvalidArgumentError` for bytes that are no image.
    """

    def image(encoded: tf.Tensor) -> tf.Tensor:
        is_png = tf.strings.substr(encoded, 0, len(SIGNATURE)) == SIGNATURE
        is_image = is_png | tf.io.is_jpeg(encoded)
        # The check guards the bytes, which are fewer than the pixels.
        start = decode.require(
            is_image, "the image is neither JPEG nor PNG", tf.constant(0)
        )
        levels = decode.image_levels(tf.strings.substr(encoded, start, -1), config.exif)
        return geometry.fit_image(levels, config.size, config.resize)

    return _traced(image)


def _traced(row_fn: RowFn) -> RowFn:
    traced: RowFn = tf.function(
        row_fn, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
    )
    return traced
