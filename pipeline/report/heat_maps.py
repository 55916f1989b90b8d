"""Where classes are and which meet, as small pictures in shades of one colour."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskbeam.pipeline.report import uris
from maskbeam.pipeline.report.charts import Bar, percent, whole_percent

_SHADES = 16  # four bits a pixel
_FAINT, _DEEP = (247, 249, 251), (11, 46, 92)
_THIRDS = ("top", "middle", "bottom"), ("left", "centre", "right")
_WITH_NUMBERS = 30  # classes; of more the matrix is a picture
_PAIRS = 20
_TICKS = 10

Shares = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class HeatMap(NamedTuple):
    """Where a class is.

    Attributes:
        class_index: the class's.
        uri: a picture, a pixel for each cell of the frame.
        most: its share where it is most frequent, which is the deepest shade.
        place: where that is, in words.
    """

    class_index: int
    uri: str
    most: str
    place: str


class Pair(NamedTuple):
    """Two classes that are often in one image.

    Attributes:
        first: a class's index.
        second: another's.
        images: in how many both are.
        second_if_first: share of the images with the first that have the second.
        first_if_second: the other way round.
    """

    first: int
    second: int
    images: int
    second_if_first: str
    first_if_second: str


class CoOccurrence(NamedTuple):
    """Which classes are in an image together.

    Attributes:
        images: in how many each class is.
        rows: for each class a bar for each: images with both, as a share of those
            with the first. Empty if there are too many classes.
        uri: the shares as a picture, row by row; "" if there are `rows`.
        ticks: classes to be named along its edges.
        pairs: the most frequent ones; none if there are `rows`.
    """

    images: Sequence[int]
    rows: Sequence[Sequence[Bar]]
    uri: str
    ticks: Sequence[int]
    pairs: Sequence[Pair]


def heat_maps(found: Mapping[str, Any]) -> list[HeatMap]:
    """Draws where classes are; none for a class of which no pixel was sampled.

    Args:
        found: `heat_maps` of `stats.json`.
    """
    shape = found["rows"], found["columns"]
    sampled = np.array(found["sampled"], np.float64).reshape(shape)
    maps = []
    for index, pixels in enumerate(found["classes"]):
        shares = np.array(pixels, np.float64).reshape(shape) / np.maximum(sampled, 1)
        if most := shares.max():
            picture = _picture(shares / most)
            maps.append(HeatMap(index, picture, percent(most), _place(shares)))
    return maps


def co_occurrence(found: Sequence[Sequence[int]]) -> CoOccurrence:
    """Draws which classes are in an image together, or says it in numbers.

    Args:
        found: `co_occurrence` of `stats.json`.
    """
    both = np.array(found, np.int64)
    images = both.diagonal()
    shares = both / np.maximum(images, 1)[:, np.newaxis]
    if len(images) <= _WITH_NUMBERS:
        rows = [
            [_meeting(*cell) for cell in zip(*row, strict=True)]
            for row in zip(both.tolist(), shares.tolist(), strict=True)
        ]
        return CoOccurrence(images.tolist(), rows, "", (), ())
    step = -(-len(images) // _TICKS)
    ticks = range(0, len(images), step)
    pairs = _most_frequent(both, shares)
    return CoOccurrence(images.tolist(), (), _picture(shares), ticks, pairs)


def shades() -> str:
    """Draws all shades side by side, from that of 0 to the deepest."""
    return _picture(np.linspace(0, 1, _SHADES)[np.newaxis])


def _meeting(images: int, share: float) -> Bar:
    return Bar(images, whole_percent(share), round(share, 2))


def _picture(shares: Shares) -> str:
    """Draws shares from 0 to 1: f64[H W] -> a PNG of W x H pixels, as a `data:` URI."""
    # What is not 0 is seen.
    levels = np.ceil(shares * (_SHADES - 1)).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    palette = np.linspace(_FAINT, _DEEP, _SHADES).round().astype(np.uint8)
    image.putpalette(palette.tobytes())
    return uris.of_picture(image, "png", bits=4, optimize=True)


def _place(shares: Shares) -> str:
    cell = np.unravel_index(shares.argmax(), shares.shape)
    return " ".join(
        names[int(at) * len(names) // length]
        for names, at, length in zip(_THIRDS, cell, shares.shape, strict=True)
    )


def _most_frequent(both: Counts, shares: Shares) -> list[Pair]:
    upper = np.triu(both, 1)
    order = np.argsort(-upper, axis=None, kind="stable")[:_PAIRS]
    cells = zip(*np.unravel_index(order, upper.shape), strict=True)
    return [
        Pair(i, j, int(both[i, j]), percent(shares[i, j]), percent(shares[j, i]))
        for i, j in ((int(i), int(j)) for i, j in cells)
        if both[i, j]
    ]
