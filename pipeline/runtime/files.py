"""Files, on this machine or on any of Beam's filesystems.

What is local takes no Beam: so a wrong command does not wait for it to load, no local
path is taken for a glob, and files open in a third of the time. A path may lead into
a zip archive, as if that were a directory.
"""

import collections
import dataclasses
import errno
import functools
import glob
import importlib
import json
import os
import re
import shutil
import stat
import sys
import threading
import uuid
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager, suppress
from typing import IO, Any

from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.runtime import local_globs, zips
from maskbeam.pipeline.runtime.loading import loading

_FLAT_LIST = re.compile(r"\[[^][{}\"]*\]")
_CHUNK_BYTES = 1 << 20
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_MOVED_AT_ONCE = 16
_WRITTEN_BYTES = 256 << 10  # at once: many records, which are small


@dataclasses.dataclass(frozen=True, order=True)
class File:
    """A file that a glob matched; `size` in bytes."""

    path: str
    size: int


_beam_flags: Sequence[str] | None = None  # that Beam's filesystems have yet to see
_lock = threading.Lock()


def use_beam_flags(flags: Sequence[str]) -> None:
    """Says how object stores are reached, before any is.

    Args:
        flags: Beam's flags: some are the keys and endpoints of stores.
    """
    global _beam_flags
    _beam_flags = flags


def _remote() -> Any:
    """Loads Beam's filesystems; returns `remote_files`."""
    global _beam_flags
    name = "maskbeam.pipeline.runtime.remote_files"
    with _lock:
        if name not in sys.modules:
            with loading():
                importlib.import_module(name)
        remote = sys.modules[name]
        if _beam_flags is not None:
            remote.use_flags(_beam_flags)
            _beam_flags = None
    return remote


def is_local(path: str) -> bool:
    """Checks whether a path is on this machine: it has no scheme."""
    return "://" not in path


def match(pattern: str) -> list[File]:
    """Finds the files that a glob matches, sorted by path; raises as `matches` does."""
    return sorted(matches(pattern))


def match_in(directory: str, pattern: str) -> list[File]:
    """Finds files in a directory, whose own name is no pattern; sorted by path."""
    return match(join(glob.escape(directory), pattern))


def matches(pattern: str) -> Iterator[File]:
    """Finds the files that a glob matches, one by one in any order; maybe millions.

    Local files are found without Beam, which would leave out links that lead nowhere,
    and what is behind linked directories, without saying so.

    Raises:
        OSError: the filesystem cannot list the files, or a directory of them.
        ValueError: Beam has no filesystem of that scheme.
    """
    if inside := inside_archive(pattern):
        for archive in matches(inside.archive):
            for info in _archives().matches(archive.path, inside.member):
                yield File(f"{archive.path}/{info.filename}", info.file_size)
        return
    if is_local(pattern):
        found = map(_local_file, local_globs.matches(pattern))
        yield from (file for file in found if file is not None)
        return
    for entry in _remote().matches(pattern):
        yield File(entry.path, entry.size_in_bytes)


def inside_archive(path: str) -> zips.Inside | None:
    """What of a path is in a zip archive; a directory may have such a name too."""
    found = zips.split(path)
    if found and is_local(path) and os.path.isdir(found.archive):
        return None
    return found


@functools.cache
def _archives() -> zips.Archives:
    return zips.Archives(open_raw, stamp)


def _local_file(path: str) -> File | None:
    """Returns the file; None for a directory."""
    try:
        status = os.stat(path)
    except OSError:  # a link that leads nowhere: reading it will say so
        return File(path, 0)
    return None if stat.S_ISDIR(status.st_mode) else File(path, status.st_size)


def exists(path: str) -> bool:
    """Checks whether a file or directory is there.

    Raises:
        ValueError: Beam has no filesystem of that scheme.
    """
    if inside := inside_archive(path):
        return exists(inside.archive) and _archives().has(*inside)
    return os.path.exists(path) if is_local(path) else _remote().exists(path)


def is_link(path: str) -> bool:
    """Checks whether a path is a link to another place; stores have none."""
    return is_local(path) and os.path.islink(path)


def is_empty(directory: str) -> bool:
    """Checks whether an existing directory is empty."""
    if is_local(directory):
        return not os.listdir(directory)
    empty: bool = _remote().is_empty(directory)
    return empty


def open_raw(path: str) -> IO[bytes]:
    """Opens a file to be read as it is, compressed or not.

    Raises:
        OSError: the file is not there, may not be read, or is no regular file.
        StoreError: the store does not answer, or this machine has no room for one more.
    """
    if inside := inside_archive(path):
        return _archives().open(*inside)
    if not is_local(path):
        return _remote().open_raw(path)
    try:
        return open(path, "rb", opener=_regular)
    except OSError as error:
        if error.errno in _NO_ROOM:  # which says nothing of the file
            raise StoreError(str(error)) from error
        raise


def _regular(path: str, flags: int) -> int:
    """Opens what is a regular file: a pipe may never end, and a device never does."""
    # To open a pipe, without this, waits for whoever writes to it.
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return number


def size_of(path: str) -> int:
    """Returns a file's size, in bytes.

    Raises:
        OSError: the file is not there, or the store does not say.
    """
    if inside := inside_archive(path):
        return _archives().info(*inside).file_size
    if is_local(path):
        return os.stat(path).st_size
    size: int = _remote().size_of(path)
    return size


