"""Draws a row: its image, its label map in the classes' colours, and both together."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from maskbeam.pipeline.report.colors import colors_of
from maskbeam.transforms.classes import IGNORED, UNKNOWN, ClassMap

_SIDE = 640  # in pixels, of a panel at most
_TINY, _ENLARGED = 160, 320
_GAP = 8
_LINE = 20
_TEXT = 14
_SWATCH = 12
_PAPER, _INK = (255, 255, 255), (32, 32, 32)
# No class has stripes.
_STRIPES = {
    IGNORED: ((150, 150, 150), (190, 190, 190)),
    UNKNOWN: ((255, 0, 255), (0, 0, 0)),
}
_NAMES = {IGNORED: "ignored", UNKNOWN: "unknown to the class map"}
_STRIPE = 8  # in pixels
_OPAQUE = 0.55  # of the label in the overlay

Pixels = npt.NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Row(NamedTuple):
    """A row to be drawn.

    Attributes:
        title: what it is called.
        label: i32[H W], class indices, `IGNORED` or `UNKNOWN`; None if it cannot be
            decoded.
        levels: u8[H W 3], the image; None if there is none.
        notes: what you should know of it, a line each.
    """

    title: str
    label: npt.NDArray[np.int32] | None
    levels: Pixels | None
    notes: tuple[str, ...] = ()

    @property
    def are_alike(self) -> bool:
        """Whether there are a label map and an image, of one size."""
        label, levels = self.label, self.levels
        if label is None or levels is None:
            return False
        return label.shape == levels.shape[:2]

    @property
    def shares(self) -> list[tuple[int, float]]:
        """What its pixels mean, and the share of each, the largest first."""
        if self.label is None:
            return []
        meanings, pixels = np.unique(self.label, return_counts=True)
        order = np.argsort(-pixels, kind="stable")
        return [(int(meanings[n]), float(pixels[n] / self.label.size)) for n in order]


class Panels(NamedTuple):
    """A row's pictures, all in one size; None for what there is not.

    Attributes:
        image: the image.
        label: the label map in the classes' colours.
        both: the label map laid over the image.
    """

    image: Image.Image | None = None
    label: Image.Image | None = None
    both: Image.Image | None = None


def draw(row: Row, class_map: ClassMap) -> Image.Image:
    """Draws a row: panels side by side, below them the classes that are in it."""
    panels = [panel for panel in panels_of(row, class_map, _SIDE) if panel is not None]
    width = sum(p.width for p in panels) + _GAP * (len(panels) + 1)
    font = ImageFont.load_default(_TEXT)
    width = max(width, _SIDE)
    legend = _wrapped(_legend(row, class_map), width, font)
    texts = (row.title, *row.notes)
    wrapped = [part for text in texts for part in _broken(text, width, font)]
    height = max((panel.height for panel in panels), default=0)
    below = len(wrapped) + len(legend)
    page = Image.new("RGB", (width, height + 3 * _GAP + _LINE * below), _PAPER)
    pen = ImageDraw.Draw(page)
    left = top = _GAP
    for panel in panels:
        page.paste(panel, (left, top))
        left += panel.width + _GAP
    top += height + _GAP
    for text in wrapped:
        pen.text((_GAP, top), text, _INK, font)
        top += _LINE
    for entries in legend:
        left = _GAP
        for sample, text in entries:
            edge = _around(left, top)
            page.paste(sample, edge[:2])
            pen.rectangle(edge, outline=_INK)
            pen.text((left + _SWATCH + 4, top), text, _INK, font)
            left += _taken(text, font)
        top += _LINE
    return page


def stack(pages: Sequence[Image.Image]) -> Image.Image:
    """Puts pictures below one another."""
    size = max(page.width for page in pages), sum(page.height for page in pages)
    sheet = Image.new("RGB", size, _PAPER)
    top = 0
    for page in pages:
        sheet.paste(page, (0, top))
        top += page.height
    return sheet


def colored(label: npt.NDArray[np.int32], class_map: ClassMap) -> Pixels:
    """Draws a label map in the classes' colours: i32[H W] -> u8[H W 3].

    Ignored and unknown pixels are striped.
    """
    colors = colors_of(class_map)
    found: Pixels = colors[np.maximum(label, 0)]
    height, width = label.shape
    diagonal = np.add.outer(np.arange(height), np.arange(width)) // _STRIPE % 2
    for meaning, stripes in _STRIPES.items():
        at = label == meaning
        found[at] = np.array(stripes, np.uint8)[diagonal[at]]
    return found


def overlay(levels: Pixels, label: npt.NDArray[np.int32], colors: Pixels) -> Pixels:
    """Lays a label map in colours over its image; ignored pixels stay the image's."""
    mixed = levels * (1 - _OPAQUE) + colors * _OPAQUE
    kept = (label == IGNORED)[..., np.newaxis]
    found: Pixels = np.where(kept, levels, np.rint(mixed)).astype(np.uint8)
    return found


