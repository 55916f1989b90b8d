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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError

from pipeline import arrays, files, formats, progress
from pipeline.keys import Side, entries, rank_of, segment_entries, shard_of
from pipeline.options import Options, Source
from pipeline.rows import WHOLE, Entry, Rejection, Role, Row, Unit
from pipeline.survey import Plan

REJECTED = "rejected"
REPEATED = "repeated"

_GROUP_ROWS = 16384  # keys that one worker pairs at once
_WAITING_NAMES = 65536  # names of a listing that wait to be packed


@dataclasses.dataclass(frozen=True)
class Pairing:
    """What the entries of a key have to be, to be a row.

    Attributes:
        with_images: whether label maps need an image.
        with_segments: whether they need segments.
        listed: splits that have the rows only that a list names.
        images_only: splits of images without label maps.
        seed: of the rows' ranks.
    """

    with_images: bool
    with_segments: bool = False
    listed: frozenset[str] = frozenset()
    images_only: frozenset[str] = frozenset()
    seed: int = 0


def pairing_of(options: Options, *, with_images: bool) -> Pairing:
    """How the rows of a conversion are paired."""
    return Pairing(
        with_images,
        options.with_segments,
        frozenset(source.split for source in options.split_lists),
        frozenset(source.split for source in options.images_only),
        options.seed,
    )


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


def repeated_key(key: str, splits: Iterable[str]) -> str:
    """A key that is in several splits, in words."""
    return f"{key!r} in {', '.join(sorted(set(splits)))}"


def pair_by_key(
    key: str, found: Iterable[Entry], pairing: Pairing
) -> Iterator[tuple[str, Row] | Rejection]:
    """Pairs what is known of one key, in each split.

    Of several label maps, or images, with one key in a split the one of smallest path
    stays. One without the other is rejected where rows have images.
    """
    by_split: dict[str, dict[Role, list[Entry]]] = {}
    for entry in sorted(found, key=lambda e: (e.path, e.place or arrays.Place())):
        roles = by_split.setdefault(entry.split, {})
        roles.setdefault(entry.role, []).append(entry)
    for split, roles in sorted(by_split.items()):
        listed = roles.get("listed", [])
        if split in pairing.listed and not listed:
            continue  # it is of another split's list, or of none
        labels, images = roles.get("label", []), roles.get("image", [])
        for first, *others in filter(None, (labels, images)):
            for other in others:
                yield Rejection(
                    key,
                    split,
                    other.source,
                    "pair",
                    f"duplicate key: {first.source} has it too, and is kept",
                )
        lack = ""
        if split not in pairing.images_only:
            lack = _lack(roles, pairing)
        source = next((e.source for e in (*labels, *images, *listed)), "")
        if lack and source:
            yield Rejection(key, split, source, "pair", lack)
        elif source:
            segments = roles.get("segments", [])
            yield (
                split,
                Row(
                    key,
                    rank_of(key, pairing.seed),
                    labels[0] if labels else None,
                    images[0] if images else None,
                    segments[0].segments if segments else None,
                ),
            )


def _lack(roles: Mapping[Role, list[Entry]], pairing: Pairing) -> str:
    """What a row lacks, in words; empty if nothing."""
    if "label" not in roles:
        if "image" in roles:
            return "the image has no label map"
        return "the list names it, and there is no label map"
    if pairing.with_images and "image" not in roles:
        return "the label map has no image"
    if pairing.with_segments and "segments" not in roles:
        return "the JSON beside its directory has no segments of the label map"
    return ""


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
        spans = list(formats.spans(unit.record_file))
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


def sources_of(options: Options) -> list[tuple[Source, Side]]:
    """All sources, with the options that named them."""
    sides: dict[Side, tuple[Source, ...]] = {
        "label_maps": options.label_maps,
        "images": options.images,
        "images_only": options.images_only,
        "split_list": options.split_lists,
    }
    return [(source, side) for side, many in sides.items() for source in many]


def listed(
    element: tuple[Source, Side], options: Options
) -> Iterator[tuple[str, Entry]]:
    """What a source says of which keys."""
    source, side = element
    yield from entries(source, files.matches(source.pattern), options, side)
    if options.with_segments and side == "label_maps":
        yield from segment_entries(source, files.matches(source.pattern), options)
