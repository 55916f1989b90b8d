"""What a report says of all rows of a split: sums, and which rows it may show."""

import collections
import dataclasses
import functools
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.rows import looks, seen
from maskbeam.pipeline.rows.looks import GRID, Look
from maskbeam.pipeline.rows.moves import Moved
from maskbeam.pipeline.rows.seen import Seen
from maskbeam.transforms.summaries import RowSummary

Sums = npt.NDArray[np.int64]

CLASSES = seen.CLASSES  # beyond, no heat maps, and nobody says which occur together
ALL_IGNORED = 11  # the last bin of `Profile.ignored_shares`

_APART = 64  # classes in a row, at most, that have a bin of their own
_HELD = 1024  # rows, before some are chosen


class Counted(Protocol):
    """A row of which sums are made."""

    @property
    def height(self) -> int:
        """The mask's height, in pixels."""

    @property
    def width(self) -> int:
        """The mask's width, in pixels."""

    @property
    def summary(self) -> RowSummary:
        """The row's summary."""

    @property
    def look(self) -> Look:
        """At some of the pixels."""


@dataclasses.dataclass(eq=False)
class Profile:
    """What is known of some rows of a split; it adds up in any order.

    Attributes:
        num_classes: K.
        shown: how many rows of the lowest ranks may be shown.
        counts: how many `rows` there are; how many label maps have pixels of
            `one_class` alone; how many images have `one_color`; how many label maps
            were `looked_at` for stray pixels, and how many have many (`stray`); how
            many were `drawn`, and how many pixels several classes claimed in these
            (`overlapping`).
        classes_in_rows: i64[n], rows by how many classes occur; the last is of so many
            or more.
        ignored_shares: i64[12], rows by their share of ignored pixels: none; less than
            a tenth, and so on; all.
        sampled: i64[256 K+1], what pixels of `looks.sampled` are, by cell of the frame
            in reading order, and by class; the last is ignored. None beyond 256
            classes.
        together: i64[K K], rows in which two classes occur. None likewise.
        moved: pixels of label maps that were moved to values of the class map.
        seen: rows that may be shown.
    """

    num_classes: int
    shown: int
    counts: collections.Counter[str] = dataclasses.field(init=False)
    classes_in_rows: Sums = dataclasses.field(init=False)
    ignored_shares: Sums = dataclasses.field(init=False)
    sampled: Sums | None = dataclasses.field(init=False, default=None)
    together: Sums | None = dataclasses.field(init=False, default=None)
    moved: Moved = dataclasses.field(init=False, default=Moved())
    seen: list[Seen] = dataclasses.field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Starts with no rows."""
        classes = self.num_classes
        self.counts = collections.Counter()
        self.classes_in_rows = np.zeros(min(classes, _APART) + 1, np.int64)
        self.ignored_shares = np.zeros(ALL_IGNORED + 1, np.int64)
        if classes <= CLASSES:
            self.sampled = np.zeros((GRID**2, classes + 1), np.int64)
            self.together = np.zeros((classes, classes), np.int64)
        self._most = _HELD  # rows in `seen`

    def add_rows(self, rows: Sequence[Counted]) -> None:
        """Adds the sums of some rows."""
        ignored = np.array([row.summary.ignored_pixels for row in rows])
        pixels = np.array([row.height * row.width for row in rows])
        share = np.where(ignored == pixels, ALL_IGNORED, 10 * ignored // pixels + 1)
        share[ignored == 0] = 0
        self.ignored_shares += np.bincount(share, minlength=ALL_IGNORED + 1)
        occur = np.array([row.summary.classes.size for row in rows])
        last = self.classes_in_rows.size - 1
        bins = np.bincount(np.minimum(occur, last), minlength=last + 1)
        self.classes_in_rows += bins
        strays = [row.look.is_stray for row in rows if row.look.is_stray is not None]
        claimed = (row.look.overlapping for row in rows)
        overlapping = [pixels for pixels in claimed if pixels is not None]
        self.counts.update(
            rows=len(rows),
            one_class=int(np.count_nonzero(occur == 1)),
            one_color=sum(map(_has_one_color, rows)),
            looked_at=len(strays),
            stray=sum(strays),
            drawn=len(overlapping),
            overlapping=sum(overlapping),
        )
        moved = [row.look.moved for row in rows if row.look.moved is not None]
        self.moved = sum(moved, self.moved)
        if self.together is not None and self.sampled is not None:
            self.together += _together(rows, occur, self.num_classes)
            self._add_sampled(rows)

    def _add_sampled(self, rows: Sequence[Counted]) -> None:
        by_size = collections.defaultdict(list)
        for row in rows:
            by_size[row.height, row.width].append(row.look.sampled)
        bins = self.num_classes + 1
        for size, alike in by_size.items():
            index = np.minimum(np.stack(alike), self.num_classes)  # so ignored is that
            down, right = map(_cells, size)
            places = (down[:, np.newaxis] * GRID + right) * bins + index
            found = np.bincount(places.ravel(), minlength=GRID**2 * bins)
            assert self.sampled is not None
            self.sampled += found.reshape(-1, bins)

    def add_seen(self, row: Seen) -> None:
        """Adds a row that may be shown."""
        self.seen.append(row)
        if len(self.seen) >= self._most:
            self._choose()
            self._most = len(self.seen) + _HELD

    def add(self, other: "Profile") -> None:
        """Adds other rows."""
        self.counts.update(other.counts)
        self.moved += other.moved
        for name in _SUMS:
            if (sums := getattr(self, name)) is not None:
                sums += getattr(other, name)
        self.seen += other.seen
        self._choose()

    def _choose(self) -> None:
        self.seen = seen.chosen(self.seen, self.num_classes, self.shown)

    def __getstate__(self) -> dict[str, Any]:
        """Makes it small, to be sent."""
        self._choose()
        return self.__dict__ | {name: _packed(getattr(self, name)) for name in _SUMS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Undoes `__getstate__`."""
        self.__dict__ |= state | {name: _unpacked(state[name]) for name in _SUMS}


