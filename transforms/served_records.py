"""Decodes records of anybody, for serving.

`load` reads the records of a dataset that you trust, and takes no time to doubt them. A
request's records may be anything: what is wrong with one is an INVALID_ARGUMENT.
"""

from collections.abc import Mapping

import tensorflow as tf

from maskbeam.transforms import (
    example_parser,
    features,
    masks,
    raw_rows,
    record_columns,
    request_bounds,
    stored_masks,
)
from maskbeam.transforms.attempts import attempt
from maskbeam.transforms.decode import require
from maskbeam.transforms.request_batches import Row, Tensors, one_size

_INFLATES_TO = 1032  # bytes of one (zlib's technical details)
_BYTES_OF_A_PIXEL = 16  # that decoding takes, about


def row(config: features.Config, constants: record_columns.Constants) -> Row:
    """Makes what is done with a record of a request.

    Args:
        config: the encoding.
        constants: the training split's constants.
    """
    parse = raw_rows.traced(lambda record: _parse(record, config))
    return Row(
        lambda record: _judge(parse(record), config),
        lambda record: _decode(parse(record), config, constants),
    )


def _parse(serialized: tf.Tensor, config: features.Config) -> Tensors:
    """Parses a record, and checks the sides that it says its mask has."""
    spec = record_columns.feature_spec(config)
    columns = attempt(
        lambda record: example_parser.parse(record, spec),
        serialized,
        "this is no record of the dataset's: a tf.Example with one value in "
        + " and in ".join(spec),
    )
    sides = tf.stack([columns[name] for name in features.SIDES])
    sides = request_bounds.check_sides(sides, config.max_pixels, "record's mask")
    if config.size is not None:
        fits = tf.reduce_all(sides == tf.constant(config.size, tf.int64))
        height, width = config.size
        message = f"the record's mask is not {height} x {width}, the dataset's size"
        sides = require(fits, message, sides)
    return columns | dict(zip(features.SIDES, tf.unstack(sides, num=2), strict=True))


def _judge(columns: Mapping[str, tf.Tensor], config: features.Config) -> tf.Tensor:
    """Judges what decoding a record takes, as `Row.judge` says."""
    sides = tf.stack([columns[name] for name in features.SIDES])
    work = tf.reduce_prod(sides)
    for name in stored_masks.of(config).feature_spec():
        if columns[name].dtype == tf.string:
            size = tf.strings.length(columns[name])
            most = tf.cast(size, tf.int64) * _INFLATES_TO // _BYTES_OF_A_PIXEL
            work = tf.maximum(work, most)
    if config.with_images and config.image_storage != "raw":
        encoded = columns[features.IMAGE_ENCODED]
        work += tf.reduce_prod(raw_rows.image_sides(config.max_pixels)(encoded))
    return tf.concat([sides, [work]], axis=0)


def _decode(
    columns: Mapping[str, tf.Tensor],
    config: features.Config,
    constants: record_columns.Constants,
) -> Tensors:
    pixels = _pixels(columns, config)
    if config.image_storage == "raw":
        columns = {**columns, features.IMAGE_ENCODED: _raw_image(columns, config)}
    row = record_columns.parts(columns, config, constants, pixels)
    if config.with_images and config.size is None:
        return one_size(row, "the record", config)
    return row


def _raw_image(columns: Mapping[str, tf.Tensor], config: features.Config) -> tf.Tensor:
    """Checks that an image's bytes are as many as its levels."""
    assert config.size is not None
    height, width = config.size
    encoded = columns[features.IMAGE_ENCODED]
    fits = tf.strings.length(encoded) == 3 * height * width
    message = f"the record's image has not the bytes of {height} x {width} RGB levels"
    return require(fits, message, encoded)


def _pixels(columns: Mapping[str, tf.Tensor], config: features.Config) -> tf.Tensor:
    """Reads encoded pixels, which must be what the encoding makes of class indices."""
    stored = stored_masks.of(config)
    height, width = (columns[name] for name in features.SIDES)
    message = "the record's mask is damaged, or not of the record's height and width"
    may_be = stored.may_have(columns, height, width)
    guarded = {**columns, features.IMAGE_HEIGHT: require(may_be, message, height)}
    pixels = attempt(lambda one: {"pixels": stored.pixels(one)}, guarded, message)[
        "pixels"
    ]
    index = tf.reshape(stored.index(pixels), [-1])
    encoded = tf.reshape(stored.encode(index), tf.shape(pixels))
    is_sound = tf.reduce_all(encoded == pixels)
    is_sound &= tf.reduce_all(masks.label_from_index(index) < config.num_classes)
    message = (
        "the record's mask has a pixel that is neither ignored nor one of the "
        f"{config.num_classes} classes"
    )
    return pixels[require(is_sound, message, tf.constant(0)) :]
