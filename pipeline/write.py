"""Encoded rows to records, records to fragments, fragments to shards.

A fragment is a piece of a TFRecord file under a name of its own; what moves on is its
name. Per shard the fragments are concatenated in the order of their parts, so shards
do not depend on the number of workers or on timing, and a runner may do any step twice.
Fragments stay until the manifest is written.
"""

import collections
import dataclasses
import hashlib
import pickle
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from pipeline import examples, files, png, progress, tfrecords
from pipeline.check import CheckedRow
from pipeline.encode import EncodedBatch
from pipeline.keys import rank_of
from pipeline.skew import Sample
from pipeline.survey import SKEW_ROWS, Plan, shard_name
from transforms import features, masks, summaries

_RECORDS = beam.metrics.Metrics.counter(progress.NAMESPACE, "records")

_LEVEL = 1  # isal's levels 0 to 2 are fast, 3 is not


@dataclasses.dataclass(frozen=True)
class Pieces:
    """What is known of records that lie together: of a fragment, or of a shard.

    Attributes:
        part: sorts the fragments of a shard.
        path: of the fragment; of a shard its file name.
        records: how many.
        bytes: of the file.
        sizes: how many masks of each (height, width).
        summary: of all rows.
        sha256: of a shard's file, in hex.
    """

    part: tuple[int, ...]
    path: str
    records: int
    bytes: int
    sizes: Mapping[tuple[int, int], int]
    summary: summaries.Summary
    sha256: str = ""


ShardId = tuple[str, int]
SAMPLES = "samples"


def make_record(
    row: CheckedRow, mask: npt.NDArray[Any], config: features.Config
) -> bytes:
    """A row as a serialized tf.Example.

    Args:
        row: the row.
        mask: for its runs, as `EncodedBatch` has it.
        config: the encoding.
    """
    columns: dict[str, examples.Value] = {
        features.KEY: row.key,
        features.IMAGE_HEIGHT: row.height,
        features.IMAGE_WIDTH: row.width,
        **mask_columns(row.runs.repeat(mask), row.height, row.width, config),
    }
    if row.image_bytes is not None:
        columns[features.IMAGE_ENCODED] = row.image_bytes
        columns[features.IMAGE_FORMAT] = row.image_format
    return examples.serialize(columns)


def mask_columns(
    mask: npt.NDArray[Any], height: int, width: int, config: features.Config
) -> dict[str, examples.Value]:
    """A mask as it lies in the record.

    Args:
        mask: [pixels] or [pixels n], as the encode function gives it.
        height: of the mask, in pixels.
        width: likewise.
        config: the encoding.

    Returns:
        One column where all rows have one size, value and shape where they do not.
    """
    column = config.mask_column
    if config.mask_encoding == "png":
        return {column: png.encode_png(mask.reshape(height, width))}
    value: examples.Value
    if config.mask_encoding == "float32":
        value = mask.ravel()
    else:
        value = isal_zlib.compress(mask, _LEVEL)
    if config.size is not None:
        return {column: value}
    shape = [height, width, *mask_depth(config)]
    return {
        column + features.VALUE_SUFFIX: value,
        column + features.SHAPE_SUFFIX: np.array(shape, np.int64),
    }


def mask_depth(config: features.Config) -> list[int]:
    """What follows height and width in the shape of a stored mask."""
    if config.mask_encoding == "bits":
        words = masks.words_per_pixel(config.num_classes)
        return [words] if words > 1 else []
    return [config.num_classes]


