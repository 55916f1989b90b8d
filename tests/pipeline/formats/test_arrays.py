"""NumPy files: what their axes mean, and what hostile ones cost."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskbeam.pipeline.elements import Entry, Place, RawRow, Rejection, Row
from maskbeam.pipeline.formats import arrays
from maskbeam.pipeline.rows import read

MOST = 10_000
IDS = np.random.default_rng(0).integers(0, 5, (20, 30)).astype(np.uint8)
STACK = np.random.default_rng(1).integers(0, 5, (4, 20, 30)).astype(np.uint8)
ONE_HOT = np.eye(5, dtype=np.uint8)[IDS]
PHOTO = np.random.default_rng(2).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def _saved(tmp_path, array, name="x.npy", **options):
    path = tmp_path / name
    if name.endswith(".npy"):
        np.save(path, array, **options)
    else:
        np.savez(path, **array)
    return str(path)


def _maps(path):
    return {
        place.suffix: arrays.read(path, place, MOST)
        for place in arrays.places(path, MOST)
    }


def _why(path):
    """Why a file's only place holds no label map."""
    (place,) = arrays.places(path, MOST)
    with pytest.raises(ValueError, match=".") as caught:
        arrays.read(path, place, MOST)
    return str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        IDS,
        IDS[..., np.newaxis],
        IDS[np.newaxis],
        np.asfortranarray(IDS),
        IDS.astype(">u2"),
        IDS.astype(np.int64),
        IDS > 2,
        IDS[:1],
        IDS[:, :1],
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_one_map_has_the_files_own_key(array, name, tmp_path):
    given = array if name == "x.npy" else {"ids": array}
    found = _maps(_saved(tmp_path, given, name))
    assert list(found) == ["" if name == "x.npy" else "#ids"]
    (label,) = found.values()
    assert label.dtype == array.dtype
    np.testing.assert_array_equal(label, array.squeeze().reshape(label.shape))
    assert label.shape == (
        array.shape[:2] if array.shape[0] != 1 or array.ndim == 2 else array.shape[1:]
    )


@pytest.mark.parametrize("axis", [None, -1, 1])
def test_a_stack_has_a_key_for_each_map(axis, tmp_path):
    array = STACK if axis is None else np.expand_dims(STACK, axis)
    found = _maps(_saved(tmp_path, array))
    assert list(found) == ["#0", "#1", "#2", "#3"]
    for label, expected in zip(found.values(), STACK, strict=True):
        np.testing.assert_array_equal(label, expected)
    both = _maps(_saved(tmp_path, {"a": IDS, "b": array}, "x.npz"))
    assert list(both) == ["#a", "#b#0", "#b#1", "#b#2", "#b#3"]
    np.testing.assert_array_equal(both["#b#2"], STACK[2])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (ONE_HOT, "numpy.argmax(array, -1)"),
        (np.moveaxis(ONE_HOT, -1, 0), "numpy.argmax(array, 0)"),
        (ONE_HOT.astype(np.float32), "numpy.argmax"),
        (np.eye(3, dtype=np.uint8)[IDS % 3], "numpy.argmax(array, -1)"),
        (255 * np.moveaxis(ONE_HOT, -1, 0), "numpy.argmax(array, 0)"),
        (PHOTO, "`encoding: color`"),
        (np.moveaxis(PHOTO, -1, 0), "`encoding: color`"),
        (IDS.astype(np.float32), ".astype(numpy.uint16)"),
        (IDS[0], "[H W]"),
        (np.zeros((2, 3, 4, 5), np.uint8), "[H W]"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.array([[{}]]), "unpickling"),
        (np.zeros((200, 200), np.uint8), "--max_pixels is 10000"),
    ],
)
def test_what_is_no_label_map_is_told_the_way_out(array, words, tmp_path):
    assert words in _why(_saved(tmp_path, array))


