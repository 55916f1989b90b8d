"""`.npz` archives: zip files of arrays, each found by name and read at any place.

The directory of an archive is read once, not for each of its arrays: open archives wait
to be used again, by one thread at a time. An array is inflated from its beginning, so
those who read forward pay for it once. All of an array is checked against its checksum
before a part of it is used.

Source: PKWARE's APPNOTE.TXT, 4.3.7 (local headers).
"""

import atexit
import contextlib
import functools
import struct
import threading
import zipfile
import zlib
from collections.abc import Hashable, Iterator
from typing import IO

from maskbeam.pipeline.formats.npy import Header, read_header
from maskbeam.pipeline.runtime import files

_ENDING = ".npy"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_CHUNK_BYTES = 1 << 20
_LOCAL_HEADER = struct.Struct("<26xHH")  # the lengths of a name and of what is extra
_DAMAGES = (  # RuntimeError: encryption, or what zipfile does not implement
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError),
    *(struct.error, UnicodeDecodeError, OverflowError),
)
_SHOWN = 100  # characters of a name, and of what zipfile says
_IDLE_FILES = 128
_IDLE_MEMBERS = 1 << 17  # in all of them; each takes some 600 bytes


class Part:
    """An array, header and data, within an open file.

    Attributes:
        size: in bytes, of both.
    """

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size

    @functools.cached_property
    def header(self) -> Header:
        """The array's header.

        Raises:
            ValueError: it is damaged.
        """
        self._file.seek(self._start)
        return read_header(self._file)

    def read(self, offset: int, length: int) -> bytes:
        """Reads some of the data.

        Args:
            offset: from the beginning of the data, in bytes.
            length: in bytes.

        Raises:
            ValueError: the array ends before.
        """
        offset += self.header.size
        self._file.seek(self._start + offset)
        data = self._file.read(length)
        if len(data) < length:
            raise ValueError(
                f"the array ends early, at {offset + len(data)} of {self.size} bytes"
            )
        return data


class Archive:
    """An open archive, for one thread at a time.

    Args:
        path: of the file.

    Attributes:
        names: of the arrays, sorted.

    Raises:
        ValueError: it is no zip file.
        OSError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._file = files.open_raw(path)
        try:
            with _damage("the .npz file"):
                self._zip = zipfile.ZipFile(self._file)
        except BaseException:
            self._file.close()
            raise
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._zip.infolist():
            if not info.is_dir():
                name = info.filename.removesuffix(_ENDING)
                self._members.setdefault(name, []).append(info)
        self.names = sorted(self._members)
        self._sound: set[str] = set()
        self._last: tuple[str, IO[bytes], Part] | None = None

    def close(self) -> None:
        """Closes the file."""
        self.leave()
        self._zip.close()
        self._file.close()

    def leave(self) -> None:
        """Forgets where it was read last."""
        if self._last is not None:
            self._last[1].close()
            self._last = None

    @contextlib.contextmanager
    def array(self, name: str) -> Iterator[Part]:
        """An array, to be read forward, once; at its end its checksum is compared.

        Raises:
            ValueError: there is no such array, or it is damaged or encrypted; also
                where that shows only as it is read.
        """
        info = self._info(name)
        what = f"{name[:_SHOWN]!r} in the .npz file"
        with _damage(what), self._zip.open(info) as stream:
            yield Part(stream, 0, info.file_size)

    @contextlib.contextmanager
    def sound_array(self, name: str) -> Iterator[Part]:
        """An array whose checksum was compared, to be read at any place.

        Raises:
            ValueError: as `array`.
        """
        info = self._info(name)
        with _damage(f"{name[:_SHOWN]!r} in the .npz file"):
            if name not in self._sound:
                self._compare(info)
                self._sound.add(name)
            if info.compress_type == zipfile.ZIP_STORED:
                yield Part(self._file, self._data_start(info), info.file_size)
            else:
                yield self._inflated(name, info)

    def _info(self, name: str) -> zipfile.ZipInfo:
        found = self._members.get(name, [])
        if not found:
            raise ValueError(f"the file has no array {name[:_SHOWN]!r}")
        if len(found) > 1:
            raise ValueError(
                f"the file has {len(found)} arrays named {name[:_SHOWN]!r}"
            )
        info = found[0]
        if info.header_offset < 0:
            raise ValueError(
                f"{name[:_SHOWN]!r} in the .npz file is damaged: it begins before the "
                "file does"
            )
        if info.compress_type not in _METHODS:
            raise ValueError(
                f"{name[:_SHOWN]!r} in the .npz file is compressed by method "
                f"{info.compress_type}; those that NumPy writes are read: save it by "
                "numpy.savez or numpy.savez_compressed"
            )
        return info

    def _inflated(self, name: str, info: zipfile.ZipInfo) -> Part:
        """An array's bytes, where they were left if they were read last."""
        if self._last is None or self._last[0] != name:
            self.leave()
            stream = self._zip.open(info)
            self._last = name, stream, Part(stream, 0, info.file_size)
        return self._last[2]

    def _compare(self, info: zipfile.ZipInfo) -> None:
        """Reads all of an array: zipfile compares the checksum at the end."""
        with self._zip.open(info) as stream:
            while stream.read(_CHUNK_BYTES):
                pass

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(info.header_offset)
        lengths = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + sum(lengths)


@contextlib.contextmanager
def _damage(what: str) -> Iterator[None]:
    """Turns what a damaged archive makes Python's zipfile raise into a ValueError."""
    try:
        yield
    except _DAMAGES as error:
        words = " ".join(str(error).split())[:_SHOWN]
        raise ValueError(f"{what} cannot be read: {words}") from error


_Key = tuple[str, Hashable]
_idle: list[tuple[_Key, Archive]] = []  # those that were used last stand last
_lock = threading.Lock()


@contextlib.contextmanager
def opened(path: str) -> Iterator[Archive]:
    """Opens an archive, or takes one that is open.

    Args:
        path: of the file.

    Raises:
        ValueError: it is no zip file.
        OSError: it cannot be read.
    """
    stamp = files.stamp(path)
    archive = _take((path, stamp)) or Archive(path)
    try:
        yield archive
    except ValueError:  # one array is damaged: the others may be sound
        archive.leave()
        _give_back((path, stamp), archive)
        raise
    except BaseException:
        archive.close()
        raise
    _give_back((path, stamp), archive)


def _take(key: _Key) -> Archive | None:
    """Takes an open archive; those of the same file before it changed are closed."""
    with _lock:
        old = [one for one in _idle if one[0][0] == key[0] and one[0] != key]
        for one in old:
            _idle.remove(one)
        same = [one for one in _idle if one[0] == key]
        if same:
            _idle.remove(same[-1])
    _close(old)
    return same[-1][1] if same else None


def _give_back(key: _Key, archive: Archive) -> None:
    """Keeps an archive open, and closes others that are too many."""
    if key[1] is None:  # nobody would know whether the file is still the same
        archive.close()
        return
    surplus = []
    with _lock:
        _idle.append((key, archive))
        members = sum(len(idle.names) for _, idle in _idle)
        while len(_idle) > _IDLE_FILES or members > _IDLE_MEMBERS:
            surplus.append(_idle.pop(0))
            members -= len(surplus[-1][1].names)
    _close(surplus)


def _close(archives: list[tuple[_Key, Archive]]) -> None:
    for _, archive in archives:
        archive.close()


atexit.register(_close, _idle)
