"""Makes `stats.json`: counts, weights, moments, sizes, rejections, warnings."""

import collections
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from maskbeam.pipeline.dataset import warnings
from maskbeam.pipeline.dataset.rejections import Found
from maskbeam.pipeline.elements import WrittenRecords
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.transforms import features, summaries


def make_stats(
    options: Options,
    plan: Plan,
    splits: Mapping[str, Sequence[WrittenRecords]],
    rejections: Mapping[str, int],
    keys: Mapping[str, Found],
) -> dict[str, Any]:
    """Makes the content of `stats.json`.

    Args:
        options: what was converted.
        plan: how it was cut.
        splits: the shards of each split.
        rejections: how many rows were rejected, by stage.
        keys: what `judge_keys` found.
    """
    of_splits = {
        split: _of_split(shards, _total(plan.config, shards))
        for split, shards in splits.items()
    }
    return {
        "classes": options.class_map.names,
        "rejected": sum(rejections.values()),
        "rejections": dict(rejections),
        "warnings": warnings.of_dataset(options.class_map, of_splits, splits, keys),
        "splits": of_splits,
        **_derived(training_summary(plan.config, splits)),
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
    shards: Sequence[WrittenRecords], total: summaries.Summary
) -> dict[str, Any]:
    """Makes the counts of one split."""
    sizes = add_sizes(shard.sizes for shard in shards)
    return {
        "records": sum(shard.records for shard in shards),
        features.CLASS_PIXELS: total[features.CLASS_PIXELS].tolist(),
        features.IGNORED_PIXELS: int(total[features.IGNORED_PIXELS][0]),
        features.CLASS_IMAGES: total[features.CLASS_IMAGES].tolist(),
        features.PRESENCE_PIXELS: total[features.PRESENCE_PIXELS].tolist(),
        "sizes": [[height, width, count] for (height, width), count in sizes.items()],
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
