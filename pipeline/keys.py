"""Names to keys, and keys to places.

Everything that a row's place depends on is its key and the seed, so the order of
listings, the number of workers and the rest of the data do not matter.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pipeline import arrays, files, formats, lists, segments
from pipeline.options import Options, Source, UsageError
from pipeline.rows import Entry, Role

Kind = Literal["picture", "array", "list", "records"]
Side = Literal["label_maps", "images", "images_only", "split_list"]
_KINDS: dict[str, Kind] = {
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".npy": "array",
    ".npz": "array",
    ".txt": "list",
}


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
    kind = _KINDS.get(os.path.splitext(path.lower())[1])
    if kind is not None:
        return kind
    if formats.format_of(path) is not None:
        return "records"
    many = ", ".join(found.name for found in formats.FORMATS)
    raise UsageError(
        f"{path} is of no format that is read here, by its name: label maps are "
        f".png, .npy, .npz, .txt lists, or {many}; images .png, .jpg or .jpeg; narrow "
        "the glob"
    )


def entries(
    source: Source, found: Iterable[files.File], options: Options, side: Side
) -> Iterator[tuple[str, Entry]]:
    """What a source says of which keys; record files have none yet.

    Args:
        source: the files'.
        found: what its glob matched.
        options: suffixes and splits.
        side: which option named the source.
    """
    suffix = options.strip_label_suffix
    if side in ("images", "images_only"):
        suffix = options.strip_image_suffix

    def entry(key: str, role: Role, path: str, **more: Any) -> tuple[str, Entry]:
        dealt = options.split_by and side != "images_only"
        split = split_of(key, options) if dealt else source.split
        return key, Entry(role, split, path, **more)

    role: Role = "label" if side == "label_maps" else "image"
    for file in found:
        if side == "split_list":
            for key in lists.keys(file.path, suffix):
                yield entry(key, "listed", file.path)
            continue
        kind = kind_of(file.path)
        if kind == "list":
            for key, image, label in lists.pairs(file.path):
                yield entry(key, "label", label)
                if image is not None:
                    yield entry(key, "image", image)
        elif kind != "records":
            for place in _places(file.path) if kind == "array" else [None]:
                at = place.suffix if place else ""
                key = key_of(file.path, source.pattern, suffix, at)
                yield entry(key, role, file.path, place=place)


def segment_entries(
    source: Source, found: Iterable[files.File], options: Options
) -> Iterator[tuple[str, Entry]]:
    """The segments of a source's label maps, by key, from the JSONs beside them."""
    directories = {file.path.rpartition("/")[0] for file in found}
    for directory in sorted(directories):
        path = segments.json_of(f"{directory}/")
        for name, known in segments.annotations(path):
            key = key_of(
                f"{directory}/{name}", source.pattern, options.strip_label_suffix
            )
            split = split_of(key, options) if options.split_by else source.split
            yield key, Entry("segments", split, path, segments=known)


def _places(path: str) -> list[arrays.Place]:
    try:
        return arrays.places(path)
    except (ValueError, OSError):
        return [arrays.Place()]  # reading it will fail, and be reported
