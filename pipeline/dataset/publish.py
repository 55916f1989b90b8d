"""The last step: statistics, TFDS's files and the manifest; or the verdict.

It is a step of the pipeline, for the process that submitted the job may be gone by
then, and it returns normally whatever it finds: an error would be tried again.
"""

import dataclasses
import importlib.metadata
import logging
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from maskbeam.pipeline import elements
from maskbeam.pipeline.dataset import skew
from maskbeam.pipeline.dataset.rejections import judge
from maskbeam.pipeline.dataset.tfds_files import make_dataset_info, make_features
from maskbeam.pipeline.options import Options, RecordKeys
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows.write import ShardId, WrittenRecords, add_sizes
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import (
    class_files,
    features,
    layout,
    record_columns,
    serving,
    signatures,
    summaries,
)

_SKEW_PIXELS = 32 << 20  # that the serving model is held against; or one row
_PACKAGES = ("maskbeam", "apache-beam", "tensorflow", "tensorflow-transform", "isal")


@dataclasses.dataclass(eq=False)
class Publish(beam.DoFn):
    """Writes what stands beside the shards, the manifest last.

    Attributes:
        options: what was converted.
        plan: how it was cut.
        temporary: the directory that is removed after the manifest.
    """

    options: Options
    plan: Plan
    temporary: str

    def process(
        self,
        _: None,
        shards: Sequence[tuple[ShardId, WrittenRecords]],
        rejected: Sequence[tuple[str, int]],
        duplicates: tuple[int, list[str]],
        repeated: tuple[int, list[str]],
        graph: Sequence[Any],
        samples: Sequence[elements.SkewSample],
    ) -> Iterator[None]:
        """Judges the run, and publishes it or says why not.

        Args:
            shards: all of them.
            rejected: (split, how many).
            duplicates: keys that are twice in one split.
            repeated: keys that are in several splits.
            graph: elements, once the graph is written.
            samples: rows to hold the serving model against.
        """
        del graph  # what matters is that it is there
        directory = self.options.output
        assert directory is not None
        if repeated[0]:
            logging.warning(
                "%d keys are in more than one split: %s", repeated[0], repeated[1][0]
            )
        lost = sum(count for _, count in rejected)
        splits = self._splits(shards)
        written = sum(sum(p.records for p in pieces) for pieces in splits.values())
        reason = judge(written, lost, self.options.max_rejected, duplicates)
        stats = make_stats(self.options, self.plan, splits, lost)
        if not reason:
            reason = self._serving(stats, samples)
        if reason:
            folder = files.join(directory, layout.REJECTED)
            files.make_directory(folder)
            verdict = {"reason": reason, "rejected": lost, "records": written}
            files.write_json(files.join(folder, layout.VERDICT), verdict)
            return
        text = class_files.to_yaml(self.options.class_map)
        files.write(files.join(directory, layout.CLASSES), text.encode())
        for name, tree in (
            (layout.STATS, stats),
            (layout.FEATURES, make_features(self.plan.config)),
            (layout.DATASET_INFO, make_dataset_info(self.options.name, splits)),
            (layout.MANIFEST, make_manifest(self.options, self.plan, splits, lost)),
        ):
            files.write_json(files.join(directory, name), tree)
        files.remove(self.temporary)
        files.remove(files.join(directory, layout.UNFINISHED))
        yield None

    def _serving(
        self, stats: dict[str, Any], samples: Sequence[elements.SkewSample]
    ) -> str:
        """Writes the serving model; gives how it differs from the records, if so."""
        directory, config = self.options.output, self.plan.config
        assert directory is not None
        constants = record_columns.constants_of(stats, config)
        # TensorFlow knows fewer filesystems than Beam.
        with tempfile.TemporaryDirectory(prefix="maskbeam-") as scratch:
            signatures.save(
                scratch,
                config,
                self.options.class_map,
                constants,
                example_keys(self.plan.record_keys),
            )
            transform = serving.Transform(scratch)
            files.copy_directory(scratch, serving.model_path(directory))
        check = skew.SkewCheck(transform, config, constants)
        pixels = 0
        for sample in samples:
            if pixels >= _SKEW_PIXELS:
                break
            pixels += sample.pixels
            record = files.read_part(sample.path, sample.offset, sample.length)
            label, image = pickle.loads(files.read(sample.raw_path))
            for difference in check.differences(label, image, record):
                return (
                    f"serving and records differ: row {sample.key!r} of split "
                    f"{sample.split}: {difference}"
                )
        return ""

    def _splits(
        self, shards: Sequence[tuple[ShardId, WrittenRecords]]
    ) -> dict[str, list[WrittenRecords]]:
        splits: dict[str, list[WrittenRecords]] = {
            split: [] for split in self.plan.splits
        }
        for (split, _), pieces in sorted(shards, key=lambda shard: shard[0]):
            splits[split].append(pieces)
        return splits


def example_keys(keys: RecordKeys) -> signatures.ExampleKeys:
    """The features of the tf.Examples that serving reads: as the converter does."""
    usual = signatures.ExampleKeys()
    return signatures.ExampleKeys(keys.label or usual.label, keys.image or usual.image)


def make_stats(
    options: Options, plan: Plan, splits: dict[str, list[WrittenRecords]], rejected: int
) -> dict[str, Any]:
    """The content of `stats.json`."""
    config = plan.config
    totals = {
        split: summaries.add(
            (p.summary for p in pieces), config.num_classes, config.with_images
        )
        for split, pieces in splits.items()
    }
    train = summaries.add(
        (totals[split] for split in summaries.graph_splits(totals)),
        config.num_classes,
        config.with_images,
    )
    derived = {
        name: values.numpy().tolist()
        for name, values in summaries.statistics(train).items()
    }
    stats: dict[str, Any] = {
        "classes": options.class_map.names,
        "rejected": rejected,
        "splits": {
            split: {
                "records": sum(p.records for p in splits[split]),
                features.CLASS_PIXELS: total[features.CLASS_PIXELS].tolist(),
                features.IGNORED_PIXELS: int(total[features.IGNORED_PIXELS][0]),
                features.CLASS_IMAGES: total[features.CLASS_IMAGES].tolist(),
                features.PRESENCE_PIXELS: total[features.PRESENCE_PIXELS].tolist(),
                "sizes": [
                    [height, width, count]
                    for (height, width), count in add_sizes(
                        p.sizes for p in splits[split]
                    ).items()
                ],
            }
            for split, total in totals.items()
        },
        "class_weights": {
            name: [
                weight if pixels else None
                for weight, pixels in zip(
                    derived[name], train[features.CLASS_PIXELS], strict=True
                )
            ]
            for name in summaries.CLASS_WEIGHTS
        },
    }
    if config.with_images:
        for name in (summaries.IMAGE_MEAN, summaries.IMAGE_STD):
            stats[name] = derived[name]
    return stats


def make_manifest(
    options: Options, plan: Plan, splits: dict[str, list[WrittenRecords]], rejected: int
) -> dict[str, Any]:
    """The content of `manifest.json`."""
    return {
        "format": layout.FORMAT,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "options": options.to_json() | dataclasses.asdict(plan.config),
        "rejected": rejected,
        "splits": {
            split: {
                "records": sum(p.records for p in pieces),
                "shards": [
                    {
                        "file": p.path,
                        "records": p.records,
                        "bytes": p.bytes,
                        "sha256": p.sha256,
                    }
                    for p in pieces
                ],
            }
            for split, pieces in splits.items()
        },
    }
