"""What a report needs of a row's pixels: a few of them, and whether some are stray."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.rows.moves import Moved
from maskbeam.pipeline.rows.run_lengths import Runs

GRID = 16  # cells of a heat map, each way
EVERY = 8  # pixels, and rows of pixels
SMALL = 4  # pixels: a piece of fewer is stray
STRAY_SHARE = 0.01  # of a label map's pixels
MIDDLE = 512  # pixels, each way, of a label map that are looked at for stray ones

_LOOKED_AT = 1 << 25  # pixels of a label map, at most, that is looked at
_MANY = 9  # more than the eight neighbours that a pixel may have


class Look(NamedTuple):
    """What is kept of a row's label map.

    Attributes:
        sampled: u8[h w] or u16[h w], class indices of pixels that lie as in a grid.
        is_stray: whether more than a hundredth of the pixels are stray; None if nobody
            looked.
        moved: pixels that were moved, in the whole label map; None if the class map
            moves none, and for all tiles but the first.
        overlapping: pixels that several classes claimed, in the whole label map; None
            if it was not drawn, and for all tiles but the first.
    """

    sampled: npt.NDArray[Any]
    is_stray: bool | None = None
    moved: Moved | None = None
    overlapping: int | None = None


def sampled(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Takes each 8th pixel of each 8th row, or nearer ones where a picture is small.

    Args:
        pixels: [H W], which the result does not hold on to.
    """
    height, width = pixels.shape
    return pixels[:: step(height), :: step(width)].copy()


def step(side: int) -> int:
    """How far apart the pixels are that `sampled` takes along a side."""
    return max(1, min(EVERY, side // GRID))


def is_stray(runs: Runs, shape: tuple[int, int]) -> bool | None:
    """Checks whether more than a hundredth of a label map's pixels are stray.

    Of a large one it looks at the middle.

    Args:
        runs: of class indices.
        shape: of the label map: height and width, in pixels.

    Returns:
        None for a label map that is too large to be looked at.
    """
    if shape[0] * shape[1] > _LOOKED_AT:
        return None
    # What is stray is in short runs, which many label maps have few of.
    most, lengths = STRAY_SHARE * shape[0] * shape[1], runs.lengths
    is_whole = max(shape) <= MIDDLE
    if is_whole and lengths is not None and lengths[lengths < SMALL].sum() <= most:
        return False
    index = _middle(runs.repeat(runs.values).reshape(shape))
    most = STRAY_SHARE * index.size
    equal = _equals(index)
    # A pixel of a small piece has two equals at most.
    few = int(np.count_nonzero(equal <= 2))
    return few > most and _counted(index, equal) > most


def _middle(index: npt.NDArray[Any]) -> npt.NDArray[Any]:
    top, left = (max(0, side - MIDDLE) // 2 for side in index.shape)
    return index[top : top + MIDDLE, left : left + MIDDLE]


def stray_pixels(index: npt.NDArray[Any]) -> int:
    """Counts the pixels in connected pieces of fewer than four.

    Pixels are connected to all eight around them. Pieces that touch the left or the
    right side do not count: they may go on outside.

    Args:
        index: u8[H W] or u16[H W], class indices.
    """
    return _counted(index, _equals(index))


def _pairs(index: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Compares each pixel with its neighbours to the right, below, and between these.

    Yields:
        How far apart both are in reading order, and whether they are equal. Beyond a
        line's end is the next line, but the pixels there do not count.
    """
    flat, width = index.ravel(), index.shape[1]
    for apart in {1, width - 1, width, width + 1} - {0}:
        yield apart, flat[:-apart] == flat[apart:]


def _equals(index: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """How many equals each pixel has around it: u8[H W]; `_MANY` at the sides."""
    equal = np.zeros(index.shape, np.uint8)
    flat = equal.ravel()
    for apart, same in _pairs(index):
        for part in (flat[:-apart], flat[apart:]):
            part += same.view(np.uint8)
    equal[:, [0, -1]] = _MANY
    return equal


def _counted(index: npt.NDArray[Any], equal: npt.NDArray[np.uint8]) -> int:
    is_few = equal.ravel() <= 2
    ends = []
    for apart, same in _pairs(index):
        (first,) = np.nonzero(same & is_few[:-apart] & is_few[apart:])
        ends.append(np.stack([first, first + apart]))
    return _in_small_pieces(equal.ravel(), np.concatenate(ends, axis=1))


def _in_small_pieces(equal: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> int:
    """Counts the pixels of pieces of one, two and three.

    Args:
        equal: u8[n], how many equals each pixel has.
        ends: i64[2 e], pairs of equals with two equals at most each.
    """
    both = np.concatenate([ends, ends[::-1]], axis=1)
    pixels, here = np.unique(both[0], return_inverse=True)
    there = np.searchsorted(pixels, both[1])
    own = equal[pixels]
    # Equals that are left out have many equals: such a piece is not small.
    is_closed = np.bincount(here, minlength=pixels.size) == own
    of_equals = np.bincount(here, own[there], pixels.size)
    in_pairs = np.count_nonzero(is_closed & (own == 1) & (of_equals == 1))
    in_the_middle = np.count_nonzero(is_closed & (own == 2) & (of_equals == 2))
    # Three that are all equals of one another have the same sum of all three.
    sums = pixels + np.bincount(here, pixels[there], pixels.size)
    is_alike = (sums[here] == sums[there]) & (own[here] == 2) & (own[there] == 2)
    alike = np.bincount(here, is_alike, pixels.size)
    in_corners = np.count_nonzero(is_closed & (alike == 2))
    alone = np.count_nonzero(equal == 0)
    return int(alone + in_pairs + 3 * in_the_middle + in_corners)
