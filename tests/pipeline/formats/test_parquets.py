"""Parquet files as pyarrow writes them, in Hugging Face's layout and plainly."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.elements import BadRow, DamagedError, RawRow
from maskbeam.pipeline.formats import parquets
from maskbeam.pipeline.values import RecordKeys

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
KEYS = RecordKeys("label", "image", "")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("parquets") / "x.parquet"


def _write(path, columns, **options):
    arrays = {name: pa.array(values, kind) for name, (kind, values) in columns.items()}
    pq.write_table(pa.table(arrays), path, **options)


def _picture(data, name=None):
    return {"bytes": data, "path": name}


def _read(path, keys=KEYS):
    """The rows before the damage, and the damage."""
    found: list[RawRow | BadRow] = []
    try:
        found.extend(iter(parquets.rows(str(path), keys)))
    except DamagedError as error:
        return found, error
    return found, None


# ------------------------------------------------------------------------------- rows


@given(
    st.lists(st.tuples(st.text(), st.binary(), st.binary()), max_size=60),
    st.sampled_from([PICTURE, pa.binary(), pa.large_binary()]),
    st.sampled_from(["none", "snappy", "zstd"]),
    st.integers(1, 70),
)
@settings(max_examples=60, deadline=None)
def test_rows_come_back_in_order(path, written, kind, compression, group):
    def column(values):
        return kind, [_picture(v) if kind == PICTURE else v for v in values]

    _write(
        path,
        {
            "other": (pa.int64(), range(len(written))),
            "img.x": column([image for _, _, image in written]),
            "mask": column([label for _, label, _ in written]),
            "id": (pa.string(), [key for key, _, _ in written]),
        },
        compression=compression,
        row_group_size=group,
    )
    found, damage = _read(path, RecordKeys("mask", "img.x", "id"))
    assert damage is None
    assert found == [
        RawRow(key, f"{path}#{i}", f"{path}#{i}", label, image)
        for i, (key, label, image) in enumerate(written)
    ]


def test_rows_are_numbered_without_a_key(path):
    _write(path, {"label": (PICTURE, [_picture(b"a"), _picture(b"b", "b.png")])})
    found, _ = _read(path, RecordKeys("label", "", ""))
    assert [(row.key, row.label_bytes, row.image_bytes) for row in found] == [
        ("x.parquet#0", b"a", None),
        ("x.parquet#1", b"b", None),
    ]


@pytest.mark.parametrize("column", ["label", "image"])
@pytest.mark.parametrize("value", [None, _picture(None, "/home/me/1.png")])
def test_rows_without_bytes_are_left_out(path, column, value):
    columns = {
        name: (PICTURE, [_picture(b"x"), value if name == column else _picture(b"y")])
        for name in ("label", "image")
    }
    _write(path, columns)
    (good, bad), damage = _read(path)
    assert damage is None
    assert good.label_bytes == b"x"
    assert bad.number == 1
    assert f"'{column}'" in bad.reason
    assert "embed_external_files=True" in bad.reason


def test_rows_without_their_key_are_left_out(path):
    _write(path, {"label": (pa.binary(), [b"x"]), "id": (pa.string(), [None])})
    ((number, reason),), _ = _read(path, RecordKeys("label", "", "id"))
    assert number == 0
    assert "'id' for the key is null" in reason


# ----------------------------------------------------------------------------- damage


def _many(path, **options):
    values = [bytes([i]) * 300 for i in range(64)]
    _write(
        path,
        {"label": (pa.binary(), values)},
        compression="none",
        use_dictionary=False,
        row_group_size=16,
        **options,
    )
    return values, bytearray(path.read_bytes())


def test_a_damaged_page_loses_nothing_before_its_rows(path):
    values, content = _many(path, write_page_checksum=True)
    content[content.index(values[40])] ^= 1
    path.write_bytes(content)
    found, damage = _read(path, RecordKeys("label", "", ""))
    assert [row.label_bytes for row in found] == values[:32]
    assert damage.row == 32
    assert "CRC" in damage.reason


def test_any_cut_is_damage(path):
    _, content = _many(path)
    for at in range(0, len(content), 97):
        path.write_bytes(content[:at])
        found, damage = _read(path, RecordKeys("label", "", ""))
        assert found == []
        assert damage.row == 0
        with pytest.raises(ValueError, match=re.escape(f"{path} cannot be read")):
            parquets.resolve(str(path), RecordKeys())


def test_a_file_of_other_columns_is_no_rows(path):
    _write(path, {"label": (pa.binary(), [b"x"])})
    found, damage = _read(path)
    assert found == []
    assert damage.row == 0
    assert "no column 'image'" in damage.reason


def test_files_that_are_not_there(path):
    missing = str(path.parent / "nowhere.parquet")
    with pytest.raises(OSError, match="nowhere"):
        list(parquets.rows(missing, KEYS))
    with pytest.raises(ValueError, match="nowhere"):
        parquets.resolve(missing, KEYS)


# ---------------------------------------------------------------------------- columns

_TYPES = {
    "picture": PICTURE,
    "binary": pa.binary(),
    "large": pa.large_binary(),
    "number": pa.int64(),
    "text": pa.string(),
    "list": pa.list_(pa.binary()),
}


def _schema(path, columns):
    fields = [(name, _TYPES[kind]) for name, kind in columns.items()]
    pq.write_table(pa.schema(fields).empty_table(), path)


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        ({"image": "picture", "label": "picture"}, RecordKeys(), KEYS),
        (
            {"image": "picture", "label": "number", "annotation": "picture"},
            RecordKeys(),
            RecordKeys("annotation", "image", ""),
        ),
        (
            {"pixel_values": "binary", "mask": "large", "image_id": "number"},
            RecordKeys(),
            RecordKeys("mask", "pixel_values", ""),
        ),
        (
            {"mask": "picture", "filename": "text"},
            RecordKeys(),
            RecordKeys("mask", "", "filename"),
        ),
        (
            {"image": "picture", "label": "picture", "x": "binary", "key": "text"},
            RecordKeys("x", "", ""),
            RecordKeys("x", "", ""),
        ),
        (
            {"image": "picture", "label": "picture"},
            RecordKeys(label="image"),
            RecordKeys("image", "", ""),
        ),
    ],
)
def test_columns_are_found(path, columns, named, expected):
    _schema(path, columns)
    assert parquets.resolve(str(path), named) == expected


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (RecordKeys(), "--record_keys label=COLUMN"),
        (RecordKeys("label"), "no column 'label' of pictures for the label map"),
        (RecordKeys("many"), "no column 'many' of pictures for the label map"),
        (RecordKeys("photo", "x"), "no column 'x' of pictures for the image"),
        (RecordKeys("photo", "", "label"), "no column 'label' of text for the key"),
    ],
)
def test_wrong_columns_are_named(path, named, words):
    _schema(path, {"photo": "picture", "label": "number", "many": "list"})
    with pytest.raises(ValueError, match=re.escape(words)) as raised:
        parquets.resolve(str(path), named)
    assert "photo (struct<bytes: binary, path: string>), label (int64)" in str(
        raised.value
    )


# ---------------------------------------------------------------------------- hostile


def test_two_columns_of_one_name_are_told(path):
    column = pa.array([b"x"], pa.binary())
    pq.write_table(pa.table([column, column], names=["label", "label"]), path)
    with pytest.raises(ValueError, match="there are 2 columns 'label'"):
        parquets.resolve(str(path), RecordKeys())
    found, error = _read(path, RecordKeys("label", "", ""))
    assert not found
    assert error is not None
    assert (error.reason, error.lost) == ("there are 2 columns 'label'", 1)


def test_a_picture_beyond_the_most_costs_its_row(path):
    _write(path, {"label": (pa.binary(), [b"a" * 10, b"b" * 11])})
    good, bad = parquets.rows(str(path), RecordKeys("label", "", ""), most=10)
    assert isinstance(good, RawRow)
    assert isinstance(bad, BadRow)
    assert "holds 11 bytes here" in bad.reason


def test_what_is_lost_is_known_by_the_footer(path):
    values, content = _many(path, write_page_checksum=True)
    content[content.index(values[40])] ^= 1
    path.write_bytes(content)
    found, error = _read(path, RecordKeys("label", "", ""))
    assert len(found) == 32
    assert (error.lost, error.is_estimate) == (32, False)
