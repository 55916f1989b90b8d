"""NumPy files against NumPy: label maps as they are, and what cannot be any."""

import contextlib
import io
import itertools
import random
import re
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbeam.pipeline.elements import Entry, Place, RawRow, Row
from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.formats import arrays, npz
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.rows import read, row_files
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import classes
from tests import data_generation as data

MAX_PIXELS = 1000
OPTIONS = Options(class_map=classes.numbered(2), max_pixels=MAX_PIXELS)


def _maps(path):
    """What is read of a file: an array, or the reason why not, by place."""
    found: dict[Place, np.ndarray | str] = {}
    for place in arrays.places(str(path), MAX_PIXELS):
        try:
            found[place] = arrays.read(str(path), place, MAX_PIXELS)
        except ValueError as error:
            found[place] = str(error)
    return found


def _saved(path, array):
    np.save(path, array)
    return _maps(path)


def _labels(*shape):
    return np.random.default_rng(0).integers(0, 9, shape).astype(np.uint8)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int32, ">u2", "<i2", ">i4", np.int64, bool]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_numpys(tmp_path, dtype, order, monkeypatch):
    monkeypatch.setattr(arrays, "_STRIP_VALUES", 8)
    single = np.asarray(_labels(5, 7).astype(dtype), order=order)
    stack = _labels(6, 5, 7).astype(dtype)
    np.save(tmp_path / "single.npy", single)
    np.savez(tmp_path / "stored.npz", one=single, many=stack)
    np.savez_compressed(tmp_path / "deflated.npz", one=single, many=stack)
    path = str(tmp_path / "single.npy")
    assert list(arrays.places(path, MAX_PIXELS)) == [Place()]
    np.testing.assert_array_equal(arrays.read(path, Place(), MAX_PIXELS), single)
    for name in ("stored", "deflated"):
        path = str(tmp_path / f"{name}.npz")
        assert list(arrays.places(path, MAX_PIXELS)) == [
            *(Place("many", i) for i in range(6)),
            Place("one"),
        ]
        found = arrays.read(path, Place("one"), MAX_PIXELS)
        np.testing.assert_array_equal(found, single)
        for number in (2, 0, 1, 5):
            found = arrays.read(path, Place("many", number), MAX_PIXELS)
            np.testing.assert_array_equal(found, stack[number])
        for place in arrays.places(path, MAX_PIXELS):
            assert arrays.shape_of(path, place, MAX_PIXELS) == (5, 7)


@pytest.mark.parametrize("shape", [(1, 7), (6, 1), (1, 1)])
def test_maps_of_one_row_or_column_are_maps(tmp_path, shape):
    ((place, found),) = _saved(tmp_path / "x.npy", _labels(*shape)).items()
    assert place == Place()
    np.testing.assert_array_equal(found, _labels(*shape))


@pytest.mark.parametrize("value", [-1, 65536, 2**40, -(2**63)])
def test_values_that_no_label_map_holds_are_counted(tmp_path, value, monkeypatch):
    monkeypatch.setattr(arrays, "_STRIP_VALUES", 8)
    array = _labels(6, 7).astype(np.int64)
    array[0, 3] = array[5, 5] = array[5, 6] = value
    array[2, 2] = value + 1 if value < 0 else 7
    (reason,) = _saved(tmp_path / "x.npy", array).values()
    assert f"label value {value} at 3 pixels is outside 0..65535" in reason


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (1, 6, 7), (1, 6, 7, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_of_one_are_left_out(tmp_path, shape, order):
    array = np.asarray(_labels(6, 7).reshape(shape), order=order)
    ((place, found),) = _saved(tmp_path / "x.npy", array).items()
    assert place == Place()
    np.testing.assert_array_equal(found, _labels(6, 7))


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 1), (5, 1, 6, 7), (3, 6, 7)])
def test_stacks(tmp_path, shape):
    array = _labels(*shape)
    found = _saved(tmp_path / "x.npy", array)
    assert list(found) == [Place("", number) for number in range(shape[0])]
    for place, one in found.items():
        np.testing.assert_array_equal(one, array[place.index].reshape(6, 7))


