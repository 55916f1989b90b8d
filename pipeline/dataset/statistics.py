"""Makes `stats.json`: counts, weights, moments, sizes, findings, and what is shown."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from maskbeam.pipeline.dataset.rejections import REPEATED, Found
from maskbeam.pipeline.elements import Origins, WrittenRecords
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.report import choice, drawing, findings
from maskbeam.pipeline.report.choice import Choice
from maskbeam.pipeline.rows import profile, seen
from maskbeam.pipeline.rows.looks import GRID
from maskbeam.pipeline.rows.moves import Moved
from maskbeam.pipeline.rows.profile import Profile
from maskbeam.transforms import features, summaries
from maskbeam.transforms.classes import ClassMap


def make_stats(
    options: Options,
    plan: Plan,
    splits: Mapping[str, Sequence[WrittenRecords]],
    rejections: Mapping[str, int],
    keys: Mapping[str, Found],
    profiles: Mapping[str, Profile],
) -> dict[str, Any]:
    """Makes the content of `stats.json`.

    Args:
        options: what was converted.
        plan: how it was cut.
        splits: the shards of each split.
        rejections: how many rows were rejected, by stage.
        keys: what `judge_keys` found.
        profiles: what a report says of each split; none of a split without rows.
    """
    config, class_map = plan.config, options.class_map
    empty = Profile(config.num_classes, options.report_pictures)
    whole = {split: profiles.get(split, empty) for split in splits}
    of_splits = {
        split: {
            **_of_split(shards, _total(config, shards), whole[split]),
            **_of_moved(class_map, whole[split].moved),
            **_of_drawn(whole[split]),
        }
        for split, shards in splits.items()
    }
    known = findings.Known(
        class_map,
        config,
        keys.get(REPEATED, (0, [])),
        rejections,
        {source.split for source in options.images_only},
    )
    return {
        "classes": class_map.names,
        "rejected": sum(rejections.values()),
        "rejections": dict(rejections),
        "warnings": findings.find(known, of_splits),
        "splits": of_splits,
        **_derived(training_summary(config, splits)),
        **of_all(profile.add_up(whole.values())),
    }


def training_summary(
    config: features.Config, splits: Mapping[str, Sequence[WrittenRecords]]
) -> summaries.Summary:
    """Adds up what the graph's constants come from."""
    names = summaries.graph_splits(splits)
    return _total(config, itertools.chain.from_iterable(splits[n] for n in names))


def _total(
    config: features.Config, shards: Iterable[WrittenRecords]
) -> summaries.Summary:
    return summaries.add(
        (shard.summary for shard in shards), config.num_classes, config.with_images
    )


def _of_split(
    shards: Sequence[WrittenRecords], total: summaries.Summary, found: Profile
) -> dict[str, Any]:
    """Makes the counts of one split."""
    sizes = add_sizes(shard.sizes for shard in shards)
    origins = sum((shard.origins for shard in shards), Origins())
    return {
        "records": sum(shard.records for shard in shards),
        features.CLASS_PIXELS: total[features.CLASS_PIXELS].tolist(),
        features.IGNORED_PIXELS: int(total[features.IGNORED_PIXELS][0]),
        features.CLASS_IMAGES: total[features.CLASS_IMAGES].tolist(),
        features.PRESENCE_PIXELS: total[features.PRESENCE_PIXELS].tolist(),
        "sizes": [[height, width, count] for (height, width), count in sizes.items()],
        "source_rows": origins.rows,
        "turned_images": origins.turned,
        **of_profile(found),
    }


def _of_moved(class_map: ClassMap, moved: Moved) -> dict[str, Any]:
    """Makes the counts of pixels that were moved, if the class map moves any."""
    if class_map.moves is None:
        return {}
    return {"moved_pixels": {"by": class_map.moves, **dataclasses.asdict(moved)}}


def _of_drawn(found: Profile) -> dict[str, int]:
    """Makes the count of pixels that several classes claimed, of what was drawn."""
    if not found.counts["drawn"]:
        return {}
    return {"overlapping": found.counts["overlapping"]}


def of_profile(found: Profile) -> dict[str, Any]:
    """Makes those counts of a split that a profile has."""
    counts = found.counts
    return {
        "masks_of_one_class": counts["one_class"],
        "images_of_one_color": counts["one_color"],
        "stray_pixels": {"looked_at": counts["looked_at"], "found": counts["stray"]},
        "classes_in_rows": found.classes_in_rows.tolist(),
        "ignored_shares": found.ignored_shares.tolist(),
        "most": _most(found),
    }


def _most(found: Profile) -> list[dict[str, Any] | None] | None:
    """Names for each class the row that has most of it."""
    if found.num_classes > seen.CLASSES:
        return None
    most: list[dict[str, Any] | None] = [None] * found.num_classes
    for number, place in seen.most_of_classes(found.seen):
        row = found.seen[place]
        (at,) = (row.classes == number).nonzero()
        if most[number] is None:  # it comes first
            most[number] = {"key": row.key, "pixels": int(row.pixels[at[0]])}
    return most


def choices(
    stats: Mapping[str, Any], options: Options, profiles: Mapping[str, Profile]
) -> list[Choice]:
    """Chooses the rows that a report shows.

    Args:
        stats: as `make_stats` makes them.
        options: what was converted.
        profiles: of each split that has rows.
    """
    by_split = [found[features.CLASS_PIXELS] for found in stats["splits"].values()]
    pixels = np.sum(by_split, axis=0).tolist()
    rows = {
        split: [row for row in profiles[split].seen if _is_drawn(row)]
        for split in sorted(profiles)
    }
    return choice.choose(rows, options.class_map, pixels, options.report_pictures)


def _is_drawn(row: seen.Seen) -> bool:
    pixels = row.height * row.width
    return pixels <= drawing.MOST_PIXELS and row.length <= drawing.MOST_BYTES


def of_choices(
    chosen: Iterable[Choice], splits: Mapping[str, Sequence[WrittenRecords]]
) -> list[dict[str, str]]:
    """Names the rows that a report shows, their shards, and why they are shown."""
    return [
        {
            "split": split,
            "key": row.key,
            "shard": splits[split][row.shard].path,
            "why": why,
        }
        for split, row, why in chosen
    ]


def of_all(found: Profile) -> dict[str, Any]:
    """Makes what is said of all splits together."""
    if found.sampled is None or found.together is None:
        return {}
    return {
        "heat_maps": {
            "rows": GRID,
            "columns": GRID,
            "sampled": found.sampled[:, :-1].sum(1).tolist(),
            "classes": found.sampled[:, :-1].T.tolist(),
        },
        "co_occurrence": found.together.tolist(),
    }


def _derived(train: summaries.Summary) -> dict[str, Any]:
    """Makes class weights, None for a class without pixels; with images, moments."""
    derived = {
        name: values.numpy().tolist()
        for name, values in summaries.statistics(train).items()
    }
    weights = {
        name: [
            weight if pixels else None
            for weight, pixels in zip(
                derived.pop(name), train[features.CLASS_PIXELS], strict=True
            )
        ]
        for name in summaries.CLASS_WEIGHTS
    }
    return {"class_weights": weights, **derived}


def add_sizes(
    many: Iterable[Mapping[tuple[int, int], int]],
) -> dict[tuple[int, int], int]:
    """Adds up how many masks there are of each size; sorted by size."""
    total: collections.Counter[tuple[int, int]] = collections.Counter()
    for sizes in many:
        total.update(sizes)
    return dict(sorted(total.items()))
