"""The samples of a picture of any format, as a label map or as an image in PNG."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from maskbeam.transforms import png

_MOST_ID = 65535
_STRIP_VALUES = 1 << 20

Array = npt.NDArray[Any]


class Samples(NamedTuple):
    """What a picture's file holds.

    Attributes:
        values: [H W] or [H W C], of any type of numbers.
        palette: u8[N 3], the colours of values [H W] that are indices of them; None
            where they are not.
        are_named: whether the file says of its bands that they are colours, or alpha.
    """

    values: Array
    palette: npt.NDArray[np.uint8] | None = None
    are_named: bool = True

    @property
    def has_colors(self) -> bool:
        """Whether bands [H W C] are grey, with alpha or without, or colours."""
        bands = self.values.shape[2]
        return bands <= 4 and (self.are_named or bands == 3)


def label_map(found: Samples) -> bytes:
    """Makes a PNG whose samples are the picture's own.

    Args:
        found: [H W] of whole numbers, of 0 and 1, or of indices of a palette; or levels
            u8 or u16 [H W C] of grey with alpha, RGB or RGBA.

    Raises:
        ValueError: it is no label map; the message can be shown as it is.
    """
    values = found.values
    if values.ndim == 2:
        return png.encode_png(ids_of(values), found.palette)
    if not found.has_colors:
        raise ValueError(
            f"it has {values.shape[2]} bands, and a label map has one, or the three of "
            "colours"
        )
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"its colours are {values.dtype}, and those of label maps have 8 or 16 bits"
        )
    return png.encode_png(values)


def ids_of(values: Array) -> npt.NDArray[np.unsignedinteger]:
    """Returns whole numbers u8[H W], or u16[H W] where the file's values are wider.

    Args:
        values: [H W].

    Raises:
        ValueError: a value is none that a label map can hold.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind not in "uif":
        raise ValueError(f"its values are {values.dtype}; label maps hold numbers")
    step = max(1, _STRIP_VALUES // values.shape[1])
    if values.dtype not in (np.uint8, np.uint16):
        for top in range(0, len(values), step):
            _check_strip(values[top : top + step], values)
    narrow = np.uint8 if values.dtype.itemsize == 1 else np.uint16
    return values.astype(narrow, copy=False)


def _check_strip(strip: Array, values: Array) -> None:
    is_whole = (strip == np.rint(strip)) & (strip >= 0) & (strip <= _MOST_ID)
    if is_whole.all():
        return
    value = strip[~is_whole][0]
    count = np.count_nonzero(np.isnan(values) if value != value else values == value)
    raise ValueError(
        f"label value {value} at {count} pixels is no whole number within 0..{_MOST_ID}"
        ", which is what a label map can hold; give ignored pixels one within it, such "
        "as 255"
    )


def image(
    found: Samples,
    bands: tuple[int, ...] | None,
    value_range: tuple[float, float] | None,
) -> bytes:
    """Makes an RGB PNG of 8 bits.

    Args:
        found: grey [H W], or bands [H W C]; alpha, the second or fourth band of a
            picture without `bands`, is left out.
        bands: the numbers of red, green and blue, or of grey, from 1.
        value_range: what becomes black and what white, of values that are not u8; those
            between become the nearest level, those beyond the nearer end, NaN black.

    Raises:
        ValueError: there is no such band, or values have no range; the message can be
            shown as it is.
    """
    values = found.values
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if found.palette is not None:
        values = _colors(values, found.palette)
    values = _in_bands(found._replace(values=values), bands)
    if values.dtype != np.uint8:
        if value_range is None:
            raise ValueError(
                f"its values are {values.dtype}, from {values.min()} to {values.max()}:"
                " say which become black and white, by --image_range MIN,MAX"
            )
        values = _levels(values, value_range)
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    return png.encode_png(values)


def _colors(indices: Array, palette: npt.NDArray[np.uint8]) -> Array:
    if (last := int(indices.max())) >= len(palette):
        raise ValueError(
            f"its palette has {len(palette)} colours, and a pixel has the index {last}"
        )
    return palette[indices]


def _in_bands(found: Samples, bands: tuple[int, ...] | None) -> Array:
    """Takes the bands [H W 1] or [H W 3]."""
    values = found.values
    if values.ndim == 2:
        values = values[..., np.newaxis]
    channels = values.shape[2]
    if bands is not None:
        if max(bands) > channels:
            raise ValueError(
                f"it has {channels} bands, and --image_bands takes band {max(bands)}"
            )
        return values[..., [band - 1 for band in bands]]
    if not found._replace(values=values).has_colors:
        raise ValueError(
            f"it has {channels} bands: say which are red, green and blue, by "
            "--image_bands, as 3,2,1"
        )
    return values[..., : 1 if channels < 3 else 3]


def _levels(values: Array, value_range: tuple[float, float]) -> Array:
    low, high = value_range
    levels = np.empty(values.shape, np.uint8)
    step = max(1, _STRIP_VALUES // max(1, values[0].size))
    for top in range(0, len(values), step):
        strip = values[top : top + step].astype(np.float64)
        scaled = np.nan_to_num((strip - low) * (255 / (high - low)), nan=0.0)
        levels[top : top + step] = np.rint(scaled.clip(0, 255))
    return levels
