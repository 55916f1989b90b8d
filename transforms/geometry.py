"""Sizes: labels are resized by nearest neighbour, always; images smoothly."""

import tensorflow as tf


def resize_ids(ids: tf.Tensor, size: tuple[int, int] | None) -> tf.Tensor:
    """Resizes a label map: int[H W] -> int[height width], no new value ever.

    The sample taken is the one whose square holds the centre of the new pixel, and on
    a border the right or lower one: in whole numbers, for TensorFlow's own resizing
    goes by float32, which falls to either side there.

    Args:
        ids: label values, of any integer dtype.
        size: (height, width) in pixels; None leaves the map as it is.
    """
    if size is None:
        return ids
    for axis, new in enumerate(size):
        old = tf.shape(ids, out_type=tf.int64)[axis]
        centres = (2 * tf.range(new, dtype=tf.int64) + 1) * old
        ids = tf.gather(ids, centres // (2 * new), axis=axis)
    return tf.ensure_shape(ids, size)


def resize_levels(levels: tf.Tensor, size: tuple[int, int] | None) -> tf.Tensor:
    """Resizes an image: u8[H W 3] -> u8[height width 3].

    Bilinear, with antialiasing where it shrinks, rounded to whole levels, so that a
    picture that is stored after resizing equals one that is resized on loading.

    Args:
        levels: red, green and blue, 0..255.
        size: (height, width) in pixels; None leaves the image as it is.
    """
    if size is None:
        return levels
    smooth = tf.image.resize(levels, size, method="bilinear", antialias=True)
    rounded = tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(rounded, [*size, 3])
