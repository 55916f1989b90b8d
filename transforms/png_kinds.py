"""Which PNGs each label encoding reads, by colour type and bit depth.

Colour types and depths are those of the PNG standard (W3C PNG, 11.2.1, table 11.1).
"""

from typing import Literal, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
_NAMES = {
    GREY: "grey",
    RGB: "RGB",
    PALETTE: "palette",
    GREY_ALPHA: "grey with alpha",
    RGBA: "RGBA",
}

Encoding = Literal["index", "color", "panoptic", "instance", "ade20k", "coco_panoptic"]
Channel = Literal["red", "green", "blue", "alpha"]
CHANNELS: tuple[Channel, ...] = ("red", "green", "blue", "alpha")


class Kind(NamedTuple):
    """A kind of PNG.

    Attributes:
        color_type: as in the file's header.
        depth: bits of a sample.
    """

    color_type: int
    depth: int

    def __str__(self) -> str:
        """Returns the kind in words: `8-bit palette`."""
        color = _NAMES.get(self.color_type, f"colour type {self.color_type}")
        return f"{self.depth}-bit {color}"


_BYTE_GREYS = (
    *(Kind(GREY, depth) for depth in (8, 1, 2, 4)),
    Kind(GREY_ALPHA, 8),
)
_GREYS = (*_BYTE_GREYS, Kind(GREY, 16), Kind(GREY_ALPHA, 16))
_PALETTES = tuple(Kind(PALETTE, depth) for depth in (8, 1, 2, 4))
_COLORS = (Kind(RGB, 8), Kind(RGBA, 8))

KINDS: dict[Encoding, tuple[Kind, ...]] = {
    "index": _GREYS + _PALETTES + _COLORS,
    "color": _COLORS + _PALETTES + (Kind(RGB, 16), Kind(RGBA, 16)) + _GREYS,
    "panoptic": _COLORS + _GREYS,
    "instance": _COLORS + _GREYS,
    "ade20k": _COLORS,
    # `pipeline/rows/read.py` turns segment ids into category ids before decoding.
    "coco_panoptic": _GREYS,
}


def index_kinds(channel: Channel | None, threshold: int) -> tuple[Kind, ...]:
    """Returns what `encoding: index` reads.

    Args:
        channel: the channel that holds the ids; None if all are equal.
        threshold: whether samples are levels, which palette indices are not, and those
            of 16 bits are others; 0 if they are ids.
    """
    if channel == "alpha":
        return (Kind(RGBA, 8), Kind(GREY_ALPHA, 8))
    greys = _BYTE_GREYS if threshold else _GREYS
    # A channel is of the palette's colours.
    palettes = _PALETTES if channel or not threshold else ()
    return greys + palettes + _COLORS
