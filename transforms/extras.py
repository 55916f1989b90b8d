"""Columns that a loss or a metric may want besides label and mask."""

from typing import Any

import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import features


def columns(
    label: tf.Tensor,
    config: features.Config,
    class_weights: tf.Tensor | npt.NDArray[Any] | None,
) -> dict[str, tf.Tensor]:
    """Makes the extra columns of one row that the configuration asks for.

    Args:
        label: int[H W], class indices, -1 where ignored.
        config: says which columns.
        class_weights: f32[K], for the weight map.
    """
    made = {}
    if config.weight_map != "none":
        made[features.WEIGHT] = weight_map(label, class_weights)
    if config.presence:
        made[features.PRESENCE] = presence(label, config.num_classes)
    if config.boundary:
        made[features.BOUNDARY] = boundary(label, config.boundary)
    return made


def weight_map(label: tf.Tensor, class_weights: tf.Tensor) -> tf.Tensor:
    """Looks up the weight of each pixel's class: int[...] -> f32[...], 0 if ignored.

    Args:
        label: class indices, -1 where ignored.
        class_weights: f32[K].
    """
    with_ignored = tf.concat([tf.zeros([1]), class_weights], axis=0)
    return tf.gather(with_ignored, label + 1)


def presence(label: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Finds the classes that occur in a label map: int[H W] -> f32[K], 0 or 1.

    Args:
        label: class indices, -1 where ignored.
        num_classes: K.
    """
    counts = tf.math.bincount(
        tf.cast(tf.reshape(label, [-1]) + 1, tf.int32),
        minlength=num_classes + 1,
        maxlength=num_classes + 1,
    )
    occurs = tf.ensure_shape(counts[1:] > 0, [num_classes])
    return tf.cast(occurs, tf.float32)


def boundary(label: tf.Tensor, width: int) -> tf.Tensor:
    """Marks the pixels that are near another class: int[H W] -> f32[H W], 0 or 1.

    A pixel is 1 if the square of 2 * width + 1 pixels around it holds a pixel of
    another class. Ignored pixels are 0. They do not count as another class, and
    neither does what lies beyond the picture.

    Args:
        label: class indices, -1 where ignored.
        width: in pixels, 1 or more.
    """
    ignored = label < 0
    index = tf.cast(label, tf.float32)  # exact to 2**24, and the only one that pools
    side = 2 * width + 1

    def highest(values: tf.Tensor) -> tf.Tensor:
        lowest = tf.where(ignored, values.dtype.min, values)
        batch = lowest[tf.newaxis, :, :, tf.newaxis]
        rows = tf.nn.max_pool2d(batch, [side, 1], 1, "SAME")
        return tf.nn.max_pool2d(rows, [1, side], 1, "SAME")[0, :, :, 0]

    differs = (highest(index) != index) | (-highest(-index) != index)
    return tf.cast(differs & ~ignored, tf.float32)
