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

from pipeline import arrays, files, formats, header, segments, sizes
from pipeline.keys import Side, entries, kind_of, rank_of, split_of
from pipeline.options import Options, RecordKeys, Source, UsageError
from pipeline.quiet import quiet
from pipeline.rows import BadRow, DamagedError, Entry, RawRow
from pipeline.sizes import Sample
from transforms import features, tiles

_SAMPLE_ROWS = 64
SKEW_ROWS = 16  # that the serving model is held against
_SKEW_CANDIDATES = 2 * SKEW_ROWS  # on the average, so hardly ever fewer than those
_ROW_OVERHEAD_BYTES = 200  # what a record file adds to a row, about

Found = Mapping[Source, list[files.File]]


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """How one split is cut.

    Attributes:
        rows: how many there are; an estimate where `record_files`.
        record_files: files of many rows, each of which becomes a shard of its own.
        record_units: units that they are read in.
        uncut_files: those of them that are large, and yet one unit.
        named_shards: shards of the rows that have names; they come first.
        rows_per_unit: of the rows that have names.
        sizes: (height, width) of the masks of a sample, before they are cut into tiles.
        stored_bytes: estimate of what the records will take.
        limit_rank: the highest rank that `--limit` lets in.
    """

    rows: int
    record_files: tuple[str, ...]
    record_units: int
    uncut_files: tuple[str, ...]
    named_shards: int
    rows_per_unit: int
    sizes: tuple[tuple[int, int], ...]
    stored_bytes: int
    limit_rank: int | None

    @property
    def shards(self) -> int:
        """How many shards the split has."""
        return self.named_shards + len(self.record_files)

    def takes(self, key: str, seed: int) -> bool:
        """Whether `--limit` lets a row in."""
        return self.limit_rank is None or rank_of(key, seed) <= self.limit_rank

    @property
    def units(self) -> int:
        """About how many units are read."""
        by_shard = self.rows / max(1, self.named_shards)
        named = self.named_shards * math.ceil(by_shard / self.rows_per_unit)
        return named + self.record_units


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a conversion is cut.

    Attributes:
        config: what graph, records and reader agree on.
        record_keys: the features of record files; without the image's where rows have
            no images.
        splits: by name, sorted.
    """

    config: features.Config
    record_keys: RecordKeys
    splits: dict[str, SplitPlan]

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(split.rows for split in self.splits.values())

    @property
    def records(self) -> int:
        """Estimate of the records of all splits: their rows, or the rows' tiles."""
        if self.config.resize != "tile":
            return self.rows
        tile, overlap = self.config.size, self.config.overlap
        assert tile is not None
        total = 0.0
        for split in self.splits.values():
            counts = [len(tiles.offsets(*size, tile, overlap)) for size in split.sizes]
            total += split.rows * sum(counts) / max(1, len(counts))
        return round(total)

    @property
    def sample_rank(self) -> int:
        """The rank up to which rows are candidates of the skew check.

        These are about as few in a hundred million rows as in a thousand.
        """
        limits = [split.limit_rank for split in self.splits.values()]
        highest = max((2**64 if rank is None else rank for rank in limits), default=0)
        return highest * _SKEW_CANDIDATES // max(_SKEW_CANDIDATES, self.rows)

    @property
    def stored_bytes(self) -> int:
        """Estimate of what the records of all splits will take."""
        return sum(split.stored_bytes for split in self.splits.values())

    @property
    def one_hot_bytes(self) -> int:
        """Estimate of what float32 one-hot masks of all splits would take."""
        total = 0.0
        for split in self.splits.values():
            pixels = [height * width for height, width in split.sizes]
            if pixels:
                total += split.rows * sum(pixels) / len(pixels)
        return int(total * 4 * self.config.num_classes)

    def shard_names(self, name: str) -> list[str]:
        """The file names of all shards."""
        return [
            shard_name(name, split, number, plan.shards)
            for split, plan in self.splits.items()
            for number in range(plan.shards)
        ]


def shard_name(name: str, split: str, number: int, count: int) -> str:
    """A shard's file name, as TFDS has it."""
    return f"{name}-{split}.tfrecord-{number:05d}-of-{count:05d}"