def panels_of(row: Row, class_map: ClassMap, side: int) -> Panels:
    """Draws what there is of a row.

    Args:
        row: the row.
        class_map: what its pixels mean.
        side: the longer one that a panel has at most, in pixels.
    """
    label, levels = row.label, row.levels
    image = None
    if levels is not None:
        image = _fitted(Image.fromarray(levels), side, Image.Resampling.LANCZOS)
    if label is None:
        return Panels(image)
    # In the size that is shown, so that stripes are as wide everywhere.
    nearest = Image.Resampling.NEAREST
    shown = np.asarray(_fitted(Image.fromarray(label), side, nearest))
    colors = colored(shown, class_map)
    both = None
    if image is not None and row.are_alike:
        both = Image.fromarray(overlay(np.asarray(image), shown, colors))
    return Panels(image, Image.fromarray(colors), both)


def _fitted(
    picture: Image.Image, side: int, resampling: Image.Resampling
) -> Image.Image:
    """Makes a picture no larger than a panel; a tiny one becomes larger."""
    largest = max(picture.size)
    if largest <= _TINY:
        times = max(1, min(_ENLARGED, side) // largest)
        size = picture.width * times, picture.height * times
        if times > 1 or largest <= side:
            return picture.resize(size, Image.Resampling.NEAREST)
    scale = min(1.0, side / largest)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), resampling)


def _legend(row: Row, class_map: ClassMap) -> Iterable[tuple[Image.Image, str]]:
    """Yields a sample and a text for what a label map has, the most first."""
    for meaning, share in row.shares:
        name = _NAMES.get(meaning) or class_map.names[meaning]
        swatch = np.full((_SWATCH, _SWATCH), meaning, np.int32)
        sample = Image.fromarray(colored(swatch, class_map))
        text = f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"
        yield sample, f"{name} {text}"


def _around(left: int, top: int) -> tuple[int, int, int, int]:
    """The edge of a sample."""
    top += (_LINE - _SWATCH) // 2 - 1
    return left, top, left + _SWATCH - 1, top + _SWATCH - 1


def _taken(text: str, font: Font) -> int:
    """How wide an entry of the legend is."""
    return _SWATCH + 4 + round(font.getlength(text)) + 2 * _GAP


def _wrapped(
    entries: Iterable[tuple[Image.Image, str]],
    width: int,
    font: Font,
) -> list[list[tuple[Image.Image, str]]]:
    """Breaks a legend into lines."""
    lines: list[list[tuple[Image.Image, str]]] = []
    left = width
    for sample, text in entries:
        taken = _taken(text, font)
        if left + taken > width:
            lines.append([])
            left = _GAP
        lines[-1].append((sample, text))
        left += taken
    return lines


def _broken(text: str, width: int, font: Font) -> Iterable[str]:
    """Breaks a text into lines."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}".lstrip()
        if line and font.getlength(longer) > width - 2 * _GAP:
            yield line
            longer = word
        line = longer
    yield line
