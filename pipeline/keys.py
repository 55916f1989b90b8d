"""Makes keys of names, and places of keys.

A row's place depends on its key and the seed only: not on the order of listings, on the
number of workers or on the rest of the data.
"""

import functools
import hashlib
import os
import unicodedata

from maskbeam.pipeline import patterns, values
from maskbeam.pipeline.elements import printable
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.values import Source


def _hash(seed: int, purpose: bytes, text: str) -> int:
    digest = hashlib.blake2b(
        f"{seed}\0{text}".encode(), digest_size=8, person=purpose
    ).digest()
    return int.from_bytes(digest, "big")


def rank_of(key: str, seed: int) -> int:
    """Returns a key's rank, which orders a shard; `--limit` takes the lowest."""
    return _hash(seed, b"rank", key)


def shard_of(key: str, seed: int, shards: int) -> int:
    """Returns the shard that a key goes to."""
    return _hash(seed, b"shard", key) % shards


def split_of(key: str, options: Options) -> str:
    """Returns the split that `--split_by` deals a key to.

    It depends on the key, or on what `--group_by` matches in it, and on the seed.
    """
    group = key
    if options.group_by is not None:
        pattern = patterns.compiled(options.group_by)
        if match := pattern.search(key):
            group = match.group(1 if pattern.groups else 0) or key
    share = _hash(options.seed, b"split", group) / 2**64
    for split, width in options.split_by:
        if share < width:
            return split
        share -= width
    return options.split_by[-1][0]  # shares are rounded


def key_of(path: str, source: Source, suffix: str, place: str = "") -> str:
    """Makes the key of a file, or of a place in it.

    Args:
        path: the file's path.
        source: that it is of.
        suffix: stripped off the end of keys that end with it.
        place: the place's `elements.Place.suffix`.
    """
    stem = os.path.splitext(below(path, source))[0]
    return normal(printable(stem + place)).removesuffix(normal(suffix))


def searched(key: str, regex: str) -> str | None:
    """Finds a key in that of a file: by the named groups, the first, or the match.

    Args:
        key: the file's.
        regex: of RE2's.

    Returns:
        Named groups are joined by `/`, as they stand; those that take no part are left
        out. None if nothing, or only an empty text, is found.
    """
    match = patterns.compiled(regex).search(key.encode())  # text takes twice as long
    if match is None:
        return None
    found = [match.group(number) for number in _groups(regex)]
    # RE2's \C is any byte, so a group may end within a character.
    return b"/".join(filter(None, found)).decode(errors="backslashreplace") or None


@functools.cache
def _groups(regex: str) -> tuple[int, ...]:
    """The numbers of the groups of which a key is made."""
    pattern = patterns.compiled(regex)
    named = tuple(sorted(pattern.groupindex.values()))
    return named or (min(1, pattern.groups),)


def normal(text: str) -> str:
    """Returns a text as keys hold it: in Unicode's NFC.

    macOS writes an accent as a character of its own; others write one for both.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def below(path: str, source: Source) -> str:
    """Returns a matched path relative to the source's fixed directory.

    That is its base, or the last directory before the glob's first wildcard: with
    `/data/*/*.png`, `/data/aachen/x.png` is `aachen/x.png`.
    """
    fixed = values.fixed_part(source.pattern)
    directory = source.base or fixed.rpartition("/")[0]
    return path[len(directory) :].lstrip("/") if path.startswith(directory) else path
