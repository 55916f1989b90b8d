"""Finds local files by a glob, as Python's `glob` does, but says what it cannot list.

`glob` passes over directories that may not be read, so their files would be missing
without a word; and it follows a link to a directory's own ancestor some forty times.

    *, ?, [...]   within a name; a leading dot must be written
    **            any number of directories, hidden ones left out
"""

import fnmatch
import os
import re
from collections.abc import Iterator

_MAGIC = re.compile(r"[*?\[]")
_ANY_DIRECTORIES = "**"

_Identity = tuple[int, int]


def matches(pattern: str) -> Iterator[str]:
    """Finds paths, one by one in any order; directories may be among them.

    Raises:
        OSError: a directory may not be listed.
    """
    *directories, name = pattern.split("/")
    segments = [part for part in directories[1:] if part]
    first = directories[0] + "/" if directories else ""
    if directories and _MAGIC.search(directories[0]):  # relative, and no fixed part
        first, segments = "", [directories[0], *segments]
    yield from _walk(first, [*segments, name], frozenset())


def _walk(
    directory: str, segments: list[str], ancestors: frozenset[_Identity]
) -> Iterator[str]:
    """Finds what is below a directory, which is empty or ends with a slash."""
    head, *rest = segments
    if not _MAGIC.search(head):
        path = directory + head
        if rest:
            yield from _walk(f"{path}/", rest, ancestors)
        elif os.path.lexists(path):
            yield path
        return
    is_deep = head == _ANY_DIRECTORIES
    if is_deep and rest:  # which may be no directories
        yield from _walk(directory, rest, ancestors)
    is_named = re.compile(fnmatch.translate(head)).match
    hidden = head.startswith(".")
    for entry in _listed(directory):
        if entry.name.startswith(".") and not hidden or not is_named(entry.name):
            continue
        path = directory + entry.name
        if not rest:
            yield path
        if not (rest or is_deep) or not entry.is_dir():
            continue
        if not is_deep:
            yield from _walk(f"{path}/", rest, ancestors)
        elif (identity := _identity(path)) not in ancestors:
            yield from _walk(f"{path}/", segments, ancestors | {identity})


def _listed(directory: str) -> Iterator[os.DirEntry[str]]:
    """Lists a directory; one that is not there, or no directory, has nothing."""
    try:
        entries = os.scandir(directory or ".")
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        yield from entries


def _identity(path: str) -> _Identity:
    """What a directory is, by whatever name."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
