"""Names to pairs, splits, shards and units.

Two looks at the names. `survey` is the client's, before anything runs: does every
glob match, how many rows, how large, hence how many shards. `PlanUnits` is the
pipeline's, and the only place where label maps and images meet. Neither opens more of
a file than its header.

Everything that a row's place depends on is its key and the seed, so the order of
listings, the number of workers and the rest of the data do not matter.
"""

import dataclasses
import hashlib
import heapq
import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError

from pipeline import arrays, examples, files, header, tfrecords
from pipeline.options import Options, RecordKeys, Source, UsageError
from pipeline.rows import Entry, Rejection, Row, Unit
from transforms import features

REJECTED = "rejected"
REPEATED = "repeated"

# What a unit's rows take in memory once decoded and encoded. A unit is one call of
# each graph; several are under way at once, one for each worker thread, and TF
# Transform slices its output above 200 MB.
UNIT_BYTES = 16 << 20
_UNIT_ROWS = 512
_SAMPLE_ROWS = 64

# Label maps in PNG take about this much, for sources that are not compressed.
_PNG_BYTES_PER_PIXEL = 0.035
# What a mask takes in a record against its PNG, on street scenes; above 64 classes
# times the number of words.
_BITS_GROWTH = ((8, 1.4), (16, 1.8), (32, 2.4), (64, 3.5))
_PNG_GROWTH, _UINT8_GROWTH = 1.3, 4.0
_IMAGE_PNG_BYTES_PER_PIXEL = 1.6
_RECORD_OVERHEAD_BYTES = 200

Kind = Literal["picture", "array", "records"]
_KINDS: dict[str, Kind] = {
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".npy": "array",
    ".npz": "array",
}
_RECORD_NAME = re.compile(r"\.(tfrecords?|tfrec|records?)\b|-\d{5,}-of-\d{5,}")


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """How one split is cut.

    Attributes:
        rows: how many there are; an estimate where `record_files`.
        record_files: TFRecord files, each of which becomes a shard of its own.
        named_shards: shards of the rows that have names; they come first.
        rows_per_unit: of the rows that have names.
        sizes: (height, width) of the sampled label maps.
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

    @property
    def units(self) -> int:
        """About how many units are read."""
        named = self.named_shards * math.ceil(
            self.rows / max(1, self.named_shards) / self.rows_per_unit
        )
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


# -------------------------------------------------------------------- keys and hashes


def _hash(seed: int, purpose: bytes, text: str) -> int:
    digest = hashlib.blake2b(
        f"{seed}\0{text}".encode(), digest_size=8, person=purpose
    ).digest()
    return int.from_bytes(digest, "big")


def rank_of(key: str, seed: int) -> int:
    """Where a key stands in the order of its shard, and in `--limit`'s."""
    return _hash(seed, b"rank", key)


def shard_of(key: str, seed: int, shards: int) -> int:
    """The shard that a key lands in."""
    return _hash(seed, b"shard", key) % shards


def split_of(key: str, options: Options) -> str:
    """The split that `--split_by` deals a key to.

    It depends on the key, or on what `--group_by` matches in it, and on the seed.
    """
    group = key
    if options.group_by is not None and (match := re.search(options.group_by, key)):
        group = (match.group(1) if match.re.groups else match.group(0)) or key
    share = _hash(options.seed, b"split", group) / 2**64
    for split, width in options.split_by:
        if share < width:
            return split
        share -= width
    return options.split_by[-1][0]  # the shares' rounding


def key_of(path: str, pattern: str, suffix: str, place: str = "") -> str:
    """The key of a file, or of a place in it.

    Args:
        path: the file's.
        pattern: the glob that matched it.
        suffix: stripped off the end, where it is there.
        place: `arrays.Place.suffix`.
    """
    stem = os.path.splitext(files.below(path, pattern))[0]
    return (stem + place).removesuffix(suffix)


def kind_of(path: str) -> Kind | None:
    """How a file is read, by its name; None where the name does not say."""
    name = path.rpartition("/")[2].lower()
    kind = _KINDS.get(os.path.splitext(name)[1])
    return kind or ("records" if _RECORD_NAME.search(name) else None)


