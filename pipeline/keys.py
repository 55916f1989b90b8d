"""Names to keys, and keys to places.

Everything that a row's place depends on is its key and the seed, so the order of
listings, the number of workers and the rest of the data do not matter.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pipeline import arrays, files
from pipeline.options import Options, Source, UsageError
from pipeline.rows import Entry

Kind = Literal["picture", "array", "records"]
_KINDS: dict[str, Kind] = {
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".npy": "array",
    ".npz": "array",
}
_RECORD_NAME = re.compile(r"\.(tfrecords?|tfrec|records?)\b|-\d{5,}-of-\d{5,}")


def _hash(seed: int, purpose: bytes, text: str) -> int:
    digest = hashlib.blake2b(
        f"{seed}\0{text}".encode(), digest_size=8, person=purpose
    ).digest()
    return int.from_bytes(digest, "big")


def rank_of(key: str, seed: int) -> int:
    """Where a key stands in the order of its shard, and in `--limit`'s."""
    return _hash(seed, b"rank", key)


def shard_of(key: str, seed: int, shards: int) -> int:
    """The shard that a key lands in."""
    return _hash(seed, b"shard", key) % shards


def split_of(key: str, options: Options) -> str:
    """The split that `--split_by` deals a key to.

    It depends on the key, or on what `--group_by` matches in it, and on the seed.
    """
    group = key
    if options.group_by is not None and (match := re.search(options.group_by, key)):
        group = (match.group(1) if match.re.groups else match.group(0)) or key
    share = _hash(options.seed, b"split", group) / 2**64
    for split, width in options.split_by:
        if share < width:
            return split
        share -= width
    return options.split_by[-1][0]  # the shares' rounding


def key_of(path: str, pattern: str, suffix: str, place: str = "") -> str:
    """The key of a file, or of a place in it.

    Args:
        path: the file's.
        pattern: the glob that matched it.
        suffix: stripped off the end, where it is there.
        place: `arrays.Place.suffix`.
    """
    stem = os.path.splitext(files.below(path, pattern))[0]
    return (stem + place).removesuffix(suffix)


def kind_of(path: str) -> Kind:
    """How a file is read, by its name.

    Raises:
        UsageError: the name does not say.
    """
    name = path.rpartition("/")[2].lower()
    kind = _KINDS.get(os.path.splitext(name)[1])
    if kind is not None:
        return kind
    if _RECORD_NAME.search(name):
        return "records"
    raise UsageError(
        f"{path} is of no format that is read here, by its name: label maps are "
        ".png, .npy, .npz or .tfrecord, images .png, .jpg or .jpeg; narrow the glob"
    )


def entries(
    source: Source, found: Iterable[files.File], options: Options, *, is_image: bool
) -> Iterator[tuple[str, Entry]]:
    """The rows of a source's files, by key; record files have none yet.

    Args:
        source: the files'.
        found: what its glob matched.
        options: suffixes and splits.
        is_image: whether the files are images.
    """
    suffix = options.strip_image_suffix if is_image else options.strip_label_suffix
    for file in found:
        kind = kind_of(file.path)
        if kind == "records":
            continue
        for place in _places(file.path) if kind == "array" else [None]:
            at = place.suffix if place else ""
            key = key_of(file.path, source.pattern, suffix, at)
            split = split_of(key, options) if options.split_by else source.split
            yield key, Entry(is_image, split, file.path, place)


def _places(path: str) -> list[arrays.Place]:
    try:
        return arrays.places(path)
    except (ValueError, OSError):
        return [arrays.Place()]  # reading it will fail, and be reported
