"""The rows of a TIFF: one; one for each of its pictures; or the tiles of a big one."""

from collections.abc import Iterator
from typing import NamedTuple

from maskbeam.pipeline.elements import Place, Window
from maskbeam.pipeline.errors import StoreError
from maskbeam.pipeline.formats import tiff_directory
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import tiles


class Part(NamedTuple):
    """What of a TIFF becomes a row.

    Attributes:
        place: which of several pictures; None of the only one.
        window: the tile of a big picture; None for all of it.
        size: the picture's height and width, in pixels.
    """

    place: Place | None = None
    window: Window | None = None
    size: tiles.Size = (0, 0)

    def key(self, picture: str) -> str:
        """Makes the row's key of its picture's."""
        if self.window is None:
            return picture
        return tiles.tile_key(picture, self.window[:2], self.size)


def parts(path: str, options: Options) -> Iterator[Part]:
    """The rows of a file; one that cannot be read has one, and reading it says why.

    A picture that is larger than `max_pixels` is cut into the tiles that the options
    ask for, so that no worker has to hold it. Reading refuses those of one in strips.

    Args:
        path: of the file.
        options: what is read.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        with files.open_raw(path) as file:
            found = tiff_directory.pages(file)
    except StoreError:
        raise
    except Exception:  # of any kind
        yield Part()
        return
    for number, page in enumerate(found):
        place = Place(index=number) if len(found) > 1 else None
        size = page.height, page.width
        if options.tile is None or page.height * page.width <= options.max_pixels:
            yield Part(place)
        else:
            for window in _windows(size, options.tile, options.overlap):
                yield Part(place, window, size)


def _windows(size: tiles.Size, tile: tiles.Size, overlap: int) -> Iterator[Window]:
    for top, left in tiles.offsets(*size, tile, overlap):
        height, width = min(tile[0], size[0] - top), min(tile[1], size[1] - left)
        yield Window(top, left, height, width)