def _kind(path: str) -> Kind:
    kind = kind_of(path)
    if kind is None:
        raise UsageError(
            f"{path} is of no format that is read here, by its name: label maps are "
            ".png, .npy, .npz or .tfrecord, images .png, .jpg or .jpeg; narrow the glob"
        )
    return kind


# -------------------------------------------------------------------- the client's look


def survey(options: Options) -> Plan:
    """Looks at all names, and at the headers of a sample.

    Raises:
        UsageError: a glob matches nothing, or files that are not read here.
    """
    labels = {source: _matched(source, "--label_maps") for source in options.label_maps}
    for source in options.images:
        for file in _matched(source, "--images"):
            if _kind(file.path) != "picture":
                raise UsageError(
                    f"--images {file.path} is no picture; record files bring their "
                    "own images, and are named by --label_maps alone"
                )
    record_files = {
        source: [file for file in found if _kind(file.path) == "records"]
        for source, found in labels.items()
    }
    first = next(itertools.chain.from_iterable(record_files.values()), None)
    with_images = bool(options.images) or (
        first is not None and _has_images(first.path, options)
    )
    if not with_images:
        keys = dataclasses.replace(options.record_keys, image="")
        options = dataclasses.replace(options, record_keys=keys)
    config = options.config(with_images=with_images)
    return Plan(
        config,
        options.record_keys,
        {
            split: _survey_split(split, options, config, labels, record_files)
            for split in options.splits
        },
    )


def _matched(source: Source, flag: str) -> list[files.File]:
    try:
        found = files.match(source.pattern)
    except BeamIOError as error:
        raise UsageError(
            f"{flag} {source.pattern} cannot be listed: {error}"
        ) from error
    if not found:
        raise UsageError(
            f"{flag} {source.pattern} matches no file (split {source.split!r}): check "
            "the path, and quote the glob so that the shell leaves it alone"
        )
    return found


@dataclasses.dataclass(frozen=True)
class _Sample:
    """What is known of a sampled row: sizes in pixels and bytes."""

    height: int
    width: int
    label_bytes: float
    image_bytes: int


def _survey_split(
    split: str,
    options: Options,
    config: features.Config,
    labels: dict[Source, list[files.File]],
    record_files: dict[Source, list[files.File]],
) -> SplitPlan:
    sources = [s for s in labels if options.split_by or s.split == split]
    sizes = {file.path: file.size for s in sources for file in labels[s]}
    ranked = sorted(
        (
            (rank_of(key, options.seed), entry)
            for source in sources
            for key, entry in _entries(source, options, is_image=False)
            if entry.split == split
        ),
        key=lambda pair: pair[0],
    )
    image_bytes = _mean_image_bytes(split, options) if ranked else 0
    samples = [
        sample
        for _, entry in ranked[:_SAMPLE_ROWS]
        if (sample := _sample(entry, sizes[entry.path], image_bytes)) is not None
    ]
    named_bytes = len(ranked) * _mean_stored_bytes(samples, config)
    records = sorted({file for s in sources for file in record_files[s]})
    share = dict(options.split_by).get(split, 1.0)
    record_samples, rows_in_records = _sample_records(records, options)
    rows_in_records = round(rows_in_records * share)
    limit_rank = None
    if options.limit is not None:
        limit_rank = _limit_rank([r for r, _ in ranked], records, split, options)
    found = len(ranked) + rows_in_records
    kept = found if options.limit is None else min(found, options.limit)
    stored = named_bytes + rows_in_records * _mean_stored_bytes(record_samples, config)
    stored = stored * kept / found if found else 0
    named_share = len(ranked) / found if found else 0
    return SplitPlan(
        rows=kept,
        record_files=tuple(file.path for file in records),
        named_shards=_shards(stored * named_share, options) if ranked else 0,
        rows_per_unit=_rows_per_unit(samples, config),
        sizes=tuple(
            config.size or (sample.height, sample.width)
            for sample in (*samples, *record_samples)
        ),
        stored_bytes=round(stored),
        limit_rank=limit_rank,
    )


