"""Finds which of a class map's colours is nearest to one that it does not name.

By integers alone: what is squared, summed and compared is exact, and of equally near
colours the first wins, wherever it is computed.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from maskbeam.transforms.classes import ClassMap, color_levels

_COMPARED = 1 << 16  # pairs of colours at once; they take 8 bytes each, a few times


def positions(codes: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Finds the colours that others become: i32[n], places in `class_map.values`.

    Args:
        codes: i32[n], colours that the map does not name, as `classes.color_code` makes
            them.
        class_map: with `nearest`.

    Returns:
        65535 where no colour is as near as the map wants.
    """
    return _traced(class_map)(codes)


@functools.lru_cache(maxsize=8)
def _traced(class_map: ClassMap) -> Any:
    """Makes `positions` of one map a function: many small steps take long by hand."""
    return tf.function(
        lambda codes: _positions(codes, class_map),
        input_signature=[tf.TensorSpec([None], tf.int32)],
        autograph=False,
    ).get_concrete_function()


def _positions(codes: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    distinct, which = tf.unique(codes)
    count = max(1, _COMPARED // len(class_map.values))
    # All parts have one size; what is filled up is never asked for.
    whole = tf.pad(distinct, [[0, -tf.size(distinct) % count]])
    found = tf.map_fn(
        lambda part: _of_part(part, class_map),
        tf.reshape(whole, [-1, count]),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([count], tf.int32),
    )
    return tf.gather(tf.reshape(found, [-1]), which)


def _of_part(codes: tf.Tensor, class_map: ClassMap) -> tf.Tensor:
    """Compares each of some codes with each colour of a map: i32[n]."""
    named = np.array([color_levels(code) for code in class_map.ordered_values])
    levels = codes // 65536, codes // 256 % 256, codes % 256
    squares = tf.zeros([1, 1], tf.int32)
    for level, of_named in zip(levels, named.T, strict=True):
        apart = level - tf.constant(of_named[:, np.newaxis], tf.int32)
        squares += apart * apart
    # The order breaks ties: TensorFlow does not say which of equal ones `argmin` finds.
    order = tf.range(len(named), dtype=tf.int64)[:, tf.newaxis]
    best = tf.reduce_min(tf.cast(squares, tf.int64) * len(named) + order, axis=0)
    place = np.searchsorted(class_map.values, class_map.ordered_values)
    return tf.where(
        best // len(named) <= class_map.nearest**2,
        tf.gather(tf.constant(place, tf.int32), best % len(named)),
        tf.uint16.max,
    )
