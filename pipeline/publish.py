"""The last step: statistics, TFDS's files and the manifest; or the verdict.

It is a step of the pipeline, for the process that submitted the job may be gone by
then, and it returns normally whatever it finds: an error would be tried again.
"""

import dataclasses
import heapq
import importlib.metadata
import logging
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam

from pipeline import files, skew
from pipeline.options import Options, RecordKeys
from pipeline.rows import Rejection
from pipeline.survey import Plan
from pipeline.write import Pieces, ShardId, add_sizes, mask_depth
from transforms import (
    class_files,
    features,
    layout,
    masks,
    records,
    serving,
    signatures,
    summaries,
)

_TFDS = "tensorflow_datasets.core.features"
_DICT = f"{_TFDS}.features_dict.FeaturesDict"
_VERSION = "1.0.0"  # of the dataset, as TFDS wants one
_SKEW_PIXELS = 32 << 20  # that the serving model is held against; or one row
_PACKAGES = ("maskbeam", "apache-beam", "tensorflow", "tensorflow-transform", "isal")


class Few(beam.CombineFn):
    """How many elements there are, and the few smallest of them."""

    _SHOWN = 5

    def create_accumulator(self) -> tuple[int, list[str]]:
        """None yet."""
        return 0, []

    def add_input(
        self, accumulator: tuple[int, list[str]], element: str
    ) -> tuple[int, list[str]]:
        """Counts one."""
        return self.merge_accumulators([accumulator, (1, [element])])

    def merge_accumulators(
        self, accumulators: Iterable[tuple[int, list[str]]]
    ) -> tuple[int, list[str]]:
        """Adds counts up."""
        counts, shown = zip(*accumulators, strict=True)
        return sum(counts), heapq.nsmallest(self._SHOWN, sum(shown, []))

    def extract_output(
        self, accumulator: tuple[int, list[str]]
    ) -> tuple[int, list[str]]:
        """(count, elements)."""
        return accumulator


def write_rejections(
    directory: str, split: str, rejections: Iterable[Rejection]
) -> tuple[str, int]:
    """Writes the rejections of one split, sorted, a line each; gives their number."""
    lines = sorted(set(rejections))
    files.make_directory(files.join(directory, layout.REJECTED))
    path = files.join(directory, layout.rejected_file(split))
    files.write(path, "".join(line.to_json() + "\n" for line in lines).encode())
    return split, len(lines)


@dataclasses.dataclass(eq=False)
class WriteRejections(beam.PTransform):
    """Rejections to `rejected/`: gives (split, how many).

    Attributes:
        directory: of the dataset.
    """

    directory: str

    def expand(self, rejections: beam.PCollection) -> beam.PCollection:
        """One file a split."""
        return (
            rejections
            | "BySplit" >> beam.WithKeys(lambda rejection: rejection.split)
            | "GroupBySplit" >> beam.GroupByKey()
            | "WriteSplit"
            >> beam.MapTuple(
                lambda split, found: write_rejections(self.directory, split, found)
            )
        )


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
        shards: Sequence[tuple[ShardId, Pieces]],
        rejected: Sequence[tuple[str, int]],
        duplicates: tuple[int, list[str]],
        repeated: tuple[int, list[str]],
        graph: Sequence[Any],
        samples: Sequence[skew.Sample],
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

    def _serving(self, stats: dict[str, Any], samples: Sequence[skew.Sample]) -> str:
        """Writes the serving model; gives how it differs from the records, if so."""
        directory, config = self.options.output, self.plan.config
        assert directory is not None
        constants = records.constants_of(stats, config)
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
        self, shards: Sequence[tuple[ShardId, Pieces]]
    ) -> dict[str, list[Pieces]]:
        splits: dict[str, list[Pieces]] = {split: [] for split in self.plan.splits}
        for (split, _), pieces in sorted(shards, key=lambda shard: shard[0]):
            splits[split].append(pieces)
        return splits


def example_keys(keys: RecordKeys) -> signatures.ExampleKeys:
    """The features of the tf.Examples that serving reads: as the converter does."""
    usual = signatures.ExampleKeys()
    return signatures.ExampleKeys(keys.label or usual.label, keys.image or usual.image)


