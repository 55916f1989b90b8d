"""What a report says, before it is a page."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Picture(NamedTuple):
    """A row of the contact sheet, its pictures as `data:` URIs.

    Attributes:
        split: the row's.
        key: the row's.
        why: why it is shown: "by chance", "most of bicycle", "most ignored pixels".
        height: of the label map, in pixels.
        width: of the label map, in pixels.
        image: the image; "" if rows have none.
        label: the label map in the classes' colours; "" if it cannot be decoded.
        overlay: both together; "" if rows have no images.
        shares: (class index or -1 for ignored or -2 for unknown, its share of the
            pixels), the largest first.
        notes: what you should know of it, a line each: why it was rejected.
    """

    split: str
    key: str
    why: str
    height: int
    width: int
    image: str
    label: str
    overlay: str
    shares: Sequence[tuple[int, float]]
    notes: Sequence[str] = ()


class Content(NamedTuple):
    """What a report says.

    Attributes:
        name: of the dataset.
        refused: why a run made no dataset; "" if it made one.
        facts: of the head: (what, text) in order: rows, classes, sizes, encoding, when,
            versions.
        command: the command that makes the dataset again; "" if nobody knows it.
        stats: as `stats.json` has them; None if there is no dataset.
        thresholds: (name of a finding, when there is one), of all that were looked for.
        colors: of the classes, red, green and blue from 0 to 255.
        pictures: the contact sheet.
        rejected: rejected rows that can be shown.
        reasons: of rejected rows: (how many, stage, an example in words).
        classes: the classes' names, where there are no `stats` that have them.
    """

    name: str
    refused: str
    facts: Sequence[tuple[str, str]]
    command: str
    stats: Mapping[str, Any] | None
    thresholds: Sequence[tuple[str, str]]
    colors: Sequence[tuple[int, int, int]]
    pictures: Sequence[Picture]
    rejected: Sequence[Picture]
    reasons: Sequence[tuple[int, str, str]]
    classes: Sequence[str] = ()
