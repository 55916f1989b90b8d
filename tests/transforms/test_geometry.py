import functools
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskbeam.transforms import geometry
from tests import data_generation as data
from tests import oracles


def _stretch_ids(ids, size):
    return geometry.fit_label(ids, size, "stretch", 0)


def _stretch_levels(levels, size):
    return geometry.fit_image(levels, size, "stretch")


SIDES = st.integers(1, 40)


@given(SIDES, SIDES, SIDES, SIDES)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ids_are_the_nearest_samples(height, width, new_height, new_width):
    ids = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    found = _stretch_ids(tf.constant(ids), (new_height, new_width))
    # In whole numbers: the source square that holds the centre of the new one.
    rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
    columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
    np.testing.assert_array_equal(found, ids[rows][:, columns])


@pytest.mark.parametrize("size", [(20, 24), (7, 90), (64, 48), (1, 1), (130, 100)])
def test_images_are_within_one_level_of_pillow(size):
    picture = data.picture(np.random.default_rng(0), 64, 48)
    found = _stretch_levels(tf.constant(picture), size).numpy()
    resized = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.array(resized)).max() <= 1
    if size == (64, 48):
        np.testing.assert_array_equal(found, picture)


def test_no_size_leaves_all_as_it_is():
    ids = tf.constant([[1, 2]], tf.uint8)
    assert geometry.fit_label(ids, None, "stretch", 0) is ids
    assert geometry.fit_image(ids, None, "stretch") is ids


# Where a centre falls on the border of two squares and binary fractions miss it.
ON_A_BORDER = [(2, 41), (6, 37), (24, 37), (26, 11), (30, 29)]


@pytest.mark.parametrize(("length", "new_length"), ON_A_BORDER)
def test_ids_on_a_border_follow_the_same_rule(length, new_length):
    ids = tf.range(length)[:, tf.newaxis]
    found = _stretch_ids(ids, (new_length, 1))[:, 0]
    np.testing.assert_array_equal(found, oracles.nearest(length, new_length))


@pytest.mark.parametrize("length", [1, 2, 9, 13, 30, 360, 513, 1080, 4096])
def test_ids_are_a_nearest_sample_at_any_size(length):
    """On a border either side is nearest: the two centres are equally far."""
    ids = tf.range(length)[:, tf.newaxis]
    for new_length in (*range(1, 60), 224, 513, 720, 1024):
        found = _stretch_ids(ids, (new_length, 1)).numpy()[:, 0]
        centre = (2 * np.arange(new_length) + 1) * length  # times 2 * new_length
        assert found.min() >= 0
        assert found.max() < length
        away = np.abs((2 * found + 1) * new_length - centre)
        assert (away <= new_length).all(), new_length


@pytest.mark.parametrize("dtype", [tf.uint8, tf.uint16, tf.int32, tf.int64])
def test_ids_keep_their_dtype_and_gain_a_static_shape(dtype):
    top = min(dtype.max, 2**31 - 1)  # no float in between would keep it
    ids = tf.constant([[top, 0, top - 1]], dtype)
    resize = tf.function(lambda ids: geometry.fit_label(ids, (4, 6), "stretch", 0))
    concrete = resize.get_concrete_function(tf.TensorSpec([None, None], dtype))
    assert concrete.structured_outputs.shape == [4, 6]
    found = concrete(ids)
    assert found.dtype == dtype
    expected = np.repeat(np.repeat(ids.numpy(), 4, 0), 2, 1)
    np.testing.assert_array_equal(found, expected)


def test_ignored_labels_are_not_smoothed():
    label = tf.constant([[-1, 7], [7, -1]])
    found = _stretch_ids(label, (6, 10)).numpy()
    np.testing.assert_array_equal(found, np.kron(label, np.ones((3, 5), int)))


@pytest.mark.parametrize("shape", data.ODD_SIZES, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 90), (130, 100)], ids=str)
def test_noise_is_within_one_level_of_pillow(shape, size):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    found = _stretch_levels(tf.constant(noise), size).numpy()
    assert found.dtype == np.uint8
    resized = Image.fromarray(noise).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.array(resized)).max() <= 1


