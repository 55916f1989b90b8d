"""The client's look at the names, before anything runs.

Does every glob match, how many rows are there, how large are they, and hence how many
shards and units. Of a file no more is opened than its header, and of most not that.
"""

import contextlib
import dataclasses
import heapq
import importlib
import itertools
import math
import os
from collections.abc import Iterator, Mapping

from apache_beam.io.filesystem import BeamIOError

from maskbeam.pipeline.elements import BadRow, DamagedError, Entry, RawRow
from maskbeam.pipeline.errors import UsageError
from maskbeam.pipeline.formats import (
    arrays,
    panoptic_json,
    picture_header,
    record_files,
)
from maskbeam.pipeline.keys import rank_of, split_of
from maskbeam.pipeline.options import Options, RecordKeys, Source
from maskbeam.pipeline.planning import names, sizes
from maskbeam.pipeline.planning.plan import Plan, SplitPlan
from maskbeam.pipeline.planning.sizes import Sample
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.runtime.quiet import quiet
from maskbeam.transforms import features

_ROW_OVERHEAD_BYTES = 200  # what a record file adds to a row, about


def survey(options: Options) -> Plan:
    """Looks at all names, and at the headers of a sample.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    found = names.look(options)
    if options.with_segments:
        _check_annotations(found)
    options = _with_record_keys(options, found)
    with_images = bool(found.images or found.listed_images or options.record_keys.image)
    _check_images(options, with_images, found)
    config = options.config(with_images=with_images)
    return Plan(
        config,
        options.record_keys,
        {
            split: _survey_split(split, options, config, found)
            for split in options.splits
        },
    )


def _check_annotations(found: names.Names) -> None:
    """Refuses panoptic PNGs that have no JSON beside their directory."""
    paths = set().union(*(listing.annotations for listing in found.labels.values()))
    for path in sorted(paths):
        if not files.exists(path):
            raise UsageError(
                f"encoding coco_panoptic needs the segments of its PNGs, and {path} is "
                "not there: put the JSON beside the directory, by the directory's name"
            )
        try:
            next(panoptic_json.annotations(path), None)
        except ValueError as error:
            raise UsageError(str(error)) from error


def _with_record_keys(options: Options, names_found: names.Names) -> Options:
    """Names what the user left to the format of the record files."""
    listings = names_found.labels.values()
    paths = [file.path for listing in listings for file in listing.records]
    if not paths:
        return options
    kinds = {
        found.name: path for path in paths if (found := record_files.format_of(path))
    }
    if len(kinds) > 1:
        raise UsageError(
            f"record files must be of one format in one run: {kinds.popitem()[1]} and "
            f"{kinds.popitem()[1]} are of two"
        )
    with quiet():  # parsing records loads TensorFlow
        importlib.import_module("tensorflow.core.example.example_pb2")
    try:
        keys = record_files.reader_of(paths[0]).resolve(paths[0], options.record_keys)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return dataclasses.replace(options, record_keys=keys)


def _check_images(options: Options, with_images: bool, found: names.Names) -> None:
    """Refuses sources of label maps that have no images where others have."""
    if not with_images:
        return
    with_records = {
        s: listing for s, listing in found.labels.items() if listing.records
    }
    if with_records and not options.record_keys.image:
        first = next(iter(with_records.values())).records[0]
        raise UsageError(
            f"{first.path} has no images, and other rows have: record files bring "
            "their own images, which --record_keys image=... names; --images is for "
            "label maps in files"
        )
    with_their_own = {
        *(source.split for source in (*found.images, *with_records)),
        *found.listed_images,
    }
    for source in options.label_maps:
        if not options.split_by and source.split not in with_their_own:
            raise UsageError(
                f"split {source.split!r} has no images, and others have: add --images "
                f"{source.split}=GLOB"
            )


def _of_split(
    found: Mapping[Source, names.Listing], split: str, options: Options
) -> list[names.Listing]:
    """What a split has; every split, where rows are dealt to splits."""
    dealt = {split for split, _ in options.split_by}
    return [
        listing
        for source, listing in found.items()
        if source.split == split or (split in dealt and source.split not in dealt)
    ]


def _mean_image_bytes(split: str, options: Options, found: names.Names) -> int:
    """The mean size of a split's images; of a sample, where lists bring them."""
    listings = _of_split(found.images, split, options)
    count = sum(listing.count for listing in listings)
    if count:
        return sum(listing.size for listing in listings) // count
    some = found.listed_images.get(split, [])
    return sum(file.size for file in some) // max(1, len(some))


