"""Shapes of annotation files to label maps of ids.

    polygons   float64 x, y, ... of one or several polygons, as pycocotools fills them
    shares     float64 x, y, ... of a polygon, as shares of width and height
    runs       int64 run lengths of the whole picture, and its height and width
    code       the same, the run lengths compressed
    rows       int64 run lengths along the rows of a box, whose left, top, width and
               height follow
    polygon, rectangle, circle, line, point, bitmap: see `pillow_shapes`
    wrong      why it cannot be drawn

What a shape promises is judged before memory is taken: where its points lie, and how
long its outline is.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Picture, Shape
from maskbeam.pipeline.formats import coco_runs, pillow_shapes
from maskbeam.pipeline.formats.coco_runs import Runs
from maskbeam.pipeline.formats.pixels import check_pixels

Ids = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

WRONG = "wrong"
SHARE = 2.0  # the largest that is meant: objects may reach beyond the picture

_FAR = 10  # times a picture's longer side: no tool's points are further out
_POINTS = 1 << 24  # of one shape's outline, in fifths of a pixel
_MAX_ID = 65535


class Canvas:
    """A label map on which shapes are painted, one over the other.

    Args:
        height: in pixels.
        width: in pixels.
        unlabelled: the id of pixels under no shape.
        is_deep: whether some id takes 16 bits.
    """

    def __init__(self, height: int, width: int, unlabelled: int, is_deep: bool) -> None:
        self.ids: Ids = np.full(
            (height, width), unlabelled, np.uint16 if is_deep else np.uint8
        )
        self._covered = np.zeros((height, width), np.bool_)
        self._several = np.zeros((height, width), np.bool_)

    def paint(self, value: int, pixels: npt.NDArray[np.bool_], left: int = 0) -> None:
        """Gives pixels an id.

        Args:
            value: the id.
            pixels: bool[H N], which ones.
            left: the column that the first of theirs is.
        """
        part = np.s_[:, left : left + pixels.shape[1]]
        ids, covered = self.ids[part], self._covered[part]
        self._several[part] |= pixels & covered & (ids != value)
        covered |= pixels
        ids[pixels] = value

    @property
    def overlapping(self) -> int:
        """How many pixels several ids were given to."""
        return int(np.count_nonzero(self._several))


@dataclasses.dataclass(frozen=True)
class Rules:
    """How the shapes of a format become a label map.

    Attributes:
        value_of: the id that a shape's label means; raises ValueError.
        unlabelled: the id of pixels under no shape.
        by_area: whether of two shapes the smaller is on top; else the later is.
        max_pixels: the largest picture that is drawn.
    """

    value_of: Callable[[int | str], int]
    unlabelled: int
    by_area: bool
    max_pixels: int


def draw(picture: Picture, rules: Rules) -> tuple[Ids, int]:
    """Draws a picture's shapes.

    Returns:
        u8[H W] or u16[H W] of ids, and how many pixels have several shapes of
        different ids.

    Raises:
        ValueError: the picture is too large, or a shape cannot be drawn; the message
            says which one, counted from 1.
    """
    height, width = picture.height, picture.width
    if min(height, width) < 1:
        raise ValueError(f"its size is {height} x {width}")
    check_pixels(height, width, rules.max_pixels)
    values = []
    for number, shape in enumerate(picture.shapes, 1):
        with _naming(number):
            values.append(_checked(rules.value_of(shape.label)))
    is_deep = max([rules.unlabelled, *values]) > 255
    canvas = Canvas(height, width, rules.unlabelled, is_deep)
    for number, pixels, left in _in_order(picture, by_area=rules.by_area):
        canvas.paint(values[number], pixels, left)
    return canvas.ids, canvas.overlapping


@contextlib.contextmanager
def _naming(number: int) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"annotation {number} of the picture: {error}") from error


def _in_order(
    picture: Picture, *, by_area: bool
) -> Iterator[tuple[int, npt.NDArray[np.bool_], int]]:
    """The shapes as they are painted: number, pixels, and the first column of these."""
    size = picture.height, picture.width
    found: list[Runs] = []
    for number, shape in enumerate(picture.shapes):
        with _naming(number + 1):
            if by_area:
                found.append(_runs(shape, *size))
            elif shape.kind in pillow_shapes.KINDS:
                points = np.frombuffer(shape.parts[0], np.float64)
                check_near(points, *size)
                pixels = pillow_shapes.pixels(shape, *size)
            elif shape.kind == "rows":
                pixels = _rows(shape, *size)
            else:
                pixels = coco_runs.pixels(_runs(shape, *size), picture.height)
        if not by_area:
            yield number, *pixels
    areas = [coco_runs.area(runs) for runs in found]
    # Of equal ones the later stays on top.
    for number in sorted(range(len(found)), key=lambda number: -areas[number]):
        yield number, *coco_runs.pixels(found[number], picture.height)


def _checked(value: int) -> int:
    if not 0 <= value <= _MAX_ID:
        raise ValueError(f"the id {value} is outside 0..{_MAX_ID}, as label maps hold")
    return value


def _runs(shape: Shape, height: int, width: int) -> Runs:
    """The pixels of a shape, as COCO's run lengths.

    Raises:
        ValueError: it cannot be drawn.
    """
    if shape.kind == WRONG:
        raise ValueError(shape.parts[0].decode())
    if shape.kind == "polygons":
        polygons = [np.frombuffer(part, np.float64) for part in shape.parts]
        return _filled(polygons, height, width)
    if shape.kind == "shares":
        shares = np.frombuffer(shape.parts[0], np.float64)
        sides = np.resize([float(width), float(height)], shares.size)
        return _filled([shares * sides], height, width)
    data, size = shape.parts
    if (own := np.frombuffer(size, np.int64).tolist()) != [height, width]:
        own = " x ".join(map(str, own))
        raise ValueError(f"its size is {own}, and the picture {height} x {width}")
    runs = (
        coco_runs.of_code(data)
        if shape.kind == "code"
        else np.frombuffer(data, np.int64)
    )
    coco_runs.check(runs, height, width)
    return runs


def _rows(shape: Shape, height: int, width: int) -> tuple[npt.NDArray[np.bool_], int]:
    """The pixels of a shape that fills a box: bool[height N], and the first column.

    Raises:
        ValueError: the box is not within the picture, or its runs are longer.
    """
    runs, box = (np.frombuffer(part, np.int64) for part in shape.parts)
    left, top, columns, lines = box.tolist()
    right, bottom = left + columns, top + lines
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(
            f"its box, {columns} x {lines} at {left}, {top}, is not within the "
            f"picture, which is {width} wide and {height} high"
        )
    pixels = columns * lines
    if runs.min() < 0 or runs.max() > pixels or runs.sum() > pixels:
        raise ValueError(f"its run lengths are not of the {pixels} pixels of its box")
    flat = np.zeros(pixels, np.bool_)  # what the runs leave is off
    flat[: runs.sum()] = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    part = np.zeros((height, columns), np.bool_)
    part[top:bottom] = flat.reshape(lines, columns)
    return part, left


def _filled(polygons: list[npt.NDArray[np.float64]], height: int, width: int) -> Runs:
    """Fills polygons, f64[2 N] each: x, y, ...

    Raises:
        ValueError: one has no area by its number of points, or is too large.
    """
    from pycocotools import mask

    points = 0.0
    for polygon in polygons:
        if polygon.size < 6 or polygon.size % 2:
            raise ValueError(
                f"a polygon has {polygon.size} numbers, and x, y of 3 points are 6"
            )
        check_near(polygon, height, width)
        corners = polygon.reshape(-1, 2)
        steps = np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1)
        points += float(5 * steps.sum() + steps.size)
    if points > _POINTS:
        raise ValueError(f"its outline is {points / 5:.0f} pixels long")
    # It takes a list whose first polygon has four numbers for boxes.
    codes = mask.frPyObjects([one.tolist() for one in polygons], height, width)
    return coco_runs.of_code(mask.merge(codes)["counts"])


def check_near(points: npt.NDArray[np.float64], height: int, width: int) -> None:
    """Checks that points lie on a picture, or near it.

    Raises:
        ValueError: one is no number, or far outside.
    """
    far = _FAR * max(height, width)
    if not (np.abs(points) <= far).all():
        worst = points[~(np.abs(points) <= far)][0]
        raise ValueError(
            f"a point has the coordinate {worst:g}, far outside of the picture, which "
            f"is {width} wide and {height} high"
        )
