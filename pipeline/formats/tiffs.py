"""TIFF and BigTIFF: the pages of a file, and what one of them holds, or a part of it.

Sources: Adobe's TIFF 6.0, Aldus; what else there is of tags, by libtiff's pages on
BigTIFF and on NewSubfileType. Decoded by `tifffile`, with `imagecodecs` where the file
is compressed by something else than deflate.
"""

import contextlib
import functools
import itertools
import logging
import math
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskbeam.pipeline.elements import Window
from maskbeam.pipeline.formats.pixels import check_pixels
from maskbeam.pipeline.formats.samples import Array, Samples
from maskbeam.pipeline.runtime.loading import loading

if TYPE_CHECKING:
    import tifffile

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType: no picture of the stack
_MOST_PAGES = 1 << 16
_MOST_BYTES_PER_PIXEL = 32  # of all bands, decoded; a part of a picture has more
_WHITE_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_PHOTOMETRIC = (_WHITE_IS_ZERO, 1, _RGB, _PALETTE, _YCBCR)
_ORIENTATION = 274
_LOSSY = {6, 7, 22610, 33003, 33004, 33005, 34712, 34892, 34927, 50001, 50002}


class Page(NamedTuple):
    """What the tags of a picture promise.

    Attributes:
        height: in pixels.
        width: in pixels.
        is_tiled: whether a part of it can be read by itself.
        turn: its orientation, as EXIF has it: 1 to 8.
        is_lossy: whether its compression changes values.
    """

    height: int
    width: int
    is_tiled: bool
    turn: int
    is_lossy: bool


def is_tiff(data: bytes) -> bool:
    """Checks a file's first bytes."""
    return data.startswith(STARTS)


@functools.cache
def _library() -> Any:
    with loading():
        import tifffile

        # What is wrong with a file is said once, by the error.
        logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return tifffile


@contextlib.contextmanager
def _opened(file: IO[bytes]) -> Iterator["tifffile.TiffFile"]:
    """Opens a file's directory.

    Raises:
        ValueError: it is damaged; the message can be shown as it is.
    """
    library = _library()
    file.seek(0)
    try:
        with library.TiffFile(file) as found:
            yield found
    except library.TiffFileError as error:
        raise ValueError(f"the TIFF is damaged: {error}") from error


def pages(file: IO[bytes]) -> list[Page]:
    """What the tags of all pictures of a file promise, but overviews and masks.

    Raises:
        ValueError: it is damaged.
    """
    with _opened(file) as found:
        return list(map(_page_of, _pictures(found)))


def _pictures(found: "tifffile.TiffFile") -> Iterator["tifffile.TiffPage"]:
    for number, page in enumerate(found.pages):
        if number == _MOST_PAGES:
            raise ValueError(f"the TIFF has more than {_MOST_PAGES} pages")
        if not page.subfiletype & (_REDUCED | _MASK):
            yield page.aspage()


def _picture(found: "tifffile.TiffFile", number: int) -> "tifffile.TiffPage":
    picture = next(itertools.islice(_pictures(found), number, None), None)
    if picture is None:
        raise ValueError(f"the TIFF has no picture {number}, counted from 0")
    return picture


def _page_of(picture: "tifffile.TiffPage") -> Page:
    height, width = int(picture.imagelength), int(picture.imagewidth)
    if height < 1 or width < 1:
        raise ValueError(f"the TIFF's tags say {height} x {width} pixels")
    turn = picture.tags.valueof(_ORIENTATION, 1)
    return Page(
        height,
        width,
        bool(picture.is_tiled),
        turn if turn in range(1, 9) else 1,
        int(picture.compression) in _LOSSY,
    )


def read(
    file: IO[bytes], number: int, max_pixels: int, window: Window | None = None
) -> tuple[Samples, Page]:
    """Reads a picture, or a part of a tiled one.

    Args:
        file: the TIFF.
        number: of the picture, from 0.
        max_pixels: how many pixels it may have, or the blocks that the part touches.
        window: the part, within the picture; None for all of it.

    Returns:
        The samples, bands last, as they are stored: not turned; where the file says
        that 0 is white, turned to 0 for black.

    Raises:
        ValueError: it is too large, damaged, or of a kind that is not read.
    """
    with _opened(file) as found:
        picture = _picture(found, number)
        promised = _page_of(picture)
        if window is None:
            check_pixels(promised.height, promised.width, max_pixels)
        _check_kind(picture, promised, window)
        values = _values(picture, window, max_pixels)
        return _samples(picture, values), promised


