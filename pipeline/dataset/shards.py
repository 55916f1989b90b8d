"""Assembles shards from fragments."""

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from maskbeam.pipeline.dataset.statistics import add_sizes
from maskbeam.pipeline.elements import Origins, ShardId, WrittenRecords
from maskbeam.pipeline.planning.plan import SKEW_ROWS, Plan
from maskbeam.pipeline.rows import profile
from maskbeam.pipeline.rows.write import PROFILES, SAMPLES, WriteFragment
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import dataset_files, summaries


def assemble(
    directory: str,
    name: str,
    plan: Plan,
    shard_id: ShardId,
    pieces: Iterable[WrittenRecords],
) -> WrittenRecords:
    """Writes a shard: concatenates its fragments under its final name.

    Args:
        directory: where shards are written.
        name: the dataset's name.
        plan: how many shards each split has.
        shard_id: the shard.
        pieces: its fragments, in any order; those that were written twice count once.
    """
    split, number = shard_id
    parts = {piece.part: piece for piece in pieces}
    fragments = [parts[part] for part in sorted(parts)]
    file_name = dataset_files.shard_name(name, split, number, plan.splits[split].shards)
    checksum = hashlib.sha256()
    with files.create(files.join(directory, file_name)) as shard:
        for fragment in fragments:
            for chunk in files.chunks(fragment.path):
                shard.write(chunk)
                checksum.update(chunk)
    config = plan.config
    return WrittenRecords(
        part=(number,),
        path=file_name,
        records=sum(f.records for f in fragments),
        bytes=sum(f.bytes for f in fragments),
        sizes=add_sizes(f.sizes for f in fragments),
        summary=summaries.add(
            (f.summary for f in fragments), config.num_classes, config.with_images
        ),
        origins=sum((f.origins for f in fragments), Origins()),
        sha256=checksum.hexdigest(),
    )


@dataclasses.dataclass(eq=False)
class WriteShards(beam.PTransform):
    """EncodedBatch -> `shards`: (ShardId, WrittenRecords); `samples`, `profiles`.

    There are `shards` for all that have records. `samples` is a list of the few
    SkewSamples of the smallest ranks; if there are no records, there is no list.
    `profiles` are (split, Profile), of each split that has records.

    Attributes:
        directory: where shards are written.
        temporary: where fragments are.
        name: the dataset's name.
        plan: its splits, their shards, the encoding.
        seed: the seed of the rows' ranks.
        shown: how many rows of a split a report may show by chance.
    """

    directory: str
    temporary: str
    name: str
    plan: Plan
    seed: int
    shown: int

    def expand(self, batches: beam.PCollection) -> Any:
        """Groups the names of fragments, never their bytes."""
        written = batches | "WriteFragment" >> beam.ParDo(
            WriteFragment(self.temporary, self.plan.config, self.seed, self.shown)
        ).with_outputs(SAMPLES, PROFILES, main="fragments")
        shards = (
            written.fragments
            | "GroupByShard" >> beam.GroupByKey()
            | "AssembleShard"
            >> beam.Map(_assembled, self.directory, self.name, self.plan)
        )
        smallest = beam.combiners.TopCombineFn(SKEW_ROWS, reverse=True)
        samples = (
            written[SAMPLES]
            | "FewSamples" >> beam.CombineGlobally(smallest).without_defaults()
        )
        profiles = written[PROFILES] | "AddProfiles" >> beam.CombinePerKey(
            profile.add_up
        )
        return {"shards": shards, SAMPLES: samples, PROFILES: profiles}


def _assembled(
    element: tuple[ShardId, Iterable[WrittenRecords]],
    directory: str,
    name: str,
    plan: Plan,
) -> tuple[ShardId, WrittenRecords]:
    shard_id, pieces = element
    return shard_id, assemble(directory, name, plan, shard_id, pieces)
