"""Encodes class indices as PNGs: a label map as it was, and one to look at."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms.classes import ClassMap, color_levels

MAX_SIDE = 1_000_000  # in pixels; libpng writes and reads no more


def sample_table(class_map: ClassMap) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Makes the PNG sample of every class index, and of ignored pixels: [K + 1 C].

    The class map reads such PNGs: samples hold label values as its encoding says, in
    grey (C = 1; 8 bits if the values fit, else 16), in colours (C = 3), or in alpha
    (C = 4). Panoptic samples have instance 0, which is no instance. A class of several
    values has the first.
    """
    values = class_map.inverse_table()
    if class_map.channel == "alpha":
        return np.pad(values[:, np.newaxis], [(0, 0), (3, 0)]).astype(np.uint8)
    if class_map.encoding == "color":
        return np.array([color_levels(int(v)) for v in values], np.uint8)
    if class_map.encoding == "ade20k":
        low = np.stack([values // 256 * 10, values % 256, 0 * values], axis=1)
        return low.astype(np.uint8)
    if class_map.divisor:
        whole = values * class_map.divisor
        if class_map.encoding == "instance":
            whole = np.where(values < class_map.divisor, values, whole)
        if whole.max() > 65535:
            levels = [whole % 256, whole // 256 % 256, whole // 65536]
            return np.stack(levels, axis=1).astype(np.uint8)
        values = whole
    dtype = np.uint8 if values.max() <= 255 else np.uint16
    return values.astype(dtype)[:, np.newaxis]


def to_png(index: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Encodes class indices: int[B H W] -> string[B].

    Args:
        index: 0..K, where K means ignored.
        table: u8 or u16[K + 1 C], the sample of each index.
    """
    return tf.map_fn(
        lambda row: tf.io.encode_png(tf.gather(table, row)),
        index,
        fn_output_signature=tf.TensorSpec([], tf.string),
    )


def best_class(scores: tf.Tensor) -> tf.Tensor:
    """Finds the class of the highest score: f32[... K] -> i32[...]; K if there is none.

    Of equal scores the first wins. A pixel has no class if its scores are all 0, as in
    the one-hot vector of an ignored pixel, or if one of them is not a number.

    Args:
        scores: logits, probabilities or one-hot vectors.
    """
    num_classes = tf.shape(scores)[-1]
    highest = tf.reduce_max(scores, axis=-1, keepdims=True)
    place = tf.where(scores == highest, tf.range(num_classes), num_classes)
    known = tf.reduce_any(scores != 0, axis=-1) & ~tf.reduce_any(
        tf.math.is_nan(scores), axis=-1
    )
    return tf.where(known, tf.reduce_min(place, axis=-1), num_classes)