_SUMS = ("classes_in_rows", "ignored_shares", "sampled", "together")


def add_up(profiles: Iterable[Profile]) -> Profile:
    """Adds profiles up, of which there must be one at least."""
    first, *others = profiles
    total = Profile(first.num_classes, first.shown)
    for one in (first, *others):
        total.add(one)
    return total


def _has_one_color(row: Counted) -> bool:
    """Whether all levels of an image are the same in each channel."""
    if row.summary.image_sums is None:
        return False
    sums, squares = row.summary.image_sums
    levels, rest = np.divmod(sums, row.summary.image_pixels)
    # If their sum is that of equal levels, so is their squares' only if they are equal.
    return not rest.any() and bool(
        (levels * levels * row.summary.image_pixels == squares).all()
    )


def _together(
    rows: Sequence[Counted], occur: npt.NDArray[np.int64], num_classes: int
) -> Sums:
    occurs = np.zeros((len(rows), num_classes), np.float32)
    number = np.repeat(np.arange(len(rows)), occur)
    occurs[number, np.concatenate([row.summary.classes for row in rows])] = 1
    return (occurs.T @ occurs).astype(np.int64)  # floats count rows of a unit exactly


@functools.lru_cache(maxsize=64)  # most rows are of a few sizes
def _cells(side: int) -> Sums:
    """The cell along a side of each pixel that is sampled."""
    return np.arange(0, side, looks.step(side)) * GRID // side


def _packed(sums: Sums | None) -> tuple[bytes, str, tuple[int, ...]] | None:
    """Packs sums, which are small and often 0."""
    if sums is None:
        return None
    small = sums.astype(np.min_scalar_type(sums.max()))
    return zlib.compress(small.tobytes(), 1), small.dtype.str, small.shape


def _unpacked(packed: tuple[bytes, str, tuple[int, ...]] | None) -> Sums | None:
    if packed is None:
        return None
    data, dtype, shape = packed
    sums = np.frombuffer(zlib.decompress(data), dtype).astype(np.int64)
    return sums.reshape(shape)
