"""Brings pictures to a size: label maps by nearest neighbour, images smoothly.

This takes two steps, each of which may do nothing: the picture is scaled, and a window
of that size is taken from it, which may reach beyond it.

    stretch     each side scaled by itself
    letterbox   one scale, so that all of it fits in the window; centred
    short_side  one scale, so that it covers the window; centred
    crop        not scaled; centred
    tile        not scaled; the window begins in its upper left corner

Beyond the picture, labels are ignored and images are black. Only the window's pixels
are ever made: all of a picture of 1 x 40000 that is scaled to cover a square would need
more memory than there is.
"""

from collections.abc import Callable

import tensorflow as tf

from maskbeam.transforms.features import Resize

_UNSCALED = ("crop", "tile")


def fit_label(
    label: tf.Tensor, size: tuple[int, int] | None, resize: Resize, ignored: int
) -> tf.Tensor:
    """Brings a label map to a size: int[H W] -> int[height width].

    Args:
        label: class indices, of any integer dtype.
        size: (height, width) in pixels; None leaves the map as it is.
        resize: how, as above.
        ignored: the value of pixels beyond the map.
    """
    if size is None:
        return label
    sides = tf.shape(label, tf.int64)

    def fitted() -> tf.Tensor:
        scaled = _scaled_sides(sides, size, resize)
        return _nearest(label, size, scaled, _corner(scaled, size, resize), ignored)

    return _unless_it_fits(label, sides, size, fitted)


def fit_image(
    levels: tf.Tensor, size: tuple[int, int] | None, resize: Resize
) -> tf.Tensor:
    """Brings an image to a size: u8[H W 3] -> u8[height width 3].

    Args:
        levels: red, green and blue, 0..255.
        size: (height, width) in pixels; None leaves the image as it is.
        resize: how, as above; `fit_label` takes the same window.
    """
    if size is None:
        return levels
    sides = tf.shape(levels, tf.int64)[:2]

    def fitted() -> tf.Tensor:
        scaled = _scaled_sides(sides, size, resize)
        corner = _corner(scaled, size, resize)
        if resize in _UNSCALED:
            return _nearest(levels, size, scaled, corner, 0)
        return _smooth(levels, size, scaled, corner)

    return _unless_it_fits(levels, sides, size, fitted)


def _unless_it_fits(
    picture: tf.Tensor,
    sides: tf.Tensor,
    size: tuple[int, int],
    fitted: Callable[[], tf.Tensor],
) -> tf.Tensor:
    """Leaves a picture of that size as it is, as any way of resizing does, slowly."""
    fits = tf.reduce_all(sides == tf.constant(size, tf.int64))
    found = tf.cond(fits, lambda: tf.identity(picture), fitted)
    return tf.ensure_shape(found, [*size, *picture.shape[2:]])


def _scaled_sides(sides: tf.Tensor, size: tuple[int, int], resize: Resize) -> tf.Tensor:
    """Computes the sides after scaling: i64[2], rounded to the nearest."""
    if resize in _UNSCALED:
        return sides
    new = tf.constant(size, tf.int64)
    if resize == "stretch":
        return new
    # One side gets its new length, and the other one follows at the same scale.
    other, new_other = tf.reverse(sides, [0]), tf.constant(size[::-1], tf.int64)
    following = (2 * sides * new_other + other) // (2 * other)
    own, others = new * other, new_other * sides  # the scales, times both sides
    follows = others < own if resize == "letterbox" else others > own
    return tf.where(follows, tf.maximum(following, 1), new)


def _corner(scaled: tf.Tensor, size: tuple[int, int], resize: Resize) -> tf.Tensor:
    """Computes the window's corner in the scaled picture: i64[2], negative before it.

    If a margin is odd, its larger half is at the bottom, or on the right.
    """
    if resize == "tile":
        return tf.zeros([2], tf.int64)
    return tf.truncatediv(scaled - tf.constant(size, tf.int64), 2)


def _nearest(
    picture: tf.Tensor,
    size: tuple[int, int],
    scaled: tf.Tensor,
    corner: tf.Tensor,
    beyond: int,
) -> tf.Tensor:
    """Takes the window of a scaled picture [H W ...], by nearest neighbour.

    A new pixel has the value of the old one that its centre is in; on a border, of the
    right or lower one. This goes by whole numbers: TensorFlow's own resizing goes by
    float32, which falls to either side of a border.
    """
    sides = tf.shape(picture, tf.int64)
    inside = []
    for axis, length in enumerate(size):
        place = corner[axis] + tf.range(length, dtype=tf.int64)
        inside.append((place >= 0) & (place < scaled[axis]))
        place = tf.clip_by_value(place, 0, scaled[axis] - 1)
        source = (2 * place + 1) * sides[axis] // (2 * scaled[axis])
        picture = tf.gather(picture, source, axis=axis)
    mask = inside[0][:, tf.newaxis] & inside[1]
    mask = tf.reshape(mask, [*size, *[1] * (picture.shape.rank - 2)])
    window = tf.where(mask, picture, tf.constant(beyond, picture.dtype))
    return tf.ensure_shape(window, [*size, *picture.shape[2:]])


def _smooth(
    levels: tf.Tensor, size: tuple[int, int], scaled: tf.Tensor, corner: tf.Tensor
) -> tf.Tensor:
    """Takes the window of a scaled picture u8[H W 3], interpolated; 0 beyond it.

    It is bilinear, antialiased where it shrinks, and rounded to whole levels, so that a
    picture stored after resizing equals one that is resized on loading. This is the
    operation behind `tf.image.resize`, which takes no window.
    """
    sides = tf.shape(levels, tf.int64)[:2]
    smooth = tf.raw_ops.ScaleAndTranslate(
        images=tf.cast(levels, tf.float32)[tf.newaxis],
        size=size,
        scale=tf.cast(scaled, tf.float32) / tf.cast(sides, tf.float32),
        translation=tf.cast(-corner, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]
    whole = tf.cast(tf.clip_by_value(tf.round(smooth), 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(whole, [*size, 3])