def _one_hot(axis, ignored=0, classes=6):
    label = _labels(9, 11) % classes
    vectors = np.eye(classes, dtype=np.uint8)[label]
    vectors[:ignored] = 0
    return np.moveaxis(vectors, -1, axis)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (_one_hot(-1), "numpy.argmax(array, -1)"),
        (_one_hot(0), "numpy.argmax(array, 0)"),
        (_one_hot(0)[..., None], "numpy.argmax(array, 0)"),
        (_one_hot(-1, classes=3), "numpy.argmax(array, -1)"),
        (_one_hot(0, classes=2).astype(bool), "numpy.argmax(array, 0)"),
        (_one_hot(0) * 255, "numpy.argmax(array, 0)"),
        (_one_hot(-1, ignored=2), "where(array.any(-1), numpy.argmax(array, -1), 255)"),
        (_one_hot(0, ignored=0).astype(np.float32), "of float32"),
        (_one_hot(-1)[None], "numpy.argmax"),
        (data.picture(np.random.default_rng(0), 20, 30), "`encoding: color`"),
        (np.zeros((20, 30, 4), np.uint8), "`encoding: color`"),
    ],
)
def test_one_hot_and_colours_are_refused_whole(tmp_path, array, words):
    ((place, reason),) = _saved(tmp_path / "x.npy", array).items()
    assert place == Place()
    assert words in reason
    with pytest.raises(ValueError, match=r"\w"):
        arrays.shape_of(str(tmp_path / "x.npy"), place, MAX_PIXELS)


def test_colours_before_rows_are_known_by_their_levels(tmp_path):
    photo = data.picture(np.random.default_rng(0), 30, 30)
    ((place, reason),) = _saved(tmp_path / "x.npy", np.moveaxis(photo, -1, 0)).items()
    assert place == Place()
    assert "colours" in reason


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 20, 20), np.uint8),  # nothing is in it
        np.ones((4, 20, 20), np.uint8),  # they overlap
        _one_hot(0)[:1].repeat(3, 0),
        np.stack([np.tril(np.ones((9, 9), np.uint8)), np.eye(9, dtype=np.uint8)]),
        np.eye(30, dtype=np.uint8).reshape(3, 10, 30) * [[[1], [2]] * 5],  # two values
    ],
)
def test_stacks_of_few_values_are_stacks(tmp_path, array):
    array = array.astype(np.uint8)
    found = _saved(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(np.stack(list(found.values())), array)


def test_a_stack_is_told_by_its_beginning(tmp_path, monkeypatch):
    """Of a gigabyte a few bytes are read."""
    path = tmp_path / "x.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (10_000, 100, 1000))
    array[0, 0] = np.arange(1000) % 7
    del array
    read_bytes, part_read = [], npz.Part.read

    def counted(part, offset, length):
        read_bytes.append(length)
        return part_read(part, offset, length)

    monkeypatch.setattr(npz.Part, "read", counted)
    assert len(list(arrays.places(str(path), 10**6))) == 10_000
    assert sum(read_bytes) < 1 << 20


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2), np.float32), "float32"),
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.zeros((2, 2), "U3"), "<U3"),
        (np.zeros((2, 2), [("a", "i4")]), "[('a', '<i4')]"),
        (np.zeros((2, 2), "M8[s]"), "datetime64"),
        (np.zeros(4, np.uint8), "[4]"),
        (np.uint8(3), "[]"),
        (np.zeros((5, 2, 3, 4), np.uint8), "[5, 2, 3, 4]"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((3, 0, 4), np.uint8), "no pixels"),
        (np.zeros((0, 3, 4), np.uint8), "no pixels"),
        (np.zeros((40, 40), np.uint8), "40 x 40 = 1600 pixels, and --max_pixels"),
        (np.zeros((9, 40, 40), np.uint8), "40 x 40 = 1600 pixels, and --max_pixels"),
        (np.asfortranarray(np.zeros((2, 5, 6), np.uint8)), "numpy.ascontiguousarray"),
        (np.array([[None]]), "of object"),
    ],
)
def test_arrays_that_are_no_label_maps(tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    path = str(tmp_path / "x.npy")
    assert list(arrays.places(path, MAX_PIXELS)) == [Place()]
    for look in (arrays.read, arrays.shape_of):
        with pytest.raises(ValueError, match=re.escape(words)):
            look(path, Place(), MAX_PIXELS)


# ----------------------------------------------------------------------------- damage


def _npy(header, content=b"", version=1, length=None):
    text = header if isinstance(header, bytes) else header.encode()
    size = len(text) if length is None else length
    prefix = size.to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + prefix + text + content


def _header(shape, descr="'|u1'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "magic"),
        (b"text" * 30, "magic"),
        (b"\x93NUM", "magic"),
        (b"\x93NUMPY\x09\x00" + b" " * 90, "version"),
        (_npy(_header((2, 2)), bytes(4), 2, length=2**32 - 1), "4294967295 bytes"),
        (_npy(_header((50, 20)), bytes(4)), "ends early: 4 of 1000"),
        (_npy(_header((10**5, 2, 2)), bytes(4)), "ends early: 4 of 400000"),
        (_npy(_header((10**9, 2, 2)), bytes(4)), "1000000000 maps"),
        (_npy(_header((10**12, 10**12)), bytes(4)), "--max_pixels"),
        (_npy(_header((10**6, 1, 1))), "--max_pixels"),
        (_npy(_header((2, 2)), bytes(9)), "5 bytes follow"),
        (_npy(_header((-1, 4)), bytes(4)), "header is damaged"),
        (_npy(_header((True, 4)), bytes(4)), "header is damaged"),
        (_npy(_header((2**64, 4)), bytes(4)), "header is damaged"),
        (_npy(_header((1.5, 4)), bytes(4)), "header is damaged"),
        (_npy(_header("7" * 5000), bytes(4)), "header is damaged"),
        (_npy(_header((2, 2), "'no'"), bytes(4)), "header is damaged"),
        (_npy("{'descr'" + "(" * 900, bytes(4)), "header is damaged"),
        (_npy("-" * 9000 + "1", bytes(4)), "header is damaged"),
        (_npy("[1, 2]", bytes(4)), "header is damaged"),
        (_npy(b"\xff\x00" * 9, bytes(4)), "header is damaged"),
        (_npy(_header((2, 2), "'|O'"), bytes(32)), "of object"),
        (_npy(_header((2, 2), "'<U3'"), bytes(48)), "of <U3"),
        (_npy(_header((2, 2), "[('a', 'u1')]"), bytes(4)), "of [('a', 'u1')]"),
        (_npy(_header((2, 2), "'(2,2)u1'"), bytes(16)), "whole numbers"),
    ],
)
def test_a_damaged_header_is_one_line(tmp_path, content, words):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    ((place, reason),) = _maps(path).items()
    assert place == Place()
    assert words in reason
    assert "\n" not in reason
    assert len(reason) < 400


