"""Draws rows into a page: small pictures as `data:` URIs, not more than it can hold."""

import base64
import io
from collections.abc import Iterable, Iterator

from PIL import Image

from maskbeam.pipeline.report import pictures
from maskbeam.pipeline.report.content import Picture
from maskbeam.pipeline.report.pictures import Row
from maskbeam.transforms.classes import ClassMap

_QUALITY = 80  # of JPEG
# The page must stay below 5 MB. All else on it takes 1 MB at most.
SHOWN_BYTES, REJECTED_BYTES = 3_400_000, 500_000
# The longer side of a picture, in pixels, by how many rows are shown at most.
_SIDES = ((48, 320), (120, 200))
_SMALLEST = 128


def side_of(rows: int) -> int:
    """Returns the longer side of each picture, in pixels, if so many rows are shown."""
    return next((side for most, side in _SIDES if rows <= most), _SMALLEST)


def draw(
    rows: Iterable[tuple[str, str, str, Row]],
    class_map: ClassMap,
    side: int,
    most: int,
) -> Iterator[Picture]:
    """Draws rows, as long as there is room for them.

    Args:
        rows: split, key, why it is shown, and the row.
        class_map: what its pixels mean.
        side: the longer one that a picture has at most, in pixels.
        most: bytes of all pictures, as text.
    """
    size = 0
    for split, key, why, row in rows:
        found = _picture(split, key, why, row, class_map, side)
        size += len(found.image) + len(found.label) + len(found.overlay)
        if size > most:
            return
        yield found


def _picture(
    split: str, key: str, why: str, row: Row, class_map: ClassMap, side: int
) -> Picture:
    panels = pictures.panels_of(row, class_map, side)
    drawn = row.label if row.label is not None else row.levels
    height, width = (0, 0) if drawn is None else drawn.shape[:2]
    return Picture(
        split,
        key,
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
    encoded = io.BytesIO()
    picture.save(encoded, kind, quality=_QUALITY, optimize=kind == "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"
