"""Assembles shards from fragments."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from maskbeam.pipeline.dataset.statistics import add_sizes
from maskbeam.pipeline.elements import ShardId, WrittenRecords
from maskbeam.pipeline.planning.plan import SKEW_ROWS, Plan, shard_name
from maskbeam.pipeline.rows.write import SAMPLES, WriteFragment
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import summaries


@dataclasses.dataclass(eq=False)
class AssembleShard(beam.DoFn):
    """(ShardId, WrittenRecords of fragments) -> (ShardId, WrittenRecords of the shard).

    A None among the fragments says only that the shard was planned.

    Attributes:
        directory: the dataset's directory.
        name: the dataset's name.
        plan: how many shards each split has.
    """

    directory: str
    name: str
    plan: Plan

    def process(
        self, element: tuple[ShardId, Iterable[WrittenRecords | None]]
    ) -> Iterator[tuple[ShardId, WrittenRecords]]:
        """Concatenates the fragments, and moves the shard to its final name."""
        (split, number), pieces = element
        parts: dict[tuple[int, ...], WrittenRecords] = {
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
            WrittenRecords(
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


@dataclasses.dataclass(eq=False)
class WriteShards(beam.PTransform):
    """EncodedBatch -> `shards`: (ShardId, WrittenRecords); `samples`: a list, or none.

    There are `shards` for all that were planned. The list has the few SkewSamples of
    the smallest ranks; if there are no records, there is no list.

    Attributes:
        directory: the dataset's directory.
        temporary: where fragments are.
        name: the dataset's name.
        plan: its splits, their shards, the encoding.
        seed: the seed of the samples' ranks.
    """

    directory: str
    temporary: str
    name: str
    plan: Plan
    seed: int

    def expand(self, batches: beam.PCollection) -> Any:
        """Groups the names of fragments, never their bytes."""
        # A shard whose rows were all rejected is there all the same, empty.
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
        smallest = beam.combiners.TopCombineFn(SKEW_ROWS, reverse=True)
        samples = (
            written[SAMPLES]
            | "FewSamples" >> beam.CombineGlobally(smallest).without_defaults()
        )
        return {"shards": shards, SAMPLES: samples}
