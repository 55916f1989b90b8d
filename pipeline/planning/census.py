"""Counts names in any order, so that two listings can be held against each other.

A name is its row's rank, a hash of 64 bits. Ranks are dealt to buckets, each of which
has a number and a sum. Two listings of the same names agree in all of them; where they
do not, the buckets that differ say which of a listing's names may be the ones.
"""

import dataclasses
from collections.abc import Iterable

from maskbeam.pipeline.elements import Origins

_BUCKETS = 1024


def _zeros() -> list[int]:
    return [0] * _BUCKETS


@dataclasses.dataclass
class Census:
    """The names of a split.

    Attributes:
        counts: how many names each bucket has.
        sums: the sum of their ranks.
    """

    counts: list[int] = dataclasses.field(default_factory=_zeros)
    sums: list[int] = dataclasses.field(default_factory=_zeros)

    def add(self, rank: int) -> None:
        """Counts a name."""
        bucket = rank % _BUCKETS
        self.counts[bucket] += 1
        self.sums[bucket] += rank

    def merge(self, other: "Census") -> None:
        """Adds other names."""
        for bucket, count in enumerate(other.counts):
            self.counts[bucket] += count
            self.sums[bucket] += other.sums[bucket]

    @property
    def total(self) -> int:
        """How many names there are."""
        return sum(self.counts)

    def may_lack(self, rank: int, other: "Census") -> bool:
        """Checks whether a name may be missing here that another census has.

        It is surely missing if the buckets differ by one name, which has its rank.

        Args:
            rank: of a name that the other census has.
            other: which has counted it.
        """
        bucket = rank % _BUCKETS
        missing = other.counts[bucket] - self.counts[bucket]
        difference = other.sums[bucket] - self.sums[bucket]
        return difference == rank if missing == 1 else missing > 0


@dataclasses.dataclass
class Counted:
    """What a worker counted of a split.

    Attributes:
        listed: the names of its label maps, as they were listed.
        sent: the rows that were sent on to be read and converted.
    """

    listed: Census = dataclasses.field(default_factory=Census)
    sent: Origins = Origins()


def add_up(many: Iterable[Counted]) -> Counted:
    """Adds up what workers counted."""
    total = Counted()
    for counted in many:
        total.listed.merge(counted.listed)
        total.sent += counted.sent
    return total