def _limit_rank(
    ranks: list[int], records: list[files.File], split: str, options: Options
) -> int:
    """The rank of the last row that `--limit` lets in."""
    in_records = (
        rank_of(key, options.seed)
        for file in records
        for key in _record_keys(file.path, options)
        if not options.split_by or split_of(key, options) == split
    )
    assert options.limit is not None
    return max(
        heapq.nsmallest(options.limit, itertools.chain(ranks, in_records)), default=0
    )


def _record_keys(path: str, options: Options) -> Iterator[str]:
    try:
        for number, record in enumerate(tfrecords.records(path)):
            try:
                yield examples.parse(record, path, number, options.record_keys).key
            except ValueError:
                continue  # the pipeline rejects it, with its reason
    except tfrecords.DamagedError:
        return


def _shards(stored_bytes: float, options: Options) -> int:
    return max(1, math.ceil(stored_bytes / (options.shard_mb << 20)))


def _rows_per_unit(samples: list[_Sample], config: features.Config) -> int:
    if not samples:
        return 1
    largest = max(unit_bytes(config, s.height, s.width) for s in samples)
    return max(1, min(_UNIT_ROWS, UNIT_BYTES // largest))


def unit_bytes(config: features.Config, height: int, width: int) -> int:
    """What a row takes of `UNIT_BYTES`: its encoded mask, and its image decoded.

    Args:
        config: the encoding.
        height: of the source, in pixels.
        width: likewise.
    """
    stored_height, stored_width = config.size or (height, width)
    image = 3 * height * width if config.with_images else 0
    return stored_height * stored_width * mask_bytes_per_pixel(config) + image


def mask_bytes_per_pixel(config: features.Config) -> int:
    """What a pixel's encoded mask takes before it is deflated."""
    classes = config.num_classes
    if config.mask_encoding == "png":
        return 1 if classes <= 255 else 2
    if config.mask_encoding == "bits":
        return next(
            (bits // 8 for bits in (8, 16, 32, 64) if classes <= bits),
            8 * math.ceil(classes / 64),
        )
    return classes * (4 if config.mask_encoding == "float32" else 1)


def _mean_stored_bytes(samples: list[_Sample], config: features.Config) -> float:
    """What a row will take in its record, by a sample."""
    if not samples:
        return 0.0
    return sum(_stored_bytes(sample, config) for sample in samples) / len(samples)


def _stored_bytes(sample: _Sample, config: features.Config) -> float:
    height, width = config.size or (sample.height, sample.width)
    pixels = height * width
    label = sample.label_bytes * pixels / (sample.height * sample.width)
    classes = config.num_classes
    if config.mask_encoding == "float32":
        mask = 4.0 * classes * pixels
    elif config.mask_encoding == "bits":
        words = math.ceil(classes / 64)
        mask = label * next(
            (g for bits, g in _BITS_GROWTH if classes <= bits), 2 * words
        )
    else:
        mask = label * (_PNG_GROWTH if config.mask_encoding == "png" else _UINT8_GROWTH)
    image = float(sample.image_bytes)
    if config.with_images and config.image_storage == "png":
        image = _IMAGE_PNG_BYTES_PER_PIXEL * pixels
    return mask + image + _RECORD_OVERHEAD_BYTES


def _sample(entry: Entry, size: int, image_bytes: int) -> _Sample | None:
    """Looks at one header; None for a file that will be rejected."""
    try:
        if entry.place is not None:
            height, width = arrays.read(entry.path, entry.place).shape
            if not height * width:
                return None
            return _Sample(
                height, width, _PNG_BYTES_PER_PIXEL * height * width, image_bytes
            )
        with files.open_raw(entry.path) as file:
            found = header.read_header(file.read(header.PNG_HEADER_BYTES))
        return _Sample(found.height, found.width, size, image_bytes)
    except (ValueError, OSError):
        return None


def _mean_image_bytes(split: str, options: Options) -> int:
    sizes = [
        file.size
        for source in options.images
        if options.split_by or source.split == split
        for file in files.match(source.pattern)
    ]
    return sum(sizes) // len(sizes) if sizes else 0


def _has_images(path: str, options: Options) -> bool:
    """Whether the first record that can be read has an image."""
    if not options.record_keys.image:
        return False
    for record in _first_records(path, _SAMPLE_ROWS):
        try:
            examples.parse(record, path, 0, options.record_keys)
        except examples.MissingFeatureError as error:
            if error.feature == options.record_keys.image:
                return False
        except ValueError:
            continue
        else:
            return True
    return False


def _first_records(path: str, count: int) -> list[bytes]:
    found = []
    try:
        for record in itertools.islice(tfrecords.records(path), count):
            found.append(record)
    except (tfrecords.DamagedError, OSError):
        pass  # the pipeline reports it
    return found


def _sample_records(
    record_files: list[files.File], options: Options
) -> tuple[list[_Sample], int]:
    """Samples of record files, and an estimate of how many rows they have."""
    samples: list[_Sample] = []
    sampled_bytes = 0
    for file in record_files:
        if len(samples) >= _SAMPLE_ROWS:
            break
        for record in _first_records(file.path, _SAMPLE_ROWS - len(samples)):
            sampled_bytes += len(record)
            try:
                raw = examples.parse(record, file.path, 0, options.record_keys)
                found = header.read_header(raw.label_bytes)
            except ValueError:
                continue
            samples.append(
                _Sample(
                    found.height,
                    found.width,
                    len(raw.label_bytes),
                    len(raw.image_bytes or b""),
                )
            )
    total = sum(file.size for file in record_files)
    rows = math.ceil(total * len(samples) / sampled_bytes) if sampled_bytes else 0
    return samples, rows


# -------------------------------------------------------------------- the pipeline's


def _entries(
    source: Source, options: Options, *, is_image: bool
) -> Iterator[tuple[str, Entry]]:
    """The files of a source, or the maps in them, by key; record files left out."""
    suffix = options.strip_image_suffix if is_image else options.strip_label_suffix
    for file in files.match(source.pattern):
        kind = _kind(file.path)
        if kind == "records":
            continue
        for place in _places(file.path) if kind == "array" else [None]:
            at = place.suffix if place else ""
            key = key_of(file.path, source.pattern, suffix, at)
            split = split_of(key, options) if options.split_by else source.split
            yield key, Entry(is_image, split, file.path, place)


def _places(path: str) -> list[arrays.Place]:
    try:
        return arrays.places(path)
    except (ValueError, OSError):
        return [arrays.Place()]  # reading it will fail, and be reported


class PairByKey(beam.DoFn):
    """Label maps and images of one key to rows: `pair_by_key`."""

    def __init__(self, with_images: bool, seed: int) -> None:
        self._with_images = with_images
        self._seed = seed

    def process(self, element: tuple[str, Iterable[Entry]]) -> Iterator[Any]:
        """Gives (split, row), and rejections."""
        key, entries = element
        entries = list(entries)
        splits = {entry.split for entry in entries}
        if len(splits) > 1:
            yield beam.pvalue.TaggedOutput(REPEATED, repeated_key(key, splits))
        for result in pair_by_key(key, entries, self._with_images, self._seed):
            if isinstance(result, Rejection):
                yield beam.pvalue.TaggedOutput(REJECTED, result)
            else:
                yield result


def repeated_key(key: str, splits: Iterable[str]) -> str:
    """A key that is in several splits, in words."""
    return f"{key!r} in {', '.join(sorted(set(splits)))}"


def pair_by_key(
    key: str, entries: Iterable[Entry], with_images: bool, seed: int
) -> Iterator[tuple[str, Row] | Rejection]:
    """Pairs the label map and the image of one key, in each split.

    Of several label maps, or images, with one key in a split the one of smallest path
    stays. One without the other is rejected where rows have images.
    """
    by_split: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for entry in sorted(entries, key=lambda e: (e.path, e.place or arrays.Place())):
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
            | "ListNames"
            >> beam.FlatMapTuple(
                lambda source, is_image: _entries(source, options, is_image=is_image)
            )
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


def _within_limit(element: tuple[str, Entry], plan: Plan, seed: int) -> bool:
    key, entry = element
    limit = plan.splits[entry.split].limit_rank
    return limit is None or rank_of(key, seed) <= limit
