"""Names to pairs, pairs to units: the pipeline's own look at the names.

Label maps and images meet here and nowhere else. Only names move, so they may be
grouped and shuffled at will; rows never are. Every step takes packed names and gives
packed names.
"""

import collections
import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from maskbeam.pipeline.elements import Entry, Origins, Rejection, Row, Unit
from maskbeam.pipeline.formats import record_files
from maskbeam.pipeline.keys import rank_of, shard_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.census import Counted
from maskbeam.pipeline.planning.listing import Side, listed, sources_of
from maskbeam.pipeline.planning.packing import Packed, pack, unpack, unpack_all
from maskbeam.pipeline.planning.pairing import (
    counted_splits,
    pair_by_key,
    pairing_of,
    repeated_key,
)
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.runtime import files, progress
from maskbeam.pipeline.values import Source

REJECTED = "rejected"
REPEATED = "repeated"
COUNTED = "counted"

_GROUP_ROWS = 16384  # keys that one worker pairs at once
_WAITING_NAMES = 65536  # names of a listing that wait to be packed


class ListNames(beam.DoFn):
    """(Source, Side) -> (group, packed list of (key, Entry)).

    All that is known of a key comes to one group, of which there are `groups`.
    """

    def __init__(self, options: Options, plan: Plan, groups: int) -> None:
        self._options = options
        self._plan = plan
        self._groups = groups

    def process(self, element: tuple[Source, Side]) -> Iterator[tuple[int, Packed]]:
        """Lists one source."""
        known = (
            (key, entry)
            for key, entry in listed(element, self._options)
            if self._plan.splits[entry.split].takes(key, self._options.seed)
        )
        while some := list(itertools.islice(known, _WAITING_NAMES)):
            by_group: dict[int, list[tuple[str, Entry]]] = collections.defaultdict(list)
            for key, entry in some:
                group = zlib.crc32(key.encode()) % self._groups
                by_group[group].append((key, entry))
            yield from ((group, pack(names)) for group, names in by_group.items())


class PairNames(beam.DoFn):
    """(group, packed lists of (key, Entry)) -> ((split, shard), packed list of Row).

    Side outputs are `rejected`: Rejection; `repeated`: text that names a key which is
    in several splits; and `counted`: (split, Counted) of the group's names.
    """

    def __init__(self, options: Options, plan: Plan) -> None:
        self._options = options
        self._plan = plan
        self._pairing = pairing_of(options, with_images=plan.config.with_images)

    def process(self, element: tuple[int, Iterable[Packed]]) -> Iterator[Any]:
        """Pairs one group."""
        _, packed = element
        by_key: dict[str, list[Entry]] = collections.defaultdict(list)
        for key, entry in unpack_all(packed):
            by_key[key].append(entry)
        by_shard: dict[tuple[str, int], list[Row]] = collections.defaultdict(list)
        counted: dict[str, Counted] = collections.defaultdict(Counted)
        for key, found in by_key.items():
            splits = []
            for split in counted_splits(found, self._pairing):
                counted[split].listed.add(rank_of(key, self._options.seed))
            for result in pair_by_key(key, found, self._pairing):
                if isinstance(result, Rejection):
                    progress.TALLY.add(rejected=1)
                    yield beam.pvalue.TaggedOutput(REJECTED, result)
                    continue
                split, row = result
                splits.append(split)
                counted[split].sent += Origins(1, row.rank)
                shards = self._plan.splits[split].named_shards
                shard = shard_of(key, self._options.seed, shards)
                by_shard[split, shard].append(row)
            if len(splits) > 1:
                text = repeated_key(key, splits)
                yield beam.pvalue.TaggedOutput(REPEATED, text)
        for split, found_here in counted.items():
            yield beam.pvalue.TaggedOutput(COUNTED, (split, found_here))
        yield from ((place, pack(rows)) for place, rows in by_shard.items())


