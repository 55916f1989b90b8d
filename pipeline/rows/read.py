"""Units to raw rows: files by name, record files from beginning to end.

Only the containers are decoded here, not the pictures. A row that cannot be read is
rejected; the rows beside it go on.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any

import apache_beam as beam

from maskbeam.pipeline.elements import (
    BadRow,
    DamagedError,
    Origins,
    Place,
    RawRow,
    RejectedError,
    Rejection,
    Row,
    Unit,
    printable,
)
from maskbeam.pipeline.errors import StoreError, in_words
from maskbeam.pipeline.formats import limits, record_files
from maskbeam.pipeline.keys import rank_of, split_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning.census import Counted
from maskbeam.pipeline.planning.plan import Plan
from maskbeam.pipeline.rows import layered, row_files
from maskbeam.pipeline.rows.batches import Batch
from maskbeam.pipeline.runtime import files, progress, turns

REJECTED = "rejected"
PLACES = "places"
COUNTED = "counted"

_ROWS = beam.metrics.Metrics.counter(progress.NAMESPACE, "rows")

# Encoded bytes that are held at once; decoded ones are bounded in `check`.
_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 512
_FETCHED_AT_ONCE = 8  # rows of object stores, by all threads of a process


@dataclasses.dataclass
class _Waiting:
    """Rows that wait until they fill a batch; `size` in bytes."""

    rows: list[RawRow] = dataclasses.field(default_factory=list)
    size: int = 0

    def add(self, row: RawRow) -> None:
        self.rows.append(row)
        self.size += row.nbytes


@beam.typehints.with_output_types(Batch)
class ReadUnit(beam.DoFn):
    """Unit -> Batch.

    Side outputs are `rejected`: Rejection; and, where there are record files, whose
    keys nobody knew before, `places`: (key, (split, source)) of every row, and
    `counted`: (split, Counted) of these rows.
    """

    def __init__(self, options: Options, plan: Plan) -> None:
        self._options = options
        self._plan = plan
        self._has_records = any(split.record_files for split in plan.splits.values())

    def process(self, unit: Unit) -> Iterator[Any]:
        """Reads one unit."""
        rows = self._record_rows(unit) if unit.record_file else self._named_rows(unit)
        parts = itertools.count()
        sent: dict[str, Origins] = collections.defaultdict(Origins)
        waiting: dict[str, _Waiting] = {}
        for split, row in rows:
            if isinstance(row, Rejection):
                progress.TALLY.add(rejected=1)
                yield beam.pvalue.TaggedOutput(REJECTED, row)
                continue
            if self._has_records:
                place = (row.key, (split, row.source))
                yield beam.pvalue.TaggedOutput(PLACES, place)
            if unit.record_file:
                sent[split] += Origins(1, rank_of(row.key, self._options.seed))
            batch = waiting.setdefault(split, _Waiting())
            batch.add(row)
            _ROWS.inc()
            if len(batch.rows) >= _BATCH_ROWS or batch.size >= _BATCH_BYTES:
                yield Batch(split, unit.shard, (unit.part, next(parts)), batch.rows)
                del waiting[split]
        for split, batch in waiting.items():
            yield Batch(split, unit.shard, (unit.part, next(parts)), batch.rows)
        for split, rows_of in sent.items():
            counted = (split, Counted(sent=rows_of))
            yield beam.pvalue.TaggedOutput(COUNTED, counted)

    def _named_rows(self, unit: Unit) -> Iterator[tuple[str, RawRow | Rejection]]:
        """The rows of files, each with its split."""
        for row in read_rows(unit.rows, unit.split, self._options):
            yield unit.split, row

    def _record_rows(self, unit: Unit) -> Iterator[tuple[str, RawRow | Rejection]]:
        """The rows of a record file, each with its split."""
        path, keys = unit.record_file, self._plan.record_keys
        most = limits.picture_bytes(self._options.max_pixels)
        try:
            _check_size(unit)
            for row in record_files.rows(path, keys, unit.span, most):
                if isinstance(row, BadRow):
                    yield unit.split, _rejection(unit, row.number, row.reason)
                    continue
                split = unit.split or split_of(row.key, self._options)
                if self._plan.splits[split].takes(row.key, self._options.seed):
                    yield split, readable(row, split, self._options)
        except DamagedError as error:
            reason = _damage(unit, error)
            yield unit.split, _rejection(unit, error.row, reason, error.lost)


def _check_size(unit: Unit) -> None:
    """Refuses a record file that is not as large as when it was counted.

    Raises:
        DamagedError: so nobody can say how many rows it should have.
    """
    try:
        size = files.size_of(unit.record_file)
    except OSError as error:
        raise DamagedError(unit.span.first, f"it cannot be read: {error}") from error
    if size != unit.file_bytes:
        raise DamagedError(
            unit.span.first,
            f"the file had {unit.file_bytes} bytes when the run began, and has {size}: "
            "it is still written, or was replaced",
        )


def _damage(unit: Unit, error: DamagedError) -> str:
    """What is lost of a record file, in words."""
    stop = unit.span.stop
    lost = "the rest is" if stop is None else f"those up to byte {stop} are"
    count = "nobody can say how many rows"
    if error.lost is not None:
        about = "about " if error.is_estimate else ""
        by = ", by the size of those before" if error.is_estimate else ""
        count = f"{about}{error.lost} rows{by}"
    return (
        f"damaged at record {error.row}: {error.reason}; the {error.row} records "
        f"before it are read, {lost} lost: {count}"
    )


def _rejection(unit: Unit, number: int, reason: str, rows: int | None = 1) -> Rejection:
    """A rejection of a record whose key is not known, and maybe of what follows it."""
    source = printable(f"{unit.record_file}#{number}")
    return Rejection("", unit.split, source, "read", reason, rows)


@functools.cache
def _fetchers() -> futures.ThreadPoolExecutor:
    return futures.ThreadPoolExecutor(_FETCHED_AT_ONCE)


def read_rows(
    rows: Sequence[Row], split: str, options: Options
) -> Iterator[RawRow | Rejection]:
    """Reads the files of rows; gives the rows in order.

    Those in archives are read in the order in which they stand there: what is deflated
    in one piece is read forward, once. It takes what a unit's rows take encoded.

    Args:
        rows: of one unit.
        split: of all of them.
        options: what is converted.
    """
    numbers = range(len(rows))
    in_file = sorted(numbers, key=lambda number: _place_in_file(rows[number]))
    if in_file == list(numbers):
        yield from _read_in_order(rows, split, options)
        return
    in_order = _read_in_order([rows[number] for number in in_file], split, options)
    found = dict(zip(in_file, in_order, strict=True))
    yield from (found[number] for number in numbers)


def _place_in_file(row: Row) -> tuple[str, Place]:
    """Sorts the rows that are in archives; others stay as they are."""
    if row.label is None or row.label.place is None or not row.label.place.member:
        return "", Place()
    return row.label.path, row.label.place


def _read_in_order(
    rows: Sequence[Row], split: str, options: Options
) -> Iterator[RawRow | Rejection]:
    """Reads rows one after the other.

    Some files of an object store are fetched ahead: each takes a few round trips, and
    meanwhile a worker would do nothing.
    """
    entries = [entry for row in rows for entry in row.entries]
    if all(files.is_local(entry.path) for entry in entries):
        for row in rows:
            # A large one has its turn until what comes after this step is done.
            with turns.READ.take(_bytes_of_files(row)):
                yield read_row(row, split, options)
        return
    ahead: collections.deque[futures.Future[RawRow | Rejection]] = collections.deque()
    for row in rows:
        ahead.append(_fetchers().submit(read_row, row, split, options))
        if len(ahead) >= _FETCHED_AT_ONCE:
            yield ahead.popleft().result()
    yield from (row.result() for row in ahead)


def _bytes_of_files(row: Row) -> int:
    """What a row's local files have; 0 if they are not there."""
    size = 0
    with contextlib.suppress(OSError):
        for entry in row.entries:
            if entry.picture is None:  # else it is in a file that was read before
                size += files.size_of(entry.path)
    return size


