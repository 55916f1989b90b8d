import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import data_generation as data
from transforms import geometry

SIDES = st.integers(1, 40)


@given(SIDES, SIDES, SIDES, SIDES)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ids_are_the_nearest_samples(height, width, new_height, new_width):
    ids = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    found = geometry.resize_ids(tf.constant(ids), (new_height, new_width))
    # In whole numbers: the source square that holds the centre of the new one.
    rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
    columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
    np.testing.assert_array_equal(found, ids[rows][:, columns])


@pytest.mark.parametrize("size", [(20, 24), (7, 90), (64, 48), (1, 1), (130, 100)])
def test_images_are_within_one_level_of_pillow(size):
    picture = data.picture(np.random.default_rng(0), 64, 48)
    found = geometry.resize_levels(tf.constant(picture), size).numpy()
    resized = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.array(resized)).max() <= 1
    if size == (64, 48):
        np.testing.assert_array_equal(found, picture)


def test_no_size_leaves_all_as_it_is():
    ids = tf.constant([[1, 2]], tf.uint8)
    assert geometry.resize_ids(ids, None) is ids
    assert geometry.resize_levels(ids, None) is ids


def _nearest(length, new_length):
    """The sample whose half-open square holds the new one's centre."""
    return (2 * np.arange(new_length) + 1) * length // (2 * new_length)


# Where a centre falls on the border of two squares and binary fractions miss it.
ON_A_BORDER = [(2, 41), (6, 37), (24, 37), (26, 11), (30, 29)]


@pytest.mark.parametrize(("length", "new_length"), ON_A_BORDER)
def test_ids_on_a_border_follow_the_same_rule(length, new_length):
    ids = tf.range(length)[:, tf.newaxis]
    found = geometry.resize_ids(ids, (new_length, 1))[:, 0]
    np.testing.assert_array_equal(found, _nearest(length, new_length))


@pytest.mark.parametrize("length", [1, 2, 9, 13, 30, 360, 513, 1080, 4096])
def test_ids_are_a_nearest_sample_at_any_size(length):
    """On a border either side is nearest: the two centres are equally far."""
    ids = tf.range(length)[:, tf.newaxis]
    for new_length in (*range(1, 60), 224, 513, 720, 1024):
        found = geometry.resize_ids(ids, (new_length, 1)).numpy()[:, 0]
        centre = (2 * np.arange(new_length) + 1) * length  # times 2 * new_length
        assert found.min() >= 0
        assert found.max() < length
        away = np.abs((2 * found + 1) * new_length - centre)
        assert (away <= new_length).all(), new_length


@pytest.mark.parametrize("dtype", [tf.uint8, tf.uint16, tf.int32, tf.int64])
def test_ids_keep_their_dtype_and_gain_a_static_shape(dtype):
    top = min(dtype.max, 2**31 - 1)  # no float in between would keep it
    ids = tf.constant([[top, 0, top - 1]], dtype)
    resize = tf.function(lambda ids: geometry.resize_ids(ids, (4, 6)))
    concrete = resize.get_concrete_function(tf.TensorSpec([None, None], dtype))
    assert concrete.structured_outputs.shape == [4, 6]
    found = concrete(ids)
    assert found.dtype == dtype
    expected = np.repeat(np.repeat(ids.numpy(), 4, 0), 2, 1)
    np.testing.assert_array_equal(found, expected)


def test_ignored_labels_are_not_smoothed():
    label = tf.constant([[-1, 7], [7, -1]])
    found = geometry.resize_ids(label, (6, 10)).numpy()
    np.testing.assert_array_equal(found, np.kron(label, np.ones((3, 5), int)))


@pytest.mark.parametrize("shape", data.ODD_SIZES, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 90), (130, 100)], ids=str)
def test_noise_is_within_one_level_of_pillow(shape, size):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    found = geometry.resize_levels(tf.constant(noise), size).numpy()
    assert found.dtype == np.uint8
    resized = Image.fromarray(noise).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.array(resized)).max() <= 1


@pytest.mark.parametrize("shape", data.ODD_SIZES, ids=str)
def test_an_equal_size_changes_nothing(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    np.testing.assert_array_equal(geometry.resize_levels(noise, shape), noise)
    ids = tf.constant(noise[..., 0])
    np.testing.assert_array_equal(geometry.resize_ids(ids, shape), ids)
