"""Names to pairs, pairs to units: the pipeline's own look at the names.

It is the only place where label maps and images meet. Only names move here, so they
may be grouped and shuffled as is convenient; rows never are.
"""

import collections
import dataclasses
import itertools
import math
import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError

from maskbeam.pipeline.elements import WHOLE, Entry, Rejection, Row, Unit
from maskbeam.pipeline.formats import record_files
from maskbeam.pipeline.keys import shard_of
from maskbeam.pipeline.options import Options, Source
from maskbeam.pipeline.planning.listing import (
    Side,
    listed,
    sources_of,
)
from maskbeam.pipeline.planning.pairing import pair_by_key, pairing_of, repeated_key
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.runtime import progress

REJECTED = "rejected"
REPEATED = "repeated"

_GROUP_ROWS = 16384  # keys that one worker pairs at once
_WAITING_NAMES = 65536  # names of a listing that wait to be packed


def list_names(
    element: tuple[Source, Side], options: Options, plan: Plan, groups: int
) -> Iterator[tuple[int, bytes]]:
    """What a source says, as (group, packed (key, entry) pairs).

    All that is known of a key comes to one group.
    """
    known = (
        (key, entry)
        for key, entry in listed(element, options)
        if plan.splits[entry.split].takes(key, options.seed)
    )
    while some := list(itertools.islice(known, _WAITING_NAMES)):
        by_group: dict[int, list[tuple[str, Entry]]] = collections.defaultdict(list)
        for key, entry in some:
            by_group[zlib.crc32(key.encode()) % groups].append((key, entry))
        yield from ((group, _pack(pairs)) for group, pairs in by_group.items())


def _pack(names: Any) -> bytes:
    """Names as few bytes: a runner holds all of them, and copies them at each hop."""
    return zlib.compress(pickle.dumps(names), level=1)


def _unpack(packed: bytes) -> Any:
    return pickle.loads(zlib.decompress(packed))


class PairNames(beam.DoFn):
    """Groups of `list_names` to ((split, shard), packed rows)."""

    def __init__(self, options: Options, plan: Plan) -> None:
        self._options = options
        self._plan = plan
        self._pairing = pairing_of(options, with_images=plan.config.with_images)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        """Gives rows, and rejections, and keys that are in several splits."""
        _, packed = element
        by_key: dict[str, list[Entry]] = collections.defaultdict(list)
        for key, entry in itertools.chain.from_iterable(map(_unpack, packed)):
            by_key[key].append(entry)
        by_shard: dict[tuple[str, int], list[Row]] = collections.defaultdict(list)
        for key, found in by_key.items():
            splits = []
            for result in pair_by_key(key, found, self._pairing):
                if isinstance(result, Rejection):
                    progress.TALLY.add(rejected=1)
                    yield beam.pvalue.TaggedOutput(REJECTED, result)
                    continue
                split, row = result
                splits.append(split)
                shards = self._plan.splits[split].named_shards
                shard = shard_of(key, self._options.seed, shards)
                by_shard[split, shard].append(row)
            if len(splits) > 1:
                text = repeated_key(key, splits)
                yield beam.pvalue.TaggedOutput(REPEATED, text)
        yield from ((place, _pack(rows)) for place, rows in by_shard.items())


def cut_units(
    split: str, shard: int, rows: Iterable[Row], rows_per_unit: int
) -> Iterator[Unit]:
    """Cuts the rows of one shard into units, in order of rank."""
    ordered = sorted(rows, key=lambda row: (row.rank, row.key))
    for part, at in enumerate(range(0, len(ordered), rows_per_unit)):
        yield Unit(split, shard, part, tuple(ordered[at : at + rows_per_unit]))


def record_units(options: Options, plan: Plan) -> list[Unit]:
    """The record files, whose rows keep their order: a shard each."""
    if options.split_by:
        # One file, rows of all splits: in each it is the same shard.
        found = plan.splits[options.splits[0]]
        numbers = enumerate(found.record_files)
        return [Unit("", number, 0, record_file=path) for number, path in numbers]
    return [
        Unit(split, found.named_shards + number, 0, record_file=path)
        for split, found in plan.splits.items()
        for number, path in enumerate(found.record_files)
    ]


def cut_record_file(unit: Unit) -> Iterator[Unit]:
    """Cuts a record file into units, where it can be."""
    try:
        reader = record_files.reader_of(unit.record_file)
        spans = list(reader.spans(unit.record_file, record_files.SPAN_BYTES))
    except (OSError, BeamIOError):
        spans = [WHOLE]  # reading it will say why
    for part, span in enumerate(spans):
        yield unit._replace(part=part, span=span)


@dataclasses.dataclass(eq=False)
class PlanUnits(beam.PTransform):
    """Names to units, spread over the workers.

    Attributes:
        options: what is converted.
        plan: how it is cut.
    """

    options: Options
    plan: Plan

    def expand(self, root: beam.Pipeline) -> Any:
        """Gives `units`, the `rejected`, and keys `repeated` in several splits."""
        options, plan = self.options, self.plan
        groups = math.ceil(max(plan.rows, 1) / _GROUP_ROWS)
        paired = (
            root
            | "Sources" >> beam.Create(sources_of(options))  # any worker may list one
            | "ListNames" >> beam.FlatMap(list_names, options, plan, groups)
            | "Group" >> beam.GroupByKey()
            | "Pair"
            >> beam.ParDo(PairNames(options, plan)).with_outputs(
                REJECTED, REPEATED, main="rows"
            )
        )
        named = (
            paired.rows
            | "GroupByShard" >> beam.GroupByKey()
            | "CutUnits"
            >> beam.FlatMapTuple(
                lambda at, packed: cut_units(
                    at[0],
                    at[1],
                    itertools.chain.from_iterable(map(_unpack, packed)),
                    plan.splits[at[0]].rows_per_unit,
                )
            )
            | "Pack" >> beam.Map(_pack)
        )
        records = (
            root
            | "RecordFiles"
            >> beam.Create(map(_pack, record_units(options, plan)), reshuffle=False)
            # To cut a file is to walk along it.
            | "SpreadFiles" >> beam.Reshuffle()
            | "CutFiles"
            >> beam.FlatMap(lambda packed: map(_pack, cut_record_file(_unpack(packed))))
        )
        units = (
            (named, records)
            | "AllUnits" >> beam.Flatten()
            # Any worker may take any unit, whatever the number of shards.
            | "SpreadUnits" >> beam.Reshuffle()
            | "Unpack" >> beam.Map(_unpack)
        )
        return {
            "units": units,
            REJECTED: paired[REJECTED],
            REPEATED: paired[REPEATED],
        }
