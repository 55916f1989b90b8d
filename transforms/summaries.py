"""What is counted in each row, and the statistics that follow from the sums.

A row's summary is a few integers. They add up exactly: rows to the fragment's summary,
fragments to the shard's, shards to the split's. The functions here compute all that
follows from the sums, both in the transform graph and for `stats.json`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import features

Summary = dict[str, npt.NDArray[np.int64]]

CLASS_WEIGHTS = ("median_frequency", "inverse_frequency")
IMAGE_MEAN, IMAGE_STD = "image_mean", "image_std"
_LINES = 257  # of 255 each make 65535
IMAGE_SUMS = (features.IMAGE_PIXELS, features.IMAGE_SUM, features.IMAGE_SQUARE_SUM)


def spec(num_classes: int, with_images: bool) -> dict[str, int]:
    """Returns the summary columns and their lengths."""
    columns = {
        features.CLASS_PIXELS: num_classes,
        features.CLASS_IMAGES: num_classes,
        features.PRESENCE_PIXELS: num_classes,
        features.IGNORED_PIXELS: 1,
    }
    if with_images:
        columns |= {
            features.IMAGE_PIXELS: 1,
            features.IMAGE_SUM: 3,
            features.IMAGE_SQUARE_SUM: 3,
        }
    return columns


def zero(num_classes: int, with_images: bool) -> Summary:
    """Makes the summary of no rows."""
    return {
        name: np.zeros(length, np.int64)
        for name, length in spec(num_classes, with_images).items()
    }


class RowSummary(NamedTuple):
    """One row's summary, which is small however many classes there are.

    Attributes:
        classes: i64[n], the classes that occur.
        pixels: i64[n], the pixels of each.
        ignored_pixels: the pixels that are ignored.
        image_sums: i64[3] of levels and i64[3] of their squares, if there is an image.
        image_pixels: the image's pixels.
    """

    classes: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    ignored_pixels: int
    image_sums: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
    image_pixels: int = 0


def of_row(
    class_pixels: npt.NDArray[np.int64],
    ignored_pixels: int,
    image: npt.NDArray[np.uint8] | None,
) -> RowSummary:
    """Summarises one row.

    Args:
        class_pixels: i64[K], the pixels of each class.
        ignored_pixels: the pixels that are ignored.
        image: u8[H W 3], as the model will see it, or None.
    """
    classes = np.flatnonzero(class_pixels)
    summary = RowSummary(classes, class_pixels[classes], ignored_pixels)
    if image is None:
        return summary
    height, width = image.shape[:2]
    return summary._replace(
        image_sums=_channel_sums(image), image_pixels=height * width
    )


def of_batch(
    label: tf.Tensor | tf.RaggedTensor,
    levels: tf.Tensor | tf.RaggedTensor | None,
    num_classes: int,
) -> dict[str, tf.Tensor]:
    """Summarises rows in a graph.

    Args:
        label: i64[B H W], class indices, -1 where ignored.
        levels: u8[B H W 3], as the model will see it, or None.
        num_classes: K.

    Returns:
        The columns of `spec`, i64[B ...].
    """
    counts = tf.math.bincount(
        _pixels(label) + 1,
        minlength=num_classes + 1,
        maxlength=num_classes + 1,
        axis=-1,
        dtype=tf.int64,
    )
    counts = tf.ensure_shape(counts, [None, num_classes + 1])
    pixels = counts[:, 1:]
    occurs = tf.cast(pixels > 0, tf.int64)
    sums = {
        features.CLASS_PIXELS: pixels,
        features.CLASS_IMAGES: occurs,
        features.PRESENCE_PIXELS: occurs * tf.reduce_sum(pixels, 1, keepdims=True),
        features.IGNORED_PIXELS: counts[:, :1],
    }
    if levels is not None:
        values = tf.cast(_pixels(levels), tf.int64)
        sums |= {
            features.IMAGE_PIXELS: tf.reduce_sum(tf.ones_like(values[..., :1]), 1),
            features.IMAGE_SUM: tf.reduce_sum(values, 1),
            features.IMAGE_SQUARE_SUM: tf.reduce_sum(values * values, 1),
        }
    return sums


def _pixels(pictures: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
    """Puts the pixels of each picture in a row: [B H W ...] -> [B H*W ...]."""
    if isinstance(pictures, tf.RaggedTensor):
        return pictures.merge_dims(1, 2)
    shape = tf.shape(pictures)
    flat = tf.reshape(pictures, tf.concat([shape[:1], [-1], shape[3:]], 0))
    return tf.ensure_shape(flat, [None, None, *pictures.shape[3:]])


def add_row(total: Summary, row: RowSummary) -> None:
    """Adds a row's summary to a total, in place."""
    total[features.CLASS_PIXELS][row.classes] += row.pixels
    total[features.CLASS_IMAGES][row.classes] += 1
    total[features.PRESENCE_PIXELS][row.classes] += row.pixels.sum()
    total[features.IGNORED_PIXELS] += row.ignored_pixels
    if row.image_sums is not None:
        total[features.IMAGE_PIXELS] += row.image_pixels
        for name, values in zip(IMAGE_SUMS[1:], row.image_sums, strict=True):
            total[name] += values


