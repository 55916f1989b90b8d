"""BMP, GIF, netpbm, WebP, and JPEG label maps: decoded by Pillow, which has no limits.

So what a header promises is judged before anything is decoded.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np

from maskbeam.pipeline.formats.pixels import check_pixels
from maskbeam.pipeline.formats.samples import Array, Samples

_FORMATS = ("BMP", "GIF", "PPM", "WEBP", "JPEG")
_ORIENTATION = 274
# Netpbm's plain and raw formats of bits, grey and colours (pbm(5), pgm(5), ppm(5)).
_PNM = re.compile(rb"P([1-6])\s")
_PNM_HEAD = re.compile(rb"P[2356](?:\s|#[^\n]*\n)+(?:\d+(?:\s|#[^\n]*\n)+){2}(\d+)\s")
_LOOKED_AT = 1 << 12


class Promise(NamedTuple):
    """What a picture's header promises; `turn` is its orientation, as EXIF has it."""

    height: int
    width: int
    turn: int


def is_read(data: bytes) -> bool:
    """Checks a file's first bytes, of all that is read here but JPEG."""
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    starts = (b"BM", b"GIF87a", b"GIF89a")
    return is_webp or data.startswith(starts) or _PNM.match(data) is not None


@contextlib.contextmanager
def _opened(file: IO[bytes]) -> Iterator[Any]:
    """Opens a picture, of which nothing is decoded yet."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs, which are judged by their pixels
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                yield picture
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
        except UnidentifiedImageError:
            raise ValueError("damaged: its header cannot be read") from None


def promise(file: IO[bytes]) -> Promise:
    """What a picture's header promises.

    Raises:
        ValueError: it is damaged, or none that is read here.
    """
    with _opened(file) as picture:
        return _promise_of(picture)


def _promise_of(picture: Any) -> Promise:
    turn = picture.getexif().get(_ORIENTATION, 1) if picture.format == "WEBP" else 1
    return Promise(picture.height, picture.width, turn if turn in range(1, 9) else 1)


def read(
    file: IO[bytes], max_pixels: int, *, as_stored: bool = False
) -> tuple[Samples, Promise]:
    """Decodes a picture.

    Args:
        file: the encoded picture.
        max_pixels: how many pixels it may have.
        as_stored: whether netpbm's grey samples are taken as they are, and not as
            shares of the largest one that the file may have.

    Returns:
        Its own samples, not turned; and what its header promises.

    Raises:
        ValueError: it is too large, damaged, or moves.
    """
    with _opened(file) as picture:
        promised = _promise_of(picture)
        check_pixels(promised.height, promised.width, max_pixels)
        if (frames := getattr(picture, "n_frames", 1)) > 1:
            raise ValueError(
                f"it has {frames} frames, and a picture has one: save each by itself"
            )
        try:
            picture.load()
        except (OSError, SyntaxError) as error:
            raise ValueError(f"damaged or cut off: {error}") from error
        samples = _samples(picture)
        is_grey = picture.format == "PPM" and samples.values.ndim == 2
        if is_grey and (as_stored or samples.values.dtype != np.uint8):
            samples = samples._replace(values=_unscaled(samples.values, file))
        return samples, promised


def _samples(picture: Any) -> Samples:
    if picture.mode == "P":
        colors = picture.getpalette("RGB") or []
        palette = np.array(colors, np.uint8).reshape(-1, 3)
        return Samples(np.asarray(picture), palette if len(palette) else None)
    if picture.mode in ("CMYK", "YCbCr"):
        picture = picture.convert("RGB")
    return Samples(np.asarray(picture))


def _unscaled(values: Array, file: IO[bytes]) -> Array:
    """Returns the file's own samples, which Pillow scales to 8 bits, or to 16."""
    file.seek(0)
    found = _PNM_HEAD.match(file.read(_LOOKED_AT))
    if found is None:  # bits
        return values
    highest = int(found[1])
    scaled_to = 255 if highest < 256 else 65535
    if highest == scaled_to:
        return values.astype(np.uint16) if scaled_to > 255 else values
    own = np.rint(values.astype(np.float64) * highest / scaled_to)
    return own.astype(np.uint8 if highest < 256 else np.uint16)