def _check_kind(
    picture: "tifffile.TiffPage", promised: Page, window: Window | None
) -> None:
    if picture.dtype is None:
        raise ValueError(
            f"the TIFF's samples have {picture.bitspersample} bits, which are not read"
        )
    if picture.photometric not in _PHOTOMETRIC and picture.samplesperpixel < 5:
        raise ValueError(
            f"the TIFF's colours are {_name(picture.photometric)}: save it as RGB"
        )
    if picture.imagedepth > 1:
        raise ValueError(f"the TIFF is a volume, {picture.imagedepth} pixels deep")
    pixel_bytes = picture.samplesperpixel * picture.dtype.itemsize
    if window is None and pixel_bytes > _MOST_BYTES_PER_PIXEL:
        raise ValueError(
            f"each of the TIFF's pixels takes {pixel_bytes} bytes, and at most "
            f"{_MOST_BYTES_PER_PIXEL} are read: take out the bands that you need, as "
            "by gdal_translate -b"
        )


def _name(number: Any) -> str:
    return getattr(number, "name", str(number)).lower()


def _values(
    picture: "tifffile.TiffPage", window: Window | None, max_pixels: int
) -> Array:
    """Decodes: [H W] or [H W C]."""
    try:
        if window is None:
            values = picture.asarray(maxworkers=1)
            whole = (picture.imagelength, picture.imagewidth)
            return _bands_last(values, whole, picture)
        return _in_blocks(picture, window, max_pixels)
    except (ValueError, NotImplementedError) as error:
        # tifffile's words where its other half is missing.
        if "imagecodecs" in str(error):
            raise ValueError(
                f"the TIFF is compressed by {_name(picture.compression)}, which "
                "imagecodecs reads: pip install 'maskbeam[tiff]'"
            ) from error
        raise


def _bands_last(
    values: Array, shape: tuple[int, int], picture: "tifffile.TiffPage"
) -> Array:
    samples = picture.samplesperpixel
    if samples == 1:
        return values.reshape(shape)
    if picture.planarconfig == 2:  # one band after the other
        return np.moveaxis(values.reshape(samples, *shape), 0, -1)
    return values.reshape(*shape, samples)


def _in_blocks(picture: "tifffile.TiffPage", window: Window, max_pixels: int) -> Array:
    """Decodes the blocks that a window touches, one by one."""
    high, wide = picture.tilelength, picture.tilewidth
    rows = range(window.top // high, -(-(window.top + window.height) // high))
    columns = range(window.left // wide, -(-(window.left + window.width) // wide))
    check_pixels(len(rows) * high, len(columns) * wide, max_pixels)
    bands = picture.samplesperpixel
    is_planar = bands > 1 and picture.planarconfig == 2
    across = math.ceil(picture.imagewidth / wide)
    down = math.ceil(picture.imagelength / high)
    shape = (window.height, window.width, bands)
    values = np.full(shape, picture.nodata, picture.dtype)
    for plane in range(bands if is_planar else 1):
        into = values[..., plane : plane + 1] if is_planar else values
        for row in rows:
            for column in columns:
                number = (plane * down + row) * across + column
                block = _block(picture, number)
                if block is not None:
                    corner = row * high - window.top, column * wide - window.left
                    _paste(into, block, corner)
    return values[..., 0] if bands == 1 else values


def _block(picture: "tifffile.TiffPage", number: int) -> Array | None:
    """Decodes a block [h w c]; None for one that the file leaves out."""
    file = picture.parent.filehandle
    size = picture.databytecounts[number]
    if not size:
        return None
    file.seek(picture.dataoffsets[number])
    data = file.read(size)
    block, _, _ = picture.decode(data, number, jpegtables=picture.jpegtables)
    if block is None:
        raise ValueError(f"the TIFF's block {number} is damaged")
    return block[0]


def _paste(into: Array, block: Array, corner: tuple[int, int]) -> None:
    """Copies what of a block is within an array.

    Args:
        into: [H W C].
        block: [h w c].
        corner: where the block begins in the array; it may be before its beginning.
    """
    (top, left), (height, width) = corner, into.shape[:2]
    first = max(0, -top), max(0, -left)
    part = block[first[0] : height - top, first[1] : width - left]
    y, x = max(0, top), max(0, left)
    into[y : y + part.shape[0], x : x + part.shape[1]] = part


def _samples(picture: "tifffile.TiffPage", values: Array) -> Samples:
    if picture.photometric == _PALETTE and picture.colormap is not None:
        colors = np.asarray(picture.colormap).T // 257  # of 16 bits
        return Samples(values, colors.astype(np.uint8))
    if picture.photometric == _WHITE_IS_ZERO and values.dtype.kind in "bu":
        bits = picture.bitspersample
        highest = np.array(2**bits - 1).astype(values.dtype)
        return Samples(values ^ highest)
    return Samples(values)