@dataclasses.dataclass(eq=False)
class WriteFragment(beam.DoFn):
    """Encoded batches to fragments: gives (shard, fragment), and `samples`.

    Attributes:
        directory: where fragments lie.
        config: the encoding.
        seed: of the samples' ranks.
    """

    directory: str
    config: features.Config
    seed: int

    def setup(self) -> None:
        """Makes the directory, once a worker."""
        files.make_directory(self.directory)

    def process(self, batch: EncodedBatch) -> Iterator[Any]:
        """Writes one fragment."""
        samples: list[Sample] = []
        path = files.join(self.directory, uuid.uuid4().hex)
        total = summaries.zero(self.config.num_classes, self.config.with_images)
        sizes: collections.Counter[tuple[int, int]] = collections.Counter()
        size = 0
        with files.open_new(path) as file:
            for row, mask in zip(batch.rows, batch.masks, strict=True):
                record = make_record(row, mask, self.config)
                if row.raw is not None:
                    raw_path = files.join(self.directory, uuid.uuid4().hex)
                    raw = row.raw.label_bytes, row.raw.image_bytes
                    files.write(raw_path, pickle.dumps(raw))
                    samples.append(
                        Sample(
                            rank_of(row.key, self.seed),
                            batch.split,
                            row.key,
                            raw_path,
                            path,
                            size + tfrecords.HEAD_BYTES,
                            len(record),
                            row.height * row.width,
                        )
                    )
                size += file.write(tfrecords.frame(record))
                sizes[row.height, row.width] += 1
                for name, values in row.summary.items():
                    total[name] += values
        records = len(batch.rows)
        progress.TALLY.add(records=records)
        _RECORDS.inc(records)
        yield from (beam.pvalue.TaggedOutput(SAMPLES, sample) for sample in samples)
        yield (
            (batch.split, batch.shard),
            Pieces(batch.part, path, records, size, dict(sizes), total),
        )


@dataclasses.dataclass(eq=False)
class AssembleShard(beam.DoFn):
    """The fragments of a shard to the shard: gives (shard, shard's pieces).

    Attributes:
        directory: of the dataset.
        name: of the dataset.
        plan: how many shards each split has.
    """

    directory: str
    name: str
    plan: Plan

    def process(
        self, element: tuple[ShardId, Iterable[Pieces | None]]
    ) -> Iterator[tuple[ShardId, Pieces]]:
        """Concatenates, and moves the shard to its final name."""
        (split, number), pieces = element
        parts: dict[tuple[int, ...], Pieces] = {
            piece.part: piece for piece in pieces if piece is not None
        }
        fragments = [parts[part] for part in sorted(parts)]
        name = shard_name(self.name, split, number, self.plan.splits[split].shards)
        checksum = hashlib.sha256()
        with files.create(files.join(self.directory, name)) as shard:
            for fragment in fragments:
                for chunk in files.chunks(fragment.path):
                    shard.write(chunk)
                    checksum.update(chunk)
        config = self.plan.config
        yield (
            (split, number),
            Pieces(
                part=(number,),
                path=name,
                records=sum(f.records for f in fragments),
                bytes=sum(f.bytes for f in fragments),
                sizes=add_sizes(f.sizes for f in fragments),
                summary=summaries.add(
                    (f.summary for f in fragments),
                    config.num_classes,
                    config.with_images,
                ),
                sha256=checksum.hexdigest(),
            ),
        )


def add_sizes(
    many: Iterable[Mapping[tuple[int, int], int]],
) -> dict[tuple[int, int], int]:
    """The sum of size counts, sorted."""
    total: collections.Counter[tuple[int, int]] = collections.Counter()
    for sizes in many:
        total.update(sizes)
    return dict(sorted(total.items()))


@dataclasses.dataclass(eq=False)
class WriteShards(beam.PTransform):
    """Encoded batches to shards: gives `shards` and `samples`.

    The one are (shard, shard's pieces) of every planned shard, the other those few of
    the samples that have the smallest ranks, as one list.

    Attributes:
        directory: of the dataset.
        temporary: where fragments lie.
        name: of the dataset.
        plan: its splits, their shards, the encoding.
        seed: of the samples' ranks.
    """

    directory: str
    temporary: str
    name: str
    plan: Plan
    seed: int

    def expand(self, batches: beam.PCollection) -> Any:
        """Groups the names of fragments, never their bytes."""
        # Where all rows of a shard were rejected it is there all the same, empty.
        planned = batches.pipeline | "PlannedShards" >> beam.Create(
            [
                ((split, number), None)
                for split, plan in self.plan.splits.items()
                for number in range(plan.shards)
            ],
            reshuffle=False,
        )
        written = batches | "WriteFragment" >> beam.ParDo(
            WriteFragment(self.temporary, self.plan.config, self.seed)
        ).with_outputs(SAMPLES, main="fragments")
        shards = (
            (written.fragments, planned)
            | "WithPlanned" >> beam.Flatten()
            | "GroupByShard" >> beam.GroupByKey()
            | "AssembleShard"
            >> beam.ParDo(AssembleShard(self.directory, self.name, self.plan))
        )
        samples = written[SAMPLES] | "FewSamples" >> beam.combiners.Top.Smallest(
            SKEW_ROWS
        )
        return {"shards": shards, SAMPLES: samples}
