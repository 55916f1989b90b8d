"""Images: the pixels that TensorFlow reads, and damage that it reads without a word."""

import io

import numpy as np
import pytest
import simplejpeg
import tensorflow as tf
from PIL import Image as Pillow

from maskbeam.pipeline.elements import RejectedError
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.rows import images
from maskbeam.transforms import decode
from tests import data_generation as data


def _saved(mode, size, **options):
    picture = Pillow.fromarray(data.picture(np.random.default_rng(0), *size))
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _read(encoded, turn=1):
    header = picture_header.read_header(encoded)
    return images.read(encoded, header, turn, "original", "image x.jpg")


@pytest.mark.parametrize("size", [*data.ODD_SIZES, (16, 17)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"optimize": True},
        {"restart_marker_rows": 1},
        *({"subsampling": kind} for kind in ("4:4:4", "4:2:2", "4:2:0")),
        {"keep_rgb": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_pixels_are_those_that_tensorflow_reads(mode, size, options):
    for quality in (5, 75, 100):
        encoded = _saved(mode, size, quality=quality, **options)
        expected = decode.unturned_levels(tf.constant(encoded)).numpy()
        np.testing.assert_array_equal(_read(encoded).levels, expected)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_damaged_entropy_data_is_rejected_where_libjpeg_notices(mode):
    """A changed bit may make other sound data, which nobody can tell."""
    encoded = _saved(mode, (128, 192), quality=90)
    start = encoded.rindex(b"\xff\xda") + 14
    reasons = []
    taken = 0
    rng = np.random.default_rng(0)
    for at in rng.integers(start, len(encoded) - 2, 100):
        damaged = bytearray(encoded)
        damaged[at] ^= 1 << rng.integers(8)
        try:
            decode.unturned_levels(tf.constant(bytes(damaged)))
            taken += 1
            _read(bytes(damaged))
        except tf.errors.InvalidArgumentError:
            continue
        except RejectedError as error:
            reasons.append((error.stage, error.reason[:31]))
    assert taken > 90
    assert len(reasons) > 10
    assert set(reasons) == {("decode", "image x.jpg: damaged or cut off")}


def test_a_cut_jpeg_is_rejected():
    with pytest.raises(RejectedError, match="image x.jpg: damaged or cut off"):
        _read(_saved("RGB", (64, 48))[:-40])


def test_warnings_that_are_not_of_the_pixels_are_none():
    """An unknown JFIF version is one, as some cameras write it."""
    encoded = _saved("RGB", (8, 8))
    assert encoded[6:13] == b"JFIF\0\1\1"
    other = encoded[:11] + b"\7" + encoded[12:]
    expected = decode.unturned_levels(tf.constant(encoded)).numpy()
    np.testing.assert_array_equal(_read(other).levels, expected)


def test_a_picture_of_another_size_than_promised_is_rejected(monkeypatch):
    encoded = _saved("RGB", (8, 16))
    monkeypatch.setattr(
        simplejpeg, "decode_jpeg", lambda *_: np.zeros((16, 8, 3), np.uint8)
    )
    with pytest.raises(RejectedError, match="promises 8 x 16 pixels, and 16 x 8 are"):
        _read(encoded)