def judge(
    records: int,
    rejected: int,
    max_rejected: float,
    duplicates: tuple[int, list[str]],
) -> str:
    """Why a run is no dataset; empty if it is one."""
    if duplicates[0]:
        shown = "; ".join(duplicates[1])
        return (
            f"{duplicates[0]} keys are twice in a split: {shown}. Keys must be unique; "
            "name another feature by --record_keys key=..., or leave it empty to "
            "number the rows"
        )
    if not records:
        return f"no record was written: all {rejected} rows were rejected"
    share = rejected / (rejected + records)
    if share > max_rejected:
        return (
            f"{rejected} of {rejected + records} rows were rejected ({share:.3%}), and "
            f"--max_rejected is {max_rejected:g}"
        )
    return ""


def make_stats(
    options: Options, plan: Plan, splits: dict[str, list[Pieces]], rejected: int
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
    options: Options, plan: Plan, splits: dict[str, list[Pieces]], rejected: int
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


def make_dataset_info(name: str, splits: dict[str, list[Pieces]]) -> dict[str, Any]:
    """The content of TFDS's `dataset_info.json`."""
    return {
        "name": name,
        "version": _VERSION,
        "description": "Semantic-segmentation masks, one-hot encoded by maskbeam.",
        "fileFormat": "tfrecord",
        "splits": [
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": str(sum(p.bytes for p in pieces)),
                "shardLengths": [str(p.records) for p in pieces],
            }
            for split, pieces in splits.items()
        ],
    }


def make_features(config: features.Config) -> dict[str, Any]:
    """The content of TFDS's `features.json`: the record columns, as TFDS has them."""
    columns = {
        features.KEY: _text(),
        features.IMAGE_HEIGHT: _tensor([], "int64"),
        features.IMAGE_WIDTH: _tensor([], "int64"),
        config.mask_column: _mask(config),
    }
    if config.with_images:
        resized = config.size if config.image_storage == "png" else None
        columns[features.IMAGE_ENCODED] = _image([*(resized or (-1, -1)), 3], "uint8")
        columns[features.IMAGE_FORMAT] = _text()
    return {
        "type": _DICT,
        "content": {"features": columns},
        "proto_cls": "tensorflow_datasets.FeaturesDict",
    }


def _mask(config: features.Config) -> dict[str, Any]:
    height, width = config.size or (-1, -1)
    if config.mask_encoding == "png":
        dtype = masks.index_dtype(config.num_classes).name
        return _image([height, width, 1], dtype, encoding="png")
    if config.mask_encoding == "float32" and config.size is None:
        # TFDS reads no plain tensor of two unknown sides: value and shape it is.
        parts = {"value": _tensor([-1], "float32"), "shape": _tensor([3], "int64")}
        return {"pythonClassName": _DICT, "featuresDict": {"features": parts}}
    dtype, encoding = {
        "bits": (masks.word_dtype(config.num_classes).name, "zlib"),
        "uint8": ("uint8", "zlib"),
        "float32": ("float32", "none"),
    }[config.mask_encoding]
    return _tensor([height, width, *mask_depth(config)], dtype, encoding)


def _text() -> dict[str, Any]:
    return {"pythonClassName": f"{_TFDS}.text_feature.Text", "text": {}}


def _tensor(shape: list[int], dtype: str, encoding: str = "none") -> dict[str, Any]:
    return {
        "pythonClassName": f"{_TFDS}.tensor_feature.Tensor",
        "tensor": {"shape": _shape(shape), "dtype": dtype, "encoding": encoding},
    }


def _image(shape: list[int], dtype: str, encoding: str = "") -> dict[str, Any]:
    image: dict[str, Any] = {"shape": _shape(shape), "dtype": dtype}
    if encoding:
        image["encodingFormat"] = encoding
    return {"pythonClassName": f"{_TFDS}.image_feature.Image", "image": image}


def _shape(shape: list[int]) -> dict[str, Any]:
    return {"dimensions": [str(n) for n in shape]} if shape else {}
