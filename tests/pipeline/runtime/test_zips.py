"""Files in zip archives: what lies in a directory, by the same globs."""

import contextlib
import io
import os
import pathlib
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskbeam.pipeline.runtime import files, local_globs
from maskbeam.pipeline.values import SOURCES
from tests.pipeline.runtime import test_local_globs
from tests.pipeline.runtime.test_local_globs import FILES

PARTS = [part for part in test_local_globs.PARTS if part]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same files in a directory and in an archive."""
    root = tmp_path_factory.mktemp("both")
    with zipfile.ZipFile(root / "tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/", b"")
        archive.writestr("__MACOSX/x/._a.png", b"of macOS")
        for number, name in enumerate(FILES):
            path = root / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % number * 1000)
            archive.write(path, name)
    return root


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
@example(["**"])
@example(["**", "*.png"])
@settings(max_examples=200, deadline=None, derandomize=True)
def test_globs_find_what_they_find_in_a_directory(both, parts):
    pattern = "/".join(parts)
    found = {
        file.path.removeprefix(f"{both}/tree.zip/"): file.size
        for file in files.matches(f"{both}/tree.zip/{pattern}")
    }
    paths = [*local_globs.matches(f"{both}/tree/{pattern}")]
    expected = {
        os.path.relpath(path, both / "tree"): os.stat(path).st_size
        for path in paths
        if not os.path.isdir(path)
    }
    assert found == expected


def test_a_member_is_read_as_a_file(both):
    for name in FILES:
        inside, plain = f"{both}/tree.zip/{name}", (both / "tree" / name).read_bytes()
        assert files.read(inside) == plain
        assert files.read_some(inside, 7) == plain[:7]
        assert files.read_part(inside, 990, 5) == plain[990:995]
        assert files.size_of(inside) == len(plain)
        assert files.exists(inside)
        with files.open_raw(inside) as file:
            assert file.seek(0, io.SEEK_END) == len(plain)
            file.seek(1)
            assert file.read() == plain[1:]


def test_what_is_not_there(both):
    assert not files.exists(f"{both}/tree.zip/none.png")
    assert not files.exists(f"{both}/none.zip/a.png")
    assert files.exists(f"{both}/tree.zip/x")
    for path in (f"{both}/tree.zip/none.png", f"{both}/none.zip/a.png"):
        with pytest.raises(OSError, match="none"):
            files.open_raw(path)


def test_a_directory_may_be_called_so(tmp_path):
    (tmp_path / "d.zip").mkdir()
    (tmp_path / "d.zip/a.png").write_bytes(b"plain")
    assert files.read(f"{tmp_path}/d.zip/a.png") == b"plain"
    assert [file.size for file in files.matches(f"{tmp_path}/d.zip/*")] == [5]


def test_an_archive_alone_is_all_that_is_in_it(both):
    (source,) = SOURCES.read(f"val={both}/tree.zip")
    assert (source.split, source.pattern) == ("val", f"{both}/tree.zip/**")


def test_an_archive_that_changes_is_opened_anew(tmp_path):
    for content in (b"one", b"other"):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("a", content)
        assert files.read(f"{tmp_path}/x.zip/a") == content


def _flipped(path: pathlib.Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_damage_is_an_os_error(tmp_path):
    path = tmp_path / "x.zip"
    content = os.urandom(1000)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a", content)
        whole = path.read_bytes()
        for at in range(0, len(whole), 23):
            path.write_bytes(whole)
            _flipped(path, at)
            with contextlib.suppress(OSError):
                # Some bytes say nothing.
                assert files.read(f"{path}/a") == content
    path.write_bytes(b"no archive")
    with pytest.raises(OSError, match=r"x\.zip is no zip archive"):
        list(files.matches(f"{path}/*"))
