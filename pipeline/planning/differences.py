"""How the keys of two sides differ, where they were meant to be the same.

img6_mask         img6              an ending
seq1/Labels/0     seq1/Images/0     a text in the middle
DSC0              dsc0              capitals
aachen/x          x                 folders
"""

import collections
import dataclasses
import os
import re
from bisect import bisect
from collections.abc import Callable, Collection, Iterator
from typing import Literal

Kind = Literal["capitals", "ending", "text", "folders"]

Pairs = list[tuple[str, str]]

_TRIED_KEYS = 200  # that are compared with the keys next to them
_TRIED_TEXTS = 8  # that are taken out of all keys
_FOLDERS = (1, 2, 3)
_SEPARATORS = "_-. "


@dataclasses.dataclass(frozen=True)
class Difference:
    """What makes most keys of two sides the same.

    Attributes:
        kind: `capitals`; an `ending`; a `text` elsewhere; or leading `folders`.
        left: the text on the left side alone; for `folders`, how many there are more.
        right: what stands in its place on the right.
        pairs: the keys that it makes the same.
    """

    kind: Kind
    left: str
    right: str
    pairs: Pairs

    @property
    def swapped(self) -> "Difference":
        """The same difference, seen from the right."""
        pairs = [(right, left) for left, right in self.pairs]
        return Difference(self.kind, self.right, self.left, pairs)

    @property
    def adds_folders(self) -> bool:
        """Whether the keys of one side begin with one and the same folder more."""
        more, less = sorted((self.left, self.right), key=len, reverse=True)
        return self.kind == "text" and not less and more.endswith("/")


def find(
    left: Collection[str], right: Collection[str], share: float
) -> Difference | None:
    """Finds what would make keys meet.

    Args:
        left: keys that are not on the right.
        right: keys that are not on the left.
        share: how many of all such keys these are, 0 to 1: a sample of each side.

    Returns:
        The difference that explains most keys; None if none explains half of them.
    """
    enough = share * min(len(left), len(right)) / 2
    best: Difference | None = None
    for kind, texts, of_left, of_right in _rules(left, right):
        pairs = _pairs(left, right, of_left, of_right)
        most = len(best.pairs) if best else 0
        if pairs and len(pairs) >= enough and len(pairs) > most:
            best = Difference(kind, *texts, pairs)
    return best


_Map = Callable[[str], str | None]  # None where it does not apply
_Rule = tuple[Kind, tuple[str, str], _Map, _Map]


def _pairs(
    left: Collection[str], right: Collection[str], of_left: _Map, of_right: _Map
) -> Pairs:
    """The keys that two functions make the same."""
    by_value = {value: key for key in right if (value := of_right(key)) is not None}
    values = ((key, of_left(key)) for key in sorted(left))
    return [(key, by_value[value]) for key, value in values if value in by_value]


def _rules(left: Collection[str], right: Collection[str]) -> Iterator[_Rule]:
    """What may explain the difference; what is simpler comes first."""
    yield "capitals", ("", ""), str.casefold, str.casefold
    for a, b, at_end in _texts(left, right):
        if at_end:
            yield "ending", (a, b), _without(a), _without(b)
        elif a:
            yield "text", (a, b), _replacing(a, b), str
        else:
            yield "text", (a, b), str, _replacing(b, "")
    for count in _FOLDERS:
        yield "folders", (str(count), ""), _below(count), str
        yield "folders", ("", str(count)), str, _below(count)


def _without(ending: str) -> _Map:
    def rest(key: str) -> str | None:
        name = key.removesuffix(ending)
        # What is a whole name is no ending.
        has_name = bool(name) and not name.endswith("/")
        return name if key.endswith(ending) and has_name else None

    return rest


def _replacing(text: str, other: str) -> _Map:
    return lambda key: key.replace(text, other, 1) if text in key else None


def _below(count: int) -> _Map:
    return lambda key: key.split("/", count)[-1] if key.count("/") >= count else None


def _texts(
    left: Collection[str], right: Collection[str]
) -> list[tuple[str, str, bool]]:
    """The texts in which most keys differ from those next to them, simple ones first.

    Returns:
        (text on the left, text on the right, whether both end the keys).
    """
    counts: collections.Counter[tuple[str, str, bool]] = collections.Counter()
    for key, other in _neighbours(left, right):
        counts.update(list(dict.fromkeys(_differing(key, other))))
    frequent = [texts for texts, _ in counts.most_common(_TRIED_TEXTS)]
    # What one side has more is simpler than what differs.
    return sorted(frequent, key=lambda texts: all(texts[:2]))


def _neighbours(
    left: Collection[str], right: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Keys, each with a few that begin, end, or are numbered as it is."""
    forwards = sorted(right)
    backwards = sorted(key[::-1] for key in right)
    numbered = {_numbers(key): key for key in right}
    ordered = sorted(left)
    for key in ordered[:: max(1, len(ordered) // _TRIED_KEYS)]:
        yield from ((key, other) for other in _around(forwards, key))
        yield from ((key, other[::-1]) for other in _around(backwards, key[::-1]))
        if (numbers := _numbers(key)) and numbers in numbered:
            yield key, numbered[numbers]


def _around(ordered: list[str], key: str) -> list[str]:
    at = bisect(ordered, key)
    return ordered[max(0, at - 1) : at + 1]


def _numbers(key: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", key))


def _differing(left: str, right: str) -> Iterator[tuple[str, str, bool]]:
    """The middle in which two keys differ: in whole words, and as it is.

    `x_labels` and `x_leftImg` differ in `_labels` and `_leftImg`, and in `abels` and
    `eftImg`. What one of them has more is no word that differs.
    """
    start = len(os.path.commonprefix([left, right]))
    ends = left[start:][::-1], right[start:][::-1]
    end = len(os.path.commonprefix(ends))
    bare = left[start : len(left) - end], right[start : len(right) - end]
    if all(bare):
        first, last = start, end
        while first and left[first - 1].isalnum():
            first -= 1
        while last and left[len(left) - last].isalnum():
            last -= 1
        if first and not last and left[first - 1] in _SEPARATORS:
            first -= 1
        whole = left[first : len(left) - last], right[first : len(right) - last]
        yield (*whole, not last)
    yield (*bare, not end)
