"""The client's look at the names, before anything runs.

It sees that every glob matches, counts the rows, and plans shards and units by how
large a few of them are. It reads the headers of a few pictures, and of all NumPy files,
which say how many rows they hold; the lists; the first picture of each panoptic JSON;
and the first rows of record files, or with `--limit` all of them, for their keys.
"""

import dataclasses
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

from maskbeam.pipeline.elements import Entry, RawRow
from maskbeam.pipeline.errors import StoreError, UsageError
from maskbeam.pipeline.formats import limits, panoptic_json, record_files, yolo_polygons
from maskbeam.pipeline.keys import rank_of, split_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import sampling, sizes
from maskbeam.pipeline.planning.counting import (
    SAMPLE_ROWS,
    NameCounts,
    SourceCounts,
    count_names,
)
from maskbeam.pipeline.planning.meeting import Apart
from maskbeam.pipeline.planning.plan import Plan, SplitPlan
from maskbeam.pipeline.planning.sizes import RowSize
from maskbeam.pipeline.runtime import files
from maskbeam.pipeline.values import Source
from maskbeam.transforms import features


def survey(options: Options) -> Plan:
    """Counts all names, looks at a few files, and plans the conversion.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    counts = count_names(options)
    if options.with_segments:
        _check_annotations(counts)
    options = _with_record_keys(options, counts)
    with_images = bool(
        counts.images or counts.listed_images or options.record_keys.image
    )
    _check_images(options, with_images, counts)
    config = options.config(with_images=with_images)
    splits = {
        split: _survey_split(split, options, config, counts) for split in options.splits
    }
    apart = _find_apart(options, counts)
    notes = (*counts.notes, *_growth(splits, counts))
    return Plan(config, options.record_keys, splits, apart, notes)


def _growth(splits: Mapping[str, SplitPlan], counts: NameCounts) -> Iterator[str]:
    """Says what images take that are neither PNG nor JPEG, before and after."""
    remade = [found for found in counts.images.values() if found.remade]
    if not remade:
        return
    names = sum(found.remade for found in remade)
    before = sum(found.size * found.remade / found.count for found in remade)
    pixels = [h * w for split in splits.values() for h, w in split.sizes]
    rows = sum(split.rows for split in splits.values())  # of a big TIFF, its tiles
    share = names / sum(found.count for found in counts.images.values())
    mean = sizes.png_image_bytes(1, sum(pixels)) / max(1, len(pixels))
    after = mean * rows * share
    yield (
        f"{names:,} images are neither PNG nor JPEG: {before / 1e3:,.0f} kB of them "
        f"become PNGs of about {after / 1e3:,.0f} kB"
    )


def _find_apart(options: Options, counts: NameCounts) -> Apart | None:
    """Looks whether label maps and images meet, by their names."""
    return counts.names.find_apart(
        {split: found.count for split, found in counts.named_rows.items()},
        with_records=any(found.record_files for found in counts.label_maps.values()),
    )


def _check_annotations(counts: NameCounts) -> None:
    """Refuses panoptic PNGs without a JSON beside their directory."""
    paths = set[str]().union(
        *(found.panoptic_jsons for found in counts.label_maps.values())
    )
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


def _with_record_keys(options: Options, counts: NameCounts) -> Options:
    """Names what the user left to the format of the record files."""
    sources = counts.label_maps.values()
    paths = [file.path for source in sources for file in source.record_files]
    if not paths:
        return options
    formats = {
        found.name: path for path in paths if (found := record_files.format_of(path))
    }
    if len(formats) > 1:
        raise UsageError(
            "record files must be of one format in one run: "
            f"{formats.popitem()[1]} and {formats.popitem()[1]} are of two"
        )
    try:
        keys = record_files.resolve(paths[0], options.record_keys)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return dataclasses.replace(options, record_keys=keys)


def _check_images(options: Options, with_images: bool, counts: NameCounts) -> None:
    """Refuses label maps without images where others have images."""
    if not with_images:
        return
    with_records = {
        source: found.record_files
        for source, found in counts.label_maps.items()
        if found.record_files
    }
    if with_records and not options.record_keys.image:
        first, *_ = next(iter(with_records.values()))
        raise UsageError(
            f"{first.path} has no images, and other rows have: record files bring "
            "their own images, which --record_keys image=... names; --images is for "
            "label maps in files"
        )
    with_their_own = {
        *(source.split for source in (*counts.images, *with_records)),
        *counts.listed_images,
    }
    for source in options.label_maps:
        if not options.split_by and source.split not in with_their_own:
            raise UsageError(
                f"split {source.split!r} has no images, and others have: add --images "
                f"{source.split}=GLOB"
            )


def _of_split(
    found: Mapping[Source, SourceCounts], split: str, options: Options
) -> list[SourceCounts]:
    """The sources of a split; all of them, where their rows are dealt to splits."""
    dealt = {split for split, _ in options.split_by}
    return [
        counts
        for source, counts in found.items()
        if source.split == split or split in dealt
    ]


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The rows of a split that have names, or those that are in record files.

    Attributes:
        count: how many; an estimate if they are in record files.
        sampled: how large a few of them are.
    """

    count: int
    sampled: list[RowSize]

    def stored_bytes(self, share: float, config: features.Config) -> float:
        """Estimate of what a share of them will take in records."""
        return share * self.count * sizes.mean_record_bytes(self.sampled, config)