def stamp(path: str) -> Hashable:
    """What changes when a file does; None where a store cannot say.

    Raises:
        OSError: the file is not there.
    """
    if inside := inside_archive(path):
        return stamp(inside.archive), inside.member
    if not is_local(path):
        return _remote().stamp(path)
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read(path: str) -> bytes:
    """Reads a file's bytes, as they are."""
    with open_raw(path) as file:
        return file.read()


def read_some(path: str, most: int) -> bytes:
    """Reads a file's bytes, up to a number of them.

    To ask Python for many bytes allocates them, whatever the file has.
    """
    with open_raw(path) as file:
        if is_local(path) and not inside_archive(path):
            return file.read(min(most, os.fstat(file.fileno()).st_size))
        parts = []
        while part := file.read(min(most, _CHUNK_BYTES)):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)


def read_within(path: str, most: int) -> bytes:
    """Reads a file's bytes, of which there may be so many.

    Raises:
        ValueError: it has more.
        OSError: it cannot be read.
    """
    data = read_some(path, most + 1)
    if len(data) > most:
        raise ValueError(f"{path} has more than {most} bytes")
    return data


def read_part(path: str, offset: int, length: int) -> bytes:
    """Reads some of a file's bytes."""
    with open_raw(path) as file:
        file.seek(offset)
        return file.read(length)


def read_json(path: str) -> Any:
    """Reads a JSON file's content."""
    return json.loads(read(path))


def chunks(path: str) -> Iterator[bytes]:
    """Reads a file's bytes, a MiB at a time."""
    with open_raw(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def lines(path: str) -> Iterator[str]:
    """Reads a text file's lines, without their ends."""
    with open_raw(path) as file:
        for line in file:
            yield line.decode().rstrip("\n")


def join(directory: str, *parts: str) -> str:
    """Joins a path below a directory, by the filesystem's own rules."""
    if is_local(directory):
        return os.path.join(directory, *parts)
    joined: str = _remote().join(directory, *parts)
    return joined


def make_directory(path: str) -> None:
    """Makes a directory and its parents, if they are not there."""
    if is_local(path):
        os.makedirs(path or ".", exist_ok=True)
    else:
        _remote().make_directory(path)


def remove(path: str) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    if not is_local(path):
        _remote().remove(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def below(directory: str) -> list[str]:
    """Lists all files in a directory and those within it, sorted.

    Links are listed, and not followed.

    Returns:
        Their paths below the directory, with slashes.

    Raises:
        OSError: a directory cannot be listed.
    """
    if is_local(directory):
        paths = list(_walk(directory))
    else:
        entries = _remote().below(directory)
        paths = [e.path for e in entries if not e.path.endswith("/")]
    return sorted(path[len(directory) :].lstrip("/") for path in paths)


def _walk(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            else:
                yield entry.path


def move_all(source: str, target: str, names: Iterable[str]) -> None:
    """Moves files from one directory to another of the same filesystem.

    Each is on the disk before it has its new name. Those that are moved already stay as
    they are, so that a step that was cut off can be done again.

    Args:
        source: the directory where they are.
        target: the directory where they go.
        names: their paths below both, with slashes.
    """

    def move(name: str) -> str:
        parts = name.split("/")
        path, to = join(source, *parts), join(target, *parts)
        if exists(path):
            make_directory(parent(to))
            if is_local(path):
                _sync(path)
                os.replace(path, to)
            else:  # whatever is in a store is safe once it is closed
                _remote().rename(path, to)
        return parent(to)

    if is_local(source):
        for place in set(map(move, names)):
            with suppress(OSError):  # some filesystems sync no directory
                _sync(place)
        return
    # A store copies what it renames, one object after the other.
    with futures.ThreadPoolExecutor(_MOVED_AT_ONCE) as pool:
        collections.deque(pool.map(move, names), maxlen=0)


def _sync(path: str) -> None:
    """Waits until a file, or the names in a directory, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def parent(path: str) -> str:
    """Returns the directory that a path is in."""
    return os.path.dirname(path) if is_local(path) else path.rpartition("/")[0]


def write_all(directory: str, contents: Mapping[str, bytes]) -> None:
    """Writes files, by path below a directory, with slashes, and makes the folders."""
    for name, content in contents.items():
        path = join(directory, *name.split("/"))
        make_directory(parent(path))
        write(path, content)


@contextmanager
def open_new(path: str) -> Iterator[IO[bytes]]:
    """Opens a file for writing, under a name that nobody reads before it is whole.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    try:
        with _opened(path) as file:
            yield file
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # Python does not say which file could not be written.
        raise OSError(error.errno, error.strerror, path) from error


def _opened(path: str) -> IO[bytes]:
    if not is_local(path):
        file: IO[bytes] = _remote().open_new(path)
        return file
    make_directory(os.path.dirname(path))
    return open(path, "wb", buffering=_WRITTEN_BYTES)


@contextmanager
def create(path: str) -> Iterator[IO[bytes]]:
    """Opens a file for writing that appears under its name whole, or not at all.

    It is written under another name in the same directory, and renamed when the block
    ends well. So readers never see a part of it, and of two writers the later wins.
    Object stores rename by copying: a reader there may see the older file meanwhile.

    Args:
        path: the final name.
    """
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    rename = os.replace if is_local(path) else _remote().rename
    try:
        with open_new(temporary) as file:
            yield file
        rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def write(path: str, data: bytes) -> None:
    """Writes a file, whole or not at all."""
    with create(path) as file:
        file.write(data)


def json_bytes(tree: Any) -> bytes:
    """Returns the content of a JSON file; lists of numbers stay on one line."""
    text = json.dumps(tree, indent=1)
    text = _FLAT_LIST.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    return text.encode() + b"\n"


def write_json(path: str, tree: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write(path, json_bytes(tree))
