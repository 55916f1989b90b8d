"""YOLO's text of polygons, one file for each picture, and one line for each object.

    0 0.681 0.485 0.670 0.487 0.676 0.487     class, then x y of three points or more,
                                              as shares of the width and the height

A line of four numbers is a box. A file without lines is of a picture without objects.
Of two objects the smaller is on top, as in Ultralytics' own masks.

Source: docs.ultralytics.com/datasets/segment, "Ultralytics YOLO format";
ultralytics/ultralytics, ultralytics/data/utils.py (polygons2masks_overlap).
"""

import codecs
import math
import re
from collections.abc import Iterator

import numpy as np

from maskbeam.pipeline.elements import Picture, Shape
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.formats import drawn
from maskbeam.pipeline.formats.meanings import Labels
from maskbeam.pipeline.runtime import files

NAME = "YOLO's polygons"
LABELS: Labels = "indices"
BY_AREA = True

_MAX_BYTES = 64 << 20
_LOOKED_AT = 1 << 16
_BOX_NUMBERS = 4
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# Of a file that goes on, the line may be cut off in a number.
_FIRST_LINE = re.compile(rf"\s*[0-9]+(?:[ \t]+{_NUMBER}){{{_BOX_NUMBERS},}}")


def is_one(path: str) -> bool | None:
    """Whether a text is of this format, by its first line; None for an empty one.

    Raises:
        OSError: it cannot be read.
    """
    head = _text(files.read_some(path, _LOOKED_AT))
    if not head.strip():
        return None
    return _FIRST_LINE.match(head) is not None


def pictures(path: str) -> Iterator[Picture]:
    """Reads a file, which says no size.

    Raises:
        ValueError: it is damaged, or not of this format.
        OSError: it cannot be read.
    """
    data = files.read_within(path, _MAX_BYTES)
    lines = enumerate(_text(data).splitlines(), 1)
    try:
        shapes = tuple(_shape(line, number) for number, line in lines if line.strip())
    except ValueError as error:
        words = in_words(error)
        raise ValueError(f"{path} is no text of YOLO's: {words}") from error
    yield Picture("", 0, 0, shapes)


def _text(data: bytes) -> str:
    return data.removeprefix(codecs.BOM_UTF8).decode("ascii", "replace")


def _shape(line: str, number: int) -> Shape:
    """An object.

    Raises:
        ValueError: the line does not begin with a class.
    """
    first, *rest = line.split()
    if not re.fullmatch("[0-9]{1,5}", first):
        raise ValueError(f"line {number} begins with {first[:40]!r}, which is no class")
    try:
        return Shape(int(first), "shares", (_points(rest).tobytes(),))
    except ValueError as error:
        return Shape(int(first), drawn.WRONG, (f"line {number}: {error}".encode(),))


def _points(fields: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The points of a polygon: f64[2 N], shares of width and height.

    Raises:
        ValueError: they are none.
    """
    if len(fields) == _BOX_NUMBERS:
        raise ValueError("it is a box, and nobody knows which pixels in it are meant")
    found = np.array([float(field) for field in fields], np.float64)
    if not all(map(math.isfinite, found)) or np.abs(found).max(initial=0) > drawn.SHARE:
        raise ValueError("it has a coordinate that is no share of a picture, 0 to 1")
    return found