def test_binary_masks_are_a_stack_as_long_as_they_meet(tmp_path):
    """Two overlap, so no pixel's values are a one-hot vector."""
    masks = np.random.default_rng(0).integers(0, 2, (3, 20, 30)).astype(np.uint8)
    assert len(_maps(_saved(tmp_path, masks))) == 3


def _header(shape, descr="|u1"):
    """A .npy file of a header alone."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"shape": shape, "fortran_order": False, "descr": descr}
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        _header((10**12, 10**12)),
        _header((10**6, 1, 1)),
        _header((10**9, 8, 8)),
        _header((4, 6))[:-10],
        _header((4, 6)).replace(b"(4, 6)", b"(4,-6)"),
        _header((4, 6)).replace(b"(4, 6)", b"[[[[[["),
        _header((4, 6)).replace(b"'|u1'", b"'|O' "),
        b"\x93NUMPY\x02\0\xff\xff\xff\xff" + b"{" * 100,
        b"\x93NUMPY\x09\0\x10\0" + b" " * 16,
    ],
)
def test_a_header_that_promises_what_is_not_there_costs_one_row(content, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    (place,) = arrays.places(str(path), 10**9)
    assert place == Place()
    with pytest.raises(ValueError, match="."):
        arrays.read(str(path), place, 10**9)


def _zip(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_a_bomb_is_read_to_what_its_header_promises(tmp_path):
    """64 MiB of zeros behind a header of 600 pixels."""
    path = tmp_path / "x.npz"
    path.write_bytes(_zip(bomb=_npy(IDS) + bytes(1 << 26), good=_npy(IDS)))
    assert path.stat().st_size < 1 << 20
    assert [p.suffix for p in arrays.places(str(path), MOST)] == ["#bomb", "#good"]
    with pytest.raises(ValueError, match="bytes follow the array"):
        arrays.read(str(path), Place("bomb"), MOST)
    np.testing.assert_array_equal(arrays.read(str(path), Place("good"), MOST), IDS)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_member_that_cannot_be_read_costs_itself(method, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(_zip(good=_npy(IDS)))
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr("bad.npy", _npy(IDS))
    with pytest.raises(ValueError, match="'bad' in the .npz file is compressed by"):
        arrays.read(str(path), Place("bad"), MOST)
    np.testing.assert_array_equal(arrays.read(str(path), Place("good"), MOST), IDS)


def _row(path, place):
    entry = Entry("label", "train", str(path), place)
    return read.read_row(Row("k", 0, entry, None), "train", MOST)


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_flipped_byte_gives_a_row_or_a_rejection(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    content = bytearray(_zip(a=_npy(IDS), b=_npy(STACK)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    for place in (Place("a"), Place("b", 2)):
        found = _row(path, place)
        assert isinstance(found, (RawRow, Rejection))
    try:
        places = list(arrays.places(str(path), MOST))
    except ValueError:
        return
    assert len(places) <= 8


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    ),
    st.sampled_from("CF"),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_map_is_numpys(tmp_path_factory, array, order):
    path = tmp_path_factory.getbasetemp() / "any.npy"
    np.save(path, np.asarray(array, order=order))
    (place,) = arrays.places(str(path), MOST)
    np.testing.assert_array_equal(arrays.read(str(path), place, MOST), np.load(path))


def test_an_archive_is_opened_once_for_many_maps(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    path.write_bytes(_zip(**{f"m{n:03}": _npy(IDS) for n in range(200)}))
    opened = []
    original = zipfile.ZipFile

    def counted(*arguments):
        opened.append(1)
        return original(*arguments)

    monkeypatch.setattr(zipfile, "ZipFile", counted)
    rows = [
        Row(p.suffix, n, Entry("label", "train", str(path), p), None)
        for n, p in enumerate(arrays.places(str(path), MOST))
    ]
    found = list(read.read_rows(rows[::-1], "train", MOST))
    assert [row.key for row in found] == [row.key for row in rows[::-1]]
    assert all(isinstance(row, RawRow) for row in found)
    assert len(opened) == 1
