"""Where label maps and images meet: from all that is known of a key to its row."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from maskbeam.pipeline import elements
from maskbeam.pipeline.elements import Entry, Rejection, Role, Row
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options


@dataclasses.dataclass(frozen=True)
class Pairing:
    """What makes a row of a key's entries.

    Attributes:
        with_images: whether label maps need an image.
        with_segments: whether they need segments.
        layers: the names of the layers that they are in, in drawing order; none where
            each is one file.
        listed: splits that have only the rows that their lists name.
        images_only: splits that have images and no label maps.
        seed: of the rows' ranks.
    """

    with_images: bool
    with_segments: bool = False
    layers: tuple[str, ...] = ()
    listed: frozenset[str] = frozenset()
    images_only: frozenset[str] = frozenset()
    seed: int = 0


def pairing_of(options: Options, *, with_images: bool) -> Pairing:
    """How the rows of a conversion are paired."""
    return Pairing(
        with_images,
        options.with_segments,
        tuple(layer.name for layer in options.class_map.layers),
        frozenset(source.split for source in options.split_list),
        frozenset(source.split for source in options.images_only),
        options.seed,
    )


def repeated_key(key: str, splits: Iterable[str]) -> str:
    """A key that is in several splits, in words."""
    return f"{key!r} in {', '.join(sorted(set(splits)))}"


def pair_by_key(
    key: str, found: Iterable[Entry], pairing: Pairing
) -> Iterator[tuple[str, Row] | Rejection]:
    """Pairs what is known of one key, in each split.

    If several label maps, or images, of a split share the key, the smallest path stays
    and the others are rejected. Where rows have images, a label map without one is
    rejected, and an image without a label map.
    """
    by_split: dict[str, dict[Role, list[Entry]]] = {}
    for entry in sorted(found, key=lambda e: (e.path, e.place or elements.Place())):
        roles = by_split.setdefault(entry.split, {})
        roles.setdefault(entry.role, []).append(entry)
    for split, roles in sorted(by_split.items()):
        listed = roles.get("listed", [])
        if split in pairing.listed and not listed:
            continue  # it is of another split's list, or of none
        yield from _unmatched(key, split, roles)
        labels, images = roles.get("label", []), roles.get("image", [])
        layers = _by_layer(labels, pairing)
        for first, *others in filter(None, (*(layers or [labels]), images)):
            for other in others:
                yield Rejection(
                    key,
                    split,
                    other.source,
                    "pair",
                    f"duplicate key: {first.source} has it too, and is kept",
                )
        lack = ""
        if split not in pairing.images_only:
            lack = _lack(roles, pairing)
        source = next((e.source for e in (*labels, *images, *listed)), "")
        if lack and source:
            yield Rejection(key, split, source, "pair", lack)
        elif source:
            segments = roles.get("segments", [])
            if layers:
                labels = [first for first, *_ in layers]
            yield (
                split,
                Row(
                    key,
                    rank_of(key, pairing.seed),
                    labels[0] if labels else None,
                    images[0] if images else None,
                    segments[0].segments if segments else None,
                    tuple(labels) if layers else (),
                ),
            )


def _unmatched(
    key: str, split: str, roles: dict[Role, list[Entry]]
) -> Iterator[Rejection]:
    """Takes out the files whose names say no key."""
    for role, entries in list(roles.items()):
        roles[role] = [entry for entry in entries if not entry.unmatched]
        for entry in entries:
            if entry.unmatched:
                yield Rejection(key, split, entry.source, "pair", entry.unmatched)
        if not roles[role]:
            del roles[role]


def counted_splits(found: Iterable[Entry], pairing: Pairing) -> Iterator[str]:
    """The splits in which a key's rows were counted before: one for each label map.

    Layers are one label map. Where a split has only images they are counted; where it
    has a list, only what is listed.
    """
    entries = list(found)
    listed = {entry.split for entry in entries if entry.role == "listed"}
    counted = set()
    for entry in entries:
        role: Role = "image" if entry.split in pairing.images_only else "label"
        if entry.role != role or (pairing.layers and entry.split in counted):
            continue
        if entry.split not in pairing.listed or entry.split in listed:
            counted.add(entry.split)
            yield entry.split


def _by_layer(labels: list[Entry], pairing: Pairing) -> list[list[Entry]]:
    """The files of each layer that there is, in drawing order; none without layers."""
    by_name = {name: [e for e in labels if e.layer == name] for name in pairing.layers}
    return [entries for entries in by_name.values() if entries]


def _are_one(label: Entry, image: Entry) -> bool:
    return (label.path, label.place) == (image.path, image.place)


def _lack(roles: Mapping[Role, list[Entry]], pairing: Pairing) -> str:
    """What a row lacks, in words; empty if nothing."""
    if "label" not in roles:
        if "image" in roles:
            return "the image has no label map"
        return "the list names it, and there is no label map"
    if pairing.with_images and "image" not in roles:
        return "the label map has no image"
    if "image" in roles and _are_one(roles["label"][0], roles["image"][0]):
        return (
            "the label map and its image are one file, for --images matches it too: "
            "leave label maps out of the images, as by --exclude '*_mask.png' "
            "--strip_label_suffix _mask"
        )
    if pairing.with_segments and "segments" not in roles:
        return "the JSON beside its directory has no segments of the label map"
    return ""
