"""Maps a row's function over the rows of a request.

A request is judged first, by what its rows say of their sizes: none is decoded if the
answer would be too large, and large rows are decoded one by one.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from maskbeam.transforms import features, record_columns, request_bounds
from maskbeam.transforms.decode import require

Tensors = dict[str, tf.Tensor]
BatchFn = Callable[[tf.Tensor], Tensors]


class Row(NamedTuple):
    """What is done with a row of a request, string[].

    Attributes:
        judge: gives i64[3] before its pictures are decoded: the height and width that
            they have, and how many pixels decoding works on.
        decode: gives the row's columns.
    """

    judge: Callable[[tf.Tensor], tf.Tensor]
    decode: Callable[[tf.Tensor], Tensors]


def judged(sides: tf.Tensor) -> tf.Tensor:
    """Makes what `Row.judge` gives of a picture's height and width: i64[2]."""
    return tf.concat([sides, [tf.reduce_prod(sides)]], axis=0)


def one_size(columns: Tensors, what: str, config: features.Config) -> Tensors:
    """Checks that a row's label and image are of one size, which `height` tells.

    Args:
        columns: the row's.
        what: what they are from, for the error.
        config: sizes, images.
    """
    label, image = columns[features.LABEL], columns[features.IMAGE]
    same = tf.reduce_all(tf.shape(label) == tf.shape(image)[:2])
    message = f"label map and image of {what} differ in size"
    start = require(same, message, tf.constant(0))
    return columns | {
        name: columns[name][start:] for name in _pictures(columns, config)
    }


def batched(row: Row, config: features.Config) -> BatchFn:
    """Maps a row's function over a batch: string[B] to columns [B ...].

    If sizes vary, pictures are padded, and `height` and `width` are columns too. Rows
    with a label have a mask.
    """
    decode = tf.function(
        lambda one: _shaped(row.decode(one), config),
        [tf.TensorSpec([], tf.string)],
        autograph=False,
    ).get_concrete_function()
    specs = {
        name: tf.TensorSpec(value.shape, value.dtype)
        for name, value in decode.structured_outputs.items()
    }
    per_pixel = _bytes_per_pixel(specs, config)

    def batch(rows: tf.Tensor) -> Tensors:
        if config.size is not None:
            pixels = tf.size(rows, tf.int64) * math.prod(config.size)
            rows = rows[_plain_check(rows, pixels, per_pixel) :]
            work = tf.map_fn(row.judge, rows, fn_output_signature=tf.int64)[:, 2]
            columns = request_bounds.map_in_turn(decode, rows, work, specs)
        else:
            columns, pixels = _padded(row, decode, rows, specs, config)
        if features.LABEL not in columns:
            return columns
        in_all = per_pixel
        if features.MASK not in columns:
            in_all += 4 * config.num_classes
        # By itself: who asks for no mask may have a label that is larger.
        start = request_bounds.check_output(tf.size(rows), pixels, in_all)
        row_with_mask = columns | {
            name: columns[name][start:]
            for name in (features.LABEL, features.MASK)
            if name in columns
        }
        mask = record_columns.with_mask(row_with_mask, config)[features.MASK]
        return columns | {features.MASK: mask}

    return batch


def _shaped(columns: Tensors, config: features.Config) -> Tensors:
    """Says of pictures how far their shapes are known."""
    sides = config.size or (None, None)
    return {
        name: tf.ensure_shape(value, [*sides, *depth])
        if (depth := record_columns.picture_depth(name, config)) is not None
        else value
        for name, value in columns.items()
    }


def _pictures(columns: Mapping[str, Any], config: features.Config) -> dict[str, Any]:
    return {
        name: value
        for name, value in columns.items()
        if record_columns.picture_depth(name, config) is not None
    }


def _bytes_per_pixel(
    specs: Mapping[str, tf.TensorSpec], config: features.Config
) -> int:
    """Adds up what the pictures of a row take of each pixel."""
    return sum(
        spec.dtype.size * math.prod(spec.shape[2:])
        for spec in _pictures(specs, config).values()
    )


def _plain_check(rows: tf.Tensor, pixels: tf.Tensor, per_pixel: int) -> tf.Tensor:
    """Checks the size of all columns but the mask; a row alone has --max_pixels."""
    several = tf.where(tf.size(rows) > 1, pixels, 0)
    return request_bounds.check_output(tf.size(rows), several, per_pixel)


def _padded(
    row: Row,
    decode: Callable[[tf.Tensor], Tensors],
    rows: tf.Tensor,
    specs: Mapping[str, tf.TensorSpec],
    config: features.Config,
) -> tuple[Tensors, tf.Tensor]:
    """Maps a function over rows of several sizes, and pads to the largest.

    Returns:
        The columns, and how many pixels there are with the padding.
    """
    pictures_of = _pictures(specs, config)
    per_pixel = _bytes_per_pixel(specs, config)

    def ragged(one: tf.Tensor) -> dict[str, tf.Tensor | tf.RaggedTensor]:
        columns: dict[str, tf.Tensor | tf.RaggedTensor] = dict(decode(one))
        first = columns[next(iter(pictures_of))]
        height, width, *_ = tf.unstack(tf.shape(first, tf.int64))
        for name in pictures_of:
            columns[name] = tf.RaggedTensor.from_tensor(columns[name])
        return columns | {features.HEIGHT: height, features.WIDTH: width}

    signature: dict[str, Any] = {
        name: tf.RaggedTensorSpec(spec.shape, spec.dtype, ragged_rank=1)
        if name in pictures_of
        else spec
        for name, spec in specs.items()
    }
    side = tf.TensorSpec([], tf.int64)
    signature |= {features.HEIGHT: side, features.WIDTH: side}
    judged_rows = tf.map_fn(row.judge, rows, fn_output_signature=tf.int64)
    heights, widths, work = tf.unstack(judged_rows, num=3, axis=1)
    start = _plain_check(rows, tf.reduce_sum(heights * widths), per_pixel)
    columns = request_bounds.map_in_turn(ragged, rows[start:], work, signature)
    largest = [
        # The largest of no rows is the smallest number.
        tf.maximum(tf.reduce_max(columns[name]), 0)
        for name in (features.HEIGHT, features.WIDTH)
    ]
    pixels = tf.size(rows, tf.int64) * tf.reduce_prod(tf.stack(largest))
    start = _plain_check(rows, pixels, per_pixel)
    for name, spec in pictures_of.items():
        beyond = tf.cast(start - (name == features.LABEL), spec.dtype)
        columns[name] = columns[name].to_tensor(beyond)
    return columns, pixels