@dataclasses.dataclass(eq=False)
class CutShard(beam.DoFn):
    """((split, shard), packed lists of Row) -> packed Unit.

    Attributes:
        plan: how many rows make a unit.
    """

    plan: Plan

    def process(
        self, element: tuple[tuple[str, int], Iterable[Packed]]
    ) -> Iterator[Packed]:
        """Cuts one shard."""
        (split, shard), packed = element
        rows_per_unit = self.plan.splits[split].rows_per_unit
        yield from map(pack, cut_units(split, shard, unpack_all(packed), rows_per_unit))


def cut_units(
    split: str, shard: int, rows: Iterable[Row], rows_per_unit: int
) -> Iterator[Unit]:
    """Cuts the rows of one shard into units, in order of rank."""
    ordered = sorted(rows, key=lambda row: (row.rank, row.key))
    for part, at in enumerate(range(0, len(ordered), rows_per_unit)):
        yield Unit(split, shard, part, tuple(ordered[at : at + rows_per_unit]))


def record_units(options: Options, plan: Plan) -> list[Unit]:
    """The record files, whose rows keep their order: a shard each."""

    def unit(split: str, shard: int, file: files.File) -> Unit:
        return Unit(split, shard, 0, record_file=file.path, file_bytes=file.size)

    if options.split_by:
        # One file, rows of all splits: in each it is the same shard.
        found = plan.splits[options.splits[0]]
        return [unit("", *numbered) for numbered in enumerate(found.record_files)]
    return [
        unit(split, found.named_shards + number, file)
        for split, found in plan.splits.items()
        for number, file in enumerate(found.record_files)
    ]


class CutRecordFile(beam.DoFn):
    """Packed Unit of a whole record file -> packed Unit of each of its spans."""

    def process(self, packed: Packed) -> Iterator[Packed]:
        """Cuts one file, where it can be cut."""
        unit: Unit = unpack(packed)
        for part, span in enumerate(record_files.spans(unit.record_file)):
            yield pack(unit._replace(part=part, span=span))


@dataclasses.dataclass(eq=False)
class PlanUnits(beam.PTransform):
    """Names to units, which it spreads over the workers.

    Attributes:
        options: what is converted.
        plan: how it is cut.
    """

    options: Options
    plan: Plan

    def expand(self, root: beam.Pipeline) -> Any:
        """The root -> `units`: Unit; the side outputs of `PairNames`."""
        paired = self._pair_names(root)
        named = (
            paired.rows
            | "GroupByShard" >> beam.GroupByKey()
            | "CutShards" >> beam.ParDo(CutShard(self.plan))
        )
        whole = [pack(unit) for unit in record_units(self.options, self.plan)]
        found = (named, _cut_record_files(root, whole)) if whole else (named,)
        units = (
            found
            | "MergeUnits" >> beam.Flatten()
            # Any worker may take any unit, whatever the number of shards.
            | "SpreadUnits" >> beam.Reshuffle()
            | "UnpackUnits" >> beam.Map(unpack)
        )
        return {
            "units": units,
            REJECTED: paired[REJECTED],
            REPEATED: paired[REPEATED],
            COUNTED: paired[COUNTED],
        }

    def _pair_names(self, root: beam.Pipeline) -> Any:
        groups = math.ceil(max(self.plan.rows, 1) / _GROUP_ROWS)
        return (
            root
            # Any worker may list one; few names are listed sooner than spread.
            | "CreateSources" >> beam.Create(sources_of(self.options), groups > 1)
            | "ListNames" >> beam.ParDo(ListNames(self.options, self.plan, groups))
            | "GroupByHash" >> beam.GroupByKey()
            | "PairNames"
            >> beam.ParDo(PairNames(self.options, self.plan)).with_outputs(
                REJECTED, REPEATED, COUNTED, main="rows"
            )
        )


def _cut_record_files(root: beam.Pipeline, whole: list[Packed]) -> beam.PCollection:
    return (
        root
        | "CreateRecordFiles" >> beam.Create(whole, reshuffle=False)
        # To cut a file is to walk along it.
        | "SpreadRecordFiles" >> beam.Reshuffle()
        | "CutRecordFiles" >> beam.ParDo(CutRecordFile())
    )