@pytest.mark.parametrize("shape", data.ODD_SIZES, ids=str)
def test_an_equal_size_changes_nothing(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    np.testing.assert_array_equal(_stretch_levels(noise, shape), noise)
    ids = tf.constant(noise[..., 0])
    np.testing.assert_array_equal(_stretch_ids(ids, shape), ids)


WAYS = ["stretch", "letterbox", "crop", "short_side", "tile"]


def _expected(label, size, way, ignored):
    """What fitting gives, in fractions and loops."""
    (height, width), (new_height, new_width) = label.shape, size
    scale = {"letterbox": min, "short_side": max}.get(way)
    if way == "stretch":
        scaled = size
    elif scale is None:
        scaled = label.shape
    else:
        by = scale(Fraction(new_height, height), Fraction(new_width, width))
        half = Fraction(1, 2)
        scaled = [max(1, math.floor(side * by + half)) for side in label.shape]
    label = label[oracles.nearest(height, scaled[0])][
        :, oracles.nearest(width, scaled[1])
    ]
    window = np.full(size, ignored, label.dtype)
    # Where the window's corner is in the scaled picture.
    corner = [0, 0]
    if way != "tile":
        corner = [
            (old - new) // 2 if old >= new else -((new - old) // 2)
            for old, new in zip(scaled, size, strict=True)
        ]
    for y, x in np.ndindex(*size):
        if 0 <= y + corner[0] < scaled[0] and 0 <= x + corner[1] < scaled[1]:
            window[y, x] = label[y + corner[0], x + corner[1]]
    return window


@functools.cache
def _graph(size, way):
    spec = tf.TensorSpec([None, None], tf.uint8)
    return tf.function(lambda x: geometry.fit_label(x, size, way, 255), [spec])


@functools.cache
def _image_graph(size, way):
    spec = tf.TensorSpec([None, None, 3], tf.uint8)
    return tf.function(lambda x: geometry.fit_image(x, size, way), [spec])


@pytest.mark.parametrize("way", WAYS)
@given(SIDES, SIDES, st.sampled_from([(1, 1), (7, 13), (16, 9), (33, 32)]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_labels_are_fitted_exactly_and_no_id_is_invented(way, height, width, size):
    label = np.random.default_rng(height).integers(0, 250, (height, width))
    label = label.astype(np.uint8)
    expected = _expected(label, size, way, 255)
    found = geometry.fit_label(tf.constant(label), size, way, 255)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(_graph(size, way)(label), expected)
    assert set(np.unique(found)) <= {*np.unique(label), 255}


@pytest.mark.parametrize("way", WAYS)
@given(SIDES, SIDES, st.sampled_from([(1, 1), (7, 13), (16, 9), (33, 32)]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_images_take_the_window_of_their_label_maps(way, height, width, size):
    """A white picture is white where the label map is not ignored."""
    white = np.full((height, width, 3), 255, np.uint8)
    image = geometry.fit_image(tf.constant(white), size, way).numpy()
    label = geometry.fit_label(tf.zeros([height, width], tf.int32), size, way, -1)
    expected = np.where(label.numpy()[..., np.newaxis] == 0, [255] * 3, 0)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("way", WAYS)
@given(SIDES, SIDES, st.sampled_from([(1, 1), (7, 13), (16, 9), (33, 32)]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_images_are_fitted_alike_eagerly_and_in_graphs(way, height, width, size):
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3))
    noise = noise.astype(np.uint8)
    found = geometry.fit_image(tf.constant(noise), size, way)
    np.testing.assert_array_equal(_image_graph(size, way)(noise), found)
    assert found.dtype == tf.uint8


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_a_batch_are_fitted_each_by_itself(way):
    rng = np.random.default_rng(0)
    pictures = [data.picture(rng, *shape) for shape in ((33, 20), (5, 60), (16, 9))]
    encoded = tf.constant([data.png(picture) for picture in pictures])

    @tf.function
    def batch(encoded):
        return tf.map_fn(
            lambda one: geometry.fit_image(
                tf.io.decode_png(one, channels=3), (16, 9), way
            ),
            encoded,
            fn_output_signature=tf.TensorSpec([16, 9, 3], tf.uint8),
        )

    for picture, found in zip(pictures, batch(encoded), strict=True):
        expected = geometry.fit_image(tf.constant(picture), (16, 9), way)
        np.testing.assert_array_equal(found, expected)


@given(SIDES, SIDES, SIDES, SIDES)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_covering_image_is_the_middle_of_the_scaled_one(
    height, width, new_height, new_width
):
    size = new_height, new_width
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3))
    noise = noise.astype(np.uint8)
    found = geometry.fit_image(tf.constant(noise), size, "short_side").numpy()
    by = max(Fraction(size[0], height), Fraction(size[1], width))
    sides = [math.floor(side * by + Fraction(1, 2)) for side in (height, width)]
    scaled = tf.image.resize(noise, sides, antialias=True).numpy().round()
    top, left = [(old - new) // 2 for old, new in zip(sides, size, strict=True)]
    expected = scaled[top : top + size[0], left : left + size[1]]
    assert np.abs(found - expected).max() <= 1  # float32 where a half is rounded


def test_only_the_window_is_made():
    """All of the scaled picture would be 10 GB."""
    white = tf.fill([1, 40_000, 3], np.uint8(255))
    assert geometry.fit_image(white, (512, 512), "short_side").numpy().min() == 255
    ids = geometry.fit_label(white[..., 0], (512, 512), "short_side", 0)
    assert ids.numpy().min() == 255


@pytest.mark.parametrize("way", ["letterbox", "short_side"])
def test_one_scale_keeps_what_is_square(way):
    """A square in the picture is one in the window, within a pixel."""
    label = np.zeros((90, 200), np.uint8)
    label[30:60, 80:110] = 1
    found = geometry.fit_label(tf.constant(label), (60, 60), way, 255).numpy()
    rows, columns = np.any(found == 1, 1).sum(), np.any(found == 1, 0).sum()
    assert abs(rows - columns) <= 1
    assert rows > 5


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_of_the_size_stays_as_it_is(way):
    picture = data.picture(np.random.default_rng(0), 33, 20)
    found = geometry.fit_image(tf.constant(picture), (33, 20), way)
    np.testing.assert_array_equal(found, picture)


def test_unscaled_windows_are_pieces_of_the_picture():
    picture = data.picture(np.random.default_rng(0), 33, 20)
    crop = geometry.fit_image(tf.constant(picture), (10, 30), "crop").numpy()
    np.testing.assert_array_equal(crop[:, 5:25], picture[11:21])
    assert not crop[:, :5].any()
    assert not crop[:, 25:].any()
    tile = geometry.fit_image(tf.constant(picture), (40, 10), "tile").numpy()
    np.testing.assert_array_equal(tile[:33], picture[:, :10])
    assert not tile[33:].any()


@pytest.mark.parametrize("way", ["stretch", "letterbox", "crop", "short_side", "tile"])
def test_what_has_the_size_is_left_as_any_resizing_leaves_it(way):
    noise = np.random.default_rng(0).integers(0, 256, (13, 21, 3), np.uint8)
    resized = tf.image.resize(noise, (13, 21), antialias=True)
    np.testing.assert_array_equal(resized, noise)
    spec = tf.TensorSpec([None, None, 3], tf.uint8)
    fit = tf.function(lambda one: geometry.fit_image(one, (13, 21), way), [spec])
    np.testing.assert_array_equal(fit(noise), noise)
    label = noise[..., 0].astype(np.int32)
    found = geometry.fit_label(tf.constant(label), (13, 21), way, -1)
    np.testing.assert_array_equal(found, label)