def _survey_split(
    split: str, options: Options, config: features.Config, found: names.Names
) -> SplitPlan:
    lowest = found.lowest[split]
    named = lowest.ordered()
    listings = _of_split(found.labels, split, options)
    in_files = sorted({file for listing in listings for file in listing.records})
    image_bytes = _mean_image_bytes(split, options, found)
    samples = [
        sample
        for _, entry in named[: names.SAMPLE_ROWS]
        if (sample := _sample(entry, image_bytes)) is not None
        and sample.height * sample.width <= options.max_pixels
    ]
    record_samples, in_records = _sample_records(in_files, options)
    in_records = round(in_records * dict(options.split_by).get(split, 1.0))
    limit_rank, kept = None, 1.0
    if options.limit is not None:
        ranks = [rank for rank, _ in named]
        limit_rank = _limit_rank(ranks, in_files, split, options)
        kept = min(1.0, options.limit / max(1, lowest.count + in_records))
    named_bytes = kept * lowest.count * sizes.mean_record_bytes(samples, config)
    record_bytes = kept * in_records * sizes.mean_record_bytes(record_samples, config)
    shards = max(1, math.ceil(named_bytes / (options.shard_mb << 20)))
    large = [file for file in in_files if file.size > record_files.SPAN_BYTES]
    # Files of a split are written alike, and to open each may take long.
    are_cut = bool(large) and _can_cut(large[0].path)
    more_units = sum(file.size // record_files.SPAN_BYTES for file in large if are_cut)
    return SplitPlan(
        rows=round(kept * (lowest.count + in_records)),
        record_files=tuple(file.path for file in in_files),
        record_units=len(in_files) + more_units,
        uncut_files=() if are_cut else tuple(file.path for file in large),
        named_shards=shards if lowest.count else 0,
        rows_per_unit=sizes.rows_per_unit(samples, config),
        sizes=tuple(
            sizes.stored_size(config, sample.height, sample.width)
            for sample in (*samples, *record_samples)
        ),
        stored_bytes=round(named_bytes + record_bytes),
        limit_rank=limit_rank,
    )


def _can_cut(path: str) -> bool:
    try:
        return record_files.reader_of(path).can_cut(path)
    except (OSError, BeamIOError):  # reading it will say why
        return False


def _limit_rank(
    ranks: list[int], record_files: list[files.File], split: str, options: Options
) -> int:
    """The rank of the last row that `--limit` lets in."""
    assert options.limit is not None
    in_records = (
        rank_of(key, options.seed)
        for file in record_files
        for key in _keys_in(file.path, options.record_keys)
        if not options.split_by or split_of(key, options) == split
    )
    lowest = heapq.nsmallest(options.limit, itertools.chain(ranks, in_records))
    return max(lowest, default=0)


def _keys_in(path: str, keys: RecordKeys) -> Iterator[str]:
    """The keys of a record file, up to where it is damaged."""
    for row in _readable(path, keys):
        if isinstance(row, RawRow):  # the pipeline rejects others, with the reason
            yield row.key


def _readable(path: str, keys: RecordKeys) -> Iterator[RawRow | BadRow]:
    """The rows of a record file before its damage, which the pipeline reports."""
    with contextlib.suppress(DamagedError, OSError, BeamIOError):
        yield from record_files.reader_of(path).rows(path, keys)


def _sample(entry: Entry, image_bytes: int) -> Sample | None:
    """Looks at one header; None for a file that will be rejected."""
    try:
        if entry.place is not None:
            height, width = arrays.read(entry.path, entry.place).shape
            pixels = height * width
            label_bytes = sizes.PNG_BYTES_PER_PIXEL * pixels
            return Sample(height, width, label_bytes, image_bytes) if pixels else None
        with files.open_raw(entry.path) as file:
            found = picture_header.read_header(file.read(picture_header.ENOUGH_BYTES))
            label_bytes = file.seek(0, os.SEEK_END)
        if entry.role == "image":  # a mask that is all ignored deflates to nothing
            return Sample(found.height, found.width, 0, image_bytes)
        return Sample(found.height, found.width, label_bytes, image_bytes)
    except (ValueError, OSError):
        return None


def _sample_records(
    record_files: list[files.File], options: Options
) -> tuple[list[Sample], int]:
    """Samples of record files, and an estimate of how many rows they have."""
    samples: list[Sample] = []
    sampled_bytes = 0
    for file in record_files:
        if len(samples) >= names.SAMPLE_ROWS:
            break
        rows = _readable(file.path, options.record_keys)
        for row in itertools.islice(rows, names.SAMPLE_ROWS - len(samples)):
            if isinstance(row, BadRow) or row.label_bytes is None:
                continue
            image_bytes = len(row.image_bytes or b"")
            sampled_bytes += len(row.label_bytes) + image_bytes + _ROW_OVERHEAD_BYTES
            try:
                found = picture_header.read_header(row.label_bytes)
            except ValueError:
                continue
            samples.append(
                Sample(found.height, found.width, len(row.label_bytes), image_bytes)
            )
    total = sum(file.size for file in record_files)
    rows_found = math.ceil(total * len(samples) / sampled_bytes) if sampled_bytes else 0
    return samples, rows_found
