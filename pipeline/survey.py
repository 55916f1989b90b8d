"""The client's look at the names, before anything runs.

Does every glob match, how many rows are there, how large are they, and hence how many
shards and units. Of a file no more is opened than its header, and of most not that.
"""

import dataclasses
import heapq
import importlib
import itertools
import math
from collections.abc import Iterator, Mapping

from apache_beam.io.filesystem import BeamIOError

from pipeline import arrays, examples, files, header, sizes, tfrecords
from pipeline.keys import entries, kind_of, rank_of, split_of
from pipeline.options import Options, RecordKeys, Source, UsageError
from pipeline.quiet import quiet
from pipeline.rows import Entry
from pipeline.sizes import Sample
from transforms import features

_SAMPLE_ROWS = 64

Found = Mapping[Source, list[files.File]]


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """How one split is cut.

    Attributes:
        rows: how many there are; an estimate where `record_files`.
        record_files: TFRecord files, each of which becomes a shard of its own.
        named_shards: shards of the rows that have names; they come first.
        rows_per_unit: of the rows that have names.
        sizes: (height, width) of the masks of a sample.
        stored_bytes: estimate of what the records will take.
        limit_rank: the highest rank that `--limit` lets in.
    """

    rows: int
    record_files: tuple[str, ...]
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
        return named + len(self.record_files)


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
    for file in itertools.chain.from_iterable(images.values()):
        if kind_of(file.path) != "picture":
            raise UsageError(
                f"--images {file.path} is no picture; record files bring their own "
                "images, and are named by --label_maps alone"
            )
    in_records = {
        source: [file for file in found if kind_of(file.path) == "records"]
        for source, found in labels.items()
    }
    first = next(itertools.chain.from_iterable(in_records.values()), None)
    if first is not None:
        with quiet():  # parsing records loads TensorFlow
            importlib.import_module("tensorflow.core.example.example_pb2")
    with_images = bool(images) or (
        first is not None and _has_images(first.path, options.record_keys)
    )
    if not with_images:
        keys = dataclasses.replace(options.record_keys, image="")
        options = dataclasses.replace(options, record_keys=keys)
    config = options.config(with_images=with_images)
    lowest = _lowest_ranks(labels, options)
    return Plan(
        config,
        options.record_keys,
        {
            split: _survey_split(
                split,
                options,
                config,
                lowest[split],
                _of_split(in_records, split, options),
                _of_split(images, split, options),
            )
            for split in options.splits
        },
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
    return sorted(
        {
            file
            for source, matched in found.items()
            if options.split_by or source.split == split
            for file in matched
        }
    )


@dataclasses.dataclass
class _Lowest:
    """Counts rows, and keeps those of lowest rank, as many as are wanted."""

    keep: int
    count: int = 0
    kept: list[tuple[int, str, Entry, int]] = dataclasses.field(default_factory=list)

    def add(self, rank: int, entry: Entry, size: int) -> None:
        self.count += 1
        # The largest stands first; paths decide between equal ranks.
        item = (-rank, entry.source, entry, size)
        if len(self.kept) < self.keep:
            heapq.heappush(self.kept, item)
        else:
            heapq.heappushpop(self.kept, item)

    def ordered(self) -> list[tuple[int, Entry, int]]:
        """(rank, label map, bytes of its file), lowest rank first."""
        return [
            (-rank, entry, size) for rank, _, entry, size in sorted(self.kept)[::-1]
        ]


def _lowest_ranks(labels: Found, options: Options) -> dict[str, _Lowest]:
    """The rows that have names, by split."""
    keep = max(_SAMPLE_ROWS, options.limit or 0)
    lowest = {split: _Lowest(keep) for split in options.splits}
    for source, found in labels.items():
        by_path = {file.path: file.size for file in found}
        for key, entry in entries(source, found, options, is_image=False):
            rank = rank_of(key, options.seed)
            lowest[entry.split].add(rank, entry, by_path[entry.path])
    return lowest


def _survey_split(
    split: str,
    options: Options,
    config: features.Config,
    lowest: _Lowest,
    record_files: list[files.File],
    images: list[files.File],
) -> SplitPlan:
    named = lowest.ordered()
    image_bytes = sum(file.size for file in images) // max(1, len(images))
    samples = [
        sample
        for _, entry, size in named[:_SAMPLE_ROWS]
        if (sample := _sample(entry, size, image_bytes)) is not None
        and sample.height * sample.width <= options.max_pixels
    ]
    record_samples, in_records = _sample_records(record_files, options)
    in_records = round(in_records * dict(options.split_by).get(split, 1.0))
    limit_rank, kept = None, 1.0
    if options.limit is not None:
        ranks = [rank for rank, _, _ in named]
        limit_rank = _limit_rank(ranks, record_files, split, options)
        kept = min(1.0, options.limit / max(1, lowest.count + in_records))
    named_bytes = kept * lowest.count * sizes.mean_record_bytes(samples, config)
    record_bytes = kept * in_records * sizes.mean_record_bytes(record_samples, config)
    shards = max(1, math.ceil(named_bytes / (options.shard_mb << 20)))
    return SplitPlan(
        rows=round(kept * (lowest.count + in_records)),
        record_files=tuple(file.path for file in record_files),
        named_shards=shards if lowest.count else 0,
        rows_per_unit=sizes.rows_per_unit(samples, config),
        sizes=tuple(
            config.size or (sample.height, sample.width)
            for sample in (*samples, *record_samples)
        ),
        stored_bytes=round(named_bytes + record_bytes),
        limit_rank=limit_rank,
    )


def _limit_rank(
    ranks: list[int], record_files: list[files.File], split: str, options: Options
) -> int:
    """The rank of the last row that `--limit` lets in."""
    assert options.limit is not None
    in_records = (
        rank_of(key, options.seed)
        for file in record_files
        for key in _record_keys(file.path, options)
        if not options.split_by or split_of(key, options) == split
    )
    lowest = heapq.nsmallest(options.limit, itertools.chain(ranks, in_records))
    return max(lowest, default=0)


def _record_keys(path: str, options: Options) -> Iterator[str]:
    """The keys of a record file, up to where it is damaged."""
    try:
        for number, record in enumerate(tfrecords.records(path)):
            try:
                yield examples.parse(record, path, number, options.record_keys).key
            except ValueError:
                continue  # the pipeline rejects it, with its reason
    except tfrecords.DamagedError:
        return


def _sample(entry: Entry, size: int, image_bytes: int) -> Sample | None:
    """Looks at one header; None for a file that will be rejected."""
    try:
        if entry.place is not None:
            height, width = arrays.read(entry.path, entry.place).shape
            pixels = height * width
            label_bytes = sizes.PNG_BYTES_PER_PIXEL * pixels
            return Sample(height, width, label_bytes, image_bytes) if pixels else None
        with files.open_raw(entry.path) as file:
            found = header.read_header(file.read(header.PNG_HEADER_BYTES))
        return Sample(found.height, found.width, size, image_bytes)
    except (ValueError, OSError):
        return None


def _has_images(path: str, keys: RecordKeys) -> bool:
    """Whether the first record that can be read has an image."""
    if not keys.image:
        return False
    for record in _first_records(path, _SAMPLE_ROWS):
        try:
            examples.parse(record, path, 0, keys)
        except examples.MissingFeatureError as error:
            if error.feature == keys.image:
                return False
        except ValueError:
            continue
        else:
            return True
    return False


def _first_records(path: str, count: int) -> list[bytes]:
    """As many records as there are, or can be read."""
    found = []
    try:
        for record in itertools.islice(tfrecords.records(path), count):
            found.append(record)
    except (tfrecords.DamagedError, OSError):
        pass  # the pipeline reports it
    return found


def _sample_records(
    record_files: list[files.File], options: Options
) -> tuple[list[Sample], int]:
    """Samples of record files, and an estimate of how many rows they have."""
    samples: list[Sample] = []
    sampled_bytes = 0
    for file in record_files:
        if len(samples) >= _SAMPLE_ROWS:
            break
        for record in _first_records(file.path, _SAMPLE_ROWS - len(samples)):
            sampled_bytes += len(tfrecords.frame(record))
            try:
                raw = examples.parse(record, file.path, 0, options.record_keys)
                found = header.read_header(raw.label_bytes)
            except ValueError:
                continue
            samples.append(
                Sample(
                    found.height,
                    found.width,
                    len(raw.label_bytes),
                    len(raw.image_bytes or b""),
                )
            )
    total = sum(file.size for file in record_files)
    rows = math.ceil(total * len(samples) / sampled_bytes) if sampled_bytes else 0
    return samples, rows
