import codecs
import os

import pytest

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import texts

TEXT = "_background_\r\nTür\n道路 🚗\n"
MARKED = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


@pytest.mark.parametrize("encoding", MARKED)
def test_a_text_is_read_by_its_mark(encoding, tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(MARKED[encoding] + TEXT.encode(encoding))
    assert texts.read(str(path)) == TEXT


BROKEN = {
    "latin_1": ("a\nTür".encode("latin-1"), "is not UTF-8 in line 2: "),
    "gbk": ("a\nb\n汽车".encode("gbk"), "is not UTF-8 in line 3: "),
    "utf_16_without_mark": ("ab".encode("utf-16-le"), "NUL character in line 1: "),
    "utf_16_cut": (codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le")[:-1], "line 2: "),
    "utf_16_surrogate": (b"\xff\xfea\0\n\0\x00\xd8b\0", "not UTF-16 in line 2: "),
    "utf_32": ("a".encode("utf-32"), "NUL character in line 1: "),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not UTF-8 in line 1: "),
    "zip": (b"PK\x03\x04\n\0\0\0", "NUL character in line 2: "),
    "large": (b"a" * 1025, "larger than"),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_text_is_told_with_its_line(content, words, tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        texts.read(str(path), max_bytes=1024)
    message = str(raised.value)
    assert message.startswith(f"{path} ")
    assert words in message
    assert "large" in words or "save it as UTF-8" in message
    assert "\n" not in message


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, words in {
        tmp_path: "is a directory",
        tmp_path / "fifo": "is a pipe",
        "/dev/zero": "a device",
        tmp_path / "none": "cannot be read: No such file",
    }.items():
        with pytest.raises(UsageError, match=words):
            texts.read(str(path))


def test_a_filesystem_that_beam_lacks_is_told():
    with pytest.raises(UsageError, match="^nosuch://x/names.txt: Unable to get"):
        texts.read("nosuch://x/names.txt")
