"""Shapes as labelme draws them: by Pillow, outlines included.

    polygon      x, y of three points or more
    rectangle    of two opposite corners
    circle       of its centre and a point on it
    line         of two points or more, 10 pixels wide
    point        a disc of radius 5
    bitmap       a PNG of what is on, and two corners, both included

Source: labelme 6.3.1 as published, labelme/utils/shape.py (shape_to_mask,
shapes_to_label); wkentaro/labelme@c628c0e, the same file.
"""

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from maskbeam.pipeline.elements import Shape

KINDS = ("polygon", "rectangle", "circle", "line", "point", "bitmap")

_LINE_WIDTH = 10
_POINT_RADIUS = 5
_MARGIN = 12  # what a line may add to its points' place
_MOST_STEPS = 1 << 31  # Pillow looks at all edges in each line of pixels
_POINTS = {"rectangle": (2, 2), "circle": (2, 2), "point": (1, 1), "bitmap": (2, 2)}
_LEAST = {"polygon": 3, "line": 2}

Pixels = npt.NDArray[np.bool_]


def pixels(shape: Shape, height: int, width: int) -> tuple[Pixels, int]:
    """Draws a shape, whose points lie near the picture.

    Args:
        shape: of one of `KINDS`; the first part has its points, f64 x, y, ...
        height: of the picture.
        width: likewise.

    Returns:
        bool[height N], and the number of the first of these columns.

    Raises:
        ValueError: it has too few points, or too many, or its bitmap is damaged.
    """
    points = np.frombuffer(shape.parts[0], np.float64).reshape(-1, 2)
    least, most = _POINTS.get(shape.kind, (_LEAST.get(shape.kind, 0), len(points)))
    if not least <= len(points) <= most:
        raise ValueError(f"its {shape.kind} has {len(points)} points")
    if len(points) * height > _MOST_STEPS:
        raise ValueError(
            f"its {shape.kind} has {len(points)} points, which is too many"
        )
    if shape.kind == "bitmap":
        return _bitmap(points, shape.parts[1], height, width)
    picture = Image.new("L", (width, height))
    reach = _draw(ImageDraw.Draw(picture), shape.kind, points)
    left = max(0, min(width, math.floor(points[:, 0].min() - reach)))
    right = max(left, min(width, math.ceil(points[:, 0].max() + reach) + 1))
    return np.asarray(picture)[:, left:right] != 0, left


def _draw(
    draw: ImageDraw.ImageDraw, kind: str, points: npt.NDArray[np.float64]
) -> float:
    """Draws; returns how far from its points a shape may reach."""
    corners = [(float(x), float(y)) for x, y in points]
    if kind == "polygon":
        draw.polygon(corners, fill=1, outline=1)
    elif kind == "rectangle":
        draw.rectangle([*points.min(axis=0), *points.max(axis=0)], fill=1, outline=1)
    elif kind == "line":
        draw.line(corners, fill=1, width=_LINE_WIDTH)
    else:
        (x, y), radius = corners[0], float(_POINT_RADIUS)
        if kind == "circle":
            radius = math.dist(*corners)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=1, outline=1)
        return radius + _MARGIN
    return _MARGIN


def _bitmap(
    points: npt.NDArray[np.float64], data: bytes, height: int, width: int
) -> tuple[Pixels, int]:
    (left, top), (right, bottom) = points.astype(int).tolist()
    size = right - left + 1, bottom - top + 1
    if not (0 <= left <= right < width and 0 <= top <= bottom < height):
        raise ValueError(f"its mask, {size[0]} x {size[1]}, is not within the picture")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.size != size:
                raise ValueError(
                    f"its mask is {picture.size[0]} wide and {picture.size[1]} high, "
                    f"and its points are of {size[0]} and {size[1]}"
                )
            found = np.asarray(picture)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"its mask is damaged: {error}") from error
    on = found.astype(bool)
    if on.ndim != 2:
        raise ValueError("its mask is no grey PNG")
    part = np.zeros((height, size[0]), np.bool_)
    part[top : bottom + 1] = on
    return part, left
