"""Text files that list rows: the keys of a split, or pairs of paths.

2007_000032                          a key a line (VOC's ImageSets/)
Abyssinian_100 1 1 1                 a key, and what else is known of it (Oxford pets)
train/01.png trainannot/01.png       an image and its label map (SegNet, DeepLab)

How people write pairs is in `pair_lines`.
"""

import os
import re
from collections.abc import Iterator

from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import pair_lines
from maskbeam.pipeline.formats.texts import read
from maskbeam.pipeline.keys import normal
from maskbeam.pipeline.runtime import files

_PICTURES = (".png", ".jpg", ".jpeg")
_LEVELS = 3  # directories above a list's own, in which label maps are looked for
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


def pairs(
    path: str, *, jpeg_label_maps: bool = False
) -> Iterator[tuple[str, str | None, str]]:
    """The rows that a list names.

    Lists get moved. If the first label map is not where the list says, its leading
    directories are left out, one after the other, until it is found below the list's
    own directory; the other paths then lose as many. Else it is looked for below the
    directories that this one lies in.

    Args:
        path: of the list.
        jpeg_label_maps: whether label maps may be JPEG too.

    Returns:
        (key, image, label map) for each line; a line of one path has no image. The key
        is the label map's path as listed, without extension.

    Raises:
        UsageError: a line is no pair.
    """
    base: str | None = None
    left_out = 0
    lines = pair_lines.pairs(path, _lines(path), jpeg_label_maps=jpeg_label_maps)
    for number, image, label in lines:
        if base is None:
            try:
                base, left_out = _place(path, label)
            except ValueError as error:  # a scheme Beam lacks
                raise UsageError(f"{path}: entry {number}: {error}") from error
        key = normal(os.path.splitext(label.lstrip("/"))[0])
        found = None if image is None else _join(base, image, left_out)
        yield key, found, _join(base, label, left_out)


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
    above = base
    for _ in range(_LEVELS):
        above = above.rpartition("/")[0]
        if above and files.exists(_join(above, listed, 0)):
            return above, 0
    return base, 0


def _join(base: str, listed: str, left_out: int) -> str:
    if not base:
        return listed
    return "/".join([base, *listed.strip("/").split("/")[left_out:]])
