import io
import zlib

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


SMALL = data.png(np.random.default_rng(0).integers(0, 99, (5, 6)).astype(np.uint8))


# Within the signature, IHDR, IDAT and IEND, and at their borders.
CUTS = [1, 8, 12, 23, 24, 25, 26, 33, 41, len(SMALL) - 13, len(SMALL) - 1]


@pytest.mark.parametrize("length", CUTS)
def test_label_ids_refuses_a_png_cut_anywhere(length):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(SMALL[:length]))


@pytest.mark.parametrize("at", ["header", "pixels", "end"])
def test_label_ids_refuses_a_png_with_a_wrong_byte(at):
    damaged = bytearray(SMALL)
    damaged[{"header": 18, "pixels": 45, "end": len(SMALL) - 15}[at]] ^= 0x55
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(bytes(damaged)))


def _few_bits(depth):
    """A grey PNG of 2 or 4 bits, which Pillow does not write: from a palette's."""
    image = Image.new("P", (6, 5))
    image.putpalette([0, 0, 0, 9, 9, 9])
    chunk = bytearray(_saved(image, bits=depth))
    assert chunk[24:26] == bytes([depth, 3])
    chunk[25] = 0
    chunk[29:33] = zlib.crc32(chunk[12:29]).to_bytes(4, "big")
    palette = chunk.index(b"PLTE") - 4
    size = 12 + int.from_bytes(chunk[palette : palette + 4], "big")
    del chunk[palette : palette + size]
    return bytes(chunk)


@pytest.mark.parametrize("depth", [2, 4])
def test_label_ids_refuses_few_bits(depth):
    encoded = _few_bits(depth)
    assert Image.open(io.BytesIO(encoded)).size == (6, 5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.label_ids(tf.constant(encoded))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_ids_in_a_map_of_a_dataset(dtype):
    ids = np.arange(91).reshape(7, 13).astype(dtype) * (1 if dtype == np.uint8 else 700)
    rows = tf.data.Dataset.from_tensors(data.png(ids)).map(decode.label_ids)
    assert rows.element_spec.dtype == tf.int32
    (found,) = rows.as_numpy_iterator()
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "1"])
def test_png_images_of_other_modes_are_pillows(mode):
    picture = data.picture(np.random.default_rng(0), 7, 13)
    encoded = _saved(Image.fromarray(picture).convert(mode))
    expected = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)


@pytest.mark.parametrize("subsampling", [0, 1, 2], ids=["444", "422", "420"])
@pytest.mark.parametrize("quality", [30, 75, 100])
def test_jpeg_noise_is_pillows(subsampling, quality):
    noise = np.random.default_rng(0).integers(0, 256, (33, 50, 3)).astype(np.uint8)
    encoded = _saved(
        Image.fromarray(noise), "JPEG", quality=quality, subsampling=subsampling
    )
    expected = np.array(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)
