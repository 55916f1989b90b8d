"""Numbers of a report as people read them, and how long their bars are."""

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_UNITS = ("", " k", " M", " G", " T", " P")
_LISTED_SIZES = 10  # more than these are grouped by area
MOST_CLASSES = 500  # in a table: of 3 splits they take half a MB
_GROUPS = 16  # of the numbers of classes in a row, at most
_DECADES = 3, 6  # that a log scale spans, at least and at most
# A scale of areas that people know from coins: 1, 2, 5, 10, ... pixels.
_AREAS = [step * 10**power for power in range(15) for step in (1, 2, 5)]
_IGNORED = (
    "none",
    "below 10 %",
    *(f"{tens}0 to {tens + 1}0 %" for tens in range(1, 9)),
    "90 to below 100 %",
    "all",
)


class Bar(NamedTuple):
    """A number of a table.

    Attributes:
        value: the number itself; None if there is none.
        text: as people read it.
        length: of its bar, from 0 to 1 of the longest that there can be.
    """

    value: float | None
    text: str
    length: float


class ClassCells(NamedTuple):
    """What a table says of a class in a split.

    Attributes:
        split: the split's name.
        share: of the pixels that are not ignored; its bar is on a log scale.
        pixels: how many are of the class; without a bar.
        images: in how many rows it is; its bar is their share of the split's rows.
    """

    split: str
    share: Bar
    pixels: Bar
    images: Bar


class ClassTable(NamedTuple):
    """What a table says of classes.

    Attributes:
        decades: factors of ten that the bars of the shares span, up to 100 %.
        least: the percents at the left end of these bars.
        rows: for each class its index, its cells in each split, and its weight.
        left_out: how many classes are not in it, those with the fewest pixels.
    """

    decades: int
    least: str
    rows: Sequence[tuple[int, Sequence[ClassCells], Bar]]
    left_out: int


class Split(NamedTuple):
    """What a table says of a split.

    Attributes:
        name: the split's.
        records: how many rows it has.
        pixels: how many pixels, ignored ones too.
        ignored: how many are ignored; its bar is their share of all.
        moved: how many were moved to other values; its bar is their share of those of
            the label maps. None where the class map moves none.
        classes: how many classes have pixels.
    """

    name: str
    records: int
    pixels: int
    ignored: Bar
    moved: Bar | None
    classes: int


class Histogram(NamedTuple):
    """How many rows of each split are in a group.

    Attributes:
        name: a word, unique in the page.
        title: what is counted.
        groups: what the groups are of.
        note: what else there is to say; "" for nothing.
        splits: the splits' names.
        rows: (group, a bar for each split), each bar a share of the split's rows.
    """

    name: str
    title: str
    groups: str
    note: str
    splits: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Bar]]]


def short(count: float) -> str:
    """Formats a count: `9,999`, `12.3 k`, `4.56 M`."""
    if count < 10_000:
        return f"{count:,.0f}"
    for unit in _UNITS:
        # 999,500 is 1 M already when three digits are shown.
        if count < 999.5 or unit == _UNITS[-1]:
            return f"{count:.3g}{unit}"
        count /= 1000
    raise AssertionError("the last unit takes all")


def percent(share: float) -> str:
    """Formats a share from 0 to 1: `34.1 %`, `0.012 %`; 0 and 100 only if exact."""
    shown = 100 * share
    if shown in (0, 100):
        return f"{shown:.0f} %"
    if shown >= 99.95:
        return "> 99.9 %"
    if shown < 0.0001:
        return "< 0.0001 %"
    decimals = 1 if shown >= 9.95 else 1 - math.floor(math.log10(shown))
    return f"{shown:.{decimals}f} %"


def whole_percent(share: float) -> str:
    """Formats a share from 0 to 1 in whole percents; 0 and 100 only if exact."""
    if 0 < share < 0.01:
        return "<1"
    return f"{min(round(100 * share), 99 if share < 1 else 100)}"


