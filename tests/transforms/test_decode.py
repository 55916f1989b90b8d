import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import data_generation as data
from transforms import decode


def _saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", data.ODD_SIZES)
def test_grey_ids_are_pillows(dtype, shape):
    top = np.iinfo(dtype).max
    ids = np.random.default_rng(0).integers(0, top, shape, endpoint=True)
    encoded = data.png(ids.astype(dtype))
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(expected, ids)
    np.testing.assert_array_equal(decode.label_ids(tf.constant(encoded)), ids)
    np.testing.assert_array_equal(
        decode.grey_ids(tf.constant(encoded), tf.as_dtype(dtype)), ids
    )


GREY = Image.fromarray(np.zeros((5, 6), np.uint8))


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text" * 20, id="text"),
        pytest.param(_saved(GREY)[:40], id="cut"),
        pytest.param(_saved(GREY.convert("RGB")), id="rgb"),
        pytest.param(_saved(GREY.convert("P")), id="palette"),
        pytest.param(_saved(GREY.convert("LA")), id="grey_alpha"),
        pytest.param(_saved(GREY.convert("1")), id="one_bit"),
        pytest.param(_saved(GREY, "JPEG"), id="jpeg"),
    ],
)
def test_label_ids_refuses_what_would_be_no_ids(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(encoded))


@pytest.mark.parametrize("shape", data.ODD_SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_images_are_pillows(shape, mode, kind):
    picture = data.picture(np.random.default_rng(0), *shape)
    encoded = _saved(Image.fromarray(picture).convert(mode), kind)
    expected = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
    found = decode.image_levels(tf.constant(encoded))
    np.testing.assert_array_equal(found, expected)


def test_progressive_jpeg_is_pillows():
    picture = data.picture(np.random.default_rng(0), 33, 50)
    encoded = _saved(Image.fromarray(picture), "JPEG", progressive=True)
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)


@pytest.mark.parametrize("encoded", [b"", b"GIF89a...", b"\xff\xd8\xff\xe0cut"])
def test_no_picture_is_an_error(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.image_levels(tf.constant(encoded))


def test_a_requirement_that_nobody_asks_for_is_not_run():
    """What an assertion could not do: it would run all the same."""

    def both(condition):
        guarded = decode.require(condition, "no", tf.constant([1]))
        return {"guarded": guarded, "other": tf.constant([2])}

    spec = tf.TensorSpec([], tf.bool)
    # What TF Transform's loader does to the graph.
    wrapped = tf.compat.v1.wrap_function(both, [spec])
    other = wrapped.prune(wrapped.inputs, wrapped.structured_outputs["other"])
    assert other(tf.constant(False)).numpy() == [2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no"):
        wrapped(tf.constant(False))
