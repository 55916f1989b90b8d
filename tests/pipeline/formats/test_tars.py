"""WebDataset shards as Python's tarfile writes them."""

import gzip
import io
import pathlib
import re
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.elements import BadRow, DamagedError, RawRow
from maskbeam.pipeline.formats import tars
from maskbeam.pipeline.values import RecordKeys

KEYS = RecordKeys("seg.png", "jpg", "__key__")


def _tar(members: Iterable[tuple[str, bytes]], kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _members(count: int) -> list[tuple[str, bytes]]:
    return [
        (f"{i}.{extension}", f"{extension} of {i}".encode() * 40)
        for i in range(count)
        for extension in ("jpg", "json", "seg.png")
    ]


def _read(path: pathlib.Path, keys: RecordKeys = KEYS):
    """The rows before the damage, and the damage."""
    found: list[RawRow | BadRow] = []
    try:
        found.extend(iter(tars.rows(str(path), keys)))
    except DamagedError as error:
        return found, error
    return found, None


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tars") / "x.tar"


# ------------------------------------------------------------------------------- rows

_NAMES = st.text(st.characters(exclude_characters="./\0", codec="utf-8"), min_size=1)
_SAMPLES = st.lists(
    st.tuples(
        st.one_of(_NAMES, st.tuples(_NAMES, _NAMES).map("/".join)),
        st.permutations(["jpg", "seg.png", "json", "SEG.txt"]),
        st.binary(max_size=1200),
    ),
    unique_by=lambda sample: sample[0],
    max_size=6,
)


@given(_SAMPLES, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
@example([("a" * 300, ["seg.png", "jpg"], b"")], tarfile.GNU_FORMAT)
@example([("a" * 300, ["seg.png", "jpg"], b"")], tarfile.PAX_FORMAT)
@settings(max_examples=60, deadline=None)
def test_samples_come_back_in_order(path, samples, kind):
    content = _tar(
        (
            (f"{name}.{extension}", extension.encode() + data)
            for name, extensions, data in samples
            for extension in extensions
        ),
        kind,
    )
    for written in (content, gzip.compress(content)):
        path.write_bytes(written)
        found, damage = _read(path)
        assert damage is None
        assert found == [
            RawRow(
                name,
                f"{path}#{name}",
                f"{path}#{name}",
                b"seg.png" + data,
                b"jpg" + data,
            )
            for name, _, data in samples
        ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [("__key__", "d/a"), ("", "x.tar#0"), ("txt", "Straße 1"), ("bad", r"\xff")],
)
def test_keys(path, key, expected):
    path.write_bytes(
        _tar(
            [
                ("d/a.seg.png", b"S"),
                ("d/a.txt", "Straße 1\n".encode()),
                ("d/a.bad", b"\xff"),
            ]
        )
    )
    (row,), damage = _read(path, RecordKeys("seg.png", "", key))
    assert damage is None
    assert (row.key, row.source) == (expected, f"{path}#d/a")
    assert (row.label_bytes, row.image_bytes) == (b"S", None)


def test_what_is_no_file_of_a_sample_is_passed_over(path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in {
            "d.x": tarfile.DIRTYPE,
            "d.x/0.png": tarfile.SYMTYPE,
            "d.x/1.png": tarfile.LNKTYPE,
            "d.x/README": tarfile.REGTYPE,
            "d.x/._2.png": tarfile.REGTYPE,
            "d.x/2.png": tarfile.REGTYPE,
        }.items():
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "d.x/2.png"
            archive.addfile(member)
    path.write_bytes(buffer.getvalue())
    found, damage = _read(path, RecordKeys("png", "", "__key__"))
    assert damage is None
    assert [row.key for row in found] == ["d.x/2"]


def test_names_that_are_not_utf8_become_text(path):
    content = _tar([("a?.seg.png", b"S"), ("a?.jpg", b"I")], tarfile.USTAR_FORMAT)
    blocks = [bytearray(content[at : at + 512]) for at in range(0, len(content), 512)]
    for header in (blocks[0], blocks[2]):
        header[1] = 0xFF
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(b"".join(blocks))
    (row,), _ = _read(path)
    assert row.key == r"a\xff"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.jpg", "1.json"], "has no 'seg.png'; it has jpg, json"),
        (["1.seg.png", "1.cls"], "has no 'jpg'; it has seg.png, cls"),
        (["1.jpg", "1.seg.png", "1.jpg"], "has 2 members 'jpg'"),
    ],
)
def test_samples_that_are_no_rows(path, names, words):
    members = [(name, b"x") for name in names]
    path.write_bytes(_tar([("0.jpg", b""), ("0.seg.png", b""), *members]))
    (good, bad), damage = _read(path)
    assert damage is None
    assert good.key == "0"
    assert (bad.number, words in bad.reason) == (1, True)
    assert "'1'" in bad.reason


# ----------------------------------------------------------------------------- damage


@given(at=st.integers(0, 10240))
@settings(max_examples=150, deadline=None)
def test_any_cut_loses_nothing_before_it(path, at):
    content = _tar(_members(3))
    path.write_bytes(content)
    whole, damage = _read(path)
    assert damage is None
    sample_bytes = 3 * 1024  # three members: header and content, in blocks
    at = min(at, len(content))
    path.write_bytes(content[:at])
    found, damage = _read(path)
    assert found == whole[: len(found)]
    assert len(found) >= at // sample_bytes or len(found) == 3
    if at < 3 * sample_bytes + 512:
        assert damage is not None
        assert damage.row == len(found)
    else:
        assert damage is None


def test_any_cut_of_a_gzip_is_damage(path):
    content = gzip.compress(_tar(_members(3)), mtime=0)
    path.write_bytes(content)
    whole, _ = _read(path)
    for at in range(1, len(content)):
        path.write_bytes(content[:at])
        found, damage = _read(path)
        assert found == whole[: len(found)]
        assert damage is not None
        assert damage.row == len(found)
    assert found == whole  # only the checksum's end is lost


def test_a_sample_is_a_row_once_its_parts_are_there(path):
    content = _tar([("0.seg.png", b"S"), ("0.json", b"J"), ("0.jpg", b"I")])
    path.write_bytes(content[: 2 * 1024 + 512 + 1])  # the image's only byte is there
    found, damage = _read(path)
    assert [row.image_bytes for row in found] == [b"I"]
    assert damage.row == 1
    path.write_bytes(content[: 2 * 1024 + 512])
    found, damage = _read(path)
    assert found == []
    assert damage.row == 0


@given(at=st.integers(0, 10239), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_flipped_bits_are_damage_or_content(path, at, bit):
    content = bytearray(_tar(_members(3)))
    content[at] ^= 1 << bit
    path.write_bytes(content)
    found, damage = _read(path)
    assert damage is not None or len(found) == 3
    path.write_bytes(gzip.compress(bytes(content)))
    assert len(_read(path)[0]) == len(found)


def test_damaged_headers_do_not_end_the_archive_in_silence(path):
    content = bytearray(_tar(_members(3)))
    content[3 * 1024] ^= 1
    path.write_bytes(content)
    found, damage = _read(path)
    assert [row.key for row in found] == ["0"]
    assert damage.row == 1
    assert "header" in damage.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "header"),
        (b"\x89PNG no tar" * 100, "header"),
        (b"\x1f\x8bno gzip" * 100, ""),
        (_tar(_members(1)) * 2, "joined"),
    ],
    ids=["empty", "no tar", "no gzip", "joined"],
)
def test_files_that_are_no_tar(path, content, words):
    path.write_bytes(content)
    found, damage = _read(path)
    assert damage.row == len(found)
    assert words in damage.reason


