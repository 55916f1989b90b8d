"""What a picture of a TIFF holds, or a part of it.

It is decoded by `tifffile`, with `imagecodecs` where the file is compressed.
`tiff_directory` has looked at it before.
"""

import contextlib
import functools
import importlib.util
import logging
import math
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from maskbeam.pipeline.elements import Window
from maskbeam.pipeline.formats import tiff_directory
from maskbeam.pipeline.formats.pixels import check_pixels, too_many_pixels
from maskbeam.pipeline.formats.samples import Array, Samples
from maskbeam.pipeline.formats.tiff_directory import Page
from maskbeam.pipeline.runtime.loading import loading

if TYPE_CHECKING:
    import tifffile

_MOST_BYTES_PER_PIXEL = 32  # of all bands, decoded; a part of a picture has more
_WHITE_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHA = ((1,), (2,))
_PHOTOMETRIC = (_WHITE_IS_ZERO, 1, _RGB, _PALETTE, _YCBCR)


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


def _promised(file: IO[bytes], number: int | None) -> Page:
    pages = tiff_directory.pages(file)
    if number is None and len(pages) != 1:
        raise ValueError(
            f"the TIFF has {len(pages)} pictures, and one is read here: name it .tif, "
            "so that each of them becomes a row"
        )
    number = number or 0
    if number >= len(pages):
        raise ValueError(f"the TIFF has no picture {number}, counted from 0")
    return pages[number]


def read(
    file: IO[bytes],
    number: int | None,
    max_pixels: int,
    window: Window | None = None,
) -> tuple[Samples, Page]:
    """Reads a picture, or a part of a tiled one.

    Args:
        file: the TIFF.
        number: of the picture, from 0; None for the only one.
        max_pixels: how many pixels it may have, or the blocks that the part touches.
        window: the part, within the picture, which is tiled; None for all of it.

    Returns:
        The samples, bands last, as they are stored: not turned; where the file says
        that 0 is white, turned to 0 for black.

    Raises:
        ValueError: it is too large, damaged, or of a kind that is not read.
    """
    promised = _promised(file, number)
    with _opened(file) as found:
        picture = found.pages[promised.number].aspage()
        is_large = promised.height * promised.width > max_pixels
        if is_large and (window is None or not promised.is_tiled):
            raise ValueError(_too_large(promised, max_pixels))
        _check_kind(picture, promised, window, max_pixels)
        values = _values(picture, window, max_pixels)
        return _samples(picture, values), promised


def _too_large(promised: Page, max_pixels: int) -> str:
    what = too_many_pixels(promised.height, promised.width, max_pixels)
    if promised.is_tiled:
        return f"{what}; --tile HxW reads it tile by tile"
    return (
        f"{what}; --tile HxW reads it tile by tile once it is stored in blocks: "
        "gdal_translate -co TILED=YES IN OUT, or tiffcp -t IN OUT"
    )


def _check_kind(
    picture: "tifffile.TiffPage",
    promised: Page,
    window: Window | None,
    max_pixels: int,
) -> None:
    if (picture.imagelength, picture.imagewidth) != (promised.height, promised.width):
        raise ValueError("the TIFF is damaged: its tags say two sizes")
    if picture.is_tiled:
        check_pixels(picture.tilelength, picture.tilewidth, max_pixels)
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
    # What tifffile has in its place inflates whatever there is, without a limit.
    if picture.compression != 1 and importlib.util.find_spec("imagecodecs") is None:
        raise ValueError(
            f"the TIFF is compressed by {_name(picture.compression)}, which is read by "
            "imagecodecs: pip install 'maskbeam[tiff]'"
        )
    if window is not None:
        return _in_blocks(picture, window, max_pixels)
    values = picture.asarray(maxworkers=1)
    return _bands_last(values, (picture.imagelength, picture.imagewidth), picture)


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
    return Samples(values, are_named=_are_named(picture))


def _are_named(picture: "tifffile.TiffPage") -> bool:
    """Whether a file says of its bands that they are colours, or grey and alpha."""
    bands = picture.samplesperpixel
    if bands == 2:
        return tuple(picture.extrasamples) in _ALPHA
    return bands == 1 or picture.photometric in (_RGB, _YCBCR)
