"""Scales images: u8 levels to the f32 that a model takes."""

import numpy as np
import tensorflow as tf

from maskbeam.transforms import normalization_names


def normalization(
    normalize: str, mean: tf.Tensor, deviation: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what an image's u8 levels are multiplied by, and what is then added.

    Args:
        normalize: as `normalization_names` has it.
        mean: f64[3], for `zscore`.
        deviation: f64[3], for `zscore`; a channel without spread becomes 0.

    Returns:
        f32[3] scale and f32[3] offset.
    """
    if moments := normalization_names.moments_of(normalize):
        mean, deviation = (tf.constant(numbers, tf.float64) for numbers in moments)
    if moments or normalize == normalization_names.ZSCORE:
        scale = tf.math.divide_no_nan(tf.ones([3], tf.float64), deviation * 255.0)
        offset = -tf.math.divide_no_nan(mean, deviation)
    else:
        unit = normalize == normalization_names.UNIT
        factor, shift = (1 / 255, 0.0) if unit else (2 / 255, -1.0)
        scale = tf.fill([3], tf.constant(factor, tf.float64))
        offset = tf.fill([3], tf.constant(shift, tf.float64))
    return tf.cast(scale, tf.float32), tf.cast(offset, tf.float32)


def normalize(levels: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Scales levels u8[... 3] to f32[... 3], by what `normalization` returns.

    TensorFlow multiplies by three numbers, over and over, many times slower than by one
    number, or by a row of the picture: so where channels are scaled alike it is one,
    and else the three, tiled. All ways give the same bits.
    """
    values = tf.cast(levels, tf.float32)
    one_scale, one_offset = _if_equal(scale), _if_equal(offset)
    if one_scale is not None and one_offset is not None:
        return values * one_scale + one_offset if one_offset else values * one_scale
    if levels.shape.rank is None or levels.shape.rank < 3:
        return values * scale + offset
    shape = tf.shape(levels)
    lines = tf.reshape(values, [-1, 3 * shape[-2]])
    lines = lines * tf.tile(scale, shape[-2:-1]) + tf.tile(offset, shape[-2:-1])
    return tf.ensure_shape(tf.reshape(lines, shape), levels.shape)


def _if_equal(channels: tf.Tensor) -> np.float32 | None:
    """The number that all channels have, if it is known beforehand, and one."""
    values = tf.get_static_value(channels)
    if values is None or (values != values[0]).any():
        return None
    found: np.float32 = values[0]
    return found