def readable(row: RawRow, split: str, options: Options) -> RawRow | Rejection:
    """Makes PNGs of a record file's pictures that are of other formats.

    Args:
        row: of a record file.
        split: its split.
        options: what is converted.
    """
    try:
        return row_files.readable(row, options)
    except RejectedError as error:
        return Rejection(row.key, split, row.source, error.stage, error.reason)


def read_row(row: Row, split: str, options: Options) -> RawRow | Rejection:
    """Reads the files of one row; whatever is wrong with them costs this row.

    Args:
        row: the row.
        split: its split.
        options: what is converted.

    Raises:
        StoreError: the store does not answer.
    """

    def rejection(stage: str, reason: str) -> Rejection:
        return Rejection(row.key, split, row.source, stage, reason, rank=row.rank)

    label, image = row.label, row.image
    label_bytes: bytes | None = None
    overlapping: int | None = None
    try:
        if row.layers:
            label_bytes, overlapping = layered.label_map(row.layers, options)
        elif label and not label.annotations:
            label_bytes = row_files.label_map(label, row.segments, options)
        image_bytes = row_files.image(image, options) if image else None
        if label and label.annotations:
            label_bytes, overlapping = row_files.drawn_map(label, image_bytes, options)
        return RawRow(
            row.key,
            row.source,
            image.source if image else "",
            label_bytes,
            image_bytes,
            is_tile=any(entry and entry.window for entry in (label, image)),
            overlapping=overlapping,
        )
    except StoreError:
        raise
    except RejectedError as error:
        return rejection(error.stage, error.reason)
    except Exception as error:  # a file may be anything
        return rejection("read", in_words(error))
