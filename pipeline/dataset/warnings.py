"""Warnings: what trains without an error, and perhaps not as you mean it.

Each has a `name`, a `split` (empty for all, or several) and a `message`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from maskbeam.pipeline.dataset.rejections import REPEATED, Found
from maskbeam.pipeline.elements import Origins, WrittenRecords
from maskbeam.transforms import features, summaries
from maskbeam.transforms.classes import ClassMap

Warning_ = dict[str, str]

_HALF = 0.5
_SHOWN_CLASSES = 5


def of_dataset(
    class_map: ClassMap,
    stats: Mapping[str, Mapping[str, Any]],
    shards: Mapping[str, Sequence[WrittenRecords]],
    keys: Mapping[str, Found],
) -> list[Warning_]:
    """Makes all warnings of a dataset.

    Args:
        class_map: what label values mean.
        stats: the counts of each split, as `stats.json` has them.
        shards: what was written, by split.
        keys: what `judge_keys` found.
    """
    return [
        *_repeated_keys(keys),
        *_one_class(class_map),
        *_classes_without_pixels(class_map, stats),
        *_mostly_ignored(stats),
        *_turned_images(shards),
    ]


def _warning(name: str, split: str, message: str) -> Warning_:
    return {"name": name, "split": split, "message": message}


def _repeated_keys(keys: Mapping[str, Found]) -> Iterator[Warning_]:
    if REPEATED in keys:
        count, shown = keys[REPEATED]
        message = f"{count} keys are in more than one split: {shown[0]}"
        yield _warning("repeated_keys", "", message)


def _one_class(class_map: ClassMap) -> Iterator[Warning_]:
    if class_map.num_classes == 1:
        yield _warning(
            "one_class",
            "",
            f"class map {class_map.name} has one class, {class_map.names[0]!r}: there "
            "is nothing to tell it from; name the background as a class, or use "
            "--classes binary for label maps of 0 and 255",
        )


def _classes_without_pixels(
    class_map: ClassMap, stats: Mapping[str, Mapping[str, Any]]
) -> Iterator[Warning_]:
    splits = summaries.graph_splits(stats)
    total = np.sum([stats[split][features.CLASS_PIXELS] for split in splits], axis=0)
    names = [n for n, pixels in zip(class_map.names, total, strict=True) if not pixels]
    if names:
        more = len(names) - _SHOWN_CLASSES
        shown = ", ".join(names[:_SHOWN_CLASSES])
        yield _warning(
            "class_without_pixels",
            splits[0] if len(splits) == 1 else "",
            f"{len(names)} of {class_map.num_classes} classes have no pixel in "
            f"{' and '.join(splits)}: {shown}{f' and {more} more' if more > 0 else ''}",
        )


def _mostly_ignored(stats: Mapping[str, Mapping[str, Any]]) -> Iterator[Warning_]:
    for split, found in stats.items():
        ignored = found[features.IGNORED_PIXELS]
        pixels = ignored + sum(found[features.CLASS_PIXELS])
        # All of a split without label maps is ignored, and meant to be.
        if _HALF * pixels < ignored < pixels:
            yield _warning(
                "mostly_ignored",
                split,
                f"{ignored / pixels:.1%} of the pixels of {split} are ignored",
            )


def _turned_images(
    shards: Mapping[str, Sequence[WrittenRecords]],
) -> Iterator[Warning_]:
    for split, written in shards.items():
        origins = sum((shard.origins for shard in written), Origins())
        if origins.turned:
            yield _warning(
                "turned_images",
                split,
                f"{origins.turned} of {origins.rows} images of {split} were turned "
                "upright by their EXIF data; if their label maps were drawn on the "
                "pixels as they are stored, add --exif ignore",
            )
