import numpy as np
import pytest
import tensorflow as tf

from transforms import features, summaries


def _rows(num_classes, count, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, num_classes, (count, 9, 7))
    labels[labels == 1] = 0  # class 1 never occurs
    images = rng.integers(0, 256, (count, 9, 7, 3)).astype(np.uint8)
    return labels, images


def _summary(labels, images, num_classes):
    return summaries.add(
        (
            summaries.of_row(
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
    scale, offset = summaries.normalization("zscore", mean, deviation)
    for tensor in (*weights.values(), mean, deviation, scale, offset):
        np.testing.assert_array_equal(tensor, np.zeros(3))


@pytest.mark.parametrize(
    ("normalize", "low", "high"), [("unit", 0, 1), ("symmetric", -1, 1)]
)
def test_fixed_ranges_are_met_exactly(normalize, low, high):
    zeros = tf.zeros([3], tf.float64)
    scaling = summaries.normalization(normalize, zeros, zeros)
    levels = tf.constant([[0, 0, 0], [255, 255, 255]], tf.uint8)
    found = summaries.normalize(levels, *scaling)
    np.testing.assert_array_equal(found, [[low] * 3, [high] * 3])
