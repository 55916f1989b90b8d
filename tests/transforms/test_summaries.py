import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import features, normalizing, summaries
from tests import oracles


def _rows(num_classes, count, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, num_classes, (count, 9, 7))
    labels[labels == 1] = 0  # class 1 never occurs
    images = rng.integers(0, 256, (count, 9, 7, 3)).astype(np.uint8)
    return labels, images


def _summary(labels, images, num_classes):
    return summaries.add(
        (
            oracles.dense_summary(
                np.array([(label == k).sum() for k in range(num_classes)]),
                int((label < 0).sum()),
                image,
            )
            for label, image in zip(labels, images, strict=True)
        ),
        num_classes,
        with_images=True,
    )


@pytest.mark.parametrize("num_classes", [1, 4, 5])
def test_weights_are_the_papers(num_classes):
    labels, images = _rows(num_classes, 6)
    total = _summary(labels, images, num_classes)
    pixels = np.array([(labels == k).sum() for k in range(num_classes)])
    counted = (labels >= 0).sum((1, 2))
    presence = np.array(
        [counted[(labels == k).any((1, 2))].sum() for k in range(num_classes)]
    )
    occurs = pixels > 0
    frequency = pixels[occurs] / presence[occurs]
    found = summaries.class_weights(
        tf.constant(total[features.CLASS_PIXELS]),
        tf.constant(total[features.PRESENCE_PIXELS]),
    )
    np.testing.assert_allclose(
        found["median_frequency"].numpy()[occurs], np.median(frequency) / frequency
    )
    np.testing.assert_allclose(
        found["inverse_frequency"].numpy()[occurs],
        pixels.sum() / (num_classes * pixels[occurs]),
    )
    assert not found["median_frequency"].numpy()[~occurs].any()
    assert not found["inverse_frequency"].numpy()[~occurs].any()


def test_moments_are_numpys():
    labels, images = _rows(3, 5)
    total = _summary(labels, images, 3)
    mean, deviation = summaries.moments(*(total[n] for n in summaries.IMAGE_SUMS))
    pixels = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-13)
    np.testing.assert_allclose(deviation, pixels.std(0), rtol=1e-11)


def test_sums_do_not_depend_on_how_rows_are_grouped():
    labels, images = _rows(4, 7)
    whole = _summary(labels, images, 4)
    halves = [_summary(labels[:3], images[:3], 4), _summary(labels[3:], images[3:], 4)]
    together = summaries.add(halves, 4, with_images=True)
    for name, values in whole.items():
        np.testing.assert_array_equal(together[name], values)


def test_no_rows_give_no_nan():
    nothing = summaries.zero(3, with_images=True)
    weights = summaries.class_weights(
        tf.constant(nothing[features.CLASS_PIXELS]),
        tf.constant(nothing[features.PRESENCE_PIXELS]),
    )
    mean, deviation = summaries.moments(*(nothing[n] for n in summaries.IMAGE_SUMS))
    scale, offset = normalizing.normalization("zscore", mean, deviation)
    for tensor in (*weights.values(), mean, deviation, scale, offset):
        np.testing.assert_array_equal(tensor, np.zeros(3))


_COUNTS = st.lists(
    st.tuples(st.just(0) | st.integers(1, 10**12), st.integers(0, 10**12)),
    min_size=1,
    max_size=9,
)


