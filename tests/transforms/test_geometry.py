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
@settings(max_examples=60, deadline=None)
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
