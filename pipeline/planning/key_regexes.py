"""Which expressions for `--label_key` and `--image_key` make keys meet.

Each is tried on the keys before anybody is told of it.
"""

import dataclasses
import re
from collections.abc import Collection, Iterator

from maskbeam.pipeline.keys import searched
from maskbeam.pipeline.planning.differences import Difference, Pairs

_NUMBER = "0*([0-9]+)$"  # 00012 meets 12
_SEPARATORS = "_-. "
_TRIED = 100  # pairs of keys


@dataclasses.dataclass(frozen=True)
class KeyRegexes:
    """Expressions that make keys meet; empty where keys may stay as they are.

    Attributes:
        label: for the keys of label maps.
        image: for those of images.
        pairs: the keys that they make the same, as they are now.
    """

    label: str
    image: str
    pairs: Pairs


def find(
    labels: Collection[str],
    images: Collection[str],
    difference: Difference | None,
    share: float,
) -> KeyRegexes | None:
    """Finds expressions that make all keys meet that a difference explains, or most.

    Args:
        labels: keys of label maps that have no image.
        images: keys of images that have no label map.
        difference: what was found of how they differ.
        share: how many of such keys these are, 0 to 1.
    """
    wanted = max(1, int(share * min(len(labels), len(images)) / 2))
    some: Pairs = []
    if difference is not None:
        wanted, some = len(difference.pairs), difference.pairs[:_TRIED]
    best: KeyRegexes | None = None
    # All keys take seconds, if they are many: few expressions are tried on them.
    likely = [both for both in _candidates(difference) if _makes_equal(some, *both)]
    for label, image in dict.fromkeys([*likely[:1], *likely[-1:]]):
        pairs = _met(labels, images, label, image)
        if len(pairs) > len(best.pairs if best else ()):  # the first of equals stays
            best = KeyRegexes(label, image, pairs)
        if len(pairs) == min(len(labels), len(images)):
            break
    return best if best and len(best.pairs) >= wanted else None


def _makes_equal(pairs: Pairs, label: str, image: str) -> bool:
    """Whether two expressions find a key in all of some pairs, the same in both."""
    return all(
        (found := _of(key, label)) is not None and found == _of(other, image)
        for key, other in pairs
    )


def _of(key: str, regex: str) -> str | None:
    return searched(key, regex) if regex else key


def _met(
    labels: Collection[str], images: Collection[str], label: str, image: str
) -> Pairs:
    """The keys that two expressions make the same; none if they merge some."""
    sides = []
    for keys, regex in ((labels, label), (images, image)):
        by_new: dict[str, str] = {}
        for key in keys:
            new = _of(key, regex)
            if new is not None and by_new.setdefault(new, key) != key:
                return []
        sides.append(by_new)
    left, right = sides
    return sorted((key, right[new]) for new, key in left.items() if new in right)


def _candidates(difference: Difference | None) -> Iterator[tuple[str, str]]:
    """Expressions to try, simple ones first; "" leaves a side's keys as they are."""
    if difference is None:
        yield _NUMBER, _NUMBER
        return
    if difference.kind == "ending":
        yield _before(difference.left), _before(difference.right)
        return
    if difference.kind == "folders":
        yield _below(difference.left), _below(difference.right)
        return
    if difference.kind != "text":
        return
    left, right = difference.left, difference.right
    if any(map(str.isdigit, left + right)):  # a part of a number is of these keys alone
        yield _NUMBER, _NUMBER
    if all(label.startswith(left) for label, _ in difference.pairs):
        label, image = difference.pairs[0]
        both = label[len(left) :][:1] if left and right else ""
        both = both if both in _SEPARATORS else ""
        yield _after(left + both), _after(right + both)
    for label, image in _wholes(difference):
        yield _around(label), ""
        yield "", _around(image)
        yield _around(label), _around(image)
    yield _NUMBER, _NUMBER


def _below(folders: str) -> str:
    """Leaves out leading folders, so many."""
    return f"^{'[^/]+/' * int(folders)}(.*)" if folders else ""


def _after(beginning: str) -> str:
    return f"^{re.escape(beginning)}(.*)" if beginning else ""


def _before(ending: str) -> str:
    return f"^(.*){re.escape(ending)}$" if ending else ""


def _around(text: str) -> str:
    """Leaves a text in the middle out, and what separates it."""
    return f"(?P<a>.*){re.escape(text)}(?P<b>.*)" if text else ""


def _wholes(difference: Difference) -> Iterator[tuple[str, str]]:
    """What differs: as whole folders, as whole words, beside a separator, and alone."""
    label, image = difference.pairs[0]
    left, right = difference.left, difference.right
    start = label.find(left) if left else image.find(right)
    before, tail = label[:start], label[start + len(left) :]
    for separators in ("/", f"/{_SEPARATORS}"):
        first = max(map(before.rfind, separators))
        last = min((at for c in separators if (at := tail.find(c)) >= 0), default=-1)
        if first >= 0 and last >= 0:
            begin, end = before[first:], tail[: last + 1]
            yield f"{begin}{left}{end}", f"{begin}{right}{end}"
    separators = f"/{_SEPARATORS}"
    if before and before[-1] in separators:
        yield before[-1] + left, before[-1] + right
    if tail and tail[0] in separators:
        yield left + tail[0], right + tail[0]
    yield left, right