def class_table(stats: Mapping[str, Any]) -> ClassTable:
    """Makes the table of classes from `stats.json`."""
    splits: Mapping[str, Any] = stats["splits"]
    totals = {split: sum(found["class_pixels"]) for split, found in splits.items()}
    decades = _decades(
        pixels / totals[split]
        for split, found in splits.items()
        for pixels in found["class_pixels"]
        if pixels
    )
    shown = _largest(splits)
    weights = stats["class_weights"]["median_frequency"]
    heaviest = max((weight for weight in weights if weight is not None), default=1)
    rows = [
        (
            index,
            [
                _class_cells(split, found, index, totals[split], decades)
                for split, found in splits.items()
            ],
            _weight(weights[index], heaviest),
        )
        for index in shown
    ]
    least = f"{10.0 ** (2 - decades):.{decades - 2}f}"
    return ClassTable(decades, least, rows, len(weights) - len(rows))


def _largest(splits: Mapping[str, Any]) -> list[int]:
    """The classes that a page has room for: those that have most pixels, in order."""
    pixels = [sum(counts) for counts in _by_class(splits)]
    ordered = sorted(range(len(pixels)), key=lambda index: -pixels[index])
    return sorted(ordered[:MOST_CLASSES])


def _by_class(splits: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    return zip(*(found["class_pixels"] for found in splits.values()), strict=True)


def split_table(stats: Mapping[str, Any]) -> list[Split]:
    """Makes the table of splits from `stats.json`."""
    table = []
    for name, found in stats["splits"].items():
        pixels = sum(found["class_pixels"]) + found["ignored_pixels"]
        ignored = found["ignored_pixels"]
        share = ignored / max(1, pixels)
        bar = Bar(ignored, percent(share), _length(share))
        classes = sum(count > 0 for count in found["class_pixels"])
        moved = _moved(found)
        table.append(Split(name, found["records"], pixels, bar, moved, classes))
    return table


def _moved(found: Mapping[str, Any]) -> Bar | None:
    if (moved := found.get("moved_pixels")) is None:
        return None
    share = moved["pixels"] / max(1, moved["of"])
    return Bar(moved["pixels"], percent(share), _length(share))


def histograms(stats: Mapping[str, Any]) -> list[Histogram]:
    """Makes the histograms of rows that `stats.json` has numbers for."""
    splits: Mapping[str, Any] = stats["splits"]
    of_sizes = {split: found["sizes"] for split, found in splits.items()}
    found = [_sizes(of_sizes)] if any(of_sizes.values()) else []
    for key, make in (
        ("classes_in_rows", _classes_in_rows),
        ("ignored_shares", _ignored_shares),
    ):
        counts = {split: of[key] for split, of in splits.items() if key in of}
        if any(map(any, counts.values())):
            found.append(make(counts, len(stats["classes"])))
    return found


def _decades(shares: Iterable[float]) -> int:
    """Counts the factors of ten of a log scale on which all shares can be seen."""
    needed = math.floor(-math.log10(min(shares, default=1.0))) + 1
    fewest, most = _DECADES
    return min(max(fewest, needed), most)


def _class_cells(
    split: str, found: Mapping[str, Any], index: int, total: int, decades: int
) -> ClassCells:
    pixels, images = found["class_pixels"][index], found["class_images"][index]
    share = pixels / max(1, total)
    length = max(0.001, 1 + math.log10(share) / decades) if pixels else 0
    return ClassCells(
        split,
        Bar(share, percent(share), _length(length)),
        Bar(pixels, short(pixels), 0),
        Bar(images, short(images), _length(images / max(1, found["records"]))),
    )


def _weight(weight: float | None, heaviest: float) -> Bar:
    if weight is None:
        return Bar(None, "none", 0)
    return Bar(weight, f"{weight:,.3g}", _length(weight / heaviest))


def _length(share: float) -> float:
    """Rounds a bar's length; what is not nothing can be seen."""
    return max(0.001, round(share, 3)) if share > 0 else 0


def _histogram(
    names: tuple[str, str, str],
    note: str,
    groups: Sequence[str],
    counts: Mapping[str, Sequence[int]],
) -> Histogram:
    """Makes a histogram: for each split as many counts as there are groups."""
    rows = {split: max(1, sum(of)) for split, of in counts.items()}
    largest = max(max(of) / rows[split] for split, of in counts.items())
    bars = {
        split: [Bar(n, short(n), _length(n / rows[split] / largest)) for n in of]
        for split, of in counts.items()
    }
    by_group = zip(*bars.values(), strict=True)
    return Histogram(
        *names, note, list(counts), list(zip(groups, by_group, strict=True))
    )


def _sizes(of_sizes: Mapping[str, Sequence[Sequence[int]]]) -> Histogram:
    """Counts rows by size; where there are many sizes, by area."""
    sizes = sorted(
        {(h, w) for found in of_sizes.values() for h, w, _ in found},
        key=lambda size: (size[0] * size[1], size),
    )
    if len(sizes) <= _LISTED_SIZES:
        places = {size: place for place, size in enumerate(sizes)}
        counts = _count(of_sizes, lambda h, w: places[h, w], len(sizes))
        names = "sizes", "Sizes", "height × width"
        return _histogram(names, "", [_size(*size) for size in sizes], counts)
    first, last = (_area_group(*size) for size in (sizes[0], sizes[-1]))
    groups = [
        f"{short(low)} to {short(high)}"
        for low, high in itertools.pairwise(_AREAS[first : last + 2])
    ]
    counts = _count(of_sizes, lambda h, w: _area_group(h, w) - first, len(groups))
    note = (
        f"{len(sizes):,} sizes, height × width, from {_size(*sizes[0])} to "
        f"{_size(*sizes[-1])}; {_most_frequent(of_sizes)}."
    )
    return _histogram(("sizes", "Sizes", "pixels"), note, groups, counts)


def _count(
    of_sizes: Mapping[str, Sequence[Sequence[int]]],
    group: Callable[[int, int], int],
    groups: int,
) -> dict[str, list[int]]:
    counts = {split: [0] * groups for split in of_sizes}
    for split, found in of_sizes.items():
        for height, width, count in found:
            counts[split][group(height, width)] += count
    return counts


def _area_group(height: int, width: int) -> int:
    return bisect.bisect_right(_AREAS, height * width) - 1


def _size(height: int, width: int) -> str:
    return f"{height:,} × {width:,}"


def _most_frequent(of_sizes: Mapping[str, Sequence[Sequence[int]]]) -> str:
    totals: dict[tuple[int, int], int] = {}
    for height, width, count in itertools.chain.from_iterable(of_sizes.values()):
        totals[height, width] = totals.get((height, width), 0) + count
    size, rows = max(totals.items(), key=lambda item: item[1])
    return f"the most frequent is {_size(*size)}, of {rows:,} rows"


def _classes_in_rows(counts: Mapping[str, Sequence[int]], classes: int) -> Histogram:
    """Counts rows by how many classes they have, several numbers to a group."""
    last = max(map(len, counts.values())) - 1
    padded = {split: [*of, *[0] * (last + 1 - len(of))] for split, of in counts.items()}
    there = [n for n in range(last + 1) if any(of[n] for of in padded.values())]
    step = math.ceil((there[-1] + 1 - there[0]) / _GROUPS)
    starts = range(there[0], there[-1] + 1, step)
    groups = [_numbers(low, min(low + step - 1, last), last, classes) for low in starts]
    grouped = {
        split: [sum(of[low : low + step]) for low in starts]
        for split, of in padded.items()
    }
    return _histogram(("rows", "Classes in a row", "classes"), "", groups, grouped)


def _numbers(low: int, high: int, last: int, classes: int) -> str:
    """Names a group; the last number stands for all above it too."""
    if high == last < classes:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def _ignored_shares(counts: Mapping[str, Sequence[int]], _: int) -> Histogram:
    names = "ignored", "Ignored pixels in a row", "ignored"
    end = 1 + max(n for of in counts.values() for n, rows in enumerate(of) if rows)
    counts = {split: of[:end] for split, of in counts.items()}
    return _histogram(names, "", _IGNORED[:end], counts)
