"""Whether label maps and images meet, from their names alone, before a run begins.

Keys are held as their ranks, 8 bytes a name, and some of them in full. Beyond a few
million names those of low rank are held: of both sides the same, whatever the order.
"""

import array
import collections
import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import BAD_DATA, DONE, WRONG_COMMAND
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import advice
from maskbeam.pipeline.planning.advice import Met
from maskbeam.pipeline.planning.key_searches import KeySearches

_MAX_RANKS = 1 << 22
_MAX_NAMES = 1 << 16
_ALL = 2**64  # ranks are below

Side = Literal["label", "image", "listed", "unlisted"]


@dataclasses.dataclass
class Keys:
    """The keys of one side.

    Attributes:
        ranks: u64, of those below `ranks_below`; a key may be there twice.
        names: keys by rank, of those below `names_below`.
    """

    ranks: "array.array[int]" = dataclasses.field(
        default_factory=lambda: array.array("Q")
    )
    ranks_below: int = _ALL
    names: dict[int, str] = dataclasses.field(default_factory=dict)
    names_below: int = _ALL

    def add(self, key: str, rank: int) -> None:
        """Adds a key."""
        if rank < self.ranks_below:
            self.ranks.append(rank)
            if len(self.ranks) > _MAX_RANKS:
                kept = self.distinct(self.ranks_below)
                if len(kept) > _MAX_RANKS // 2:  # else most were of keys that are known
                    self.ranks_below //= 2
                    kept = self.distinct(self.ranks_below)
                self.ranks = array.array("Q", kept.tobytes())
        if rank < self.names_below:
            self.names[rank] = key
            if len(self.names) > _MAX_NAMES:
                self.names_below //= 2
                self.names = {
                    rank: key
                    for rank, key in self.names.items()
                    if rank < self.names_below
                }

    def distinct(self, below: int) -> npt.NDArray[np.uint64]:
        """The ranks below a bound, sorted, each once: u64[N]."""
        ranks = np.unique(np.frombuffer(self.ranks, np.uint64))
        return ranks if below == _ALL else ranks[ranks < below]


def compare(left: Keys, right: Keys) -> Met:
    """Compares two sides."""
    below = min(left.ranks_below, right.ranks_below)
    ranks, others = left.distinct(below), right.distinct(below)
    both = np.intersect1d(ranks, others, assume_unique=True)
    scale = _ALL // below
    names_below = min(left.names_below, right.names_below, below)
    return Met(
        len(ranks) * scale,
        len(others) * scale,
        len(both) * scale,
        scale == 1,
        _alone(left, others, names_below),
        _alone(right, ranks, names_below),
        names_below / _ALL,
    )


def _alone(side: Keys, others: npt.NDArray[np.uint64], below: int) -> list[str]:
    """The keys of a side, below a bound, whose ranks are not among others: [N]."""
    ranks = np.fromiter((rank for rank in side.names if rank < below), np.uint64)
    return [side.names[int(rank)] for rank in ranks[~np.isin(ranks, others)]]


@dataclasses.dataclass(frozen=True)
class Apart:
    """Names that do not meet.

    Attributes:
        message: how many meet, examples, and what would make the others meet: a line.
        code: the exit code of a conversion that cannot come to a dataset; DONE if it
            can.
        rejected: how many rows are lost by it.
    """

    message: str
    code: int
    rejected: int


_Decide = Callable[[Met, int], int]


class Names:
    """The keys that are to meet others, by split and side.

    Args:
        options: what is converted.
        members: the keys that each split's lists name.
        searches: the files in which no key was found.
    """

    def __init__(
        self,
        options: Options,
        members: Mapping[str, Collection[str]],
        searches: KeySearches,
    ):
        self._options = options
        self._searches = searches
        self._members = members
        self._alone = {source.split for source in options.images_only}
        self._keys: dict[tuple[str, Side], Keys] = collections.defaultdict(Keys)
        for split, keys in members.items():
            for key in keys:
                self._keys[split, "listed"].add(key, rank_of(key, options.seed))

    def add(self, key: str, rank: int, entry: Entry) -> None:
        """Adds what is known of a key, if it needs a partner."""
        split = entry.split
        if entry.unmatched:
            return
        if split in self._members and key not in self._members[split]:
            if entry.role == "label":
                self._keys[split, "unlisted"].add(key, rank)
        elif entry.role == "label":
            if self._options.images or split in self._members:
                self._keys[split, "label"].add(key, rank)
        elif self._options.images and split not in self._alone:
            self._keys[split, "image"].add(key, rank)

    def find_apart(
        self, rows: Mapping[str, int], *, with_records: bool
    ) -> Apart | None:
        """Compares lists with label maps, and those with their images.

        Args:
            rows: how many rows each split has at most, by their names.
            with_records: whether there are others, whose keys are not known yet.

        Returns:
            What does not meet; None if all does.
        """
        decide = functools.partial(_code, self._options, with_records)
        return self._unlisted(rows, decide) or self._without_images(rows, decide)

    def _unlisted(self, rows: Mapping[str, int], decide: _Decide) -> Apart | None:
        """Looks for a split of whose list no key is a label map's."""
        for split in sorted(self._members):
            met = self._compare(split, "listed", "label")
            if met.left and not met.both:
                message = advice.of_list(
                    split, self._compare(split, "listed", "unlisted"), self._options
                )
                code = decide(met, sum(rows.values()))
                return Apart(message, code, met.left)
        return None

    def _without_images(self, rows: Mapping[str, int], decide: _Decide) -> Apart | None:
        by_split = {
            split: self._compare(split, "label", "image")
            for split in self._options.splits
            if self._options.images and split not in self._alone
        }
        total = sum(by_split.values(), Met())
        lost = self._searches.lost
        if not total.apart + lost:
            return None
        if by_split:
            accepted = total.both + sum(rows[split] for split in self._alone)
        else:
            accepted = sum(rows.values()) - lost
        if lost:  # they count as those that have no partner
            code = decide(total + Met(accepted + lost, accepted, accepted), accepted)
        else:
            code = decide(total, accepted)
        messages = [self._searches.message] if lost else []
        if total.apart:
            by_names = self._searches.found["label"] > 0
            said = advice.of_images(by_split, self._options, by_names=by_names)
            messages.append(said)
        message = "; ".join(messages)
        if code == BAD_DATA:
            message += f" (--max_rejected is {self._options.max_rejected:g})"
        return Apart(message, code, total.apart + lost)

    def _compare(self, split: str, left: Side, right: Side) -> Met:
        return compare(self._keys[split, left], self._keys[split, right])


def _code(options: Options, with_records: bool, met: Met, accepted: int) -> int:
    """The exit code, if names decide it: what is read later can only be worse."""
    if with_records:
        return DONE
    if accepted:
        share = met.apart / (met.apart + accepted)
        decided = met.exact and options.limit is None
        if not decided or share <= options.max_rejected:
            return DONE
    return BAD_DATA if met.both else WRONG_COMMAND
