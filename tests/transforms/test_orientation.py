"""EXIF orientation; the oracle is Pillow's ImageOps.exif_transpose."""

import functools
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from maskbeam.pipeline.formats import picture_header
from maskbeam.transforms import decode, orientation
from tests import data_generation as data

PICTURE = data.picture(np.random.default_rng(0), 33, 20)


def _tiff(value, order="<", *, before=3, kind=3):
    """EXIF data whose first directory has the tag after some others."""
    tags = [(256 + i, 3, 1, i) for i in range(before)] + [(0x0112, kind, 1, value)]
    entries = b"".join(
        struct.pack(f"{order}HHI", *tag[:3]) + struct.pack(f"{order}HH", tag[3], 0)
        for tag in tags
    )
    thumbnail = struct.pack(f"{order}H", 1) + struct.pack(
        f"{order}HHIHHI", 0x0112, 3, 1, 1 + value % 8, 0, 0
    )
    next_at = 8 + 2 + len(entries) + 4
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"".join(
        (
            head,
            struct.pack(f"{order}IH", 8, len(tags)),
            entries,
            struct.pack(f"{order}I", next_at),
            thumbnail,
        )
    )


def _jpeg(exif=None, before=()):
    """A JPEG with segments before the EXIF data."""
    plain = data.jpeg(PICTURE)
    segments = [*before, *([(0xE1, b"Exif\0\0" + exif)] if exif is not None else [])]
    inserted = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in segments
    )
    return plain[:2] + inserted + plain[2:]


@functools.cache
def _graph():
    return tf.function(orientation.orientation, [tf.TensorSpec([], tf.string)])


def _found(encoded):
    found = orientation.orientation(tf.constant(encoded)).numpy()
    assert _graph()(tf.constant(encoded)).numpy() == found
    return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("value", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(value, order):
    encoded = _jpeg(_tiff(value, order))
    assert _found(encoded) == value
    expected = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))
    np.testing.assert_array_equal(decode.image_levels(tf.constant(encoded)), expected)


@pytest.mark.parametrize(
    "before",
    [
        [(0xE0, b"JFIF\0" + bytes(9))],
        [(0xE2, bytes(60_000))],
        [(0xE1, b"http://ns.adobe.com/xap/1.0/\0 Exif\0\0 quoted")],
        [(0xFE, b"a comment")] * 9,
    ],
    ids=["jfif", "profile", "xmp", "comments"],
)
def test_other_segments_may_stand_before(before):
    assert _found(_jpeg(_tiff(6), before)) == 6


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"text",
        data.png(PICTURE),
        _jpeg(),
        _jpeg(b""),
        _jpeg(_tiff(0)),
        _jpeg(_tiff(9)),
        _jpeg(_tiff(6)[:20]),
        _jpeg(b"II*\0\xff\xff\xff\xff"),
        _jpeg(b"II*\0\x08\0\0\0\xff\xff"),
        _jpeg(_tiff(6, kind=4)),
        _jpeg(_tiff(6).replace(b"II", b"XX")),
        _jpeg(_tiff(6).replace(b"II*", b"II+")),
        # The directory is after the segment's end, and in the next one.
        _jpeg(None, [(0xE1, b"Exif\0\0II*\0\x0c\0\0\0"), (0xFE, _tiff(6)[8:])]),
        _jpeg(None, [(0xE1, b"Exif\0\0II*\0\0\0\0\xff"), (0xFE, _tiff(6)[8:])]),
        data.jpeg(PICTURE) + b"Exif\0\0" + _tiff(6),
    ],
)
def test_no_orientation_is_upright(encoded):
    assert _found(encoded) == 1


def test_markers_may_be_filled_up():
    encoded = _jpeg(_tiff(6))
    assert _found(encoded[:2] + b"\xff" * 3 + encoded[2:]) == 6


@pytest.mark.parametrize(
    "inserted",
    [
        b"\xff\xfe\0\x02A",
        b"\xff\0\0\x04ab",
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xfe\0\1",
        b"\xff\xfe\0\0",
    ],
)
def test_what_two_parsers_walk_differently_is_refused(inserted):
    """libjpeg skips bytes to the next marker, and takes FF 00 for such a byte."""
    turned = _jpeg(_tiff(6))
    encoded = turned[:2] + inserted + turned[2:]
    assert _found(encoded) == 0
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.image_levels(tf.constant(encoded))
    with pytest.raises(ValueError, match="JPEG is damaged"):
        picture_header.read_header(encoded)


def test_markers_without_a_length_are_walked_alike():
    turned = _jpeg(_tiff(6))
    encoded = turned[:2] + b"\xff\x01" + turned[2:]
    assert _found(encoded) == 6
    assert picture_header.read_header(encoded) == picture_header.read_header(turned)


def test_a_segment_of_data_hides_no_other_size():
    """A header within what one parser skips: FF 00, its length, another frame."""
    plain = data.jpeg(PICTURE)
    frame = struct.pack(">BBHBHHB", 0xFF, 0xC0, 11, 8, 5, 5, 1) + b"\1\x11\0"
    encoded = plain[:2] + b"\xff\0" + struct.pack(">H", 2) + frame + plain[2:]
    with pytest.raises(ValueError, match="no segment begins at byte 2"):
        picture_header.read_header(encoded)


TURNED = _jpeg(_tiff(6, ">"), [(0xE0, b"JFIF\0" + bytes(9))])


def test_a_cut_file_is_no_error():
    found = [_graph()(tf.constant(TURNED[:end])).numpy() for end in range(len(TURNED))]
    assert found == sorted(found)
    assert set(found) == {1, 6}


@given(st.binary(max_size=80), st.binary(max_size=80))
@example(b"\xff\xe1\0\0" * 20, b"")
@example(b"\xff" * 200, b"")
@example(b"\xff\xfe\0\0", b"Exif\0\0")
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_bytes_give_an_orientation(head, tail):
    encoded = b"\xff\xd8\xff" + head + b"Exif\0\0" + tail
    assert 0 <= _graph()(tf.constant(encoded)).numpy() <= 8


@given(st.binary(max_size=4), st.binary(max_size=60))
@example(b"\xff\xff\xff\x7f", b"")
@example(b"\0\0\0\x80", b"\xff" * 60)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_exif_data_give_an_orientation(offset, directory):
    encoded = _jpeg(b"II*\0" + offset + directory)
    assert 1 <= _graph()(tf.constant(encoded)).numpy() <= 8


def test_rows_of_a_batch_are_turned_each_by_itself():
    files = [_jpeg(_tiff(value)) for value in (1, 6, 3)] + [data.png(PICTURE)]

    @tf.function
    def shapes(batch):
        return tf.map_fn(
            lambda one: tf.shape(decode.image_levels(one))[:2],
            batch,
            fn_output_signature=tf.TensorSpec([2], tf.int32),
        )

    found = shapes(tf.constant(files)).numpy().tolist()
    assert found == [[33, 20], [20, 33], [33, 20], [33, 20]]