def _channel_sums(
    image: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sums a picture's levels, and their squares: i64[3] each.

    Columns are added up a few lines at a time, in the smallest integers that hold the
    sums: a fifth of the work of histograms, and as exact.
    """
    lines = image.reshape(image.shape[0], -1)
    total = np.zeros((2, lines.shape[1]), np.int64)
    for top in range(0, len(lines), _LINES):
        levels = lines[top : top + _LINES].astype(np.uint16)
        total[0] += levels.sum(0, dtype=np.uint16)
        levels *= levels
        total[1] += levels.sum(0, dtype=np.uint32)
    sums, squares = total.reshape(2, -1, 3).sum(1)
    return sums, squares


def add(summaries: Iterable[Summary], num_classes: int, with_images: bool) -> Summary:
    """Adds summaries up."""
    total = zero(num_classes, with_images)
    for summary in summaries:
        for name, values in total.items():
            values += summary[name]
    return total


def graph_splits(splits: Collection[str]) -> list[str]:
    """Returns the splits that weights and moments come from: `train`, or else all."""
    return ["train"] if "train" in splits else list(splits)


def class_weights(
    class_pixels: tf.Tensor, presence_pixels: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Computes weights that balance the classes in a loss.

    A class's frequency is its share of the counted pixels in the images where it
    occurs. `median_frequency` is the median frequency of the classes that occur over
    the class's own frequency (Eigen and Fergus, arXiv:1411.4734, section 6.3.2);
    `inverse_frequency` is all counted pixels over K times the class's own pixels.

    Args:
        class_pixels: i64[K], summed over rows.
        presence_pixels: i64[K], summed over rows.

    Returns:
        f64[K] by name; 0 for a class that never occurs.
    """
    pixels = tf.cast(class_pixels, tf.float64)
    occurs = class_pixels > 0
    frequency = tf.math.divide_no_nan(pixels, tf.cast(presence_pixels, tf.float64))
    inverse = tf.math.divide_no_nan(
        tf.reduce_sum(pixels), tf.cast(tf.size(pixels), tf.float64) * pixels
    )
    return {
        "median_frequency": tf.math.divide_no_nan(
            _median(tf.boolean_mask(frequency, occurs)), frequency
        ),
        "inverse_frequency": inverse,
    }


def _median(values: tf.Tensor) -> tf.Tensor:
    """Computes the median as NumPy does: of an even number, the middle two's mean."""
    count = tf.size(values)
    ordered = tf.concat([tf.sort(values), tf.zeros([1], values.dtype)], axis=0)
    low = ordered[tf.maximum(count - 1, 0) // 2]
    return (low + ordered[count // 2]) / 2


def moments(
    image_pixels: tf.Tensor, image_sum: tf.Tensor, image_square_sum: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes each channel's mean and population deviation, of levels over 255.

    Args:
        image_pixels: i64[1], summed over rows.
        image_sum: i64[3], summed over rows.
        image_square_sum: i64[3], summed over rows.

    Returns:
        f64[3] and f64[3]; both 0 if there are no pixels.
    """
    count = tf.cast(image_pixels, tf.float64)
    mean = tf.math.divide_no_nan(tf.cast(image_sum, tf.float64), count)
    square = tf.math.divide_no_nan(tf.cast(image_square_sum, tf.float64), count)
    deviation = tf.sqrt(tf.maximum(square - mean * mean, 0.0))
    return mean / 255.0, deviation / 255.0


def statistics(sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Computes all that follows from the sums.

    Args:
        sums: the columns of `spec`, summed over rows.

    Returns:
        The two class weights f64[K], and if there are images `image_mean` and
        `image_std` f64[3].
    """
    derived = class_weights(sums[features.CLASS_PIXELS], sums[features.PRESENCE_PIXELS])
    if features.IMAGE_SUM in sums:
        mean, deviation = moments(*(sums[name] for name in IMAGE_SUMS))
        derived |= {IMAGE_MEAN: mean, IMAGE_STD: deviation}
    return derived
