"""Raw rows to checked rows: decoded, judged, summarised; or rejected, with the reason.

Whatever would make the transform graph fail, or lie, stops here. Rows are decoded one
by one, by the functions that the graph maps over its batch, so a row that cannot be
decoded takes no other with it.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskbeam.pipeline.elements import Batch, RawRow, RejectedError, Rejection
from maskbeam.pipeline.formats import picture_header
from maskbeam.pipeline.keys import rank_of
from maskbeam.pipeline.options import Options
from maskbeam.pipeline.planning import sizes
from maskbeam.pipeline.rows.run_lengths import Runs, runs_of
from maskbeam.pipeline.runtime import progress
from maskbeam.pipeline.runtime.coders import SizedCoder
from maskbeam.transforms import (
    decode,
    features,
    geometry,
    masks,
    orientation,
    png,
    stored_masks,
    summaries,
    tiles,
)
from maskbeam.transforms.classes import UNKNOWN, ClassMap
from maskbeam.transforms.png_kinds import KINDS, Encoding, Kind

REJECTED = "rejected"

# With the rows that were read these tell whether any was decoded twice.
_LABEL_MAPS = beam.metrics.Metrics.counter(progress.NAMESPACE, "label_maps")
_IMAGES = beam.metrics.Metrics.counter(progress.NAMESPACE, "images")

Index = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_PROTOBUF_BYTES = 2**31 - 1

_JPEG = "JPEG changes label values: save label maps as PNG"
_WAYS_OUT: Mapping[Encoding, str] = {
    "index": "colours are no class ids: give a class map that says how they hold them, "
    "by `encoding: color` or another",
    "ade20k": "the *_seg.png of the full ADE20K are RGB; SceneParsing's label maps are "
    "grey, and of preset ade20k",
    "panoptic": "a palette file holds class ids, and is of `encoding: index`",
    "instance": "a palette file holds class ids, and is of `encoding: index`",
}


@dataclasses.dataclass(frozen=True)
class CheckedRow:
    """A row that can be encoded.

    Attributes:
        key: unique within its split.
        height: of the label map, in pixels.
        width: likewise.
        runs: class indices, `masks.index_dtype`, the largest value ignored.
        summary: of the row.
        image_bytes: the encoded image as it is stored; None where rows have none.
        image_format: `png` or `jpeg`; empty where rows have none.
        size: what the row takes of a unit, in bytes.
        raw: what it was made of, of the few that the skew check chooses from.
    """

    key: str
    height: int
    width: int
    runs: Runs
    summary: summaries.Summary
    image_bytes: bytes | None
    image_format: str
    size: int
    raw: RawRow | None = None


class _Image(NamedTuple):
    """An image on its way.

    Attributes:
        levels: u8[H W 3], as the model will see it.
        encoded: the file that gives them; empty where they are to be encoded.
        format: of the file.
    """

    levels: npt.NDArray[np.uint8]
    encoded: bytes = b""
    format: str = ""


class CheckedBatch(NamedTuple):
    """Checked rows of one shard, few enough for one call of the graph."""

    split: str
    shard: int
    part: tuple[int, ...]
    rows: list[CheckedRow]

    @property
    def nbytes(self) -> int:
        """What it takes, about."""
        return sum(row.size for row in self.rows)


beam.coders.registry.register_coder(CheckedBatch, SizedCoder)


@beam.typehints.with_output_types(CheckedBatch)
class CheckBatch(beam.DoFn):
    """Batches to checked batches, and `rejected`.

    Rows of a rank up to `sample_rank` bring what they were made of along.
    """

    def __init__(
        self, options: Options, config: features.Config, sample_rank: int
    ) -> None:
        self._options = options
        self._config = config
        self._sample_rank = sample_rank

    def setup(self) -> None:
        """Makes the tables, which are too large to be sent."""
        options = self._options
        self._check = RowCheck(options.class_map, self._config, options.max_pixels)

    def process(self, batch: Batch) -> Iterator[Any]:
        """Checks one batch; one that turns out larger than a unit is cut."""
        slices, size = 0, 0
        rows: list[CheckedRow] = []
        for raw in batch.rows:
            sampled = rank_of(raw.key, self._options.seed) <= self._sample_rank
            try:
                # A picture's tiles come one by one, and are rejected together.
                for row in self._check(raw):
                    if sampled:  # of a picture's tiles it is the first
                        row, sampled = dataclasses.replace(row, raw=raw), False
                    if rows and size + row.size > sizes.UNIT_BYTES:
                        part = (*batch.part, slices)
                        yield CheckedBatch(batch.split, batch.shard, part, rows)
                        slices, size, rows = slices + 1, 0, []
                    rows.append(row)
                    size += row.size
            except RejectedError as error:
                progress.TALLY.add(rejected=1)
                yield beam.pvalue.TaggedOutput(
                    REJECTED,
                    Rejection(
                        raw.key, batch.split, raw.source, error.stage, error.reason
                    ),
                )
        if rows:
            yield CheckedBatch(batch.split, batch.shard, (*batch.part, slices), rows)


class RowCheck:
    """Checks rows one by one.

    Args:
        class_map: what label values mean.
        config: what the rows become.
        max_pixels: the largest picture that is decoded.
    """

    def __init__(
        self, class_map: ClassMap, config: features.Config, max_pixels: int
    ) -> None:
        self._class_map = class_map
        self._config = config
        self._max_pixels = max_pixels
        self._index_dtype = masks.index_dtype(config.num_classes)
        # (id -> class index or IGNORED or UNKNOWN, id -> index as stored), by depth
        self._tables = {depth: self._table(depth) for depth in (8, 16)}

    def _table(
        self, id_depth: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.generic]]:
        forward = self._class_map.forward_table(id_depth)
        index = np.where(forward < 0, self._index_dtype.max, forward)
        return forward, index.astype(self._index_dtype.as_numpy_dtype)

    def __call__(self, raw: RawRow) -> Iterator[CheckedRow]:
        """Decodes, judges and summarises one row: gives it, or its tiles.

        Raises:
            RejectedError: with stage and reason, before anything is given.
        """
        if raw.label_bytes is None:
            image = self._image(raw, None)
            assert image is not None
            height, width = image.levels.shape[:2]
            runs = self._unlabelled(height, width)
        else:
            found = self._label_header(raw.label_bytes)
            height, width = found.height, found.width
            runs = self._label(raw.label_bytes, found)
            image = self._image(raw, found)
        size = self._config.size
        if size is None:
            yield self._row(raw.key, (height, width), runs, image)
            return
        index = runs.repeat(runs.values).reshape(height, width)
        if self._config.resize != "tile":
            index = geometry.fit_label(
                index, size, self._config.resize, self._index_dtype.max
            ).numpy()
            yield self._row(raw.key, size, runs_of(index), self._fit(image))
        else:
            yield from self._tiles(raw.key, index, image)

    def _label_header(self, data: bytes) -> picture_header.Header:
        found = self._header(data, "label map")
        encoding = self._class_map.encoding
        if found.kind not in KINDS[encoding]:
            kind, way_out = "JPEG", _JPEG
            if found.kind is not None:
                kind, way_out = str(found.kind), _WAYS_OUT.get(encoding, "")
            raise RejectedError(
                "header",
                f"label map: {kind}, which encoding {encoding} of class map "
                f"{self._class_map.name} does not read"
                + (f"; {way_out}" if way_out else ""),
            )
        self._check_record_size(found.height, found.width)
        return found

    def _check_record_size(self, height: int, width: int) -> None:
        height, width = self._config.size or (height, width)
        stored = stored_masks.of(self._config)
        least = stored.least_bytes(height * width)
        if least > _PROTOBUF_BYTES:
            shape = " ".join(map(str, (height, width, *stored.depth)))
            raise RejectedError(
                "size",
                f"the {stored.encoding} mask [{shape}] takes {least} bytes, and a "
                f"record holds {_PROTOBUF_BYTES}: use another --mask_encoding, or "
                "--size",
            )

    def _header(self, data: bytes, what: str) -> picture_header.Header:
        try:
            found = picture_header.read_header(data)
        except ValueError as error:
            raise RejectedError("header", f"{what}: {error}") from error
        if found.pixels > self._max_pixels:
            raise RejectedError(
                "header",
                f"{what}: its header promises {found.height} x {found.width} = "
                f"{found.pixels} pixels, and --max_pixels is {self._max_pixels}",
            )
        return found

    def _label(self, data: bytes, found: picture_header.Header) -> Runs:
        """The class indices of a label map."""
        assert found.kind is not None
        _LABEL_MAPS.inc()
        try:
            encoded = tf.constant(data)
            # Unlike `numpy()` this does not copy.
            ids = np.asarray(decode.ids(encoded, found.kind, self._class_map))
        except tf.errors.InvalidArgumentError as error:
            raise RejectedError("decode", f"label map: {_cause(error)}") from error
        runs = runs_of(ids)
        forward, table = self._tables[8 * ids.itemsize]
        unknown = np.flatnonzero((forward == UNKNOWN) & (runs.counts() > 0))
        if unknown.size:
            raise RejectedError(
                "classes", self._unknown(data, found.kind, ids, unknown)
            )
        return runs._replace(values=table[runs.values])

    def _unknown(
        self,
        data: bytes,
        kind: Kind,
        ids: npt.NDArray[np.generic],
        unknown: npt.NDArray[np.int64],
    ) -> str:
        """Which values the class map does not name, and what may be done."""
        class_map = self._class_map
        if class_map.encoding == "color":  # one id stands for all that are unknown
            values = decode.color_codes(data, kind).numpy()[np.isin(ids, unknown)]
        else:
            values = ids[np.isin(ids, unknown)]
        found, pixels = np.unique(values, return_counts=True)
        shown = ", ".join(
            f"{class_map.describe(int(value))} at {count} pixels"
            for value, count in zip(found[:4], pixels[:4], strict=True)
        )
        more = f" and {found.size - 4} more values" if found.size > 4 else ""
        hint = "if it is meant, name it there, under a class or under `ignore`"
        if class_map.encoding == "color":
            hint += "; `others: ignore` leaves all unknown colours out"
        elif 255 in found:
            hint = "255 often is the ignore label: if so, add it to `ignore`"
        return (
            f"label value {shown}{more}, outside class map {class_map.name}, "
            f"which has {class_map.describe_ids()}; {hint}"
        )

    def _unlabelled(self, height: int, width: int) -> Runs:
        """All ignored."""
        dtype = self._index_dtype
        self._check_record_size(height, width)
        ignored = np.array([dtype.max], dtype.as_numpy_dtype)
        return Runs(ignored, np.array([height * width]))

    def _image(self, raw: RawRow, label: picture_header.Header | None) -> _Image | None:
        """The image, upright."""
        if raw.image_bytes is None:  # as it is for all rows, or for none
            return None
        what = f"image {raw.image_source}"
        found = self._header(raw.image_bytes, what)
        turn = _orientation(raw.image_bytes, found)
        size = (found.width, found.height) if turn > 4 else (found.height, found.width)
        if label is not None and (label.height, label.width) != size:
            reason = (
                f"label map and image differ in size: {label.height} x {label.width} "
                f"and {size[0]} x {size[1]} (height x width), {what}"
            )
            if (label.height, label.width) == size[::-1] and turn > 4:
                reason += (
                    f"; the image's EXIF orientation, {turn}, turns it on its side, "
                    "and the label map was drawn as if it did not: turn the label map, "
                    "or take the tag out of the image"
                )
            raise RejectedError("pair", reason)
        _IMAGES.inc()
        try:
            levels = decode.unturned_levels(tf.constant(raw.image_bytes))
        except tf.errors.InvalidArgumentError as error:
            raise RejectedError("decode", f"{what}: {_cause(error)}") from error
        levels = np.asarray(orientation.upright(levels, tf.constant(turn)))
        if self._config.image_storage == "png" or turn > 1:
            # Other readers of the records do not turn pictures, or not all alike.
            return _Image(levels)
        return _Image(levels, raw.image_bytes, found.format)

    def _fit(self, image: _Image | None) -> _Image | None:
        """The image in the size of all rows."""
        if image is None:
            return None
        levels = geometry.fit_image(
            image.levels, self._config.size, self._config.resize
        ).numpy()
        return image._replace(levels=levels)

    def _tiles(
        self, key: str, index: Index, image: _Image | None
    ) -> Iterator[CheckedRow]:
        """The tiles of a picture, in order."""
        tile = self._config.size
        assert tile is not None
        height, width = index.shape
        for offset in tiles.offsets(height, width, tile, self._config.overlap):
            piece = None
            if image is not None:
                piece = _Image(tiles.cut(image.levels, offset, tile, 0))
            part = tiles.cut(index, offset, tile, self._index_dtype.max)
            tile_key = tiles.tile_key(key, offset, (height, width))
            yield self._row(tile_key, tile, runs_of(part), piece)

    def _row(
        self, key: str, shape: tuple[int, int], runs: Runs, image: _Image | None
    ) -> CheckedRow:
        """A row as it will be stored."""
        encoded, image_format = None, ""
        if image is not None:
            encoded, image_format = image.encoded, image.format
            if not encoded:
                encoded, image_format = png.encode_png(image.levels), "png"
        counts = runs.counts()
        return CheckedRow(
            key,
            *shape,
            runs,
            summaries.of_row(
                counts[: self._config.num_classes],
                int(counts[-1]),
                None if image is None else image.levels,
            ),
            encoded,
            image_format,
            sizes.unit_bytes(self._config, *shape),
        )


def _orientation(data: bytes, found: picture_header.Header) -> int:
    """The EXIF orientation of an image, 1 where it has none."""
    if found.format != "jpeg" or b"Exif" not in data[: orientation.LOOKED_AT]:
        return 1
    return int(orientation.orientation(data))


def _cause(error: tf.errors.InvalidArgumentError) -> str:
    """TensorFlow's message without its own place names."""
    message = str(error.message).split(" [Op:")[0].split("{{")[-1]
    return f"damaged or cut off: {message.split('}} ')[-1]}"