def test_files_that_are_not_there(path):
    with pytest.raises(OSError, match="nowhere"):
        list(tars.rows(str(path.parent / "nowhere.tar"), KEYS))


# -------------------------------------------------------------------------- extensions


@pytest.mark.parametrize(
    ("names", "named", "expected"),
    [
        (["jpg", "seg.png"], RecordKeys(), ("seg.png", "jpg", "__key__")),
        (["jpg", "png"], RecordKeys(), ("png", "jpg", "__key__")),
        (["png", "mask.png"], RecordKeys(), ("mask.png", "png", "__key__")),
        (["png", "json"], RecordKeys(), ("png", "", "__key__")),
        (
            ["image.png", "label.png"],
            RecordKeys(),
            ("label.png", "image.png", "__key__"),
        ),
        (["png", "gt.tif"], RecordKeys("gt.tif"), ("gt.tif", "png", "__key__")),
        (["png", "jpg"], RecordKeys(image="png"), None),
        (["jpg", "seg.png"], RecordKeys(image="", key=""), ("seg.png", "", "")),
        (["jpg", "seg.png"], RecordKeys("a", "b", "c"), ("a", "b", "c")),
    ],
)
def test_extensions_are_found(path, names, named, expected):
    path.write_bytes(_tar((f"d/0.{name}", b"") for name in names))
    if expected is None:
        with pytest.raises(ValueError, match=r"jpg, png.*--record_keys label=EXT"):
            tars.resolve(str(path), named)
        return
    label, image, key = expected
    assert tars.resolve(str(path), named) == RecordKeys(label, image, key)


