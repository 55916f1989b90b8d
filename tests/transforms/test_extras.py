import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbeam.transforms import extras
from tests import oracles

LABELS = hnp.arrays(
    np.int32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.integers(-1, 3),
)


@given(LABELS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_pixels_weight_is_its_classs(label):
    weights = np.array([0.0, 1.5, 0.25, 3e-9], np.float32)
    found = extras.weight_map(tf.constant(label), tf.constant(weights))
    expected = np.where(label < 0, np.float32(0), weights[np.maximum(label, 0)])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == tf.float32


@given(LABELS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_presence_is_what_occurs(label):
    found = extras.presence(tf.constant(label, tf.int64), 5)
    np.testing.assert_array_equal(found, [float((label == k).any()) for k in range(5)])


@given(LABELS, st.integers(1, 12))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_boundary_is_where_another_class_is_near(label, width):
    found = extras.boundary(tf.constant(label), width)
    np.testing.assert_array_equal(found, oracles.boundary(label, width))


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_boundary_tells_the_largest_classes_apart(dtype):
    label = tf.constant([[65533, 65534, 65534]], dtype)
    np.testing.assert_array_equal(extras.boundary(label, 1), [[1, 1, 0]])


def test_boundary_of_no_pixels_is_empty():
    assert extras.boundary(tf.zeros([0, 0], tf.int64), 2).shape == [0, 0]


def test_graphs_give_what_eager_calls_give():
    spec = tf.TensorSpec([None, None], tf.int64)
    label = np.random.default_rng(0).integers(-1, 3, (9, 7))
    weights = tf.constant([0.5, 2.0, 3.0])
    for fn in (
        lambda label: extras.weight_map(label, weights),
        lambda label: extras.presence(label, 3),
        lambda label: extras.boundary(label, 2),
    ):
        np.testing.assert_array_equal(tf.function(fn, [spec])(label), fn(label))


def test_extras_of_nothing_but_ignored_pixels_are_zero():
    label = tf.fill([4, 5], -1)
    assert not extras.weight_map(label, tf.ones([2])).numpy().any()
    assert not extras.presence(label, 2).numpy().any()
    assert not extras.boundary(label, 2).numpy().any()
