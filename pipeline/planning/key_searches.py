"""How many files `--label_key` and `--image_key` find a key in, before a run begins."""

import collections
import dataclasses

from maskbeam.pipeline.elements import Entry
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.options import Options


@dataclasses.dataclass
class KeySearches:
    """What was found in the keys of files, by role.

    Attributes:
        options: what is converted.
        found: how many files have a key.
        unmatched: how many have none.
        lost: how many of these are rejected: those that a split's list leaves out are
            not.
        examples: a file's key in which none was found.
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

    def add(self, key: str, entry: Entry, *, is_left: bool) -> None:
        """Counts a file that is named by itself or by a glob.

        Args:
            key: its own, or that which was found in it.
            entry: the file.
            is_left: whether no split's list leaves it out.
        """
        if not entry.unmatched:
            self.found[entry.role] += 1
            return
        self.unmatched[entry.role] += 1
        self.lost += is_left
        self.examples.setdefault(entry.role, key)

    @property
    def message(self) -> str:
        """What is lost, in words."""
        return "; ".join(
            f"{flag} {regex!r} finds nothing in {self.unmatched[role]:,} of "
            f"{self.unmatched[role] + self.found[role]:,} keys, such as "
            f"{self.examples[role]!r}"
            for role, flag, regex in self._given()
            if self.unmatched[role]
        )

    def check(self) -> None:
        """Refuses an expression that finds no key, or is asked for none.

        Raises:
            UsageError: it names the expression, and a key in which it finds nothing.
        """
        for role, flag, regex in self._given():
            if self.found[role]:
                continue
            if not self.unmatched[role]:
                raise UsageError(
                    f"{flag} {regex!r} is of files that are named one by one or by a "
                    "glob, and there are none: lists and record files say their own "
                    "keys, so leave it out"
                )
            raise UsageError(
                f"{flag} {regex!r} finds nothing in any key, such as "
                f"{self.examples[role]!r}: a key is the path below the glob's fixed "
                "directory, without extension, and without what --strip_*_suffix takes"
            )

    def _given(self) -> list[tuple[str, str, str]]:
        """(role, flag, expression) of those that are given."""
        both = (
            ("label", "--label_key", self.options.label_key),
            ("image", "--image_key", self.options.image_key),
        )
        return [(role, flag, regex) for role, flag, regex in both if regex]
