"""Files that are not on this machine's disk: Beam's filesystems; `files` loads this.

Beam's `match` takes patterns, and so does `delete` of some filesystems: no path of ours
may be taken for one.
"""

import contextlib
import functools
import glob
import importlib.util
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from maskbeam.pipeline.errors import StoreError, in_words
from maskbeam.pipeline.runtime import stores

_WILDCARD = re.compile(r"[*?\[]")
_NOT_TO_BE_HAD = (403, 404, 410)  # HTTP codes; other errors may pass
_DELETE_PATTERNS = ("gs",)  # the others delete what is called so
_DRIVERS = {"gs": ("google.cloud.storage", "gcp"), "s3": ("boto3", "aws")}


def use_flags(flags: Sequence[str]) -> None:
    """Tells Beam's filesystems of Beam's flags: keys and endpoints of stores."""
    FileSystems.set_options(PipelineOptions(flags))


def matches(pattern: str) -> Iterator[FileMetadata]:
    """Finds the files that a glob matches, one by one in any order.

    Raises:
        OSError: the filesystem cannot list the files.
        ValueError: Beam has no filesystem of that scheme.
    """
    wildcard = _WILDCARD.search(pattern)
    if has_directories(pattern) or wildcard is None:
        entries = iter(FileSystems.match([pattern])[0].metadata_list)
    else:
        filesystem = FileSystems.get_filesystem(pattern)
        listed = filesystem._list(pattern[: wildcard.start()])
        entries = filesystem.match_files(listed, pattern)
    for entry in entries:
        if not entry.path.endswith("/"):  # a directory, as consoles make it
            yield entry


def has_directories(path: str) -> bool:
    """Checks whether a path's filesystem has directories; object stores have none.

    Raises:
        ValueError: Beam has no filesystem of that scheme.
    """
    _prepare(path)
    has_dirs: bool = FileSystems.get_filesystem(path).has_dirs()
    return has_dirs


def _prepare(path: str) -> None:
    """Prepares a path's filesystem.

    Raises:
        ValueError: its driver is missing; Beam would only notice later.
    """
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


def exists(path: str) -> bool:
    """Checks whether a file or directory is there.

    Raises:
        ValueError: Beam has no filesystem of that scheme.
    """
    directories = has_directories(path)
    return FileSystems.exists(path) or not (directories or is_empty(path))


def is_empty(directory: str) -> bool:
    """Checks whether nothing is in a directory."""
    return next(below(directory), None) is None


def below(directory: str) -> Iterator[FileMetadata]:
    """Lists the files in a directory and those within it; its name is no pattern."""
    if has_directories(directory):
        pattern = FileSystems.join(glob.escape(directory), "**")
        yield from FileSystems.match([pattern])[0].metadata_list
    else:
        prefix = directory.rstrip("/") + "/"
        yield from FileSystems.get_filesystem(prefix)._list(prefix)


def open_raw(path: str) -> IO[bytes]:
    """Opens a file to be read as it is, compressed or not.

    Raises:
        OSError: the file is not there, or may not be read.
        StoreError: the store does not answer.
    """
    _prepare(path)
    with _errors_of_store(path):
        file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast(IO[bytes], _Opened(file, path))


def size_of(path: str) -> int:
    """Returns a file's size, in bytes; raises as `open_raw` does."""
    _prepare(path)
    with _errors_of_store(path):
        size: int = FileSystems.get_filesystem(path).size(path)
    return size


@contextlib.contextmanager
def _errors_of_store(path: str) -> Iterator[None]:
    """Makes a store's errors one of two: what cannot be had, and what may pass."""
    try:
        yield
    except (OSError, EOFError):
        raise
    except Exception as error:  # each object store has errors of its own
        if getattr(error, "code", None) in _NOT_TO_BE_HAD:
            raise OSError(str(error)) from error
        raise StoreError(f"{path}: {in_words(error)}") from error


class _Opened:
    """A store's file, whose errors are told from those of its readers."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        with _errors_of_store(self._path):
            return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        with _errors_of_store(self._path):
            count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
        return count

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_store(self._path):
            yield from self._file

    def __enter__(self) -> "_Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def stamp(path: str) -> str | None:
    """What changes when a file does; None where its store cannot say."""
    _prepare(path)
    try:
        return FileSystems.checksum(path) or None
    except Exception:  # each object store has errors of its own; to open it will say
        return None


def open_new(path: str) -> IO[bytes]:
    """Opens a file for writing."""
    _prepare(path)
    return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)


def make_directory(path: str) -> None:
    """Makes a directory and its parents, if there are directories."""
    if has_directories(path) and not FileSystems.exists(path):
        try:
            FileSystems.mkdirs(path)
        except OSError:  # another worker was faster
            if not FileSystems.exists(path):
                raise


def remove(path: str) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    paths = [] if has_directories(path) else [entry.path for entry in below(path)]
    if FileSystems.exists(path):
        paths.append(path)
    if FileSystems.get_scheme(path) in _DELETE_PATTERNS:
        paths = list(map(glob.escape, paths))
    if paths:
        FileSystems.delete(paths)


def rename(source: str, target: str) -> None:
    """Renames a file."""
    FileSystems.rename([source], [target])


def join(directory: str, *parts: str) -> str:
    """Joins a path below a directory."""
    return FileSystems.join(directory, *parts)
