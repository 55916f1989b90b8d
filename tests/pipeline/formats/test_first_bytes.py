"""What a file is, by its first bytes: those that Pillow, NumPy and Python write."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from maskbeam.pipeline.formats import first_bytes, picture_header


def _picture(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def _npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


def _tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


FILES = {
    "PNG": lambda: _picture("PNG"),
    "JPEG": lambda: _picture("JPEG"),
    "BMP": lambda: _picture("BMP"),
    "TIFF": lambda: _picture("TIFF"),
    "GIF": lambda: _picture("GIF"),
    "WebP": lambda: _picture("WEBP"),
    "JPEG 2000": lambda: _picture("JPEG2000"),
    "NumPy": _npy,
    "zip": _zip,
    "tar": _tar,
    "LFS": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "HTML": lambda: b"\n<!DOCTYPE html><title>404</title>",
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_known_by_their_first_bytes(name):
    content = FILES[name]()
    assert name in first_bytes.what_it_is(content[: first_bytes.ENOUGH_BYTES])
    if name not in ("PNG", "JPEG"):
        with pytest.raises(ValueError, match=f"neither PNG nor JPEG: it is .*{name}"):
            picture_header.read_header(content)


def test_what_is_not_known_is_shown():
    assert not first_bytes.what_it_is(b"anything")
    assert first_bytes.beginning(b"anything") == "it begins with b'anything'"
    assert first_bytes.beginning(b"") == "it is empty (0 bytes)"