def test_several_arrays_in_one_file_are_none(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, _labels(5, 7))
        np.save(file, _labels(5, 7))
    (reason,) = _maps(tmp_path / "x.npy").values()
    assert "bytes follow the array: were several saved" in reason


def test_what_a_header_promises_is_not_allocated(tmp_path):
    """A stack of as many maps as there are bytes, and a zip of zeros, cost little."""
    header = _npy(_header((3_000_000, 1, 2)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("many.npy", header + bytes(6_000_000))
        archive.writestr("short.npy", _npy(_header((9, 9))) + bytes(1 << 24))
        archive.writestr("long.npy", _npy(_header((10**9, 9, 9))) + bytes(99))
        archive.writestr("sound.npy", _npy(_header((2, 2))) + bytes(4))
    tracemalloc.start()
    found = _maps(tmp_path / "x.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
    assert list(found) == [Place(name) for name in ("long", "many", "short", "sound")]
    np.testing.assert_array_equal(found[Place("sound")], np.zeros((2, 2)))
    assert "3000000 maps" in found[Place("many")]
    assert "follow" in found[Place("short")]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_any_flipped_byte_of_an_archive_is_damage_or_harmless(save, shape, tmp_path):
    array = _labels(*shape)
    save(tmp_path / "whole.npz", a=array)
    content = (tmp_path / "whole.npz").read_bytes()
    path = str(tmp_path / "x.npz")
    for at, flipped in itertools.product(range(len(content)), (0x01, 0x10)):
        damaged = bytearray(content)
        damaged[at] ^= flipped
        (tmp_path / "x.npz").write_bytes(damaged)
        with contextlib.suppress(ValueError, OSError):
            for place in arrays.places(path, MAX_PIXELS):
                found = arrays.read(path, place, MAX_PIXELS)
                expected = array if place.index < 0 else array[place.index]
                np.testing.assert_array_equal(found, expected)


def test_a_damaged_member_costs_itself(tmp_path):
    path = tmp_path / "x.npz"
    sound = io.BytesIO()
    np.save(sound, _labels(8, 9))
    npy = sound.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("crc", "encrypted", "method", "sound", "two"):
            archive.writestr(f"{name}.npy", npy)
        archive.writestr("folder/", b"")
        archive.writestr("notes.txt", "no array")
        archive.writestr("odd/\u00e4 #\n.npy", npy)
        archive.writestr("lzma.npy", npy, zipfile.ZIP_LZMA)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("two.npy", npy)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
    content[infos["crc.npy"].header_offset + 50] ^= 0x55
    for name, change in {"encrypted.npy": (8, 1), "method.npy": (10, 77)}.items():
        at = content.rindex(name.encode()) - 46  # in the central directory
        content[at + change[0]] = change[1]
    path.write_bytes(content)
    found = {place.member: one for place, one in _maps(path).items()}
    for name in ("sound", "odd/\u00e4 #\n"):
        np.testing.assert_array_equal(found.pop(name), _labels(8, 9))
    for name, words in {
        "crc": "cannot be read",
        "encrypted": "encrypted",
        "method": "method 77",
        "lzma": "numpy.savez",
        "two": "2 arrays named 'two'",
        "notes.txt": "magic",
    }.items():
        assert words in found.pop(name)
    assert not found


def test_an_archive_that_is_none(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"text" * 30)
    with pytest.raises(ValueError, match="not a zip file"):
        arrays.places(str(tmp_path / "x.npz"), MAX_PIXELS)
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(ValueError, match="holds no array"):
        arrays.places(str(tmp_path / "empty.npz"), MAX_PIXELS)


def test_a_store_that_does_not_answer_is_no_damage(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", a=_labels(4, 5, 6))

    def silent(part):
        raise StoreError("no answer")

    monkeypatch.setattr(npz.Part, "header", property(silent))
    with pytest.raises(StoreError):
        arrays.places(str(tmp_path / "x.npz"), MAX_PIXELS)


def test_an_archive_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "x.npz"
    for value in (1, 2):
        np.savez(tmp_path / "new.npz", a=np.full((5, 6 * value), value, np.uint8))
        (tmp_path / "new.npz").replace(path)
        (found,) = _maps(path).values()
        np.testing.assert_array_equal(found, np.full((5, 6 * value), value))


# ------------------------------------------------------------------------------ speed


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("as_stack", [False, True])
def test_an_archive_is_opened_once_and_read_forward(
    save, as_stack, tmp_path, monkeypatch
):
    maps = _labels(300, 8, 9)
    named = {"a": maps} if as_stack else {f"{i:03}": one for i, one in enumerate(maps)}
    save(tmp_path / "x.npz", **named)
    opened, inflated = [], []
    open_raw, stream_read = files.open_raw, zipfile.ZipExtFile.read

    def open_counted(path):
        opened.append(path)
        return open_raw(path)

    def read_counted(stream, size=-1):
        inflated.append(len(part := stream_read(stream, size)))
        return part

    monkeypatch.setattr(files, "open_raw", open_counted)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", read_counted)
    path = str(tmp_path / "x.npz")
    places = list(arrays.places(path, MAX_PIXELS))
    random.Random(0).shuffle(places)
    rows = [
        Row(place.suffix, 0, Entry("label", "train", path, place), None)
        for place in places
    ]
    found = list(read.read_rows(rows, "train", OPTIONS))
    assert [row.key for row in found] == [row.key for row in rows]
    for place, row in zip(places, found, strict=True):
        expected = maps[place.index if as_stack else int(place.member)]
        assert isinstance(row, RawRow)
        assert row.label_bytes == row_files.encode_ids(expected)
    assert len(opened) == 1
    # Once for the checksum, once for the maps; a header of 128 bytes before each.
    assert sum(inflated) < 3 * (maps.nbytes + 300 * 128)


# ------------------------------------------------------------------------------- fuzz

_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
_DTYPES = st.sampled_from(["|b1", "|u1", "<i2", ">u2", "<i8", "<f4", "|O", "<U2"])
_EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), max_size=3
)


def _edited(content, edits):
    for where, new in edits:
        at = int(where * len(content))
        content = content[:at] + new + content[at + len(new) :]
    return content


def _seen_by_numpy(content):
    """All maps of a file, as NumPy has them."""
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # NumPy raises of everything
        return {}
    named = {}
    for name in getattr(loaded, "files", [""]):
        with contextlib.suppress(Exception):
            named[name] = loaded[name] if name else loaded
    return named


@given(st.data())
@settings(max_examples=250, deadline=None, derandomize=True)
def test_what_is_read_of_any_file_is_numpys(tmp_path_factory, draw):
    directory = tmp_path_factory.getbasetemp() / "any"
    directory.mkdir(exist_ok=True)
    name, save = draw.draw(
        st.sampled_from(
            [("x.npy", np.save), ("x.npz", np.savez), ("x.npz", np.savez_compressed)]
        )
    )
    array = np.zeros(draw.draw(_SHAPES), draw.draw(_DTYPES))
    if array.dtype.kind in "biu":
        array = draw.draw(hnp.arrays(array.dtype, array.shape))
    buffer = io.BytesIO()
    save(buffer, array)
    content = _edited(buffer.getvalue(), draw.draw(_EDITS))
    content = draw.draw(st.sampled_from([content, content[: len(content) // 2]]))
    path = directory / name
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    start = time.process_time()
    try:
        found = _maps(path)
    except ValueError:
        return
    assert time.process_time() - start < 1
    theirs = _seen_by_numpy(content)
    for place, one in found.items():
        if isinstance(one, str):
            assert len(one) < 400
            continue
        whole = theirs[place.member]
        part = whole if place.index < 0 else whole[place.index]
        np.testing.assert_array_equal(one, part.reshape(one.shape))
        assert one.dtype in (np.uint8, np.uint16)
        assert one.size == part.size
