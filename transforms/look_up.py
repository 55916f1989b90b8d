"""Looks up what class indices stand for, two pixels at a time where that is faster.

    index  u8[... ]     table [K + 1 n]          result [... n]
    0 2 255             [1 0 0] [0 1 0] [0 0 1]  [1 0 0] [0 0 1] [0 0 0]
                        [0 0 0] of all others

`tf.one_hot` writes its result twice: zeros, then ones. Copying a row of a table for
each pixel writes it once; but short copies take as long as those of some 100 bytes, so
two pixels, which are a u16, copy their rows from a table of all pairs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.transforms import masks

Function = Callable[[tf.Tensor], tf.Tensor]

# On 360 x 480, in ns a pixel by one core: of 4 classes `tf.one_hot` takes 3.1 and pairs
# 3.7; of 11 5.6 and 3.7; of 48 19 and 10, as do single rows, which are faster beyond.
_FEW_CLASSES, _PAIR_CLASSES = 4, 48
_VALUES = 256  # of a byte


def one_hot(num_classes: int, dtype: tf.DType) -> Function:
    """Makes the function from class indices [...] to one-hot vectors dtype[... K].

    It takes `masks.index_dtype`; indices from K on become zero vectors.
    """
    if num_classes <= _FEW_CLASSES:
        return lambda index: masks.of_label(index, num_classes, dtype)
    return rows_of(np.eye(num_classes + 1, num_classes, dtype=dtype.as_numpy_dtype))


def rows_of(table: npt.NDArray[Any]) -> Function:
    """Makes the function from class indices [...] to their rows [... n].

    Args:
        table: [K + 1 n], a row for each class, and the last one for all other indices.
    """
    num_classes, depth = len(table) - 1, table.shape[1]
    in_pairs = num_classes <= _PAIR_CLASSES
    if in_pairs:
        table = table[np.minimum(np.arange(_VALUES), num_classes)]
        shape = (_VALUES, _VALUES, depth)
        # The first pixel of a pair is the lower byte, so the second index here.
        pair = np.broadcast_to(table, shape), np.broadcast_to(table[:, None], shape)
        table = np.concatenate(pair, -1).reshape(_VALUES**2, 2 * depth)
    with tf.init_scope():  # one tensor, not a constant in every graph that uses it
        rows = tf.constant(table)

    def look_up(index: tf.Tensor) -> tf.Tensor:
        if in_pairs:
            place, count = _pairs(index)
            found = tf.reshape(tf.gather(rows, place), [-1, depth])[:count]
        else:
            place = tf.minimum(tf.cast(index, tf.int32), num_classes)
            found = tf.gather(rows, place)
        shaped = tf.reshape(found, tf.concat([tf.shape(index), [depth]], 0))
        return tf.ensure_shape(shaped, [*index.shape, depth])

    return look_up


def _pairs(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes class indices u8[...] pairs i32[n]; and says how many indices they were."""
    flat = tf.reshape(index, [-1])
    count = tf.size(flat)
    if (index.shape[-1] or 1) % 2:  # odd, or not known: a pixel may lack its partner
        flat = tf.pad(flat, [[0, count % 2]])
    return tf.cast(tf.bitcast(tf.reshape(flat, [-1, 2]), tf.uint16), tf.int32), count