@pytest.mark.parametrize("content", [b"", _tar([]), b"text" * 400])
def test_nothing_to_name_extensions_by(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path} has no sample")):
        tars.resolve(str(path), RecordKeys())
    assert tars.resolve(str(path), KEYS) == KEYS


# ---------------------------------------------------------------------------- hostile


def _promising(size: int, count: int = 3) -> bytes:
    """A sound archive, and a member whose header promises more than there is."""
    sound = _tar(_members(count)).rstrip(b"\0")
    sound += bytes(-len(sound) % 512)
    member = tarfile.TarInfo("z.jpg")
    member.size = size
    return sound + member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [10**6, 10**20])
def test_a_member_that_promises_more_than_there_is_ends_soon(path, packed, size):
    """Python's tarfile would read on at the end for as long as the size says."""
    content = _promising(size)
    path.write_bytes(gzip.compress(content) if packed else content)
    found, error = _read(path)
    assert len(found) == 3
    assert error is not None
    assert "ends within a member" in error.reason or "unexpected end" in error.reason


def test_a_name_or_header_that_is_too_long_is_damage(path):
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 10**12
    path.write_bytes(long.tobuf(tarfile.GNU_FORMAT))
    found, error = _read(path)
    assert not found
    assert error is not None
    assert "has 1000000000000 bytes" in error.reason


def test_a_member_beyond_the_most_costs_its_sample(path):
    path.write_bytes(_tar(_members(3)))
    rows = list(tars.rows(str(path), KEYS, most=600))
    assert all(isinstance(row, RawRow) for row in rows)
    path.write_bytes(_tar([*_members(1), ("9.jpg", bytes(700)), ("9.seg.png", b"")]))
    good, bad = tars.rows(str(path), KEYS, most=600)
    assert isinstance(good, RawRow)
    assert isinstance(bad, BadRow)
    assert "'9.jpg' has 700 bytes, and no picture of --max_pixels has" in bad.reason


def test_a_member_with_holes_costs_its_sample(path):
    """Its map may promise any size, and may lead a reader in circles."""
    member = tarfile.TarInfo("0.jpg")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % 10**9  # its real size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    rest = _tar([("0.seg.png", b"seg"), *_members(2)[3:]])
    path.write_bytes(bytes(header) + rest)
    bad, good = tars.rows(str(path), KEYS)
    assert isinstance(bad, BadRow)
    assert "stored with holes" in bad.reason
    assert isinstance(good, RawRow)


def test_what_is_lost_is_estimated_by_the_samples_before(path):
    content = bytearray(_tar(_members(20)))
    content[len(content) // 2 // 512 * 512 + 148] ^= 0xFF
    path.write_bytes(content)
    found, error = _read(path)
    if error is None:  # the byte was of a member's content
        assert len(found) == 20
    else:
        assert error.lost == pytest.approx(20 - len(found), abs=6)
