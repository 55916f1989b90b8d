"""Files on any of Beam's filesystems."""

import dataclasses
import functools
import glob
import importlib.util
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from maskbeam.pipeline.runtime import stores

_WILDCARD = re.compile(r"[*?\[]")
_FLAT_LIST = re.compile(r"\[[^][{}\"]*\]")
_CHUNK_BYTES = 1 << 20
_NOT_TO_BE_HAD = (403, 404, 410)  # HTTP codes; other errors may pass
_DRIVERS = {"gs": ("google.cloud.storage", "gcp"), "s3": ("boto3", "aws")}


@dataclasses.dataclass(frozen=True, order=True)
class File:
    """A file that a glob matched; `size` in bytes."""

    path: str
    size: int


def match(pattern: str) -> list[File]:
    """Finds the files that a glob matches, sorted by path; raises as `matches` does."""
    return sorted(matches(pattern))


def matches(pattern: str) -> Iterator[File]:
    """Finds the files that a glob matches, one by one in any order; maybe millions.

    Python's own `glob` finds local files: Beam would leave out links that lead nowhere,
    and what is behind linked directories, without saying so.

    Raises:
        BeamIOError: the filesystem cannot list the files.
        ValueError: Beam has no filesystem of that scheme.
    """
    if is_local(pattern):
        found = (_local_file(path) for path in glob.iglob(pattern, recursive=True))
        yield from (file for file in found if file is not None)
        return
    wildcard = _WILDCARD.search(pattern)
    if has_directories(pattern) or wildcard is None:
        entries = iter(FileSystems.match([pattern])[0].metadata_list)
    else:
        filesystem = FileSystems.get_filesystem(pattern)
        listed = filesystem._list(pattern[: wildcard.start()])
        entries = filesystem.match_files(listed, pattern)
    for entry in entries:
        if not entry.path.endswith("/"):  # a directory, as consoles make it
            yield File(entry.path, entry.size_in_bytes)


def is_local(path: str) -> bool:
    """Checks whether a path is on this machine: it has no scheme."""
    return "://" not in path


def _prepare(path: str) -> None:
    """Prepares a path's filesystem, unless it is local.

    Raises:
        ValueError: its driver is missing; Beam would only notice later.
    """
    if is_local(path):
        return
    scheme = FileSystems.get_scheme(path)
    driver, extra = _DRIVERS.get(scheme, ("", ""))
    if driver and not _is_installed(driver):
        raise ValueError(f"{path} needs {driver}: pip install 'maskbeam[{extra}]'")
    stores.mend(scheme)


@functools.cache
def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is its parent
        return False


def has_directories(path: str) -> bool:
    """Checks whether a path's filesystem has directories; object stores have none.

    Raises:
        ValueError: Beam has no filesystem of that scheme.
    """
    if is_local(path):
        return True
    _prepare(path)
    has_dirs: bool = FileSystems.get_filesystem(path).has_dirs()
    return has_dirs


def _local_file(path: str) -> File | None:
    """Returns the file; None for a directory."""
    try:
        status = os.stat(path)
    except OSError:  # a link that leads nowhere: reading it will say so
        return File(path, 0)
    return None if stat.S_ISDIR(status.st_mode) else File(path, status.st_size)


def is_empty(directory: str) -> bool:
    """Checks whether an existing directory is empty."""
    if is_local(directory):
        return not os.listdir(directory)
    return next(_below(directory), None) is None


def open_raw(path: str) -> IO[bytes]:
    """Opens a file to be read as it is, compressed or not.

    Raises:
        OSError: the file is not there, or may not be read.
        BeamIOError: the same, on some of Beam's filesystems.
    """
    if is_local(path):  # Beam's own way takes three times as long
        return open(path, "rb")
    _prepare(path)
    try:
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except Exception as error:  # each object store has errors of its own
        if getattr(error, "code", None) in _NOT_TO_BE_HAD:
            raise OSError(str(error)) from error
        raise


def read(path: str) -> bytes:
    """Reads a file's bytes, as they are."""
    with open_raw(path) as file:
        return file.read()


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
    return FileSystems.join(directory, *parts)


def exists(path: str) -> bool:
    """Checks whether a file or directory is there.

    Raises:
        ValueError: Beam has no filesystem of that scheme.
    """
    directories = has_directories(path)
    return FileSystems.exists(path) or not (directories or is_empty(path))


def make_directory(path: str) -> None:
    """Makes a directory and its parents, if they are not there."""
    if has_directories(path) and not FileSystems.exists(path):
        try:
            FileSystems.mkdirs(path)
        except (BeamIOError, OSError):  # another worker was faster
            if not FileSystems.exists(path):
                raise


def remove(path: str) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    paths = [] if has_directories(path) else [e.path for e in _below(path)]
    if FileSystems.exists(path):
        paths.append(path)
    if paths:
        FileSystems.delete(paths)


def _below(directory: str) -> Iterator[FileMetadata]:
    """Lists the files in a directory that is not local; its name is no pattern."""
    if has_directories(directory):
        yield from FileSystems.match([join(directory, "**")])[0].metadata_list
    else:
        prefix = directory.rstrip("/") + "/"
        yield from FileSystems.get_filesystem(prefix)._list(prefix)


def copy_directory(source: str, target: str) -> None:
    """Copies all files in a directory, from one filesystem to another."""
    if is_local(source):
        found = glob.iglob(f"{glob.escape(source)}/**", recursive=True)
        paths = [path for path in found if os.path.isfile(path)]
    else:
        paths = [e.path for e in _below(source) if not e.path.endswith("/")]
    for path in paths:
        to = join(target, *path[len(source) :].strip("/").split("/"))
        make_directory(to.rpartition("/")[0])
        write(to, read(path))


def open_new(path: str) -> IO[bytes]:
    """Opens a file for writing, under a name that nobody reads before it is whole."""
    _prepare(path)
    return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)


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
    try:
        with open_new(temporary) as file:
            yield file
        FileSystems.rename([temporary], [path])
    except BaseException:
        remove(temporary)
        raise


def write(path: str, data: bytes) -> None:
    """Writes a file, whole or not at all."""
    with create(path) as file:
        file.write(data)


def write_json(path: str, tree: Any) -> None:
    """Writes a JSON file, whole or not at all; lists of numbers stay on one line."""
    text = json.dumps(tree, indent=1)
    text = _FLAT_LIST.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    write(path, text.encode() + b"\n")
