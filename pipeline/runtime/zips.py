"""Files in zip archives, by a path through the archive: `/d/data.zip/masks/a.png`.

They are read in place, as if the archive were a directory. Source of the format:
PKWARE, APPNOTE.TXT, as Python's `zipfile` has it.
"""

import collections
import fnmatch
import functools
import io
import re
import threading
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterator
from typing import IO, Any, NamedTuple

_ARCHIVE = re.compile(r"(.*?\.zip)/(.+)", re.IGNORECASE | re.DOTALL)
_OPEN_AT_ONCE = 8
_OF_MACOS = "__MACOSX/"  # beside each file another one, of what no other system has
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError),
    *(NotImplementedError, RuntimeError),  # other compressions; passwords
)


class Inside(NamedTuple):
    """A path, or a glob, in two parts."""

    archive: str
    member: str


def split(path: str) -> Inside | None:
    """Cuts a path, or a glob, behind its first archive; None if it names none."""
    if ".zip/" not in path.lower():  # nearly all
        return None
    found = _ARCHIVE.fullmatch(path)
    return Inside(found[1], found[2]) if found else None


class Archives:
    """Archives that are open: to open one is to read all of its names.

    Args:
        open_raw: opens a file.
        stamp: what changes when a file does.
    """

    def __init__(
        self, open_raw: Callable[[str], IO[bytes]], stamp: Callable[[str], Hashable]
    ) -> None:
        self._open_raw = open_raw
        self._stamp = stamp
        self._lock = threading.Lock()
        self._open: collections.OrderedDict[Hashable, zipfile.ZipFile] = (
            collections.OrderedDict()
        )

    def _archive(self, path: str) -> zipfile.ZipFile:
        """Opens an archive, or takes the one that is.

        Raises:
            OSError: it cannot be read, or is none.
        """
        key = path, self._stamp(path)
        with self._lock:
            if key not in self._open:
                try:
                    self._open[key] = zipfile.ZipFile(self._open_raw(path))
                except _DAMAGE as error:
                    raise OSError(
                        f"{path} is no zip archive that can be read: {error}"
                    ) from error
                if len(self._open) > _OPEN_AT_ONCE:
                    self._open.popitem(last=False)  # others may be reading from it
            self._open.move_to_end(key)
            return self._open[key]

    def matches(self, path: str, pattern: str) -> Iterator[zipfile.ZipInfo]:
        """Finds the members of an archive that a glob matches, as of a directory.

        Raises:
            OSError: the archive cannot be read.
        """
        parts = pattern.split("/")
        for info in self._archive(path).infolist():
            name = info.filename
            if info.is_dir() or name.startswith(_OF_MACOS):
                continue
            if _matches(name.split("/"), parts):
                yield info

    def has(self, path: str, member: str) -> bool:
        """Checks for a file or a directory in an archive."""
        names = self._archive(path).NameToInfo
        directory = f"{member.rstrip('/')}/"
        return member in names or any(name.startswith(directory) for name in names)

    def info(self, path: str, member: str) -> zipfile.ZipInfo:
        """Returns what is known of a member.

        Raises:
            OSError: the archive cannot be read, or has no such member.
        """
        try:
            return self._archive(path).getinfo(member)
        except KeyError:
            raise FileNotFoundError(f"{path} has no member {member!r}") from None

    def open(self, path: str, member: str) -> IO[bytes]:
        """Opens a member, to be read.

        Raises:
            OSError: it cannot be read, now or while it is.
        """
        info = self.info(path, member)
        try:
            return io.BufferedReader(_Member(self._archive(path).open(info)))
        except _DAMAGE as error:
            raise OSError(f"{path}/{member}: {error}") from error


class _Member(io.RawIOBase):
    """A member that is open; what is wrong with it is an OSError."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._of(self._file.seek, offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._of(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _of(self, step: Callable[..., Any], *given: int) -> Any:
        try:
            return step(*given)
        except _DAMAGE as error:
            raise OSError(f"damaged in its zip archive: {error}") from error


def _matches(names: list[str], parts: list[str]) -> bool:
    """Checks a path's names against a glob's, as `local_globs` has them."""
    if not parts:
        return not names
    head, *rest = parts
    if head == "**":
        shown = next((n for n, name in enumerate(names) if name[:1] == "."), len(names))
        if not rest:
            return 0 < len(names) == shown
        return any(_matches(names[at:], rest) for at in range(shown + 1))
    return bool(names) and _is_named(names[0], head) and _matches(names[1:], rest)


def _is_named(name: str, part: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return _compiled(part)(name) is not None


@functools.cache
def _compiled(part: str) -> Callable[[str], Any]:
    return re.compile(fnmatch.translate(part)).match
