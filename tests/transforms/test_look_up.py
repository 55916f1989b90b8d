import numpy as np
import pytest
import tensorflow as tf

from maskbeam.transforms import look_up, masks

DEPTHS = [1, 2, 4, 5, 8, 11, 19, 48, 49, 64, 150, 255, 256, 300]
# Of an even number of pixels and of an odd one, on the last axis and in all.
SHAPES = [(2, 3, 4), (2, 3, 5), (3, 1, 7), (1,), (6,)]


def _index(num_classes, shape):
    """Class indices, ignored ones among them: the largest value, and others from K."""
    dtype = masks.index_dtype(num_classes).as_numpy_dtype
    largest = np.iinfo(dtype).max
    values = [*range(num_classes), min(num_classes, largest), largest]
    index = np.random.default_rng(num_classes).choice(values, shape).astype(dtype)
    index.flat[0] = num_classes - 1
    return index


def _traced(function, index, shape):
    spec = tf.TensorSpec(shape, index.dtype)
    return tf.function(function, [spec])(tf.constant(index))


@pytest.mark.parametrize("known", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("num_classes", DEPTHS)
def test_one_hot_vectors_are_numpys(num_classes, shape, known):
    index = _index(num_classes, shape)
    expected = index[..., np.newaxis] == np.arange(num_classes)
    sides = shape if known else [None] * len(shape)
    for dtype in (tf.float32, tf.float16, tf.bfloat16, tf.uint8, tf.bool):
        found = _traced(look_up.one_hot(num_classes, dtype), index, sides)
        assert found.dtype == dtype
        np.testing.assert_array_equal(tf.cast(found, tf.bool), expected)
        np.testing.assert_array_equal(
            tf.cast(found, tf.float32).numpy().sum(-1), index < num_classes
        )


@pytest.mark.parametrize("num_classes", [3, 48, 49, 256])
@pytest.mark.parametrize("depth", [1, 2])
def test_rows_are_numpys(num_classes, depth):
    table = np.random.default_rng(0).normal(size=(num_classes + 1, depth))
    table = table.astype(np.float32)
    index = _index(num_classes, (5, 7))
    found = look_up.rows_of(table)(tf.constant(index))
    np.testing.assert_array_equal(found, table[np.minimum(index, num_classes)])


def test_shapes_are_known_before_it_runs():
    function = look_up.one_hot(11, tf.float32)
    graph = tf.function(function, [tf.TensorSpec([None, 4, 6], tf.uint8)])
    assert graph.get_concrete_function().output_shapes == [None, 4, 6, 11]
