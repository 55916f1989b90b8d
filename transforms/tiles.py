"""Cuts big pictures into tiles, and stitches tiles back together.

Tiles stand in a grid whose step is the tile less the overlap; the last tile of a row or
column is moved back to end where the picture ends. A picture smaller than the tile is
one tile, filled up at the bottom and on the right.

    for key, picture in stitch(((row["key"], row["label"]) for row in rows), overlap):
        ...

This needs NumPy only.
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
    """Returns where the tiles of a picture begin, row by row.

    Args:
        height: the picture's height, in pixels.
        width: the picture's width, in pixels.
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
        offset: where the tile begins in the picture.
        tile: the tile's size.
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
    """Makes a tile's key: `KEY@512,0of6000x4000`.

    Args:
        key: the picture's key.
        offset: where the tile begins in the picture.
        size: the picture's size.
    """
    return f"{key}@{offset[0]},{offset[1]}of{size[0]}x{size[1]}"


def parse_key(key: str) -> tuple[str, Offset, Size]:
    """Undoes `tile_key`.

    Raises:
        ValueError: it is no tile's key.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is no tile's key, such as street@512,0of6000x4000")
    y, x, height, width = map(int, match.groups()[1:])
    return match[1], (y, x), (height, width)


class _Picture:
    """The tiles of one picture that have come so far."""

    def __init__(self, size: Size, tile: npt.NDArray[Any], overlap: int) -> None:
        self._size = size
        self._like = tile
        self._grid = set(offsets(*size, (tile.shape[0], tile.shape[1]), overlap))
        self._tiles: dict[Offset, npt.NDArray[Any]] = {}
        self.missing = set(self._grid)

    def add(self, key: str, offset: Offset, tile: npt.NDArray[Any]) -> None:
        """Adds one tile."""
        if tile.shape != self._like.shape or tile.dtype != self._like.dtype:
            raise ValueError(
                f"tile {key!r} is {tile.dtype}{list(tile.shape)}, and others of its "
                f"picture are {self._like.dtype}{list(self._like.shape)}"
            )
        if offset not in self._grid:
            raise ValueError(
                f"tile {key!r} is not in the grid of its picture: were tiles of "
                f"{tile.shape[0]} x {tile.shape[1]} cut with this overlap?"
            )
        self._tiles[offset] = tile
        self.missing.discard(offset)

    def uncovered(self) -> int:
        """Counts the pixels that are in no tile so far."""
        lacks = np.ones(self._size, bool)
        for offset, tile in self._tiles.items():
            lacks[_place(offset, tile)] = False
        return int(np.count_nonzero(lacks))

    def whole(self) -> npt.NDArray[Any]:
        """Makes the picture; the first tile of the grid covers the later ones."""
        picture = np.empty((*self._size, *self._like.shape[2:]), self._like.dtype)
        for offset in sorted(self._tiles, reverse=True):
            tile = self._tiles[offset]
            place = picture[_place(offset, tile)]
            place[...] = tile[: place.shape[0], : place.shape[1]]
        return picture


def _place(offset: Offset, tile: npt.NDArray[Any]) -> tuple[slice, slice]:
    """Returns where a tile is in its picture, which may end before the tile."""
    (y, x), (height, width) = offset, tile.shape[:2]
    return slice(y, y + height), slice(x, x + width)


def stitch(
    tiles: Iterable[tuple[str | bytes, npt.ArrayLike]], overlap: int = 0
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Stitches tiles together to pictures.

    Where tiles overlap, the first of the grid, row by row, covers the others, whatever
    order they come in, so the result is always the same. The tiles of a picture are
    held in memory until the last of them has come.

    Args:
        tiles: (key, tile [h w ...]) in any order: labels, masks, predictions.
        overlap: the overlap that the tiles were cut with: it says how many there are.

    Yields:
        (the picture's key, picture [H W ...]), as soon as all its tiles have come.

    Raises:
        ValueError: a key is no tile's; a tile does not fit the others of its picture;
            or, after all other pictures, tiles are missing.
    """
    pictures: dict[tuple[str, Size], _Picture] = {}
    for raw_key, values in tiles:
        key = raw_key.decode() if isinstance(raw_key, bytes) else raw_key
        tile = np.asarray(values)
        name, offset, size = parse_key(key)
        picture = pictures.get((name, size)) or _Picture(size, tile, overlap)
        pictures[name, size] = picture
        picture.add(key, offset, tile)
        if not picture.missing:
            yield name, pictures.pop((name, size)).whole()
    if pictures:
        told = [
            f"{name!r} lacks {picture.uncovered()} pixels and {len(picture.missing)} "
            f"tiles, the first {tile_key(name, min(picture.missing), size)!r}"
            for (name, size), picture in pictures.items()
        ]
        raise ValueError("; ".join(told))
