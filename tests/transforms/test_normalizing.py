"""Levels are scaled as NumPy scales them, and as torchvision does."""

import numpy as np
import pytest
import tensorflow as tf

from maskbeam.transforms import normalizing
from maskbeam.transforms.normalization_names import NAMES, Moments, moments_of, text_of

_OWN = "mean=0.4,.5,6e-1:std=0.25,1,0.5"


@pytest.mark.parametrize(
    ("normalize", "low", "high"), [("unit", 0, 1), ("symmetric", -1, 1)]
)
def test_fixed_ranges_are_met_exactly(normalize, low, high):
    zeros = tf.zeros([3], tf.float64)
    scaling = normalizing.normalization(normalize, zeros, zeros)
    levels = tf.constant([[0, 0, 0], [255, 255, 255]], tf.uint8)
    found = normalizing.normalize(levels, *scaling)
    np.testing.assert_array_equal(found, [[low] * 3, [high] * 3])


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("normalize", [*NAMES, _OWN])
@pytest.mark.parametrize("shape", [(9, 3), (5, 7, 3), (2, 4, 8, 3)], ids=str)
def test_every_way_of_scaling_gives_numpys_bits(shape, normalize, static):
    levels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    mean = tf.constant([0.3, 0.5, 0.7], tf.float64)
    deviation = tf.constant([0.2, 0.0, 0.31], tf.float64)
    scale, offset = normalizing.normalization(normalize, mean, deviation)
    expected = levels.astype(np.float32) * scale.numpy() + offset.numpy()
    spec = tf.TensorSpec(shape if static else [None] * len(shape[:-1]) + [3], tf.uint8)

    def constants_of_the_graph(levels):
        scaling = normalizing.normalization(normalize, mean, deviation)
        return normalizing.normalize(levels, *scaling)

    for function in (
        lambda levels: normalizing.normalize(levels, scale, offset),
        lambda levels: normalizing.normalize(levels, scale.numpy(), offset.numpy()),
        constants_of_the_graph,
    ):
        found = tf.function(function, [spec])(levels)
        assert found.dtype == tf.float32
        assert found.numpy().tobytes() == expected.tobytes()


def test_zscore_is_numpys():
    images = np.random.default_rng(4).integers(0, 256, (3, 5, 7, 3), np.uint8)
    pixels = images.reshape(-1, 3) / 255
    mean, deviation = pixels.mean(0), pixels.std(0)
    scaling = normalizing.normalization(
        "zscore", tf.constant(mean), tf.constant(deviation)
    )
    found = normalizing.normalize(tf.constant(images), *scaling)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, (images / 255 - mean) / deviation, atol=1e-6)


@pytest.mark.parametrize(
    ("normalize", "mean", "std"),
    [
        ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        (_OWN, [0.4, 0.5, 0.6], [0.25, 1, 0.5]),
    ],
)
def test_moments_of_others_are_numpys(normalize, mean, std):
    levels = np.arange(256, dtype=np.uint8)[:, np.newaxis].repeat(3, 1)
    zeros = tf.zeros([3], tf.float64)
    found = normalizing.normalize(
        tf.constant(levels), *normalizing.normalization(normalize, zeros, zeros)
    )
    np.testing.assert_allclose(found, (levels / 255 - mean) / std, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mean=123.675,116.28,103.53:std=58.395,57.12,57.375", "divide by 255"),
        ("mean=0.5,0.5,0.5:std=0.5,0,0.5", "a deviation of 0"),
        ("mean=0.5,0.5:std=0.5,0.5", "must be one of unit, symmetric, zscore, "),
        ("mean=0.5,0.5,0.5", "must be one of"),
        ("mean=-0.5,0.5,0.5:std=1,1,1", "must be one of"),
        ("mean=nan,0.5,0.5:std=1,1,1", "must be one of"),
        ("mean=1e999,0.5,0.5:std=1,1,1", "divide by 255"),
        ("Unit", "must be one of"),
        ("", "must be one of"),
    ],
)
def test_what_is_no_normalisation_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        moments_of(text)


def test_moments_are_read_as_they_are_written():
    moments = Moments((0.1, 1 / 3, 0.0), (1.0, 1e-7, 0.25))
    assert moments_of(text_of(moments)) == moments
    assert [moments_of(name) for name in ("unit", "symmetric", "zscore")] == [None] * 3
