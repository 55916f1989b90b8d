"""Names to pairs, pairs to units: the pipeline's own look at the names.

It is the only place where label maps and images meet. Only names move here, so they
may be grouped and shuffled as is convenient; rows never are.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from pipeline import arrays, files, progress
from pipeline.keys import entries, rank_of, shard_of
from pipeline.options import Options, Source
from pipeline.rows import Entry, Rejection, Row, Unit
from pipeline.survey import Plan

REJECTED = "rejected"
REPEATED = "repeated"


class PairByKey(beam.DoFn):
    """Label maps and images of one key to rows: `pair_by_key`."""

    def __init__(self, with_images: bool, seed: int) -> None:
        self._with_images = with_images
        self._seed = seed

    def process(self, element: tuple[str, Iterable[Entry]]) -> Iterator[Any]:
        """Gives (split, row), and rejections."""
        key, found = element
        found = list(found)
        splits = {entry.split for entry in found}
        if len(splits) > 1:
            yield beam.pvalue.TaggedOutput(REPEATED, repeated_key(key, splits))
        for result in pair_by_key(key, found, self._with_images, self._seed):
            if isinstance(result, Rejection):
                progress.TALLY.add(rejected=1)
                yield beam.pvalue.TaggedOutput(REJECTED, result)
            else:
                yield result


def repeated_key(key: str, splits: Iterable[str]) -> str:
    """A key that is in several splits, in words."""
    return f"{key!r} in {', '.join(sorted(set(splits)))}"


def pair_by_key(
    key: str, found: Iterable[Entry], with_images: bool, seed: int
) -> Iterator[tuple[str, Row] | Rejection]:
    """Pairs the label map and the image of one key, in each split.

    Of several label maps, or images, with one key in a split the one of smallest path
    stays. One without the other is rejected where rows have images.
    """
    by_split: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for entry in sorted(found, key=lambda e: (e.path, e.place or arrays.Place())):
        by_split.setdefault(entry.split, ([], []))[entry.is_image].append(entry)
    for split, (labels, images) in sorted(by_split.items()):
        for first, *others in filter(None, (labels, images)):
            for other in others:
                yield Rejection(
                    key,
                    split,
                    other.source,
                    "pair",
                    f"duplicate key: {first.source} has it too, and is kept",
                )
        if not labels:
            yield Rejection(
                key, split, images[0].source, "pair", "the image has no label map"
            )
        elif with_images and not images:
            yield Rejection(
                key, split, labels[0].source, "pair", "the label map has no image"
            )
        else:
            row = Row(key, rank_of(key, seed), labels[0], images[0] if images else None)
            yield split, row


def cut_units(
    split: str, shard: int, rows: Iterable[Row], rows_per_unit: int
) -> Iterator[Unit]:
    """Cuts the rows of one shard into units, in order of rank."""
    ordered = sorted(rows, key=lambda row: (row.rank, row.key))
    for part, at in enumerate(range(0, len(ordered), rows_per_unit)):
        yield Unit(split, shard, part, tuple(ordered[at : at + rows_per_unit]))


def record_units(options: Options, plan: Plan) -> list[Unit]:
    """The units of record files: one a file, whose rows keep their order."""
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
        sources = [(source, False) for source in options.label_maps]
        sources += [(source, True) for source in options.images]
        paired = (
            root
            | "Sources" >> beam.Create(sources, reshuffle=False)
            # (source, is_image)
            | "ListNames" >> beam.FlatMap(_listed, options)
            # (key, entry)
            | "WithinLimit" >> beam.Filter(_within_limit, plan, options.seed)
            | "GroupByKey" >> beam.GroupByKey()
            | "Pair"
            >> beam.ParDo(
                PairByKey(plan.config.with_images, options.seed)
            ).with_outputs(REJECTED, REPEATED, main="rows")
        )
        named = (
            paired.rows
            # (split, row)
            | "ByShard"
            >> beam.MapTuple(
                lambda split, row: (
                    (
                        split,
                        shard_of(
                            row.key, options.seed, plan.splits[split].named_shards
                        ),
                    ),
                    row,
                )
            )
            | "GroupByShard" >> beam.GroupByKey()
            | "CutUnits"
            >> beam.FlatMapTuple(
                lambda at, rows: cut_units(
                    at[0], at[1], rows, plan.splits[at[0]].rows_per_unit
                )
            )
        )
        records = root | "RecordFiles" >> beam.Create(
            record_units(options, plan), reshuffle=False
        )
        units = (
            (named, records)
            | "AllUnits" >> beam.Flatten()
            # Any worker may take any unit, whatever the number of shards.
            | "SpreadUnits" >> beam.Reshuffle()
        )
        return {
            "units": units,
            REJECTED: paired[REJECTED],
            REPEATED: paired[REPEATED],
        }


def _listed(
    element: tuple[Source, bool], options: Options
) -> Iterator[tuple[str, Entry]]:
    source, is_image = element
    return entries(source, files.match(source.pattern), options, is_image=is_image)


def _within_limit(element: tuple[str, Entry], plan: Plan, seed: int) -> bool:
    key, entry = element
    return plan.splits[entry.split].takes(key, seed)
