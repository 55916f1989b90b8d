"""Rows that a report may show, chosen by what is in them and by their keys' ranks.

So the same rows are chosen whatever the order, the workers and the engine.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MOST_IGNORED = 3  # rows
OF_CLASS = 3  # rows that have the most pixels of a class
CLASSES = 256  # beyond, no rows are chosen by class


class Seen(NamedTuple):
    """A row, and where its record is.

    Attributes:
        rank: the rank of its key.
        key: unique within its split.
        shard: the number of its shard.
        path: the fragment that has its record.
        offset: where the record begins there, in bytes.
        length: the record's, in bytes.
        height: the mask's, in pixels.
        width: the mask's, in pixels.
        classes: i64[n], those that occur.
        pixels: i64[n], of each of these.
        ignored: how many pixels are ignored.
    """

    rank: int
    key: str
    shard: int
    path: str
    offset: int
    length: int
    height: int
    width: int
    classes: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    ignored: int

    @property
    def order(self) -> tuple[int, str]:
        """What orders rows by chance, and everywhere alike."""
        return self.rank, self.key

    @property
    def is_partly_ignored(self) -> bool:
        """Whether some pixels are ignored, and some are of a class."""
        return self.ignored > 0 and self.classes.size > 0

    @property
    def ignored_share(self) -> float:
        """The share of the pixels that is ignored."""
        return self.ignored / (self.height * self.width)


def chosen(rows: Sequence[Seen], num_classes: int, shown: int) -> list[Seen]:
    """Chooses rows to show.

    Of the rows that were chosen of parts it chooses what it would of all rows.

    Args:
        rows: to choose from.
        num_classes: K.
        shown: how many of the lowest ranks.

    Returns:
        By rank: those of the lowest ranks, those with the most ignored pixels, and for
        each class those that have most of it.
    """
    ordered = sorted(rows, key=lambda row: row.order)
    numbers = {*range(min(shown, len(ordered))), *_most_ignored(ordered)}
    if num_classes <= CLASSES:
        numbers.update(number for _, number in most_of_classes(ordered))
    return [ordered[number] for number in sorted(numbers)]


def _most_ignored(rows: Sequence[Seen]) -> list[int]:
    """The numbers of rows with the largest shares of ignored pixels, but not all."""
    some = [n for n, row in enumerate(rows) if row.is_partly_ignored]
    return sorted(some, key=lambda n: -rows[n].ignored_share)[:MOST_IGNORED]


def most_of_classes(rows: Sequence[Seen]) -> list[tuple[int, int]]:
    """Finds the rows that have the most pixels of each class.

    Args:
        rows: by rank.

    Returns:
        (class, number of the row), a few rows for each class, the one with most first.
    """
    if not rows:
        return []
    classes = np.concatenate([row.classes for row in rows])
    pixels = np.concatenate([row.pixels for row in rows])
    numbers = np.repeat(np.arange(len(rows)), [row.classes.size for row in rows])
    order = np.lexsort((numbers, -pixels, classes))
    classes, numbers = classes[order], numbers[order]
    starts = np.searchsorted(classes, classes)
    is_first = np.arange(classes.size) - starts < OF_CLASS
    return list(
        zip(classes[is_first].tolist(), numbers[is_first].tolist(), strict=True)
    )
