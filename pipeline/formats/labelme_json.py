"""labelme's JSON: the shapes of one picture, which lies beside it.

    imageHeight, imageWidth    of the picture
    shapes                     label, shape_type, points [[x, y], ...]; of a mask a PNG
                               too, in base64

Source: labelme 6.3.1 as published, labelme/_label_file.py and labelme/utils/shape.py.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from maskbeam.pipeline.elements import Picture, Shape
from maskbeam.pipeline.errors import in_words
from maskbeam.pipeline.formats import drawn
from maskbeam.pipeline.formats.meanings import Labels
from maskbeam.pipeline.runtime import files

NAME = "labelme JSON"
LABELS: Labels = "names"
BY_AREA = False  # labelme draws in the file's order

_MAX_BYTES = 1 << 29  # the picture itself may be in it
_KINDS = {  # as Pillow draws them
    **{name: name for name in ("polygon", "rectangle", "circle", "line", "point")},
    "linestrip": "line",
    "oriented_rectangle": "polygon",
    "mask": "bitmap",
}


class _WithLabel(TypedDict):
    label: str
    points: list[tuple[float, float]]


class _Shape(_WithLabel, total=False):
    shape_type: str | None
    mask: str | None


class _WithShapes(TypedDict):
    shapes: list[_Shape]


class _File(_WithShapes, total=False):
    imageHeight: int | None
    imageWidth: int | None


def pictures(path: str) -> Iterator[Picture]:
    """Reads a file, but for the picture in it.

    Raises:
        ValueError: it is damaged, or not of this format.
        OSError: it cannot be read.
    """
    import msgspec

    data = files.read_within(path, _MAX_BYTES)
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        words = in_words(error)
        raise ValueError(f"{path} is no JSON of labelme's: {words}") from error
    sides = found.get("imageHeight") or 0, found.get("imageWidth") or 0
    yield Picture("", *sides, tuple(map(_shape, found["shapes"])))


def _shape(found: _Shape) -> Shape:
    name = found.get("shape_type") or "polygon"
    points = np.array(found["points"], np.float64).tobytes()
    try:
        if name not in _KINDS:
            raise ValueError(
                f"its shape_type is {name!r}, of which nobody knows pixels"
            )
        if name != "mask":
            return Shape(found["label"], _KINDS[name], (points,))
        bitmap = base64.b64decode(found.get("mask") or "", validate=True)
        return Shape(found["label"], _KINDS[name], (points, bitmap))
    except (ValueError, binascii.Error) as error:
        words = in_words(error).encode("utf-8", "replace")
        return Shape(found["label"], drawn.WRONG, (words,))
