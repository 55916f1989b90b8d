"""Rejections summed by reason: a run may have millions of them, and few reasons."""

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence

from maskbeam.pipeline.elements import Rejection
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files

_MAX_KINDS = 1000
_EXAMPLE_CHARACTERS = 600
_SYSTEMATIC = 0.9  # of all rejections

# What differs from row to row: what is quoted, paths, numbers.
_VARYING = re.compile(r"b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"|\S*/\S*|[-+]?\d+")
_FIRST_CLAUSE = re.compile(r"[^,;]*")


@dataclasses.dataclass
class Reason:
    """A reason that many rows may share.

    Attributes:
        count: how many rows have it.
        example: the first of them.
    """

    count: int
    example: Rejection

    @property
    def in_words(self) -> str:
        """The file of the example, and why it was rejected."""
        _, _, source, _, text, *_ = self.example
        found = text if source in text else f"{source}: {text}"
        if len(found) > _EXAMPLE_CHARACTERS:
            found = f"{found[:_EXAMPLE_CHARACTERS]} ..."
        return found

    @property
    def is_mended_by_an_option(self) -> bool:
        """Whether rows of this reason are sound, and read in a wrong way."""
        reason = self.example.reason
        return (
            self.example.stage == "classes"
            or "class map" in reason
            or reason.startswith(("the label map has no", "the image has no"))
        )


@dataclasses.dataclass(frozen=True)
class Reasons:
    """The reasons of rejections.

    Attributes:
        count: how many rejections there are.
        most: the reasons, the most frequent first.
        others: how many rejections are of other reasons, beyond a thousand.
    """

    count: int
    most: Sequence[Reason]
    others: int

    @property
    def systematic(self) -> Reason | None:
        """The reason of nearly all rejections, if an option mends it; else None."""
        first = next(iter(self.most), None)
        if first is None or first.count < _SYSTEMATIC * self.count:
            return None
        return first if first.is_mended_by_an_option else None


def files_in(directory: str) -> list[str]:
    """The files below a directory that name rejected rows, a JSON line each."""
    rejected = files.join(directory, dataset_files.REJECTED)
    return [file.path for file in files.match_in(rejected, "*.jsonl")]


def add_up(paths: Iterable[str]) -> Reasons:
    """Adds rejections up by reason.

    Args:
        paths: of the files that name them.
    """
    found: dict[tuple[str, str], Reason] = {}
    count = others = 0
    for line in (line for path in paths for line in files.lines(path)):
        rejection = Rejection(**json.loads(line))
        rows = 1 if rejection.rows is None else rejection.rows
        count += rows
        kind = rejection.stage, kind_of(rejection.reason)
        if kind in found:
            found[kind].count += rows
        elif len(found) < _MAX_KINDS:
            found[kind] = Reason(rows, rejection)
        else:
            others += rows
    most = sorted(found, key=lambda kind: (-found[kind].count, kind))
    return Reasons(count, [found[kind] for kind in most], others)


def kind_of(reason: str) -> str:
    """Returns what a reason has in common with those of other rows.

    It is the first clause, without names and numbers: what follows are the row's own
    values, and what to do about them.
    """
    # A file of rejections may be anybody's, and the search is quadratic.
    clause = _FIRST_CLAUSE.match(_VARYING.sub("_", reason[:_EXAMPLE_CHARACTERS]))
    assert clause is not None
    return clause.group()
