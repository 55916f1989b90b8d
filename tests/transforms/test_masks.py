import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from transforms import masks

# Each side of every border between words, and of that between u8 and u16 indices.
DEPTHS = [1, 2, 8, 9, 16, 17, 32, 33, 64, 65, 150, 255, 256, 1000]


@pytest.mark.parametrize("num_classes", DEPTHS)
def test_words_are_the_one_hot_vectors_bit_by_bit(num_classes):
    dtype = masks.index_dtype(num_classes)
    ignored = dtype.max
    index = np.array([*range(num_classes), ignored], dtype.as_numpy_dtype)
    words = masks.pack(tf.constant(index), num_classes).numpy()
    assert words.dtype == masks.word_dtype(num_classes).as_numpy_dtype
    bits = np.unpackbits(
        words.reshape(len(index), -1).view(np.uint8), axis=-1, bitorder="little"
    )
    expected = np.eye(num_classes + 1, bits.shape[1], dtype=np.uint8)
    expected[-1] = 0
    np.testing.assert_array_equal(bits, expected)


@given(st.data(), st.sampled_from(DEPTHS))
@settings(max_examples=60, deadline=None)
def test_unpack_undoes_pack(data, num_classes):
    dtype = masks.index_dtype(num_classes)
    values = st.integers(0, num_classes - 1) | st.just(dtype.max)
    index = data.draw(hnp.arrays(dtype.as_numpy_dtype, (3, 5), elements=values))
    label = masks.unpack(masks.pack(tf.constant(index), num_classes), num_classes)
    expected = np.where(index == dtype.max, -1, index.astype(np.int64))
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(masks.label_from_index(tf.constant(index)), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint16])
@pytest.mark.parametrize("shape", [(7, 13), (2, 7, 13)], ids=["one", "batch"])
@pytest.mark.parametrize("out", [tf.float32, tf.bool, tf.uint8])
def test_one_hot_equals_the_tutorials_ways(dtype, shape, out):
    label = np.random.default_rng(0).integers(0, 6, shape).astype(dtype)
    label[label == 5] = 255
    mask = masks.one_hot(tf.constant(label), 5, ignore_label=255, dtype=out)
    assert mask.dtype == out
    # tf.one_hot by itself, and after tf.where has moved the ignored pixels out.
    plain = tf.one_hot(tf.cast(label, tf.int32), 5)
    moved = tf.one_hot(tf.where(label == 255, -1, tf.cast(label, tf.int32)), 5)
    np.testing.assert_array_equal(tf.cast(mask, tf.float32), plain)
    np.testing.assert_array_equal(tf.cast(mask, tf.float32), moved)
    valid = label != 255
    np.testing.assert_array_equal(
        tf.argmax(tf.cast(mask, tf.int32), -1).numpy()[valid], label[valid]
    )


def test_one_hot_works_in_a_map_of_somebody_else():
    label = np.array([[[0, 1], [2, 255]]], np.uint8)
    rows = tf.data.Dataset.from_tensor_slices(label).map(
        lambda row: masks.one_hot(row, 3, ignore_label=255)
    )
    (mask,) = rows.as_numpy_iterator()
    np.testing.assert_array_equal(mask.reshape(4, 3), np.eye(4, 3))


@pytest.mark.parametrize("wrong", [3, 254, -1])
@pytest.mark.parametrize("ignore", [None, 255])
def test_one_hot_is_never_silent(wrong, ignore):
    label = tf.constant([[0, 1], [wrong, 2]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"outside 0\.\.2"):
        masks.one_hot(label, 3, ignore_label=ignore)


def test_one_hot_does_not_wrap_labels_around():
    with pytest.raises(tf.errors.InvalidArgumentError):
        masks.one_hot(tf.constant([2**40 + 1], tf.int64), 3)


def test_label_from_mask_undoes_one_hot():
    label = np.array([[0, -1], [2, 1]])
    for dtype in (tf.float32, tf.uint8):
        mask = tf.one_hot(label, 3, dtype=dtype)
        np.testing.assert_array_equal(masks.label_from_mask(mask), label)
