"""Draws rows into a page: small pictures as `data:` URIs, not more than it can hold."""

from collections.abc import Iterable, Iterator

from PIL import Image

from maskbeam.pipeline.report import pictures, uris
from maskbeam.pipeline.report.content import Picture
from maskbeam.pipeline.report.pictures import Row
from maskbeam.transforms.classes import ClassMap

_QUALITY = 80  # of JPEG
# The page must stay below 5 MB. All else on it takes 1 MB at most.
SHOWN_BYTES, REJECTED_BYTES = 3_400_000, 500_000
# The longer side of a picture, in pixels, by how many rows are shown at most.
_SIDES = ((48, 320), (120, 200))
_SMALLEST = 128
# Of a larger row a small picture is not worth the memory that it takes.
MOST_PIXELS, MOST_BYTES = 32 << 20, 256 << 20


def side_of(rows: int) -> int:
    """Returns the longer side of each picture, in pixels, if so many rows are shown."""
    return next((side for most, side in _SIDES if rows <= most), _SMALLEST)


def fitting(drawn: Iterable[Picture], most: int) -> Iterator[Picture]:
    """Yields pictures as long as there is room for them.

    Args:
        drawn: the pictures.
        most: bytes of all of them, as text.
    """
    size = 0
    for found in drawn:
        size += len(found.image) + len(found.label) + len(found.overlay)
        if size > most:
            return
        yield found


def draw(
    place: tuple[str, str], why: str, row: Row, class_map: ClassMap, side: int
) -> Picture:
    """Draws a row.

    Args:
        place: its split and its key.
        why: why it is shown, in words.
        row: the row.
        class_map: what its pixels mean.
        side: the longer one that a picture has at most, in pixels.
    """
    panels = pictures.panels_of(row, class_map, side)
    drawn = row.label if row.label is not None else row.levels
    height, width = (0, 0) if drawn is None else drawn.shape[:2]
    return Picture(
        *place,
        why,
        height,
        width,
        _uri(panels.image, "jpeg"),
        _uri(panels.label, "png"),
        _uri(panels.both, "jpeg"),
        row.shares,
        row.notes,
    )


def _uri(picture: Image.Image | None, kind: str) -> str:
    if picture is None:
        return ""
    return uris.of_picture(picture, kind, quality=_QUALITY, optimize=kind == "jpeg")
