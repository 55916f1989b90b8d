"""Chooses the rows that a report shows, the same ones on every engine."""

import collections
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from maskbeam.pipeline.rows import seen
from maskbeam.pipeline.rows.seen import Seen
from maskbeam.transforms.classes import ClassMap

CHANCE, IGNORED = "by chance", "most ignored pixels"


class Choice(NamedTuple):
    """A row to be shown.

    Attributes:
        split: the row's.
        row: the row.
        why: why it is shown, in words.
    """

    split: str
    row: Seen
    why: str


def choose(
    rows: Mapping[str, list[Seen]],
    class_map: ClassMap,
    class_pixels: Sequence[int],
    shown: int,
) -> list[Choice]:
    """Chooses rows.

    Args:
        rows: of each split, as `seen.chosen` returns them.
        class_map: the names of the classes.
        class_pixels: of each class, in all splits.
        shown: how many to show by chance; 0 for none at all.

    Returns:
        Those of the lowest ranks, of each split in turn; those that have most of the
        rarest class; those with the most ignored pixels; and for each class that is in
        none of these the one that has most of it.
    """
    if not shown:
        return []
    chosen: dict[tuple[str, str], Choice] = {}
    by_class = _by_class(rows, class_map)
    rarest_first = sorted(by_class, key=lambda number: (class_pixels[number], number))
    for choice in (
        *itertools.islice(_by_chance(rows), shown),
        *(by_class[rarest_first[0]] if rarest_first else ()),
        *_most_ignored(rows),
    ):
        chosen.setdefault((choice.split, choice.row.key), choice)
    there = {int(c) for choice in chosen.values() for c in choice.row.classes}
    for number in rarest_first:
        if number not in there:
            choice = by_class[number][0]
            chosen[choice.split, choice.row.key] = choice
            there.update(choice.row.classes.tolist())
    return list(chosen.values())


def _by_chance(rows: Mapping[str, list[Seen]]) -> Iterator[Choice]:
    for of_splits in itertools.zip_longest(*rows.values()):
        for split, row in zip(rows, of_splits, strict=True):
            if row is not None:
                yield Choice(split, row, CHANCE)


def _most_ignored(rows: Mapping[str, list[Seen]]) -> list[Choice]:
    some = [
        Choice(split, row, IGNORED)
        for split, of_split in rows.items()
        for row in of_split
        if row.is_partly_ignored
    ]
    most = sorted(some, key=lambda c: (-c.row.ignored_share, c.row.order))
    return most[: seen.MOST_IGNORED]


def _by_class(
    rows: Mapping[str, list[Seen]], class_map: ClassMap
) -> dict[int, list[Choice]]:
    """The rows that have most of each class, the one with most first."""
    found: dict[int, list[Choice]] = collections.defaultdict(list)
    if class_map.num_classes <= seen.CLASSES:
        every = [(split, row) for split, of_split in rows.items() for row in of_split]
        for number, place in seen.most_of_classes([row for _, row in every]):
            why = f"most of {class_map.names[number]}"
            found[number].append(Choice(*every[place], why))
    return found
