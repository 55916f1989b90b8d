"""How many files' names say a key, before a run begins."""

import collections
import dataclasses

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options

_SIDES = (("label", "label maps"), ("image", "images"))


@dataclasses.dataclass
class KeySearches:
    """How many files have a key, and how many have none, by role.

    Attributes:
        options: what is converted.
        found: how many files have a key.
        unmatched: how many have none.
        lost: how many of these are rejected: those that a split's list leaves out are
            not.
        examples: why one of these has none.
    """

    options: Options
    found: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    unmatched: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    lost: int = 0
    examples: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, entry: Entry, *, is_left: bool) -> None:
        """Counts a file that is named by itself or by a glob.

        Args:
            entry: the file.
            is_left: whether no split's list leaves it out.
        """
        if not entry.unmatched:
            self.found[entry.role] += 1
            return
        self.unmatched[entry.role] += 1
        self.lost += is_left
        self.examples.setdefault(entry.role, entry.unmatched)

    @property
    def message(self) -> str:
        """What is lost, in words."""
        return "; ".join(
            f"the names of {self.unmatched[role]:,} of "
            f"{self.unmatched[role] + self.found[role]:,} {what} say no key, such as: "
            f"{self.examples[role]}"
            for role, what in _SIDES
            if self.unmatched[role]
        )

    def check(self) -> None:
        """Refuses a side of which no file has a key, and a flag that is of no file.

        Raises:
            UsageError: it says why a file has none.
        """
        flags = {"label": self.options.label_key, "image": self.options.image_key}
        for role, what in _SIDES:
            if self.found[role]:
                continue
            if self.unmatched[role]:
                raise UsageError(
                    f"the names of all {self.unmatched[role]:,} {what} say no key, "
                    f"such as: {self.examples[role]}. A key is the path below the "
                    "glob's fixed directory, without extension, and without what "
                    "--strip_*_suffix takes"
                )
            if flags[role]:
                raise UsageError(
                    f"--{role}_key {flags[role]!r} is of {what} that are named one by "
                    "one or by a glob, and there are none: lists, record files and "
                    "annotation files of many pictures say their own keys, so leave it "
                    "out"
                )
