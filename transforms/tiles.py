"""Big pictures to tiles, and tiles back to pictures.

Tiles stand in a grid whose step is the tile less the overlap; the last of a row or
column is moved back to end where the picture ends. A picture smaller than the tile is
one tile, filled up at the bottom and on the right.

    for key, picture in stitch((row["key"], row["label"]) for row in rows):
        ...

NumPy alone is needed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Offset = tuple[int, int]  # (y, x) of the upper left corner, in pixels
Size = tuple[int, int]  # (height, width) in pixels

_KEY = re.compile(r"(.*)@(\d+),(\d+)of(\d+)x(\d+)", re.DOTALL)


def offsets(height: int, width: int, tile: Size, overlap: int) -> list[Offset]:
    """Where the tiles of a picture begin, row by row.

    Args:
        height: of the picture, in pixels.
        width: likewise.
        tile: the tiles' size.
        overlap: pixels that neighbours share, at least.

    Raises:
        ValueError: the overlap leaves no step.
    """
    if not 0 <= overlap < min(tile):
        raise ValueError(f"overlap {overlap} must be at least 0 and below {min(tile)}")
    return [
        (y, x)
        for y in _starts(height, tile[0], overlap)
        for x in _starts(width, tile[1], overlap)
    ]


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    last = max(0, length - tile)
    return [*range(0, last, tile - overlap), last]


def cut(
    picture: npt.NDArray[Any], offset: Offset, tile: Size, fill: int
) -> npt.NDArray[Any]:
    """Cuts one tile.

    Args:
        picture: [H W ...].
        offset: where it begins, within the picture.
        tile: its size.
        fill: the value beyond the picture.
    """
    (y, x), (height, width) = offset, tile
    piece = picture[y : y + height, x : x + width]
    if piece.shape[:2] == tile:
        return piece
    whole = np.full((*tile, *picture.shape[2:]), fill, picture.dtype)
    whole[: piece.shape[0], : piece.shape[1]] = piece
    return whole


def tile_key(key: str, offset: Offset, size: Size) -> str:
    """The key of a tile: `KEY@512,0of6000x4000`.

    Args:
        key: of the picture.
        offset: of the tile.
        size: of the picture.
    """
    return f"{key}@{offset[0]},{offset[1]}of{size[0]}x{size[1]}"


def parse_key(key: str) -> tuple[str, Offset, Size]:
    """Undoes `tile_key`.

    Raises:
        ValueError: the key is no tile's.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is no tile's key, such as street@512,0of6000x4000")
    y, x, height, width = map(int, match.groups()[1:])
    return match[1], (y, x), (height, width)


class _Canvas:
    """A picture that is put together.

    Where tiles overlap, the one of smallest offset is seen, whatever order they come
    in, so that predictions are stitched alike every time.
    """

    def __init__(self, size: Size, first: npt.NDArray[Any]) -> None:
        self.picture = np.zeros((*size, *first.shape[2:]), first.dtype)
        self._number = np.full(size, np.iinfo(np.int64).max)

    def add(self, offset: Offset, tile: npt.NDArray[Any]) -> None:
        """Puts one tile in its place."""
        y, x = offset
        place = np.s_[y : y + tile.shape[0], x : x + tile.shape[1]]
        number = y * self._number.shape[1] + x
        earlier = number < self._number[place]
        tile = tile[: earlier.shape[0], : earlier.shape[1]]
        self.picture[place][earlier] = tile[earlier]
        self._number[place][earlier] = number

    @property
    def missing(self) -> int:
        """Pixels that no tile has covered yet."""
        return int(np.count_nonzero(self._number == np.iinfo(np.int64).max))


def stitch(
    tiles: Iterable[tuple[str | bytes, npt.ArrayLike]],
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Puts tiles together again.

    All pictures whose tiles are not complete are held in memory.

    Args:
        tiles: (key, tile [h w ...]) in any order: labels, masks, predictions.

    Returns:
        (key of the picture, picture [H W ...]) of each, in order of their first tiles.

    Raises:
        ValueError: a key is no tile's, or pixels of a picture are in no tile.
    """
    canvases: dict[str, _Canvas] = {}
    for key, values in tiles:
        tile = np.asarray(values)
        text = key.decode() if isinstance(key, bytes) else key
        name, offset, size = parse_key(text)
        if name not in canvases:
            canvases[name] = _Canvas(size, tile)
        canvases[name].add(offset, tile)
    for name, canvas in canvases.items():
        if canvas.missing:
            raise ValueError(
                f"{canvas.missing} pixels of {name!r} are in no tile: are these all of "
                "its tiles?"
            )
        yield name, canvas.picture
