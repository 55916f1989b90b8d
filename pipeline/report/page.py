"""Makes a report's page: one HTML file that loads nothing and runs nothing."""

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from maskbeam.pipeline import terminal
from maskbeam.pipeline.report import charts, heat_maps
from maskbeam.pipeline.report.content import Content, Picture

_TEMPLATE = "report.html.j2"
_TINY = 160  # in pixels: smaller pictures are shown larger than they are
_SHOWN_CLASSES = 6  # of a picture
_FEW_CLASSES = 40  # of more, tables are compact and lists folded
_NOT_CLASSES = {-1: "ignored", -2: "unknown"}


class Entry(NamedTuple):
    """A class of a legend.

    Attributes:
        name: the class's, or what its pixels are instead.
        color: the class's, as CSS has it; "" if it is none.
        share: of the pixels, as people read it; "" if nothing is said of it.
    """

    name: str
    color: str
    share: str = ""


class Card(NamedTuple):
    """A row of the contact sheet.

    Attributes:
        row: the row.
        panels: its pictures: (what it shows, `data:` URI).
        is_tiny: whether its pixels are to be seen one by one.
        legend: what is in it, the most first.
        more: how many classes the legend leaves out.
    """

    row: Picture
    panels: Sequence[tuple[str, str]]
    is_tiny: bool
    legend: Sequence[Entry]
    more: int


def render(content: Content) -> str:
    """Makes the page.

    Args:
        content: what it says.

    Returns:
        HTML, which UTF-8 can encode whatever the content quotes.
    """
    classes = _classes(content)
    shown = {
        "pictures": [_card(row, classes) for row in content.pictures],
        "rejected": [_card(row, classes) for row in content.rejected],
        **_of_stats(content.stats or {}),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(_TEMPLATE).render(
        content=content,
        classes=classes,
        few=len(classes) <= _FEW_CLASSES,
        most=charts.MOST_CLASSES,
        sections=list(_sections(content, shown)),
        shades=heat_maps.shades(),
        short=charts.short,
        **shown,
    )


def _printable(value: object) -> object:
    """Escapes what no page can show, before the rest is escaped for HTML."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return terminal.escaped(value)
    return value


def _of_stats(stats: Any) -> dict[str, Any]:
    """Makes tables and pictures of `stats.json`, None for what it does not have."""
    maps, meetings = stats.get("heat_maps"), stats.get("co_occurrence")
    return {
        "table": charts.class_table(stats) if stats else None,
        "splits": charts.split_table(stats) if stats else None,
        "histograms": charts.histograms(stats) if stats else None,
        "heat_maps": heat_maps.heat_maps(maps) if maps else None,
        # One class meets no other.
        "co_occurrence": (
            heat_maps.co_occurrence(meetings) if meetings and meetings[1:] else None
        ),
    }


def _sections(content: Content, shown: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yields the page's sections that are not empty: (id, title)."""
    is_rejected = content.reasons or content.rejected
    if content.stats is not None:
        yield "findings", "Findings"
        is_rejected = is_rejected or content.stats["rejected"]
    if shown["pictures"]:
        yield "pictures", "Pictures"
    if is_rejected:
        yield "rejected", "Rejected rows"
    if shown["splits"]:
        yield "splits", "Splits"
        yield "pixels", "Classes"
    if shown["histograms"]:
        yield "rows", "Rows"
    if shown["heat_maps"]:
        yield "places", "Where classes are"
    if shown["co_occurrence"]:
        yield "together", "Classes in one image"


def _classes(content: Content) -> list[Entry]:
    names = content.stats["classes"] if content.stats else content.classes
    colors = ("#{:02x}{:02x}{:02x}".format(*color) for color in content.colors)
    return [Entry(*named) for named in zip(names, colors, strict=True)]


def _card(row: Picture, classes: Sequence[Entry]) -> Card:
    panels = [
        ("Image", row.image),
        ("Label map", row.label),
        ("Overlay", row.overlay),
    ]
    legend = [_entry(*share, classes) for share in row.shares[:_SHOWN_CLASSES]]
    return Card(
        row,
        [(what, uri) for what, uri in panels if uri],
        max(row.height, row.width) <= _TINY,
        legend,
        len(row.shares) - len(legend),
    )


def _entry(meaning: int, share: float, classes: Sequence[Entry]) -> Entry:
    if name := _NOT_CLASSES.get(meaning):
        return Entry(name, "", charts.percent(share))
    return classes[meaning]._replace(share=charts.percent(share))