def _survey_split(
    split: str, options: Options, config: features.Config, counts: NameCounts
) -> SplitPlan:
    named = _named_rows(split, options, counts)
    in_files = _record_files(split, options, counts)
    recorded = _recorded_rows(split, options, in_files)
    units, uncut = _units_of(in_files)
    rows = named.count + recorded.count
    limit_rank = _limit_rank(split, options, counts, in_files)
    share = 1.0
    if options.limit is not None:
        share = min(1.0, options.limit / max(1, rows))
    named_bytes = named.stored_bytes(share, config)
    by_storage: dict[str, int] = {
        storage: round(
            named.stored_bytes(share, other) + recorded.stored_bytes(share, other)
        )
        for storage in sizes.image_storages(config)
        for other in [dataclasses.replace(config, image_storage=storage)]
    }
    return SplitPlan(
        rows=round(share * rows),
        record_files=tuple(in_files),
        record_units=units,
        uncut_files=tuple(file.path for file in uncut),
        named_shards=_shards(named_bytes, options) if named.count else 0,
        rows_per_unit=sizes.rows_per_unit(named.sampled, config),
        sizes=tuple(
            sizes.stored_size(config, row.height, row.width)
            for row in (*named.sampled, *recorded.sampled)
        ),
        stored_bytes=round(named_bytes + recorded.stored_bytes(share, config)),
        limit_rank=limit_rank,
        bytes_by_storage=by_storage,
        census=counts.named_rows[split].taken(limit_rank),
        names=tuple(
            (rank, entry.source) for rank, entry in counts.named_rows[split].lowest()
        )[:SAMPLE_ROWS],
    )


def _named_rows(split: str, options: Options, counts: NameCounts) -> _Rows:
    found = counts.named_rows[split]
    image_bytes = _mean_image_bytes(split, options, counts)
    entries = [entry for _, entry in found.lowest()[:SAMPLE_ROWS]]
    if any(entry.annotations == yolo_polygons.NAME for entry in entries):
        # Their sizes are the images'.
        entries = [
            Entry("image", split, file.path)
            for of_source in _of_split(counts.images, split, options)
            for file in of_source.some
        ][:SAMPLE_ROWS]
    looked_at = (
        sampling.size_of_named(entry, image_bytes, options.max_pixels)
        for entry in entries
    )
    sampled = [
        size
        for size in looked_at
        if size is not None and size.height * size.width <= options.max_pixels
    ]
    return _Rows(found.count, sampled)


def _are_remade(found: Iterable[SourceCounts]) -> bool:
    """Whether a PNG is made of some of the images of a split."""
    return any(of_source.remade for of_source in found)


def _mean_image_bytes(split: str, options: Options, counts: NameCounts) -> int | None:
    """The mean size of a split's images, or of a few of them if lists name them.

    None if a PNG is made of them.
    """
    found = _of_split(counts.images, split, options)
    count = sum(of_source.count for of_source in found)
    if _are_remade(found):
        return None
    if count:
        return sum(of_source.size for of_source in found) // count
    some = counts.listed_images.get(split, [])
    return sum(file.size for file in some) // max(1, len(some))


def _record_files(split: str, options: Options, counts: NameCounts) -> list[files.File]:
    found = _of_split(counts.label_maps, split, options)
    return sorted({file for of_source in found for file in of_source.record_files})


def _recorded_rows(split: str, options: Options, in_files: list[files.File]) -> _Rows:
    sampled, count = sampling.sizes_in_records(
        in_files, options.record_keys, SAMPLE_ROWS, _most(options)
    )
    share = dict(options.split_by).get(split, 1.0)
    return _Rows(round(count * share), sampled)


def _units_of(in_files: list[files.File]) -> tuple[int, list[files.File]]:
    """How many units record files are read in, and large ones that cannot be cut."""
    size = record_files.SPAN_BYTES
    large = [file for file in in_files if file.size > size]
    # Files of a split are written alike, and to open each may take long.
    if large and not _can_cut(large[0].path):
        return len(in_files), large
    return len(in_files) + sum(file.size // size for file in large), []


def _can_cut(path: str) -> bool:
    try:
        return record_files.reader_of(path).can_cut(path)
    except StoreError:
        raise
    except Exception:  # reading it will say why
        return False


def _shards(stored_bytes: float, options: Options) -> int:
    return max(1, math.ceil(stored_bytes / (options.shard_mb << 20)))


def _limit_rank(
    split: str, options: Options, counts: NameCounts, in_files: list[files.File]
) -> int | None:
    """The rank of the last row that `--limit` lets in; None without a limit."""
    if options.limit is None:
        return None
    named = (rank for rank, _ in counts.named_rows[split].lowest())
    recorded = (
        rank_of(key, options.seed)
        for file in in_files
        for key in _keys_in(file.path, options)
        if not options.split_by or split_of(key, options) == split
    )
    lowest = heapq.nsmallest(options.limit, itertools.chain(named, recorded))
    return max(lowest, default=0)


def _most(options: Options) -> int:
    return limits.picture_bytes(options.max_pixels)


def _keys_in(path: str, options: Options) -> Iterator[str]:
    """The keys of a record file before its damage."""
    for row in sampling.readable_rows(path, options.record_keys, _most(options)):
        if isinstance(row, RawRow):  # the pipeline rejects others, with the reason
            yield row.key
