"""Makes records of encoded rows, and writes them to fragments.

A fragment is a piece of a TFRecord file under its own name; only the name moves on.
A shard is its fragments, concatenated in the order of their parts. So shards do not
depend on the number of workers or on timing, and a runner may do any step twice.
Fragments stay until the manifest is written.
"""

import collections
import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy.typing as npt
from apache_beam.transforms.window import GlobalWindows

from maskbeam.pipeline.elements import Origins, RawRow, SkewSample, WrittenRecords
from maskbeam.pipeline.formats import tf_examples, tfrecords
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.rows.batches import CheckedRow, EncodedBatch
from maskbeam.pipeline.rows.encode import encoded_parts, make_encoder
from maskbeam.pipeline.rows.profile import Profile
from maskbeam.pipeline.rows.seen import CLASSES, Seen
from maskbeam.pipeline.runtime import files, progress
from maskbeam.transforms import features, own_records, stored_masks, summaries
from maskbeam.transforms.protobuf_wire import Content

_RECORDS = beam.metrics.Metrics.counter(progress.NAMESPACE, "records")


SAMPLES, PROFILES = "samples", "profiles"


def make_record(
    row: CheckedRow,
    parts: stored_masks.Parts,
    stored: stored_masks.StoredMask,
    own: Sequence[features.OwnColumn],
) -> Content:
    """Makes a row a serialized tf.Example.

    Args:
        row: the row.
        parts: its encoded pixels, as `StoredMask.write` takes them.
        stored: how masks are stored.
        own: the columns of the user's own that are stored.
    """
    columns: dict[str, tf_examples.Value] = {
        features.KEY: row.key,
        features.IMAGE_HEIGHT: row.height,
        features.IMAGE_WIDTH: row.width,
        **stored.write(parts, row.height, row.width),
    }
    if row.image_bytes is not None:
        columns[features.IMAGE_ENCODED] = row.image_bytes
        columns[features.IMAGE_FORMAT] = row.image_format
    for column in own:
        columns |= own_records.write(column, row.own[column.name])
    return tf_examples.serialize(columns)


@dataclasses.dataclass(eq=False)
class WriteFragment(beam.DoFn):
    """EncodedBatch -> (ShardId, WrittenRecords) of a fragment.

    The side outputs are `samples`: SkewSample, and `profiles`: (split, Profile).

    Attributes:
        directory: where fragments are written.
        config: the encoding.
        seed: the seed of the rows' ranks.
        shown: how many rows of a split a report may show by chance.
    """

    directory: str
    config: features.Config
    seed: int
    shown: int

    def setup(self) -> None:
        """Makes the directory, and what large masks are encoded by."""
        files.make_directory(self.directory)
        self._stored = stored_masks.of(self.config)
        self._own = list(own_records.stored(self.config))
        self._encode = make_encoder(self.config)

    def start_bundle(self) -> None:
        """Starts with no rows."""
        self._profiles: dict[str, Profile] = {}

    def finish_bundle(self) -> Iterator[Any]:
        """Passes on what a report says of the bundle's rows."""
        for found in self._profiles.items():
            yield beam.pvalue.TaggedOutput(
                PROFILES, GlobalWindows.windowed_value(found)
            )

    def process(self, batch: EncodedBatch) -> Iterator[Any]:
        """Writes one fragment."""
        profile = self._profiles.setdefault(
            batch.split, Profile(self.config.num_classes, self.shown)
        )
        samples: list[SkewSample] = []
        path = files.join(self.directory, uuid.uuid4().hex)
        total = summaries.zero(self.config.num_classes, self.config.with_images)
        sizes: collections.Counter[tuple[int, int]] = collections.Counter()
        size = 0
        origins = Origins()
        with files.open_new(path) as file:
            for row, mask in zip(batch.rows, batch.masks, strict=True):
                parts = self._parts(row, mask)
                record = make_record(row, parts, self._stored, self._own)
                rank = rank_of(row.key, self.seed)
                offset, length = size + tfrecords.HEAD_BYTES, record.size
                place = path, offset, length
                classes = self.config.num_classes
                profile.add_seen(_seen(row, rank, batch.shard, place, classes))
                if row.raw is not None:
                    samples.append(
                        SkewSample(
                            rank,
                            batch.split,
                            row.key,
                            *self._write_raw(row.raw),
                            path,
                            offset,
                            length,
                            row.height * row.width,
                        )
                    )
                for part in tfrecords.framed(record):
                    size += file.write(part)
                sizes[row.height, row.width] += 1
                origins += row.origins
                summaries.add_row(total, row.summary)
        profile.add_rows(batch.rows)
        records = len(batch.rows)
        progress.TALLY.add(records=records)
        _RECORDS.inc(records)
        yield from (beam.pvalue.TaggedOutput(SAMPLES, sample) for sample in samples)
        yield (
            (batch.split, batch.shard),
            WrittenRecords(
                batch.part, path, records, size, dict(sizes), total, origins
            ),
        )

    def _write_raw(self, raw: RawRow) -> tuple[str, tuple[int | None, int | None]]:
        """Writes a row's raw bytes; returns where they are, and how many each has."""
        path = files.join(self.directory, uuid.uuid4().hex)
        lengths = []
        with files.create(path) as file:
            for part in (raw.label_bytes, raw.image_bytes):
                lengths.append(None if part is None else file.write(part))
        return path, (lengths[0], lengths[1])

    def _parts(
        self, row: CheckedRow, mask: npt.NDArray[Any] | None
    ) -> stored_masks.Parts:
        """The encoded pixels of a row: in one part, or in several if it is large."""
        if mask is None:
            return encoded_parts(row.runs, self._stored, self._encode)
        return [row.runs.repeat(mask)]


def _seen(
    row: CheckedRow, rank: int, shard: int, place: tuple[str, int, int], classes: int
) -> Seen:
    """A row, and the path, the offset and the length of its record."""
    summary = row.summary
    # Where none is chosen by class, nobody asks but whether there is any.
    some = slice(None if classes <= CLASSES else 1)
    return Seen(
        rank,
        row.key,
        shard,
        *place,
        row.height,
        row.width,
        summary.classes[some],
        summary.pixels[some],
        summary.ignored_pixels,
    )
