import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbeam.transforms import mask_dtypes, masks

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
@settings(max_examples=60, deadline=None, derandomize=True)
def test_unpack_undoes_pack(data, num_classes):
    dtype = masks.index_dtype(num_classes)
    values = st.integers(0, num_classes - 1) | st.just(dtype.max)
    index = data.draw(hnp.arrays(dtype.as_numpy_dtype, (3, 5), elements=values))
    words = masks.pack(tf.constant(index), num_classes)
    found = masks.index_from_words(words, num_classes)
    assert (found.dtype, found.shape) == (dtype, index.shape)
    np.testing.assert_array_equal(found, index)
    label = masks.unpack(words, num_classes)
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


@pytest.mark.parametrize("num_classes", DEPTHS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 13), (2, 7, 13)], ids=str)
def test_one_hot_is_numpys_at_every_depth(num_classes, shape):
    label = np.resize(np.arange(num_classes + 1)[::-1], shape)  # K, then K - 1, ...
    expected = np.eye(num_classes + 1, dtype=np.float32)[label][..., :-1]
    mask = masks.one_hot(tf.constant(label), num_classes, ignore_label=num_classes)
    np.testing.assert_array_equal(mask, expected)
    valid = label < num_classes
    np.testing.assert_array_equal(np.argmax(mask, -1)[valid], label[valid])


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32, tf.int64])
@pytest.mark.parametrize("out", [tf.float32, tf.bool])
def test_a_map_that_is_all_ignored_is_all_zero(dtype, out):
    label = tf.fill([2, 7, 13], tf.constant(255, dtype))
    mask = masks.one_hot(label, 9, ignore_label=255, dtype=out).numpy()
    assert mask.shape == (2, 7, 13, 9)
    assert not mask.any()


@pytest.mark.parametrize("ignored", [-1, 255, 65535])
def test_any_label_beyond_the_classes_can_be_ignored(ignored):
    label = tf.constant([[0, ignored], [2, 1]])
    mask = masks.one_hot(label, 3, ignore_label=ignored)
    np.testing.assert_array_equal(mask, np.eye(4, 3)[[[0, 3], [2, 1]]])


@pytest.mark.parametrize("ignored", [0, 1, 2])
def test_an_ignored_label_among_the_classes_is_no_class(ignored):
    """It is a zero vector, as documented, or it is refused; it is never a class."""
    label = tf.constant([[0, 1, 2]])
    expected = np.eye(3)
    expected[ignored] = 0
    try:
        mask = masks.one_hot(label, 3, ignore_label=ignored)
    except (ValueError, tf.errors.InvalidArgumentError):
        return
    np.testing.assert_array_equal(mask[0], expected)


@pytest.mark.parametrize("out", [tf.float32, tf.bool])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_one_hot_is_never_silent_in_a_map(dtype, out):
    label = np.array([[[0, 1], [2, 3]]], dtype)
    rows = tf.data.Dataset.from_tensor_slices(label).map(
        lambda row: masks.one_hot(row, 3, ignore_label=255, dtype=out)
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(rows)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=9),
        elements=st.integers(0, 4) | st.just(255),
    )
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_argmax_undoes_one_hot(label):
    mask = masks.one_hot(tf.constant(label), 5, ignore_label=255)
    valid = label != 255
    np.testing.assert_array_equal(np.argmax(mask, -1)[valid], label[valid])
    np.testing.assert_array_equal(np.sum(mask, -1), valid)
    expected = np.where(valid, label.astype(int), -1)
    np.testing.assert_array_equal(masks.label_from_mask(mask), expected)


@pytest.mark.parametrize("num_classes", DEPTHS)
def test_every_index_beyond_the_classes_is_packed_as_ignored(num_classes):
    dtype = masks.index_dtype(num_classes).as_numpy_dtype
    index = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    words = masks.pack(tf.constant(index), num_classes)
    expected = np.where(index < num_classes, index.astype(int), -1)
    np.testing.assert_array_equal(masks.unpack(words, num_classes), expected)
    assert not words.numpy()[num_classes:].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 13), (2, 7, 13)], ids=str)
@pytest.mark.parametrize("num_classes", [8, 16, 32, 64, 65])
def test_words_keep_the_shape_of_the_map(num_classes, shape):
    index = tf.cast(tf.fill(shape, num_classes - 1), masks.index_dtype(num_classes))
    words = masks.pack(index, num_classes)
    assert words.shape == (shape if num_classes <= 64 else (*shape, 2))
    np.testing.assert_array_equal(
        masks.unpack(words, num_classes), np.full(shape, num_classes - 1)
    )


# Section 3 of the design: what is on disk.
@pytest.mark.parametrize(
    ("num_classes", "word", "words"),
    [
        *((1, tf.uint8, 1), (8, tf.uint8, 1), (9, tf.uint16, 1), (16, tf.uint16, 1)),
        *((17, tf.int32, 1), (32, tf.int32, 1), (33, tf.int64, 1), (64, tf.int64, 1)),
        *((65, tf.int64, 2), (128, tf.int64, 2), (129, tf.int64, 3)),
        (1000, tf.int64, 16),
    ],
)
def test_words_are_as_the_format_says(num_classes, word, words):
    assert masks.word_dtype(num_classes) == word
    assert mask_dtypes.words_per_pixel(num_classes) == words


@pytest.mark.parametrize(("num_classes", "dtype"), [(255, tf.uint8), (256, tf.uint16)])
def test_indices_leave_a_value_for_the_ignored(num_classes, dtype):
    assert masks.index_dtype(num_classes) == dtype
    assert num_classes - 1 < dtype.max
