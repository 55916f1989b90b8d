"""Pictures, arrays and records against the libraries that define them."""

import contextlib
import gzip
import io
import itertools
import pathlib
import struct
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from maskbeam.pipeline.elements import DamagedError
from maskbeam.pipeline.formats import picture_header, tf_examples, tfrecords
from maskbeam.pipeline.values import RecordKeys
from maskbeam.transforms import png
from maskbeam.transforms.stored_masks import Floats
from tests import data_generation as data

# ------------------------------------------------------------------------------- PNG

_SIDES = st.tuples(st.integers(1, 20), st.integers(1, 20))


@given(_SIDES, st.sampled_from([np.uint8, np.uint16]), st.booleans(), st.data())
@settings(max_examples=80, deadline=None)
def test_png_is_read_back_by_others(sides, dtype, color, draw):
    if color:
        dtype, sides = np.uint8, (*sides, 3)
    array = draw.draw(hnp.arrays(dtype, sides))
    encoded = png.encode_png(array)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(encoded))), array)
    decoded = tf.io.decode_png(encoded, dtype=tf.as_dtype(dtype)).numpy()
    np.testing.assert_array_equal(decoded.reshape(sides), array)


# ---------------------------------------------------------------------------- headers


def _saved(mode, kind="PNG", **options):
    picture = Image.fromarray(data.picture(np.random.default_rng(0), 21, 34))
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "8-bit grey"),
        ("I;16", "16-bit grey"),
        ("1", "1-bit grey"),
        ("P", "8-bit palette"),
        ("RGB", "8-bit RGB"),
        ("RGBA", "8-bit RGBA"),
        ("LA", "8-bit grey with alpha"),
    ],
)
def test_png_headers(mode, kind):
    if mode == "I;16":
        encoded = data.png(np.zeros((21, 34), np.uint16))
    else:
        encoded = _saved(mode)
    found = picture_header.read_header(encoded)
    assert (found.format, found.height, found.width) == ("png", 21, 34)
    assert str(found.kind) == kind
    assert found.pixels == 21 * 34


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"exif": b"Exif\0\0" + bytes(60_000)},
        {"comment": b"\xff\xc0 not a frame"},
    ],
    ids=["baseline", "progressive", "large_exif", "comment"],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_headers(mode, options):
    found = picture_header.read_header(_saved(mode, "JPEG", **options))
    assert (found.format, found.height, found.width) == ("jpeg", 21, 34)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_no_beginning_of_a_picture_crashes(kind):
    encoded = _saved("RGB", kind)
    for length in range(200):
        with contextlib.suppress(ValueError):
            found = picture_header.read_header(encoded[:length])
            assert (found.height, found.width) == (21, 34)


# --------------------------------------------------------------------------- TFRecord


def _write(path: pathlib.Path, records: list[bytes], compression: str = "") -> None:
    with tf.io.TFRecordWriter(str(path), compression or None) as writer:
        for record in records:
            writer.write(record)


RECORDS = [b"", b"a", bytes(range(256)) * 40, b"last"]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_are_tensorflows(tmp_path, compression):
    path = tmp_path / "x"
    _write(path, RECORDS, compression)
    assert list(tfrecords.records(str(path))) == RECORDS
    if not compression:
        framed = b"".join(map(tfrecords.frame, RECORDS))
        assert framed == path.read_bytes()


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    assert list(tfrecords.records(str(tmp_path / "x"))) == []


@given(lengths=st.lists(st.integers(0, 300), max_size=30), size=st.integers(1, 2000))
def test_spans_have_each_record_once_and_in_order(lengths, size):
    records = [bytes([number % 256]) * length for number, length in enumerate(lengths)]
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(map(tfrecords.frame, records)))
        file.flush()
        spans = list(tfrecords.spans(file.name, size))
        parts = [list(tfrecords.records(file.name, span)) for span in spans]
    assert list(itertools.chain.from_iterable(parts)) == records
    firsts = [0, *itertools.accumulate(map(len, parts))][:-1]
    assert [span.first for span in spans] == firsts
    assert all((span.stop or 0) - span.start >= size for span in spans[:-1])


def test_a_damaged_length_is_found_by_whoever_reads_its_span(tmp_path):
    framed = [bytearray(tfrecords.frame(bytes(50))) for _ in range(9)]
    framed[5][0] ^= 1
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"".join(framed))
    spans = list(tfrecords.spans(str(path), 120))
    damaged = [span for span in spans if span.first <= 5][-1]
    for span in spans:
        if span != damaged:
            assert list(tfrecords.records(str(path), span))
            continue
        with pytest.raises(DamagedError) as error:
            list(tfrecords.records(str(path), span))
        assert error.value.row == 5
        assert error.value.lost == 4  # all have one size, so the estimate is right


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_a_damaged_content_costs_one_record(tmp_path, compression):
    records = [bytes([i]) * 20 for i in range(5)]
    framed = [bytearray(tfrecords.frame(record)) for record in records]
    framed[2][tfrecords.HEAD_BYTES + 3] ^= 1
    framed[3][-1] ^= 1  # its checksum
    content = b"".join(framed)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if compression else content)
    found = list(tfrecords.records(str(path)))
    bad = tfrecords.BadRecord("the checksum of the record's content does not hold")
    assert found == [*records[:2], bad, bad, records[4]]


