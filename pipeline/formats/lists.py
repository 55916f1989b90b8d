"""Text files that list rows: the keys of a split, or pairs of paths.

2007_000032                          a key a line (VOC's ImageSets/)
Abyssinian_100 1 1 1                 a key, and what else is known of it (Oxford pets)
train/01.png trainannot/01.png       an image and its label map (SegNet, DeepLab)
"""

import os
import re
from collections.abc import Iterator

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats.texts import read
from maskbeam.pipeline.keys import normal
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import texts

_PICTURES = (".png", ".jpg", ".jpeg")
_ADDRESSES = ("http://", "https://", "ftp://")
# Fewer numbers may be a part of a name, as in `frame 1`.
_WITH_NUMBERS = re.compile(r"\S+(?:\s+-?[0-9]+){3,}")


def keys(path: str, suffix: str) -> Iterator[str]:
    """The keys that a list names.

    Where all lines go on with three whole numbers or more, the first field is the key.

    Args:
        path: of the list.
        suffix: stripped off the end of the keys that end with it.
    """
    lines = [*_lines(path)]
    have_numbers = all(map(_WITH_NUMBERS.fullmatch, lines))
    for line in lines:
        name = line.split()[0] if have_numbers else line
        stem, extension = os.path.splitext(name)
        key = stem if extension.lower() in _PICTURES else name
        yield normal(key).removesuffix(normal(suffix))


def pairs(path: str) -> Iterator[tuple[str, str | None, str]]:
    """The rows that a list names.

    Lists get moved. If the first label map is not where the list says, its leading
    directories are left out, one after the other, until it is found below the list's
    own directory; the other paths then lose as many.

    Args:
        path: of the list.

    Returns:
        (key, image, label map) for each line; a line of one path has no image. The key
        is the label map's path as listed, without extension.

    Raises:
        UsageError: a line is no pair.
    """
    base: str | None = None
    left_out = 0
    for number, line in enumerate(_lines(path), 1):
        *image, label = _fields(line, f"{path}: entry {number}")
        if base is None:
            try:
                base, left_out = _place(path, label)
            except ValueError as error:  # a scheme Beam lacks
                raise UsageError(f"{path}: entry {number}: {error}") from error
        found = [_join(base, field, left_out) for field in (*image, label)]
        key = normal(os.path.splitext(label.lstrip("/"))[0])
        yield key, found[0] if image else None, found[-1]


def _fields(line: str, what: str) -> list[str]:
    """The one or two paths of a line; a tab between two lets them have spaces.

    Raises:
        UsageError: they are no paths, or more.
    """
    fields = line.split("\t") if line.count("\t") == 1 else line.split()
    fields = [field.strip() for field in fields]
    if len(fields) > 2:
        raise UsageError(
            f"{what} has {len(fields)} paths, and a list of pairs has `IMAGE "
            "LABEL_MAP`; put a tab between two paths that have spaces"
        )
    if any(field.startswith(_ADDRESSES) for field in fields):
        raise UsageError(
            f"{what} is an address, {texts.quoted(line)}: files are not downloaded; "
            "list where they lie"
        )
    parts = line.split(",")
    if len(fields) == 1 and len(parts) > 1 and all(map(_has_extension, parts)):
        raise UsageError(
            f"{what} has a comma, {texts.quoted(line)}: put a space or a tab between "
            "an image and its label map"
        )
    if "\\" in line:
        raise UsageError(
            f"{what}, {texts.quoted(line)}: write paths with / between names"
        )
    return fields


def _has_extension(path: str) -> bool:
    return bool(os.path.splitext(path)[1])


def _lines(path: str) -> Iterator[str]:
    lines = read(path).splitlines()
    return (line.strip() for line in lines if line.strip())


def _place(path: str, listed: str) -> tuple[str, int]:
    """Where listed paths begin: a directory, and how many of their own to leave out."""
    if files.exists(listed):
        return "", 0
    base = path.rpartition("/")[0]
    count = listed.strip("/").count("/")
    for left_out in range(count + 1):
        if files.exists(_join(base, listed, left_out)):
            return base, left_out
    return base, 0


def _join(base: str, listed: str, left_out: int) -> str:
    if not base:
        return listed
    return "/".join([base, *listed.strip("/").split("/")[left_out:]])