def survey(options: Options) -> Plan:
    """Looks at all names, and at the headers of a sample.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    labels = {s: _matched(s, "--label_maps") for s in options.label_maps}
    images = {s: _matched(s, "--images") for s in options.images}
    only = {s: _matched(s, "--images_only") for s in options.images_only}
    for file in itertools.chain.from_iterable((images | only).values()):
        if kind_of(file.path) != "picture":
            raise UsageError(
                f"--images {file.path} is no picture; record files and lists bring "
                "their own images, and are named by --label_maps alone"
            )
    if options.with_segments:
        _check_annotations(labels)
    in_records = {
        source: [file for file in found if kind_of(file.path) == "records"]
        for source, found in labels.items()
    }
    options = _with_record_keys(options, in_records)
    names = _look_at_names(labels, only, options)
    with_images = bool(images or only or names.image_bytes or options.record_keys.image)
    _check_images(options, with_images, images, names, in_records)
    config = options.config(with_images=with_images)
    return Plan(
        config,
        options.record_keys,
        {
            split: _survey_split(
                split,
                options,
                config,
                names.lowest[split],
                _of_split(in_records, split, options),
                _mean_size(_of_split(images | only, split, options))
                or names.image_bytes.get(split, 0),
            )
            for split in options.splits
        },
    )


def _check_annotations(labels: Found) -> None:
    """Refuses panoptic PNGs that have no JSON beside their directory."""
    paths = (file.path for found in labels.values() for file in found)
    for path in sorted({segments.json_of(path) for path in paths}):
        if not files.exists(path):
            raise UsageError(
                f"encoding coco_panoptic needs the segments of its PNGs, and {path} is "
                "not there: put the JSON beside the directory, by the directory's name"
            )
        try:
            next(segments.annotations(path), None)
        except ValueError as error:
            raise UsageError(str(error)) from error


def _with_record_keys(options: Options, in_records: Found) -> Options:
    """Names what the user left to the format of the record files."""
    paths = [file.path for found in in_records.values() for file in found]
    if not paths:
        return options
    kinds = {found.name: path for path in paths if (found := formats.format_of(path))}
    if len(kinds) > 1:
        raise UsageError(
            f"record files must be of one format in one run: {kinds.popitem()[1]} and "
            f"{kinds.popitem()[1]} are of two"
        )
    with quiet():  # parsing records loads TensorFlow
        importlib.import_module("tensorflow.core.example.example_pb2")
    try:
        keys = formats.reader_of(paths[0]).resolve(paths[0], options.record_keys)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return dataclasses.replace(options, record_keys=keys)


def _check_images(
    options: Options,
    with_images: bool,
    images: Found,
    names: "_Names",
    in_records: Found,
) -> None:
    """Refuses sources of label maps that have no images where others have."""
    if not with_images:
        return
    first = next((file for found in in_records.values() for file in found), None)
    if first is not None and not options.record_keys.image:
        raise UsageError(
            f"{first.path} has no images, and other rows have: record files bring "
            "their own images, which --record_keys image=... names; --images is for "
            "label maps in files"
        )
    with_their_own = {source.split for source in images} | names.image_bytes.keys()
    for source, found in in_records.items():
        if found:
            with_their_own.add(source.split)
    for source in options.label_maps:
        if not options.split_by and source.split not in with_their_own:
            raise UsageError(
                f"split {source.split!r} has no images, and others have: add --images "
                f"{source.split}=GLOB"
            )


def _matched(source: Source, flag: str) -> list[files.File]:
    try:
        found = files.match(source.pattern)
    except (BeamIOError, ValueError) as error:  # ValueError: a scheme Beam lacks
        raise UsageError(
            f"{flag} {source.pattern} cannot be listed: {error}"
        ) from error
    if not found:
        raise UsageError(
            f"{flag} {source.pattern} matches no file (split {source.split!r}): check "
            "the path, and quote the glob so that the shell leaves it alone"
        )
    return found


def _of_split(found: Found, split: str, options: Options) -> list[files.File]:
    """The files of a split, sorted; of every split where rows are dealt to splits."""
    dealt = {split for split, _ in options.split_by}
    return sorted(
        {
            file
            for source, matched in found.items()
            if source.split == split or (split in dealt and source.split not in dealt)
            for file in matched
        }
    )


def _mean_size(found: list[files.File]) -> int:
    return sum(file.size for file in found) // max(1, len(found))


@dataclasses.dataclass
class _Lowest:
    """Counts rows, and keeps those of lowest rank, as many as are wanted."""

    keep: int
    count: int = 0
    kept: list[tuple[int, str, Entry]] = dataclasses.field(default_factory=list)

    def add(self, rank: int, entry: Entry) -> None:
        self.count += 1
        # The largest stands first; paths decide between equal ranks.
        item = (-rank, entry.source, entry)
        if len(self.kept) < self.keep:
            heapq.heappush(self.kept, item)
        else:
            heapq.heappushpop(self.kept, item)

    def ordered(self) -> list[tuple[int, Entry]]:
        """(rank, label map or lone image), lowest rank first."""
        return [(-rank, entry) for rank, _, entry in sorted(self.kept)[::-1]]


@dataclasses.dataclass(frozen=True)
class _Names:
    """What the names say.

    Attributes:
        lowest: the rows that have names, by split.
        image_bytes: mean size of a sample of the images that lists bring, by split.
    """

    lowest: dict[str, _Lowest]
    image_bytes: dict[str, int]


def _look_at_names(labels: Found, only: Found, options: Options) -> _Names:
    keep = max(_SAMPLE_ROWS, options.limit or 0)
    lowest = {split: _Lowest(keep) for split in options.splits}
    images: dict[str, list[files.File]] = {}
    members: dict[str, set[str]] = {}
    for source in options.split_lists:
        listed = entries(
            source, _matched(source, "--split_list"), options, "split_list"
        )
        members.setdefault(source.split, set()).update(key for key, _ in listed)
    sides: tuple[tuple[Side, Found], ...] = (
        ("label_maps", labels),
        ("images_only", only),
    )
    for side, many in sides:
        for source, found in many.items():
            for key, entry in entries(source, found, options, side):
                if entry.split in members and key not in members[entry.split]:
                    continue
                if side == "label_maps" and entry.role == "image":  # from a list
                    some = images.setdefault(entry.split, [])
                    if len(some) < _SAMPLE_ROWS:
                        some += files.match(entry.path)
                    continue
                lowest[entry.split].add(rank_of(key, options.seed), entry)
    return _Names(lowest, {split: _mean_size(some) for split, some in images.items()})


def _survey_split(
    split: str,
    options: Options,
    config: features.Config,
    lowest: _Lowest,
    record_files: list[files.File],
    image_bytes: int,
) -> SplitPlan:
    named = lowest.ordered()
    samples = [
        sample
        for _, entry in named[:_SAMPLE_ROWS]
        if (sample := _sample(entry, image_bytes)) is not None
        and sample.height * sample.width <= options.max_pixels
    ]
    record_samples, in_records = _sample_records(record_files, options)
    in_records = round(in_records * dict(options.split_by).get(split, 1.0))
    limit_rank, kept = None, 1.0
    if options.limit is not None:
        ranks = [rank for rank, _ in named]
        limit_rank = _limit_rank(ranks, record_files, split, options)
        kept = min(1.0, options.limit / max(1, lowest.count + in_records))
    named_bytes = kept * lowest.count * sizes.mean_record_bytes(samples, config)
    record_bytes = kept * in_records * sizes.mean_record_bytes(record_samples, config)
    shards = max(1, math.ceil(named_bytes / (options.shard_mb << 20)))
    large = [file for file in record_files if file.size > formats.SPAN_BYTES]
    # Files of a split are written alike, and to open each may take long.
    are_cut = bool(large) and _can_cut(large[0].path)
    more_units = sum(file.size // formats.SPAN_BYTES for file in large if are_cut)
    return SplitPlan(
        rows=round(kept * (lowest.count + in_records)),
        record_files=tuple(file.path for file in record_files),
        record_units=len(record_files) + more_units,
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
        return formats.can_cut(path)
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
        yield from formats.reader_of(path).rows(path, keys)


def _sample(entry: Entry, image_bytes: int) -> Sample | None:
    """Looks at one header; None for a file that will be rejected."""
    try:
        if entry.place is not None:
            height, width = arrays.read(entry.path, entry.place).shape
            pixels = height * width
            label_bytes = sizes.PNG_BYTES_PER_PIXEL * pixels
            return Sample(height, width, label_bytes, image_bytes) if pixels else None
        with files.open_raw(entry.path) as file:
            found = header.read_header(file.read(header.ENOUGH_BYTES))
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
        if len(samples) >= _SAMPLE_ROWS:
            break
        rows = _readable(file.path, options.record_keys)
        for row in itertools.islice(rows, _SAMPLE_ROWS - len(samples)):
            if isinstance(row, BadRow) or row.label_bytes is None:
                continue
            image_bytes = len(row.image_bytes or b"")
            sampled_bytes += len(row.label_bytes) + image_bytes + _ROW_OVERHEAD_BYTES
            try:
                found = header.read_header(row.label_bytes)
            except ValueError:
                continue
            samples.append(
                Sample(found.height, found.width, len(row.label_bytes), image_bytes)
            )
    total = sum(file.size for file in record_files)
    rows_found = math.ceil(total * len(samples) / sampled_bytes) if sampled_bytes else 0
    return samples, rows_found