def test_any_flipped_byte_costs_one_record_or_what_follows(tmp_path):
    records = [bytes([i]) * 20 for i in range(4)]
    framed = b"".join(map(tfrecords.frame, records))
    size = len(framed) // 4
    for at in range(len(framed)):
        damaged = bytearray(framed)
        damaged[at] ^= 0x10
        (tmp_path / "x").write_bytes(damaged)
        found: list[bytes | tfrecords.BadRecord] = []
        number = at // size
        if at % size >= tfrecords.HEAD_BYTES:
            found.extend(tfrecords.records(str(tmp_path / "x")))
            assert isinstance(found[number], tfrecords.BadRecord)
            assert found[:number] + found[number + 1 :] == (
                records[:number] + records[number + 1 :]
            )
            continue
        with pytest.raises(DamagedError) as raised:
            found.extend(iter(tfrecords.records(str(tmp_path / "x"))))
        assert raised.value.row == number
        assert raised.value.lost == (4 - number if number else None)


@pytest.mark.parametrize("length", [2**31, 2**40, 2**63])
def test_a_length_beyond_the_file_is_damage(tmp_path, length):
    """Its checksum is right, so a hostile file can ask for any amount of memory."""
    head = tfrecords.frame(b"")[:0] + struct.pack("<Q", length)
    framed = tfrecords.frame(b"first") + head + tfrecords._masked_checksum(head)
    for name, content in (("x", framed), ("z", gzip.compress(framed + bytes(99)))):
        (tmp_path / name).write_bytes(content)
        found: list[object] = []
        with pytest.raises(DamagedError, match="the file ends within a record"):
            found.extend(iter(tfrecords.records(str(tmp_path / name))))
        assert found == [b"first"]


def test_a_record_larger_than_is_read_costs_itself(tmp_path):
    framed = b"".join(map(tfrecords.frame, [b"a", bytes(3_000_000), b"b"]))
    for name, content in (("x", framed), ("z", gzip.compress(framed))):
        (tmp_path / name).write_bytes(content)
        found = list(tfrecords.records(str(tmp_path / name), most=1000))
        reason = "the record has 3000000 bytes, and at most 1000 are read"
        assert found == [b"a", tfrecords.BadRecord(reason), b"b"]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_any_cut_loses_nothing_before_it(tmp_path, compression):
    rng = np.random.default_rng(0)
    records = [rng.bytes(50) for _ in range(4)]
    path = tmp_path / "x"
    _write(path, records, compression)
    content = path.read_bytes()
    for length in range(1, len(content), 7):
        path.write_bytes(content[:length])
        found: list[bytes | tfrecords.BadRecord] = []
        lost = []
        try:
            found.extend(iter(tfrecords.records(str(path))))
        except DamagedError as error:
            lost.append(error.row)
        assert lost in ([], [len(found)])
        assert found == records[: len(found)]
        if not compression:
            assert len(found) == length // (50 + 16)


# ------------------------------------------------------------------------- tf.Example


def _example(**columns):
    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    found = {name: feature(value) for name, value in columns.items()}
    example = tf.train.Example(features=tf.train.Features(feature=found))
    return example.SerializeToString()


KEYS = RecordKeys("seg", "img", "name")


def test_rows_are_read_by_key():
    record = _example(seg=b"S", img=b"I", name="ä".encode())
    row = tf_examples.parse(record, "/d/x.tfrecord", 4, KEYS)
    assert (row.key, row.label_bytes, row.image_bytes) == ("ä", b"S", b"I")
    assert row.source == "/d/x.tfrecord#4"
    plain = tf_examples.parse(record, "/d/x.tfrecord", 4, RecordKeys("seg", "", ""))
    assert (plain.key, plain.image_bytes) == ("x.tfrecord#4", None)


@pytest.mark.parametrize("missing", ["seg", "img", "name"])
def test_missing_features_are_named(missing):
    columns: dict[str, bytes | int] = {"seg": b"S", "img": b"I", "name": b"n"}
    del columns[missing]
    with pytest.raises(ValueError, match=f"'{missing}'"):
        tf_examples.parse(_example(**columns), "x", 0, KEYS)
    columns[missing] = 5  # there, but a number
    with pytest.raises(ValueError, match="bytes"):
        tf_examples.parse(_example(**columns), "x", 0, KEYS)


def test_serialized_rows_are_examples():
    floats = np.random.default_rng(0).random(300).astype(np.float32)
    columns: dict[str, tf_examples.Value] = {
        "text": "ä",
        "bytes": b"\0\xff",
        "number": -3,
        "list": np.array([5, -(2**40)]),
        "floats": Floats(300, [floats[:100], floats[100:]]),
    }
    record = data.serialized(columns)
    assert record == data.serialized(dict(reversed(columns.items())))
    example = tf.train.Example.FromString(record)
    assert record == example.SerializeToString(deterministic=True)
    del example.features.feature["floats"]
    without = {name: value for name, value in columns.items() if name != "floats"}
    assert data.serialized(without) == example.SerializeToString(deterministic=True)
    example = tf.train.Example.FromString(record)
    framed = b"".join(tfrecords.framed(tf_examples.serialize(columns)))
    assert framed == tfrecords.frame(record)
    found = example.features.feature
    assert found["text"].bytes_list.value == ["ä".encode()]
    assert found["bytes"].bytes_list.value == [b"\0\xff"]
    assert found["number"].int64_list.value == [-3]
    assert found["list"].int64_list.value == [5, -(2**40)]
    np.testing.assert_array_equal(found["floats"].float_list.value, floats)
    parsed = tf.io.parse_single_example(
        record, {"floats": tf.io.FixedLenFeature([300], tf.float32)}
    )
    np.testing.assert_array_equal(parsed["floats"], floats)
    assert struct.calcsize("<f") * 300 < len(record)
