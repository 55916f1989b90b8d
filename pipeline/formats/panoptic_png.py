"""COCO's panoptic PNGs to label maps of category ids."""

import itertools

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import Segment
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.formats.pixels import check_pixels
from maskbeam.transforms import decode, png
from maskbeam.transforms.png_kinds import RGB, RGBA

_STRIP_PIXELS = 1 << 20


def category_map(data: bytes, segments: tuple[Segment, ...], max_pixels: int) -> bytes:
    """Turns segment ids into category ids.

    Args:
        data: an RGB PNG of segment ids; 0 is void.
        segments: what they are.
        max_pixels: the largest picture that is decoded.

    Returns:
        A grey PNG of category ids; void stays 0.

    Raises:
        ValueError: the PNG is too large, damaged or of another kind, a segment is only
            in the PNG or only in the JSON, or its area is not what the JSON says.
    """
    found = picture_header.read_header(data)
    if found.kind is None or found.kind not in ((RGB, 8), (RGBA, 8)):
        kind = "JPEG" if found.kind is None else found.kind
        raise ValueError(f"label map: {kind}, and COCO's panoptic PNGs are 8-bit RGB")
    check_pixels(found.height, found.width, max_pixels)
    table = _Table(segments)
    try:
        levels = decode.rgb_levels(data).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"label map: damaged or cut off: {error.message}") from error
    if levels.shape[:2] != (found.height, found.width):
        raise ValueError(
            f"label map: its header promises {found.height} x {found.width} pixels, "
            f"and {levels.shape[0]} x {levels.shape[1]} are there"
        )
    mapped = np.empty(levels.shape[:2], table.dtype)
    step = max(1, _STRIP_PIXELS // found.width)
    for top in range(0, found.height, step):
        table.map(levels[top : top + step], mapped[top : top + step])
    del levels  # before the PNG is made
    table.check_areas()
    return png.encode_png(mapped)


class _Table:
    """The categories of one picture's segments, and how many pixels each has.

    Attributes:
        dtype: u8 or u16, as the categories need it.

    Raises:
        ValueError: a segment is there twice, or its category is none.
    """

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self._segments = sorted(segments)
        for one, other in itertools.pairwise(self._segments):
            if one.id == other.id:
                raise ValueError(f"segment {one.id} is twice in the JSON's picture")
        for one in self._segments:
            if not 0 < one.category <= np.iinfo(np.uint16).max:
                raise ValueError(f"segment {one.id} has the category {one.category}")
        # Others cannot be in a PNG, and so are not found there.
        possible = [one for one in self._segments if 0 < one.id < 1 << 24]
        largest = max((one.category for one in possible), default=0)
        self.dtype = np.dtype(np.uint8 if largest < 256 else np.uint16)
        self._ids = np.array([0, *(one.id for one in possible)], np.uint32)
        self._categories = np.array([0, *(o.category for o in possible)], self.dtype)
        self._areas = np.zeros(len(self._ids), np.int64)
        self._unknown: tuple[int, int] | None = None  # the smallest, and its area

    def map(
        self, levels: npt.NDArray[np.uint8], mapped: npt.NDArray[np.unsignedinteger]
    ) -> None:
        """Maps some rows, and counts the pixels of their segments.

        Args:
            levels: u8[H W 3] of the PNG.
            mapped: u8[H W] or u16[H W], to be filled.
        """
        red, green, blue = np.moveaxis(levels, -1, 0)
        ids = red.astype(np.uint32)
        ids |= green.astype(np.uint32) << 8
        ids |= blue.astype(np.uint32) << 16
        place = np.searchsorted(self._ids, ids, side="right") - 1
        unknown = ids[self._ids[place] != ids]
        if unknown.size:
            value = int(unknown.min())
            smallest, area = self._unknown or (value, 0)
            if value <= smallest:
                area = area if value == smallest else 0
                area += int(np.count_nonzero(unknown == value))
                self._unknown = value, area
        self._areas += np.bincount(place.reshape(-1), minlength=len(self._ids))
        np.take(self._categories, place, out=mapped)

    def check_areas(self) -> None:
        """Compares what was counted with the JSON.

        Raises:
            ValueError: a segment is only in one of them, or its areas differ.
        """
        if self._unknown is not None:
            raise ValueError(
                f"label map: segment {self._unknown[0]} at {self._unknown[1]} pixels "
                "is not in the JSON: are the PNG and the JSON of one release?"
            )
        areas = dict(zip(self._ids[1:].tolist(), self._areas[1:].tolist(), strict=True))
        for one in self._segments:
            area = areas.get(one.id, 0)
            if area == 0:
                raise ValueError(
                    f"label map: segment {one.id} of the JSON is not in the PNG: are "
                    "the two of one release?"
                )
            if area != one.area:
                raise ValueError(
                    f"label map: segment {one.id} has {area} pixels, and its area in "
                    f"the JSON is {one.area}: the PNG was resized or edited"
                )