@given(_COUNTS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_weights_of_any_counts_are_numpys(counts):
    pixels = np.array([own for own, _ in counts])
    presence = np.array([own + rest if own else 0 for own, rest in counts])
    occurs = pixels > 0
    found = summaries.class_weights(tf.constant(pixels), tf.constant(presence))
    median, inverse = np.zeros(len(pixels)), np.zeros(len(pixels))
    if occurs.any():
        frequency = pixels[occurs] / presence[occurs]
        median[occurs] = np.median(frequency) / frequency
        inverse[occurs] = pixels.sum() / (len(pixels) * pixels[occurs])
    np.testing.assert_allclose(found["median_frequency"], median, rtol=1e-12)
    np.testing.assert_allclose(found["inverse_frequency"], inverse, rtol=1e-12)


def test_median_of_an_even_number_lies_between_the_middle_two():
    # Frequencies 0.1, 0.2, 0.4 and 0.8: the median is 0.3.
    found = summaries.class_weights(
        tf.constant([10, 0, 80, 20, 40], tf.int64),
        tf.constant([100, 0, 100, 100, 100], tf.int64),
    )
    np.testing.assert_allclose(
        found["median_frequency"], [3, 0, 0.375, 1.5, 0.75], rtol=1e-14
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 13)], ids=str)
def test_a_rows_summary_is_numpys(shape):
    rng = np.random.default_rng(0)
    label = rng.integers(-1, 5, shape)
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    pixels = np.array([(label == k).sum() for k in range(5)])
    found = oracles.dense_summary(pixels, int((label < 0).sum()), image)
    assert {n: len(v) for n, v in found.items()} == summaries.spec(5, with_images=True)
    levels = image.reshape(-1, 3).astype(np.int64)
    expected = {
        features.CLASS_PIXELS: pixels,
        features.CLASS_IMAGES: pixels > 0,
        features.PRESENCE_PIXELS: np.where(pixels > 0, (label >= 0).sum(), 0),
        features.IGNORED_PIXELS: [(label < 0).sum()],
        features.IMAGE_PIXELS: [label.size],
        features.IMAGE_SUM: levels.sum(0),
        features.IMAGE_SQUARE_SUM: (levels**2).sum(0),
    }
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)


@pytest.mark.parametrize("height", [1, 256, 257, 258, 514, 600])
@pytest.mark.parametrize("lowest", [0, 255])
def test_sums_of_tall_and_white_images_are_numpys(height, lowest):
    rng = np.random.default_rng(height)
    image = rng.integers(lowest, 256, (height, 3, 3)).astype(np.uint8)
    found = oracles.dense_summary(np.zeros(1, np.int64), 0, image)
    levels = image.reshape(-1, 3).astype(object)  # Python's integers: no overflow
    np.testing.assert_array_equal(found[features.IMAGE_SUM], levels.sum(0))
    np.testing.assert_array_equal(found[features.IMAGE_SQUARE_SUM], (levels**2).sum(0))


def test_a_row_without_an_image_has_no_image_sums():
    found = oracles.dense_summary(np.array([3, 0]), 1, None)
    assert set(found) == set(summaries.spec(2, with_images=False))
    assert not set(found) & set(summaries.IMAGE_SUMS)


def test_an_ignored_row_counts_for_no_class():
    found = oracles.dense_summary(np.zeros(3, np.int64), 91, None)
    assert found.pop(features.IGNORED_PIXELS).tolist() == [91]
    assert not any(values.any() for values in found.values())


@given(st.lists(st.integers(0, 2**40), min_size=6, max_size=6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_add_is_associative_and_alters_no_summand(values):
    rows = [
        oracles.dense_summary(np.array(values[n : n + 2]), values[n], None)
        for n in (0, 2, 4)
    ]
    before = [{name: v.copy() for name, v in row.items()} for row in rows]

    def add(*summands):
        return summaries.add(summands, 2, with_images=False)

    a, b, c = rows
    left, right, flat = add(add(a, b), c), add(a, add(b, c)), add(a, b, c)
    backwards = add(c, b, a, add())
    for name in flat:
        for other in (left, right, backwards):
            np.testing.assert_array_equal(flat[name], other[name], name)
        for row, old in zip(rows, before, strict=True):
            np.testing.assert_array_equal(row[name], old[name], name)


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_a_flat_image_has_no_deviation_and_becomes_zero(level):
    image = np.full((7, 13, 3), level, np.uint8)
    row = oracles.dense_summary(np.array([91]), 0, image)
    mean, deviation = summaries.moments(*(row[n] for n in summaries.IMAGE_SUMS))
    np.testing.assert_allclose(mean, [level / 255] * 3, rtol=1e-15)
    np.testing.assert_array_equal(deviation, np.zeros(3))
    scaling = normalizing.normalization("zscore", mean, deviation)
    np.testing.assert_array_equal(
        normalizing.normalize(tf.constant(image), *scaling), 0
    )
